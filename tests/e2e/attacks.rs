//! Credentials, cookies and header values that are made to be read by us in one way and by the app in
//! another, or to cost more than they should.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use crate::support::{Gateway, PASSWORD, Request, Setup, Upstream, browser_sign_in, sign_in};

fn send(gateway: &Gateway, bytes: impl AsRef<[u8]>) -> (u16, Vec<u8>) {
    let mut connection = gateway.connect();
    connection.try_send(bytes);
    match connection.answer_if_whole() {
        Some(answer) => (answer.status, answer.body.data),
        None => (0, Vec::new()),
    }
}

/// A GET with these bytes as one more line of its head.
fn with_line(line: &[u8]) -> Vec<u8> {
    [b"GET / HTTP/1.1\r\nHost: localhost\r\n", line, b"\r\n\r\n"].concat()
}

#[test]
fn t_13_what_is_too_large_costs_nothing_and_reaches_nobody() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let good = sign_in(&gateway, "ada").access;
    let header = good.split('.').next().expect("a header");
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let deep = URL_SAFE_NO_PAD.encode(format!("{{\"sub\":{deep}}}"));
    let deep_header = URL_SAFE_NO_PAD.encode("{\"a\":".repeat(150) + "1" + &"}".repeat(150));
    for (what, token, statuses) in [
        (
            "8 KiB and a byte",
            format!("{good}{}", "A".repeat(8193 - good.len())),
            &[401][..],
        ),
        ("a deep payload", format!("{header}.{deep}.AAAA"), &[401]),
        ("a deep header", format!("{deep_header}.e30.AAAA"), &[401]),
        ("many dots", ".".repeat(30_000), &[401]),
        ("100 000 dots", ".".repeat(100_000), &[0, 400, 401, 431]),
        ("1 MiB", "A".repeat(1 << 20), &[0, 400, 401, 431]),
    ] {
        let as_bearer = Request::get("/").bearer(&token);
        let as_cookie = Request::get("/").header("Cookie", &format!("vestibule_access={token}"));
        let begun = Instant::now();
        let (status, body) = send(&gateway, as_bearer.to_bytes());
        assert!(statuses.contains(&status), "{what}: {status}");
        assert!(
            !String::from_utf8_lossy(&body).contains(&token[..100]),
            "{what}"
        );
        let (status, _) = send(&gateway, as_cookie.to_bytes());
        assert!(
            matches!(status, 0 | 400 | 401 | 431),
            "{what} as a cookie: {status}"
        );
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}");
    }
    assert_eq!(upstream.count(), 0);
    assert_eq!(Request::get("/").bearer(&good).send(&gateway).status, 200);
}

#[test]
fn t_17_the_scheme_is_read_in_any_case_and_the_rest_in_one_way_only() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let token = sign_in(&gateway, "ada").access;
    for (value, status) in [
        ("bearer T", 200),
        ("BEARER T", 200),
        ("Bearer  T", 200),
        ("Bearer\tT", 400),
        ("\u{a0}Bearer T", 400),
        ("Bearer T\u{200b}", 400),
        ("Bearer\u{3000}T", 400),
        ("Bearer T x", 400),
    ] {
        let value = value.replace('T', &token);
        let answer = Request::get("/")
            .header("Authorization", &value)
            .send(&gateway);
        assert_eq!(answer.status, status, "{value}");
        assert!(!answer.text().contains(&token) || status == 200);
    }
    assert_eq!(upstream.count(), 3);
    for received in upstream.received() {
        assert_eq!(received.head.all("authorization"), [""; 0]);
    }
}

