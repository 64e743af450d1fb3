//! `/vestibule/logout`: the page that asks, and signing out.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{HeaderMap, Request, StatusCode};
use http_body::Body;

use super::app_cookies;
use super::body::Media;
use super::forged::{Cookied, FIELD, refuse_forged, sent};
use super::handed_out::set_cookies;
use super::{Answer, about_body, login_url, read, to_its_end, unavailable};
use crate::authenticate::cookies::CookiePair;
use crate::authenticate::credentials::bearer;
use crate::authenticate::refusal::{missing_token, refused_token};
use crate::authenticate::{credential_problem, last_token_ends};
use crate::gateway::Gateway;
use crate::identity::{Reason, SessionId};
use crate::observe::{Event, Source};
use crate::reply::{self, Problem, Reply};
use crate::request::RequestFacts;
use crate::session::{RefreshToken, RevokeReason};
use crate::store::{Loaded, StoreError};

/// `GET`: asks, and changes nothing. Without our cookies there is nothing to ask: a form that signed
/// out is sent here, too.
pub(super) fn ask(gateway: &Gateway, facts: &RequestFacts, headers: &HeaderMap) -> Reply {
    let pair = gateway.cookies.read(headers);
    if pair == Ok(CookiePair::default()) {
        return gateway.pages.signed_out(&facts.reader);
    }
    let sessions = pair.map_or_else(|_| Vec::new(), |pair| cookied(gateway, pair));
    let session = sessions.first();
    let token = session.and_then(|session| gateway.csrf.token(*session));
    gateway.pages.logout(&facts.reader, token.as_ref())
}

/// `POST`: ends every session that a presented token belongs to; with `everywhere`, and if one of them
/// lives, all of that user. Cookies are cleared only after that.
pub(super) async fn sign_out<B>(
    gateway: &Gateway,
    facts: &RequestFacts,
    request: Request<B>,
) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
{
    let (parts, fields) = read(gateway, request).await;
    let mut fields = fields.map_err(about_body)?;
    fields.only(&["refresh_token", "everywhere", FIELD])?;
    let in_form = fields.text(FIELD)?;
    let everywhere = fields.flag("everywhere")?;
    let in_body = fields.text("refresh_token")?;
    let in_header = bearer(&parts.headers, gateway.config.profile).map_err(credential_problem)?;
    let pair = gateway.cookies.read(&parts.headers);
    let pair = pair.map_err(credential_problem)?;
    let by_cookie = pair != CookiePair::default();
    if by_cookie && in_header.is_none() {
        let sent = sent(facts, &parts.method, &parts.headers, in_form.as_deref());
        let cookied = Cookied {
            sessions: &cookied(gateway, pair),
            known: None,
        };
        refuse_forged(gateway, facts, &sent, cookied)?;
    }

    let presented = [in_header, in_body.as_deref(), pair.refresh, pair.access];
    let sessions = sessions_of(gateway, presented);
    let is_stranger = presented.iter().all(Option::is_none);
    let refusal = match (sessions.is_empty(), everywhere) {
        (true, _) if !is_stranger => Some(refused_token(Reason::Invalid)),
        (true, true) => Some(missing_token()),
        (_, false) => {
            end(gateway, facts, sessions).await?;
            None
        }
        (false, true) => {
            let any = end_everywhere(gateway, facts, sessions).await?;
            (!any).then(|| refused_token(Reason::Revoked))
        }
    };
    let mut reply = match refusal {
        Some(refusal) => {
            let problem = Problem {
                login_url: Some(login_url(gateway)),
                ..refusal
            };
            gateway.pages.problem(&problem, facts.wants, &facts.reader)
        }
        None => signed_out(gateway, fields.media()),
    };
    if by_cookie {
        set_cookies(&mut reply, gateway.cookies.clear());
        set_cookies(&mut reply, app_cookies::cleared(gateway, facts));
    }
    Ok(reply)
}

/// The sessions of the cookies that are authentic.
fn cookied(gateway: &Gateway, pair: CookiePair<'_>) -> Vec<SessionId> {
    sessions_of(gateway, [pair.refresh, pair.access])
}

/// The sessions of all authentic tokens among these, live or over, of either type.
fn sessions_of<const N: usize>(gateway: &Gateway, presented: [Option<&str>; N]) -> Vec<SessionId> {
    let session_of = |text| match RefreshToken::parse(text, &gateway.ring.now()) {
        Ok(token) => Some(token.session),
        Err(_) => {
            let claims = gateway.authenticator.authentic(text);
            claims.ok().map(|claims| claims.session)
        }
    };
    let mut sessions: Vec<SessionId> = presented
        .into_iter()
        .flatten()
        .filter_map(session_of)
        .collect();
    sessions.sort_unstable();
    sessions.dedup();
    sessions
}

/// Ends them in the store, then their access tokens in this process: with the answer they are over.
pub(super) async fn end(
    gateway: &Gateway,
    facts: &RequestFacts,
    sessions: Vec<SessionId>,
) -> Result<(), Box<Problem>> {
    let store = Arc::clone(&gateway.sessions);
    let revocations = Arc::clone(&gateway.revocations);
    let clock = Arc::clone(&gateway.clock);
    let tokens = gateway.config.tokens.clone();
    let (audit, source) = (gateway.audit.clone(), Source::of(facts));
    let work = async move {
        for session in sessions {
            let ended = store.revoke(session, RevokeReason::SignedOut).await?;
            revocations.end_session(session, last_token_ends(clock.now(), &tokens));
            if ended {
                audit.tell(
                    &source,
                    Event::SignedOut {
                        session_id: session,
                    },
                );
            }
        }
        Ok::<(), StoreError>(())
    };
    let ended = to_its_end(gateway, work).await?;
    ended.map_err(|error| unavailable(&error))
}

/// Ends all sessions of everybody who has a live one among these; whether there was any.
async fn end_everywhere(
    gateway: &Gateway,
    facts: &RequestFacts,
    sessions: Vec<SessionId>,
) -> Result<bool, Box<Problem>> {
    let store = Arc::clone(&gateway.sessions);
    let revocations = Arc::clone(&gateway.revocations);
    let clock = Arc::clone(&gateway.clock);
    let tokens = gateway.config.tokens.clone();
    let (audit, source) = (gateway.audit.clone(), Source::of(facts));
    let work = async move {
        let mut users = HashMap::new();
        for session in sessions {
            let loaded = store.load(session).await?.filter(Loaded::is_live);
            let user = loaded.and_then(|loaded| loaded.user);
            users.extend(user.map(|user| (user.id.clone(), user)));
        }
        let any = !users.is_empty();
        for (id, user) in users {
            let reason = RevokeReason::SignedOutEverywhere;
            if let Some(epoch) = store.revoke_user(id.clone(), reason).await? {
                audit.tell(&source, Event::SignedOutEverywhere((&user).into()));
                revocations.end_user(id, epoch, last_token_ends(clock.now(), &tokens));
            }
        }
        Ok::<bool, StoreError>(any)
    };
    let ended = to_its_end(gateway, work).await?;
    ended.map_err(|error| unavailable(&error))
}

/// 204; a form is sent to the page that says so.
fn signed_out(gateway: &Gateway, media: Option<Media>) -> Reply {
    let page = format!("{}/logout", gateway.config.server.prefix.as_str());
    match (media, HeaderValue::try_from(page)) {
        (Some(Media::Form), Ok(page)) => reply::see_other(page),
        _ => reply::empty(StatusCode::NO_CONTENT),
    }
}
