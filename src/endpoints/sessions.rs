//! `/vestibule/sessions`: where am I signed in? And ending one of these sessions, or all others.

use std::net::IpAddr;

use http::{HeaderMap, Method, StatusCode};
use serde::Serialize;

use super::app_cookies;
use super::forged::signed_in_to_change;
use super::handed_out::set_cookies;
use super::logout::end;
use super::{Answer, not_found, session_over, signed_in, unavailable};
use crate::gateway::Gateway;
use crate::identity::{Known, Proof, SessionId};
use crate::reply::{self, Problem};
use crate::request::RequestFacts;
use crate::session::{RefreshToken, SessionRow};

#[derive(Serialize)]
struct Listing<'a> {
    sessions: Vec<SessionFacts<'a>>,
}

#[derive(Serialize)]
struct SessionFacts<'a> {
    id: String,
    current: bool,
    device: Option<&'a str>,
    ip: Option<IpAddr>,
    user_agent: Option<&'a str>,
    signed_in_at: String,
    last_seen_at: String,
    expires_at: String,
}

/// `GET`: the visitor's live sessions, the last one seen first. Extends nothing.
pub(super) async fn list(gateway: &Gateway, headers: &HeaderMap) -> Answer {
    let known = signed_in(gateway, headers)?;
    let rows = own(gateway, &known).await?;
    let sessions = rows.iter().map(|row| facts(row, known.session)).collect();
    Ok(reply::json(StatusCode::OK, &Listing { sessions }))
}

/// `DELETE`: ends one of the visitor's sessions, at once. Those of others do not exist for them.
pub(super) async fn end_one(
    gateway: &Gateway,
    facts: &RequestFacts,
    id: &str,
    headers: &HeaderMap,
) -> Answer {
    let known = signed_in_to_change(gateway, facts, &Method::DELETE, headers)?;
    let id = end_own(gateway, facts, &known, id).await?;
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    if is_in_cookies(gateway, &known, id, headers) {
        set_cookies(&mut reply, gateway.cookies.clear());
        set_cookies(&mut reply, app_cookies::cleared(gateway, facts));
    }
    Ok(reply)
}

/// `DELETE` of all: ends all sessions of the visitor but the one that asks, at once.
pub(super) async fn end_rest(
    gateway: &Gateway,
    facts: &RequestFacts,
    headers: &HeaderMap,
) -> Answer {
    let known = signed_in_to_change(gateway, facts, &Method::DELETE, headers)?;
    end_others(gateway, facts, &known).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// Ends the visitor's session of this id and gives the id; 404 where they have none such.
pub(super) async fn end_own(
    gateway: &Gateway,
    facts: &RequestFacts,
    known: &Known,
    id: &str,
) -> Result<SessionId, Box<Problem>> {
    let rows = own(gateway, known).await?;
    let id = SessionId::parse(id).filter(|id| rows.iter().any(|row| row.id == *id));
    let id = id.ok_or_else(not_found)?;
    end(gateway, facts, vec![id]).await?;
    Ok(id)
}

/// Ends all of the visitor's sessions but this one.
pub(super) async fn end_others(
    gateway: &Gateway,
    facts: &RequestFacts,
    known: &Known,
) -> Result<(), Box<Problem>> {
    let rows = own(gateway, known).await?;
    let ids = rows.iter().map(|row| row.id);
    let others = ids.filter(|id| *id != known.session).collect();
    end(gateway, facts, others).await
}

/// The visitor's live sessions, the last one seen first, theirs among them.
pub(super) async fn own(gateway: &Gateway, known: &Known) -> Result<Vec<SessionRow>, Box<Problem>> {
    let rows = gateway.sessions.live(Some(known.identity.id.clone())).await;
    let rows = rows.map_err(|error| unavailable(&error))?;
    if rows.iter().any(|row| row.id == known.session) {
        Ok(rows)
    } else {
        Err(session_over())
    }
}

/// Whether the cookies of this request belong to the session.
pub(super) fn is_in_cookies(
    gateway: &Gateway,
    known: &Known,
    id: SessionId,
    headers: &HeaderMap,
) -> bool {
    let pair = gateway.cookies.read(headers).unwrap_or_default();
    let refresh = pair
        .refresh
        .map(|text| RefreshToken::parse(text, &gateway.ring.now()));
    match refresh {
        Some(Ok(token)) => token.session == id,
        Some(Err(_)) | None => known.proof == Proof::Cookie && known.session == id,
    }
}

fn facts(row: &SessionRow, current: SessionId) -> SessionFacts<'_> {
    SessionFacts {
        id: row.id.to_string(),
        current: row.id == current,
        device: row.device.as_deref(),
        ip: row.ip,
        user_agent: row.user_agent.as_deref(),
        signed_in_at: row.created_at.to_string(),
        last_seen_at: row.last_seen_at.to_string(),
        expires_at: row.expires_at().to_string(),
    }
}
