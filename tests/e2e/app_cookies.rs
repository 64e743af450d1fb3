//! Cookies between us and an app: it never sees ours, and can neither set them nor have them cleared.

use crate::cookies::{behind_tls, over_tls, sign_in_over_tls};
use crate::support::{Request, Setup, Upstream, browser_sign_in, cookies_of};

#[test]
fn fj_52_our_cookies_never_reach_the_app_and_others_stay_as_they_were() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .route("/public", &upstream.url(), "anyone", "")
        .start();
    let ours = browser_sign_in(&gateway, "ada");
    let (first, second) = ours.split_once("; ").expect("two cookies");
    let cases = [
        (
            format!("a=1; {first}; b=\"x y\"; {second}; c"),
            vec!["a=1; b=\"x y\"; c"],
        ),
        (format!("{first}; {second}"), vec![]),
        (format!("{first}; theme=dark; {second}"), vec!["theme=dark"]),
        (
            format!("{ours}; VESTIBULE_ACCESS=x; Vestibule_Refresh=y; d=4"),
            vec!["d=4"],
        ),
        (format!("a=1;b=2; a=1; {ours}"), vec!["a=1;b=2; a=1"]),
    ];
    for (sent, expected) in cases {
        for path in ["/", "/public"] {
            Request::get(path).header("Cookie", &sent).send(&gateway);
        }
        for received in upstream.received().iter().rev().take(2) {
            assert_eq!(received.head.all("cookie"), expected, "{sent}");
        }
    }
    for received in upstream.received() {
        assert!(!String::from_utf8_lossy(&received.head.raw).contains("vrt1_"));
    }
}

#[test]
fn t_41_an_app_cannot_set_our_cookies() {
    let upstream = Upstream::start();
    let gateway = behind_tls(&upstream);
    let cookies = cookies_of(&sign_in_over_tls(&gateway));
    let cases = [
        ("__Host-vestibule_access=evil; Path=/; Secure", false),
        ("__HOST-VESTIBULE_REFRESH=evil; Path=/", false),
        (" __Host-vestibule_access =evil", false),
        ("__Host-vestibule_anything=evil", false),
        ("__Secure-vestibule_x=evil", false),
        ("=__Host-vestibule_access=evil", false),
        ("__Host-vestibule_access", false),
        ("session=app; Path=/; HttpOnly", true),
        ("my_vestibule_access=app", true),
    ];
    for (cookie, passes) in cases {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("Set-Cookie", cookie)
            .append_pair("X-App", "1")
            .finish();
        let answer = over_tls(Request::get(&format!("/headers?{query}")))
            .header("Cookie", &cookies)
            .send(&gateway);
        assert_eq!(answer.header("x-app"), Some("1"));
        assert_eq!(
            answer.head.all("set-cookie").len(),
            usize::from(passes),
            "{cookie}"
        );
    }
}

#[test]
fn t_41_an_app_cannot_have_our_cookies_cleared() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .route("/anyone", &upstream.url(), "anyone", "")
        .start();
    let cookies = browser_sign_in(&gateway, "ada");
    for (sent, passes) in [
        ("\"*\"", None),
        ("\"cookies\"", None),
        ("\"Cookies\", \"cache\"", Some("\"cache\"")),
        (
            "\"cache\",\"*\" , \"storage\"",
            Some("\"cache\", \"storage\""),
        ),
        ("\"x, \"*\", y\"", Some("\"x, y\"")),
        ("\"storage\"", Some("\"storage\"")),
    ] {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("Clear-Site-Data", sent)
            .append_pair("clear-site-data", "\"*\"")
            .finish();
        for path in ["/headers", "/anyone/headers"] {
            let answer = Request::get(&format!("{path}?{query}"))
                .header("Cookie", &cookies)
                .send(&gateway);
            assert_eq!(answer.header("clear-site-data"), passes, "{sent}");
        }
    }
}
