//! `/vestibule/account`: the page where people look after their sessions and their password.

use bytes::Bytes;
use http::header::HeaderMap;
use http::request::Parts;
use http::{Request, StatusCode};
use http_body::Body;

use super::body::Fields;
use super::forged::{FIELD, sent};
use super::handed_out::{handed_out, set_cookies};
use super::password::{self, Attempt, Outcome, unacceptable, wrong_password};
use super::person::{Person, person};
use super::too_many::too_many_attempts;
use super::{Answer, app_cookies, read, sessions, tell};
use crate::gateway::Gateway;
use crate::identity::Known;
use crate::pages::{AccountPage, Message, Notice};
use crate::reply::{self, Reply};
use crate::request::RequestFacts;
use crate::session::{Delivery, Tokens};

/// What somebody asks of their page.
#[derive(Clone, Copy)]
pub(super) enum Deed {
    /// To see it.
    Show,
    /// To end the session that the form names.
    EndOne,
    /// To end all sessions but this one.
    EndOthers,
    /// To change the password.
    ChangePassword,
}

/// Does it. Each form leads back to the page, which says what came of it.
pub(super) async fn answer<B>(
    gateway: &Gateway,
    facts: &RequestFacts,
    deed: Deed,
    request: Request<B>,
) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
{
    let (parts, fields) = read(gateway, request).await;
    let mut fields = fields?;
    let in_form = fields.text(FIELD)?;
    let sent = sent(facts, &parts.method, &parts.headers, in_form.as_deref());
    let person = person(gateway, facts, &sent, &address(gateway)).await;
    let Person { known, riding } = match person {
        Ok(person) => person,
        Err(answer) => return answer,
    };
    let done = carry_out(gateway, facts, deed, &known, (&parts, fields)).await;
    let mut reply = done.unwrap_or_else(|mut problem| {
        if problem.status == StatusCode::UNAUTHORIZED {
            problem.login_url = Some(gateway.config.server.prefix.sign_in_page(&address(gateway)));
        }
        tell(gateway, facts, &problem)
    });
    if let Some(riding) = riding {
        riding.arrive(gateway, &mut reply);
    }
    Ok(reply)
}

async fn carry_out(
    gateway: &Gateway,
    facts: &RequestFacts,
    deed: Deed,
    known: &Known,
    (request, fields): (&Parts, Fields),
) -> Answer {
    let headers = &request.headers;
    match deed {
        Deed::Show => {
            let notice = notice(request);
            page(gateway, facts, known, StatusCode::OK, notice, None).await
        }
        Deed::EndOne => end_one(gateway, facts, known, headers, fields).await,
        Deed::EndOthers => {
            sessions::end_others(gateway, facts, known).await?;
            Ok(back(gateway, Notice::OthersEnded))
        }
        Deed::ChangePassword => change(gateway, facts, known, headers, fields).await,
    }
}

/// Ends the session that the form names. To end one's own is to sign out.
async fn end_one(
    gateway: &Gateway,
    facts: &RequestFacts,
    known: &Known,
    headers: &HeaderMap,
    mut fields: Fields,
) -> Answer {
    let id = fields.required("session")?;
    let ended = match sessions::end_own(gateway, facts, known, &id).await {
        Ok(ended) => ended,
        // Another page may have ended it before this one was sent.
        Err(problem) if problem.status == StatusCode::NOT_FOUND => {
            return Ok(back(gateway, Notice::Gone));
        }
        Err(problem) => return Err(problem),
    };
    if !sessions::is_in_cookies(gateway, known, ended, headers) {
        return Ok(back(gateway, Notice::SessionEnded));
    }
    let mut reply = reply::go_to(&format!("{}/logout", gateway.config.server.prefix.as_str()));
    set_cookies(&mut reply, gateway.cookies.clear());
    set_cookies(&mut reply, app_cookies::cleared(gateway, facts));
    Ok(reply)
}

/// Changes the password; a refusal shows the page again.
async fn change(
    gateway: &Gateway,
    facts: &RequestFacts,
    known: &Known,
    headers: &HeaderMap,
    mut fields: Fields,
) -> Answer {
    let attempt = Attempt::of(&mut fields)?;
    let (problem, message) = match password::make(gateway, facts, headers, known, attempt).await? {
        Outcome::Changed(tokens) => return Ok(changed(gateway, &tokens)),
        Outcome::Refused(error) => (unacceptable(error), Message::Refused(error)),
        Outcome::WrongPassword => (wrong_password(), Message::WrongCurrent),
        Outcome::Throttled(wait) => (Box::new(too_many_attempts(wait)), Message::Wait(wait)),
    };
    let status = problem.status;
    let mut reply = page(gateway, facts, known, status, None, Some(message)).await?;
    problem.add_headers(&mut reply);
    Ok(reply)
}

/// The new pair goes where the session's pairs go: a page keeps cookies only.
fn changed(gateway: &Gateway, tokens: &Tokens) -> Reply {
    match tokens.delivery {
        Delivery::Cookie => {
            let mut reply = back(gateway, Notice::PasswordChanged);
            set_cookies(&mut reply, gateway.cookies.set(tokens));
            reply
        }
        Delivery::Token | Delivery::Hybrid => {
            handed_out(tokens, &gateway.cookies, gateway.clock.now())
        }
    }
}

async fn page(
    gateway: &Gateway,
    facts: &RequestFacts,
    known: &Known,
    status: StatusCode,
    notice: Option<Notice>,
    message: Option<Message>,
) -> Answer {
    let sessions = sessions::own(gateway, known).await?;
    let csrf_token = gateway.csrf.token(known.session);
    let page = AccountPage {
        identity: &known.identity,
        sessions: &sessions,
        current: known.session,
        now: gateway.clock.now(),
        least: gateway.config.passwords.min_length,
        notice,
        message,
        csrf_token: csrf_token.as_ref(),
    };
    Ok(gateway.pages.account(&facts.reader, status, &page))
}

/// What the address says was done; whatever else it says is nothing, and so is what a link from elsewhere
/// says.
fn notice(request: &Parts) -> Option<Notice> {
    let mut sites = request.headers.get_all("sec-fetch-site").iter();
    if !sites.all(|site| site == "same-origin") {
        return None;
    }
    let mut pairs = form_urlencoded::parse(request.uri.query()?.as_bytes());
    let (_, name) = pairs.find(|(key, _)| key == "done")?;
    Notice::parse(&name)
}

/// To the page, which says what was done.
fn back(gateway: &Gateway, notice: Notice) -> Reply {
    reply::go_to(&format!("{}?done={}", address(gateway), notice.as_str()))
}

fn address(gateway: &Gateway) -> String {
    format!("{}/account", gateway.config.server.prefix.as_str())
}
