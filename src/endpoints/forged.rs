//! May another site have sent what one of our own endpoints is to do?

use http::request::Parts;
use http::{HeaderMap, Method};

use super::body::Fields;
use super::signed_in;
use crate::gateway::Gateway;
use crate::identity::{Known, Proof, SessionId};
use crate::observe::audit::Denial;
use crate::observe::{Event, Source};
use crate::policy::Sent;
use crate::reply::Problem;
use crate::request::RequestFacts;

/// What stands for a route where there is none.
const OWN: &str = "(own)";

/// In which field our own forms carry the value of their session.
pub(super) const FIELD: &str = "csrf_token";

/// Whose cookies a request lives by.
#[derive(Clone, Copy, Default)]
pub(super) struct Cookied<'a> {
    /// The authentic sessions in them.
    pub(super) sessions: &'a [SessionId],
    /// Who that is, where that is known.
    pub(super) known: Option<&'a Known>,
}

/// Refuses what another site may have sent, and says so in the audit log.
pub(super) fn refuse_forged(
    gateway: &Gateway,
    facts: &RequestFacts,
    sent: &Sent<'_>,
    cookied: Cookied<'_>,
) -> Result<(), Box<Problem>> {
    let judged = gateway.csrf.judge(sent, facts, cookied.sessions);
    let Err(suspicion) = judged else {
        return Ok(());
    };
    if cookied.sessions.is_empty() {
        // Anybody can send that, as often as they like.
        return Err(Box::new(gateway.csrf.problem(&suspicion)));
    }
    let event = Event::Denied {
        reason: Denial::of(&suspicion),
        seen: Some(&gateway.csrf.seen(&suspicion)),
        user: cookied.known.map(|known| (&*known.identity).into()),
        session_id: cookied.sessions.first().copied(),
        route: OWN,
    };
    gateway.audit.tell(&Source::of(facts), event);
    Err(Box::new(gateway.csrf.problem(&suspicion)))
}

/// Refuses what another site may have sent without a session of its own: a sign-in.
pub(super) fn refuse_cross_site(
    gateway: &Gateway,
    facts: &RequestFacts,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(), Box<Problem>> {
    let sent = sent(facts, method, headers, None);
    refuse_forged(gateway, facts, &sent, Cookied::default())
}

/// The visitor who changes something: whose cookies must not have been sent by another site.
pub(super) fn signed_in_to_change(
    gateway: &Gateway,
    facts: &RequestFacts,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Known, Box<Problem>> {
    let known = signed_in(gateway, headers)?;
    confirm(gateway, facts, &known, &sent(facts, method, headers, None))?;
    Ok(known)
}

/// The same by a form, which may carry the value of its session in a field.
pub(super) fn signed_in_to_change_by_form(
    gateway: &Gateway,
    facts: &RequestFacts,
    parts: &Parts,
    fields: &mut Fields,
) -> Result<Known, Box<Problem>> {
    let in_form = fields.text(FIELD)?;
    let known = signed_in(gateway, &parts.headers)?;
    let sent = sent(facts, &parts.method, &parts.headers, in_form.as_deref());
    confirm(gateway, facts, &known, &sent)?;
    Ok(known)
}

fn confirm(
    gateway: &Gateway,
    facts: &RequestFacts,
    known: &Known,
    sent: &Sent<'_>,
) -> Result<(), Box<Problem>> {
    match known.proof {
        Proof::Bearer => Ok(()),
        Proof::Cookie => {
            let cookied = Cookied {
                sessions: &[known.session],
                known: Some(known),
            };
            refuse_forged(gateway, facts, sent, cookied)
        }
    }
}

/// What is looked at of a request to us.
pub(super) const fn sent<'a>(
    facts: &RequestFacts,
    method: &'a Method,
    headers: &'a HeaderMap,
    in_form: Option<&'a str>,
) -> Sent<'a> {
    Sent {
        method,
        is_websocket: facts.is_websocket,
        headers,
        in_form,
    }
}
