//! What kind of answer can the caller use? Decided here and nowhere else.

use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, HeaderName, Method};

use super::Reader;

static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
static X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// The caller's abilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// A person looks at the answer: an HTML page is right.
    pub page: bool,
    /// The person's browser follows a redirect: takes a page and asked by GET or HEAD.
    pub redirect: bool,
    /// `content-type: application/grpc*`.
    pub grpc: bool,
}

impl Wants {
    /// Reads them from a request's method and headers.
    pub fn read(method: &Method, headers: &HeaderMap) -> Self {
        let page = takes_html(headers)
            && is_absent_or(headers, &SEC_FETCH_MODE, "navigate")
            && is_absent_or(headers, &SEC_FETCH_DEST, "document")
            && !is_script(headers);
        Self {
            page,
            redirect: page && matches!(*method, Method::GET | Method::HEAD),
            grpc: is_grpc(headers),
        }
    }

    /// Who looks at the page; nobody where none is wanted.
    pub fn reader(self, headers: &HeaderMap) -> Reader {
        if self.page {
            Reader::read(headers)
        } else {
            Reader::default()
        }
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

fn is_absent_or(headers: &HeaderMap, name: &HeaderName, expected: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .all(|value| value.as_bytes().eq_ignore_ascii_case(expected.as_bytes()))
}

fn is_script(headers: &HeaderMap) -> bool {
    headers
        .get_all(&X_REQUESTED_WITH)
        .iter()
        .any(|value| value.as_bytes().eq_ignore_ascii_case(b"XMLHttpRequest"))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    headers
        .get(CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .and_then(|value| value.get(..GRPC.len()))
        .is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
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

    #[test]
    fn a_browser_that_navigates_takes_a_page() {
        let navigation = [
            ("accept", BROWSER),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        for fields in [&navigation[..1], &navigation[..]] {
            assert!(wants(Method::GET, fields).redirect);
            assert!(wants(Method::HEAD, fields).redirect);
            let posted = wants(Method::POST, fields);
            assert!(posted.page && !posted.redirect);
        }
    }

    #[test]
    fn everybody_else_takes_json() {
        for fields in [
            &[][..],
            &[("accept", "*/*")],
            &[("accept", "application/json")],
            &[("accept", "text/html;q=0")],
            &[("accept", "text/html; q=0.000, */*")],
            &[("accept", "text/htmlx")],
            &[("accept", BROWSER), ("sec-fetch-mode", "cors")],
            &[("accept", BROWSER), ("sec-fetch-dest", "iframe")],
            &[("accept", BROWSER), ("sec-fetch-dest", "empty")],
            &[("accept", BROWSER), ("x-requested-with", "xmlhttprequest")],
        ] {
            let wants = wants(Method::GET, fields);
            assert!(!wants.page && !wants.redirect, "{fields:?}");
        }
    }

    #[test]
    fn accept_may_come_in_parts_and_in_any_case() {
        assert!(
            wants(
                Method::GET,
                &[("accept", "*/*"), ("accept", "Text/HTML;q=0.1")]
            )
            .page
        );
    }

    #[test]
    fn grpc_is_told_by_the_media_type() {
        for (value, expected) in [
            ("application/grpc", true),
            ("application/GRPC+proto", true),
            ("application/grpc-web", true),
            ("application/json", false),
            ("application/gr", false),
        ] {
            assert_eq!(
                wants(Method::POST, &[("content-type", value)]).grpc,
                expected,
                "{value}"
            );
        }
    }
}
