//! Which credential did a request bring? Exactly one is looked at; two of one kind are refused.

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use thiserror::Error;

use crate::authenticate::Cookies;
use crate::authenticate::cookies::CookiePair;
use crate::policy::Accepts;
use crate::reply::Profile;
use crate::session::{access_token, refresh_token};

/// The one credential that decides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// None of ours (a foreign scheme is none of ours).
    None,
    /// `Authorization: Bearer`; cookies are ignored then.
    Bearer(&'a str),
    /// One or both of our cookies.
    Cookies(CookiePair<'a>),
}

/// Shows what kind of credential it is, and nothing of it.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bearer(_) => f.write_str("Bearer(***)"),
            Self::Cookies(pair) => f.debug_tuple("Cookies").field(pair).finish(),
        }
    }
}

/// Why the credentials of a request are refused with 400 (431 for the size).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// `ambiguous_credentials`.
    #[error("{0}")]
    Ambiguous(&'static str),
    /// `ambiguous_credentials`: `Authorization` holds, or is, more than one.
    #[error("{0}")]
    Several(&'static str),
    /// `invalid_request`.
    #[error("{0}")]
    Malformed(&'static str),
    /// More than 16 KiB of cookies: 431.
    #[error("the cookies are larger than 16 KiB together")]
    TooLarge,
}

/// Finds the credential: the Bearer token, else our cookies, of what the route accepts. An
/// `Authorization` header that can be read in two ways is refused whatever the route accepts.
pub fn credentials<'a>(
    headers: &'a HeaderMap,
    accepts: Accepts,
    cookies: &Cookies,
    profile: Profile,
) -> Result<Credentials<'a>, CredentialError> {
    if let Some(token) = bearer(headers, profile)?
        && accepts.header
    {
        return Ok(Credentials::Bearer(token));
    }
    if !accepts.cookie {
        return Ok(Credentials::None);
    }
    let pair = cookies.read(headers)?;
    if pair == CookiePair::default() {
        Ok(Credentials::None)
    } else {
        Ok(Credentials::Cookies(pair))
    }
}

/// The value of `Authorization: Bearer` (RFC 6750 §2.1); `None` without the header and for any
/// other scheme. A list in which it is one of several schemes is refused, but where front-ends may have
/// learnt to send such lists.
pub fn bearer(headers: &HeaderMap, profile: Profile) -> Result<Option<&str>, CredentialError> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(CredentialError::Several(
            "the Authorization header came twice",
        ));
    }
    match profile {
        Profile::Vestibule => alone(field.as_bytes()),
        Profile::FlaskJwtExtended => in_list(field.as_bytes()),
    }
}

/// The one Bearer token of a list of credentials, which may have empty members.
fn in_list(value: &[u8]) -> Result<Option<&str>, CredentialError> {
    let mut found = None;
    for one in value.split(|b| *b == b',') {
        if let Some(token) = alone(one)?
            && found.replace(token).is_some()
        {
            return Err(TWO_CREDENTIALS);
        }
    }
    Ok(found)
}

/// The Bearer token of a value that may hold nothing else.
fn alone(value: &[u8]) -> Result<Option<&str>, CredentialError> {
    let value = value.trim_ascii();
    let end = value.iter().position(|b| !is_token_byte(*b));
    let (scheme, rest) = value.split_at(end.unwrap_or(value.len()));
    if rest.first().is_some_and(|b| !b.is_ascii()) {
        return Err(CredentialError::Malformed(
            "the scheme of the Authorization header must be ASCII and followed by a space",
        ));
    }
    if scheme.eq_ignore_ascii_case(b"bearer") {
        token(rest).map(Some)
    } else {
        without_bearer(rest).map(|()| None)
    }
}

/// Whether a Bearer value is one of our tokens by its shape: `vrt1_…`, or a JWT whose header says
/// `at+jwt`. Such a value never reaches an app.
pub fn is_ours(token: &str) -> bool {
    token.starts_with(refresh_token::PREFIX) || access_token::looks_like_access_token(token)
}

/// Whether `Authorization` holds one of our tokens, whatever stands around it: another scheme, quotes,
/// nothing. Such a field never reaches an app.
pub fn holds_ours(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(AUTHORIZATION).iter();
    let mut words = fields.flat_map(|field| field.as_bytes().split(|b| !is_token_letter(*b)));
    words.any(|word| str::from_utf8(word).is_ok_and(is_ours))
}

