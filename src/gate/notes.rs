//! What the logs are told of a decision: the route, who asked, and why they were turned away.

use std::sync::Arc;

use crate::gate::observed::Noted;
use crate::gateway::Gateway;
use crate::identity::{Identity, SessionId, Visitor};
use crate::observe::audit::Denial;
use crate::observe::metrics::Destination;
use crate::observe::{Event, Source};
use crate::policy::RouteId;
use crate::request::RequestFacts;

/// Kept while a request is judged, and told once the decision has fallen.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) route: Option<RouteId>,
    pub(super) denial: Option<Denial>,
    /// What of the request spoke against it.
    pub(super) seen: Option<String>,
    /// Their token names a key that nobody here knows.
    pub(super) lacks_key: bool,
    asking: Option<(Arc<Identity>, SessionId)>,
}

impl Notes {
    /// Keeps who is signed in.
    pub(super) fn asking(&mut self, visitor: &Visitor) {
        self.asking = match visitor {
            Visitor::Known(known) => Some((Arc::clone(&known.identity), known.session)),
            Visitor::Stranger | Visitor::Refused(_) | Visitor::Unchecked => None,
        };
    }

    /// Tells what is noted of the request, and the audit log where somebody was turned away. What was
    /// told before may have changed since.
    pub(super) fn tell(&mut self, gateway: &Gateway, facts: &RequestFacts, noted: &mut Noted) {
        let Some(id) = self.route else {
            return;
        };
        let Some(route) = gateway.routes.route(id) else {
            return;
        };
        noted.destination = Destination::Route(id);
        if let Some(reason) = self.denial {
            let asking = self.asking.as_ref();
            let event = Event::Denied {
                reason,
                seen: self.seen.as_deref(),
                user: asking.map(|(identity, _)| (&**identity).into()),
                session_id: asking.map(|(_, session)| *session),
                route: route.name.as_str(),
            };
            gateway.audit.tell(&Source::of(facts), event);
        }
        if let Some(entry) = &mut noted.entry {
            entry.route = Some(route.name.clone());
            entry.visitor = self.asking.take();
        }
    }
}
