//! A form that met an ended session: its sender is told, or it is kept until they have signed in again
//! and say that it is to be sent.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, REFERER, SET_COOKIE,
};
use http::request::Parts;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::endpoints::resend;
use crate::gate::Judged;
use crate::gateway::Gateway;
use crate::identity::UserId;
use crate::login::held_forms::{MOST_BYTES, patience};
use crate::login::{FormHead, FormKey};
use crate::policy::{Challenge, Found, Permit, ReturnTo, Route, RouteId, Sent};
use crate::proxy::CallersBody;
use crate::reply::{Problem, Reply, see_other};
use crate::request::RequestFacts;
use crate::session::RefreshToken;

/// The media types of what people type. A third one that forms can have, `text/plain`, is how the page
/// that asks whether to send one again says yes.
const FORMS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];

/// What becomes of a request that is told to sign in first. Whoever sent it from one of our own pages, and
/// looks at what becomes of it, is told that it went nowhere, and how to send it again. Nobody else is:
/// what another site sent is not theirs.
pub(super) fn judge(
    gateway: &Gateway,
    facts: &RequestFacts,
    (id, route): (RouteId, &Route),
    parts: &Parts,
    challenge: Challenge,
    problem: Problem,
) -> Judged {
    let by_person = facts.wants.page && !facts.wants.redirect;
    let by_browser = challenge.is_for_a_browser() && route.accepts.cookie;
    if !by_person || !by_browser || is_from_elsewhere(gateway, facts, parts) {
        return Judged::Refuse(problem);
    }
    let problem = Problem {
        unsent: true,
        ..problem
    };
    let settings = gateway.config.routes.get(id.index());
    let replays = settings.is_some_and(|settings| settings.replay_posts);
    match challenge {
        Challenge::Missing | Challenge::Refused(_) if replays => Judged::Hold(problem),
        // Their session lives.
        Challenge::TooOld { .. } | Challenge::Missing | Challenge::Refused(_) => {
            Judged::Refuse(problem)
        }
    }
}

/// Whether another site may have sent what lives by no session.
fn is_from_elsewhere(gateway: &Gateway, facts: &RequestFacts, parts: &Parts) -> bool {
    let sent = Sent {
        method: &parts.method,
        is_websocket: facts.is_websocket,
        headers: &parts.headers,
        in_form: None,
    };
    gateway.csrf.judge(&sent, facts, &[]).is_err()
}

/// Keeps the form and asks for a sign-in that leads back to it. `None` where it cannot be kept.
pub(super) async fn hold(
    gateway: &Gateway,
    facts: &RequestFacts,
    parts: &Parts,
    body: &mut Incoming,
) -> Option<Reply> {
    let head = head(gateway, facts, parts)?;
    let user = sender(gateway, parts).await?;
    let reading = gateway.held_forms.may_read(&user, facts.answerable())?;
    let patience = patience(head.length).min(gateway.config.server.limits.body_timeout);
    let text = whole(body, head.length, patience).await?;
    let key = gateway.cookies.form_key(&parts.headers);
    let key = key.unwrap_or_else(FormKey::random);
    let now = gateway.clock.now();
    let id = gateway.held_forms.hold(&key, user, &head, text, now);
    drop(reading);
    let prefix = &gateway.config.server.prefix;
    let page = prefix.sign_in_page(&resend::address(prefix, id));
    let mut reply = see_other(HeaderValue::try_from(page).ok()?);
    let cookie = gateway.cookies.set_form_key(&key);
    reply.headers_mut().append(SET_COOKIE, cookie);
    Some(reply)
}

/// What is to be known of the form later; `None` for what is none, or too large, or would not come back
/// to the very same address.
fn head(gateway: &Gateway, facts: &RequestFacts, parts: &Parts) -> Option<FormHead> {
    let text = |name: &HeaderName| {
        let value = parts.headers.get(name).map(HeaderValue::to_str);
        value.transpose().ok().map(|text| text.map(str::to_owned))
    };
    let media_type = text(&CONTENT_TYPE)??;
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let is_form = FORMS.iter().any(|form| essence.eq_ignore_ascii_case(form));
    let length = text(&CONTENT_LENGTH)??.parse().ok()?;
    let target = parts.uri.path_and_query()?.as_str();
    let comes_back = ReturnTo::parse(target, &gateway.config.server.prefix).as_str() == target;
    let is_kept = parts.method == Method::POST
        && is_form
        && length <= MOST_BYTES
        && comes_back
        && !parts.headers.contains_key(CONTENT_ENCODING);
    is_kept.then_some(FormHead {
        target: target.to_owned(),
        host: facts.host.as_ref()?.to_string(),
        media_type,
        referer: text(&REFERER)?,
        length,
    })
}

