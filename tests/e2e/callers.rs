//! Who asks gets an answer they can use: people a page or the way to it, frames a page that leads out of
//! them, scripts JSON, gRPC clients a status, and a browser that asks ahead nothing to keep.

use crate::support::{Answer, Gateway, Request, Setup, Upstream, browser_sign_in};

const HTML: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
const ANY: (&str, &str) = ("Accept", "*/*");
const NAVIGATE: (&str, &str) = ("Sec-Fetch-Mode", "navigate");
const NO_CORS: (&str, &str) = ("Sec-Fetch-Mode", "no-cors");
const CORS: (&str, &str) = ("Sec-Fetch-Mode", "cors");
const DOCUMENT: (&str, &str) = ("Sec-Fetch-Dest", "document");
const EMPTY: (&str, &str) = ("Sec-Fetch-Dest", "empty");

/// What somebody gets who would have to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gets {
    /// To the sign-in page.
    Redirect,
    /// A page that says so.
    Page,
    /// A small one that a page of ours may show in a frame.
    Frame,
    /// Words for programs.
    Json,
    /// A gRPC status, in this media type.
    Grpc(&'static str),
}

/// Names of fields with their values.
type Fields = &'static [(&'static str, &'static str)];

/// Who asks, how, and what a stranger gets for it.
const CALLERS: &[(&str, &str, Fields, Gets)] = &[
    (
        "a person",
        "GET",
        &[HTML, NAVIGATE, DOCUMENT],
        Gets::Redirect,
    ),
    (
        "a person who sends a form",
        "POST",
        &[HTML, NAVIGATE, DOCUMENT],
        Gets::Page,
    ),
    ("an old browser", "GET", &[HTML], Gets::Redirect),
    ("fetch", "GET", &[ANY, CORS, EMPTY], Gets::Json),
    (
        "fetch that takes HTML",
        "GET",
        &[HTML, CORS, EMPTY],
        Gets::Json,
    ),
    (
        "fetch of its own origin",
        "POST",
        &[HTML, ("Sec-Fetch-Mode", "same-origin"), EMPTY],
        Gets::Json,
    ),
    (
        "XMLHttpRequest of an old library",
        "GET",
        &[HTML, ("X-Requested-With", "XMLHttpRequest")],
        Gets::Json,
    ),
    (
        "an event stream",
        "GET",
        &[("Accept", "text/event-stream"), CORS, EMPTY],
        Gets::Json,
    ),
    (
        "a script",
        "GET",
        &[ANY, NO_CORS, ("Sec-Fetch-Dest", "script")],
        Gets::Json,
    ),
    (
        "a style sheet",
        "GET",
        &[
            ("Accept", "text/css,*/*;q=0.1"),
            NO_CORS,
            ("Sec-Fetch-Dest", "style"),
        ],
        Gets::Json,
    ),
    (
        "an image, such as the favicon",
        "GET",
        &[
            ("Accept", "image/avif,image/*,*/*;q=0.8"),
            NO_CORS,
            ("Sec-Fetch-Dest", "image"),
        ],
        Gets::Json,
    ),
    (
        "a font",
        "GET",
        &[ANY, CORS, ("Sec-Fetch-Dest", "font")],
        Gets::Json,
    ),
    (
        "a worker",
        "GET",
        &[
            ANY,
            ("Sec-Fetch-Mode", "same-origin"),
            ("Sec-Fetch-Dest", "worker"),
        ],
        Gets::Json,
    ),
    (
        "an iframe",
        "GET",
        &[HTML, NAVIGATE, ("Sec-Fetch-Dest", "iframe")],
        Gets::Frame,
    ),
    (
        "a frame",
        "GET",
        &[HTML, NAVIGATE, ("Sec-Fetch-Dest", "frame")],
        Gets::Frame,
    ),
    (
        "an embed",
        "GET",
        &[HTML, NAVIGATE, ("Sec-Fetch-Dest", "embed")],
        Gets::Frame,
    ),
    (
        "an object",
        "GET",
        &[HTML, NAVIGATE, ("Sec-Fetch-Dest", "object")],
        Gets::Frame,
    ),
    (
        "a form into an iframe",
        "POST",
        &[HTML, NAVIGATE, ("Sec-Fetch-Dest", "iframe")],
        Gets::Frame,
    ),
    (
        "a prefetch",
        "GET",
        &[HTML, NAVIGATE, DOCUMENT, ("Sec-Purpose", "prefetch")],
        Gets::Json,
    ),
    (
        "a prerender",
        "GET",
        &[
            HTML,
            NAVIGATE,
            DOCUMENT,
            ("Sec-Purpose", "prefetch;prerender"),
        ],
        Gets::Json,
    ),
    (
        "a prefetch of an old browser",
        "GET",
        &[HTML, ("Purpose", "prefetch")],
        Gets::Json,
    ),
    (
        "a preview",
        "GET",
        &[HTML, ("X-Purpose", "preview")],
        Gets::Json,
    ),
    (
        "a prefetched link",
        "GET",
        &[ANY, NO_CORS, EMPTY, ("Sec-Purpose", "prefetch")],
        Gets::Json,
    ),
    ("curl", "GET", &[ANY], Gets::Json),
    ("a program that says nothing", "GET", &[], Gets::Json),
    (
        "a program for JSON",
        "PUT",
        &[("Accept", "application/json")],
        Gets::Json,
    ),
    (
        "gRPC",
        "POST",
        &[("Content-Type", "application/grpc"), ("TE", "trailers")],
        Gets::Grpc("application/grpc"),
    ),
    (
        "gRPC-Web",
        "POST",
        &[
            ANY,
            CORS,
            EMPTY,
            ("Content-Type", "application/grpc-web+proto"),
            ("X-Grpc-Web", "1"),
        ],
        Gets::Grpc("application/grpc-web+proto"),
    ),
    (
        "gRPC-Web in text",
        "POST",
        &[
            ANY,
            CORS,
            EMPTY,
            ("Content-Type", "application/grpc-web-text"),
        ],
        Gets::Grpc("application/grpc-web-text"),
    ),
];

