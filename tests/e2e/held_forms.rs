//! What somebody typed while their session ended: they are told that it went nowhere, or it is kept and
//! sent once they have signed in again and said so.

use std::time::Duration;

use crate::expiry::House;
use crate::support::{Answer, Gateway, Jar, PASSWORD, Request, Setup, Upstream};

const FORM: &str = "application/x-www-form-urlencoded";
const TARGET: &str = "/kept/page?x=1";
const TYPED: &str = "text=hunter2+%26+co";

/// `/kept` keeps forms, and `/` does not.
pub fn gateway(upstream: &Upstream) -> Gateway {
    Setup::in_front_of(upstream)
        .route("/kept", &upstream.url(), "signed-in", "replay_posts = true")
        .user("bob", &[])
        .start()
}

fn sign_in(gateway: &Gateway, name: &str, return_to: &str) -> Answer {
    let fields = [
        ("username", name),
        ("password", PASSWORD),
        ("return_to", return_to),
    ];
    let request = Request::post("/vestibule/login").same_origin().navigating();
    let answer = request.form(&fields).send(gateway);
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer
}

/// The cookies of somebody who does not know yet that their session has ended.
pub fn ended(gateway: &Gateway, name: &str) -> Jar {
    let mut jar = Jar::default();
    jar.take(&sign_in(gateway, name, "/").head);
    let sign_out = Request::post("/vestibule/logout").same_origin();
    assert_eq!(jar.with(sign_out).send(gateway).status, 204);
    jar
}

fn post(target: &str, media_type: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::post(target)
        .navigating()
        .header("Content-Type", media_type)
        .header("Referer", "http://localhost/kept/form")
        .body(body)
}

pub fn typed() -> Request {
    post(TARGET, FORM, TYPED).same_origin()
}

/// What the page's button sends.
pub fn yes(id: &str) -> Request {
    post(TARGET, "text/plain", format!("vestibule_form={id}\r\n")).same_origin()
}

pub fn page(id: &str) -> Request {
    Request::get(&format!("/vestibule/resend?form={id}")).navigating()
}

/// The kept form that an answer leads to.
#[track_caller]
fn kept(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text());
    let location = answer.header("location").expect("a location");
    let start = "/vestibule/login?return_to=%2Fvestibule%2Fresend%3Fform%3D";
    let id = location.strip_prefix(start).expect("the sign-in page");
    id.to_owned()
}

/// A browser whose form is kept, signed in again as this user.
pub fn signed_in_again(gateway: &Gateway, name: &str) -> (Jar, String) {
    let mut jar = ended(gateway, "ada");
    let answer = jar.with(typed()).send(gateway);
    let id = kept(&answer);
    jar.take(&answer.head);
    let target = format!("/vestibule/resend?form={id}");
    let answer = sign_in(gateway, name, &target);
    assert_eq!(answer.header("location"), Some(&*target));
    jar.take(&answer.head);
    (jar, id)
}

#[test]
fn what_was_typed_is_sent_after_sign_in_and_only_once() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let mut jar = ended(&gateway, "ada");
    let answer = jar.with(typed()).send(&gateway);
    let id = kept(&answer);
    let cookie = answer.header("set-cookie").expect("the key");
    for attribute in ["vestibule_form=", "Max-Age=600", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let login = answer.header("location").expect("a location").to_owned();
    jar.take(&answer.head);
    let login = jar.with(Request::get(&login).navigating()).send(&gateway);
    assert!(login.text().contains("kept for 10 minutes"));
    let asked = jar.with(page(&id)).send(&gateway);
    assert_eq!(kept(&asked), id, "who is not signed in does so first");

    jar.take(&sign_in(&gateway, "ada", "/").head);
    let asked = jar.with(page(&id)).send(&gateway);
    assert_eq!(asked.status, 200);
    let text = asked.text();
    assert!(text.contains(&format!("action=\"{TARGET}\"")), "{text}");
    assert!(text.contains("19 bytes") && !text.contains("hunter2"));
    assert_eq!(upstream.count(), 0, "nothing is sent without a yes");

    let sent = jar.with(yes(&id)).send(&gateway);
    assert_eq!((sent.status, sent.is_ours()), (200, false));
    let received = upstream.last();
    assert_eq!(received.head.start, format!("POST {TARGET} HTTP/1.1"));
    assert_eq!(received.body.data, TYPED.as_bytes());
    for (name, value) in [
        ("content-type", FORM),
        ("content-length", "19"),
        ("referer", "http://localhost/kept/form"),
        ("x-forwarded-user", "ada"),
    ] {
        assert_eq!(received.head.all(name), [value], "{name}");
    }
    assert_eq!(received.head.all("cookie"), [""; 0]);

    for again in [jar.with(yes(&id)), jar.with(page(&id))] {
        let gone = again.send(&gateway);
        assert_eq!(gone.status, 410);
        assert!(gone.text().contains("more than 10 minutes have passed"));
    }
    assert_eq!(upstream.count(), 1);
    assert!(!gateway.log().contains("hunter2"));
}