#[test]
fn t_18_two_authorization_fields_are_refused_whatever_is_in_them() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .route("/optional", &upstream.url(), "optional", "")
        .route("/anyone", &upstream.url(), "anyone", "")
        .start();
    let good = format!("Bearer {}", sign_in(&gateway, "ada").access);
    for (first, second) in [
        (&*good, "Bearer a.b.c"),
        ("Bearer a.b.c", &*good),
        (&*good, &*good),
        ("Basic dTpw", &*good),
        (&*good, "Basic dTpw"),
        ("Basic dTpw", "Basic dTpw"),
    ] {
        for path in ["/", "/optional", "/anyone", "/vestibule/session"] {
            let answer = Request::get(path)
                .header("Authorization", first)
                .header("authorization", second)
                .send(&gateway);
            let told = (answer.status, answer.error());
            assert_eq!(told, (400, "ambiguous_credentials".to_owned()), "{path}");
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn c2_c5_c6_cookies_are_read_without_quotes_versions_and_case() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .route("/optional", &upstream.url(), "optional", "")
        .start();
    let ours = browser_sign_in(&gateway, "ada");
    let access = ours.split("; ").nth(1).expect("the access cookie");
    let (name, token) = access.split_once('=').expect("a pair");
    let others = format!("x{access}");
    for (sent, passes, seen) in [
        (format!("{name}={token}"), true, None),
        (format!("\t{name} = {token}\t"), true, None),
        // A sandwich: others would take the middle for a part of a quoted value, and give it away.
        (
            format!("$Version=1; a=\"x; {access}; b=y\""),
            true,
            Some("$Version=1; a=\"x; b=y\""),
        ),
        (format!("{name}=\"{token}\""), false, None),
        (format!("{access}; $Path=/"), true, Some("$Path=/")),
        (format!("{}={token}", name.to_uppercase()), false, None),
        (format!("={access}"), false, None),
        (format!("{name}; a=1"), false, Some("a=1")),
        (others.clone(), false, Some(&*others)),
    ] {
        let answer = Request::get("/").header("Cookie", &sent).send(&gateway);
        assert_eq!(answer.status, if passes { 200 } else { 401 }, "{sent}");
        let optional = Request::get("/optional").header("Cookie", &sent);
        assert_eq!(optional.send(&gateway).status, 200, "{sent}");
        let head = upstream.last().head;
        assert_eq!(head.first("cookie"), seen, "{sent}");
        let user = passes.then_some("ada");
        assert_eq!(head.first("x-forwarded-user"), user, "{sent}");
    }
}

#[test]
fn t_53_a_cookie_bomb_is_refused_and_ends_no_session() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .route("/anyone", &upstream.url(), "anyone", "")
        .start();
    let ours = browser_sign_in(&gateway, "ada");
    let bomb: Vec<String> = (0..60)
        .map(|n| format!("bomb{n}={}", "x".repeat(300)))
        .collect();
    let bomb = bomb.join("; ");
    let ask = |request: Request, fields: &[&str]| {
        let request = fields
            .iter()
            .fold(request, |request, field| request.header("Cookie", field));
        let answer = request.send(&gateway);
        assert_eq!(answer.head.all("set-cookie"), [""; 0], "nothing is cleared");
        answer.status
    };
    let (half, rest) = bomb.split_at(bomb.len() / 2);
    for request in [
        Request::get("/"),
        Request::get("/").navigating(),
        Request::get("/anyone"),
        Request::get("/vestibule/session"),
        Request::get("/vestibule/login").navigating(),
        Request::post("/vestibule/refresh").same_origin(),
        Request::post("/vestibule/logout").same_origin(),
    ] {
        assert_eq!(ask(request.clone(), &[&ours, &bomb]), 431, "{request:?}");
        assert_eq!(
            ask(request.clone(), &[half, &ours, rest]),
            431,
            "{request:?}"
        );
    }
    assert_eq!(upstream.count(), 0);
    assert_eq!(ask(Request::get("/"), &[&ours]), 200, "the session lives");
    let many: Vec<String> = (0..60).map(|n| format!("c{n}=1")).collect();
    assert_eq!(
        ask(Request::get("/"), &[&ours, &many.join("; ")]),
        200,
        "few bytes"
    );
}

#[test]
fn c3_people_with_two_of_our_cookies_get_to_the_page_that_clears_them() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let ours = browser_sign_in(&gateway, "ada");
    let doubled = format!("{ours}; vestibule_access=tossed");
    let navigation = Request::get("/x").navigating().header("Cookie", &doubled);
    let answer = navigation.send(&gateway);
    assert_eq!(answer.status, 303);
    let login = answer.header("location").expect("the sign-in page");
    assert_eq!(login, "/vestibule/login?return_to=%2Fx&after=twice");
    let page = Request::get(login).navigating().header("Cookie", &doubled);
    let page = page.send(&gateway);
    assert_eq!(page.status, 200);
    assert!(page.text().contains("sent a cookie of this sign-in twice"));
    let cleared = page.head.all("set-cookie");
    for place in ["Path=/;", "Path=/x;", "Path=/x/;"] {
        let here = cleared.iter().filter(|cookie| cookie.contains(place));
        assert_eq!(here.count(), 2, "{place} {cleared:?}");
    }
    let script = Request::get("/x").header("Cookie", &doubled).send(&gateway);
    assert_eq!(
        (script.status, script.error()),
        (400, "ambiguous_credentials".into())
    );
    assert_eq!(upstream.count(), 0);
}

