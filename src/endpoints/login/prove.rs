//! Is it them? Checks the password, opens the session, and tells whoever must know at once.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::attempt::Attempt;
use super::replace::Replacement;
use crate::authenticate::last_token_ends;
use crate::clock::Clock;
use crate::endpoints::{caller, to_its_end, too_many_groups, unavailable};
use crate::gateway::Gateway;
use crate::identity::password::PasswordError;
use crate::identity::{SessionId, User};
use crate::login::open::OpenError;
use crate::login::{Caller, DeviceId, LocalLogin, OpenedSession, SignIn};
use crate::observe::Event;
use crate::observe::audit::SignInRefusal;
use crate::reply::Problem;
use crate::request::RequestFacts;
use crate::session::{Delivery, Revocations, TokenSettings, Tokens};

/// What came of an attempt that could be looked at.
pub(super) enum Outcome {
    /// It is them: their tokens, and what their browser is known by from now on.
    SignedIn(Tokens, Option<DeviceId>),
    /// It is not.
    NotThem,
    /// It is them, and they must choose another password first.
    ChangeDue,
    /// It is them, and the password they chose is refused.
    Unacceptable(PasswordError),
    /// Nothing was checked: there is no try for so long.
    Throttled(Duration),
}

/// Checks the password and opens the session.
pub(super) async fn prove(
    gateway: &Gateway,
    facts: &RequestFacts,
    headers: &HeaderMap,
    attempt: &Attempt,
) -> Result<Outcome, Box<Problem>> {
    let (login, opener) = (gateway.login.clone(), gateway.opener.clone());
    let username = attempt.username.clone();
    let password = attempt.password.clone();
    let wanted = attempt.wanted.clone();
    let caller = caller(gateway, facts, headers);
    let ending = Ending::of(gateway);
    let replacement = Replacement::of(gateway, attempt);
    let work = async move {
        match login.sign_in(&username, password, &caller).await? {
            SignIn::Accepted(user) if replacement.is_none() => {
                let replaced = wanted.replaces;
                let opened = opener.open(&user, wanted).await;
                if let Ok(opened) = &opened {
                    ending.end(replaced, &opened.evicted);
                }
                note(&caller, &user, &opened);
                Ok(Some(signed_in(&login, &caller, &user, opened?).await))
            }
            SignIn::Accepted(user) | SignIn::ChangeDue(user) => match replacement {
                Some(replacement) => replacement.make(&user, &caller, &ending).await,
                None => {
                    let event = Event::PasswordChangeRequired((&user).into());
                    caller.audit.tell(&caller.source, event);
                    Ok(Some(Outcome::ChangeDue))
                }
            },
            SignIn::Refused(reason, user) => {
                let user = user.as_ref().map(Into::into);
                let event = Event::SignInRefused { reason, user };
                caller.audit.tell(&caller.source, event);
                Ok(Some(Outcome::NotThem))
            }
            SignIn::Throttled(wait) => Ok(Some(Outcome::Throttled(wait))),
            SignIn::Busy(_) => Ok(None),
        }
    };
    match to_its_end(gateway, work).await? {
        Ok(Some(outcome)) => Ok(outcome),
        Err(OpenError::UserChanged) => Ok(Outcome::NotThem),
        Ok(None) => {
            let description = "Too many people are signing in at the moment. Please try again.";
            Err(Box::new(
                Problem::unavailable(description).worded("many_sign_ins"),
            ))
        }
        Err(OpenError::Store(error)) => Err(unavailable(&error)),
        Err(OpenError::TooLarge(error)) => Err(too_many_groups(&error)),
    }
}

/// Their tokens, and a name for their browser where it keeps cookies.
pub(super) async fn signed_in(
    login: &LocalLogin,
    caller: &Caller,
    user: &User,
    opened: OpenedSession,
) -> Outcome {
    let device = match opened.tokens.delivery {
        Delivery::Token => None,
        Delivery::Cookie | Delivery::Hybrid => login.remember(caller, user).await,
    };
    Outcome::SignedIn(opened.tokens, device)
}

/// Writes down what came of the right password.
pub(super) fn note(caller: &Caller, user: &User, opened: &Result<OpenedSession, OpenError>) {
    let Caller { audit, source, .. } = caller;
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
