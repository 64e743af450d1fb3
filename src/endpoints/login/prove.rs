//! Is it them? Checks the password, opens the session, and tells whoever must know at once.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::Attempt;
use super::replace::Replacement;
use crate::authenticate::last_token_ends;
use crate::clock::Clock;
use crate::endpoints::{to_its_end, too_many_groups, unavailable};
use crate::gateway::Gateway;
use crate::identity::password::PasswordError;
use crate::identity::{SessionId, User};
use crate::login::open::OpenError;
use crate::login::{OpenedSession, SignIn};
use crate::observe::audit::{Audit, SignInRefusal};
use crate::observe::{Event, Source};
use crate::reply::Problem;
use crate::request::RequestFacts;
use crate::session::{Revocations, TokenSettings, Tokens};

/// What came of an attempt that could be looked at.
pub(super) enum Outcome {
    /// It is them.
    SignedIn(Tokens),
    /// It is not.
    NotThem,
    /// It is them, and they must choose another password first.
    ChangeDue,
    /// It is them, and the password they chose is refused.
    Unacceptable(PasswordError),
}

/// Checks the password and opens the session.
pub(super) async fn prove(
    gateway: &Gateway,
    facts: &RequestFacts,
    attempt: &Attempt,
) -> Result<Outcome, Box<Problem>> {
    let (login, opener) = (gateway.login.clone(), gateway.opener.clone());
    let username = attempt.username.clone();
    let password = attempt.password.clone();
    let wanted = attempt.wanted.clone();
    let (audit, source) = (gateway.audit.clone(), Source::of(facts));
    let ending = Ending::of(gateway);
    let replacement = Replacement::of(gateway, attempt);
    let work = async move {
        match login.sign_in(&username, password).await? {
            SignIn::Accepted(user) if replacement.is_none() => {
                let replaced = wanted.replaces;
                let opened = opener.open(&user, wanted).await;
                if let Ok(opened) = &opened {
                    ending.end(replaced, &opened.evicted);
                }
                note(&audit, &source, &user, &opened);
                opened.map(|opened| Proved::Opened(opened.tokens))
            }
            SignIn::Accepted(user) | SignIn::ChangeDue(user) => match replacement {
                Some(replacement) => replacement.make(&user, (&audit, &source), &ending).await,
                None => {
                    audit.tell(&source, Event::PasswordChangeRequired((&user).into()));
                    Ok(Proved::ChangeDue)
                }
            },
            SignIn::Refused(reason, user) => {
                let user = user.as_ref().map(Into::into);
                audit.tell(&source, Event::SignInRefused { reason, user });
                Ok(Proved::Refused)
            }
            SignIn::Busy(_) => Ok(Proved::Busy),
        }
    };
    match to_its_end(gateway, work).await? {
        Ok(Proved::Opened(tokens)) => Ok(Outcome::SignedIn(tokens)),
        Ok(Proved::Refused) | Err(OpenError::UserChanged) => Ok(Outcome::NotThem),
        Ok(Proved::ChangeDue) => Ok(Outcome::ChangeDue),
        Ok(Proved::Unacceptable(error)) => Ok(Outcome::Unacceptable(error)),
        Ok(Proved::Busy) => Err(Box::new(Problem::unavailable(
            "Too many people are signing in at the moment. Please try again.",
        ))),
        Err(OpenError::Store(error)) => Err(unavailable(&error)),
        Err(OpenError::TooLarge(error)) => Err(too_many_groups(&error)),
    }
}

/// Writes down what came of the right password.
pub(super) fn note(
    audit: &Audit,
    source: &Source,
    user: &User,
    opened: &Result<OpenedSession, OpenError>,
) {
    let user = user.into();
    match opened {
        Ok(OpenedSession { tokens, evicted }) => {
            let event = Event::SignedIn {
                user,
                session_id: tokens.session,
                delivery: tokens.delivery,
            };
            audit.tell(source, event);
            for session_id in evicted.iter().copied() {
                audit.tell(source, Event::SessionEvicted { user, session_id });
            }
        }
        Err(OpenError::UserChanged) => {
            let (reason, user) = (SignInRefusal::UserChanged, Some(user));
            audit.tell(source, Event::SignInRefused { reason, user });
        }
        // No decision, but failures: the application log has them.
        Err(OpenError::Store(_) | OpenError::TooLarge(_)) => {}
    }
}

/// What came of the work, but for failures.
pub(super) enum Proved {
    Opened(Tokens),
    ChangeDue,
    Unacceptable(PasswordError),
    Refused,
    Busy,
}

/// What this process must know at once of sessions that the store has ended for a new one.
pub(super) struct Ending {
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    tokens: TokenSettings,
    grace: Duration,
}

impl Ending {
    fn of(gateway: &Gateway) -> Self {
        Self {
            revocations: Arc::clone(&gateway.revocations),
            clock: Arc::clone(&gateway.clock),
            tokens: gateway.config.tokens.clone(),
            grace: gateway.config.sessions.grace,
        }
    }

    /// The access tokens of the replaced session stay good for the grace, for what the browser has
    /// already sent; those of the evicted ones end now.
    pub(super) fn end(&self, replaced: Option<SessionId>, evicted: &[SessionId]) {
        let now = self.clock.now();
        if let Some(replaced) = replaced {
            let from = now + self.grace;
            let until = last_token_ends(from, &self.tokens);
            self.revocations.end_session_from(replaced, from, until);
        }
        for id in evicted {
            let until = last_token_ends(now, &self.tokens);
            self.revocations.end_session(*id, until);
        }
    }
    /// The access tokens of all sessions that the user had before this epoch end now.
    pub(super) fn end_before(&self, user: &User, epoch: u64) {
        let until = last_token_ends(self.clock.now(), &self.tokens);
        self.revocations.end_user(user.id.clone(), epoch, until);
    }
}