#[test]
fn an_assertion_for_one_route_is_no_good_for_another() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let gateway = Setup::new()
        .route("/a", &url, "signed-in", "name = \"wiki\"")
        .route("/b", &url, "signed-in", "name = \"shop\"")
        .start();
    let token = sign_in(&gateway, "ada").access;
    let published = Request::get("/vestibule/jwks.json").send(&gateway);
    let keys: JwkSet = serde_json::from_slice(&published.body.data).expect("a key set");
    let assertion = |path: &str, shown: &str| {
        let request = Request::get(path).bearer(&token);
        request
            .header("X-Vestibule-Assertion", shown)
            .send(&gateway);
        let head = upstream.last().head;
        let told = head.all("x-vestibule-assertion");
        assert_eq!(told.len(), 1);
        told[0].to_owned()
    };
    let verified = |assertion: &str, audience: &str| {
        let header = decode_header(assertion).expect("a header");
        let key = keys.find(&header.kid.expect("a kid")).expect("published");
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[audience]);
        validation.set_issuer(&["http://localhost"]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        let key = DecodingKey::from_jwk(key).expect("a key");
        decode::<Value>(assertion, &key, &validation).map(|data| data.claims)
    };
    let wiki = assertion("/a", "");
    // Somebody shows one app what another one was told; and a cache must not mix them up.
    let shop = assertion("/b", &wiki);
    let again = assertion("/a", &shop);
    assert_ne!(wiki, shop);
    for (told, own, other) in [
        (&wiki, "wiki", "shop"),
        (&shop, "shop", "wiki"),
        (&again, "wiki", "shop"),
    ] {
        let claims = verified(told, own).expect("it is for this route");
        assert_eq!(claims["aud"], own);
        assert_eq!(claims["preferred_username"], "ada");
        assert!(
            verified(told, other).is_err(),
            "a verifier of {other} refuses it"
        );
        assert!(verified(told, "http://localhost").is_err());
        let as_token = Request::get("/a").bearer(told).send(&gateway);
        assert_eq!(
            (as_token.status, as_token.error()),
            (401, "wrong_token_type".into())
        );
    }
}

#[test]
fn lines_of_a_head_that_break_its_rules_reach_nobody() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .start();
    for line in [
        &b"X-A: a\0b"[..],
        b"X-A: a\x01b",
        b"X-A: a\x7fb",
        b"X-A: a\rX-Forwarded-User: eve",
        b"X-A: a\r\n X-Forwarded-User: eve",
        b"X-A: a\r\n\tb",
        b"X-Forwarded-User : eve",
        b"X-Forwarded-User\t: eve",
        b" X-Forwarded-User: eve",
        b": eve",
        b"X-Forwarded-User",
        b"X Forwarded User: eve",
        b"X-Forwarded-User(): eve",
        b"X-Forwarded-\xdcser: eve",
        b"\"X-Forwarded-User\": eve",
    ] {
        let (status, _) = send(&gateway, with_line(line));
        assert!(matches!(status, 0 | 400), "{status} for {line:?}");
    }
    assert_eq!(upstream.count(), 0);
    // Some end a line with a line feed alone: what comes behind it is one more field, and judged so.
    let (status, _) = send(&gateway, with_line(b"X-A: a\nX-Forwarded-User: eve"));
    assert!(matches!(status, 0 | 200 | 400), "{status}");
    for received in upstream.received() {
        assert_eq!(received.head.all("x-forwarded-user"), [""; 0]);
    }
}

#[test]
fn values_of_others_pass_byte_for_byte_and_as_long_as_the_head_may_be() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let long = "v".repeat(40 * 1024);
    let mut line =
        format!("Authorization: Bearer {token}\r\nX-Long: {long}\r\nX-Note: ").into_bytes();
    line.extend_from_slice(b"caf\xe9 \xe6\x84\x9b\ta  b \"");
    assert_eq!(send(&gateway, with_line(&line)).0, 200);
    let head = upstream.last().head;
    assert_eq!(head.all("x-long"), [&*long]);
    let note = b": caf\xe9 \xe6\x84\x9b\ta  b \"\r\n";
    assert!(head.raw.windows(note.len()).any(|bytes| bytes == note));
    assert_eq!(head.all("x-forwarded-user"), ["ada"]);
}

#[test]
fn j10_names_that_would_break_a_header_are_refused_where_users_are_made() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let password = format!("{PASSWORD}\n");
    for options in [
        &["a,b"][..],
        &["a b"],
        &["\u{fc}mit"],
        &["a\r\nX-Forwarded-User: eve"],
        &["bob", "--group", "a,ops"],
        &["bob", "--group", "a\nb"],
        &["bob", "--display-name", "Bob\r\nX-Evil: 1"],
        &["bob", "--display-name", "Bo\u{85}b"],
        &["bob", "--email", "bob@example.com\r\nX-Evil: 1"],
    ] {
        let added = gateway.command(&[&["user", "add"], options].concat(), &password);
        assert_ne!(added.code, Some(0), "{options:?}: {}", added.err);
    }
    let long = "\u{611b}".repeat(42);
    let added = gateway.command(&["user", "add", "bob", "--display-name", &long], &password);
    added.expect_success();
    let token = sign_in(&gateway, "bob").access;
    assert_eq!(Request::get("/").bearer(&token).send(&gateway).status, 200);
    let head = upstream.last().head;
    assert_eq!(head.all("x-forwarded-name"), [&*"%E6%84%9B".repeat(42)]);
}
