//! What the app is told about the visitor, and that nobody but the gateway can tell it.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Gateway, Request, Setup, Upstream, sign_in};

/// The names that apps take somebody's word from; a client's word is dropped on every route.
const NAMES: &[&str] = &[
    "X-Forwarded-User",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Email",
    "X-Forwarded-Name",
    "X-Forwarded-Groups",
    "X-Forwarded-Access-Token",
    "X-Forwarded-Anything-Else",
    "X-Forwarded-Prefix",
    "X-Forwarded-Uri",
    "X-Vestibule-Assertion",
    "X-Vestibule-Anything",
    "Remote-User",
    "Remote-Groups",
    "Remote-Name",
    "Remote-Email",
    "X-Remote-User",
    "X-Remote-Group",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-WEBAUTH-USER",
    "X-WEBAUTH-ROLE",
    "X-Original-URL",
    "X-Original-URI",
    "X-Rewrite-URL",
    "X-Real-IP",
    "Forwarded",
    "Ssl-Client-Cert",
    "Ssl-Client-S-Dn",
    "X-Client-Cert",
    "True-Client-IP",
    "X-User",
    "X-Email",
    "OIDC-Claim-Sub",
    "X-Pomerium-Jwt-Assertion",
    "X-Authentik-Username",
    "X-Token-Subject",
    "X-From-Template",
];

/// What takes the place of a dash: CGI and WSGI apps read all of these as `_`.
const SEPARATORS: &[char] = &[
    '-', '_', '.', '~', '!', '#', '$', '%', '&', '\'', '*', '+', '^', '`', '|',
];

const EVIL: &str = "eve-was-here";

fn gateway(upstream: &Upstream) -> Gateway {
    let url = upstream.url();
    Setup::new()
        .route(
            "/",
            &url,
            "signed-in",
            "headers = { \"X-From-Template\" = \"{user.name}\" }",
        )
        .route("/optional", &url, "optional", "")
        .route("/anyone", &url, "anyone", "")
        .route("/members", &url, "{ users = [\"ada\"] }", "")
        .start()
}

fn is_smuggled(upstream: &Upstream) -> bool {
    let received = upstream.last();
    let head = String::from_utf8_lossy(&received.head.raw).into_owned();
    let body = String::from_utf8_lossy(&received.body.raw).into_owned();
    head.contains(EVIL) || body.contains(EVIL)
}

#[test]
fn the_app_is_told_who_asks() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let token = sign_in(&gateway, "ada").access;
    Request::get("/").bearer(&token).send(&gateway);
    let head = upstream.last().head;
    let expected = [
        ("x-forwarded-user", "ada"),
        ("x-forwarded-preferred-username", "ada"),
        ("x-forwarded-email", "ada@example.com"),
        ("x-forwarded-name", "Ada Lovelace"),
        ("x-forwarded-groups", "engineers"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "localhost"),
        ("host", "localhost"),
    ];
    for (name, value) in expected {
        assert_eq!(head.all(name), [value], "{name}");
    }
    assert_eq!(head.all("x-vestibule-assertion").len(), 1);
    assert_eq!(head.all("forwarded"), [""; 0], "it is opt-in");
}

#[test]
fn what_is_not_known_is_not_sent() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .user(
            "bob",
            &["--display-name", "Zoë 愛", "--group", "a", "--group", "b"],
        )
        .user("carol", &[])
        .section("[headers]\nforwarded = true")
        .start();
    Request::get("/")
        .bearer(&sign_in(&gateway, "bob").access)
        .send(&gateway);
    let head = upstream.last().head;
    let name = head.first("x-forwarded-name").expect("it is known");
    assert!(name.is_ascii() && name.starts_with("Zo%C3%AB"), "{name}");
    let name = percent_encoding::percent_decode_str(name).decode_utf8();
    assert_eq!(name.unwrap(), "Zoë 愛");
    assert_eq!(head.all("x-forwarded-groups"), ["a,b"]);
    assert_eq!(head.all("x-forwarded-email"), [""; 0]);
    let forwarded = head.first("forwarded").expect("it was asked for");
    assert!(
        forwarded.contains("for=127.0.0.1") && forwarded.contains("proto=http"),
        "{forwarded}"
    );
    Request::get("/")
        .bearer(&sign_in(&gateway, "carol").access)
        .send(&gateway);
    let head = upstream.last().head;
    for name in [
        "x-forwarded-name",
        "x-forwarded-groups",
        "x-forwarded-email",
    ] {
        assert_eq!(head.all(name), [""; 0], "{name}");
    }
}

