//! What the operations about users take and do.

use std::fmt::Display;

use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::operation::{Call, parsed, refused, shown};
use super::{Answer, PREFIX};
use crate::admin::{Newcomer, UserFacts};
use crate::endpoints::body::{Fields, invalid};
use crate::identity::password::PasswordRules;
use crate::identity::{DisplayName, Email, GroupName, PasswordHash, Secret, UserName};
use crate::reply::{self, Problem};
use crate::store::UserChange;

/// The characters that need no escape in a path.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl Call {
    pub(super) async fn add_user(&self, mut fields: Fields) -> Answer {
        fields.only(&["name", "password", "email", "display_name", "groups"])?;
        let name = fields.required("name")?;
        let name = parsed("name", &name, UserName::parse)?;
        let password = new_password(&mut fields, &self.rules)?;
        let newcomer = Newcomer {
            name,
            display_name: optional(&mut fields, "display_name", DisplayName::parse)?.flatten(),
            email: optional(&mut fields, "email", Email::parse)?.flatten(),
            groups: groups(&mut fields)?.unwrap_or_default(),
        };
        let free = self.administrator.check_free(&newcomer.name).await;
        free.map_err(refused)?;
        let hash = self.hash(password).await?;
        let user = self.administrator.add_user(newcomer, hash).await;
        let user = user.map_err(refused)?;
        let mut reply = reply::json(StatusCode::CREATED, &UserFacts::from(&user));
        let name = utf8_percent_encode(user.name.as_str(), ESCAPED);
        if let Ok(place) = HeaderValue::try_from(format!("{PREFIX}/users/{name}")) {
            reply.headers_mut().insert(LOCATION, place);
        }
        Ok(reply)
    }

    pub(super) async fn change_user(&self, name: &UserName, mut fields: Fields) -> Answer {
        fields.only(&["email", "display_name", "groups", "disabled"])?;
        let change = UserChange {
            display_name: optional(&mut fields, "display_name", DisplayName::parse)?,
            email: optional(&mut fields, "email", Email::parse)?,
            groups: groups(&mut fields)?,
        };
        let disabled = fields.given_flag("disabled")?;
        let has_change =
            change.display_name.is_some() || change.email.is_some() || change.groups.is_some();
        if !has_change && disabled.is_none() {
            return Err(invalid(
                "There is nothing to change: give email, display_name, groups or disabled.",
            ));
        }
        let administrator = &self.administrator;
        let mut user = match has_change {
            true => administrator.change_user(name, change).await,
            false => administrator.find_user(name).await,
        }
        .map_err(refused)?;
        // Both end sessions: only what makes a difference is done.
        if let Some(disabled) = disabled.filter(|disabled| *disabled != user.disabled) {
            let set = administrator.set_disabled(name, disabled).await;
            user = set.map_err(refused)?;
        }
        Ok(shown(&user))
    }

    pub(super) async fn set_password(&self, name: &UserName, mut fields: Fields) -> Answer {
        fields.only(&["password"])?;
        let password = new_password(&mut fields, &self.rules)?;
        let user = self.administrator.find_user(name).await;
        user.map_err(refused)?;
        let hash = self.hash(password).await?;
        let set = self.administrator.set_password(name, hash).await;
        set.map_err(refused)?;
        Ok(reply::empty(StatusCode::NO_CONTENT))
    }

    async fn hash(&self, password: Secret<String>) -> Result<PasswordHash, Box<Problem>> {
        let hash = self.passwords.hash(password).await;
        hash.map_err(|_| {
            Box::new(Problem::unavailable(
                "Too many passwords are being hashed at the moment. Please try again.",
            ))
        })
    }
}

/// `None`: it was not given. `Some(None)`: it was null.
fn optional<T, E: Display>(
    fields: &mut Fields,
    field: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<Option<T>>, Box<Problem>> {
    match fields.nullable(field)? {
        None => Ok(None),
        Some(None) => Ok(Some(None)),
        Some(Some(text)) => parsed(field, &text, parse).map(|value| Some(Some(value))),
    }
}

fn groups(fields: &mut Fields) -> Result<Option<Vec<GroupName>>, Box<Problem>> {
    let texts = fields.texts("groups")?;
    let parse = |text: String| parsed("groups", &text, GroupName::parse);
    texts
        .map(|texts| texts.into_iter().map(parse).collect())
        .transpose()
}

fn new_password(
    fields: &mut Fields,
    rules: &PasswordRules,
) -> Result<Secret<String>, Box<Problem>> {
    let password = Secret::new(fields.required("password")?);
    let refused = |error| invalid(format!("The field password cannot be used: {error}."));
    rules.check(&password).map_err(refused)?;
    Ok(password)
}
