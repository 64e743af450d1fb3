//! What kind of answer can the caller use? Decided here and nowhere else.

use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, UPGRADE};
use http::{HeaderMap, HeaderName, Method};

static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
static X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// How browsers say that nobody looks at the answer yet: the HTML standard's field, and those of
/// browsers before it.
static PURPOSES: [HeaderName; 4] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("x-moz"),
];

/// `Sec-Fetch-Dest` of a navigation inside another page.
const FRAMES: &[&str] = &["iframe", "frame", "fencedframe", "embed", "object"];

/// The media types of gRPC, each before those it begins with: clients, above all those in browsers,
/// want the answer in the one they asked in.
const GRPC: [&str; 8] = [
    "application/grpc-web-text+proto",
    "application/grpc-web-text",
    "application/grpc-web+proto",
    "application/grpc-web+json",
    "application/grpc-web",
    "application/grpc+proto",
    "application/grpc+json",
    "application/grpc",
];

/// The caller's abilities.
///
/// | caller | told by | gets |
/// |---|---|---|
/// | a person who goes somewhere | `Accept` has `text/html`; `Sec-Fetch-Mode` and `-Dest`, where they came, say `navigate` and `document` | a page, or a redirect |
/// | a frame in a page | the same, but `-Dest` is `iframe` or the like | a small page |
/// | a browser that fetches or renders ahead | `Sec-Purpose`, `Purpose` | JSON: it keeps no error, but would keep what a redirect leads to |
/// | a gRPC client | `Content-Type` | a gRPC status |
/// | scripts, images, fonts, `WebSocket` handshakes, programs | everything else | JSON |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// A person looks at the answer: an HTML page is right.
    pub page: bool,
    /// A person looks at the answer inside another page: a small page is right, which leads out of it.
    pub frame: bool,
    /// The person's browser follows a redirect: takes a page and asked by GET or HEAD.
    pub redirect: bool,
    /// A gRPC client: the media type that it is answered in.
    pub grpc: Option<&'static str>,
}

impl Wants {
    /// Reads them from a request's method and headers.
    pub fn read(method: &Method, headers: &HeaderMap) -> Self {
        let grpc = grpc(headers);
        let is_looked_at = grpc.is_none()
            && takes_html(headers)
            && says_nothing_but(headers, &SEC_FETCH_MODE, &["navigate"])
            && !is_script(headers)
            && !is_ahead(headers)
            && !is_handshake(headers);
        let page = is_looked_at && says_nothing_but(headers, &SEC_FETCH_DEST, &["document"]);
        Self {
            page,
            frame: is_looked_at && !page && says_nothing_but(headers, &SEC_FETCH_DEST, FRAMES),
            redirect: page && matches!(*method, Method::GET | Method::HEAD),
            grpc,
        }
    }

    /// Whether nobody looks at the answer, which is JSON then.
    pub const fn is_program(self) -> bool {
        !self.page && !self.frame && self.grpc.is_none()
    }

    /// Whether a person looks at the answer.
    pub const fn has_reader(self) -> bool {
        self.page || self.frame
    }
}

fn takes_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(is_html)
}

/// Whether one element of `Accept` is `text/html`, and not with weight 0 (RFC 9110 §12.4.2).
fn is_html(element: &str) -> bool {
    let mut parts = element.split(';').map(str::trim);
    let is_html = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("text/html"));
    is_html && !parts.any(is_weight_zero)
}

fn is_weight_zero(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("q")
            && value.trim().parse().is_ok_and(|weight: f32| weight <= 0.0)
    })
}

/// Whether every field of this name holds one of these values; also where there is none.
fn says_nothing_but(headers: &HeaderMap, name: &HeaderName, known: &[&str]) -> bool {
    let is_known = |value: &HeaderValue| {
        let value = value.as_bytes();
        known
            .iter()
            .any(|known| value.eq_ignore_ascii_case(known.as_bytes()))
    };
    headers.get_all(name).iter().all(is_known)
}

