//! `/vestibule/login`: the sign-in page, and signing in from it or from a program.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use http_body::Body;

use super::body::{self, Fields, Media, invalid};
use super::handed_out::{handed_out, set_cookies};
use super::{ALL_CREDENTIALS, Answer, refuse_cross_site, to_its_end, too_many_groups, unavailable};
use crate::authenticate::refusal::PLAIN_CHALLENGE;
use crate::authenticate::{credentials, last_token_ends};
use crate::clock::{Clock, Timestamp};
use crate::gateway::Gateway;
use crate::identity::{Known, Secret, SessionId, User, Visitor};
use crate::login::open::OpenError;
use crate::login::{OpenSession, OpenedSession, SignIn};
use crate::observe::audit::{Audit, SignInRefusal};
use crate::observe::{Event, Source};
use crate::pages::LoginPage;
use crate::policy::{Found, ReturnTo, RevocationCheck, Route};
use crate::reply::{self, Problem, Reply};
use crate::request::{RequestFacts, RequestPath};
use crate::session::{Delivery, RefreshToken, Revocations, TokenSettings, Tokens};

/// The most characters of a device's name.
const LONGEST_DEVICE: usize = 64;

/// The most characters that are kept of what a client calls itself.
const LONGEST_USER_AGENT: usize = 256;

const WRONG: &str = "The name or the password is wrong.";

const TOO_OLD: &str = "You signed in some time ago. To go on, please sign in again.";

/// `GET`: the form; whoever is signed in goes on at once, unless a fresher sign-in is asked for where
/// they go. Cookies that cannot be read are cleared.
pub(super) fn show(gateway: &Gateway, facts: &RequestFacts, request: &Parts) -> Reply {
    let query = request.uri.query().unwrap_or_default();
    let return_to = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "return_to")
        .map(|(_, value)| value);
    let return_to = return_to_of(gateway, return_to.as_deref());
    let credentials = credentials(&request.headers, ALL_CREDENTIALS, &gateway.cookies);
    if let Ok(credentials) = credentials {
        let (check, now) = (RevocationCheck::Local, gateway.clock.now());
        let visitor = gateway.authenticator.visitor(credentials, check, now);
        if let Visitor::Known(known) = visitor {
            if !asks_for_fresher(gateway, facts, &return_to, &known, now) {
                return go_on(&return_to);
            }
            let page = LoginPage {
                return_to: return_to.as_str(),
                username: known.identity.name.as_str(),
                message: Some(TOO_OLD),
                again: true,
            };
            return gateway.pages.login(StatusCode::OK, &page);
        }
    }
    let page = LoginPage {
        return_to: return_to.as_str(),
        ..LoginPage::default()
    };
    let mut reply = gateway.pages.login(StatusCode::OK, &page);
    if credentials.is_err() {
        set_cookies(&mut reply, gateway.cookies.clear());
    }
    reply
}

/// Whether the route of that page asks for a fresher sign-in than theirs.
fn asks_for_fresher(
    gateway: &Gateway,
    facts: &RequestFacts,
    return_to: &ReturnTo,
    known: &Known,
    now: Timestamp,
) -> bool {
    let path = return_to.as_str().split('?').next().unwrap_or_default();
    let Ok(path) = RequestPath::read(path) else {
        return false;
    };
    let Found::Route(id) = gateway.routes.find(facts.host.as_ref(), &path) else {
        return false;
    };
    let asked = |route: &Route| route.asks_for_fresher(known.authenticated_at, now);
    gateway.routes.route(id).and_then(asked).is_some()
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
    let (parts, body) = request.into_parts();
    let patience = gateway.config.server.limits.body_timeout;
    let mut fields = body::read(&parts.headers, body, patience).await?;
    if fields.media() != Some(Media::Json) {
        // JSON needs no such check: other sites cannot send it without a preflight.
        refuse_cross_site(gateway, facts, &parts.method, &parts.headers)?;
    }
    let attempt = Attempt::of(gateway, facts, &parts.headers, &mut fields)?;
    let Some(tokens) = prove(gateway, facts, &attempt).await? else {
        return refused(gateway, &attempt);
    };
    Ok(match &attempt.return_to {
        Some(return_to) => {
            let mut reply = go_on(return_to);
            set_cookies(&mut reply, gateway.cookies.set(&tokens));
            reply
        }
        None => handed_out(&tokens, &gateway.cookies, gateway.clock.now()),
    })
}

