//! What a key is for, what it is used with, and what is known of it without its secret.

use crate::clock::Timestamp;
use crate::identity::Secret;

/// What a key is for: no key serves two purposes (RFC 8725 §3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyPurpose {
    /// Signs access tokens.
    AccessToken,
    /// Signs assertions for apps.
    Assertion,
    /// Authenticates refresh tokens.
    RefreshMac,
    /// Derives the next refresh secret.
    RefreshNext,
    /// Other keys of this installation are derived from it: it stays as it is.
    Seed,
}

/// What a key is used with. A key has exactly one: a token that names another is not by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8037); the secret is the seed.
    EdDsa,
    /// ECDSA with P-256 and SHA-256 (RFC 7518 §3.4); the secret is PKCS#8.
    Es256,
    /// RSA with PKCS#1 v1.5 and SHA-256 (RFC 7518 §3.3); the secret is PKCS#8.
    Rs256,
    /// RSA with PSS and SHA-256 (RFC 7518 §3.5); the secret is PKCS#8.
    Ps256,
    /// HMAC with SHA-256 of JWTs (RFC 7518 §3.2): whoever can check can sign.
    Hs256,
    /// HMAC with SHA-256 of what is no JWT.
    Mac,
    /// HKDF with SHA-256 (RFC 5869).
    Hkdf,
}

/// All about a key but its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// A number for the refresh purposes (0–255), random for HS256 and the seed, else the RFC 7638
    /// thumbprint.
    pub kid: String,
    /// What it is used with.
    pub algorithm: KeyAlgorithm,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its use begins. It is known everywhere before.
    pub signs_from: Timestamp,
    /// When it was taken away: its secret is no more.
    pub revoked_at: Option<Timestamp>,
}

/// A key in the clear, as it is unsealed from the store.
#[derive(Clone, Debug)]
pub struct KeyMaterial {
    /// Which key.
    pub key: Key,
    /// The seed, key or PKCS#8; empty where it was revoked.
    pub secret: Secret<Vec<u8>>,
}

impl KeyPurpose {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AccessToken,
        Self::Assertion,
        Self::RefreshMac,
        Self::RefreshNext,
        Self::Seed,
    ];

    /// Those whose keys are replaced, by time or by hand.
    pub const REPLACED: [Self; 4] = [
        Self::AccessToken,
        Self::Assertion,
        Self::RefreshMac,
        Self::RefreshNext,
    ];

    /// The name in the store and at the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::Assertion => "assertion",
            Self::RefreshMac => "refresh_mac",
            Self::RefreshNext => "refresh_next",
            Self::Seed => "seed",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|purpose| purpose.as_str() == name)
    }

    /// Whether its keys sign JWTs.
    pub const fn signs(self) -> bool {
        match self {
            Self::AccessToken | Self::Assertion => true,
            Self::RefreshMac | Self::RefreshNext | Self::Seed => false,
        }
    }

    /// Whether its keys are named by a number of one byte.
    pub const fn is_numbered(self) -> bool {
        matches!(self, Self::RefreshMac | Self::RefreshNext)
    }

    /// Whether its keys are replaced, by time or by hand.
    pub const fn is_replaced(self) -> bool {
        !matches!(self, Self::Seed)
    }
}

impl KeyAlgorithm {
    const ALL: [Self; 7] = [
        Self::EdDsa,
        Self::Es256,
        Self::Rs256,
        Self::Ps256,
        Self::Hs256,
        Self::Mac,
        Self::Hkdf,
    ];

    /// The name in tokens (RFC 7518 §3.1, RFC 8037 §3.1) and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Hs256 => "HS256",
            Self::Mac => "HMAC-SHA256",
            Self::Hkdf => "HKDF-SHA256",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|algorithm| algorithm.as_str() == name)
    }

    /// Whether others can check signatures without being able to make them.
    pub const fn has_public_half(self) -> bool {
        match self {
            Self::EdDsa | Self::Es256 | Self::Rs256 | Self::Ps256 => true,
            Self::Hs256 | Self::Mac | Self::Hkdf => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for purpose in KeyPurpose::ALL {
            assert_eq!(KeyPurpose::parse(purpose.as_str()), Some(purpose));
        }
        for algorithm in KeyAlgorithm::ALL {
            assert_eq!(KeyAlgorithm::parse(algorithm.as_str()), Some(algorithm));
        }
        let replaced = KeyPurpose::ALL.into_iter();
        let replaced: Vec<_> = replaced.filter(|purpose| purpose.is_replaced()).collect();
        assert_eq!(replaced, KeyPurpose::REPLACED);
        assert_eq!(KeyPurpose::parse("Access_token"), None);
        for unknown in ["none", "RS512", "eddsa", ""] {
            assert_eq!(KeyAlgorithm::parse(unknown), None, "{unknown}");
        }
    }
}
