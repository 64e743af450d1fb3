//! `GET /vestibule/session`: who am I, and for how long?

use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::{Answer, asking, known, session_over, unavailable};
use crate::authenticate::Renewal;
use crate::clock::Timestamp;
use crate::gateway::Gateway;
use crate::identity::{
    DisplayName, Email, GroupName, Identity, Secret, SessionId, UserId, UserName, Visitor,
};
use crate::reply::{self, Problem};
use crate::session::{Delivery, RefreshToken, SessionRow, Verdict, judge};
use crate::store::Loaded;

#[derive(Serialize)]
struct WhoAmI<'a> {
    user: UserFacts<'a>,
    session: SessionFacts,
    /// What pages show to change something, where they are asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<&'a str>,
}

#[derive(Serialize)]
struct UserFacts<'a> {
    id: &'a UserId,
    name: &'a UserName,
    display_name: Option<&'a DisplayName>,
    email: Option<&'a Email>,
    groups: &'a [GroupName],
}

/// Times by our clock, and how many seconds that is from now, for whoever has another.
#[derive(Serialize)]
struct SessionFacts {
    id: String,
    signed_in_at: String,
    /// When the access token ends; `None` where none is good: the next request to an app brings one.
    access_expires_at: Option<String>,
    access_expires_in: u64,
    /// When the session ends if nothing is done.
    expires_at: String,
    expires_in: u64,
    /// When it ends whatever is done.
    absolute_expires_at: String,
    absolute_expires_in: u64,
    provider: &'static str,
}

/// The visitor as apps are told, and their session as the store has it. Extends nothing, and exchanges
/// nothing: a browser whose access cookie has ended is told of its session by the refresh cookie, with
/// which its next request to an app will be renewed.
pub(super) async fn show(gateway: &Gateway, headers: &HeaderMap) -> Answer {
    let (credentials, visitor) = asking(gateway, headers)?;
    let now = gateway.clock.now();
    let visitor = match gateway.authenticator.renewal(credentials, &visitor, now) {
        Renewal::Present(refresh) if !matches!(visitor, Visitor::Known(_)) => {
            let loaded = load(gateway, refresh.session).await?;
            let live = loaded.filter(|loaded| would_be_renewed(gateway, loaded, &refresh));
            if let Some(Loaded {
                row,
                user: Some(user),
                now,
            }) = live
            {
                let identity = Identity::from(&user);
                let token = gateway.csrf.token(row.id);
                let told = facts(&identity, &row, None, now, token.as_ref());
                return Ok(reply::json(StatusCode::OK, &told));
            }
            visitor
        }
        Renewal::Nobody => Visitor::Stranger,
        Renewal::Present(_) | Renewal::Leave => visitor,
    };
    let known = known(gateway, headers, visitor)?;
    let loaded = load(gateway, known.session).await?;
    // Our memory may not have heard of its end yet.
    let live = loaded.filter(Loaded::is_live).ok_or_else(session_over)?;
    let access = Some((known.expires_at, now));
    let token = gateway.csrf.token(known.session);
    let told = facts(&known.identity, &live.row, access, live.now, token.as_ref());
    Ok(reply::json(StatusCode::OK, &told))
}

async fn load(gateway: &Gateway, session: SessionId) -> Result<Option<Loaded>, Box<Problem>> {
    let loaded = gateway.sessions.load(session).await;
    loaded.map_err(|error| unavailable(&error))
}

/// Whether a request to an app would get a new pair for this token. What must end a session ends it
/// when the token is presented, not here.
fn would_be_renewed(gateway: &Gateway, loaded: &Loaded, refresh: &RefreshToken) -> bool {
    let user = loaded.user.as_ref().filter(|user| !user.disabled);
    let epoch = user.map(|user| user.session_epoch);
    let settings = &gateway.config.sessions;
    let verdict = judge(&loaded.row, epoch, refresh, loaded.now, settings);
    let gives = matches!(
        verdict,
        Verdict::Rotate | Verdict::Same | Verdict::Redeliver
    );
    gives && loaded.row.delivery == Delivery::Cookie
}

/// `access`: the end of the access token, and now by the clock that made it; the store has its own.
fn facts<'a>(
    identity: &'a Identity,
    row: &SessionRow,
    access: Option<(Timestamp, Timestamp)>,
    now: Timestamp,
    csrf_token: Option<&'a Secret<String>>,
) -> WhoAmI<'a> {
    let ends = row.expires_at();
    WhoAmI {
        user: UserFacts {
            id: &identity.id,
            name: &identity.name,
            display_name: identity.display_name.as_ref(),
            email: identity.email.as_ref(),
            groups: &identity.groups,
        },
        session: SessionFacts {
            id: row.id.to_string(),
            signed_in_at: row.created_at.to_string(),
            access_expires_at: access.map(|(end, _)| end.to_string()),
            access_expires_in: access.map_or(0, |(end, now)| end.since(now).as_secs()),
            expires_at: ends.to_string(),
            expires_in: ends.since(now).as_secs(),
            absolute_expires_at: row.absolute_expires_at.to_string(),
            absolute_expires_in: row.absolute_expires_at.since(now).as_secs(),
            provider: "local",
        },
        csrf_token: csrf_token.map(|token| token.expose().as_str()),
    }
}
