//! What is this stored text? Tells the schemes apart and asks the right one whether a password fits.

use super::argon2_phc::Argon2Hash;
use super::scheme::{Scheme, Unsupported};

/// Longer texts are no hashes.
const LONGEST: usize = 2048;

/// A stored hash that was read and whose costs are within bounds.
pub(super) enum Known {
    Argon2(Argon2Hash),
}

impl Known {
    pub(super) fn read(text: &str) -> Result<Self, Unsupported> {
        if text.len() > LONGEST {
            return Err(Unsupported::Unknown);
        }
        if text.is_empty() || text.starts_with(['!', '*']) {
            return Err(Unsupported::Unusable);
        }
        if text.starts_with("$argon2") {
            return Argon2Hash::read(text).map(Self::Argon2);
        }
        Err(Unsupported::Unknown)
    }

    pub(super) const fn scheme(&self) -> Scheme {
        match self {
            Self::Argon2(hash) => hash.scheme(),
        }
    }

    pub(super) fn fits(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2(hash) => hash.fits(password),
        }
    }

    /// Whether whoever steals it tries millions of passwords in a second.
    pub(super) const fn is_weak(&self) -> bool {
        match self {
            Self::Argon2(_) => false,
        }
    }
}
