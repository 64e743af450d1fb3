//! `Authorization` is read as a Bearer token only where it can be read in no other way, and never ignored where it could be one.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use vestibule::authenticate::{Cookies, Credentials, bearer, credentials};
use vestibule::policy::Accepts;
use vestibule::reply::Profile;

/// A line is an `Authorization` field.
pub(crate) fn check(data: &[u8]) -> bool {
    let fields = data.split(|b| *b == b'\n').take(8);
    let headers: HeaderMap = fields
        .filter_map(|field| HeaderValue::from_bytes(field).ok())
        .map(|field| (AUTHORIZATION, field))
        .collect();
    for profile in [Profile::Vestibule, Profile::FlaskJwtExtended] {
        decides_alone(&headers, profile);
    }
    in_a_list(&headers);
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (values.next(), values.next());
    match (bearer(&headers, Profile::Vestibule), first) {
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
fn decides_alone(headers: &HeaderMap, profile: Profile) {
    let cookies = Cookies::new(&[]);
    for (header, cookie) in [(true, true), (true, false), (false, true), (false, false)] {
        let found = credentials(headers, Accepts { header, cookie }, &cookies, profile);
        match bearer(headers, profile) {
            Ok(Some(token)) if header => assert_eq!(found, Ok(Credentials::Bearer(token))),
            Ok(_) => assert_eq!(found, Ok(Credentials::None)),
            Err(error) => assert_eq!(found, Err(error)),
        }
    }
}

/// Where lists are read, one token at most is found, which is one of the list.
fn in_a_list(headers: &HeaderMap) {
    let Ok(Some(token)) = bearer(headers, Profile::FlaskJwtExtended) else {
        return;
    };
    assert!(token.bytes().all(|b| b.is_ascii_graphic() && b != b','));
    let field = headers.get(AUTHORIZATION).expect("it was read").as_bytes();
    let tokens: Vec<Vec<&[u8]>> = field
        .split(|b| *b == b',')
        .map(|one| words(one).collect::<Vec<_>>())
        .filter(|one| one.first().is_some_and(|scheme| is_bearer(scheme)))
        .collect();
    assert_eq!(tokens.len(), 1, "one token of several");
    assert_eq!(tokens[0].get(1..), Some(&[token.as_bytes()][..]));
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

fn is_bearer(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"bearer")
}
