//! `/vestibule/login`: the sign-in page, and signing in from it or from a program.

mod arrival;
mod attempt;
mod patience;
mod prove;
mod replace;

use bytes::Bytes;
use http::header::ORIGIN;
use http::request::Parts;
use http::{Request, StatusCode};
use http_body::Body;
use tokio::time::Instant;

use self::arrival::Arrival;
use self::attempt::Attempt;
use self::patience::hold_back;
use self::prove::{Outcome, prove};
use super::body::Media;
use super::forged::refuse_cross_site;
use super::handed_out::{handed_out, set_cookies};
use super::password::unacceptable;
use super::too_many::too_many_attempts;
use super::{ALL_CREDENTIALS, Answer, app_cookies, lives, read, resend, unavailable};
use crate::authenticate::refusal::PLAIN_CHALLENGE;
use crate::authenticate::{CredentialError, Credentials, credential_problem, credentials};
use crate::gateway::Gateway;
use crate::identity::{Known, Visitor};
use crate::login::held_forms::KEPT_FOR;
use crate::pages::{LoginPage, Message};
use crate::policy::{Accepts, Found, ReturnTo, RevocationCheck, Route};
use crate::reply::{self, Problem, Reply};
use crate::request::{RequestFacts, RequestPath};
use crate::session::Delivery;

const WRONG: &str = "The name or the password is wrong.";

const CHANGE_DUE: &str = "This password must be changed before you can sign in: send this request \
                          again with a new_password.";

/// What the address of the sign-in page says where a cookie of ours came twice on the way to an app.
pub const TWICE: (&str, &str) = ("after", "twice");

/// What browsers sign in with.
const COOKIES_ALONE: Accepts = Accepts {
    header: false,
    cookie: true,
};

/// `GET`: the form; whoever is signed in goes on at once, unless they would be sent back. Cookies that
/// cannot be told apart are cleared; too many are not, or other sites that can set some could sign
/// people out.
pub(super) async fn show(gateway: &Gateway, facts: &RequestFacts, request: &Parts) -> Answer {
    let return_to = asked_return_to(gateway, request);
    let arrival = Arrival::of(request.uri.query().unwrap_or_default());
    if let Arrival::SignedIn = arrival {
        return arrival::look(gateway, facts, &request.headers, &return_to);
    }
    let route = route_of(gateway, facts, &return_to);
    let accepts = Accepts {
        header: route.is_none_or(|route| route.accepts.header),
        ..ALL_CREDENTIALS
    };
    let profile = gateway.config.profile;
    let credentials = credentials(&request.headers, accepts, &gateway.cookies, profile);
    let message = matches!(arrival, Arrival::Twice).then_some(Message::CameTwice);
    if let Some(known) = known(gateway, credentials) {
        if message.is_some() {
            return Ok(arrival::twice(gateway, facts, &return_to, Vec::new()));
        }
        if let Some(reply) = go_on_or_again(gateway, facts, route, &return_to, &known).await? {
            return Ok(reply);
        }
    }
    let kept =
        resend::is_asked_about(gateway, return_to.as_str()).then_some(Message::Kept(KEPT_FOR));
    let page = LoginPage {
        return_to: return_to.as_str(),
        message: message.or(kept),
        ..LoginPage::default()
    };
    let mut reply = gateway.pages.login(&facts.reader, StatusCode::OK, &page);
    match credentials {
        Err(CredentialError::Ambiguous(_)) => set_cookies(&mut reply, gateway.cookies.clear()),
        Err(error @ CredentialError::TooLarge) => return Err(Box::new(credential_problem(error))),
        Err(CredentialError::Several(_) | CredentialError::Malformed(_)) | Ok(_) => {}
    }
    if message.is_some() {
        set_cookies(&mut reply, arrival::along(gateway, &return_to));
    }
    Ok(reply)
}

/// Who is signed in by these, as memory has it.
fn known(
    gateway: &Gateway,
    credentials: Result<Credentials<'_>, CredentialError>,
) -> Option<Known> {
    let (check, now) = (RevocationCheck::Local, gateway.clock.now());
    let visitor = gateway.authenticator.visitor(credentials.ok()?, check, now);
    match visitor {
        Visitor::Known(known) => Some(known),
        Visitor::Stranger | Visitor::Refused(_) | Visitor::Unchecked => None,
    }
}

/// Sends somebody who is signed in on, unless the route would send them back: it asks for a fresher
/// sign-in, or asks the store (`None`: by which the session is over).
async fn go_on_or_again(
    gateway: &Gateway,
    facts: &RequestFacts,
    route: Option<&Route>,
    return_to: &ReturnTo,
    known: &Known,
) -> Result<Option<Reply>, Box<Problem>> {
    if route.is_some_and(|route| route.revocation == RevocationCheck::Strict) {
        let lives = lives(gateway, known).await;
        if !lives.map_err(|error| unavailable(&error))? {
            return Ok(None);
        }
    }
    let now = gateway.clock.now();
    let asked = |route: &Route| route.asks_for_fresher(known.authenticated_at, now);
    if route.and_then(asked).is_none() {
        return Ok(Some(go_on(return_to)));
    }
    let page = LoginPage {
        return_to: return_to.as_str(),
        username: known.identity.name.as_str(),
        message: Some(Message::TooOld),
        again: true,
        ..LoginPage::default()
    };
    Ok(Some(gateway.pages.login(
        &facts.reader,
        StatusCode::OK,
        &page,
    )))
}