/// Who was signed in, by the cookies of a session of ours that has ended.
async fn sender(gateway: &Gateway, parts: &Parts) -> Option<UserId> {
    let pair = gateway.cookies.read(&parts.headers).ok()?;
    let access = pair.access;
    let access = access.and_then(|text| gateway.authenticator.authentic(text).ok());
    let refresh = pair.refresh;
    let refresh = refresh.and_then(|text| RefreshToken::parse(text, &gateway.ring.now()).ok());
    match (access, refresh) {
        (Some(access), Some(refresh)) if access.session != refresh.session => None,
        (Some(access), _) => Some(access.identity.id.clone()),
        (None, Some(refresh)) => {
            let loaded = gateway.sessions.load(refresh.session).await;
            Some(loaded.ok()??.row.user)
        }
        (None, None) => None,
    }
}

/// The body, if it has this length and comes in time. The copy is wiped once it is of no use.
async fn whole(
    body: &mut Incoming,
    length: usize,
    patience: Duration,
) -> Option<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    let reading = async {
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.ok()?.into_data() {
                text.extend_from_slice(&data);
            }
        }
        (text.len() == length).then_some(text)
    };
    timeout(patience, reading).await.ok()?
}

/// The whole body of what may be the yes of the page that asks whether to send a form again. It is read
/// before anything is decided: nobody keeps a permit while they keep the body back.
pub(super) async fn read_ahead(
    gateway: &Gateway,
    facts: &RequestFacts,
    parts: &Parts,
    body: &mut Incoming,
) -> Result<Option<Zeroizing<Vec<u8>>>, Box<Problem>> {
    if !may_be_yes(parts) || !keeps_forms(gateway, facts) {
        return Ok(None);
    }
    let patience = gateway.config.server.limits.body_timeout;
    let text = whole(body, resend::YES_LENGTH, patience).await;
    text.map(Some).ok_or_else(cut_short)
}

fn may_be_yes(parts: &Parts) -> bool {
    let is = |name: HeaderName, text: &str| {
        let value = parts.headers.get(name);
        value.is_some_and(|value| value.as_bytes() == text.as_bytes())
    };
    parts.method == Method::POST
        && is(CONTENT_TYPE, "text/plain")
        && is(CONTENT_LENGTH, resend::YES_LENGTH_AS_TEXT)
}

/// Whether forms for this address are kept.
fn keeps_forms(gateway: &Gateway, facts: &RequestFacts) -> bool {
    match gateway.routes.find(facts.host.as_ref(), &facts.path) {
        Found::Route(id) => {
            let settings = gateway.config.routes.get(id.index());
            settings.is_some_and(|settings| settings.replay_posts)
        }
        Found::Own { .. } | Found::Nowhere | Found::Ambiguous | Found::Misdirected => false,
    }
}

/// A permitted request with the body that goes to the app: its own, or that of the kept form in whose
/// place it asks to be sent.
pub(super) fn with_body(
    gateway: &Gateway,
    facts: &RequestFacts,
    permit: &Permit,
    mut parts: Parts,
    (body, ahead): (Incoming, Option<Zeroizing<Vec<u8>>>),
) -> Result<Request<CallersBody>, Box<Problem>> {
    let (Some(known), Some(text)) = (permit.known(), ahead) else {
        return Ok(Request::from_parts(parts, body.into()));
    };
    let Some(id) = resend::read_yes(&text) else {
        let own = CallersBody::Whole(Bytes::from_owner(text));
        return Ok(Request::from_parts(parts, own));
    };
    let fits = |head: &FormHead| {
        let host = facts.host.as_ref().map(ToString::to_string);
        let target = parts.uri.path_and_query();
        target.is_some_and(|target| target.as_str() == head.target)
            && host == Some(head.host.clone())
    };
    // Where the key has gone with its time, so has the form; the app is not to take the yes for one.
    let key = gateway.cookies.form_key(&parts.headers);
    let key = key.ok_or_else(resend::not_kept)?;
    let (user, now) = (&known.identity.id, gateway.clock.now());
    let taken = gateway.held_forms.take(id, &key, user, now, fits);
    let (head, text) = taken.ok_or_else(resend::not_kept)?;
    describe(&mut parts, head).ok_or_else(resend::not_kept)?;
    let form = CallersBody::Whole(Bytes::from_owner(text));
    Ok(Request::from_parts(parts, form))
}

/// Makes the head say what the form's own head said.
fn describe(parts: &mut Parts, form: FormHead) -> Option<()> {
    let headers = &mut parts.headers;
    headers.insert(CONTENT_TYPE, form.media_type.try_into().ok()?);
    headers.insert(CONTENT_LENGTH, form.length.into());
    headers.remove(REFERER);
    if let Some(referer) = form.referer {
        headers.insert(REFERER, referer.try_into().ok()?);
    }
    Some(())
}

fn cut_short() -> Box<Problem> {
    let description = "The request body is incomplete or malformed.";
    Box::new(Problem::invalid_request(description).worded("body"))
}
