//! Where a credential may stand and how it may be written: `Authorization: Bearer`, our cookies, nowhere else.

use serde_json::json;

use crate::support::{
    Answer, Gateway, Request, Setup, Upstream, browser_sign_in, refresh, sign_in,
};

/// `/` is for the signed-in, `/optional` for everybody, `/ordered` takes cookies first, if it could.
fn gateway(upstream: &Upstream) -> Gateway {
    let url = upstream.url();
    Setup::in_front_of(upstream)
        .route("/optional", &url, "optional", "")
        .route(
            "/ordered",
            &url,
            "signed-in",
            "credentials = [\"cookie\", \"header\"]",
        )
        .start()
}

fn told(answer: &Answer) -> (u16, String) {
    (answer.status, answer.error())
}

fn refusal(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}

#[test]
fn fj_18_to_fj_24_what_is_no_bearer_credential_makes_a_stranger_and_a_broken_one_is_refused() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    for (row, value) in [
        ("FJ-18", "Basic YWRhOnNlY3JldA=="),
        ("FJ-18", "basic x"),
        ("FJ-21", "Foo 1, Bar 2, Baz, 3"),
    ] {
        let request = Request::get("/optional").header("Authorization", value);
        assert_eq!(request.send(&gateway).status, 200, "{row}");
        let head = upstream.last().head;
        assert_eq!(head.all("authorization"), [value], "{row}");
        assert_eq!(head.all("x-forwarded-user"), [""; 0], "{row}");
        let request = Request::get("/").header("Authorization", value);
        let refused = told(&request.send(&gateway));
        assert_eq!(refused, refusal(401, "missing_token"), "{row}");
    }
    let before = upstream.count();
    for (row, value, status, error) in [
        ("FJ-19", "Bearer", 400, "invalid_request"),
        ("FJ-19", "Bearer ", 400, "invalid_request"),
        ("FJ-20", "Bearer xxx", 401, "invalid_token"),
        ("FJ-22", "Foo 1, Bearer, Baz, 3", 400, "invalid_request"),
        ("FJ-22", "Foo 1, Bar 2, Bearer", 400, "invalid_request"),
        (
            "FJ-23",
            "Foo 1, Bearer xxx, 3",
            400,
            "ambiguous_credentials",
        ),
        ("FJ-23", "Bearer xxx, Bar 2", 400, "ambiguous_credentials"),
        ("FJ-24", "Bearer ,,0", 400, "invalid_request"),
    ] {
        for path in ["/optional", "/"] {
            let request = Request::get(path).header("Authorization", value);
            let refused = told(&request.send(&gateway));
            assert_eq!(refused, refusal(status, error), "{row} {path} {value}");
        }
    }
    assert_eq!(upstream.count(), before);
}

#[test]
fn fj_67_t_21_a_token_in_the_query_or_the_body_is_no_credential_and_is_written_down_nowhere() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .route("/optional", &upstream.url(), "optional", "")
        .section("[observe.access_log]\nto = \"access.log\"")
        .start();
    let cookies = browser_sign_in(&gateway, "ada");
    let tokens = sign_in(&gateway, "ada");
    let token = &tokens.access;
    let by_header = Request::get("/").bearer(token);
    let by_cookie = Request::get("/").header("Cookie", &cookies);
    for request in [by_header, by_cookie] {
        assert_eq!(request.send(&gateway).status, 200, "FJ-67");
        assert_eq!(upstream.last().head.all("x-forwarded-user"), ["ada"]);
    }
    let before = upstream.count();
    let json = json!({"access_token": token, "refresh_token": tokens.refresh});
    let form = [("access_token", &**token), ("jwt", token)];
    for request in [
        Request::get(&format!("/?access_token={token}")),
        Request::get(&format!("/?jwt={token}")),
        Request::get(&format!("/?token={token}&jwt=Bearer%20{token}")),
        Request::get(&format!("/?refresh_token={}", tokens.refresh)),
        Request::post("/").json(&json),
        Request::post("/").form(&form),
        Request::get("/").header("X-Access-Token", token),
        Request::get("/").header("Cookie", &format!("access_token_cookie={token}")),
    ] {
        let refused = told(&request.send(&gateway));
        assert_eq!(refused, refusal(401, "missing_token"), "{request:?}");
    }
    assert_eq!(upstream.count(), before, "T-21");
    // Where strangers pass, it is a query of the app's and makes nobody of anyone.
    let open = Request::get(&format!("/optional?jwt={token}")).send(&gateway);
    assert_eq!(open.status, 200);
    assert_eq!(upstream.last().head.all("x-forwarded-user"), [""; 0]);
    let lines = gateway.lines("access.log", 13);
    let log = serde_json::to_string(&lines).expect("JSON");
    assert!(!log.contains(token) && !log.contains(&tokens.refresh));
}

