//! `GET /vestibule/session`: who am I?

use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::{Answer, session_over, signed_in, unavailable};
use crate::gateway::Gateway;
use crate::identity::{DisplayName, Email, GroupName, Known, UserId, UserName};
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
    let known = signed_in(gateway, headers)?;
    let loaded = gateway.sessions.load(known.session).await;
    let loaded = loaded.map_err(|error| unavailable(&error))?;
    // Our memory may not have heard of its end yet.
    match loaded.filter(Loaded::is_live) {
        Some(Loaded { row, .. }) => Ok(reply::json(StatusCode::OK, &facts(&known, &row))),
        None => Err(session_over()),
    }
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
            expires_at: row.expires_at().to_string(),
            provider: "local",
        },
    }
}