#[test]
fn a_form_with_files_comes_through_byte_for_byte() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let mut jar = ended(&gateway, "ada");
    let media_type = "multipart/form-data; boundary=x";
    let body: Vec<u8> = (0..1024 * 1024_usize).map(|at| (at % 251) as u8).collect();
    let form = post(TARGET, media_type, body.clone()).same_origin();
    let answer = jar.with(form).send(&gateway);
    let id = kept(&answer);
    jar.take(&answer.head);
    jar.take(&sign_in(&gateway, "ada", "/").head);
    assert!(
        jar.with(page(&id))
            .send(&gateway)
            .text()
            .contains("1024 KiB")
    );
    assert_eq!(jar.with(yes(&id)).send(&gateway).status, 200);
    let received = upstream.last();
    assert_eq!(received.head.first("content-type"), Some(media_type));
    assert!(received.body.data == body);
}

#[test]
fn a_person_is_told_that_nothing_was_sent() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let jar = ended(&gateway, "ada");
    for (language, told) in [("en", "was not sent"), ("ja", "送信されていません")] {
        let form = post("/page", FORM, TYPED).same_origin();
        let form = jar.with(form).header("Accept-Language", language);
        let answer = form.send(&gateway);
        assert_eq!(answer.status, 401);
        let text = answer.text();
        assert!(
            text.contains(told) && text.contains("target=\"_blank\""),
            "{text}"
        );
        assert!(text.contains("login?return_to=%2Fpage"));
        assert_eq!(answer.head.all("set-cookie"), [""; 0]);
        let mut signed_in = jar.clone();
        signed_in.take(&sign_in(&gateway, "ada", "/page").head);
        let form = post("/page", FORM, TYPED).same_origin();
        let reloaded = signed_in.with(form).send(&gateway);
        assert_eq!(reloaded.status, 200);
        assert_eq!(upstream.last().body.data, TYPED.as_bytes());
    }
}

#[test]
fn what_cannot_be_kept_is_refused_as_ever() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let jar = ended(&gateway, "ada");
    let other = ended(&gateway, "ada");
    let long = "x".repeat(1024 * 1024 + 1);
    let target = |target: &str| jar.with(post(target, FORM, TYPED).same_origin());
    let media = |kind: &str| jar.with(post(TARGET, kind, TYPED).same_origin());
    let chunked = post(TARGET, FORM, "3\r\na=1\r\n0\r\n\r\n").same_origin();
    let cases = [
        ("text", media("text/plain")),
        ("JSON", media("application/json")),
        ("another form", media("application/x-www-form-urlencodedx")),
        (
            "compressed",
            jar.with(typed()).header("Content-Encoding", "gzip"),
        ),
        (
            "of no length",
            jar.with(chunked).header("Transfer-Encoding", "chunked"),
        ),
        ("long", jar.with(post(TARGET, FORM, long).same_origin())),
        ("on a route that keeps none", target("/page")),
        ("to elsewhere in a browser", target("/kept//x/..//")),
        ("no session", typed()),
        ("two sessions", jar.mixed_with(&other).with(typed())),
        (
            "a forged session",
            typed().header(
                "Cookie",
                "vestibule_access=a.b.c; vestibule_refresh=vrt1_AAAA",
            ),
        ),
        (
            "PUT",
            jar.with(Request::new("PUT", TARGET).navigating().same_origin()),
        ),
    ];
    for (case, request) in cases {
        let answer = request.send(&gateway);
        assert_eq!(answer.status, 401, "{case}: {}", answer.text());
        assert!(answer.text().contains("was not sent"), "{case}");
        assert_eq!(answer.head.all("set-cookie"), [""; 0], "{case}");
    }
    let from_elsewhere = post(TARGET, FORM, TYPED)
        .header("Sec-Fetch-Site", "cross-site")
        .header("Origin", "https://evil.example");
    let script = Request::post(TARGET)
        .same_origin()
        .header("Content-Type", FORM);
    let frame = script
        .clone()
        .header("Accept", "text/html")
        .header("Sec-Fetch-Dest", "iframe");
    for request in [from_elsewhere, script, frame] {
        let answer = jar.with(request.clone()).send(&gateway);
        assert!(matches!(answer.status, 401 | 403), "{request:?}");
        assert!(!answer.text().contains("was not sent"), "{request:?}");
        assert_eq!(answer.head.all("set-cookie"), [""; 0], "{request:?}");
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn somebody_else_in_the_same_browser_neither_sees_nor_sends_it() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    for request in [page as fn(&str) -> Request, yes] {
        let (mut jar, id) = signed_in_again(&gateway, "bob");
        assert_eq!(jar.with(request(&id)).send(&gateway).status, 410);
        jar.take(&sign_in(&gateway, "ada", "/").head);
        assert_eq!(
            jar.with(page(&id)).send(&gateway).status,
            410,
            "it is forgotten"
        );
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn another_browser_another_site_and_another_address_do_not_send_it() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let (jar, id) = signed_in_again(&gateway, "ada");
    let mut without_key = Jar::default();
    without_key.take(&sign_in(&gateway, "ada", "/").head);
    assert_eq!(without_key.with(page(&id)).send(&gateway).status, 410);
    let mut other_key = ended(&gateway, "ada");
    other_key.take(&other_key.with(typed()).send(&gateway).head);
    other_key.take(&sign_in(&gateway, "ada", "/").head);
    assert_eq!(other_key.with(page(&id)).send(&gateway).status, 410);
    assert_eq!(other_key.with(yes(&id)).send(&gateway).status, 410);

    let body = format!("vestibule_form={id}\r\n");
    let from_elsewhere = post(TARGET, "text/plain", body.clone())
        .header("Sec-Fetch-Site", "cross-site")
        .header("Origin", "https://evil.example");
    assert_eq!(jar.with(from_elsewhere).send(&gateway).status, 403);
    let forget = post("/vestibule/resend", FORM, format!("form={id}"))
        .header("Sec-Fetch-Site", "cross-site")
        .header("Origin", "https://evil.example");
    assert_eq!(jar.with(forget).send(&gateway).status, 403);
    for target in ["/kept/page", "/kept/page?x=2", "/kept/other?x=1"] {
        let elsewhere = post(target, "text/plain", body.clone()).same_origin();
        assert_eq!(jar.with(elsewhere).send(&gateway).status, 410, "{target}");
    }
    let gone = Request::post(TARGET).header("Content-Type", "text/plain");
    let stranger = gone.navigating().same_origin().body(body);
    assert_eq!(stranger.send(&gateway).status, 401);
    assert_eq!(upstream.count(), 0);
    assert_eq!(
        jar.with(yes(&id)).send(&gateway).status,
        200,
        "it is still there"
    );
}

#[test]
fn who_does_not_want_it_sent_says_so() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let (jar, id) = signed_in_again(&gateway, "ada");
    let forget = post("/vestibule/resend", FORM, format!("form={id}")).same_origin();
    let answer = jar.with(forget).send(&gateway);
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some(TARGET))
    );
    assert_eq!(jar.with(page(&id)).send(&gateway).status, 410);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn two_tabs_keep_a_form_each() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let mut jar = ended(&gateway, "ada");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = jar.with(typed()).send(&gateway);
        ids.push(kept(&answer));
        jar.take(&answer.head);
    }
    jar.take(&sign_in(&gateway, "ada", "/").head);
    for id in ids {
        assert_eq!(jar.with(yes(&id)).send(&gateway).status, 200);
    }
    assert_eq!(upstream.count(), 2);
}