/// What somebody typed, or a program sent.
struct Attempt {
    username: String,
    password: Secret<String>,
    wanted: OpenSession,
    /// Where a form leads; `None` for JSON.
    return_to: Option<ReturnTo>,
}

impl Attempt {
    fn of(
        gateway: &Gateway,
        facts: &RequestFacts,
        headers: &HeaderMap,
        fields: &mut Fields,
    ) -> Result<Self, Box<Problem>> {
        fields.only(&["username", "password", "remember", "device", "delivery"])?;
        let is_form = fields.media() == Some(Media::Form);
        let (delivery, return_to) = if is_form {
            let return_to = fields.text("return_to")?;
            let return_to = return_to_of(gateway, return_to.as_deref());
            (Delivery::Cookie, Some(return_to))
        } else {
            (delivery(fields.text("delivery")?)?, None)
        };
        Ok(Self {
            username: fields.required("username")?,
            password: Secret::new(fields.required("password")?),
            wanted: OpenSession {
                delivery,
                remember: fields.flag("remember")?,
                device: device(fields.text("device")?)?,
                ip: facts.client,
                user_agent: user_agent(headers),
                replaces: match delivery {
                    Delivery::Token => None,
                    Delivery::Cookie | Delivery::Hybrid => replaced(gateway, headers),
                },
            },
            return_to,
        })
    }
}

fn delivery(text: Option<String>) -> Result<Delivery, Box<Problem>> {
    text.map_or(Some(Delivery::Token), |text| Delivery::parse(&text))
        .ok_or_else(|| invalid("The field delivery must be token, cookie or hybrid."))
}

