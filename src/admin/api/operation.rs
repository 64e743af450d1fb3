//! What each operation of the API takes, does and answers.

use std::fmt::Display;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Method, StatusCode};
use serde::Serialize;

use super::path::{Path, Resource};
use super::{Answer, failed};
use crate::admin::{AdminError, Administrator, EndedSession, Reloads, SessionFacts, UserFacts};
use crate::endpoints::body::{Fields, invalid};
use crate::identity::password::PasswordRules;
use crate::identity::{SessionId, User, UserName};
use crate::login::LocalLogin;
use crate::reply::{self, Problem};
use crate::session::key_plan::Refusal;
use crate::session::{KeyPurpose, KeySettings};

/// Describes all of it.
pub(super) const DOCUMENT: &[u8] = include_bytes!("openapi.json");

/// Whoever calls, and what is needed for an answer.
pub(super) struct Call {
    pub(super) administrator: Administrator,
    pub(super) keys: KeySettings,
    pub(super) passwords: LocalLogin,
    pub(super) rules: PasswordRules,
    pub(super) reloads: Reloads,
}

#[derive(Serialize)]
struct Users<'u> {
    users: Vec<UserFacts<'u>>,
}

#[derive(Serialize)]
struct Sessions<'s> {
    sessions: Vec<SessionFacts<'s>>,
}

#[derive(Serialize)]
struct Ended {
    ended: usize,
}

impl Call {
    /// Does it. The method is one that the path allows.
    pub(super) async fn run(
        self,
        method: &Method,
        path: &Path,
        query: Option<&str>,
        fields: Option<Fields>,
    ) -> Answer {
        let parameter = &*path.parameter;
        let query = Query::read(query, path.resource, method)?;
        match (path.resource, method, fields) {
            (Resource::Users, &Method::POST, Some(fields)) => self.add_user(fields).await,
            (Resource::Users, ..) => self.users().await,
            (Resource::User, &Method::PATCH, Some(fields)) => {
                self.change_user(&named(parameter)?, fields).await
            }
            (Resource::User, &Method::DELETE, _) => {
                let removed = self.administrator.remove_user(&named(parameter)?).await;
                removed.map_err(refused)?;
                Ok(reply::empty(StatusCode::NO_CONTENT))
            }
            (Resource::User, ..) => {
                let user = self.administrator.find_user(&named(parameter)?).await;
                self.shown(user.map_err(refused)?).await
            }
            (Resource::Password, _, Some(fields)) => {
                self.set_password(&named(parameter)?, fields).await
            }
            (Resource::Unlock, ..) => {
                let unlocked = self.administrator.unlock_user(&named(parameter)?).await;
                self.shown(unlocked.map_err(refused)?).await
            }
            (Resource::SessionsOfUser, &Method::DELETE, _) => {
                let ended = self.administrator.end_sessions_of(&named(parameter)?).await;
                ended_many(ended)
            }
            (Resource::SessionsOfUser, ..) => self.sessions(Some(named(parameter)?)).await,
            (Resource::Sessions, &Method::DELETE, _) => match query.all {
                true => ended_many(self.administrator.end_all_sessions().await),
                false => Err(invalid(
                    "This would end the sessions of everybody: say ?all=true if you mean it.",
                )),
            },
            (Resource::Sessions, ..) => self.sessions(query.user).await,
            (Resource::Session, ..) => self.end_session(parameter).await,
            (Resource::Keys, ..) => self.keys().await,
            (Resource::Rotation, _, Some(fields)) => self.rotate_keys(fields).await,
            (Resource::Key, ..) => self.revoke_key(parameter, query.purpose).await,
            (Resource::Reload, ..) => self.reload().await,
            (Resource::Document, ..) => Ok(document()),
            (Resource::Password | Resource::Rotation, _, None) => Err(path.wrong_method()),
        }
    }

