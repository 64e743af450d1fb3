//! What shows that a page of ours sent a request? A value that belongs to the session, and that no other
//! site can read or make (signed double submit, OWASP).
//!
//! ```text
//! text  = base64url( HMAC-SHA256( key, "csrf-v1" session nonce ) ) "." base64url( nonce )
//! nonce = HMAC-SHA256( key, "csrf-nonce-v1" session )[..16]
//! ```
//!
//! The nonce follows from the session, so that a session has one value as long as it lives, whoever
//! makes it: tabs and replicas agree without a row for it.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use crate::identity::{Secret, SessionId};

const TOKEN: &[u8] = b"csrf-v1";
const NONCE: &[u8] = b"csrf-nonce-v1";

/// The length of the code in base64url.
const CODE_LENGTH: usize = 43;
/// The length of the whole text.
const LENGTH: usize = CODE_LENGTH + 1 + 22;

/// What these values are made and checked with. The same for all who share a store.
#[derive(Clone)]
pub struct CsrfKey(hmac::Key);

impl CsrfKey {
    /// The key of these bytes.
    pub fn new(secret: &Secret<[u8; 32]>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose()))
    }

    /// The value of a session.
    pub fn token(&self, session: SessionId) -> Secret<String> {
        let nonce = self.code(NONCE, session, &[]);
        let nonce = nonce.as_ref().get(..16).unwrap_or_default();
        let code = self.code(TOKEN, session, nonce);
        let [code, nonce] = [code.as_ref(), nonce].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        Secret::new(format!("{code}.{nonce}"))
    }

    /// Whether this is a value of the session. Compared in constant time.
    pub fn proves(&self, text: &[u8], session: SessionId) -> bool {
        let Some((code, nonce)) = halves(text) else {
            return false;
        };
        let (mut given, mut random) = ([0; 32], [0; 16]);
        let decoded = [
            URL_SAFE_NO_PAD.decode_slice(code, &mut given).ok() == Some(given.len()),
            URL_SAFE_NO_PAD.decode_slice(nonce, &mut random).ok() == Some(random.len()),
        ];
        let code = self.code(TOKEN, session, &random);
        decoded == [true, true] && code.as_ref().ct_eq(&given).into()
    }

    fn code(&self, label: &[u8], session: SessionId, nonce: &[u8]) -> hmac::Tag {
        let mut code = hmac::Context::with_key(&self.0);
        code.update(label);
        code.update(session.as_bytes());
        code.update(nonce);
        code.sign()
    }
}

/// Whether a text has the form of such a value, so that it is nobody's business but ours.
pub fn looks_like_csrf_token(text: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    halves(text).is_some_and(|(code, nonce)| code.iter().chain(nonce).all(is_letter))
}

fn halves(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (code, rest) = text.split_at_checked(CODE_LENGTH)?;
    let nonce = rest.strip_prefix(b".")?;
    (text.len() == LENGTH).then_some((code, nonce))
}

/// Shows nothing of the key.
impl fmt::Debug for CsrfKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> CsrfKey {
        CsrfKey::new(&Secret::new([byte; 32]))
    }

    fn session(byte: u8) -> SessionId {
        SessionId::from_bytes([byte; 16])
    }

    /// Made with Python's `hmac`.
    #[test]
    fn a_session_has_one_value() {
        let token = key(1).token(session(2));
        assert_eq!(
            token.expose(),
            "0ruUo2l-36BdpIcbvwwi7v3qgn3euO_wxDE9htQ-B3g.FmysVllj_tmxYFMFCOSWlQ"
        );
        assert_eq!(key(1).token(session(2)), token);
        assert_eq!(format!("{:?}", key(1)), "CsrfKey(***)");
    }

    #[test]
    fn it_proves_nothing_for_another_session_or_under_another_key() {
        let token = key(1).token(session(2));
        let proves = |by: u8, of: u8| key(by).proves(token.expose().as_bytes(), session(of));
        assert!(proves(1, 2));
        assert!(!proves(1, 3) && !proves(2, 2));
    }

    #[test]
    fn nothing_else_proves_anything() {
        let token = key(1).token(session(2));
        let token = token.expose();
        let proves = |text: &str| key(1).proves(text.as_bytes(), session(2));
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] ^= 1;
            assert!(!key(1).proves(&bytes, session(2)), "{place}");
        }
        let (code, nonce) = token.split_once('.').unwrap();
        for text in [
            "",
            ".",
            code,
            nonce,
            &format!("{nonce}.{code}"),
            &format!("{code}{nonce}"),
            &format!("{token}A"),
            &format!("{token}="),
            &format!(" {token}"),
            &format!("\"{token}\""),
            &token[..token.len() - 1],
            &format!("{}.{}", "A".repeat(43), "A".repeat(22)),
        ] {
            assert!(!proves(text), "{text}");
        }
    }

    #[test]
    fn ours_is_told_from_the_values_of_apps_by_its_form() {
        let token = key(1).token(session(2));
        assert!(looks_like_csrf_token(token.expose().as_bytes()));
        for text in [
            "",
            "right",
            "IjA2ODlmYjk2NTFlZDMyYWM2ZTg2MzQxNmZkMDkwMDIxNWZlOTUxYzUi.ZZZZZZ.c2lnbmF0dXJl",
            &"a".repeat(LENGTH),
            &format!("{}.{}", "a".repeat(43), "+".repeat(22)),
        ] {
            assert!(!looks_like_csrf_token(text.as_bytes()), "{text}");
        }
    }
}
