//! Is this a WebSocket handshake (RFC 6455 §4.2.1)? One that is nearly so is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING,
    UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Version};

use crate::request::connection::has_token;

/// Whether the request asks for a tunnel; an error says what is wrong with a handshake that does.
/// Other protocols than `websocket` are nobody's business: `Upgrade` is not forwarded for them.
pub(super) fn is_handshake(request: &Parts) -> Result<bool, &'static str> {
    let headers = &request.headers;
    if !has_token(headers, UPGRADE, "websocket") {
        return Ok(false);
    }
    if request.method != Method::GET || request.version != Version::HTTP_11 {
        Err("a WebSocket handshake is a GET of HTTP/1.1")
    } else if !has_token(headers, CONNECTION, "upgrade") {
        Err("a WebSocket handshake needs the field Connection: Upgrade")
    } else if only(headers, &UPGRADE).is_none_or(|value| !value.eq_ignore_ascii_case("websocket")) {
        Err("a WebSocket handshake upgrades to websocket only")
    } else if only(headers, &SEC_WEBSOCKET_VERSION) != Some("13") {
        Err("a WebSocket handshake needs the field Sec-WebSocket-Version: 13")
    } else if !only(headers, &SEC_WEBSOCKET_KEY).is_some_and(is_key) {
        Err("a WebSocket handshake needs a Sec-WebSocket-Key of 16 bytes in base64")
    } else if has_body(headers) {
        Err("a WebSocket handshake has no body")
    } else {
        Ok(true)
    }
}

/// The value of a field that comes exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value.trim())
}

fn is_key(text: &str) -> bool {
    STANDARD.decode(text).is_ok_and(|key| key.len() == 16)
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers
            .get_all(CONTENT_LENGTH)
            .iter()
            .any(|length| length.as_bytes() != b"0")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const HANDSHAKE: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn judge(method: &str, fields: &[(&str, &str)]) -> Result<bool, &'static str> {
        let mut request = Request::builder().method(method);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        is_handshake(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn the_handshake_of_the_rfc_is_one() {
        assert_eq!(judge("GET", &HANDSHAKE), Ok(true));
    }

    #[test]
    fn without_upgrade_it_is_none() {
        assert_eq!(judge("GET", &[]), Ok(false));
        assert_eq!(
            judge("GET", &[("upgrade", "h2c"), ("connection", "upgrade")]),
            Ok(false)
        );
    }

    #[test]
    fn a_broken_handshake_is_refused() {
        assert!(judge("POST", &HANDSHAKE).is_err());
        for missing in [0, 2, 3] {
            let mut fields = HANDSHAKE.to_vec();
            fields.remove(missing);
            assert!(judge("GET", &fields).is_err(), "without {missing}");
        }
        for more in [
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("sec-websocket-version", "8"),
            ("sec-websocket-key", "c2hvcnQ="),
        ] {
            let fields = [&HANDSHAKE[..], &[more]].concat();
            assert!(judge("GET", &fields).is_err(), "{more:?}");
        }
    }
}
