//! The request path: facts, route, visitor, decision, answer — each step once, in this order.

pub mod explain;

mod answer;
mod cors;
mod forged;
mod held;
mod new_keys;
mod notes;
mod observed;
mod reading;
mod redirect;
mod renewing;
mod strict;
mod unread;

use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use zeroize::Zeroizing;

use crate::authenticate::{
    CredentialError, Credentials, credentials, holds_ours, is_ours, refusal,
};
use crate::clock::Timestamp;
use crate::endpoints;
use crate::endpoints::renewing::{Cookies, look};
use crate::gate::cors::Sender;
use crate::gate::forged::{rejected, suspicion, suspicion_of};
use crate::gate::notes::Notes;
use crate::gate::observed::Noted;
use crate::gate::reading::facts;
use crate::gate::renewing::Renewing;
use crate::gateway::Gateway;
use crate::identity::Visitor;
use crate::observe::audit::Denial;
use crate::observe::metrics::Destination;
use crate::policy::{
    Challenge, Decision, Found, Permit, PreflightDecision, Route, RouteId, Rule, decide,
    decide_preflight,
};
use crate::proxy::{Body, CallersBody, Forwarded, Passage};
use crate::reply::{Problem, Reply, empty};
use crate::request::{Connection, RequestFacts};

pub use observed::Observed;
pub use redirect::redirect;

/// Answers one request: by the app where the decision allows it, by vestibule otherwise.
pub async fn handle(
    gateway: &Gateway,
    passage: &Passage,
    connection: Connection,
    request: Request<Incoming>,
) -> Response<Observed> {
    let (mut parts, body) = request.into_parts();
    let sender = Sender::of(gateway, &parts);
    let (id, mut noted) = observed::begin(gateway, connection, &mut parts, Destination::default());
    let request = Request::from_parts(parts, body);
    let mut response = respond(gateway, passage, connection, request, &mut noted).await;
    if !noted.by_app {
        sender.tell(response.status(), response.headers_mut());
    }
    observed::follow(response, &id, noted)
}

async fn respond(
    gateway: &Gateway,
    passage: &Passage,
    connection: Connection,
    request: Request<Incoming>,
    noted: &mut Noted,
) -> Response<Body> {
    let (parts, mut body) = request.into_parts();
    let facts = match facts(gateway, &parts, connection, noted) {
        Ok(facts) => facts,
        Err(reply) => {
            let awaits_leave = parts.headers.contains_key(EXPECT);
            return without(body, awaits_leave, *reply);
        }
    };
    let ahead = match held::read_ahead(gateway, &facts, &parts, &mut body).await {
        Ok(ahead) => ahead,
        Err(problem) => return without(body, false, refuse(gateway, &facts, &problem)),
    };
    let mut notes = Notes::default();
    let judged = new_keys::judge(gateway, &facts, &parts, &mut notes).await;
    notes.tell(gateway, &facts, noted);
    let (judged, riding) = match judged {
        Ok(judged) => (judged, None),
        Err(renewing) => {
            let renewed = renewing::renew(gateway, &facts, &parts, *renewing, &mut notes).await;
            notes.tell(gateway, &facts, noted);
            renewed
        }
    };
    let was_allowed = matches!(judged, Judged::Forward(_));
    let judged = strict::confirm(gateway, &facts, &parts, judged).await;
    // A session that does not live by the store's word gets no cookies.
    let is_allowed = matches!(judged, Judged::Forward(_));
    let riding = riding.filter(|_| is_allowed == was_allowed);
    let request = Request::from_parts(parts, (body, ahead));
    let mut response = carry_out(gateway, passage, judged, &facts, request, noted).await;
    if let Some(riding) = riding {
        riding.arrive(gateway, &mut response);
    }
    response
}

/// Does what was judged.
async fn carry_out(
    gateway: &Gateway,
    passage: &Passage,
    judged: Judged,
    facts: &RequestFacts,
    request: Request<(Incoming, Option<Zeroizing<Vec<u8>>>)>,
    noted: &mut Noted,
) -> Response<Body> {
    let (parts, (mut body, ahead)) = request.into_parts();
    let awaits_leave = parts.headers.contains_key(EXPECT);
    let reply = match judged {
        Judged::Own { rest } => {
            noted.destination = Destination::Own;
            let request = Request::from_parts(parts, &mut body);
            endpoints::answer(gateway, facts, &rest, request).await
        }
        Judged::Forward(leave) => {
            return match held::with_body(gateway, facts, &leave.permit, parts, (body, ahead)) {
                Ok(request) => {
                    let forwarded = leave.for_request(request, facts);
                    pass(gateway, passage, forwarded, noted).await
                }
                Err(problem) => refuse(gateway, facts, &problem).map(Body::Own),
            };
        }
        Judged::Reply(reply) => reply,
        Judged::Refuse(problem) => refuse(gateway, facts, &problem),
        Judged::Hold(problem) => {
            let held = held::hold(gateway, facts, &parts, &mut body).await;
            held.unwrap_or_else(|| refuse(gateway, facts, &problem))
        }
    };
    without(body, awaits_leave, reply)
}

