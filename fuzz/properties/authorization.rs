//! `Authorization` is read as a Bearer token only where it can be read in no other way, and never ignored where it could be one.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use vestibule::authenticate::{Cookies, Credentials, bearer, credentials};
use vestibule::policy::Accepts;

/// A line is an `Authorization` field.
pub(crate) fn check(data: &[u8]) -> bool {
    let fields = data.split(|b| *b == b'\n').take(8);
    let headers: HeaderMap = fields
        .filter_map(|field| HeaderValue::from_bytes(field).ok())
        .map(|field| (AUTHORIZATION, field))
        .collect();
    decides_alone(&headers);
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (values.next(), values.next());
    match (bearer(&headers), first) {
        (Ok(Some(token)), Some(field)) => {
            assert!(second.is_none(), "two fields were read as one");
            assert!(token.bytes().all(|b| b.is_ascii_graphic() && b != b','));
            let words: Vec<&[u8]> = words(field.as_bytes()).collect();
            assert_eq!(words.len(), 2, "a scheme and one token");
            assert!(is_bearer(words[0]));
            assert_eq!(words[1], token.as_bytes());
            true
        }
        (Ok(None), Some(field)) => {
            assert!(second.is_none(), "two fields were read as none");
            let credentials = field.as_bytes().split(|b| *b == b',');
            for one in credentials {
                let scheme = words(one).next().unwrap_or_default();
                assert!(!is_bearer(scheme), "a Bearer token was overlooked");
            }
            false
        }
        (Ok(token), None) => {
            assert_eq!(token, None, "a token without a field");
            false
        }
        (Err(_), first) => {
            assert!(first.is_some(), "nothing was refused");
            false
        }
    }
}

/// Whatever a route accepts: the same field is refused, and no other credential takes its place.
fn decides_alone(headers: &HeaderMap) {
    let cookies = Cookies::new(&[]);
    for (header, cookie) in [(true, true), (true, false), (false, true), (false, false)] {
        let found = credentials(headers, Accepts { header, cookie }, &cookies);
        match bearer(headers) {
            Ok(Some(token)) if header => assert_eq!(found, Ok(Credentials::Bearer(token))),
            Ok(_) => assert_eq!(found, Ok(Credentials::None)),
            Err(error) => assert_eq!(found, Err(error)),
        }
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

fn is_bearer(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"bearer")
}
