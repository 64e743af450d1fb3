//! What the logs are told of a decision: the route, who asked, and why they were turned away.

use std::sync::Arc;

use crate::gateway::Gateway;
use crate::identity::{Identity, SessionId, Visitor};
use crate::observe::audit::Denial;
use crate::observe::{Entry, Event, Source};
use crate::policy::RouteId;
use crate::request::RequestFacts;

/// Kept while a request is judged, and told once the decision has fallen.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) route: Option<RouteId>,
    pub(super) denial: Option<Denial>,
    asking: Option<(Arc<Identity>, SessionId)>,
}

impl Notes {
    /// Keeps who is signed in.
    pub(super) fn asking(&mut self, visitor: &Visitor) {
        self.asking = match visitor {
            Visitor::Known(known) => Some((Arc::clone(&known.identity), known.session)),
            Visitor::Stranger | Visitor::Refused(_) => None,
        };
    }

    /// Tells the access log's entry, and the audit log where somebody was turned away.
    pub(super) fn tell(self, gateway: &Gateway, facts: &RequestFacts, entry: &mut Option<Entry>) {
        let Some(route) = self.route.and_then(|id| gateway.routes.route(id)) else {
            return;
        };
        if let (Some(reason), Some((identity, session))) = (self.denial, &self.asking) {
            let event = Event::Denied {
                reason,
                user: (&**identity).into(),
                session_id: *session,
                route: route.name.as_str(),
            };
            gateway.audit.tell(&Source::of(facts), event);
        }
        if let Some(entry) = entry {
            entry.route = Some(route.name.clone());
            entry.visitor = self.asking;
        }
    }
}
