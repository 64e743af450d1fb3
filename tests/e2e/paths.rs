//! Paths: forwarded byte for byte where all readings agree on the route, refused where they do not.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Gateway, Request, Setup, Upstream, sign_in};

/// `/admin` for operators, `/public` for anyone, the rest for whoever is signed in.
fn three_rules(upstream: &Upstream) -> Gateway {
    let url = upstream.url();
    Setup::new()
        .route("/", &url, "signed-in", "")
        .route("/admin", &url, "{ groups = [\"ops\"] }", "")
        .route("/public", &url, "anyone", "")
        .user("bob", &["--group", "ops"])
        .start()
}

#[test]
fn a_target_reaches_the_app_byte_for_byte() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let token = sign_in(&gateway, "ada").access;
    for target in [
        "/",
        "/?",
        "/@scope%2fname",
        "/@scope%2Fname/-/name-1.0.tgz",
        "/a%20b/%E6%84%9B?x=%zz&y=//&z=../..",
        "/a//b",
        "//a",
        "/a;v=1/b;w=2",
        "/a/./b/../c",
        "/a%2e%2e/b",
        "/a\\b",
        "/%41%62C",
        "/a?b?c",
        "/a/b/",
        "/~user/(x)/'y'/!$&*+,=:@",
        "/a%252fb",
        "/{x}|y",
    ] {
        let answer = Request::get(target).bearer(&token).send(&gateway);
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(upstream.last().head.target(), target);
    }
}

#[test]
fn what_cannot_be_decoded_is_a_bad_request() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let token = sign_in(&gateway, "ada").access;
    for target in ["/a%", "/a%2", "/a%zz", "/%c0%af", "/%ff", "/%ed%a0%80"] {
        let answer = Request::get(target).bearer(&token).send(&gateway);
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_request"),
            "{target}"
        );
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn the_longest_prefix_on_a_segment_boundary_wins() {
    let upstream = Upstream::start();
    let gateway = three_rules(&upstream);
    let ada = sign_in(&gateway, "ada").access;
    let bob = sign_in(&gateway, "bob").access;
    let cases = [
        ("/admin", 401, 403, 200),
        ("/admin/", 401, 403, 200),
        ("/admin/users?x=/public", 401, 403, 200),
        ("/administrator", 401, 200, 200),
        ("/public", 200, 200, 200),
        ("/public/admin", 200, 200, 200),
        ("/publication", 401, 200, 200),
        ("/x?../public", 401, 200, 200),
    ];
    for (path, stranger, engineer, operator) in cases {
        assert_eq!(
            Request::get(path).send(&gateway).status,
            stranger,
            "{path} stranger"
        );
        assert_eq!(
            Request::get(path).bearer(&ada).send(&gateway).status,
            engineer,
            "{path} ada"
        );
        assert_eq!(
            Request::get(path).bearer(&bob).send(&gateway).status,
            operator,
            "{path} bob"
        );
    }
}

/// Each of these, an app might take for a path under another rule.
const UNCLEAR: &[&str] = &[
    "/public/..%2fadmin",
    "/public/..%2Fadmin/users",
    "/public/../admin",
    "/public/%2e%2e/admin",
    "/public/.%2e/admin",
    "/public/%2e%2e%2fadmin",
    "/public%2f..%2fadmin",
    "/public/..\\admin",
    "/public/..%5cadmin",
    "/public\\..\\admin",
    "/public/%252e%252e/admin",
    "/public/..%252fadmin",
    "/public/%252e%252e%252fadmin",
    "/public/..;/admin",
    "/public/..;x=y/admin",
    "/public/.;/../admin",
    "/public;/../admin",
    "/public//..//admin",
    "/public/x/../../admin",
    "/public/..%2f%2e%2e%2fadmin",
    "/public/..%c0%afadmin",
    "/public/%2e%2e%3b/admin",
    "/public/../admin%00",
    "/%61dmin",
    "/%2561dmin",
    "/a%64min/users",
    "/ADMIN",
    "/Admin/users",
    "//admin",
    "/./admin",
    "/x/../admin",
    "/admin;x=1",
    "/admin%3bx=1",
    "/admin%2fusers",
    "/admin/..",
    "/admin/../x",
    "/admin%20",
    "/admin.",
    "/admin%00",
    "/admin%3fx",
    "/admin%23x",
    "/admin\\users",
    "/PUBLIC",
    "/%70ublic",
    "/public/../../vestibule/login",
    "/x/..%2fvestibule/session",
    "/VESTIBULE/login",
    "/vestibule/..%2fadmin",
];

