//! Who looks after users and sessions, by which way, and where what they end is over at once.

use std::sync::Arc;

use thiserror::Error;

use crate::authenticate::last_token_ends;
use crate::clock::{Clock, SystemClock};
use crate::gateway::Gateway;
use crate::identity::{Email, SessionId, User, UserId, UserName};
use crate::login::{Defence, Marker};
use crate::observe::{Audit, By, Event, Source};
use crate::session::key_plan::Refusal;
use crate::session::{Revocations, TokenSettings};
use crate::store::key_keeper::KeyKeeper;
use crate::store::keys::KeyStore;
use crate::store::{AccountMark, Defences, Directory, Opened, Sessions, StoreError};

/// Does what the commands and the admin API are for, and writes it down.
pub struct Administrator {
    pub(super) directory: Arc<dyn Directory>,
    pub(super) sessions: Arc<dyn Sessions>,
    pub(super) defences: Arc<dyn Defences>,
    pub(super) keys: KeyStore,
    pub(super) by: By,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) audit: Audit,
    source: Source,
    here: Option<Here>,
}

/// The running gateway, whose memory learns of what ended.
struct Here {
    revocations: Arc<Revocations>,
    keys: Arc<KeyKeeper>,
    tokens: TokenSettings,
    defence: Defence,
}

/// Why something was not done.
#[derive(Debug, Error)]
pub enum AdminError {
    /// Nobody has this name.
    #[error("no user is called {0}")]
    NoSuchUser(UserName),
    /// Somebody has this name already.
    #[error("there is already a user {0}")]
    NameTaken(UserName),
    /// Somebody else has this address.
    #[error("another user has the address {0}: no two users share one")]
    EmailTaken(Email),
    /// There never was such a session, or it was over long ago.
    #[error("there is no session {0}")]
    NoSuchSession(SessionId),
    /// Nothing is done about keys that way.
    #[error(transparent)]
    Key(#[from] Refusal),
    /// Nothing is known about the outcome.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Administrator {
    /// Somebody at the command line. A gateway that runs is another process.
    pub fn at_command_line(store: &Opened, audit: Audit) -> Self {
        Self {
            directory: Arc::clone(&store.directory),
            sessions: Arc::clone(&store.sessions),
            defences: Arc::clone(&store.defences),
            keys: store.keys.clone(),
            by: By::CommandLine,
            clock: Arc::new(SystemClock),
            audit,
            source: Source::default(),
            here: None,
        }
    }

    /// A caller of this gateway's admin API.
    pub fn of_gateway(gateway: &Gateway, source: Source) -> Self {
        Self {
            directory: Arc::clone(&gateway.directory),
            sessions: Arc::clone(&gateway.sessions),
            defences: Arc::clone(&gateway.defences),
            keys: gateway.keys.store().clone(),
            by: By::Api,
            clock: Arc::clone(&gateway.clock),
            audit: gateway.audit.clone(),
            source,
            here: Some(Here {
                revocations: Arc::clone(&gateway.revocations),
                keys: Arc::clone(&gateway.keys),
                tokens: gateway.config.tokens.clone(),
                defence: gateway.login.defence().clone(),
            }),
        }
    }

    /// What accounts are counted by; `None`: nobody has made the keys yet, and nothing was counted.
    pub(super) async fn marker(&self) -> Result<Option<Marker>, StoreError> {
        if let Some(here) = &self.here {
            return Ok(Some(here.defence.marker().clone()));
        }
        let seed = self.keys.seed().await?;
        Ok(seed.map(|seed| Marker::new(seed.key_of_typed_names())))
    }

    pub(super) fn note(&self, event: Event<'_>) {
        self.audit.tell(&self.source, event);
    }

    /// The keys are known from now on, where a gateway runs here.
    pub(super) async fn follow_keys(&self) -> Result<(), AdminError> {
        match &self.here {
            Some(here) => Ok(here.keys.follow().await?),
            None => Ok(()),
        }
    }

    /// The access tokens of this session are refused from now on, where a gateway runs here.
    pub(super) fn end_tokens_of_session(&self, session: SessionId) {
        if let Some(here) = &self.here {
            let until = last_token_ends(self.clock.now(), &here.tokens);
            here.revocations.end_session(session, until);
        }
    }

    /// The same for all sessions of this user that were opened before `epoch`.
    pub(super) fn end_tokens_of_user(&self, user: UserId, epoch: u64) {
        if let Some(here) = &self.here {
            let until = last_token_ends(self.clock.now(), &here.tokens);
            here.revocations.end_user(user, epoch, until);
        }
    }

    /// This account may be tried again at once, where a gateway runs here.
    pub(super) fn forget_failures_of(&self, account: AccountMark) {
        if let Some(here) = &self.here {
            here.defence.unlock(account);
        }
    }

    /// Access tokens that tell of the user as they were before are replaced from now on.
    pub(super) fn outdate_tokens_of(&self, user: &User) {
        if let Some(here) = &self.here {
            let until = last_token_ends(self.clock.now(), &here.tokens);
            let (id, epoch) = (user.id.clone(), user.claims_epoch);
            here.revocations.outdate_user(id, epoch, until);
        }
    }
}
