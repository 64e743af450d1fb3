//! Cookies: how they are set, read and cleared.

use crate::support::{
    Answer, Gateway, PASSWORD, Request, Setup, Upstream, browser_sign_in, cookies_of, sign_in,
};

fn form_sign_in(fields: &[(&str, &str)]) -> Request {
    let fields = [&[("username", "ada"), ("password", PASSWORD)], fields].concat();
    Request::post("/vestibule/login")
        .same_origin()
        .navigating()
        .form(&fields)
}

/// A gateway whose people come over https, from a proxy that ends TLS in front of it.
pub fn behind_tls(upstream: &Upstream) -> Gateway {
    Setup::in_front_of(upstream)
        .public_url("https://app.example.com")
        .start()
}

pub fn over_tls(request: Request) -> Request {
    request.header("Host", "app.example.com")
}

pub fn sign_in_over_tls(gateway: &Gateway) -> Answer {
    let answer = over_tls(Request::post("/vestibule/login"))
        .header("Sec-Fetch-Site", "same-origin")
        .header("Origin", "https://app.example.com")
        .form(&[("username", "ada"), ("password", PASSWORD)])
        .send(gateway);
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer
}

#[test]
fn fj_66_a_form_sign_in_sets_both_cookies_and_goes_back() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let answer =
        form_sign_in(&[("return_to", "/wiki?page=2"), ("remember", "true")]).send(&gateway);
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), Some("/wiki?page=2"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let cookies = answer.head.all("set-cookie");
    assert_eq!(cookies.len(), 3, "{cookies:?}");
    assert!(
        cookies[0].starts_with("vestibule_refresh="),
        "the refresh cookie comes first"
    );
    assert!(cookies[1].starts_with("vestibule_access="));
    assert!(cookies[2].starts_with("vestibule_device="));
    for cookie in cookies {
        let attributes: Vec<String> = cookie
            .split(';')
            .skip(1)
            .map(|a| a.trim().to_ascii_lowercase())
            .collect();
        for expected in ["httponly", "samesite=lax", "path=/"] {
            assert!(
                attributes.iter().any(|a| a == expected),
                "{expected}: {attributes:?}"
            );
        }
        assert!(
            attributes.iter().any(|a| a.starts_with("max-age=")),
            "{attributes:?}"
        );
        assert!(
            !attributes
                .iter()
                .any(|a| a == "secure" || a.starts_with("domain")),
            "{attributes:?}"
        );
    }
}

#[test]
fn fj_64_without_remember_the_cookies_end_with_the_browser() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let answer = form_sign_in(&[]).send(&gateway);
    for cookie in answer.head.all("set-cookie") {
        if cookie.starts_with("vestibule_device=") {
            continue;
        }
        let cookie = cookie.to_ascii_lowercase();
        assert!(
            !cookie.contains("max-age") && !cookie.contains("expires"),
            "{cookie}"
        );
    }
}

#[test]
fn fj_63_over_https_the_cookies_are_locked_to_the_host() {
    let upstream = Upstream::start();
    let gateway = behind_tls(&upstream);
    let answer = sign_in_over_tls(&gateway);
    let cookies = answer.head.all("set-cookie");
    assert!(
        cookies[0].starts_with("__Host-vestibule_refresh="),
        "{cookies:?}"
    );
    assert!(
        cookies[1].starts_with("__Host-vestibule_access="),
        "{cookies:?}"
    );
    for cookie in cookies {
        let cookie = cookie.to_ascii_lowercase();
        assert!(
            cookie.contains("; secure") && cookie.contains("; path=/"),
            "{cookie}"
        );
        assert!(
            cookie.contains("; httponly") && cookie.contains("; samesite=lax"),
            "{cookie}"
        );
        assert!(!cookie.contains("domain="), "{cookie}");
    }
    let page = over_tls(Request::get("/"))
        .header("Cookie", &cookies_of(&answer))
        .send(&gateway);
    assert_eq!(page.status, 200);
    assert_eq!(upstream.last().head.all("x-forwarded-user"), ["ada"]);
    assert_eq!(upstream.last().head.all("x-forwarded-proto"), ["https"]);
}

#[test]
fn a_session_refreshes_in_its_delivery() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    let answer = Request::post("/vestibule/refresh")
        .same_origin()
        .header("Cookie", &cookies)
        .send(&gateway);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.head.all("set-cookie").len(), 2);
    assert!(answer.json().get("access_token").is_none());
    assert!(answer.json().get("refresh_token").is_none());
    let renewed = Request::get("/")
        .header("Cookie", &cookies_of(&answer))
        .send(&gateway);
    assert_eq!(renewed.status, 200);
}

#[test]
fn c1_two_cookie_fields_are_read_as_one() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let ours = browser_sign_in(&gateway, "ada");
    let (first, second) = ours.split_once("; ").expect("two cookies");
    let answer = Request::get("/")
        .header("Cookie", first)
        .header("Cookie", second)
        .send(&gateway);
    assert_eq!(answer.status, 200);
    assert_eq!(upstream.last().head.all("cookie"), [""; 0]);
}

