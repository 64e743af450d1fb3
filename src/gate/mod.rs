//! The request path: facts, route, visitor, decision, answer — each step once, in this order.

mod answer;
mod unread;

use std::rc::Rc;

use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::authenticate::credentials::bearer;
use crate::authenticate::{Credentials, credentials, is_ours, refusal};
use crate::clock::Timestamp;
use crate::endpoints;
use crate::gateway::Gateway;
use crate::identity::{Proof, Visitor};
use crate::policy::{
    Csrf, Decision, Found, Permit, PreflightDecision, Route, RouteId, Rule, csrf, decide,
    decide_preflight,
};
use crate::proxy::{Body, Forwarded, Upstreams};
use crate::reply::{Problem, Reply, empty};
use crate::request::{Connection, RequestFacts, Wants};

/// Answers one request: by the app where the decision allows it, by vestibule otherwise.
pub async fn handle(
    gateway: &Gateway,
    upstreams: &Rc<Upstreams>,
    connection: Connection,
    request: Request<Incoming>,
) -> Response<Body> {
    let (parts, mut body) = request.into_parts();
    let awaits_leave = parts.headers.contains_key(EXPECT);
    let server = &gateway.config.server;
    let facts = match RequestFacts::read(
        &parts,
        connection,
        &server.trusted_proxies,
        &server.public_urls,
    ) {
        Ok(facts) => facts,
        Err(ambiguous) => {
            let wants = Wants::read(&parts.method, &parts.headers);
            let reply = gateway.pages.problem(&answer::ambiguous(&ambiguous), wants);
            return without(body, awaits_leave, reply);
        }
    };
    let reply = match gateway.routes.find(facts.host.as_ref(), &facts.path) {
        Found::Own { rest } => {
            let request = Request::from_parts(parts, &mut body);
            endpoints::answer(gateway, &facts, &rest, request).await
        }
        Found::Route(id) => {
            let request = Request::from_parts(parts, body);
            return pass(gateway, upstreams, &facts, id, request).await;
        }
        Found::Nowhere => refuse(gateway, &facts, &answer::nowhere()),
        Found::Ambiguous => refuse(gateway, &facts, &answer::ambiguous_path()),
        Found::Misdirected => refuse(gateway, &facts, &answer::misdirected()),
    };
    without(body, awaits_leave, reply)
}

/// A request for an app: judged, then carried on or refused.
async fn pass(
    gateway: &Gateway,
    upstreams: &Rc<Upstreams>,
    facts: &RequestFacts,
    id: RouteId,
    request: Request<Incoming>,
) -> Response<Body> {
    let now = gateway.clock.now();
    let judged = match gateway.routes.route(id) {
        Some(route) => judge(gateway, facts, id, route, &request, now),
        None => Judged::Answer(refuse(gateway, facts, &answer::nowhere())),
    };
    let (permit, strip_authorization, without_body) = match judged {
        Judged::Answer(reply) => {
            let awaits_leave = request.headers().contains_key(EXPECT);
            return without(request.into_body(), awaits_leave, reply);
        }
        Judged::Forward {
            permit,
            strip_authorization,
            without_body,
        } => (permit, strip_authorization, without_body),
    };
    let forwarded = Forwarded {
        permit,
        request,
        facts,
        strip_authorization,
        without_body,
        now,
    };
    match gateway.forwarder.forward(upstreams, forwarded).await {
        Ok(response) => response,
        Err(error) => {
            let route = gateway.routes.route(id).map(|route| route.name.as_str());
            answer::log_failure(route.unwrap_or_default(), &error);
            refuse(gateway, facts, &answer::failed(&error)).map(Body::Own)
        }
    }
}

/// What was decided about a request for an app.
enum Judged {
    /// It goes to the app.
    Forward {
        permit: Permit,
        strip_authorization: bool,
        without_body: bool,
    },
    /// It is answered here.
    Answer(Reply),
}

