//! An app never sees a cookie of ours and sees all others; what we read stood there once; what an app may set is none of ours.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use vestibule::authenticate::{Cookies, CredentialError};
use vestibule::request::Origin;

/// How the names of our cookies begin.
const OURS: [&[u8]; 8] = [
    b"__host-vestibule_",
    b"__secure-vestibule_",
    b"vestibule_access",
    b"vestibule_csrf",
    b"vestibule_device",
    b"vestibule_form",
    b"vestibule_language",
    b"vestibule_refresh",
];

/// A line is a `Cookie` field.
pub(crate) fn check(data: &[u8]) -> bool {
    let fields = data.split(|b| *b == b'\n').take(90);
    let fields: Vec<HeaderValue> = fields
        .filter_map(|field| HeaderValue::from_bytes(field).ok())
        .collect();
    let headers: HeaderMap = fields
        .iter()
        .cloned()
        .map(|field| (COOKIE, field))
        .collect();
    let mut is_read = false;
    for origin in ["https://app.example", "http://localhost:8080"] {
        let origin = Origin::parse(origin).expect("an origin");
        let cookies = Cookies::new(&[origin]);
        is_read |= reads_what_is_there(&cookies, &headers);
        keeps_ours_from_the_app(&cookies, &headers);
        for field in &fields {
            lets_apps_set_no_cookie_of_ours(&cookies, field);
        }
    }
    is_read
}

fn reads_what_is_there(cookies: &Cookies, headers: &HeaderMap) -> bool {
    let bytes: usize = headers.get_all(COOKIE).iter().map(HeaderValue::len).sum();
    let pair = match cookies.read(headers) {
        Ok(pair) => pair,
        Err(CredentialError::TooLarge) => {
            assert!(bytes > 16 * 1024, "refused for its size with {bytes} bytes");
            return false;
        }
        Err(_) => {
            let known = parts(headers).filter(|part| is_ours(part)).count();
            assert!(known > 1, "ambiguous with {known} cookies of ours");
            return false;
        }
    };
    assert!(bytes <= 16 * 1024, "{bytes} bytes were read");
    for value in [pair.access, pair.refresh].into_iter().flatten() {
        let with_it = parts(headers).filter(|part| {
            let text = value.is_empty() || part.ends_with(value.as_bytes());
            text && is_ours(part)
        });
        assert!(with_it.count() > 0, "the value {value:?} stood nowhere");
    }
    pair.access.is_some() || pair.refresh.is_some()
}

fn keeps_ours_from_the_app(cookies: &Cookies, headers: &HeaderMap) {
    let mut stripped = headers.clone();
    cookies.strip(&mut stripped);
    let expected: Vec<&[u8]> = parts(headers).filter(|part| !is_ours(part)).collect();
    let left: Vec<&[u8]> = parts(&stripped).collect();
    assert_eq!(left, expected, "others go on in their order, ours do not");
    if parts(headers).all(|part| !is_ours(part)) {
        assert_eq!(&stripped, headers, "nothing to take out, nothing changed");
    }
    if let Ok(pair) = cookies.read(&stripped) {
        assert!(pair.access.is_none() && pair.refresh.is_none());
    }
}

/// What a browser makes of a `Set-Cookie` that we let pass, it sends back as a cookie that we do not read.
fn lets_apps_set_no_cookie_of_ours(cookies: &Cookies, set_cookie: &HeaderValue) {
    let pair = set_cookie.as_bytes().split(|b| *b == b';').next();
    let pair = pair.unwrap_or_default();
    assert_eq!(cookies.would_be_set_by(set_cookie), is_ours(pair));
    if !cookies.would_be_set_by(set_cookie) {
        let sent = HeaderValue::from_bytes(pair).expect("a part of a value is one");
        let headers = HeaderMap::from_iter([(COOKIE, sent)]);
        if let Ok(pair) = cookies.read(&headers) {
            assert!(pair.access.is_none() && pair.refresh.is_none());
        }
    }
}

/// All cookies of all fields, without the blanks around them.
fn parts(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let fields = headers.get_all(COOKIE).iter();
    fields
        .flat_map(|field| field.as_bytes().split(|b| *b == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|part| !part.is_empty())
}

/// Whether the name begins as ours do; of a cookie without name, its value.
fn is_ours(cookie: &[u8]) -> bool {
    let mut start = cookie;
    while let [b' ' | b'\t' | b'=', rest @ ..] = start {
        start = rest;
    }
    let start = start.to_ascii_lowercase();
    OURS.iter().any(|ours| start.starts_with(ours))
}
