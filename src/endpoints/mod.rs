//! What vestibule answers itself: one file an endpoint, and what several of them share.

mod account;
mod app_cookies;
mod assets;
pub mod body;
mod forged;
mod handed_out;
mod jwks;
mod lives;
mod login;
mod logout;
mod password;
mod person;
mod refresh;
pub mod renewing;
pub mod resend;
mod session;
mod sessions;
#[cfg(test)]
mod tests;
mod too_many;

use std::error::Error;
use std::future::Future;

use bytes::Bytes;
use http::header::CONTENT_LANGUAGE;
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body::Body;

use self::account::Deed;
use self::body::Fields;
use self::handed_out::set_cookies;
use crate::authenticate::refusal::{absence, refused_token, unchecked_problem};
use crate::authenticate::{
    Credentials, bearer, challenge_problem, credential_problem, credentials,
};
use crate::gateway::Gateway;
use crate::identity::{Known, Reason, Visitor};
use crate::login::Caller;
use crate::observe::Source;
use crate::policy::{Accepts, Challenge, RevocationCheck};
use crate::reply::{self, Detail, Problem, Reply};
use crate::request::{LanguageTag, RequestFacts};
use crate::session::access_token::TooLarge;

pub use lives::lives;
pub use login::TWICE;

/// An endpoint's answer, or why it refuses.
type Answer = Result<Reply, Box<Problem>>;

/// Our own endpoints take every kind of credential.
const ALL_CREDENTIALS: Accepts = Accepts {
    header: true,
    cookie: true,
};

/// Answers a request under our own prefix. `rest` is the path after the prefix, such as `/login`.
pub async fn answer<B>(
    gateway: &Gateway,
    facts: &RequestFacts,
    rest: &str,
    request: Request<B>,
) -> Reply
where
    B: Body<Data = Bytes> + Unpin,
{
    if facts.is_preflight {
        return reply::empty(StatusCode::NO_CONTENT);
    }
    let language = chosen_language(gateway, request.uri());
    if language.is_none() && !facts.wants.redirect {
        return told(gateway, facts, rest, request).await;
    }
    let mut reader = facts.reader.clone();
    if facts.wants.redirect {
        reader = reader.asking(request.uri().query().unwrap_or_default());
    }
    if let Some(language) = &language {
        reader = reader.choosing(language.clone());
    }
    let facts = &RequestFacts {
        reader,
        ..facts.clone()
    };
    let mut reply = told(gateway, facts, rest, request).await;
    // What others may keep carries no cookie.
    let is_page = reply.headers().contains_key(CONTENT_LANGUAGE);
    if let Some(language) = language.filter(|_| is_page) {
        set_cookies(&mut reply, [gateway.cookies.set_language(&language)]);
    }
    reply
}

/// The language that the address names, if our pages speak it.
fn chosen_language(gateway: &Gateway, uri: &Uri) -> Option<LanguageTag> {
    let mut pairs = form_urlencoded::parse(uri.query()?.as_bytes());
    let (_, tag) = pairs.find(|(name, _)| name == "language")?;
    gateway.pages.speaks(&tag)
}

async fn told<B>(gateway: &Gateway, facts: &RequestFacts, rest: &str, request: Request<B>) -> Reply
where
    B: Body<Data = Bytes> + Unpin,
{
    if !rest.starts_with("/assets/") {
        meet_new_keys(gateway, request.headers()).await;
    }
    let answer = route(gateway, facts, rest, request).await;
    answer.unwrap_or_else(|problem| tell(gateway, facts, &problem))
}

fn tell(gateway: &Gateway, facts: &RequestFacts, problem: &Problem) -> Reply {
    gateway.pages.problem(problem, facts.wants, &facts.reader)
}

async fn route<B>(
    gateway: &Gateway,
    facts: &RequestFacts,
    rest: &str,
    request: Request<B>,
) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
{
    let method = request.method().clone();
    let reads = method == Method::GET || method == Method::HEAD;
    let posts = method == Method::POST;
    match rest {
        "/login" if reads => login::show(gateway, facts, &request.into_parts().0).await,
        "/login" if posts => login::sign_in(gateway, facts, request).await,
        "/logout" if reads => Ok(logout::ask(gateway, facts, request.headers())),
        "/logout" if posts => logout::sign_out(gateway, facts, request).await,
        "/login" | "/logout" => Err(wrong_method("GET, HEAD, POST")),
        "/refresh" if posts => refresh::refresh(gateway, facts, request).await,
        "/refresh" => Err(wrong_method("POST")),
        "/resend" if reads => resend::ask(gateway, facts, &request.into_parts().0).await,
        "/resend" if posts => resend::forget(gateway, facts, request).await,
        "/resend" => Err(wrong_method("GET, HEAD, POST")),
        "/session" if reads => session::show(gateway, request.headers()).await,
        "/sessions" if reads => sessions::list(gateway, request.headers()).await,
        "/sessions" if method == Method::DELETE => {
            sessions::end_rest(gateway, facts, request.headers()).await
        }
        "/sessions" => Err(wrong_method("GET, HEAD, DELETE")),
        "/account" if reads => account::answer(gateway, facts, Deed::Show, request).await,
        "/account" => Err(wrong_method("GET, HEAD")),
        "/account/end" if posts => account::answer(gateway, facts, Deed::EndOne, request).await,
        "/account/end-others" if posts => {
            account::answer(gateway, facts, Deed::EndOthers, request).await
        }
        "/account/end" | "/account/end-others" => Err(wrong_method("POST")),
        "/password" if posts => password::change(gateway, facts, request).await,
        "/password" => Err(wrong_method("POST")),
        "/jwks.json" if reads => Ok(jwks::show(gateway)),
        "/session" | "/jwks.json" => Err(wrong_method("GET, HEAD")),
        _ => match rest.split_at_checked(rest.rfind('/').unwrap_or_default() + 1) {
            Some(("/assets/", name)) if reads => assets::show(gateway, name),
            Some(("/assets/", _)) => Err(wrong_method("GET, HEAD")),
            Some(("/sessions/", id)) if method == Method::DELETE => {
                sessions::end_one(gateway, facts, id, request.headers()).await
            }
            Some(("/sessions/", _)) => Err(wrong_method("DELETE")),
            _ => Err(not_found()),
        },
    }
}