#[test]
fn templates_give_an_app_the_headers_it_expects() {
    let upstream = Upstream::start();
    let lines = r#"headers = { "Remote-User" = "{user.name}", "X-Who" = "<{user.display_name}> {user.email}", "Authorization" = "Basic {basic user.name:hunter2}" }"#;
    let gateway = Setup::new()
        .route("/", &upstream.url(), "signed-in", lines)
        .start();
    let token = sign_in(&gateway, "ada").access;
    Request::get("/")
        .bearer(&token)
        .header("X-Who", EVIL)
        .send(&gateway);
    let head = upstream.last().head;
    assert_eq!(head.all("remote-user"), ["ada"]);
    assert_eq!(head.all("x-who"), ["<Ada Lovelace> ada@example.com"]);
    assert_eq!(head.all("authorization"), ["Basic YWRhOmh1bnRlcjI="]);
    assert!(!is_smuggled(&upstream));
}

#[test]
fn t_42_no_name_in_any_spelling_passes_on_any_route() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let token = sign_in(&gateway, "ada").access;
    for name in NAMES {
        let spellings = [
            (*name).to_owned(),
            name.to_ascii_lowercase(),
            name.to_ascii_uppercase(),
            name.replace('-', "_"),
            name.to_ascii_uppercase().replace('-', "_"),
            name.replace('-', "."),
            name.replacen('-', "_", 1),
        ];
        for path in ["/", "/optional", "/anyone", "/members"] {
            let mut request = Request::get(path).bearer(&token);
            for spelling in &spellings {
                request = request.header(spelling, EVIL);
            }
            let answer = request.send(&gateway);
            assert_eq!(answer.status, 200, "{name} {path}");
            assert!(!is_smuggled(&upstream), "{name} {path}\n{}", answer.text());
        }
    }
    for path in ["/optional", "/anyone"] {
        let answer = Request::get(path)
            .header("X-Forwarded-User", EVIL)
            .send(&gateway);
        assert_eq!(answer.status, 200);
        assert_eq!(upstream.last().head.all("x-forwarded-user"), [""; 0]);
    }
}

#[test]
fn t_42_no_random_spelling_passes() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let spelling = proptest::sample::select(NAMES).prop_flat_map(|name| {
        let characters =
            proptest::collection::vec((any::<bool>(), 0..SEPARATORS.len()), name.len());
        characters.prop_map(move |choices| {
            let spelled = name
                .chars()
                .zip(choices)
                .map(|(character, (upper, separator))| match (character, upper) {
                    ('-', _) => SEPARATORS[separator],
                    (_, true) => character.to_ascii_uppercase(),
                    (_, false) => character.to_ascii_lowercase(),
                });
            spelled.collect::<String>()
        })
    });
    let path = proptest::sample::select(&["/", "/optional", "/anyone", "/members"][..]);
    let mut runner = TestRunner::new(Config::with_cases(256));
    let outcome = runner.run(&(spelling, path), |(name, path)| {
        let answer = Request::get(path)
            .bearer(&token)
            .header(&name, EVIL)
            .send(&gateway);
        prop_assert_eq!(answer.status, 200, "{}", &name);
        prop_assert!(!is_smuggled(&upstream), "{} on {}", name, path);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn t_42_trailers_cannot_carry_an_identity() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let mut connection = gateway.connect();
    connection.send(format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n4\r\nbody\r\n0\r\nX-Checksum: abc\r\nX-Forwarded-User: {EVIL}\r\nx_forwarded_user: {EVIL}\r\nRemote-User: {EVIL}\r\nAuthorization: {EVIL}\r\nCookie: {EVIL}\r\n\r\n"
    ));
    assert_eq!(connection.answer().status, 200);
    let received = upstream.last();
    assert_eq!(received.body.data, b"body");
    assert_eq!(received.body.trailer("x-checksum"), ["abc"]);
    assert!(!is_smuggled(&upstream));
}

