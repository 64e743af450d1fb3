//! Is this new password acceptable? (NIST SP 800-63B §3.1.1.2, OWASP ASVS 6.2)

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::common::{holds, in_order, is_common};
use crate::identity::{DisplayName, Email, Identity, Secret, User, UserName};

/// The most characters a new password may have.
const LONGEST: usize = 256;

/// What a new password must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordRules {
    /// The fewest characters it may have.
    pub min_length: usize,
    /// What else it must not be, beside what is common everywhere.
    pub denied: DeniedPasswords,
    /// The names by which the gateway is called, which are no passwords.
    pub hosts: Vec<String>,
    /// How long a temporary one is good.
    pub temporary_ttl: Duration,
}

/// Passwords that are refused, letter case aside.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DeniedPasswords(Arc<str>);

/// Whose password it is to be. What everybody knows of them is no password.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// What they sign in with.
    pub name: &'a UserName,
    /// How they are called.
    pub display_name: Option<&'a DisplayName>,
    /// Their address.
    pub email: Option<&'a Email>,
}

/// Why a new password was not accepted. Says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// Fewer characters than the rules ask for.
    #[error("a password needs at least {min_length} characters")]
    TooShort {
        /// How many it needs.
        min_length: usize,
    },
    /// More characters than anybody types.
    #[error("a password may have at most {max_length} characters")]
    TooLong {
        /// How many it may have.
        max_length: usize,
    },
    /// Everybody tries it first.
    #[error("this password is one of the most common: choose another")]
    Common,
    /// It is in the list of this installation.
    #[error("this password is on the list of those that are refused here: choose another")]
    Denied,
    /// It is a name or an address of its owner.
    #[error("this password is your own name or address: choose another")]
    OwnName,
    /// It is the name of the gateway's host.
    #[error("this password is the name of this site: choose another")]
    Host,
    /// It is the one before.
    #[error("this is the password that you have: choose another")]
    Unchanged,
}

impl PasswordRules {
    /// Whether a new password is acceptable.
    pub fn check(&self, password: &Secret<String>, owner: Owner<'_>) -> Result<(), PasswordError> {
        let min_length = self.min_length;
        match password.expose().chars().count() {
            n if n < min_length => return Err(PasswordError::TooShort { min_length }),
            n if n > LONGEST => {
                return Err(PasswordError::TooLong {
                    max_length: LONGEST,
                });
            }
            _ => {}
        }
        let lower = Secret::new(password.expose().to_lowercase());
        let text = lower.expose();
        if is_common(text) {
            Err(PasswordError::Common)
        } else if self.denied.hold(text) {
            Err(PasswordError::Denied)
        } else if owner.is_called(text) {
            Err(PasswordError::OwnName)
        } else if self.hosts.contains(text) {
            Err(PasswordError::Host)
        } else {
            Ok(())
        }
    }

    /// Whether a new password is acceptable instead of this one.
    pub fn check_change(
        &self,
        (current, new): (&Secret<String>, &Secret<String>),
        owner: Owner<'_>,
    ) -> Result<(), PasswordError> {
        self.check(new, owner)?;
        match current == new {
            true => Err(PasswordError::Unchanged),
            false => Ok(()),
        }
    }
}

/// At least 8 characters; a temporary one is good for a day.
impl Default for PasswordRules {
    fn default() -> Self {
        Self {
            min_length: 8,
            denied: DeniedPasswords::default(),
            hosts: Vec::new(),
            temporary_ttl: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl DeniedPasswords {
    /// The lines of this text.
    pub fn of_lines(text: &str) -> Self {
        Self(in_order(text).into())
    }

    fn hold(&self, lower: &str) -> bool {
        holds(&self.0, lower)
    }
}

impl fmt::Debug for DeniedPasswords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Owner<'_> {
    fn is_called(self, lower: &str) -> bool {
        let is = |name: &str| name.to_lowercase() == lower;
        is(self.name.as_str())
            || self.display_name.is_some_and(|name| is(name.as_str()))
            || self.email.is_some_and(|email| is(email.as_str()))
    }
}

impl<'a> From<&'a User> for Owner<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            name: &user.name,
            display_name: user.display_name.as_ref(),
            email: user.email.as_ref(),
        }
    }
}

impl<'a> From<&'a Identity> for Owner<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self {
            name: &identity.name,
            display_name: identity.display_name.as_ref(),
            email: identity.email.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn check(rules: &PasswordRules, text: &str) -> Result<(), PasswordError> {
        let name = UserName::parse("ada.lovelace").unwrap();
        let display_name = DisplayName::parse("Ada Lovelace").unwrap();
        let email = Email::parse("Ada@Example.com").unwrap();
        let owner = Owner {
            name: &name,
            display_name: Some(&display_name),
            email: Some(&email),
        };
        rules.check(&secret(text), owner)
    }

    #[test]
    fn no_kind_of_character_is_asked_for_or_forbidden() {
        let rules = PasswordRules::default();
        let too_short = Err(PasswordError::TooShort { min_length: 8 });
        assert_eq!(check(&rules, "qzjxkvw"), too_short);
        assert_eq!(
            check(&rules, "あいうえおかき"),
            too_short,
            "characters count"
        );
        for good in [
            "qzjxkvwp",
            "73915528",
            "        x",
            "\0\u{7}\n😀 ok?",
            "zażółć gęślą",
        ] {
            assert_eq!(check(&rules, good), Ok(()), "{good:?}");
        }
        assert_eq!(check(&rules, &"あ".repeat(256)), Ok(()));
        assert_eq!(
            check(&rules, &"x".repeat(257)),
            Err(PasswordError::TooLong { max_length: 256 })
        );
        let strict = PasswordRules {
            min_length: 15,
            ..PasswordRules::default()
        };
        assert!(check(&strict, &"x".repeat(14)).is_err());
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        let rules = PasswordRules {
            denied: DeniedPasswords::of_lines("Trustworthy Tiger\nanother one\n"),
            hosts: vec!["app.example.com".to_owned()],
            ..PasswordRules::default()
        };
        for (text, error) in [
            ("iloveyou", PasswordError::Common),
            ("PassWord123", PasswordError::Common),
            ("trustworthy tiger", PasswordError::Denied),
            ("ANOTHER ONE", PasswordError::Denied),
            ("Ada.Lovelace", PasswordError::OwnName),
            ("ada lovelace", PasswordError::OwnName),
            ("ada@example.com", PasswordError::OwnName),
            ("App.example.com", PasswordError::Host),
        ] {
            assert_eq!(check(&rules, text), Err(error), "{text}");
            assert!(!error.to_string().contains(text), "it is not told back");
        }
        for good in ["trustworthy", "another one!", "my password is long"] {
            assert_eq!(check(&rules, good), Ok(()), "{good}");
        }
        assert!(!format!("{rules:?}").contains("tiger"));
    }

    #[test]
    fn a_change_is_to_another_password() {
        let rules = PasswordRules::default();
        let name = UserName::parse("ada").unwrap();
        let owner = Owner {
            name: &name,
            display_name: None,
            email: None,
        };
        let (one, other) = (secret("correct horse"), secret("correct horsE"));
        assert_eq!(rules.check_change((&one, &other), owner), Ok(()));
        let unchanged = rules.check_change((&one, &one), owner);
        assert_eq!(unchanged, Err(PasswordError::Unchanged));
    }
}
