//! Changes a password from within a session: asks for the current one, ends all other sessions.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::clock::Timestamp;
use crate::identity::{PasswordHash, Secret, SessionId, User};
use crate::login::{Busy, Caller, LocalLogin, SignIn};
use crate::random;
use crate::session::access_token::TooLarge;
use crate::session::{
    RefreshToken, SessionRow, SessionSettings, SharedRing, TokenSettings, Tokens, issue,
};
use crate::store::{Directory, KeptSession, Loaded, Rotation, Sessions, StoreError};

/// How often a lost compare-and-set is tried again.
const TRIES: usize = 3;

/// What came of changing a password.
#[derive(Debug)]
pub enum PasswordChange {
    /// It is changed.
    Changed {
        /// The pair with which the session goes on.
        tokens: Tokens,
        /// The user's new session epoch.
        session_epoch: u64,
    },
    /// The current password is another.
    WrongPassword,
    /// The session is over.
    SessionOver,
    /// Nothing was checked: after so many failures there is no try for so long.
    Throttled(Duration),
    /// Too many hashes at once.
    Busy(Busy),
}

/// Why nothing was changed.
#[derive(Debug, Error)]
pub enum PasswordChangeError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user's groups make the access token too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// Others rotated the session each time we tried.
    #[error("the session was changed by others {TRIES} times in a row")]
    Contended,
    /// The key for the next refresh token is missing.
    #[error("the key that derives the next refresh token is not in the ring")]
    KeyMissing,
}

/// Changes passwords. Run it on the store's runtime: it must not be dropped half-way.
#[derive(Clone)]
pub struct PasswordChanger {
    directory: Arc<dyn Directory>,
    sessions: Arc<dyn Sessions>,
    login: LocalLogin,
    ring: Arc<SharedRing>,
    tokens: TokenSettings,
    settings: SessionSettings,
}

impl PasswordChanger {
    /// Over these users and sessions.
    pub fn new(
        directory: Arc<dyn Directory>,
        sessions: Arc<dyn Sessions>,
        login: LocalLogin,
        ring: Arc<SharedRing>,
        tokens: TokenSettings,
        settings: SessionSettings,
    ) -> Self {
        Self {
            directory,
            sessions,
            login,
            ring,
            tokens,
            settings,
        }
    }

    /// Changes the password of the session's user. `new` was found acceptable before.
    pub async fn change(
        &self,
        session: SessionId,
        current: Secret<String>,
        new: Secret<String>,
        caller: &Caller,
    ) -> Result<PasswordChange, PasswordChangeError> {
        let Some((row, user, _)) = self.live(session).await? else {
            return Ok(PasswordChange::SessionOver);
        };
        let name = user.name.as_str();
        match self.login.sign_in(name, current, caller).await? {
            SignIn::Accepted(_) | SignIn::ChangeDue(_) => {}
            SignIn::Refused(..) => return Ok(PasswordChange::WrongPassword),
            SignIn::Throttled(wait) => return Ok(PasswordChange::Throttled(wait)),
            SignIn::Busy(busy) => return Ok(PasswordChange::Busy(busy)),
        }
        let hash = match self.login.hash(new).await {
            Ok(hash) => hash,
            Err(busy) => return Ok(PasswordChange::Busy(busy)),
        };
        for _ in 0..TRIES {
            if let Some(outcome) = self.try_change(session, row.user_epoch, &hash).await? {
                return Ok(outcome);
            }
        }
        Err(PasswordChangeError::Contended)
    }

    /// One compare-and-set; `None` where a rotation came first. The pair is made before it, so that
    /// nothing can fail after it.
    async fn try_change(
        &self,
        session: SessionId,
        epoch: u64,
        hash: &PasswordHash,
    ) -> Result<Option<PasswordChange>, PasswordChangeError> {
        let Some((row, user, now)) = self.live(session).await? else {
            return Ok(Some(PasswordChange::SessionOver));
        };
        if row.user_epoch != epoch {
            // Changed in this very session meanwhile: what was asked for is not the current one.
            return Ok(Some(PasswordChange::WrongPassword));
        }
        let (next_key, refresh) = {
            let ring = self.ring.now();
            let (next_key, generation) = (ring.next_key(), row.generation);
            let replacement =
                RefreshToken::replacement(row.id, generation, &row.current, next_key, &ring);
            (next_key, replacement)
        };
        let refresh = refresh.ok_or(PasswordChangeError::KeyMissing)?;
        let idle_expires_at = (now + self.settings.idle_ttl).min(row.absolute_expires_at);
        let kept = KeptSession {
            id: row.id,
            rotation: Rotation {
                from_generation: row.generation,
                from: row.current,
                to: refresh.hash(),
                next_key,
                at: now,
                idle_expires_at,
            },
        };
        let row = SessionRow {
            generation: refresh.generation,
            user_epoch: row.user_epoch + 1,
            idle_expires_at,
            ..row
        };
        let id = random::bytes();
        let tokens = issue(
            &row,
            &user,
            &refresh,
            now,
            id,
            &self.tokens,
            &self.ring.now(),
        )?;
        let changed = self
            .directory
            .change_password(user.name, hash.clone(), kept);
        let changed = changed.await?;
        Ok(changed.map(|user| PasswordChange::Changed {
            tokens,
            session_epoch: user.session_epoch,
        }))
    }

    /// The session, if it lives, with its user and the store's time.
    async fn live(
        &self,
        session: SessionId,
    ) -> Result<Option<(SessionRow, User, Timestamp)>, StoreError> {
        let loaded = self.sessions.load(session).await?;
        Ok(loaded
            .filter(Loaded::is_live)
            .and_then(|Loaded { row, user, now }| Some((row, user?, now))))
    }
}
