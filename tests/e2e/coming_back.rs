//! Where people are sent: after signing in, to the page they asked for; never to another site.

use std::net::SocketAddr;

use crate::support::{
    Answer, Connection, Gateway, PASSWORD, Request, Setup, Upstream, browser_sign_in,
};

/// What may not be followed, in whatever way it is given.
const EVIL: &[&str] = &[
    "https://evil.example/",
    "https:evil.example",
    "https:/evil.example",
    "HTTP://evil.example",
    "//evil.example/",
    "///evil.example/",
    "////evil.example/",
    "/\\evil.example/",
    "\\/evil.example/",
    "\\\\evil.example/",
    "/\t/evil.example/",
    "\t//evil.example/",
    "/\r\n/evil.example/",
    "/\0/evil.example/",
    " //evil.example/",
    "\u{feff}//evil.example/",
    "/..//evil.example/",
    "/.//evil.example/",
    "/%2e//evil.example/",
    "/a/..//evil.example/",
    "//localhost@evil.example/",
    "http://localhost@evil.example/",
    "http://localhost:80@evil.example/",
    "//localhost.evil.example/",
    "//localhost/",
    "http://localhost/",
    "@evil.example",
    ".evil.example",
    "evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "/vestibule/logout",
    "/vestibule/resend/../logout",
    "/Vestibule/logout",
    "/x\r\nSet-Cookie: x=1",
    "",
];

/// Encoded once more than browsers decode: a path of ours, however it looks.
const HARMLESS: &[&str] = &[
    "/%2F%2Fevil.example",
    "/%5Cevil.example",
    "/a?next=//evil.example",
    "/a?return_to=https://evil.example/",
    "/https://evil.example/",
    "/@evil.example",
];

/// Whether a browser on `http://localhost` that follows this stays there.
fn stays(location: &str) -> bool {
    let base = url::Url::parse("http://localhost/vestibule/login").expect("a URL");
    let there = base.join(location).expect("a browser understands it");
    there.origin() == base.origin() && !location.contains(['\\', '\r', '\n', '\t', '\0'])
}

fn encoded(name: &str, value: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair(name, value)
        .finish()
}

/// Where somebody who is signed in is sent on to by the sign-in page.
fn shown(gateway: &Gateway, cookies: &str, query: &str) -> Answer {
    Request::get(&format!("/vestibule/login?{query}"))
        .navigating()
        .header("Cookie", cookies)
        .send(gateway)
}

fn posted(gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> Answer {
    let credentials = [("username", "ada"), ("password", PASSWORD)];
    let form = Request::post(path).same_origin().navigating();
    form.form(&[&credentials, fields].concat()).send(gateway)
}

#[test]
fn signing_in_never_leads_to_another_site() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let evil = EVIL.iter().map(|evil| (evil, "/"));
    let cases = evil.chain(HARMLESS.iter().map(|path| (path, *path)));
    let cookies = browser_sign_in(&gateway, "ada");
    for (text, place) in cases.clone() {
        let query = encoded("return_to", text);
        let answer = shown(&gateway, &cookies, &query);
        let went = (answer.status, answer.header("location"));
        assert_eq!(went, (303, Some(place)), "{text:?}");
        assert!(stays(place), "{place}");
        let form = shown(&gateway, "", &query).text();
        let field = format!("name=\"return_to\" value=\"{place}\"");
        assert!(form.contains(&field), "{text:?}: {form}");
    }
    for (text, place) in cases {
        let answer = posted(&gateway, "/vestibule/login", &[("return_to", text)]);
        let went = (answer.status, answer.header("location"));
        assert_eq!(went, (303, Some(place)), "{text:?}");
    }
}

#[test]
fn what_says_two_things_leads_nowhere() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    for (query, location) in [
        ("return_to=/a", "/a"),
        ("return_to=/a&return_to=/a", "/a"),
        ("return_to=/a&return_to=/b", "/"),
        ("return_to=/a&return_to=//evil.example/", "/"),
        ("return_to=//evil.example/&return_to=/a", "/"),
        ("return_to=/a&return%5Fto=/b", "/"),
        ("return_to=/a&return_to=", "/"),
        ("Return_To=/b&return_to=/a", "/a"),
        ("return_to[]=//evil.example/", "/"),
        ("next=//evil.example/", "/"),
        ("next=/a&redirect=/a&rd=/a&url=/a&continue=/a", "/"),
        ("return_to=%252F%252Fevil.example", "/"),
        ("return_to=%2F%2Fevil.example", "/"),
        ("return_to=%2F%5Cevil.example", "/"),
        ("return_to=/%09/evil.example", "/"),
    ] {
        let answer = shown(&gateway, &cookies, query);
        let went = (answer.status, answer.header("location"));
        assert_eq!(went, (303, Some(location)), "{query}");
    }
    let twice = [("return_to", "/a"), ("return_to", "/b")];
    assert_eq!(posted(&gateway, "/vestibule/login", &twice).status, 400);
    let path = "/vestibule/login?return_to=//evil.example/&next=//evil.example/";
    for (fields, location) in [
        (&[][..], "/"),
        (&[("next", "//evil.example/")], "/"),
        (&[("next", "//evil.example/"), ("return_to", "/a")], "/a"),
    ] {
        let answer = posted(&gateway, path, fields);
        let went = (answer.status, answer.header("location"));
        assert_eq!(went, (303, Some(location)), "{fields:?}");
    }
}