/// What our tokens consist of: base64url and dots.
const fn is_token_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// The one token after `Bearer`.
fn token(rest: &[u8]) -> Result<&str, CredentialError> {
    const SHAPE: CredentialError =
        CredentialError::Malformed("the Authorization header must be: Bearer, a space, one token");
    let Some(token) = rest.strip_prefix(b" ").map(<[u8]>::trim_ascii_start) else {
        return Err(SHAPE);
    };
    // Every byte is looked at, even after a bad one: that way many are looked at together, and
    // tokens are the longest thing in most requests.
    let is_good = |good, byte: &u8| good & byte.is_ascii_graphic() & (*byte != b',');
    if !token.is_empty() && token.iter().fold(true, is_good) {
        return str::from_utf8(token).map_err(|_| SHAPE);
    }
    let several = token.split(|b| *b == b',').skip(1);
    if several
        .map(<[u8]>::trim_ascii)
        .any(|one| one.contains(&b' '))
    {
        return Err(TWO_CREDENTIALS);
    }
    Err(SHAPE)
}

const TWO_CREDENTIALS: CredentialError =
    CredentialError::Several("the Authorization header holds more than one credential");

/// Refuses a list in which `Bearer` comes after another scheme: readers disagree on what it means.
fn without_bearer(rest: &[u8]) -> Result<(), CredentialError> {
    for one in rest.split(|b| *b == b',').skip(1) {
        let mut words = one.trim_ascii().splitn(2, u8::is_ascii_whitespace);
        if words
            .next()
            .is_some_and(|w| w.eq_ignore_ascii_case(b"bearer"))
        {
            return Err(match words.next() {
                Some(_) => TWO_CREDENTIALS,
                None => CredentialError::Malformed("the Authorization header has an empty Bearer"),
            });
        }
    }
    Ok(())
}