/// Credentials → visitor → CSRF → rule. Nothing here is asynchronous, and nothing is sent.
fn judge(
    gateway: &Gateway,
    facts: &RequestFacts,
    id: RouteId,
    route: &Route,
    request: &Request<Incoming>,
    now: Timestamp,
) -> Judged {
    if facts.is_preflight && is_protected(&route.rule) {
        return preflight(id, route);
    }
    let found = match credentials(request.headers(), route.accepts, &gateway.cookies) {
        Ok(found) => found,
        Err(error) => {
            let problem = refusal::credential_problem(error);
            return Judged::Answer(refuse(gateway, facts, &problem));
        }
    };
    let (found, strip_authorization) = ours_or_the_apps(found, &route.rule, request.headers());
    let visitor = gateway.authenticator.visitor(found, now);
    if may_be_forged(gateway, facts, &route.rule, &visitor, request) {
        return Judged::Answer(refuse(gateway, facts, &refusal::csrf_problem()));
    }
    match decide(id, &route.rule, visitor) {
        Decision::Allow(permit) => Judged::Forward {
            permit,
            strip_authorization,
            without_body: false,
        },
        Decision::Challenge(challenge) => {
            let target = request.uri().path_and_query();
            let target = target.map_or("/", |target| target.as_str());
            let prefix = &gateway.config.server.prefix;
            Judged::Answer(
                match answer::challenge(challenge, route.accepts, facts, prefix, target) {
                    answer::Challenged::Elsewhere(reply) => reply,
                    answer::Challenged::Here(problem) => refuse(gateway, facts, &problem),
                },
            )
        }
        Decision::Deny => Judged::Answer(refuse(gateway, facts, &answer::denied())),
    }
}

/// A preflight never carries credentials: it is answered here, or passed on without identity.
fn preflight(id: RouteId, route: &Route) -> Judged {
    match decide_preflight(id, route.preflight) {
        PreflightDecision::Answer => Judged::Answer(empty(StatusCode::NO_CONTENT)),
        PreflightDecision::Forward(permit) => Judged::Forward {
            permit,
            strip_authorization: true,
            without_body: true,
        },
    }
}

/// Whose credential is it? On public routes a Bearer value that is not ours by its shape is the
/// app's business. The flag says whether `Authorization` holds something that must not reach the app.
fn ours_or_the_apps<'a>(
    found: Credentials<'a>,
    rule: &Rule,
    headers: &HeaderMap,
) -> (Credentials<'a>, bool) {
    match found {
        Credentials::Bearer(token) if matches!(rule, Rule::Anyone) && !is_ours(token) => {
            (Credentials::None, false)
        }
        Credentials::Bearer(_) => (found, true),
        Credentials::Cookies(_) | Credentials::None => (found, holds_ours(headers)),
    }
}

/// A route that takes cookies only leaves Bearer values to the app, but never one of ours.
fn holds_ours(headers: &HeaderMap) -> bool {
    matches!(bearer(headers), Ok(Some(token)) if is_ours(token))
}

/// Browsers send cookies unasked: a request that lives by one and changes something must come from
/// our own pages. On public routes the app is not told who asks, so there is nothing to forge.
fn may_be_forged(
    gateway: &Gateway,
    facts: &RequestFacts,
    rule: &Rule,
    visitor: &Visitor,
    request: &Request<Incoming>,
) -> bool {
    let by_cookie = matches!(visitor, Visitor::Known(known) if known.proof == Proof::Cookie);
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD) && !facts.is_websocket;
    if !by_cookie || is_safe || matches!(rule, Rule::Anyone) {
        return false;
    }
    csrf::judge(
        request.method(),
        facts.is_websocket,
        request.headers(),
        facts.origin().as_ref(),
        &gateway.config.trusted_origins,
    ) == Csrf::Reject
}

const fn is_protected(rule: &Rule) -> bool {
    match rule {
        Rule::SignedIn | Rule::Members { .. } => true,
        Rule::Anyone | Rule::Optional => false,
    }
}

fn refuse(gateway: &Gateway, facts: &RequestFacts, problem: &Problem) -> Reply {
    gateway.pages.problem(problem, facts.wants)
}

/// Our own answer, to a request whose body nobody wants any more.
fn without(body: Incoming, awaits_leave: bool, mut reply: Reply) -> Response<Body> {
    if !unread::read_off(body, awaits_leave) {
        let close = HeaderValue::from_static("close");
        reply.headers_mut().insert(CONNECTION, close);
    }
    reply.map(Body::Own)
}
