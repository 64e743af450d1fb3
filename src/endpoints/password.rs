//! `POST /vestibule/password`: a new password, for whoever knows the current one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body::Body;

use super::account::{self, Deed};
use super::body::{self, Fields, Media, invalid};
use super::forged::{FIELD, signed_in_to_change_by_form};
use super::handed_out::handed_out;
use super::too_many::too_many_attempts;
use super::{Answer, caller, read, session_over, to_its_end, too_many_groups, unavailable};
use crate::authenticate::last_token_ends;
use crate::authenticate::refusal::PLAIN_CHALLENGE;
use crate::gateway::Gateway;
use crate::identity::password::PasswordError;
use crate::identity::{Known, Secret};
use crate::login::PasswordChange;
use crate::login::password_change::PasswordChangeError;
use crate::observe::audit::SignInRefusal;
use crate::observe::{Event, Source};
use crate::reply::Problem;
use crate::request::RequestFacts;
use crate::session::Tokens;

/// What somebody typed, or a program sent.
pub(super) struct Attempt {
    current: Secret<String>,
    new: Secret<String>,
}

/// What came of an attempt that could be looked at.
pub(super) enum Outcome {
    /// It is changed: the pair with which the session goes on.
    Changed(Tokens),
    /// The new password is not accepted.
    Refused(PasswordError),
    /// The current password is another.
    WrongPassword,
    /// Nothing was checked: there is no try for so long.
    Throttled(Duration),
}

impl Attempt {
    pub(super) fn of(fields: &mut Fields) -> Result<Self, Box<Problem>> {
        fields.only(&["current_password", "new_password", FIELD])?;
        Ok(Self {
            current: Secret::new(fields.required("current_password")?),
            new: Secret::new(fields.required("new_password")?),
        })
    }
}

/// Changes the visitor's password and ends their other sessions. This one goes on with the new pair
/// of the answer, in the delivery that it was opened with. A person's form is answered with their
/// account page.
pub(super) async fn change<B>(
    gateway: &Gateway,
    facts: &RequestFacts,
    request: Request<B>,
) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
{
    if facts.wants.page && body::media_type(request.headers()) == Some(Media::Form) {
        return account::answer(gateway, facts, Deed::ChangePassword, request).await;
    }
    let (parts, fields) = read(gateway, request).await;
    let mut fields = fields?;
    let known = signed_in_to_change_by_form(gateway, facts, &parts, &mut fields)?;
    let attempt = Attempt::of(&mut fields)?;
    match make(gateway, facts, &parts.headers, &known, attempt).await? {
        Outcome::Changed(tokens) => {
            let now = gateway.clock.now();
            Ok(handed_out(&tokens, &gateway.cookies, now))
        }
        Outcome::Refused(error) => Err(unacceptable(error)),
        Outcome::WrongPassword => Err(wrong_password()),
        Outcome::Throttled(wait) => Err(Box::new(too_many_attempts(wait))),
    }
}

/// Does what was attempted.
pub(super) async fn make(
    gateway: &Gateway,
    facts: &RequestFacts,
    headers: &HeaderMap,
    known: &Known,
    Attempt { current, new }: Attempt,
) -> Result<Outcome, Box<Problem>> {
    let rules = &gateway.config.passwords;
    if let Err(error) = rules.check_change((&current, &new), (&*known.identity).into()) {
        return Ok(Outcome::Refused(error));
    }
    let changer = gateway.password_changer.clone();
    let revocations = Arc::clone(&gateway.revocations);
    let clock = Arc::clone(&gateway.clock);
    let settings = gateway.config.tokens.clone();
    let (user, session) = (known.identity.id.clone(), known.session);
    let caller = caller(gateway, facts, headers);
    let work = async move {
        let outcome = changer.change(session, current, new, &caller).await;
        if let Ok(PasswordChange::Changed { session_epoch, .. }) = &outcome {
            let until = last_token_ends(clock.now(), &settings);
            revocations.end_user(user, *session_epoch, until);
        }
        outcome
    };
    let user = (&*known.identity).into();
    match to_its_end(gateway, work).await? {
        Ok(PasswordChange::Changed { tokens, .. }) => {
            let event = Event::PasswordChanged {
                user,
                session_id: session,
            };
            gateway.audit.tell(&Source::of(facts), event);
            gateway.refresher.note_newest(&tokens);
            Ok(Outcome::Changed(tokens))
        }
        Ok(PasswordChange::WrongPassword) => {
            let event = Event::SignInRefused {
                reason: SignInRefusal::WrongPassword,
                user: Some(user),
            };
            gateway.audit.tell(&Source::of(facts), event);
            Ok(Outcome::WrongPassword)
        }
        Ok(PasswordChange::Throttled(wait)) => Ok(Outcome::Throttled(wait)),
        Ok(PasswordChange::SessionOver) => Err(session_over()),
        Ok(PasswordChange::Busy(_)) => Err(Box::new(Problem::unavailable(
            "Too many people are signing in at the moment. Please try again.",
        ))),
        Err(PasswordChangeError::TooLarge(error)) => Err(too_many_groups(&error)),
        Err(error) => Err(unavailable(&error)),
    }
}

/// 400 for a new password that the rules refuse.
pub(super) fn unacceptable(error: PasswordError) -> Box<Problem> {
    invalid(format!("The new password is refused: {error}."))
}

/// 401 for a current password that is another.
pub(super) fn wrong_password() -> Box<Problem> {
    let problem = Problem::new(
        StatusCode::UNAUTHORIZED,
        "invalid_credentials",
        "The current password is wrong.",
    );
    Box::new(problem.challenged(PLAIN_CHALLENGE))
}