fn is_script(headers: &HeaderMap) -> bool {
    headers
        .get_all(&X_REQUESTED_WITH)
        .iter()
        .any(|value| value.as_bytes().eq_ignore_ascii_case(b"XMLHttpRequest"))
}

/// Whether the browser asks before the person does.
fn is_ahead(headers: &HeaderMap) -> bool {
    const AHEAD: [&[u8]; 3] = [b"prefetch", b"prerender", b"preview"];
    let mut values = PURPOSES.iter().flat_map(|name| headers.get_all(name));
    values.any(|value| {
        let mut tokens = value.as_bytes().split(|byte| b";, ".contains(byte));
        tokens.any(|token| AHEAD.iter().any(|ahead| token.eq_ignore_ascii_case(ahead)))
    })
}

/// Whether a `WebSocket` is asked for, well-formed or not: nobody sees any other answer than 101.
fn is_handshake(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(UPGRADE).iter();
    values.any(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn grpc(headers: &HeaderMap) -> Option<&'static str> {
    let asked = headers.get(CONTENT_TYPE)?.as_bytes();
    GRPC.into_iter().find(|known| {
        let start = asked.get(..known.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(known.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    fn wants(method: Method, fields: &[(&'static str, &'static str)]) -> Wants {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        Wants::read(&method, &headers)
    }

    type Fields = &'static [(&'static str, &'static str)];

    /// What a caller sends, what a GET by it gets, and what a POST.
    const CALLERS: &[(Fields, Gets, Gets)] = &[
        // People, in browsers with fetch metadata and in older ones.
        (&[HTML, MODE, DEST], Gets::Redirect, Gets::Page),
        (&[HTML], Gets::Redirect, Gets::Page),
        (&[("accept", "Text/HTML;q=0.1")], Gets::Redirect, Gets::Page),
        (&[HTML, ("purpose", "leisure")], Gets::Redirect, Gets::Page),
        (
            &[HTML, MODE, ("sec-fetch-dest", "iframe")],
            Gets::Frame,
            Gets::Frame,
        ),
        (
            &[HTML, MODE, ("sec-fetch-dest", "frame")],
            Gets::Frame,
            Gets::Frame,
        ),
        (
            &[HTML, MODE, ("sec-fetch-dest", "embed")],
            Gets::Frame,
            Gets::Frame,
        ),
        (
            &[HTML, MODE, ("sec-fetch-dest", "object")],
            Gets::Frame,
            Gets::Frame,
        ),
        // Nobody looks at it yet.
        (
            &[HTML, MODE, DEST, ("sec-purpose", "prefetch")],
            Gets::Json,
            Gets::Json,
        ),
        (
            &[HTML, MODE, DEST, ("sec-purpose", "prefetch;prerender")],
            Gets::Json,
            Gets::Json,
        ),
        (
            &[HTML, MODE, DEST, ("purpose", "prefetch")],
            Gets::Json,
            Gets::Json,
        ),
        (
            &[
                HTML,
                MODE,
                ("sec-fetch-dest", "iframe"),
                ("sec-purpose", "Prefetch"),
            ],
            Gets::Json,
            Gets::Json,
        ),
        (&[HTML, ("x-purpose", "preview")], Gets::Json, Gets::Json),
        (&[HTML, ("x-moz", "prefetch")], Gets::Json, Gets::Json),
        // Scripts.
        (
            &[
                HTML,
                ("sec-fetch-mode", "cors"),
                ("sec-fetch-dest", "empty"),
            ],
            Gets::Json,
            Gets::Json,
        ),
        (
            &[HTML, ("sec-fetch-mode", "same-origin")],
            Gets::Json,
            Gets::Json,
        ),
        (&[HTML, ("sec-fetch-dest", "empty")], Gets::Json, Gets::Json),
        (
            &[HTML, ("x-requested-with", "xmlhttprequest")],
            Gets::Json,
            Gets::Json,
        ),
        (&[("accept", "text/event-stream")], Gets::Json, Gets::Json),
        (&[HTML, ("upgrade", "WebSocket")], Gets::Json, Gets::Json),
        // What pages are made of.
        (
            &[("accept", "*/*"), NO_CORS, ("sec-fetch-dest", "script")],
            Gets::Json,
            Gets::Json,
        ),
        (
            &[
                ("accept", "text/css,*/*;q=0.1"),
                NO_CORS,
                ("sec-fetch-dest", "style"),
            ],
            Gets::Json,
            Gets::Json,
        ),
        (
            &[
                ("accept", "image/avif,*/*;q=0.8"),
                NO_CORS,
                ("sec-fetch-dest", "image"),
            ],
            Gets::Json,
            Gets::Json,
        ),
        (
            &[HTML, NO_CORS, ("sec-fetch-dest", "font")],
            Gets::Json,
            Gets::Json,
        ),
        (
            &[HTML, MODE, ("sec-fetch-dest", "image")],
            Gets::Json,
            Gets::Json,
        ),
        (
            &[HTML, MODE, DEST, ("sec-fetch-dest", "iframe")],
            Gets::Json,
            Gets::Json,
        ),
        // Programs.
        (&[], Gets::Json, Gets::Json),
        (&[("accept", "*/*")], Gets::Json, Gets::Json),
        (&[("accept", "application/json")], Gets::Json, Gets::Json),
        (&[("accept", "text/html;q=0")], Gets::Json, Gets::Json),
        (
            &[("accept", "text/html; q=0.000, */*")],
            Gets::Json,
            Gets::Json,
        ),
        (&[("accept", "text/htmlx")], Gets::Json, Gets::Json),
        (
            &[HTML, ("content-type", "application/grpc")],
            Gets::Grpc,
            Gets::Grpc,
        ),
        (
            &[("content-type", "application/grpc-web+proto")],
            Gets::Grpc,
            Gets::Grpc,
        ),
    ];

    const HTML: (&str, &str) = ("accept", BROWSER);
    const MODE: (&str, &str) = ("sec-fetch-mode", "navigate");
    const DEST: (&str, &str) = ("sec-fetch-dest", "document");
    const NO_CORS: (&str, &str) = ("sec-fetch-mode", "no-cors");

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Gets {
        Redirect,
        Page,
        Frame,
        Json,
        Grpc,
    }

    impl Gets {
        fn of(wants: Wants) -> Self {
            let Wants {
                page,
                frame,
                redirect,
                grpc,
            } = wants;
            match (page, frame, redirect, grpc) {
                (true, false, true, None) => Self::Redirect,
                (true, false, false, None) => Self::Page,
                (false, true, false, None) => Self::Frame,
                (false, false, false, None) => Self::Json,
                (false, false, false, Some(_)) => Self::Grpc,
                _ => panic!("{wants:?}"),
            }
        }
    }

    #[test]
    fn every_caller_gets_what_it_can_use() {
        for (fields, by_get, by_post) in CALLERS {
            for (method, expected) in [
                (Method::GET, by_get),
                (Method::HEAD, by_get),
                (Method::POST, by_post),
            ] {
                let wants = wants(method, fields);
                assert_eq!(Gets::of(wants), *expected, "{fields:?}");
                assert_eq!(wants.is_program(), *expected == Gets::Json, "{fields:?}");
            }
        }
    }

    #[test]
    fn accept_may_come_in_parts() {
        let parts = [("accept", "*/*"), ("accept", "text/html")];
        assert!(wants(Method::GET, &parts).page);
    }

    #[test]
    fn grpc_is_answered_in_the_media_type_it_asked_in() {
        for (asked, answered) in [
            ("application/grpc", Some("application/grpc")),
            ("application/GRPC+proto", Some("application/grpc+proto")),
            ("application/grpc+thrift", Some("application/grpc")),
            ("application/grpc-web", Some("application/grpc-web")),
            (
                "application/grpc-web+proto",
                Some("application/grpc-web+proto"),
            ),
            (
                "application/grpc-web-text",
                Some("application/grpc-web-text"),
            ),
            ("application/json", None),
            ("application/gr", None),
        ] {
            let wants = wants(Method::POST, &[("content-type", asked)]);
            assert_eq!(wants.grpc, answered, "{asked}");
        }
    }
}