#[test]
fn plain_texts_that_only_look_alike_go_to_the_app_as_they_are() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let (jar, _) = signed_in_again(&gateway, "ada");
    for body in ["x".repeat(39), format!("vestibule_form={}", "!".repeat(24))] {
        let text = post(TARGET, "text/plain", body.clone()).same_origin();
        assert_eq!(jar.with(text).send(&gateway).status, 200);
        assert_eq!(upstream.last().body.data, body.as_bytes());
    }
}

#[test]
fn a_form_outlives_another_configuration_and_no_restart() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let (jar, id) = signed_in_again(&gateway, "ada");
    let other = Setup::in_front_of(&upstream)
        .route("/kept", &upstream.url(), "signed-in", "replay_posts = true")
        .section("[pages]\nname = \"Wiki\"");
    gateway.configure(&other);
    gateway.reload();
    let asked = jar.with(page(&id)).send(&gateway);
    assert!(asked.status == 200 && asked.text().contains("Wiki"));
    let gateway = gateway.restart();
    assert_eq!(jar.with(page(&id)).send(&gateway).status, 410);
    assert_eq!(jar.with(yes(&id)).send(&gateway).status, 410);
}

#[test]
fn a_form_waits_for_ten_minutes() {
    let upstream = Upstream::start();
    let house = House::of(&format!(
        "[server]\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://localhost\"\nadmin_listen = \"\"\n\
         [[routes]]\nupstream = \"{}\"\nreplay_posts = true\n\
         [storage]\nurl = \"memory:\"\n[login]\nmin_duration = \"0s\"",
        upstream.url()
    ));
    let mut jar = Jar::default();
    let sign_in = |jar: &mut Jar| {
        let fields = [("username", "ada"), ("password", PASSWORD)];
        let request = Request::post("/vestibule/login").same_origin().navigating();
        jar.take(&house.send(&request.form(&fields)).head);
    };
    sign_in(&mut jar);
    house.pass(Duration::from_hours(15 * 24));
    let answer = house.send(&jar.with(typed()));
    let id = kept(&answer);
    jar.take(&answer.head);
    house.pass(Duration::from_mins(1));
    sign_in(&mut jar);
    // Their access token ends meanwhile: the session is renewed on the way.
    house.pass(Duration::from_mins(8));
    let asked = house.send(&jar.with(page(&id)));
    assert_eq!(asked.status, 200);
    assert_ne!(asked.header("set-cookie"), None);
    jar.take(&asked.head);
    house.pass(Duration::from_mins(1));
    assert_eq!(house.send(&jar.with(page(&id))).status, 410);
    assert_eq!(house.send(&jar.with(yes(&id))).status, 410);
    assert_eq!(upstream.count(), 0);
}
