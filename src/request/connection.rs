//! Which fields may a client call hop-by-hop? None that the app, the framing or we depend on.

use http::HeaderMap;
use http::header::{AsHeaderName, CONNECTION};

use crate::request::reserved::is_reserved;

/// Fields that `Connection` must not name, besides the reserved ones and those of [`STANDARD_FAMILIES`].
const STANDARD: [&str; 22] = [
    "accept",
    "authorization",
    "cache-control",
    "cookie",
    "cookie2",
    "date",
    "expect",
    "from",
    "host",
    "max-forwards",
    "origin",
    "pragma",
    "priority",
    "range",
    "referer",
    "set-cookie",
    "trailer",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "x-requested-with",
];

/// Families of fields that `Connection` must not name.
const STANDARD_FAMILIES: [&str; 7] = [
    "accept-",
    "access-control-",
    "content-",
    "if-",
    "proxy-auth",
    "sec-",
    "x-csrf",
];

/// Whether `Connection` names a field that would then be missing where somebody relies on it: an
/// identity, forwarding, framing or standard field (CVE-2022-31813 is such a case).
pub fn names_needed_field(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .any(|value| match value.to_str() {
            Ok(value) => value.split(',').map(str::trim).any(is_needed),
            Err(_) => true,
        })
}

/// Whether somebody relies on a field of this name, whoever reads it: those above, in any case.
pub fn is_needed(name: &str) -> bool {
    let begins_with = |family: &&str| {
        name.get(..family.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(family))
    };
    is_reserved(name)
        || STANDARD
            .iter()
            .any(|standard| name.eq_ignore_ascii_case(standard))
        || STANDARD_FAMILIES.iter().any(begins_with)
}

/// Whether a field that is a list, such as `Connection`, holds this token in any case.
pub fn has_token(headers: &HeaderMap, field: impl AsHeaderName, token: &str) -> bool {
    headers
        .get_all(field)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|element| element.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, value.parse().unwrap());
        names_needed_field(&headers)
    }

    #[test]
    fn options_and_unknown_fields_may_be_named() {
        for fine in [
            "",
            "close",
            "keep-alive",
            "Upgrade, HTTP2-Settings",
            "TE",
            "x-mine",
            "x-forwarded",
            "proxy-connection",
        ] {
            assert!(!is_refused(fine), "{fine:?}");
        }
    }

    #[test]
    fn fields_that_somebody_relies_on_may_not() {
        for bad in [
            "host",
            "Content-Length",
            "transfer-encoding",
            "close, X-Forwarded-User",
            "x_forwarded_user",
            "X-Vestibule-Assertion",
            "remote-user",
            "cookie",
            "AUTHORIZATION",
            "Proxy-Authorization",
            "keep-alive,sec-fetch-site",
            "Origin",
            "if-match",
        ] {
            assert!(is_refused(bad), "{bad:?}");
        }
    }

    #[test]
    fn tokens_are_found_in_lists_in_any_case() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, "keep-alive, UpGrade".parse().unwrap());
        assert!(has_token(&headers, "connection", "upgrade"));
        assert!(!has_token(&headers, CONNECTION, "up"));
    }
}
