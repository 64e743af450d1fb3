//! Whoever sends a request: a stranger, a known user, or somebody whose credential is no good.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Timestamp;
use crate::identity::Identity;

/// Who is asking. Nothing turns `Refused` into `Stranger` but the rule of a public route.
#[derive(Clone, Debug)]
pub enum Visitor {
    /// No credential of ours came with the request.
    Stranger,
    /// A live access token came with the request.
    Known(Known),
    /// A credential came and is no good.
    Refused(Refused),
    /// A good access token came, and whether its session was ended cannot be told at the moment.
    Unchecked,
}

/// A visitor whose access token was accepted.
#[derive(Clone, Debug)]
pub struct Known {
    /// The user as the token tells.
    pub identity: Arc<Identity>,
    /// The session the token belongs to.
    pub session: SessionId,
    /// When the person last proved who they are.
    pub authenticated_at: Timestamp,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// The user's session epoch when the token was made.
    pub session_epoch: u64,
    /// Grows when the user's names or groups change: part of the assertion's cache key.
    pub claims_epoch: u64,
    /// How the token came.
    pub proof: Proof,
}

/// How a credential came: cookies are sent by browsers unasked, so they need CSRF checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// `Authorization: Bearer`.
    Bearer,
    /// The access cookie.
    Cookie,
}

/// Why a credential is no good, and how it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub reason: Reason,
    /// How the credential came.
    pub proof: Proof,
}

/// What is wrong with a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not a token of ours: broken, forged, wrong issuer or audience, not yet valid.
    Invalid,
    /// It was good and its time is over.
    Expired,
    /// Its session was ended.
    Revoked,
    /// A refresh token where an access token belongs.
    WrongType,
}

/// One sign-in on one device. Random, not secret: apps may see it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// The id made of these (random) bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads the text form: 22 characters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 22];
        let length = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text);
        let text = text.get(..length.unwrap_or_default()).unwrap_or_default();
        f.write_str(std::str::from_utf8(text).unwrap_or_default())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_reads_back_as_itself() {
        let id = SessionId::from_bytes([7; 16]);
        assert_eq!(id.to_string().len(), 22);
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        assert_eq!(SessionId::parse("short"), None);
    }
}
