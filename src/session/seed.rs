//! Which other keys of this installation follow from its seed? HKDF-SHA256 (RFC 5869), a label each.

use crate::identity::Secret;
use crate::identity::password::Pepper;
use crate::session::csrf_token::CsrfKey;
use crate::session::key::{KeyAlgorithm, KeyMaterial, KeyPurpose};
use crate::session::key_ring::KeyError;

/// What the key is for that hides the names people type.
const TYPED_NAMES: &[u8] = b"vestibule-typed-names-v1";
/// What the key is for that password hashes are peppered with.
const PEPPER: &[u8] = b"vestibule-pepper-v1";
/// What the key is for whose beginning names the pepper.
const PEPPER_NAME: &[u8] = b"vestibule-pepper-name-v1";
/// What the key is for with which pages show that they are ours.
const CSRF: &[u8] = b"vestibule-csrf-v1";

/// The key that other keys are derived from. It stays as long as the installation.
#[derive(Clone, Debug)]
pub struct Seed(Secret<[u8; 32]>);

impl Seed {
    /// The one among these keys.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] where it is none that we made.
    pub fn among(keys: &[KeyMaterial]) -> Result<Option<Self>, KeyError> {
        let is_good = |material: &&KeyMaterial| {
            material.key.purpose == KeyPurpose::Seed && material.key.revoked_at.is_none()
        };
        keys.iter().find(is_good).map(Self::of).transpose()
    }

    fn of(material: &KeyMaterial) -> Result<Self, KeyError> {
        let secret: Option<[u8; 32]> = material.secret.expose().as_slice().try_into().ok();
        secret
            .map(|secret| Self(Secret::new(secret)))
            .filter(|_| material.key.algorithm == KeyAlgorithm::Hkdf)
            .ok_or_else(|| material.unusable())
    }

    /// The key that hides the names people type, so that what is kept of them names nobody.
    pub fn key_of_typed_names(&self) -> Secret<[u8; 32]> {
        self.derive(TYPED_NAMES)
    }

    /// What password hashes are peppered with. Its id tells it from that of another installation.
    pub fn pepper(&self) -> Pepper {
        let name = self.derive(PEPPER_NAME);
        let [a, b, c, d, e, f, g, h, ..] = *name.expose();
        Pepper::new([a, b, c, d, e, f, g, h], self.derive(PEPPER))
    }

    /// What pages show that they are ours with.
    pub fn csrf_key(&self) -> CsrfKey {
        CsrfKey::new(&self.derive(CSRF))
    }

    fn derive(&self, label: &[u8]) -> Secret<[u8; 32]> {
        self.0.derive(b"vestibule-seed", label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::password::{Argon2Cost, HashPolicy};
    use crate::identity::{PasswordHash, SessionId};
    use crate::session::key_ring::samples::{key, keys};

    #[test]
    fn what_is_derived_is_the_same_each_time_and_another_of_another_seed() {
        let seed = |byte| {
            let key = key(KeyPurpose::Seed, byte, "1", 0);
            Seed::among(&[key]).unwrap().unwrap()
        };
        let names = |byte| seed(byte).key_of_typed_names();
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
        assert_ne!(names(1), Secret::new([1; 32]));
        let hash = |byte| {
            let (cost, pepper) = (Argon2Cost::default(), Some(seed(byte).pepper()));
            let policy = HashPolicy { cost, pepper };
            PasswordHash::of(&Secret::new("correct horse".to_owned()), &policy, &[7; 16])
        };
        assert_eq!(hash(1), hash(1));
        assert!(hash(1).scheme(Some(&seed(1).pepper())).is_some());
        assert!(hash(1).scheme(Some(&seed(2).pepper())).is_none());
        let session = SessionId::from_bytes([3; 16]);
        let csrf = |byte| seed(byte).csrf_key().token(session);
        assert_eq!(csrf(1), csrf(1));
        assert_ne!(csrf(1), csrf(2));
        assert_eq!(format!("{:?}", seed(1)), "Seed(***)");
    }

    #[test]
    fn a_seed_that_is_none_of_ours_is_refused() {
        let mut all = keys();
        assert!(Seed::among(&all).unwrap().is_some());
        assert!(Seed::among(&all[..4]).unwrap().is_none());
        all[4].secret = Secret::new(vec![5; 31]);
        let refused = Seed::among(&all).unwrap_err();
        assert!(matches!(refused, KeyError::Unusable { .. }));
        all[4] = key(KeyPurpose::Seed, 5, "1", 0);
        all[4].key.algorithm = KeyAlgorithm::Mac;
        assert!(Seed::among(&all).is_err());
    }
}