fn with(request: Request, fields: &[(&str, &str)]) -> Request {
    fields.iter().fold(request, |request, (name, value)| {
        request.header(name, value)
    })
}

/// Checks that an answer has this form and says this.
#[track_caller]
fn expect(answer: &Answer, gets: Gets, status: u16, grpc_status: &str, who: &str) {
    let told = (
        answer.status,
        answer.is_ours(),
        answer.header("cache-control"),
    );
    let media_type = answer.header("content-type").unwrap_or_default();
    let shown_in = answer.header("x-frame-options");
    let expected = match gets {
        Gets::Redirect => 303,
        Gets::Page | Gets::Frame | Gets::Json => status,
        Gets::Grpc(_) => 200,
    };
    assert_eq!(told, (expected, true, Some("no-store")), "{who}");
    match gets {
        Gets::Redirect => assert!(answer.header("location").is_some(), "{who}"),
        Gets::Page => assert_eq!(
            (media_type, shown_in),
            ("text/html; charset=utf-8", Some("DENY")),
            "{who}"
        ),
        Gets::Frame => assert_eq!(
            (media_type, shown_in),
            ("text/html; charset=utf-8", Some("SAMEORIGIN")),
            "{who}"
        ),
        Gets::Json => assert_eq!((media_type, shown_in), ("application/json", None), "{who}"),
        Gets::Grpc(asked) => {
            assert_eq!(
                (media_type, answer.header("grpc-status")),
                (asked, Some(grpc_status)),
                "{who}"
            );
        }
    }
}

