//! Opens a session for somebody who proved who they are.

use std::net::IpAddr;
use std::sync::Arc;

use thiserror::Error;

use crate::clock::{Clock, Timestamp};
use crate::identity::{PasswordHash, SessionId, User};
use crate::random;
use crate::session::access_token::TooLarge;
use crate::session::{
    Delivery, RefreshToken, SessionRow, SessionSettings, SharedRing, TokenSettings, Tokens, issue,
};
use crate::store::{NewSession, Sessions, StoreError};

/// What the person asked for.
#[derive(Clone, Debug)]
pub struct OpenSession {
    /// Where the tokens go.
    pub delivery: Delivery,
    /// Whether cookies outlive the browser's closing.
    pub remember: bool,
    /// What the person calls the device; at most 64 characters.
    pub device: Option<String>,
    /// Where the request came from, where it is known.
    pub ip: Option<IpAddr>,
    /// What the browser or program calls itself; at most 256 characters.
    pub user_agent: Option<String>,
    /// The session that this browser was signed in with.
    pub replaces: Option<SessionId>,
}

/// An open session.
#[derive(Clone, Debug)]
pub struct OpenedSession {
    /// Its tokens.
    pub tokens: Tokens,
    /// The sessions of the same user that were ended because they were too many.
    pub evicted: Vec<SessionId>,
}

/// Why no session was opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user's groups make the access token too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The user was disabled, removed or changed their password in this very moment.
    #[error("the user was changed meanwhile")]
    UserChanged,
}

/// Opens sessions.
#[derive(Clone)]
pub struct Opener {
    sessions: Arc<dyn Sessions>,
    clock: Arc<dyn Clock>,
    ring: Arc<SharedRing>,
    tokens: TokenSettings,
    settings: SessionSettings,
}

impl Opener {
    /// An opener over this store.
    pub fn new(
        sessions: Arc<dyn Sessions>,
        clock: Arc<dyn Clock>,
        ring: Arc<SharedRing>,
        tokens: TokenSettings,
        settings: SessionSettings,
    ) -> Self {
        Self {
            sessions,
            clock,
            ring,
            tokens,
            settings,
        }
    }

    /// Always a new session id (ASVS 7.2.4).
    pub async fn open(&self, user: &User, wanted: OpenSession) -> Result<OpenedSession, OpenError> {
        let (session, tokens) = self.make(user, wanted).await?;
        match self.sessions.open(session).await? {
            Some(evicted) => Ok(OpenedSession { tokens, evicted }),
            None => Err(OpenError::UserChanged),
        }
    }

    /// The same with a new password, which was found acceptable before: it is set and the session
    /// opened at once or not at all. All others of the user end.
    pub async fn open_with_new_password(
        &self,
        user: &User,
        wanted: OpenSession,
        hash: PasswordHash,
    ) -> Result<OpenedSession, OpenError> {
        let user = User {
            session_epoch: user.session_epoch + 1,
            ..user.clone()
        };
        let (session, tokens) = self.make(&user, wanted).await?;
        let opened = self.sessions.open_with_new_password(session, hash).await?;
        opened.ok_or(OpenError::UserChanged)?;
        Ok(OpenedSession {
            tokens,
            evicted: Vec::new(),
        })
    }

    /// A session that is not kept yet, with its tokens: nothing can fail after it is.
    async fn make(
        &self,
        user: &User,
        mut wanted: OpenSession,
    ) -> Result<(NewSession, Tokens), OpenError> {
        wanted.remember |= self.was_remembered(user, wanted.replaces).await?;
        let now = self.clock.now();
        let id = SessionId::from_bytes(random::bytes());
        let refresh = RefreshToken::first(id, random::bytes());
        let replaces = wanted.replaces;
        let row = self.row(user, wanted, &refresh, now);
        let jti = random::bytes();
        let tokens = issue(
            &row,
            user,
            &refresh,
            now,
            jti,
            &self.tokens,
            &self.ring.now(),
        )?;
        let session = NewSession {
            row,
            replaces,
            most: self.settings.max_per_user,
        };
        Ok((session, tokens))
    }

    /// Whoever signs in again in the same browser, because a route asked for it, stays signed in as
    /// before.
    async fn was_remembered(
        &self,
        user: &User,
        replaced: Option<SessionId>,
    ) -> Result<bool, OpenError> {
        let Some(replaced) = replaced else {
            return Ok(false);
        };
        let loaded = self.sessions.load(replaced).await?;
        let loaded = loaded.filter(|loaded| loaded.is_live() && loaded.row.user == user.id);
        Ok(loaded.is_some_and(|loaded| loaded.row.remember))
    }

    fn row(
        &self,
        user: &User,
        wanted: OpenSession,
        refresh: &RefreshToken,
        now: Timestamp,
    ) -> SessionRow {
        let absolute_expires_at = now + self.settings.absolute_ttl;
        SessionRow {
            id: refresh.session,
            user: user.id.clone(),
            user_epoch: user.session_epoch,
            delivery: wanted.delivery,
            remember: wanted.remember,
            device: wanted.device,
            ip: wanted.ip,
            user_agent: wanted.user_agent,
            created_at: now,
            authenticated_at: now,
            last_seen_at: now,
            generation: refresh.generation,
            current: refresh.hash(),
            previous: None,
            next_key: self.ring.now().next_key(),
            rotated_at: None,
            confirmed_at: None,
            straggler_at: None,
            idle_expires_at: (now + self.settings.idle_ttl).min(absolute_expires_at),
            absolute_expires_at,
            revoked: None,
        }
    }
}
