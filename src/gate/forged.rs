//! May another site have sent the request?

use http::Method;
use http::request::Parts;

use crate::gateway::Gateway;
use crate::identity::{Proof, Visitor};
use crate::policy::{Csrf, Rule, csrf};
use crate::request::RequestFacts;

/// Browsers send cookies unasked: a request that lives by one and changes something must come from
/// our own pages. On public routes the app is not told who asks, so there is nothing to forge.
pub(super) fn may_be_forged(
    gateway: &Gateway,
    facts: &RequestFacts,
    rule: &Rule,
    visitor: &Visitor,
    parts: &Parts,
) -> bool {
    let by_cookie = matches!(visitor, Visitor::Known(known) if known.proof == Proof::Cookie);
    by_cookie && !matches!(rule, Rule::Anyone) && is_from_elsewhere(gateway, facts, parts)
}

/// Whether another site may have sent what changes something.
pub(super) fn is_from_elsewhere(gateway: &Gateway, facts: &RequestFacts, parts: &Parts) -> bool {
    let is_safe = matches!(parts.method, Method::GET | Method::HEAD) && !facts.is_websocket;
    if is_safe {
        return false;
    }
    csrf::judge(
        &parts.method,
        facts.is_websocket,
        &parts.headers,
        facts.origin().as_ref(),
        &gateway.config.trusted_origins,
    ) == Csrf::Reject
}
