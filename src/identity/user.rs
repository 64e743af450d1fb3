//! A user: who can sign in, and the facts about them that apps are told.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::identity::{DisplayName, Email, GroupName, PasswordTerm, UserName};

/// A user's id: made once, never given to anybody else. `sub` in every token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(Box<str>);

impl UserId {
    /// The id made of these (random) bytes: 22 characters of base64url.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bytes).into())
    }

    /// Reads the text form; `None` unless it is 22 characters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 16] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        Some(Self::from_bytes(bytes))
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user as the store keeps them, without the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Never changes.
    pub id: UserId,
    /// Unique; what is typed to sign in.
    pub name: UserName,
    /// How the person is called.
    pub display_name: Option<DisplayName>,
    /// Unique where given.
    pub email: Option<Email>,
    /// Sorted, without repeats.
    pub groups: Vec<GroupName>,
    /// A disabled user cannot sign in and has no live session.
    pub disabled: bool,
    /// How long the password is good.
    pub password_term: PasswordTerm,
    /// Grows when all sessions must end: password change, disabling, signing out everywhere.
    pub session_epoch: u64,
    /// Grows when names, address or groups change, which makes access tokens stale.
    pub claims_epoch: u64,
    /// When the user was added.
    pub created_at: Timestamp,
}

/// What apps are told about a user, with the header values made once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Never changes.
    pub id: UserId,
    /// The user name.
    pub name: UserName,
    /// How the person is called.
    pub display_name: Option<DisplayName>,
    /// Where known.
    pub email: Option<Email>,
    /// Sorted, without repeats.
    pub groups: Vec<GroupName>,
    /// The same facts as header values.
    pub headers: IdentityHeaders,
}

/// The facts about a user as header values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// The user name.
    pub name: HeaderValue,
    /// The display name, UTF-8 percent-encoded where it is not visible ASCII.
    pub display_name: Option<HeaderValue>,
    /// The e-mail address.
    pub email: Option<HeaderValue>,
    /// The groups, separated by commas; `None` without groups.
    pub groups: Option<HeaderValue>,
}

impl Identity {
    /// The facts with their header values.
    pub fn new(
        id: UserId,
        name: UserName,
        display_name: Option<DisplayName>,
        email: Option<Email>,
        groups: Vec<GroupName>,
    ) -> Self {
        let headers = IdentityHeaders {
            name: header_value(name.as_str()),
            display_name: display_name.as_ref().map(|n| header_value(n.as_str())),
            email: email.as_ref().map(|e| header_value(e.as_str())),
            groups: joined(&groups).map(|groups| header_value(&groups)),
        };
        Self {
            id,
            name,
            display_name,
            email,
            groups,
            headers,
        }
    }
}

impl From<&User> for Identity {
    fn from(user: &User) -> Self {
        Self::new(
            user.id.clone(),
            user.name.clone(),
            user.display_name.clone(),
            user.email.clone(),
            user.groups.clone(),
        )
    }
}

fn joined(groups: &[GroupName]) -> Option<String> {
    let names: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
    (!names.is_empty()).then(|| names.join(","))
}

/// `text` as a header value: as it is where it is visible ASCII and spaces, else its UTF-8
/// percent-encoded. A percent sign is encoded, too, so that decoding is always right.
pub fn header_value(text: &str) -> HeaderValue {
    const NOT_PLAIN: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
    let plain = text
        .bytes()
        .all(|b| b != b'%' && (b == b' ' || b.is_ascii_graphic()));
    let encoded;
    let value = if plain {
        text
    } else {
        encoded = utf8_percent_encode(text, NOT_PLAIN).to_string();
        &encoded
    };
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(display: &str, groups: &[&str]) -> Identity {
        Identity::new(
            UserId::from_bytes([1; 16]),
            UserName::parse("ada").unwrap(),
            Some(DisplayName::parse(display).unwrap()),
            None,
            groups
                .iter()
                .map(|g| GroupName::parse(g).unwrap())
                .collect(),
        )
    }

    #[test]
    fn a_display_name_is_sent_as_it_is_where_it_is_ascii() {
        let headers = identity("Ada (she)", &[]).headers;
        assert_eq!(headers.display_name.unwrap(), "Ada (she)");
        assert_eq!(headers.groups, None);
    }

    #[test]
    fn other_letters_are_percent_encoded() {
        let headers = identity("Ädä 5%", &["ops", "dev"]).headers;
        assert_eq!(headers.display_name.unwrap(), "%C3%84d%C3%A4%205%25");
        assert_eq!(headers.groups.unwrap(), "ops,dev");
    }

    #[test]
    fn a_user_id_reads_back_as_itself() {
        let id = UserId::from_bytes([9; 16]);
        assert_eq!(UserId::parse(id.as_str()), Some(id));
        assert_eq!(UserId::parse("ada"), None);
    }
}
