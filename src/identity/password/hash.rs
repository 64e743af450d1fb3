//! Is this the password? What is kept of one: an Argon2id hash of ours, or one that other software made.

use std::fmt;

use super::argon2;
use super::known::Known;
use super::memory::HashMemory;
use super::policy::{HashPolicy, Pepper};
use super::scheme::{Scheme, Unsupported};
use crate::identity::Secret;

/// The most bytes that are looked at when somebody signs in.
pub const LONGEST_ATTEMPT: usize = 1024;

/// Longer hashes are not taken over: inside Argon2id they must still be read.
const LONGEST_IMPORTED: usize = 1024;

/// A password hash, as the store keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Hashes a new password. `salt` must be random.
    pub fn of(password: &Secret<String>, policy: &HashPolicy, salt: &[u8; 16]) -> Self {
        Self::made_in(&mut HashMemory::default(), password, policy, salt)
    }

    /// The same, in memory that is used again.
    pub fn made_in(
        memory: &mut HashMemory,
        password: &Secret<String>,
        policy: &HashPolicy,
        salt: &[u8; 16],
    ) -> Self {
        let password = password.expose().as_bytes();
        Self(argon2::hash(password, policy, salt, memory))
    }

    /// A hash that costs as much to check as any other and that no password fits: checked for users
    /// who do not exist, so that their refusal takes as long as a wrong password's.
    pub fn nobody(policy: &HashPolicy, salt: &[u8; 16], unguessable: &[u8; 32]) -> Self {
        let text: String = unguessable.iter().map(|b| format!("{b:02x}")).collect();
        Self::of(&Secret::new(text), policy, salt)
    }

    /// A hash as the store kept it. Nothing is checked: an unreadable hash fits no password.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// A hash that other software made, if it is one that we can check at a bearable cost.
    pub fn imported(text: &str) -> Result<Self, Unsupported> {
        if text.len() > LONGEST_IMPORTED {
            return Err(Unsupported::Unknown);
        }
        match Known::read(text, None)? {
            // It cannot be wrapped twice, and we do not make such.
            known @ Known::Wrapped(_) if known.is_weak() => Err(Unsupported::Refused(
                "the Argon2 hash around the old one costs too little",
            )),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// By which scheme it was made; `None`: it cannot be read, or is peppered with another pepper than
    /// this, and fits no password.
    pub fn scheme(&self, pepper: Option<&Pepper>) -> Option<Scheme> {
        let known = Known::read(&self.0, pepper).ok();
        known.map(|known| known.scheme())
    }

    /// Whether it was made in another way than new ones are, so that the password must be hashed
    /// again when it is next known.
    pub fn is_outdated(&self, policy: &HashPolicy) -> bool {
        let known = Known::read(&self.0, policy.pepper.as_ref());
        !known.is_ok_and(|known| known.is_of(policy))
    }

    /// Whether the whole password counts: bcrypt looks at its first 72 bytes, so that what fits may be
    /// mistyped behind them, and must not take the place of what was chosen.
    pub fn takes_all_of(&self, password: &Secret<String>, pepper: Option<&Pepper>) -> bool {
        let cuts = || Known::read(&self.0, pepper).is_ok_and(|known| known.cuts());
        password.expose().len() <= 72 || !cuts()
    }

    /// Whether whoever steals it tries too many passwords in a second, by the measure of OWASP's cheat
    /// sheet on password storage: it must be [wrapped](Self::wrapped) before it is stored.
    pub fn needs_wrapping(&self) -> bool {
        Known::read(&self.0, None).is_ok_and(|known| known.is_weak())
    }

    /// What it is stored as: a weak hash inside Argon2id, which the same password fits and which
    /// costs one hash to make; any other as it is. `salt` must be random.
    #[must_use]
    pub fn wrapped(self, policy: &HashPolicy, salt: &[u8; 16]) -> Self {
        let wrapped = Known::read(&self.0, None).ok();
        let wrapped =
            wrapped.and_then(|known| known.wrapped(policy, salt, &mut HashMemory::default()));
        wrapped.map_or(self, Self)
    }

    /// The text for the store.
    pub fn as_stored(&self) -> &str {
        &self.0
    }

    /// Whether `password` is the one that was hashed. Takes some 20 ms and 19 MiB where the hash is
    /// ours, and at most some seconds and 1 GiB. `pepper`: the one that hashes may be peppered with.
    pub fn fits(&self, password: &Secret<String>, pepper: Option<&Pepper>) -> bool {
        self.fits_in(&mut HashMemory::default(), password, pepper)
    }

    /// The same, in memory that is used again.
    pub fn fits_in(
        &self,
        memory: &mut HashMemory,
        password: &Secret<String>,
        pepper: Option<&Pepper>,
    ) -> bool {
        let password = password.expose().as_bytes();
        Known::read(&self.0, pepper).is_ok_and(|known| known.fits(password, memory))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn bcrypt_looks_at_72_bytes() {
        let bcrypt = "$2b$06$uCtcLMJNr9X/DaPKD0yuieb5Fl1/HSGIymBFzQ4ycTTiNf/0Ia39m";
        let ours = PasswordHash::of(&secret("x"), &HashPolicy::default(), &[7; 16]);
        for (hash, long) in [
            (PasswordHash::imported(bcrypt).unwrap(), false),
            (ours, true),
        ] {
            assert!(hash.takes_all_of(&secret(&"x".repeat(72)), None));
            assert_eq!(hash.takes_all_of(&secret(&"x".repeat(73)), None), long);
        }
    }

    #[test]
    fn the_right_password_fits_and_no_other() {
        let hash = PasswordHash::of(&secret("correct horse"), &HashPolicy::default(), &[7; 16]);
        assert!(
            hash.as_stored()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
        assert!(hash.fits(&secret("correct horse"), None));
        assert!(!hash.fits(&secret("correct horsE"), None));
        assert_eq!(format!("{hash:?}"), "***");
    }

    #[test]
    fn a_hash_that_cannot_be_read_fits_nothing() {
        assert!(!PasswordHash::from_stored("nonsense".into()).fits(&secret("nonsense"), None));
    }
}
