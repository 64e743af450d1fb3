//! Which fields concern one connection only and go no further (RFC 9110 §7.6.1)?

use http::header::{self, HeaderMap, HeaderName};

/// Removes every field that concerns one connection only, those that `Connection` names included.
pub(super) fn remove(headers: &mut HeaderMap) {
    remove_named(headers);
    remove_where(headers, is_hop_by_hop);
}

/// Removes `Connection` and the fields it names.
pub(super) fn remove_named(headers: &mut HeaderMap) {
    let mut named = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        named.extend(options(value.as_bytes()));
    }
    headers.remove(header::CONNECTION);
    for name in named {
        headers.remove(name);
    }
}

/// The fields that a `Connection` value names beside the options that every connection knows.
fn options(value: &[u8]) -> impl Iterator<Item = HeaderName> {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|option| !is_well_known(option))
        .filter_map(|option| HeaderName::from_bytes(option).ok())
}

fn is_well_known(option: &[u8]) -> bool {
    [&b"keep-alive"[..], b"close", b"upgrade", b"te"]
        .iter()
        .any(|known| option.eq_ignore_ascii_case(known))
}

/// Whether a field of this name concerns one connection only. `Proxy` is none, but CGI programs
/// take it for the address of a proxy (httpoxy).
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    match name.as_str() {
        "connection" | "keep-alive" | "te" | "transfer-encoding" | "upgrade" | "http2-settings"
        | "proxy" => true,
        name => name.starts_with("proxy-"),
    }
}

/// Whether a trailer of this name would change how the message or its sender is understood
/// (RFC 9110 §6.5.1).
pub(super) fn is_unfit_for_trailers(name: &HeaderName) -> bool {
    is_hop_by_hop(name)
        || matches!(
            *name,
            header::AUTHORIZATION
                | header::CACHE_CONTROL
                | header::CONTENT_ENCODING
                | header::CONTENT_LENGTH
                | header::CONTENT_RANGE
                | header::CONTENT_TYPE
                | header::COOKIE
                | header::EXPECT
                | header::HOST
                | header::SET_COOKIE
                | header::TRAILER
        )
}

/// Removes the fields whose names are `unwanted`.
pub(super) fn remove_where(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    let doomed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| unwanted(name))
        .cloned()
        .collect();
    for name in doomed {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn fields_of_one_connection_are_removed() {
        let mut map = headers(&[
            ("connection", "keep-alive, X-Hop ,te"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic eDp5"),
            ("proxy-connection", "keep-alive"),
            ("proxy", "http://evil"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("x-hop", "1"),
            ("x-end", "2"),
        ]);
        remove(&mut map);
        assert_eq!(map, headers(&[("x-end", "2")]));
    }

    #[test]
    fn every_connection_field_counts() {
        let mut map = HeaderMap::new();
        map.append(header::CONNECTION, HeaderValue::from_static("close"));
        map.append(
            header::CONNECTION,
            HeaderValue::from_static("x-one, ,x two, X-TWO"),
        );
        map.append("x-one", HeaderValue::from_static("1"));
        map.append("x-one", HeaderValue::from_static("1 again"));
        map.append("x-two", HeaderValue::from_static("2"));
        remove(&mut map);
        assert!(map.is_empty(), "{map:?}");
    }
}