#[test]
fn t_42_no_name_in_any_spelling_passes_as_a_trailer() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let token = sign_in(&gateway, "ada").access;
    for path in ["/", "/optional", "/anyone", "/members"] {
        for separator in SEPARATORS {
            let spelled = |name: &&str| name.replace('-', &separator.to_string());
            let trailers: Vec<String> = NAMES
                .iter()
                .map(spelled)
                .map(|name| format!("{name}: {EVIL}\r\n"))
                .collect();
            let mut connection = gateway.connect();
            connection.send(format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n{}\r\n",
                trailers.concat()
            ));
            assert_eq!(connection.answer().status, 200, "{path} {separator}");
            assert!(!is_smuggled(&upstream), "{path} {separator}");
        }
    }
}

#[test]
fn t_42_the_app_sees_one_value_and_it_is_ours_or_none() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let evil = |request: Request| {
        [
            "X-Forwarded-User",
            "x-forwarded-USER",
            "X-FORWARDED-USER",
            "x_forwarded_user",
        ]
        .iter()
        .fold(request, |request, name| request.header(name, EVIL))
    };
    for (path, is_known) in [
        ("/", true),
        ("/optional", true),
        ("/optional", false),
        ("/anyone", false),
    ] {
        let request = evil(Request::get(path));
        let request = if is_known {
            request.bearer(&token)
        } else {
            request
        };
        assert_eq!(request.send(&gateway).status, 200, "{path}");
        let seen = upstream.last().head;
        let expected = if is_known { &["ada"][..] } else { &[] };
        assert_eq!(seen.all("x-forwarded-user"), expected, "{path}");
        assert!(!is_smuggled(&upstream), "{path}");
    }
}

#[test]
fn t_42_connection_cannot_remove_what_the_gateway_sets() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let token = sign_in(&gateway, "ada").access;
    for named in [
        "X-Forwarded-User",
        "close, x-forwarded-groups",
        "X-Vestibule-Assertion",
        "Remote-User",
        "X_Forwarded_User",
        "Authorization",
        "Cookie",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
    ] {
        let answer = Request::get("/")
            .bearer(&token)
            .header("Connection", named)
            .send(&gateway);
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_request"),
            "{named}"
        );
    }
    assert_eq!(upstream.count(), 0);
    let fine = Request::get("/")
        .bearer(&token)
        .header("Connection", "X-Hop, X-From-Template")
        .header("X-Hop", "1")
        .send(&gateway);
    assert_eq!(fine.status, 200);
    let head = upstream.last().head;
    assert_eq!(head.all("x-hop"), [""; 0]);
    assert_eq!(head.all("x-forwarded-user"), ["ada"]);
    assert_eq!(head.all("x-from-template"), ["ada"]);
}

#[test]
fn names_with_underscores_are_dropped_unless_kept() {
    let upstream = Upstream::start();
    let dropping = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .start();
    let keeping = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .section("[headers]\nunderscores = \"keep\"")
        .start();
    let request = Request::get("/")
        .header("my_header", "1")
        .header("My-Header", "2")
        .header("X_Forwarded_User", EVIL);
    request.send(&dropping);
    assert_eq!(upstream.last().head.all("my_header"), [""; 0]);
    assert_eq!(upstream.last().head.all("my-header"), ["2"]);
    assert!(!is_smuggled(&upstream));
    request.send(&keeping);
    assert_eq!(upstream.last().head.all("my_header"), ["1"]);
    assert!(!is_smuggled(&upstream));
}

#[test]
fn a_trusted_proxy_is_believed_about_the_address_and_nothing_else() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .server("trusted_proxies = [\"127.0.0.0/8\"]")
        .start();
    let token = sign_in(&gateway, "ada").access;
    Request::get("/")
        .bearer(&token)
        .header("X-Forwarded-For", "203.0.113.9, 198.51.100.7")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-User", EVIL)
        .send(&gateway);
    let head = upstream.last().head;
    assert_eq!(head.all("x-real-ip"), ["198.51.100.7"]);
    assert_eq!(head.all("x-forwarded-proto"), ["https"]);
    assert_eq!(head.all("x-forwarded-user"), ["ada"]);
}