/// Looks for the key of a token that nobody here knows: another process may have made it a moment ago.
async fn meet_new_keys(gateway: &Gateway, headers: &HeaderMap) {
    let in_header = bearer(headers, gateway.config.profile).ok().flatten();
    let cookies = gateway.cookies.read(headers).unwrap_or_default();
    let shown = [in_header, cookies.access, cookies.refresh];
    let mut shown = shown.into_iter().flatten();
    if shown.any(|token| gateway.authenticator.lacks_key_of(token)) {
        gateway.key_search.look().await;
    }
}

/// The head of a request, and the fields of its body.
async fn read<B>(gateway: &Gateway, request: Request<B>) -> (Parts, Result<Fields, Box<Problem>>)
where
    B: Body<Data = Bytes> + Unpin,
{
    let (parts, body) = request.into_parts();
    let patience = gateway.config.server.limits.body_timeout;
    let fields = body::read(&parts.headers, body, patience).await;
    (parts, fields)
}

/// The visitor, who must be signed in.
fn signed_in(gateway: &Gateway, headers: &HeaderMap) -> Result<Known, Box<Problem>> {
    let (_, visitor) = asking(gateway, headers)?;
    known(gateway, headers, visitor)
}

/// Who is asking, and by which credentials.
fn asking<'a>(
    gateway: &Gateway,
    headers: &'a HeaderMap,
) -> Result<(Credentials<'a>, Visitor), Box<Problem>> {
    let profile = gateway.config.profile;
    let credentials = credentials(headers, ALL_CREDENTIALS, &gateway.cookies, profile);
    let credentials = credentials.map_err(credential_problem)?;
    let (check, now) = (RevocationCheck::Local, gateway.clock.now());
    let visitor = gateway.authenticator.visitor(credentials, check, now);
    Ok((credentials, visitor))
}

/// This visitor, who must be signed in.
fn known(gateway: &Gateway, headers: &HeaderMap, visitor: Visitor) -> Result<Known, Box<Problem>> {
    match visitor {
        Visitor::Known(known) => Ok(known),
        nobody => Err(sign_in_problem(headers, nobody, login_url(gateway))),
    }
}

/// What somebody is told who is not known to be signed in.
fn sign_in_problem(headers: &HeaderMap, nobody: Visitor, login_url: String) -> Box<Problem> {
    let challenge = match nobody {
        Visitor::Unchecked => return Box::new(unchecked_problem()),
        Visitor::Refused(reason) => Challenge::Refused(reason),
        Visitor::Known(_) | Visitor::Stranger => Challenge::Missing,
    };
    let detail = absence(headers, ALL_CREDENTIALS);
    Box::new(challenge_problem(challenge, Some(login_url)).about(detail))
}

/// What is wrong with a body that may hold a refresh token.
fn about_body(mut problem: Box<Problem>) -> Box<Problem> {
    problem.detail = Detail::Body;
    problem
}

/// 401 for an access token whose session has ended, which our memory had not heard of.
fn session_over() -> Box<Problem> {
    Box::new(refused_token(Reason::Revoked))
}

fn not_found() -> Box<Problem> {
    Box::new(Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "There is nothing at this address.",
    ))
}

fn wrong_method(allow: &'static str) -> Box<Problem> {
    Box::new(Problem {
        allow: Some(allow),
        ..Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            format!("This address answers {allow} only."),
        )
        .worded("other_methods")
    })
}

/// 503 for a failure that is not the caller's. Logged here, once.
fn unavailable(error: &(dyn Error + 'static)) -> Box<Problem> {
    tracing::error!(error, "a request could not be answered");
    not_at_the_moment()
}

/// 503 for a failure that was logged before.
fn not_at_the_moment() -> Box<Problem> {
    let description = "This cannot be answered at the moment. Please try again.";
    Box::new(Problem::unavailable(description).worded("not_now"))
}

/// 500 where a user's groups do not fit into an access token. Logged here, once.
pub fn too_many_groups(error: &TooLarge) -> Box<Problem> {
    let error: &(dyn Error + 'static) = error;
    tracing::error!(error, "no access token could be made");
    Box::new(Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "server_error",
        "This account has too many groups for an access token: ask the administrator.",
    ))
}

/// Runs what changes the store to its end, even if the caller hangs up meanwhile.
async fn to_its_end<T: Send + 'static>(
    gateway: &Gateway,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Box<Problem>> {
    let done = gateway.background.spawn(work).await;
    done.map_err(|error| unavailable(&error))
}

/// Who tries a password.
fn caller(gateway: &Gateway, facts: &RequestFacts, headers: &HeaderMap) -> Caller {
    Caller {
        address: facts.answerable(),
        device: gateway.cookies.device(headers),
        audit: gateway.audit.clone(),
        source: Source::of(facts),
    }
}

/// The address of the sign-in page on this host.
fn login_url(gateway: &Gateway) -> String {
    format!("{}/login", gateway.config.server.prefix.as_str())
}
