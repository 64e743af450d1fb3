//! Which pages of other origins may read our own answers, and what does a preflight ask for? (CORS, as
//! the Fetch standard has it.)

use http::header::{
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName,
    HeaderValue, ORIGIN,
};

use crate::request::Origin;

/// Origins whose pages may read what vestibule answers itself (`cors.allowed_origins`), as browsers
/// write them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Vec<HeaderValue>);

/// What a preflight asks leave for, where it is well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The method of the request to come.
    pub method: HeaderValue,
    /// The names of its fields that need leave.
    pub fields: Option<HeaderValue>,
}

impl AllowedOrigins {
    /// These and no others.
    pub fn new(origins: &[Origin]) -> Self {
        let written = origins.iter().map(Origin::to_string);
        Self(written.flat_map(HeaderValue::try_from).collect())
    }

    /// Whether there are none, so that answers are the same for all origins.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The origin that sent a request, where it is one of these: byte for byte, as browsers write it.
    pub fn sender(&self, headers: &HeaderMap) -> Option<&HeaderValue> {
        let sender = only(headers, &ORIGIN)?;
        self.0.iter().find(|allowed| *allowed == sender)
    }
}

impl Wish {
    /// Reads it. Nothing but names can be in it, so that it may be repeated in an answer.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let method = only(headers, &ACCESS_CONTROL_REQUEST_METHOD)?;
        let fields = match headers.contains_key(&ACCESS_CONTROL_REQUEST_HEADERS) {
            true => Some(only(headers, &ACCESS_CONTROL_REQUEST_HEADERS)?),
            false => None,
        };
        let are_names = |list: &HeaderValue| {
            let mut names = list.as_bytes().split(|byte| *byte == b',');
            names.all(|name| is_token(name.trim_ascii()))
        };
        (is_token(method.as_bytes()) && fields.is_none_or(are_names)).then(|| Self {
            method: method.clone(),
            fields: fields.cloned(),
        })
    }
}

/// The value of a field that came once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// A token (RFC 9110 §5.6.2).
fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_a_whole_origin_that_came_once_is_allowed() {
        let origins = ["https://SPA.example:443", "http://localhost:5173"];
        let origins = origins.map(|origin| Origin::parse(origin).unwrap());
        let allowed = AllowedOrigins::new(&origins);
        let sender = |value| allowed.sender(&headers(&[("origin", value)])).cloned();
        for value in ["https://spa.example", "http://localhost:5173"] {
            assert_eq!(sender(value).unwrap(), value);
        }
        for value in [
            "http://spa.example",
            "https://spa.example/",
            "https://spa.example:8443",
            "https://spa.example.evil.example",
            "https://evil-spa.example",
            "https://a.spa.example",
            "null",
            "*",
            "",
        ] {
            assert_eq!(sender(value), None, "{value}");
        }
        let twice = headers(&[("origin", "https://spa.example"); 2]);
        assert_eq!(allowed.sender(&twice), None);
        assert_eq!(allowed.sender(&HeaderMap::new()), None);
        assert!(!allowed.is_empty() && AllowedOrigins::default().is_empty());
    }

    #[test]
    fn a_preflight_asks_for_names_and_nothing_else() {
        const METHOD: &str = "access-control-request-method";
        const FIELDS: &str = "access-control-request-headers";
        let wish = Wish::read(&headers(&[(METHOD, "PUT"), (FIELDS, "a, x-b,c")])).unwrap();
        assert_eq!(wish.method, "PUT");
        assert_eq!(wish.fields.unwrap(), "a, x-b,c");
        let wish = Wish::read(&headers(&[(METHOD, "PROPFIND")])).unwrap();
        assert_eq!(wish.fields, None);
        for fields in [
            &[][..],
            &[(FIELDS, "a")],
            &[(METHOD, "")],
            &[(METHOD, "PUT, GET")],
            &[(METHOD, "PUT"), (METHOD, "PUT")],
            &[(METHOD, "PUT"), (FIELDS, "")],
            &[(METHOD, "PUT"), (FIELDS, "a,,b")],
            &[(METHOD, "PUT"), (FIELDS, "a b")],
            &[(METHOD, "PUT"), (FIELDS, "a\"")],
            &[(METHOD, "PUT"), (FIELDS, "a"), (FIELDS, "b")],
        ] {
            assert_eq!(Wish::read(&headers(fields)), None, "{fields:?}");
        }
    }
}