    async fn reload(&self) -> Answer {
        match self.reloads.ask().await {
            Some(Ok(changes)) => Ok(reply::json(StatusCode::OK, &changes)),
            Some(Err(reason)) => Err(Box::new(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "configuration_refused",
                format!("The old configuration stays in use: {reason}."),
            ))),
            None => Err(Box::new(Problem::unavailable("The gateway is stopping."))),
        }
    }

    /// A user as they stand now.
    pub(super) async fn shown(&self, user: User) -> Answer {
        let standing = self.administrator.standing_of(user).await;
        let standing = standing.map_err(refused)?;
        Ok(reply::json(StatusCode::OK, &UserFacts::from(&standing)))
    }

    async fn users(&self) -> Answer {
        let users = self.administrator.users().await.map_err(refused)?;
        let users = users.iter().map(Into::into).collect();
        Ok(reply::json(StatusCode::OK, &Users { users }))
    }

    async fn sessions(&self, of: Option<UserName>) -> Answer {
        let sessions = self.administrator.live_sessions(of.as_ref()).await;
        let sessions = sessions.map_err(refused)?;
        let sessions = sessions.iter().map(Into::into).collect();
        Ok(reply::json(StatusCode::OK, &Sessions { sessions }))
    }

    async fn end_session(&self, id: &str) -> Answer {
        let over = || not_found("There is no such session, or it is over.");
        let id = SessionId::parse(id).ok_or_else(over)?;
        match self.administrator.end_session(id).await {
            Ok(EndedSession::Ended(_)) => Ok(reply::empty(StatusCode::NO_CONTENT)),
            Ok(EndedSession::WasOver) | Err(AdminError::NoSuchSession(_)) => Err(over()),
            Err(error) => Err(refused(error)),
        }
    }
}

/// What stands behind the question mark.
#[derive(Default)]
struct Query {
    user: Option<UserName>,
    all: bool,
    purpose: Option<KeyPurpose>,
}

impl Query {
    /// Each parameter is taken where it has a meaning, and once.
    fn read(text: Option<&str>, resource: Resource, method: &Method) -> Result<Self, Box<Problem>> {
        let mut query = Self::default();
        let ends = *method == Method::DELETE;
        for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            match (&*name, resource, ends) {
                ("user", Resource::Sessions, false) if query.user.is_none() => {
                    query.user = Some(parsed("user", &value, UserName::parse)?);
                }
                ("all", Resource::Sessions, true) if !query.all => match &*value {
                    "true" => query.all = true,
                    _ => return Err(invalid("The parameter all can only be true.")),
                },
                ("purpose", Resource::Key, true) if query.purpose.is_none() => {
                    query.purpose = Some(super::keys::purpose(&value)?);
                }
                ("user", Resource::Sessions, false)
                | ("all", Resource::Sessions, true)
                | ("purpose", Resource::Key, true) => {
                    return Err(invalid(format!("The parameter {name} came twice.")));
                }
                _ => {
                    let name: String = name.chars().take(32).collect();
                    let name = name.escape_debug();
                    return Err(invalid(format!(
                        "The parameter \"{name}\" is not known here."
                    )));
                }
            }
        }
        Ok(query)
    }
}

/// The user of the path. What is no name is nobody's.
fn named(parameter: &str) -> Result<UserName, Box<Problem>> {
    let name = UserName::parse(parameter).ok();
    let name = name.filter(|_| parameter.trim() == parameter);
    name.ok_or_else(|| not_found("No user is called so."))
}

/// A field in its canonical form. Unlike at the terminal, white space around it is an error.
pub(super) fn parsed<T, E: Display>(
    field: &str,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Box<Problem>> {
    if text.trim() != text {
        return Err(invalid(format!(
            "The field {field} cannot be used: there is white space around it."
        )));
    }
    parse(text).map_err(|error| invalid(format!("The field {field} cannot be used: {error}.")))
}

fn ended_many(ended: Result<usize, AdminError>) -> Answer {
    let ended = ended.map_err(refused)?;
    Ok(reply::json(StatusCode::OK, &Ended { ended }))
}

fn document() -> reply::Reply {
    let media_type = HeaderValue::from_static("application/json");
    reply::own(
        StatusCode::OK,
        Some(media_type),
        Bytes::from_static(DOCUMENT),
    )
}

fn not_found(description: &'static str) -> Box<Problem> {
    Box::new(Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        description,
    ))
}

/// Why it was not done, as the caller is told it.
pub(super) fn refused(error: AdminError) -> Box<Problem> {
    let (status, code) = match &error {
        AdminError::NoSuchUser(_)
        | AdminError::NoSuchSession(_)
        | AdminError::Key(Refusal::Unknown(_) | Refusal::Over(_)) => {
            (StatusCode::NOT_FOUND, "not_found")
        }
        AdminError::NameTaken(_) | AdminError::EmailTaken(_) | AdminError::Key(_) => {
            (StatusCode::CONFLICT, "conflict")
        }
        AdminError::Store(error) => return failed(error),
    };
    Box::new(Problem::new(status, code, format!("Refused: {error}.")))
}