fn device(text: Option<String>) -> Result<Option<String>, Box<Problem>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let name = text.trim();
    if name.chars().count() > LONGEST_DEVICE || name.chars().any(char::is_control) {
        return Err(invalid(
            "The field device must have at most 64 characters and no control characters.",
        ));
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

/// What the client calls itself, as it may be shown to people: without control characters, cut off.
fn user_agent(headers: &HeaderMap) -> Option<String> {
    let name = String::from_utf8_lossy(headers.get(USER_AGENT)?.as_bytes());
    let shown = name.trim().chars().filter(|c| !c.is_control());
    let shown: String = shown.take(LONGEST_USER_AGENT).collect();
    (!shown.is_empty()).then_some(shown)
}

/// Checks the password and opens the session; `None` if it is not them.
async fn prove(
    gateway: &Gateway,
    facts: &RequestFacts,
    attempt: &Attempt,
) -> Result<Option<Tokens>, Box<Problem>> {
    let (login, opener) = (gateway.login.clone(), gateway.opener.clone());
    let username = attempt.username.clone();
    let password = attempt.password.clone();
    let wanted = attempt.wanted.clone();
    let (audit, source) = (gateway.audit.clone(), Source::of(facts));
    let ending = Ending::of(gateway);
    let work = async move {
        match login.sign_in(&username, password).await? {
            SignIn::Accepted(user) => {
                let replaced = wanted.replaces;
                let opened = opener.open(&user, wanted).await;
                if let Ok(opened) = &opened {
                    ending.end(replaced, &opened.evicted);
                }
                note(&audit, &source, &user, &opened);
                opened.map(|opened| Proved::Opened(opened.tokens))
            }
            SignIn::Refused(reason, user) => {
                let user = user.as_ref().map(Into::into);
                audit.tell(&source, Event::SignInRefused { reason, user });
                Ok(Proved::Refused)
            }
            SignIn::Busy(_) => Ok(Proved::Busy),
        }
    };
    match to_its_end(gateway, work).await? {
        Ok(Proved::Opened(tokens)) => Ok(Some(tokens)),
        Ok(Proved::Refused) | Err(OpenError::UserChanged) => Ok(None),
        Ok(Proved::Busy) => Err(Box::new(Problem::unavailable(
            "Too many people are signing in at the moment. Please try again.",
        ))),
        Err(OpenError::Store(error)) => Err(unavailable(&error)),
        Err(OpenError::TooLarge(error)) => Err(too_many_groups(&error)),
    }
}

/// Writes down what came of the right password.
fn note(audit: &Audit, source: &Source, user: &User, opened: &Result<OpenedSession, OpenError>) {
    let user = user.into();
    match opened {
        Ok(OpenedSession { tokens, evicted }) => {
            let event = Event::SignedIn {
                user,
                session_id: tokens.session,
                delivery: tokens.delivery,
            };
            audit.tell(source, event);
            for session_id in evicted.iter().copied() {
                audit.tell(source, Event::SessionEvicted { user, session_id });
            }
        }
        Err(OpenError::UserChanged) => {
            let (reason, user) = (SignInRefusal::UserChanged, Some(user));
            audit.tell(source, Event::SignInRefused { reason, user });
        }
        // No decision, but failures: the application log has them.
        Err(OpenError::Store(_) | OpenError::TooLarge(_)) => {}
    }
}

enum Proved {
    Opened(Tokens),
    Refused,
    Busy,
}

/// The same answer for an unknown name, a wrong password and a disabled user.
fn refused(gateway: &Gateway, attempt: &Attempt) -> Answer {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "invalid_credentials", WRONG)
        .challenged(PLAIN_CHALLENGE);
    let Some(return_to) = &attempt.return_to else {
        return Err(Box::new(problem));
    };
    let page = LoginPage {
        return_to: return_to.as_str(),
        username: &attempt.username,
        message: Some(WRONG),
        again: false,
    };
    let mut reply = gateway.pages.login(problem.status, &page);
    problem.add_headers(&mut reply);
    Ok(reply)
}

/// The session whose cookies the new ones replace.
fn replaced(gateway: &Gateway, headers: &HeaderMap) -> Option<SessionId> {
    let pair = gateway.cookies.read(headers).ok()?;
    let old = RefreshToken::parse(pair.refresh?, &gateway.ring).ok()?;
    Some(old.session)
}

/// What this process must know at once of sessions that the store has ended for a new one.
struct Ending {
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    tokens: TokenSettings,
    grace: Duration,
}

impl Ending {
    fn of(gateway: &Gateway) -> Self {
        Self {
            revocations: Arc::clone(&gateway.revocations),
            clock: Arc::clone(&gateway.clock),
            tokens: gateway.config.tokens.clone(),
            grace: gateway.config.sessions.grace,
        }
    }

    /// The access tokens of the replaced session stay good for the grace, for what the browser has
    /// already sent; those of the evicted ones end now.
    fn end(&self, replaced: Option<SessionId>, evicted: &[SessionId]) {
        let now = self.clock.now();
        if let Some(replaced) = replaced {
            let from = now + self.grace;
            let until = last_token_ends(from, &self.tokens);
            self.revocations.end_session_from(replaced, from, until);
        }
        for id in evicted {
            let until = last_token_ends(now, &self.tokens);
            self.revocations.end_session(*id, until);
        }
    }
}

fn return_to_of(gateway: &Gateway, text: Option<&str>) -> ReturnTo {
    ReturnTo::parse(text.unwrap_or("/"), &gateway.config.server.prefix)
}

fn go_on(return_to: &ReturnTo) -> Reply {
    let location = HeaderValue::from_str(return_to.as_str());
    reply::see_other(location.unwrap_or_else(|_| HeaderValue::from_static("/")))
}