#[test]
fn a_deep_link_comes_back_up_to_two_kibibytes() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    for (length, comes_back) in [(10, true), (2048, true), (2049, false), (8000, false)] {
        let link = format!("/a?{}", "x".repeat(length - 3));
        let sent = Request::get(&link).navigating().send(&gateway);
        let login = sent.header("location").expect("a location").to_owned();
        let (_, query) = login.split_once('?').expect("a query");
        let answer = shown(&gateway, &cookies, query);
        let expected = if comes_back { &*link } else { "/" };
        assert_eq!(answer.header("location"), Some(expected), "{length}");
    }
}

/// What is asked for, and with which Host: each either refused or answered with a place of our own.
const ODD: &[(&str, &str)] = &[
    ("/", "localhost"),
    ("//evil.example/", "localhost"),
    ("/\\evil.example/", "localhost"),
    ("/%5Cevil.example/", "localhost"),
    ("/%2F/evil.example/", "localhost"),
    ("/..//evil.example/", "localhost"),
    ("/a?return_to=//evil.example/", "localhost"),
    ("http://localhost/a", "localhost"),
    ("http://evil.example/", "localhost"),
    ("http://evil.example/", "evil.example"),
    ("http://localhost@evil.example/", "evil.example"),
    ("http://evil.example@localhost/", "localhost"),
    ("//evil.example", "evil.example"),
    ("/", "evil.example"),
    ("/", "localhost@evil.example"),
    ("/", "evil.example@localhost"),
    ("/", "localhost/evil.example"),
    ("/", "localhost#.evil.example"),
    ("/", "localhost.evil.example"),
    ("/", "localhost:evil.example"),
    ("/", "localhost:80"),
    ("/", "localhost:443"),
    ("/", "LOCALHOST"),
    ("/", "localhost."),
    ("/", ""),
];

#[track_caller]
fn expect_own_place(answer: &Answer, schemes: &[&str], case: &str) {
    let Some(location) = answer.header("location") else {
        assert!(
            matches!(answer.status, 400 | 421),
            "{case}: {}",
            answer.status
        );
        return;
    };
    let base = url::Url::parse("http://localhost/").expect("a URL");
    let there = base.join(location).expect("a browser understands it");
    assert_eq!(
        there.host_str(),
        Some("localhost"),
        "{case} leads to {location}"
    );
    assert!(
        schemes.contains(&there.scheme()),
        "{case} leads to {location}"
    );
    assert!(there.username().is_empty(), "{case} leads to {location}");
    assert!(there.port().is_none(), "{case} leads to {location}");
}

#[test]
fn strangers_are_sent_to_our_own_sign_in_page_only() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    for (target, host) in ODD {
        let request = Request::get(target).navigating().header("Host", host);
        let forwarded = request
            .clone()
            .header("X-Forwarded-Host", "evil.example")
            .header("X-Forwarded-Proto", "https")
            .header("Forwarded", "host=evil.example");
        for request in [request, forwarded] {
            let answer = request.send(&gateway);
            let case = format!("{target} at {host}");
            expect_own_place(&answer, &["http"], &case);
            if let Some(location) = answer.header("location") {
                assert!(
                    location.starts_with("/vestibule/login?return_to=%2F"),
                    "{case}"
                );
                let (_, query) = location.split_once('?').expect("a query");
                expect_own_place(&shown(&gateway, &cookies, query), &["http"], &case);
            }
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn signing_out_leads_to_our_own_page_only() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    for query in ["", "?return_to=//evil.example/", "?next=//evil.example/"] {
        let cookies = browser_sign_in(&gateway, "ada");
        let answer = Request::post(&format!("/vestibule/logout{query}"))
            .same_origin()
            .navigating()
            .header("Referer", "http://localhost//evil.example/")
            .header("Cookie", &cookies)
            .form(&[
                ("return_to", "//evil.example/"),
                ("next", "//evil.example/"),
            ])
            .send(&gateway);
        let went = (answer.status, answer.header("location"));
        assert_eq!(went, (303, Some("/vestibule/logout")), "{query}");
    }
}

#[test]
fn plain_requests_are_sent_to_our_own_hosts_by_https_only() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .public_url("https://localhost")
        .server("redirect_listen = \"127.0.0.1:0\"")
        .start();
    let log = gateway.log();
    let start = "redirecting from http://";
    let (_, rest) = log.split_once(start).expect("it says where it listens");
    let address: &str = rest.split([' ', '"']).next().expect("an address");
    let address: SocketAddr = address.trim().parse().expect("an address");
    for (target, host) in ODD {
        let mut connection = Connection::open(address);
        connection.send(Request::get(target).header("Host", host).to_bytes());
        let answer = connection.answer();
        expect_own_place(&answer, &["https"], &format!("{target} at {host}"));
    }
}
