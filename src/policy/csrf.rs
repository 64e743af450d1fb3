//! Did the person mean to send this? Judged for credentials that browsers send unasked: by
//! `Sec-Fetch-Site` (W3C Fetch Metadata), else by `Origin` (RFC 6454), else by `Referer`.

use http::Method;
use http::header::{HeaderMap, HeaderValue, ORIGIN, REFERER};

use crate::request::Origin;

/// Origins besides the request's own that may send state-changing requests (`csrf.trusted_origins`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedOrigins(pub Vec<Origin>);

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Csrf {
    /// It came from our own pages, or changes nothing.
    Pass,
    /// It may have come from another site.
    Reject,
}

/// Judges a request by method (and WebSocket upgrade), `Sec-Fetch-Site`, `Origin` and `Referer`.
pub fn judge(
    method: &Method,
    is_websocket: bool,
    headers: &HeaderMap,
    own: Option<&Origin>,
    trusted: &TrustedOrigins,
) -> Csrf {
    let changes_nothing = matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    );
    let meant = (changes_nothing && !is_websocket)
        || match one(headers, "sec-fetch-site") {
            Field::Once(b"same-origin" | b"none") => true,
            Field::Once(b"same-site" | b"cross-site") => {
                let sender = one(headers, ORIGIN.as_str()).origin();
                sender.is_some_and(|sender| trusted.0.contains(&sender))
            }
            Field::Absent => is_sent_from(headers, own, trusted),
            Field::Once(_) | Field::Repeated => false,
        };
    if meant { Csrf::Pass } else { Csrf::Reject }
}

/// For browsers without fetch metadata: `Origin`, and where that is missing, too, `Referer`.
fn is_sent_from(headers: &HeaderMap, own: Option<&Origin>, trusted: &TrustedOrigins) -> bool {
    let origin = one(headers, ORIGIN.as_str());
    if matches!(origin, Field::Absent) {
        let referer = one(headers, REFERER.as_str()).origin();
        return referer.is_some() && referer.as_ref() == own;
    }
    let Some(sender) = origin.origin() else {
        return false;
    };
    own == Some(&sender) || trusted.0.contains(&sender)
}

/// A field that must not come twice.
#[derive(Clone, Copy)]
enum Field<'a> {
    Absent,
    Once(&'a [u8]),
    Repeated,
}

fn one<'a>(headers: &'a HeaderMap, name: &str) -> Field<'a> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    match (values.next(), values.next()) {
        (None, _) => Field::Absent,
        (Some(value), None) => Field::Once(value),
        (Some(_), Some(_)) => Field::Repeated,
    }
}

impl Field<'_> {
    /// The origin of an address, whatever path follows; `None` for `null` and the like.
    fn origin(self) -> Option<Origin> {
        let Field::Once(value) = self else {
            return None;
        };
        let address = std::str::from_utf8(value).ok()?;
        let authority = address.find("://")? + "://".len();
        let length = address.get(authority..)?.find(['/', '?', '#']);
        let end = length.map_or(address.len(), |length| authority + length);
        Origin::parse(address.get(..end)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(method: Method, is_websocket: bool, fields: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let own = Origin::parse("https://app.example");
        let trusted = TrustedOrigins(vec![Origin::parse("https://friend.example").unwrap()]);
        judge(&method, is_websocket, &headers, own.as_ref(), &trusted) == Csrf::Pass
    }

    #[test]
    fn reading_is_always_meant() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
            assert!(passes(method, false, &[("sec-fetch-site", "cross-site")]));
        }
    }

    #[test]
    fn a_tunnel_and_every_other_method_are_judged() {
        assert!(!passes(
            Method::GET,
            true,
            &[("origin", "https://evil.example")]
        ));
        assert!(passes(
            Method::GET,
            true,
            &[("origin", "https://app.example")]
        ));
        for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get", "X"] {
            let method: Method = method.parse().unwrap();
            assert!(!passes(method, false, &[]));
        }
    }

    #[test]
    fn our_own_pages_and_trusted_ones_may_send() {
        const APP: (&str, &str) = ("origin", "https://app.example");
        const FRIEND: (&str, &str) = ("origin", "https://friend.example");
        for fields in [
            &[("sec-fetch-site", "same-origin")][..],
            &[("sec-fetch-site", "same-origin"), APP],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-site"), FRIEND],
            &[("sec-fetch-site", "cross-site"), FRIEND],
            &[APP],
            &[FRIEND],
            &[("origin", "https://app.example:443")],
            &[("referer", "https://app.example/a?b=https://evil.example")],
            &[("referer", "https://app.example")],
        ] {
            assert!(passes(Method::POST, false, fields), "{fields:?}");
        }
    }

    #[test]
    fn nobody_else_may() {
        const SAME_SITE: (&str, &str) = ("sec-fetch-site", "same-site");
        for fields in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[SAME_SITE],
            &[SAME_SITE, ("origin", "https://other.app.example")],
            &[
                SAME_SITE,
                ("origin", "https://friend.example"),
                ("origin", "https://a.example"),
            ],
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[("sec-fetch-site", "Same-Origin")],
            &[("sec-fetch-site", "")],
            &[("origin", "null")],
            &[("origin", "null"), ("referer", "https://app.example/")],
            &[("origin", "http://app.example")],
            &[("origin", "https://app.example:8443")],
            &[("origin", "https://app.example.evil.example")],
            &[
                ("origin", "https://app.example"),
                ("origin", "https://app.example"),
            ],
            &[("referer", "https://evil.example/https://app.example/")],
            &[("referer", "https://app.example@evil.example/")],
            &[("referer", "https://app.example\\@evil.example/")],
            &[("referer", "/a")],
            &[("referer", "https://friend.example/")],
        ] {
            assert!(!passes(Method::POST, false, fields), "{fields:?}");
        }
    }

    #[test]
    fn without_an_origin_of_its_own_a_request_matches_none() {
        let mut headers = HeaderMap::new();
        let trusted = TrustedOrigins::default();
        let judge = |headers: &HeaderMap| judge(&Method::POST, false, headers, None, &trusted);
        assert_eq!(judge(&headers), Csrf::Reject);
        headers.insert("referer", HeaderValue::from_static("not an address"));
        assert_eq!(judge(&headers), Csrf::Reject);
    }
}
