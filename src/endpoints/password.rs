//! `POST /vestibule/password`: a new password, for whoever knows the current one.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Body;

use super::body::{self, invalid};
use super::forged::{FIELD, signed_in_to_change_by_form};
use super::handed_out::handed_out;
use super::too_many::too_many_attempts;
use super::{Answer, caller, session_over, to_its_end, too_many_groups, unavailable};
use crate::authenticate::last_token_ends;
use crate::authenticate::refusal::PLAIN_CHALLENGE;
use crate::gateway::Gateway;
use crate::identity::Secret;
use crate::login::PasswordChange;
use crate::login::password_change::PasswordChangeError;
use crate::observe::audit::SignInRefusal;
use crate::observe::{Event, Source};
use crate::reply::Problem;
use crate::request::RequestFacts;

/// Changes the visitor's password and ends their other sessions. This one goes on with the new pair
/// of the answer, in the delivery that it was opened with.
pub(super) async fn change<B>(
    gateway: &Gateway,
    facts: &RequestFacts,
    request: Request<B>,
) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
{
    let (parts, body) = request.into_parts();
    let patience = gateway.config.server.limits.body_timeout;
    let mut fields = body::read(&parts.headers, body, patience).await?;
    let known = signed_in_to_change_by_form(gateway, facts, &parts, &mut fields)?;
    fields.only(&["current_password", "new_password", FIELD])?;
    let current = Secret::new(fields.required("current_password")?);
    let new = Secret::new(fields.required("new_password")?);
    let rules = &gateway.config.passwords;
    rules
        .check_change((&current, &new), (&*known.identity).into())
        .map_err(|error| invalid(format!("The new password is refused: {error}.")))?;

    let changer = gateway.password_changer.clone();
    let revocations = Arc::clone(&gateway.revocations);
    let clock = Arc::clone(&gateway.clock);
    let settings = gateway.config.tokens.clone();
    let user = known.identity.id.clone();
    let caller = caller(gateway, facts, &parts.headers);
    let work = async move {
        let outcome = changer.change(known.session, current, new, &caller).await;
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
                session_id: known.session,
            };
            gateway.audit.tell(&Source::of(facts), event);
            gateway.refresher.note_newest(&tokens);
            let now = gateway.clock.now();
            Ok(handed_out(&tokens, &gateway.cookies, now))
        }
        Ok(PasswordChange::WrongPassword) => {
            let event = Event::SignInRefused {
                reason: SignInRefusal::WrongPassword,
                user: Some(user),
            };
            gateway.audit.tell(&Source::of(facts), event);
            Err(wrong_password())
        }
        Ok(PasswordChange::Throttled(wait)) => Err(Box::new(too_many_attempts(wait))),
        Ok(PasswordChange::SessionOver) => Err(session_over()),
        Ok(PasswordChange::Busy(_)) => Err(Box::new(Problem::unavailable(
            "Too many people are signing in at the moment. Please try again.",
        ))),
        Err(PasswordChangeError::TooLarge(error)) => Err(too_many_groups(&error)),
        Err(error) => Err(unavailable(&error)),
    }
}

fn wrong_password() -> Box<Problem> {
    let problem = Problem::new(
        StatusCode::UNAUTHORIZED,
        "invalid_credentials",
        "The current password is wrong.",
    );
    Box::new(problem.challenged(PLAIN_CHALLENGE))
}