/// Carries a permitted request on.
async fn pass(
    gateway: &Gateway,
    passage: &Passage,
    forwarded: Forwarded<'_, CallersBody>,
    noted: &mut Noted,
) -> Response<Body> {
    let (id, facts) = (forwarded.permit.route(), forwarded.facts);
    let sent = noted.sent(gateway, id);
    let answered = gateway.forwarder.forward(passage, forwarded).await;
    let took = sent.elapsed();
    noted.answered(took, &answered);
    let meter = gateway.meters.upstream(id);
    match answered {
        Ok(response) => {
            noted.by_app = true;
            if let Some(meter) = meter {
                meter.answered(took);
            }
            response
        }
        Err(error) => {
            if let Some(meter) = meter {
                meter.failed(error.failure());
            }
            let route = gateway.routes.route(id).map(|route| route.name.as_str());
            answer::log_failure(route.unwrap_or_default(), &error);
            refuse(gateway, facts, &answer::failed(&error)).map(Body::Own)
        }
    }
}

/// What was decided about a request.
enum Judged {
    /// One of our own endpoints answers it; what comes after our prefix.
    Own { rest: String },
    /// It goes to the app.
    Forward(Leave),
    /// It is answered here.
    Reply(Reply),
    /// It is refused here.
    Refuse(Problem),
    /// It is a form to keep until its sender has signed in again; refused where that cannot be.
    Hold(Problem),
}

/// How a request goes to the app.
struct Leave {
    permit: Permit,
    manner: Manner,
}

/// What of a request goes to the app, and when it was judged.
#[derive(Clone, Copy)]
struct Manner {
    strip_authorization: bool,
    without_body: bool,
    now: Timestamp,
}

impl Leave {
    fn for_request<B>(self, request: Request<B>, facts: &RequestFacts) -> Forwarded<'_, B> {
        Forwarded {
            permit: self.permit,
            request,
            facts,
            strip_authorization: self.manner.strip_authorization,
            without_body: self.manner.without_body,
            now: self.manner.now,
        }
    }
}

/// Route → credentials → visitor → CSRF → rule. Nothing here is asynchronous, and nothing is sent.
/// `Err`: the session is to be renewed before the request is decided.
fn judge(
    gateway: &Gateway,
    facts: &RequestFacts,
    parts: &Parts,
    notes: &mut Notes,
) -> Result<Judged, Box<Renewing>> {
    Ok(
        match gateway.routes.find(facts.host.as_ref(), &facts.path) {
            Found::Own { rest } => Judged::Own { rest },
            Found::Route(id) => match gateway.routes.route(id) {
                Some(route) => return judge_for_app(gateway, facts, (id, route), parts, notes),
                None => Judged::Refuse(answer::nowhere()),
            },
            Found::Nowhere => Judged::Refuse(answer::nowhere()),
            Found::Ambiguous => Judged::Refuse(answer::ambiguous_path()),
            Found::Misdirected => Judged::Refuse(answer::misdirected()),
        },
    )
}

