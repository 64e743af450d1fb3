//! What is a request called, so that the lines of several logs can be brought together?

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The field that carries it: to the app, and back on the answer.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest that a proxy may give.
const LONGEST: usize = 64;

/// The id of one request: at most 64 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The one id that these headers hold; `None` where it is missing, doubled or unfit.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(X_REQUEST_ID).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        let bytes = value.as_bytes();
        let fits = (1..=LONGEST).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        fits.then(|| Self(value.clone()))
    }

    /// The id made of these (random) bytes: 22 characters.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let mut text = [b'A'; 22];
        // 16 bytes always make 22 characters.
        let _ = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        let value = HeaderValue::from_bytes(&text);
        Self(value.unwrap_or(HeaderValue::from_static("-")))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// As a header's value.
    pub const fn header(&self) -> &HeaderValue {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> Option<RequestId> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(X_REQUEST_ID, HeaderValue::from_static(value));
        }
        RequestId::read(&headers)
    }

    #[test]
    fn one_short_visible_word_is_an_id() {
        let longest = "x".repeat(LONGEST).leak();
        let longer = "x".repeat(LONGEST + 1).leak();
        for (values, fits) in [
            (&["a-B_9.~"][..], true),
            (&[longest], true),
            (&[longer], false),
            (&[""], false),
            (&["a b"], false),
            (&["a\tb"], false),
            (&["a", "a"], false),
            (&[], false),
        ] {
            assert_eq!(read(values).is_some(), fits, "{values:?}");
        }
    }

    #[test]
    fn a_made_id_reads_back() {
        let id = RequestId::from_bytes([255; 16]);
        assert_eq!(id.as_str(), "_____________________w");
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, id.header().clone());
        assert_eq!(RequestId::read(&headers), Some(id));
    }
}