#[test]
fn fj_68_without_a_credential_in_any_place_there_is_one_plain_refusal() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    for path in ["/", "/ordered"] {
        let request = Request::get(path).header("Cookie", "theme=dark");
        let answer = request.send(&gateway);
        assert_eq!(told(&answer), refusal(401, "missing_token"));
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, Some("Bearer realm=\"vestibule\""));
    }
    assert_eq!(upstream.count(), 0);
}

/// In whichever order a route names the places.
#[test]
fn fj_69_fj_70_a_bearer_header_decides_whatever_cookies_come_along() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    for path in ["/", "/ordered"] {
        let request = Request::get(path).header("Cookie", &cookies);
        let refused = told(&request.clone().bearer("a.b.c").send(&gateway));
        assert_eq!(refused, refusal(401, "invalid_token"), "{path}");
        assert_eq!(upstream.count(), 0);
    }
    for path in ["/", "/ordered"] {
        let request = Request::get(path).header("Cookie", &cookies);
        assert_eq!(request.send(&gateway).status, 200, "{path}");
    }
}

#[test]
fn fj_72_fj_73_two_credentials_in_one_header_and_what_follows_a_token_are_refused() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let token = sign_in(&gateway, "ada").access;
    for (row, value, error) in [
        (
            "FJ-72",
            format!("Bearer {token}, Basic c"),
            "ambiguous_credentials",
        ),
        (
            "FJ-72",
            format!("Basic c, Bearer {token}"),
            "ambiguous_credentials",
        ),
        (
            "FJ-72",
            format!("Basic c,bearer {token}"),
            "ambiguous_credentials",
        ),
        ("FJ-73", format!("Bearer {token},"), "invalid_request"),
        ("FJ-73", format!("Bearer {token} , "), "invalid_request"),
        ("FJ-73", format!("Bearer {token},,"), "invalid_request"),
    ] {
        for path in ["/", "/optional"] {
            let request = Request::get(path).header("Authorization", &value);
            let answer = request.send(&gateway);
            assert_eq!(told(&answer), refusal(400, error), "{row} {path}");
            assert!(!answer.text().contains(&token), "{row}");
        }
    }
    assert_eq!(upstream.count(), 0);
}

/// Our tokens are taken as Bearer only, and an app does not get to see them in any other dress either.
#[test]
fn fj_74_fj_75_another_header_or_scheme_is_no_place_for_our_tokens() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let tokens = sign_in(&gateway, "ada");
    for token in [&tokens.access, &tokens.refresh] {
        for value in [
            format!("JWT {token}"),
            format!("Token {token}"),
            format!("Token token={token}"),
            format!("Token token=\"{token}\", realm=\"x\""),
            format!("Basic {token}"),
            token.clone(),
            format!("{token} x"),
        ] {
            let request = Request::get("/").header("Authorization", &value);
            let refused = told(&request.send(&gateway));
            assert_eq!(refused, refusal(401, "missing_token"), "FJ-75 {value}");
            let request = Request::get("/optional").header("Authorization", &value);
            assert_eq!(request.send(&gateway).status, 200, "{value}");
            let head = upstream.last().head;
            assert_eq!(head.all("x-forwarded-user"), [""; 0], "{value}");
            assert_eq!(head.all("authorization"), [""; 0], "the app sees none");
        }
    }
    let before = upstream.count();
    for name in [
        "X-Authorization",
        "X-Auth-Token",
        "Proxy-Authorization",
        "Foo",
    ] {
        let value = format!("Bearer {}", tokens.access);
        let request = Request::get("/").header(name, &value);
        let refused = told(&request.send(&gateway));
        assert_eq!(refused, refusal(401, "missing_token"), "FJ-74 {name}");
    }
    assert_eq!(upstream.count(), before);
}

#[test]
fn fj_78_fj_79_a_refresh_by_json_says_that_it_is_json() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let token = sign_in(&gateway, "ada").refresh;
    let body = json!({"refresh_token": token}).to_string();
    let ask = |kind: Option<&str>| {
        let request = Request::post("/vestibule/refresh").body(body.as_str());
        match kind {
            Some(kind) => request.header("Content-Type", kind).send(&gateway),
            None => request.send(&gateway),
        }
    };
    for kind in [
        None,
        Some("text/plain"),
        Some("application/jsonp"),
        Some("x"),
    ] {
        let refused = told(&ask(kind));
        let expected = refusal(415, "unsupported_media_type");
        assert_eq!(refused, expected, "FJ-78 {kind:?}");
    }
    for kind in ["application/json;charset=UTF-8", "application/json"] {
        let answer = ask(Some(kind));
        assert_eq!(answer.status, 200, "FJ-79 {kind}");
    }
    assert_eq!(refresh(&gateway, &token).status, 200, "nothing was ended");
}
