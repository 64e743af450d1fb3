//! Nothing is renewed before route and CSRF are judged, nor for whoever does not live by cookies of one
//! session.

use serde_json::Value;

use crate::renewing::{assert_unchanged, house, jar, loads, verdicts};
use crate::support::{Jar, PASSWORD, Request, Upstream, cookies_of};

#[test]
fn nothing_is_renewed_that_does_not_live_by_its_cookies() {
    let upstream = Upstream::start();
    let gateway = house(&upstream).start();
    let [one, other] = [(), ()].map(|()| jar(&gateway));
    let old = one.without_access();
    let bearer = old.with(Request::get("/").bearer("a.b.c")).send(&gateway);
    assert_eq!(
        (bearer.status, bearer.error()),
        (401, "invalid_token".to_owned())
    );
    assert_unchanged(&bearer);
    let public = old.with(Request::get("/open")).send(&gateway);
    assert_eq!(public.status, 200);
    assert_unchanged(&public);
    assert!(!public.text().contains("x-forwarded-user"));
    let mixed = one
        .mixed_with(&other)
        .with(Request::get("/"))
        .send(&gateway);
    assert_eq!(mixed.status, 200, "the valid access cookie decides");
    assert_unchanged(&mixed);
    for cookies in [
        "vestibule_refresh=vrt1_garbage",
        "vestibule_refresh=",
        "a=b",
    ] {
        let request = Request::get("/").header("Cookie", cookies);
        let answer = request.send(&gateway);
        assert_eq!(answer.error(), "missing_token", "{cookies}");
        assert_unchanged(&answer);
    }
    let useless = old
        .with(Request::get("/"))
        .header("Cookie", "vestibule_access=nonsense");
    let useless = useless.send(&gateway);
    assert_eq!(useless.status, 200, "any unusable access cookie is renewed");
    assert_eq!(verdicts(&gateway, 1), ["rotate"]);
}

#[test]
fn csrf_is_judged_before_anything_is_renewed() {
    let upstream = Upstream::start();
    let gateway = house(&upstream).start();
    let old = jar(&gateway).without_access();
    for path in ["/", "/optional"] {
        for request in [
            Request::post(path),
            Request::post(path).header("Sec-Fetch-Site", "cross-site"),
            Request::post(path).header("Origin", "https://evil.example"),
        ] {
            let answer = old.with(request).send(&gateway);
            assert_eq!(
                (answer.status, answer.error()),
                (403, "csrf_rejected".to_owned())
            );
            assert_unchanged(&answer);
        }
    }
    assert_eq!(verdicts(&gateway, 0), [""; 0]);
    assert_eq!(upstream.count(), 0);
    let own = old.with(Request::post("/").same_origin()).send(&gateway);
    assert_eq!(own.status, 200);
}

#[test]
fn a_session_that_hands_out_its_access_token_is_not_renewed_on_the_way() {
    let upstream = Upstream::start();
    let gateway = house(&upstream).start();
    let body = serde_json::json!({"username": "ada", "password": PASSWORD, "delivery": "hybrid"});
    let answer = Request::post("/vestibule/login").json(&body).send(&gateway);
    let hybrid = Jar::of(&cookies_of(&answer));
    let page = hybrid.with(Request::get("/")).send(&gateway);
    assert_eq!(page.error(), "missing_token");
    assert_unchanged(&page);
    let asked = hybrid.with(Request::post("/vestibule/refresh").same_origin());
    let asked = asked.send(&gateway);
    assert_eq!(asked.status, 200, "what nobody did was not shared");
    assert!(asked.json()["access_token"].is_string());
    let page = hybrid.with(Request::get("/")).send(&gateway);
    assert_eq!(page.error(), "missing_token", "nor is what was asked for");
    assert_unchanged(&page);
}

#[test]
fn a_dead_token_costs_no_store_access() {
    let upstream = Upstream::start();
    let gateway = house(&upstream).start();
    let old = jar(&gateway).without_access();
    let revoke = ["session", "revoke", "--user", "ada"];
    gateway.command(&revoke, "").expect_success();
    let ask = || old.with(Request::get("/")).send(&gateway);
    let dead = ask();
    assert_eq!(
        (dead.status, dead.error()),
        (401, "missing_token".to_owned())
    );
    assert_unchanged(&dead);
    let before = loads(&gateway);
    for _ in 0..20 {
        assert_unchanged(&ask());
        let asked = old.with(Request::post("/vestibule/refresh").same_origin());
        assert_eq!(asked.send(&gateway).error(), "invalid_grant");
    }
    assert_eq!(loads(&gateway), before);
    let sent = old.with(Request::get("/a?b").navigating()).send(&gateway);
    let login = "/vestibule/login?return_to=%2Fa%3Fb";
    assert_eq!((sent.status, sent.header("location")), (303, Some(login)));
}

#[test]
fn explain_says_that_a_session_would_be_renewed() {
    let upstream = Upstream::start();
    let gateway = house(&upstream).start();
    let say = |path: &str| {
        let arguments = [
            "explain",
            "GET",
            path,
            "--as",
            "ada",
            "--cookie",
            "--expired",
            "--json",
        ];
        let told = gateway.command(&arguments, "").expect_success().out;
        let told: Value = serde_json::from_str(&told).unwrap();
        let text = |key: &str| told[key].as_str().unwrap().to_owned();
        (text("decision"), text("reason"))
    };
    let (decision, reason) = say("/x");
    assert_eq!(decision, "pass");
    let expected =
        "the session is renewed with the refresh cookie; then the app is told that ada is asking";
    assert_eq!(reason, expected);
    assert_eq!(say("/ops").0, "deny");
    let (decision, reason) = say("/open");
    assert_eq!(
        (decision.as_str(), reason.contains("renewed")),
        ("pass", false)
    );
}