#[test]
fn every_stranger_is_told_to_sign_in_in_a_way_they_can_use() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    for (who, method, fields, gets) in CALLERS {
        let answer = with(Request::new(method, "/deep?a=1"), fields).send(&gateway);
        expect(&answer, *gets, 401, "16", who);
        match gets {
            Gets::Redirect => assert_eq!(
                answer.header("location"),
                Some("/vestibule/login?return_to=%2Fdeep%3Fa%3D1"),
                "{who}"
            ),
            Gets::Page | Gets::Frame => {
                assert!(answer.header("www-authenticate").is_some(), "{who}");
                let link = r#"href="/vestibule/login?return_to=%2Fdeep%3Fa%3D1" target="_top""#;
                assert!(answer.text().contains(link), "{who}: {}", answer.text());
            }
            Gets::Json => {
                assert!(answer.header("www-authenticate").is_some(), "{who}");
                let login_url = answer.json()["login_url"].clone();
                assert_eq!(
                    login_url, "/vestibule/login?return_to=%2Fdeep%3Fa%3D1",
                    "{who}"
                );
            }
            Gets::Grpc(_) => assert!(answer.header("grpc-message").is_some(), "{who}"),
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn who_may_not_pass_and_whose_app_is_away_is_told_alike() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .route("/ops", &upstream.url(), "{ groups = [\"ops\"] }", "")
        .route("/gone", "http://127.0.0.1:1", "signed-in", "")
        .start();
    let cookies = browser_sign_in(&gateway, "ada");
    for (path, status, grpc_status) in [("/ops", 403, "7"), ("/gone", 502, "14")] {
        for (who, method, fields, gets) in CALLERS {
            let answer = with(Request::new(method, path), fields)
                .header("Cookie", &cookies)
                .header("Sec-Fetch-Site", "same-origin")
                .send(&gateway);
            let gets = match gets {
                Gets::Redirect => Gets::Page,
                gets => *gets,
            };
            expect(&answer, gets, status, grpc_status, who);
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_page_that_was_asked_for_ahead_is_asked_for_again_by_the_person() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let ahead = Request::get("/")
        .navigating()
        .header("Sec-Purpose", "prefetch");
    let answer = ahead.clone().send(&gateway);
    let told = (answer.status, answer.header("location"));
    assert_eq!(told, (401, None), "a browser keeps no failure");
    assert_eq!(Request::get("/").navigating().send(&gateway).status, 303);
    let cookies = browser_sign_in(&gateway, "ada");
    let signed_in = ahead.header("Cookie", &cookies).send(&gateway);
    assert_eq!((signed_in.status, signed_in.is_ours()), (200, false));
}

#[test]
fn who_signs_in_out_of_a_frame_comes_back_to_the_page_around_it() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    for (referer, target) in [
        ("http://localhost/board?tab=2", "%2Fboard%3Ftab%3D2"),
        ("http://localhost/", "%2F"),
        // No page of ours, or none that can be gone to.
        ("https://evil.example/board", "%2Fwidget"),
        ("http://localhost:81/board", "%2Fwidget"),
        ("http://localhost@evil.example/board", "%2Fwidget"),
        ("http://localhost", "%2Fwidget"),
        ("not a URL", "%2Fwidget"),
        ("http://localhost//evil.example", "%2F"),
        ("http://localhost/vestibule/logout", "%2F"),
    ] {
        let frame = with(
            Request::get("/widget"),
            &[HTML, NAVIGATE, ("Sec-Fetch-Dest", "iframe")],
        );
        let answer = frame.header("Referer", referer).send(&gateway);
        let link = format!("href=\"/vestibule/login?return_to={target}\"");
        let html = answer.text();
        assert!(html.contains(&link), "{referer}: {html}");
    }
    let navigation = Request::get("/widget").navigating();
    let navigation = navigation.header("Referer", "http://localhost/board");
    assert_eq!(
        navigation.send(&gateway).header("location"),
        Some("/vestibule/login?return_to=%2Fwidget")
    );
}

#[test]
fn our_own_pages_are_never_shown_in_a_frame() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    for path in ["/vestibule/login", "/vestibule/logout"] {
        let frame = with(
            Request::get(path),
            &[HTML, NAVIGATE, ("Sec-Fetch-Dest", "iframe")],
        );
        let answer = frame.send(&gateway);
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
    }
}

#[test]
fn a_websocket_handshake_is_told_in_json_whatever_it_takes() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    for fields in [&[][..], &[ANY], &[HTML]] {
        let answer = with(Request::get("/chat"), fields)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("Origin", "http://localhost")
            .send(&gateway);
        expect(&answer, Gets::Json, 401, "", "a handshake");
    }
    assert_eq!(upstream.count(), 0);
}
