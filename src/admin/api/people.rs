//! What the operations about users take and do.

use std::fmt::Display;

use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::operation::{Call, parsed, refused};
use super::{Answer, PREFIX};
use crate::admin::{Newcomer, TemporaryPassword, UserFacts};
use crate::endpoints::body::{Fields, invalid};
use crate::identity::password::Owner;
use crate::identity::{
    DisplayName, Email, GroupName, PasswordHash, PasswordTerm, Secret, UserName,
};
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
        fields.only(&[
            "name",
            "password",
            "temporary",
            "email",
            "display_name",
            "groups",
        ])?;
        let name = fields.required("name")?;
        let name = parsed("name", &name, UserName::parse)?;
        let newcomer = Newcomer {
            name,
            display_name: optional(&mut fields, "display_name", DisplayName::parse)?.flatten(),
            email: optional(&mut fields, "email", Email::parse)?.flatten(),
            groups: groups(&mut fields)?.unwrap_or_default(),
        };
        let password = self.new_password(&mut fields, newcomer.owner())?;
        let free = self.administrator.check_free(&newcomer.name).await;
        free.map_err(refused)?;
        let hash = self.hash(&password).await?;
        let user = self.administrator.add_user(newcomer, hash).await;
        let user = user.map_err(refused)?;
        let standing = self.administrator.standing_of(user).await;
        let standing = standing.map_err(refused)?;
        let added = Added {
            user: UserFacts::from(&standing),
            temporary_password: password.told(),
        };
        let mut reply = reply::json(StatusCode::CREATED, &added);
        let name = utf8_percent_encode(standing.user.name.as_str(), ESCAPED);
        if let Ok(place) = HeaderValue::try_from(format!("{PREFIX}/users/{name}")) {
            reply.headers_mut().insert(LOCATION, place);
        }
        Ok(reply)
    }

    pub(super) async fn change_user(&self, name: &UserName, mut fields: Fields) -> Answer {
        fields.only(&[
            "email",
            "display_name",
            "groups",
            "password_change_due",
            "disabled",
        ])?;
        let change = UserChange {
            display_name: optional(&mut fields, "display_name", DisplayName::parse)?,
            email: optional(&mut fields, "email", Email::parse)?,
            groups: groups(&mut fields)?,
            password_change_due: fields.given_flag("password_change_due")?,
        };
        let disabled = fields.given_flag("disabled")?;
        let has_change = change.display_name.is_some()
            || change.email.is_some()
            || change.groups.is_some()
            || change.password_change_due.is_some();
        if !has_change && disabled.is_none() {
            return Err(invalid(
                "There is nothing to change: give email, display_name, groups, password_change_due or \
                 disabled.",
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
        self.shown(user).await
    }

    pub(super) async fn set_password(&self, name: &UserName, mut fields: Fields) -> Answer {
        fields.only(&["password", "temporary"])?;
        let user = self.administrator.find_user(name).await;
        let user = user.map_err(refused)?;
        let password = self.new_password(&mut fields, (&user).into())?;
        let hash = self.hash(&password).await?;
        let set = self.administrator.set_password(name, hash).await;
        let user = set.map_err(refused)?;
        Ok(match password.told() {
            None => reply::empty(StatusCode::NO_CONTENT),
            temporary_password => {
                let standing = self.administrator.standing_of(user).await;
                let standing = standing.map_err(refused)?;
                let set = Added {
                    user: UserFacts::from(&standing),
                    temporary_password,
                };
                reply::json(StatusCode::OK, &set)
            }
        })
    }

    /// The one that is given, or a temporary one where that is asked for.
    fn new_password(
        &self,
        fields: &mut Fields,
        owner: Owner<'_>,
    ) -> Result<NewPassword, Box<Problem>> {
        let given = fields.nullable("password")?;
        match (given, fields.given_flag("temporary")?) {
            (Some(Some(password)), None) => {
                let password = Secret::new(password);
                let refused =
                    |error| invalid(format!("The field password cannot be used: {error}."));
                self.rules.check(&password, owner).map_err(refused)?;
                Ok(NewPassword::Given(password))
            }
            (None, Some(true)) => {
                let made = self.administrator.temporary_password(&self.rules);
                Ok(NewPassword::Made(made))
            }
            (None | Some(None), None) => {
                Err(invalid("The field password is missing, or temporary."))
            }
            (None, Some(false)) => Err(invalid("The field temporary can only be true.")),
            (Some(_), Some(_)) => Err(invalid(
                "A temporary password is made here: give either password or temporary.",
            )),
        }
    }

    async fn hash(
        &self,
        password: &NewPassword,
    ) -> Result<(PasswordHash, PasswordTerm), Box<Problem>> {
        let (password, term) = match password {
            NewPassword::Given(password) => (password, PasswordTerm::Lasting),
            NewPassword::Made(made) => (&made.password, made.term()),
        };
        let hash = self.passwords.hash(password.clone()).await;
        let hash = hash.map_err(|_| {
            Box::new(Problem::unavailable(
                "Too many passwords are being hashed at the moment. Please try again.",
            ))
        })?;
        Ok((hash, term))
    }
}

/// Where a new password comes from.
enum NewPassword {
    Given(Secret<String>),
    Made(TemporaryPassword),
}

impl NewPassword {
    /// What the caller must be told, because nobody else knows it.
    fn told(&self) -> Option<&str> {
        match self {
            Self::Given(_) => None,
            Self::Made(made) => Some(made.password.expose()),
        }
    }
}

/// A user, with the password that was made for them.
#[derive(Serialize)]
struct Added<'u> {
    #[serde(flatten)]
    user: UserFacts<'u>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temporary_password: Option<&'u str>,
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