#[test]
fn a_path_that_could_mean_another_route_is_refused() {
    let upstream = Upstream::start();
    let gateway = three_rules(&upstream);
    let bob = sign_in(&gateway, "bob").access;
    for &target in UNCLEAR {
        for request in [Request::get(target), Request::get(target).bearer(&bob)] {
            let answer = request.send(&gateway);
            assert_eq!(
                (answer.status, answer.error().as_str()),
                (400, "invalid_request"),
                "{target}"
            );
        }
    }
    assert_eq!(upstream.count(), 0);
}

/// What the most obliging app would make of a path: decoded to the end, in lower case, backslashes
/// as slashes, without parameters, with dot segments resolved.
fn most_obliging_reading(path: &str) -> String {
    let mut bytes = path.as_bytes().to_vec();
    loop {
        let decoded: Vec<u8> = percent_encoding::percent_decode(&bytes).collect();
        if decoded == bytes {
            break;
        }
        bytes = decoded;
    }
    let text = String::from_utf8_lossy(&bytes)
        .to_ascii_lowercase()
        .replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    format!("/{}", segments.join("/"))
}

#[test]
fn the_reading_of_an_obliging_app_is_what_it_should_be() {
    for (path, reading) in [
        ("/public/..%252fADMIN;x/y", "/admin/y"),
        ("//a\\b/./c", "/a/b/c"),
        ("/../..", "/"),
    ] {
        assert_eq!(most_obliging_reading(path), reading);
    }
}

#[test]
fn no_random_path_slips_past_a_rule() {
    let upstream = Upstream::start();
    let gateway = three_rules(&upstream);
    let part = proptest::sample::select(
        &[
            "public",
            "admin",
            "Admin",
            "%61dmin",
            "x",
            "..",
            ".",
            "%2e%2e",
            "%252e%252e",
            ".%2e",
            "/",
            "//",
            "%2f",
            "%2F",
            "%252f",
            "\\",
            "%5c",
            ";",
            ";v=1",
            "%3b",
            "..;",
        ][..],
    );
    let path = proptest::collection::vec(part, 1..9)
        .prop_map(|parts| format!("/public{}", parts.concat()));
    let mut runner = TestRunner::new(Config::with_cases(512));
    let outcome = runner.run(&path, |path| {
        let before = upstream.count();
        let answer = Request::get(&path).send(&gateway);
        let reached = upstream.count() > before;
        prop_assert_eq!(reached, answer.status == 200, "{}", &path);
        if reached {
            let reading = most_obliging_reading(&path);
            let allowed = reading == "/public" || reading.starts_with("/public/");
            prop_assert!(
                allowed,
                "{} reached the app, which may read {}",
                &path,
                reading
            );
            prop_assert_eq!(upstream.last().head.target().to_owned(), path);
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn hosts_have_routes_of_their_own() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let gateway = Setup::new()
        .route("/", &url, "signed-in", "")
        .route("/", &url, "anyone", "host = \"open.localhost\"")
        .start();
    let ask = |host: &str| Request::get("/").header("Host", host).send(&gateway).status;
    assert_eq!(ask("localhost"), 401);
    assert_eq!(ask("open.localhost"), 200);
    assert_eq!(ask("OPEN.localhost.:8080"), 200);
    assert_eq!(
        upstream.last().head.first("host"),
        Some("OPEN.localhost.:8080")
    );
    assert_eq!(ask("evil.example"), 421);
}

#[test]
fn a_path_without_a_route_is_not_found() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/app", &upstream.url(), "anyone", "")
        .start();
    let answer = Request::get("/other").send(&gateway);
    assert_eq!((answer.status, answer.is_ours()), (404, true));
    assert_eq!(Request::get("/app/x").send(&gateway).status, 200);
}