/// The route of that page.
fn route_of<'a>(
    gateway: &'a Gateway,
    facts: &RequestFacts,
    return_to: &ReturnTo,
) -> Option<&'a Route> {
    let path = return_to.as_str().split(['?', '#']).next();
    let path = RequestPath::read(path.unwrap_or_default()).ok()?;
    match gateway.routes.find(facts.host.as_ref(), &path) {
        Found::Route(id) => gateway.routes.route(id),
        Found::Own { .. } | Found::Nowhere | Found::Ambiguous | Found::Misdirected => None,
    }
}

/// `POST`: signs in. A form gets cookies and is sent on; JSON gets what it asks for.
pub(super) async fn sign_in<B>(
    gateway: &Gateway,
    facts: &RequestFacts,
    request: Request<B>,
) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
{
    let (parts, fields) = read(gateway, request).await;
    let mut fields = fields?;
    if fields.media() != Some(Media::Json) {
        // JSON needs no such check: other sites cannot send it without a preflight.
        let checked = refuse_cross_site(gateway, facts, &parts.method, &parts.headers);
        let wrong_scheme = || arrival::wrong_scheme(gateway, facts, &parts.headers);
        checked.map_err(|problem| wrong_scheme().unwrap_or(problem))?;
    }
    let attempt = Attempt::of(gateway, facts, &parts.headers, &mut fields)?;
    if attempt.wanted.delivery != Delivery::Token && parts.headers.contains_key(ORIGIN) {
        // An origin that may read our answers has had its preflight granted.
        refuse_cross_site(gateway, facts, &parts.method, &parts.headers)?;
    }
    // From here on: a body that comes late must not use the time up.
    let begun = Instant::now();
    let (tokens, device) = match prove(gateway, facts, &parts.headers, &attempt).await? {
        Outcome::SignedIn(tokens, device) => (tokens, device),
        Outcome::NotThem => {
            hold_back(begun, gateway.config.login.min_duration).await;
            return refused(gateway, facts, &attempt, not_them(), Message::Wrong);
        }
        Outcome::Throttled(wait) => {
            let problem = too_many_attempts(wait);
            return refused(gateway, facts, &attempt, problem, Message::Wait(wait));
        }
        Outcome::ChangeDue => {
            return refused(gateway, facts, &attempt, change_due(), Message::ChangeDue);
        }
        Outcome::Unacceptable(error) => {
            let problem = *unacceptable(error);
            return refused(gateway, facts, &attempt, problem, Message::Refused(error));
        }
    };
    let mut reply = match &attempt.return_to {
        Some(return_to) => {
            let mut reply = match attempt.check_cookies {
                true => arrival::check(gateway, return_to),
                false => go_on(return_to),
            };
            set_cookies(&mut reply, gateway.cookies.set(&tokens));
            reply
        }
        None => handed_out(&tokens, &gateway.cookies, gateway.clock.now()),
    };
    let device = device.map(|device| gateway.cookies.set_device(&device));
    set_cookies(&mut reply, device);
    set_cookies(&mut reply, gateway.cookies.clear_former(&parts.headers));
    let of_others = app_cookies::cleared_for_another(gateway, facts, &attempt.wanted, &tokens);
    set_cookies(&mut reply, of_others.await);
    Ok(reply)
}

/// The same answer for an unknown name, a wrong password and a disabled user.
fn not_them() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "invalid_credentials", WRONG).challenged(PLAIN_CHALLENGE)
}

/// Whoever gets this knows the password.
fn change_due() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "password_change_required",
        CHANGE_DUE,
    )
}

/// The problem for a program, the page again for a person. It asks for a new password where that is
/// due, and where one was given: what it shows to others does not depend on the user.
fn refused(
    gateway: &Gateway,
    facts: &RequestFacts,
    attempt: &Attempt,
    problem: Problem,
    message: Message,
) -> Answer {
    let Some(return_to) = &attempt.return_to else {
        return Err(Box::new(problem));
    };
    let is_due = message == Message::ChangeDue;
    let page = LoginPage {
        return_to: return_to.as_str(),
        username: &attempt.username,
        message: Some(message),
        again: false,
        remember: attempt.wanted.remember,
        new_password: (is_due || attempt.new_password.is_some())
            .then_some(gateway.config.passwords.min_length),
    };
    let mut reply = gateway.pages.login(&facts.reader, problem.status, &page);
    problem.add_headers(&mut reply);
    Ok(reply)
}

/// Where the address says to go on; nowhere in particular where it says two things.
fn asked_return_to(gateway: &Gateway, request: &Parts) -> ReturnTo {
    let query = request.uri.query().unwrap_or_default();
    let pairs = form_urlencoded::parse(query.as_bytes());
    let mut asked = pairs
        .filter(|(name, _)| name == "return_to")
        .map(|(_, value)| value);
    let first = asked.next();
    let agree = asked.all(|other| Some(other) == first);
    return_to_of(gateway, first.as_deref().filter(|_| agree))
}

fn return_to_of(gateway: &Gateway, text: Option<&str>) -> ReturnTo {
    ReturnTo::parse(text.unwrap_or("/"), &gateway.config.server.prefix)
}

fn go_on(return_to: &ReturnTo) -> Reply {
    reply::go_to(return_to.as_str())
}