/// RFC 9110 §5.6.2.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use http::HeaderValue;
    use http::header::COOKIE;

    use super::*;

    const BOTH: Accepts = Accepts {
        header: true,
        cookie: true,
    };

    fn request(fields: &[(http::HeaderName, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                (name.clone(), value)
            })
            .collect()
    }

    fn found(value: &str) -> Result<Option<String>, &'static str> {
        found_by(value, Profile::Vestibule)
    }

    fn found_by(value: &str, profile: Profile) -> Result<Option<String>, &'static str> {
        let headers = request(&[(AUTHORIZATION, value)]);
        match bearer(&headers, profile) {
            Ok(token) => Ok(token.map(str::to_owned)),
            Err(CredentialError::Ambiguous(_)) => Err("of other places"),
            Err(CredentialError::Several(_)) => Err("ambiguous"),
            Err(CredentialError::Malformed(_)) => Err("malformed"),
            Err(CredentialError::TooLarge) => Err("too large"),
        }
    }

    #[test]
    fn one_bearer_token_is_a_credential() {
        for value in ["Bearer t", "bearer t", "BEARER t", "Bearer  t", "Bearer t "] {
            assert_eq!(found(value), Ok(Some("t".to_owned())), "{value}");
        }
        assert_eq!(found("Bearer a!b"), Ok(Some("a!b".to_owned())));
    }

    #[test]
    fn foreign_schemes_are_not_credentials() {
        for value in [
            "",
            "Basic dTpw",
            "Foo 1, Bar 2, Baz, 3",
            "Digest username=\"ü\", uri=\"/\", bearer=\"x\"",
            "Bearers t",
            "c2VjcmV0/+==",
        ] {
            assert_eq!(found(value), Ok(None), "{value}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for (value, kind) in [
            ("Bearer", "malformed"),
            ("Bearer ", "malformed"),
            ("Bearer ,,0", "malformed"),
            ("Bearer t x", "malformed"),
            ("Bearer t,", "malformed"),
            ("Bearer t , ", "malformed"),
            ("Bearer\tt", "malformed"),
            ("Bearer\u{3000}t", "malformed"),
            ("\u{a0}Bearer t", "malformed"),
            ("Bearer t\u{200b}", "malformed"),
            ("Bearer, Basic c", "malformed"),
            ("Foo 1, Bearer, Baz", "malformed"),
            ("Bearer t, Basic c", "ambiguous"),
            ("Basic c, Bearer t", "ambiguous"),
            ("Basic c,bearer t", "ambiguous"),
        ] {
            assert_eq!(found(value), Err(kind), "{value}");
        }
    }

    #[test]
    fn fj_72_fj_73_a_list_may_hold_one_bearer_token_where_front_ends_send_lists() {
        let profile = Profile::FlaskJwtExtended;
        let token = Ok(Some("t".to_owned()));
        for value in [
            "Bearer t, Basic c",
            "Basic c, Bearer t",
            "Basic c,bearer  t",
            "Bearer t,",
            "Bearer t , ,",
            ",Bearer t",
            "Bearer t",
        ] {
            assert_eq!(found_by(value, profile), token, "{value}");
        }
        for value in [
            "",
            ",",
            "Basic dTpw",
            "Foo 1, Bar 2, Baz, 3",
            "Bearers t, c",
        ] {
            assert_eq!(found_by(value, profile), Ok(None), "{value}");
        }
        for (value, kind) in [
            ("Bearer t, Bearer u", "ambiguous"),
            ("Bearer t,bearer t", "ambiguous"),
            ("Bearer ,,0", "malformed"),
            ("Foo 1, Bearer, Baz", "malformed"),
            ("Basic c, Bearer t x", "malformed"),
            ("Basic c, Bearer\tt", "malformed"),
            ("Basic c, \u{a0}Bearer t", "malformed"),
            ("Basic c, Bearer t\u{200b}", "malformed"),
        ] {
            assert_eq!(found_by(value, profile), Err(kind), "{value}");
        }
    }

    #[test]
    fn t_18_two_authorization_fields_are_ambiguous() {
        let headers = request(&[(AUTHORIZATION, "Basic c"), (AUTHORIZATION, "Bearer t")]);
        for profile in [Profile::Vestibule, Profile::FlaskJwtExtended] {
            let found = bearer(&headers, profile);
            assert!(matches!(found, Err(CredentialError::Several(_))));
        }
    }

    #[test]
    fn a_bearer_token_decides_alone_where_it_is_accepted() {
        let cookies = Cookies::new(&[]);
        let headers = request(&[
            (AUTHORIZATION, "Bearer t"),
            (COOKIE, "__Host-vestibule_access=a"),
        ]);
        let of = |header, cookie| {
            let accepts = Accepts { header, cookie };
            credentials(&headers, accepts, &cookies, Profile::Vestibule)
        };
        let pair = CookiePair {
            access: Some("a"),
            refresh: None,
        };
        assert_eq!(of(true, true), Ok(Credentials::Bearer("t")));
        assert_eq!(of(true, false), Ok(Credentials::Bearer("t")));
        assert_eq!(of(false, true), Ok(Credentials::Cookies(pair)));
        assert_eq!(of(false, false), Ok(Credentials::None));
    }

    #[test]
    fn without_credentials_there_are_none() {
        let cookies = Cookies::new(&[]);
        let headers = request(&[(AUTHORIZATION, "Basic c"), (COOKIE, "a=1")]);
        let found = credentials(&headers, BOTH, &cookies, Profile::Vestibule);
        assert_eq!(found, Ok(Credentials::None));
    }

    #[test]
    fn credentials_do_not_print_their_tokens() {
        let pair = CookiePair {
            access: Some("hunter2"),
            refresh: Some("hunter2"),
        };
        for found in [Credentials::Bearer("hunter2"), Credentials::Cookies(pair)] {
            assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        }
    }

    #[test]
    fn our_tokens_are_known_by_their_shape() {
        let jwt = |header: &str| format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(header));
        assert!(is_ours("vrt1_anything"));
        assert!(is_ours(&jwt(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"}"#)));
        assert!(is_ours(&jwt(r#"{"typ":"application/AT+JWT"}"#)));
        for other in ["", "a.b.c", "sk-live", &jwt(r#"{"typ":"JWT"}"#), &jwt("[]")] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn our_tokens_are_seen_in_every_dress() {
        let jwt = URL_SAFE_NO_PAD.encode(r#"{"typ":"at+jwt"}"#) + ".e30.c2ln";
        for token in ["vrt1_AAAA", &jwt] {
            for value in [
                format!("Bearer {token}"),
                format!("JWT {token}"),
                format!("Token token=\"{token}\", realm=\"x\""),
                format!("Foo 1,{token}"),
                token.to_owned(),
            ] {
                assert!(holds_ours(&request(&[(AUTHORIZATION, &value)])), "{value}");
            }
        }
        for value in [
            "",
            "Basic dnJ0MV86eA==",
            "Bearer a.b.c",
            "Digest username=\"vrt\"",
        ] {
            assert!(!holds_ours(&request(&[(AUTHORIZATION, value)])), "{value}");
        }
    }
}
