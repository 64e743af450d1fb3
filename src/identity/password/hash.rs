//! Is this the password? Argon2id hashes in PHC form (RFC 9106, OWASP password storage).

use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};

use crate::identity::Secret;

/// The most bytes that are looked at when somebody signs in.
pub const LONGEST_ATTEMPT: usize = 1024;

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A password hash in PHC form, as the store keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Hashes a new password. `salt` must be random.
    pub fn of(password: &Secret<String>, salt: &[u8; 16]) -> Self {
        Self(hash(password, salt))
    }

    /// A hash that costs as much to check as any other and that no password fits: checked for users
    /// who do not exist, so that their refusal takes as long as a wrong password's.
    pub fn nobody(salt: &[u8; 16], unguessable: &[u8; 32]) -> Self {
        let text: String = unguessable.iter().map(|b| format!("{b:02x}")).collect();
        Self::of(&Secret::new(text), salt)
    }

    /// A hash as the store kept it. Nothing is checked: an unreadable hash fits no password.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The PHC string for the store.
    pub fn as_stored(&self) -> &str {
        &self.0
    }

    /// Whether `password` is the one that was hashed. Takes some 20 ms and 19 MiB.
    pub fn fits(&self, password: &Secret<String>) -> bool {
        phc::PasswordHash::new(&self.0).is_ok_and(|stored| {
            let password = password.expose().as_bytes();
            let verifier: &dyn PasswordVerifier<phc::PasswordHash> = &argon2();
            verifier.verify_password(password, &stored).is_ok()
        })
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[expect(
    clippy::expect_used,
    reason = "the parameters are constants, and salt and password are within argon2's limits"
)]
fn hash(password: &Secret<String>, salt: &[u8; 16]) -> String {
    let hasher: &dyn PasswordHasher<phc::PasswordHash> = &argon2();
    hasher
        .hash_password_with_salt(password.expose().as_bytes(), salt)
        .expect("argon2 hashes any password with these parameters")
        .to_string()
}

#[expect(
    clippy::expect_used,
    reason = "the parameters are constants within argon2's limits"
)]
fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("parameters in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn the_right_password_fits_and_no_other() {
        let hash = PasswordHash::of(&secret("correct horse"), &[7; 16]);
        assert!(
            hash.as_stored()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
        assert!(hash.fits(&secret("correct horse")));
        assert!(!hash.fits(&secret("correct horsE")));
        assert_eq!(format!("{hash:?}"), "***");
    }

    #[test]
    fn a_hash_that_cannot_be_read_fits_nothing() {
        assert!(!PasswordHash::from_stored("nonsense".into()).fits(&secret("nonsense")));
    }
}
