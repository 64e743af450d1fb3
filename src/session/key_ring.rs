//! The keys of this installation, by purpose and id.

use std::fmt;
use std::iter;

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use thiserror::Error;

use crate::identity::Secret;
use crate::session::signing_key::{ALGORITHM, SigningKey};

/// What a key is for: no key serves two purposes (RFC 8725 §3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyPurpose {
    /// Signs access tokens (Ed25519 seed, 32 bytes).
    AccessToken,
    /// Signs assertions for apps (Ed25519 seed, 32 bytes).
    Assertion,
    /// Authenticates refresh tokens (HMAC-SHA256 key, 32 bytes).
    RefreshMac,
    /// Derives the next refresh secret (HMAC-SHA256 key, 32 bytes).
    RefreshNext,
}

/// A key in the clear, as it is unsealed from the store.
#[derive(Clone, Debug)]
pub struct KeyMaterial {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// A number for the refresh purposes (0–255), else the RFC 7638 thumbprint.
    pub kid: String,
    /// The seed or key.
    pub secret: Secret<[u8; 32]>,
}

/// Why a ring could not be made.
#[derive(Debug, Error)]
pub enum KeyError {
    /// A purpose has no key.
    #[error("the store holds no key for {0:?}")]
    Missing(KeyPurpose),
    /// A key's bytes are unusable.
    #[error("key {kid:?} cannot be used")]
    Unusable {
        /// Which key.
        kid: String,
    },
}

/// The keys in use. Made once at start; shared by all threads.
pub struct KeyRing {
    access: Keys<SigningKey>,
    assertion: Keys<SigningKey>,
    mac: Keys<RefreshKey>,
    next: Keys<RefreshKey>,
}

impl KeyRing {
    /// A key for each purpose, from four random secrets, in the order of [`KeyPurpose`].
    pub fn first_keys(secrets: [[u8; 32]; 4]) -> Result<Vec<KeyMaterial>, KeyError> {
        let purposes = [
            KeyPurpose::AccessToken,
            KeyPurpose::Assertion,
            KeyPurpose::RefreshMac,
            KeyPurpose::RefreshNext,
        ];
        iter::zip(purposes, secrets)
            .map(|(purpose, secret)| KeyMaterial::first(purpose, Secret::new(secret)))
            .collect()
    }

    /// The ring of these keys. Needs at least one of each purpose; of several the last one is used
    /// for new tokens, and all are accepted.
    pub fn new(keys: Vec<KeyMaterial>) -> Result<Self, KeyError> {
        let (mut access, mut assertion) = (Vec::new(), Vec::new());
        let (mut mac, mut next) = (Vec::new(), Vec::new());
        for key in &keys {
            match key.purpose {
                KeyPurpose::AccessToken => access.push(key.to_signing_key()?),
                KeyPurpose::Assertion => assertion.push(key.to_signing_key()?),
                KeyPurpose::RefreshMac => mac.push(key.to_refresh_key()?),
                KeyPurpose::RefreshNext => next.push(key.to_refresh_key()?),
            }
        }
        Ok(Self {
            access: Keys::new(KeyPurpose::AccessToken, access)?,
            assertion: Keys::new(KeyPurpose::Assertion, assertion)?,
            mac: Keys::new(KeyPurpose::RefreshMac, mac)?,
            next: Keys::new(KeyPurpose::RefreshNext, next)?,
        })
    }

    /// The key id with which successors of refresh tokens are derived now.
    pub fn next_key(&self) -> u8 {
        self.next.newest.kid
    }

    /// The public keys as a JWK set (RFC 7517 §5).
    pub fn jwks(&self) -> Value {
        let keys = self.access.iter().chain(self.assertion.iter());
        json!({ "keys": keys.map(SigningKey::to_jwk).collect::<Vec<_>>() })
    }

    /// The key that signs access tokens now.
    pub(super) fn access_key(&self) -> &SigningKey {
        &self.access.newest
    }

    /// The access-token key of this id.
    pub(super) fn find_access_key(&self, kid: &str) -> Option<&SigningKey> {
        self.access.iter().find(|key| key.kid() == kid)
    }

    /// The key that signs assertions now.
    pub(super) fn assertion_key(&self) -> &SigningKey {
        &self.assertion.newest
    }

    /// The key that authenticates new refresh tokens.
    pub(super) fn mac_key(&self) -> &RefreshKey {
        &self.mac.newest
    }

    /// The key of this id that authenticates refresh tokens.
    pub(super) fn find_mac_key(&self, kid: u8) -> Option<&RefreshKey> {
        self.mac.iter().find(|key| key.kid == kid)
    }

    /// The key of this id that derives refresh secrets.
    pub(super) fn find_next_key(&self, kid: u8) -> Option<&RefreshKey> {
        self.next.iter().find(|key| key.kid == kid)
    }
}

/// Shows which keys there are, and nothing of them.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn signing(keys: &Keys<SigningKey>) -> Vec<&str> {
            keys.iter().map(SigningKey::kid).collect()
        }
        fn refresh(keys: &Keys<RefreshKey>) -> Vec<u8> {
            keys.iter().map(|key| key.kid).collect()
        }
        f.debug_struct("KeyRing")
            .field("access", &signing(&self.access))
            .field("assertion", &signing(&self.assertion))
            .field("mac", &refresh(&self.mac))
            .field("next", &refresh(&self.next))
            .finish()
    }
}

/// An HMAC-SHA256 key for refresh tokens, named by a number that fits into one byte of a token.
pub(super) struct RefreshKey {
    pub(super) kid: u8,
    key: hmac::Key,
}

impl RefreshKey {
    /// HMAC-SHA256 over the parts, one after the other (RFC 2104).
    pub(super) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(part);
        }
        let mut code = [0; 32];
        code.copy_from_slice(context.sign().as_ref());
        code
    }
}

