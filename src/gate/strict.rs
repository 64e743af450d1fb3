//! Routes that believe no memory: does the session live, by the store, at this moment?

use std::error::Error;

use http::request::Parts;

use super::{Judged, decided};
use crate::authenticate::refusal;
use crate::endpoints::lives;
use crate::gateway::Gateway;
use crate::identity::{Reason, Refused, Visitor};
use crate::policy::{RevocationCheck, decide};
use crate::request::RequestFacts;

/// What was judged, if the route asks for no more or the store agrees; otherwise what becomes of
/// somebody whose token was refused.
pub(super) async fn confirm(
    gateway: &Gateway,
    facts: &RequestFacts,
    parts: &Parts,
    judged: Judged,
) -> Judged {
    let Judged::Forward(leave) = &judged else {
        return judged;
    };
    let Some(route) = gateway.routes.route(leave.permit.route()) else {
        return judged;
    };
    let known = match (route.revocation, leave.permit.known()) {
        (RevocationCheck::Strict, Some(known)) => known,
        (RevocationCheck::Strict | RevocationCheck::Local | RevocationCheck::None, _) => {
            return judged;
        }
    };
    match lives(gateway, known).await {
        Ok(true) => judged,
        Ok(false) => {
            let (reason, proof) = (Reason::Revoked, known.proof);
            let refused = Visitor::Refused(Refused { reason, proof });
            let decision = decide(leave.permit.route(), route, refused, leave.manner.now);
            let route = (leave.permit.route(), route);
            decided(gateway, facts, route, parts, decision, leave.manner)
        }
        Err(error) => {
            let error: &(dyn Error + 'static) = &error;
            tracing::error!(error, "the store does not tell whether a session lives");
            Judged::Refuse(refusal::unchecked_problem())
        }
    }
}
