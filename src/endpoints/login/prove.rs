//! Is it them? Checks the password, opens the session, and tells whoever must know at once.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::Attempt;
use crate::authenticate::last_token_ends;
use crate::clock::Clock;
use crate::endpoints::{to_its_end, too_many_groups, unavailable};
use crate::gateway::Gateway;
use crate::identity::{SessionId, User};
use crate::login::open::OpenError;
use crate::login::{OpenedSession, SignIn};
use crate::observe::audit::{Audit, SignInRefusal};
use crate::observe::{Event, Source};
use crate::reply::Problem;
use crate::request::RequestFacts;
use crate::session::{Revocations, TokenSettings, Tokens};

/// Checks the password and opens the session; `None` if it is not them.
pub(super) async fn prove(
    gateway: &Gateway,
    facts: &RequestFacts,
    attempt: &Attempt,
) -> Result<Option<Tokens>, Box<Problem>> {
    let (login, opener) = (gateway.login.clone(), gateway.opener.clone());
    let username = attempt.username.clone();
    let password = attempt.password.clone();
    let wanted = attempt.wanted.clone();
    let (audit, source) = (gateway.audit.clone(), Source::of(facts));
    let ending = Ending::of(gateway);
    let work = async move {
        match login.sign_in(&username, password).await? {
            SignIn::Accepted(user) => {
                let replaced = wanted.replaces;
                let opened = opener.open(&user, wanted).await;
                if let Ok(opened) = &opened {
                    ending.end(replaced, &opened.evicted);
                }
                note(&audit, &source, &user, &opened);
                opened.map(|opened| Proved::Opened(opened.tokens))
            }
            SignIn::Refused(reason, user) => {
                let user = user.as_ref().map(Into::into);
                audit.tell(&source, Event::SignInRefused { reason, user });
                Ok(Proved::Refused)
            }
            SignIn::Busy(_) => Ok(Proved::Busy),
        }
    };
    match to_its_end(gateway, work).await? {
        Ok(Proved::Opened(tokens)) => Ok(Some(tokens)),
        Ok(Proved::Refused) | Err(OpenError::UserChanged) => Ok(None),
        Ok(Proved::Busy) => Err(Box::new(Problem::unavailable(
            "Too many people are signing in at the moment. Please try again.",
        ))),
        Err(OpenError::Store(error)) => Err(unavailable(&error)),
        Err(OpenError::TooLarge(error)) => Err(too_many_groups(&error)),
    }
}

/// Writes down what came of the right password.
fn note(audit: &Audit, source: &Source, user: &User, opened: &Result<OpenedSession, OpenError>) {
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

enum Proved {
    Opened(Tokens),
    Refused,
    Busy,
}

/// What this process must know at once of sessions that the store has ended for a new one.
struct Ending {
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
    fn end(&self, replaced: Option<SessionId>, evicted: &[SessionId]) {
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
}
