//! May another site have sent the request?

use http::request::Parts;

use super::Judged;
use crate::gate::notes::Notes;
use crate::gateway::Gateway;
use crate::identity::{Proof, SessionId, Visitor};
use crate::observe::audit::Denial;
use crate::policy::{Route, Rule, Sent, Suspicion};
use crate::reply::Problem;
use crate::request::RequestFacts;

/// Browsers send cookies unasked: a request that lives by one and changes something must come from
/// our own pages. On public routes the app is not told who asks, so there is nothing to forge.
pub(super) fn suspicion(
    gateway: &Gateway,
    facts: &RequestFacts,
    rule: &Rule,
    visitor: &Visitor,
    parts: &Parts,
) -> Option<Suspicion> {
    match visitor {
        Visitor::Known(known) if known.proof == Proof::Cookie && !matches!(rule, Rule::Anyone) => {
            suspicion_of(gateway, facts, known.session, parts)
        }
        _ => None,
    }
}

/// Whether another site may have sent what lives by the cookies of this session.
pub(super) fn suspicion_of(
    gateway: &Gateway,
    facts: &RequestFacts,
    session: SessionId,
    parts: &Parts,
) -> Option<Suspicion> {
    let sent = Sent {
        method: &parts.method,
        is_websocket: facts.is_websocket,
        headers: &parts.headers,
        in_form: None,
    };
    gateway.csrf.judge(&sent, facts, &[session]).err()
}

/// The refusal, noted. A person gets back to the app from it.
pub(super) fn rejected(
    gateway: &Gateway,
    route: &Route,
    suspicion: &Suspicion,
    notes: &mut Notes,
) -> Judged {
    notes.denial = Some(Denial::of(suspicion));
    notes.seen = Some(gateway.csrf.seen(suspicion));
    Judged::Refuse(Problem {
        back: Some(route.prefix.as_str().to_owned()),
        ..gateway.csrf.problem(suspicion)
    })
}
