//! Is this new password acceptable? (NIST SP 800-63B §3.1.1.2)

use thiserror::Error;

use crate::identity::Secret;

/// The most characters a new password may have.
const LONGEST: usize = 256;

/// What a new password must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordRules {
    /// The fewest characters it may have.
    pub min_length: usize,
}

/// Why a new password was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// Fewer characters than the rules ask for.
    #[error("a password needs at least {min_length} characters")]
    TooShort {
        /// How many it needs.
        min_length: usize,
    },
    /// More characters than anybody types.
    #[error("a password may have at most {LONGEST} characters")]
    TooLong,
}

impl PasswordRules {
    /// Whether a new password is acceptable.
    pub fn check(&self, password: &Secret<String>) -> Result<(), PasswordError> {
        let min_length = self.min_length;
        match password.expose().chars().count() {
            n if n < min_length => Err(PasswordError::TooShort { min_length }),
            n if n > LONGEST => Err(PasswordError::TooLong),
            _ => Ok(()),
        }
    }
}

/// At least 8 characters.
impl Default for PasswordRules {
    fn default() -> Self {
        Self { min_length: 8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_the_only_rule_for_new_passwords() {
        let check = |text: &str| PasswordRules::default().check(&Secret::new(text.to_owned()));
        let too_short = Err(PasswordError::TooShort { min_length: 8 });
        assert_eq!(check("1234567"), too_short);
        assert_eq!(check("12345678"), Ok(()));
        assert_eq!(check(&"あ".repeat(256)), Ok(()));
        assert_eq!(check(&"x".repeat(257)), Err(PasswordError::TooLong));
        let strict = PasswordRules { min_length: 15 };
        assert!(strict.check(&Secret::new("x".repeat(14))).is_err());
    }
}
