//! Header values made from who is asking: `"{user.name}"`, for apps that expect their own headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use thiserror::Error;

use crate::identity::user::header_value;
use crate::identity::{Known, Secret};

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Fact(Fact),
    /// The base64 of `name:password`.
    Basic(Secret<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    UserId,
    UserName,
    DisplayName,
    Email,
    Groups,
    SessionId,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A placeholder nobody knows.
    #[error(
        "{{{0}}} is not known: use user.id, user.name, user.display_name, user.email, user.groups, session.id or basic user.name:PASSWORD"
    )]
    Unknown(String),
    /// A brace without its partner.
    #[error("a brace has no partner")]
    Unbalanced,
    /// Text that cannot be in a header value.
    #[error("the text holds a character that a header value cannot have")]
    NotAllowed,
}

impl Template {
    /// Reads a template: text with placeholders in braces. `{basic user.name:PASSWORD}` is the
    /// base64 of `name:PASSWORD`, for `Authorization: Basic` (RFC 7617).
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
            return Err(TemplateError::NotAllowed);
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (placeholder, after) = after.split_once('}').ok_or(TemplateError::Unbalanced)?;
            push_text(&mut pieces, before)?;
            pieces.push(Piece::parse(placeholder)?);
            rest = after;
        }
        push_text(&mut pieces, rest)?;
        Ok(Self { pieces })
    }

    /// The value for this visitor; `None` where a fact it needs is not known.
    pub fn render(&self, known: &Known) -> Option<HeaderValue> {
        if let [Piece::Fact(fact)] = *self.pieces {
            return fact.value(known);
        }
        let mut value = Vec::new();
        let mut is_secret = false;
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => value.extend_from_slice(text.as_bytes()),
                Piece::Fact(fact) => value.extend_from_slice(fact.value(known)?.as_bytes()),
                Piece::Basic(password) => {
                    is_secret = true;
                    value.extend_from_slice(basic(known, password)?.as_bytes());
                }
            }
        }
        let mut value = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)).ok()?;
        value.set_sensitive(is_secret);
        Some(value)
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) -> Result<(), TemplateError> {
    if text.contains('}') {
        return Err(TemplateError::Unbalanced);
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
    Ok(())
}

impl Piece {
    fn parse(placeholder: &str) -> Result<Self, TemplateError> {
        if placeholder.contains('{') {
            return Err(TemplateError::Unbalanced);
        }
        if let Some(password) = placeholder.strip_prefix("basic user.name:") {
            return Ok(Self::Basic(Secret::new(password.to_owned())));
        }
        let fact = match placeholder {
            "user.id" => Fact::UserId,
            "user.name" => Fact::UserName,
            "user.display_name" => Fact::DisplayName,
            "user.email" => Fact::Email,
            "user.groups" => Fact::Groups,
            "session.id" => Fact::SessionId,
            _ => {
                // What follows a colon may be a password.
                let told = placeholder.split(':').next().unwrap_or_default();
                return Err(TemplateError::Unknown(told.to_owned()));
            }
        };
        Ok(Self::Fact(fact))
    }
}

impl Fact {
    fn value(self, known: &Known) -> Option<HeaderValue> {
        let headers = &known.identity.headers;
        match self {
            Self::UserId => Some(header_value(known.identity.id.as_str())),
            Self::UserName => Some(headers.name.clone()),
            Self::DisplayName => headers.display_name.clone(),
            Self::Email => headers.email.clone(),
            Self::Groups => headers.groups.clone(),
            Self::SessionId => Some(header_value(&known.session.to_string())),
        }
    }
}

/// `None` for a name with a colon: an app would take its end for the password (RFC 7617 §2).
fn basic(known: &Known, password: &Secret<String>) -> Option<String> {
    let name = known.identity.name.as_str();
    (!name.contains(':')).then(|| STANDARD.encode(format!("{name}:{}", password.expose())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Timestamp;
    use crate::identity::{DisplayName, GroupName, Identity, Proof, SessionId, UserId, UserName};

    fn known(name: &str, groups: &[&str]) -> Known {
        let identity = Identity::new(
            UserId::from_bytes([1; 16]),
            UserName::parse(name).unwrap(),
            Some(DisplayName::parse("Ädä").unwrap()),
            None,
            groups
                .iter()
                .map(|g| GroupName::parse(g).unwrap())
                .collect(),
        );
        Known {
            identity: Arc::new(identity),
            session: SessionId::from_bytes([2; 16]),
            authenticated_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(0),
            session_epoch: 0,
            claims_epoch: 0,
            proof: Proof::Cookie,
        }
    }

    fn render(template: &str, known: &Known) -> Option<String> {
        let value = Template::parse(template).unwrap().render(known)?;
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn placeholders_become_facts() {
        let ada = known("ada", &["dev", "ops"]);
        for (template, value) in [
            ("", ""),
            ("fixed text", "fixed text"),
            ("{user.name}", "ada"),
            ("{user.id}", "AQEBAQEBAQEBAQEBAQEBAQ"),
            ("{user.display_name}", "%C3%84d%C3%A4"),
            ("{user.groups}", "dev,ops"),
            ("{session.id}", "AgICAgICAgICAgICAgICAg"),
            ("u={user.name};g={user.groups}", "u=ada;g=dev,ops"),
            (
                "Basic {basic user.name:pass:word}",
                "Basic YWRhOnBhc3M6d29yZA==",
            ),
        ] {
            assert_eq!(render(template, &ada).as_deref(), Some(value), "{template}");
        }
    }

    #[test]
    fn nothing_is_said_where_a_fact_is_unknown() {
        let ada = known("ada", &[]);
        for template in [
            "{user.email}",
            "{user.name} <{user.email}>",
            "{user.groups}",
        ] {
            assert_eq!(render(template, &ada), None, "{template}");
        }
    }

    #[test]
    fn a_name_with_a_colon_cannot_pose_as_another_in_basic() {
        assert_eq!(render("{basic user.name:x}", &known("root:y", &[])), None);
    }

    #[test]
    fn a_password_is_marked_and_does_not_print() {
        let template = Template::parse("Basic {basic user.name:hunter2}").unwrap();
        assert!(template.render(&known("ada", &[])).unwrap().is_sensitive());
        assert!(!format!("{template:?}").contains("hunter2"));
        let error = Template::parse("{basic user.nam:hunter2}").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn a_broken_template_is_refused() {
        for bad in [
            "{",
            "}",
            "{user.name",
            "user.name}",
            "{user.name}}",
            "{{user.name}}",
        ] {
            assert_eq!(
                Template::parse(bad),
                Err(TemplateError::Unbalanced),
                "{bad}"
            );
        }
        for bad in [
            "{}",
            "{user.password}",
            "{ user.name }",
            "{basic user.name}",
        ] {
            assert!(
                matches!(Template::parse(bad), Err(TemplateError::Unknown(_))),
                "{bad}"
            );
        }
        for bad in ["a\nb", "a\0", "ä", "a\tb"] {
            assert_eq!(
                Template::parse(bad),
                Err(TemplateError::NotAllowed),
                "{bad:?}"
            );
        }
    }
}