/// The keys of one purpose: the newest makes new tokens, all are accepted.
struct Keys<K> {
    newest: K,
    older: Vec<K>,
}

impl<K> Keys<K> {
    fn new(purpose: KeyPurpose, mut keys: Vec<K>) -> Result<Self, KeyError> {
        let newest = keys.pop().ok_or(KeyError::Missing(purpose))?;
        let older = keys;
        Ok(Self { newest, older })
    }

    fn iter(&self) -> impl Iterator<Item = &K> {
        iter::once(&self.newest).chain(&self.older)
    }
}

impl KeyMaterial {
    fn first(purpose: KeyPurpose, secret: Secret<[u8; 32]>) -> Result<Self, KeyError> {
        let kid = match purpose {
            KeyPurpose::AccessToken | KeyPurpose::Assertion => SigningKey::from_seed(&secret)
                .map(|key| key.kid().to_owned())
                .ok_or_else(|| KeyError::Unusable {
                    kid: purpose.as_str().to_owned(),
                })?,
            KeyPurpose::RefreshMac | KeyPurpose::RefreshNext => "1".to_owned(),
        };
        Ok(Self {
            purpose,
            kid,
            secret,
        })
    }

    fn to_signing_key(&self) -> Result<SigningKey, KeyError> {
        SigningKey::from_seed(&self.secret)
            .filter(|key| key.kid() == self.kid)
            .ok_or_else(|| self.unusable())
    }

    fn to_refresh_key(&self) -> Result<RefreshKey, KeyError> {
        let kid: u8 = self.kid.parse().map_err(|_| self.unusable())?;
        if kid.to_string() != self.kid {
            return Err(self.unusable());
        }
        Ok(RefreshKey {
            kid,
            key: hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose()),
        })
    }

    fn unusable(&self) -> KeyError {
        KeyError::Unusable {
            kid: self.kid.clone(),
        }
    }
}

impl KeyPurpose {
    /// The name in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::Assertion => "assertion",
            Self::RefreshMac => "refresh_mac",
            Self::RefreshNext => "refresh_next",
        }
    }

    /// What the keys of this purpose are used with.
    pub const fn algorithm(self) -> &'static str {
        match self {
            Self::AccessToken | Self::Assertion => ALGORITHM,
            Self::RefreshMac | Self::RefreshNext => "HMAC-SHA256",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::AccessToken,
            Self::Assertion,
            Self::RefreshMac,
            Self::RefreshNext,
        ]
        .into_iter()
        .find(|purpose| purpose.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<KeyMaterial> {
        KeyRing::first_keys([[1; 32], [2; 32], [3; 32], [4; 32]]).unwrap()
    }

    #[test]
    fn the_first_keys_make_a_ring() {
        let keys = keys();
        let purposes: Vec<&str> = keys.iter().map(|key| key.purpose.as_str()).collect();
        assert_eq!(
            purposes,
            ["access_token", "assertion", "refresh_mac", "refresh_next"]
        );
        assert_eq!(keys[2].kid, "1");
        assert_eq!(KeyRing::new(keys).unwrap().next_key(), 1);
    }

    #[test]
    fn a_ring_needs_a_key_for_each_purpose() {
        for purpose in keys().iter().map(|key| key.purpose) {
            let others = keys().into_iter().filter(|key| key.purpose != purpose);
            let error = KeyRing::new(others.collect()).unwrap_err();
            assert!(matches!(error, KeyError::Missing(missing) if missing == purpose));
        }
    }

    #[test]
    fn a_key_id_that_does_not_fit_its_key_is_refused() {
        for (index, kid) in [(0, "other"), (1, ""), (2, "256"), (2, "+1"), (3, "01")] {
            let mut keys = keys();
            keys[index].kid = kid.to_owned();
            let error = KeyRing::new(keys).unwrap_err();
            assert!(matches!(error, KeyError::Unusable { .. }), "{kid}");
        }
    }

    #[test]
    fn the_last_key_makes_new_tokens_and_all_are_accepted() {
        let mut keys = keys();
        let secret = Secret::new([5; 32]);
        keys.push(KeyMaterial::first(KeyPurpose::AccessToken, secret).unwrap());
        keys.push(KeyMaterial {
            purpose: KeyPurpose::RefreshNext,
            kid: "2".to_owned(),
            secret: Secret::new([6; 32]),
        });
        let ring = KeyRing::new(keys.clone()).unwrap();
        assert_eq!(ring.access_key().kid(), keys[4].kid);
        assert!(ring.find_access_key(&keys[0].kid).is_some());
        assert_eq!(ring.next_key(), 2);
        assert!(ring.find_next_key(1).is_some());
        assert!(ring.find_next_key(3).is_none());
    }

    #[test]
    fn a_key_of_one_purpose_is_not_found_under_another() {
        let ring = KeyRing::new(keys()).unwrap();
        assert!(ring.find_access_key(ring.assertion_key().kid()).is_none());
    }

    #[test]
    fn the_key_set_shows_both_public_keys() {
        let keys = keys();
        let set = KeyRing::new(keys.clone()).unwrap().jwks();
        let shown = set["keys"].as_array().unwrap();
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0]["kid"], *keys[0].kid);
        assert_eq!(shown[1]["kid"], *keys[1].kid);
    }

    #[test]
    fn a_ring_is_shared_by_threads_and_shows_no_secret() {
        fn shared<T: Send + Sync>(value: T) -> T {
            value
        }
        let shown = format!("{:?}", shared(KeyRing::new(keys()).unwrap()));
        assert!(shown.contains("mac: [1]"), "{shown}");
        assert!(!shown.contains("3, 3"), "{shown}");
    }
}
