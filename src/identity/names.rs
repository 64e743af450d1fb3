//! What people and groups may be called, so that a name is safe in a header and means one person.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a name was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing is left after trimming.
    #[error("it is empty")]
    Empty,
    /// Longer than the limit, in bytes.
    #[error("it is longer than {0} characters")]
    TooLong(usize),
    /// A character that names may not hold.
    #[error("it holds {0:?}: only visible ASCII characters without comma are allowed")]
    NotAllowed(char),
    /// A control character in a display name.
    #[error("it holds the control character {0:?}")]
    Control(char),
    /// Not of the form `local@domain`.
    #[error("it is not of the form name@domain")]
    NotAnAddress,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes a name into its canonical form, or says what is wrong with it.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                $check(text).map(|name| Self(name.into()))
            }

            /// The canonical form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.into()
            }
        }
    };
}

name_type!(
    /// What a user types to sign in: visible ASCII without comma, at most 255 bytes, lower case.
    UserName,
    user_name
);
name_type!(
    /// A group that rules and apps know: visible ASCII without comma, at most 64 bytes, case kept.
    GroupName,
    group_name
);
name_type!(
    /// An e-mail address: visible ASCII with exactly one `@`, at most 254 bytes, domain in lower case.
    Email,
    email
);
name_type!(
    /// How a person is called: any characters but control characters, at most 128 bytes.
    DisplayName,
    display_name
);

fn user_name(text: &str) -> Result<String, NameError> {
    visible(text, 255).map(str::to_ascii_lowercase)
}

fn group_name(text: &str) -> Result<String, NameError> {
    visible(text, 64).map(str::to_owned)
}

fn email(text: &str) -> Result<String, NameError> {
    let text = visible(text, 254)?;
    match text.split_once('@') {
        Some((local, domain))
            if !local.is_empty() && !domain.is_empty() && !domain.contains('@') =>
        {
            Ok(format!("{local}@{}", domain.to_ascii_lowercase()))
        }
        _ => Err(NameError::NotAnAddress),
    }
}

fn display_name(text: &str) -> Result<String, NameError> {
    let text = bounded(text, 128)?;
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(NameError::Control(c)),
        None => Ok(text.to_owned()),
    }
}

fn visible(text: &str, longest: usize) -> Result<&str, NameError> {
    let text = bounded(text, longest)?;
    match text.chars().find(|c| !c.is_ascii_graphic() || *c == ',') {
        Some(c) => Err(NameError::NotAllowed(c)),
        None => Ok(text),
    }
}

fn bounded(text: &str, longest: usize) -> Result<&str, NameError> {
    let text = text.trim();
    if text.is_empty() {
        Err(NameError::Empty)
    } else if text.len() > longest {
        Err(NameError::TooLong(longest))
    } else {
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_trimmed_and_lower_case() {
        assert_eq!(UserName::parse(" Ada ").unwrap().as_str(), "ada");
    }

    #[test]
    fn names_that_could_break_a_header_are_refused() {
        for bad in ["", " ", "a b", "a,b", "a\r\nb", "a\0", "ä"] {
            assert!(UserName::parse(bad).is_err(), "{bad:?}");
            assert!(GroupName::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            UserName::parse(&"x".repeat(256)),
            Err(NameError::TooLong(255))
        );
    }

    #[test]
    fn groups_keep_their_case() {
        assert_eq!(GroupName::parse("Ops").unwrap().as_str(), "Ops");
    }

    #[test]
    fn an_address_has_exactly_one_at() {
        assert_eq!(
            Email::parse("Ada@Example.COM").unwrap().as_str(),
            "Ada@example.com"
        );
        for bad in ["ada", "@example.com", "ada@", "a@evil.com@example.com"] {
            assert_eq!(Email::parse(bad), Err(NameError::NotAnAddress), "{bad}");
        }
    }

    #[test]
    fn display_names_may_hold_any_letter_but_no_control_character() {
        assert_eq!(DisplayName::parse("愛田 Ada").unwrap().as_str(), "愛田 Ada");
        assert_eq!(DisplayName::parse("a\nb"), Err(NameError::Control('\n')));
    }
}