/// The same for an app's route.
fn judge_for_app(
    gateway: &Gateway,
    facts: &RequestFacts,
    (id, route): (RouteId, &Route),
    parts: &Parts,
    notes: &mut Notes,
) -> Result<Judged, Box<Renewing>> {
    let now = gateway.clock.now();
    notes.route = Some(id);
    if facts.is_preflight && route.rule.is_protected() {
        return Ok(preflight(id, route, now));
    }
    let profile = gateway.config.profile;
    let found = match credentials(&parts.headers, route.accepts, &gateway.cookies, profile) {
        Ok(found) => found,
        Err(CredentialError::Ambiguous(_)) if facts.wants.redirect && route.rule.is_protected() => {
            // A person, with cookies that somebody else set: the sign-in page clears them.
            let prefix = &gateway.config.server.prefix;
            let sent = answer::sort_out(prefix, answer::target(facts, parts)).map(Judged::Reply);
            let challenge = || challenged(gateway, facts, (id, route), parts, Challenge::Missing);
            return Ok(sent.unwrap_or_else(challenge));
        }
        Err(error) => return Ok(Judged::Refuse(refusal::credential_problem(error))),
    };
    let (found, strip_authorization) = ours_or_the_apps(found, &route.rule, &parts.headers);
    let visitor = gateway.authenticator.visitor(found, route.revocation, now);
    notes.lacks_key = new_keys::are_lacking(gateway, &route.rule, found, &visitor);
    let manner = Manner {
        strip_authorization,
        without_body: false,
        now,
    };
    let visitor = match &route.rule {
        Rule::Anyone => visitor,
        Rule::Optional | Rule::SignedIn | Rule::Members { .. } => {
            match look(gateway, found, visitor, now) {
                Cookies::Decide(visitor) => visitor,
                Cookies::Present(presented, otherwise) => {
                    notes.asking(&otherwise);
                    if let Some(why) = suspicion_of(gateway, facts, presented.session, parts) {
                        return Ok(rejected(gateway, route, &why, notes));
                    }
                    return Err(Box::new(Renewing {
                        route: id,
                        presented,
                        otherwise,
                        manner,
                    }));
                }
            }
        }
    };
    let judged = conclude(gateway, facts, (id, route), parts, visitor, manner, notes);
    Ok(judged)
}

/// CSRF → rule, for a visitor who is settled.
fn conclude(
    gateway: &Gateway,
    facts: &RequestFacts,
    (id, route): (RouteId, &Route),
    parts: &Parts,
    visitor: Visitor,
    manner: Manner,
    notes: &mut Notes,
) -> Judged {
    notes.asking(&visitor);
    if let Some(why) = suspicion(gateway, facts, &route.rule, &visitor, parts) {
        return rejected(gateway, route, &why, notes);
    }
    let decision = decide(id, route, visitor, manner.now);
    if let Decision::Deny = decision {
        notes.denial = Some(Denial::NotAllowed);
    }
    decided(gateway, facts, (id, route), parts, decision, manner)
}

/// What is done about a decision.
fn decided(
    gateway: &Gateway,
    facts: &RequestFacts,
    route: (RouteId, &Route),
    parts: &Parts,
    decision: Decision,
    manner: Manner,
) -> Judged {
    match decision {
        Decision::Allow(permit) => Judged::Forward(Leave { permit, manner }),
        Decision::Challenge(challenge) => challenged(gateway, facts, route, parts, challenge),
        Decision::Deny => Judged::Refuse(answer::denied()),
        Decision::Unavailable => Judged::Refuse(refusal::unchecked_problem()),
    }
}

/// A sign-in is asked for.
fn challenged(
    gateway: &Gateway,
    facts: &RequestFacts,
    (id, route): (RouteId, &Route),
    parts: &Parts,
    challenge: Challenge,
) -> Judged {
    let target = answer::target(facts, parts);
    let prefix = &gateway.config.server.prefix;
    match answer::challenge(challenge, route.accepts, facts, prefix, target) {
        answer::Challenged::Elsewhere(reply) => Judged::Reply(reply),
        answer::Challenged::Here(problem) => {
            let detail = refusal::absence(&parts.headers, route.accepts);
            let problem = problem.about(detail);
            held::judge(gateway, facts, (id, route), parts, challenge, problem)
        }
    }
}

/// A preflight never carries credentials: it is answered here, or passed on without identity.
fn preflight(id: RouteId, route: &Route, now: Timestamp) -> Judged {
    match decide_preflight(id, route.preflight) {
        PreflightDecision::Answer => Judged::Reply(empty(StatusCode::NO_CONTENT)),
        PreflightDecision::Forward(permit) => {
            let manner = Manner {
                strip_authorization: true,
                without_body: true,
                now,
            };
            Judged::Forward(Leave { permit, manner })
        }
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

fn refuse(gateway: &Gateway, facts: &RequestFacts, problem: &Problem) -> Reply {
    gateway.pages.problem(problem, facts.wants, &facts.reader)
}

/// Our own answer, to a request whose body nobody wants any more.
fn without(body: Incoming, awaits_leave: bool, mut reply: Reply) -> Response<Body> {
    if !unread::read_off(body, awaits_leave) {
        let close = HeaderValue::from_static("close");
        reply.headers_mut().insert(CONNECTION, close);
    }
    reply.map(Body::Own)
}