#[test]
fn t_19_the_same_cookie_of_ours_twice_is_a_bad_request() {
    let upstream = Upstream::start();
    let gateway = behind_tls(&upstream);
    let cookies = cookies_of(&sign_in_over_tls(&gateway));
    let mut ours = cookies.split("; ");
    let (refresh, access) = (ours.next().expect("one"), ours.next().expect("another"));
    for doubled in [
        format!("{access}; {access}"),
        format!("{access}; __Host-vestibule_access=tossed"),
        format!("{refresh}; {access}; {refresh}"),
    ] {
        let answer = over_tls(Request::get("/"))
            .header("Cookie", &doubled)
            .send(&gateway);
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "ambiguous_credentials")
        );
    }
    for (first, second) in [
        (access, "__Host-vestibule_access=tossed"),
        ("__Host-vestibule_access=tossed", access),
        (refresh, refresh),
        (&*cookies, access),
    ] {
        let answer = over_tls(Request::get("/"))
            .header("Cookie", first)
            .header("cookie", second)
            .send(&gateway);
        let told = (answer.status, answer.error());
        assert_eq!(told, (400, "ambiguous_credentials".to_owned()));
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_bearer_token_decides_alone_and_the_cookies_are_dropped() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).user("bob", &[]).start();
    let cookies = browser_sign_in(&gateway, "ada");
    let token = sign_in(&gateway, "bob").access;
    let both = Request::get("/")
        .bearer(&token)
        .header("Cookie", &cookies)
        .send(&gateway);
    assert_eq!(both.status, 200);
    assert_eq!(upstream.last().head.all("x-forwarded-user"), ["bob"]);
    assert_eq!(upstream.last().head.all("cookie"), [""; 0]);
    let bad = Request::get("/")
        .bearer("a.b.c")
        .header("Cookie", &cookies)
        .send(&gateway);
    assert_eq!(bad.status, 401);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn fj_53_signing_out_clears_the_cookies_and_a_dead_cookie_makes_a_stranger() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .route("/optional", &upstream.url(), "optional", "")
        .start();
    let cookies = browser_sign_in(&gateway, "ada");
    let out = Request::post("/vestibule/logout")
        .same_origin()
        .header("Cookie", &cookies)
        .send(&gateway);
    assert_eq!(out.status, 204);
    let cleared = out.head.all("set-cookie");
    assert_eq!(cleared.len(), 2);
    assert!(
        cleared
            .iter()
            .all(|cookie| cookie.contains("Max-Age=0") && cookie.contains("Path=/"))
    );

    let refused = Request::get("/").header("Cookie", &cookies).send(&gateway);
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.head.all("set-cookie"),
        [""; 0],
        "only our own pages clear cookies"
    );
    let navigation = Request::get("/x")
        .navigating()
        .header("Cookie", &cookies)
        .send(&gateway);
    assert_eq!(navigation.status, 303);
    assert_eq!(upstream.count(), 0);
    let optional = Request::get("/optional")
        .header("Cookie", &cookies)
        .send(&gateway);
    assert_eq!(optional.status, 200);
    assert_eq!(upstream.last().head.all("x-forwarded-user"), [""; 0]);
}

#[test]
fn answers_to_the_signed_in_are_not_kept_by_shared_caches() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .route(
            "/shared",
            &upstream.url(),
            "signed-in",
            "shared_cache = true",
        )
        .route("/public", &upstream.url(), "anyone", "")
        .start();
    let token = sign_in(&gateway, "ada").access;
    let ask = |path: &str| {
        let query = "Cache-Control=public%2C%20max-age%3D60%2C%20s-maxage%3D30";
        let answer = Request::get(&format!("{path}/headers?{query}"))
            .bearer(&token)
            .send(&gateway);
        answer
            .header("cache-control")
            .unwrap_or_default()
            .to_owned()
    };
    let private = ask("");
    let directives: Vec<&str> = private.split(',').map(str::trim).collect();
    assert!(
        directives.contains(&"private") && directives.contains(&"max-age=60"),
        "{private}"
    );
    assert!(
        !private.contains("public") && !private.contains("s-maxage"),
        "{private}"
    );
    assert_eq!(ask("/shared"), "public, max-age=60, s-maxage=30");

    let targeted = |path: &str| {
        let query = "CDN-Cache-Control=max-age%3D60&Edge-CDN-Cache-Control=max-age%3D60&Surrogate-Control=max-age%3D60&X-Accel-Expires=60";
        let answer = Request::get(&format!("{path}/headers?{query}"))
            .bearer(&token)
            .send(&gateway);
        [
            "cdn-cache-control",
            "edge-cdn-cache-control",
            "surrogate-control",
            "x-accel-expires",
        ]
        .iter()
        .filter(|name| answer.header(name).is_some())
        .count()
    };
    assert_eq!((targeted(""), targeted("/shared")), (0, 4));
}
