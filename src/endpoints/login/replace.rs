//! Signing in with a new password: the one before is replaced and a session opened, in one go.

use super::attempt::Attempt;
use super::prove::{Ending, Outcome, note, signed_in};
use crate::gateway::Gateway;
use crate::identity::password::PasswordRules;
use crate::identity::{Secret, User};
use crate::login::open::OpenError;
use crate::login::{Caller, LocalLogin, OpenSession, Opener};
use crate::observe::Event;

/// A password for another, and what it takes.
pub(super) struct Replacement {
    current: Secret<String>,
    new: Secret<String>,
    wanted: OpenSession,
    rules: PasswordRules,
    login: LocalLogin,
    opener: Opener,
}

impl Replacement {
    /// What the attempt asks for; `None` where the password is to stay.
    pub(super) fn of(gateway: &Gateway, attempt: &Attempt) -> Option<Self> {
        let new = attempt.new_password.clone()?;
        Some(Self {
            current: attempt.password.clone(),
            new,
            wanted: attempt.wanted.clone(),
            rules: gateway.config.passwords.clone(),
            login: gateway.login.clone(),
            opener: gateway.opener.clone(),
        })
    }

    /// Does it for this user, whose current password was right. `None`: too many at once.
    pub(super) async fn make(
        self,
        user: &User,
        caller: &Caller,
        ending: &Ending,
    ) -> Result<Option<Outcome>, OpenError> {
        let passwords = (&self.current, &self.new);
        if let Err(error) = self.rules.check_change(passwords, user.into()) {
            // Whoever guesses must not find out in silence that they were right.
            let event = Event::PasswordChangeRequired(user.into());
            caller.audit.tell(&caller.source, event);
            return Ok(Some(Outcome::Unacceptable(error)));
        }
        let Ok(hash) = self.login.hash(self.new).await else {
            return Ok(None);
        };
        let replaced = self.wanted.replaces;
        let opener = self.opener;
        let opened = opener.open_with_new_password(user, self.wanted, hash).await;
        if let Ok(opened) = &opened {
            ending.end(replaced, &[]);
            ending.end_before(user, opened.tokens.session_epoch);
            let event = Event::PasswordChanged {
                user: user.into(),
                session_id: opened.tokens.session,
            };
            caller.audit.tell(&caller.source, event);
        }
        note(caller, user, &opened);
        Ok(Some(signed_in(&self.login, caller, user, opened?).await))
    }
}
