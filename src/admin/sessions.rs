//! Who is signed in where, and ending that.

use std::collections::HashMap;

use serde::Serialize;

use crate::admin::{AdminError, Administrator};
use crate::identity::{SessionId, User, UserId, UserName};
use crate::observe::{Event, Person};
use crate::session::{RevokeReason, SessionRow};

/// A live session and whose it is.
#[derive(Clone, Debug)]
pub struct LiveSession {
    /// The session.
    pub row: SessionRow,
    /// Whose; `None` if they were removed in this very moment.
    pub user: Option<UserName>,
}

/// What came of ending one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndedSession {
    /// It lived, and was this user's.
    Ended(Option<User>),
    /// It was over already.
    WasOver,
}

/// A session for programs.
#[derive(Serialize)]
pub struct SessionFacts<'s> {
    /// Its id.
    pub id: String,
    /// Whose.
    pub user: Option<&'s str>,
    /// What the person calls the device.
    pub device: Option<&'s str>,
    /// The address it was opened from.
    pub ip: Option<String>,
    /// What the browser or program called itself.
    pub user_agent: Option<&'s str>,
    delivery: &'static str,
    signed_in_at: String,
    /// When it was opened or last refreshed.
    pub last_seen_at: String,
    /// When it ends unless refreshed before.
    pub expires_at: String,
}

impl Administrator {
    /// The live sessions of one user or of all; the last one seen first.
    pub async fn live_sessions(
        &self,
        of: Option<&UserName>,
    ) -> Result<Vec<LiveSession>, AdminError> {
        let of = match of {
            Some(name) => Some(self.find_user(name).await?.id),
            None => None,
        };
        let rows = self.sessions.live(of).await?;
        let users = self.directory.users().await?;
        let names: HashMap<UserId, UserName> =
            users.into_iter().map(|user| (user.id, user.name)).collect();
        let with_name = |row: SessionRow| LiveSession {
            user: names.get(&row.user).cloned(),
            row,
        };
        Ok(rows.into_iter().map(with_name).collect())
    }

    /// Ends one session.
    pub async fn end_session(&self, id: SessionId) -> Result<EndedSession, AdminError> {
        let loaded = self.sessions.load(id).await?;
        let loaded = loaded.ok_or(AdminError::NoSuchSession(id))?;
        let is_live = loaded.is_live();
        self.sessions
            .revoke(id, RevokeReason::Administrator)
            .await?;
        self.end_tokens_of_session(id);
        if !is_live {
            return Ok(EndedSession::WasOver);
        }
        self.note(Event::SessionEnded {
            user: loaded.user.as_ref().map(Person::from),
            session_id: id,
            by: self.by,
        });
        Ok(EndedSession::Ended(loaded.user))
    }

    /// Ends all sessions of a user; says how many lived.
    pub async fn end_sessions_of(&self, name: &UserName) -> Result<usize, AdminError> {
        let user = self.find_user(name).await?;
        let sessions = self.sessions.live(Some(user.id.clone())).await?.len();
        let reason = RevokeReason::Administrator;
        let epoch = self.sessions.revoke_user(user.id.clone(), reason).await?;
        let epoch = epoch.ok_or_else(|| AdminError::NoSuchUser(name.clone()))?;
        self.end_tokens_of_user(user.id.clone(), epoch);
        self.note(Event::SessionsEnded {
            user: (&user).into(),
            sessions,
            by: self.by,
        });
        Ok(sessions)
    }

    /// Ends all sessions of everybody; says how many lived.
    pub async fn end_all_sessions(&self) -> Result<usize, AdminError> {
        let reason = RevokeReason::Administrator;
        let sessions = self.sessions.revoke_all(reason).await?;
        // Where nobody says who they are, the log does a moment later.
        for user in self.directory.users().await.unwrap_or_default() {
            self.end_tokens_of_user(user.id, user.session_epoch);
        }
        self.note(Event::AllSessionsEnded {
            sessions,
            by: self.by,
        });
        Ok(sessions)
    }
}

impl<'s> From<&'s LiveSession> for SessionFacts<'s> {
    fn from(LiveSession { row, user }: &'s LiveSession) -> Self {
        Self {
            id: row.id.to_string(),
            user: user.as_ref().map(UserName::as_str),
            device: row.device.as_deref(),
            ip: row.ip.map(|ip| ip.to_string()),
            user_agent: row.user_agent.as_deref(),
            delivery: row.delivery.as_str(),
            signed_in_at: row.created_at.to_string(),
            last_seen_at: row.last_seen_at.to_string(),
            expires_at: row.expires_at().to_string(),
        }
    }
}
