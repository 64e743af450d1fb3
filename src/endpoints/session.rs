//! `GET /vestibule/session`: who am I?

use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::{ALL_CREDENTIALS, Answer, login_url, unavailable};
use crate::authenticate::refusal::refused_token;
use crate::authenticate::{challenge_problem, credential_problem, credentials};
use crate::gateway::Gateway;
use crate::identity::{DisplayName, Email, GroupName, Known, Reason, UserId, UserName, Visitor};
use crate::policy::Challenge;
use crate::reply;
use crate::session::SessionRow;
use crate::store::Loaded;

#[derive(Serialize)]
struct WhoAmI<'a> {
    user: UserFacts<'a>,
    session: SessionFacts,
}

#[derive(Serialize)]
struct UserFacts<'a> {
    id: &'a UserId,
    name: &'a UserName,
    display_name: Option<&'a DisplayName>,
    email: Option<&'a Email>,
    groups: &'a [GroupName],
}

#[derive(Serialize)]
struct SessionFacts {
    id: String,
    signed_in_at: String,
    access_expires_at: String,
    expires_at: String,
    provider: &'static str,
}

/// The visitor as apps are told, and their session as the store has it. Extends nothing.
pub(super) async fn show(gateway: &Gateway, headers: &HeaderMap) -> Answer {
    let credentials = credentials(headers, ALL_CREDENTIALS, &gateway.cookies);
    let credentials = credentials.map_err(credential_problem)?;
    let refused = |challenge| Box::new(challenge_problem(challenge, Some(login_url(gateway))));
    let known = match gateway
        .authenticator
        .visitor(credentials, gateway.clock.now())
    {
        Visitor::Known(known) => known,
        Visitor::Stranger => return Err(refused(Challenge::Missing)),
        Visitor::Refused(reason) => return Err(refused(Challenge::Refused(reason))),
    };
    let loaded = gateway.sessions.load(known.session).await;
    let loaded = loaded.map_err(|error| unavailable(&error))?;
    match loaded.filter(is_live) {
        Some(Loaded { row, .. }) => Ok(reply::json(StatusCode::OK, &facts(&known, &row))),
        None => Err(Box::new(refused_token(Reason::Revoked))),
    }
}

/// Whether the store still has the session; our memory may not have heard of its end yet.
fn is_live(Loaded { row, user, now }: &Loaded) -> bool {
    let epoch = user.as_ref().filter(|user| !user.disabled);
    row.revoked.is_none()
        && epoch.is_some_and(|user| user.session_epoch == row.user_epoch)
        && *now < row.absolute_expires_at
}

fn facts<'a>(known: &'a Known, row: &SessionRow) -> WhoAmI<'a> {
    let identity = &known.identity;
    WhoAmI {
        user: UserFacts {
            id: &identity.id,
            name: &identity.name,
            display_name: identity.display_name.as_ref(),
            email: identity.email.as_ref(),
            groups: &identity.groups,
        },
        session: SessionFacts {
            id: known.session.to_string(),
            signed_in_at: row.created_at.to_string(),
            access_expires_at: known.expires_at.to_string(),
            expires_at: row.idle_expires_at.min(row.absolute_expires_at).to_string(),
            provider: "local",
        },
    }
}
