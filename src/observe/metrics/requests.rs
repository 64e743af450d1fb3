//! How many requests of which route, answered how and how fast?

use std::time::Duration;

use http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::config::RouteSettings;
use crate::observe::Metrics;
use crate::observe::metrics::Family;
use crate::observe::metrics::histogram::{Histogram, REQUESTS};
use crate::observe::metrics::upstream::RouteUpstream;
use crate::policy::RouteId;

/// Answers by the first digit of their status, and requests whose caller left before there was one.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "gone"];

/// What stands for a route where there is none. No route can be called so: parentheses are refused.
const UNMATCHED: &str = "(unmatched)";
const OWN: &str = "(own)";
const REDIRECT: &str = "(redirect)";

/// The families.
pub(super) struct Requests {
    answers: Family<Counter, 3>,
    duration: Family<Histogram, 1>,
    in_flight: Gauge,
}

/// Where a request belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// To no route.
    #[default]
    Unmatched,
    /// To vestibule's own endpoints.
    Own,
    /// To a listener that only redirects.
    Redirect,
    /// To this route.
    Route(RouteId),
}

/// The handles of all routes of one configuration.
pub struct Meters {
    in_flight: Gauge,
    routes: Vec<RouteMeter>,
    unmatched: RouteMeter,
    own: RouteMeter,
    redirect: RouteMeter,
}

/// The handles of one route.
pub struct RouteMeter {
    /// What the app answered, by class.
    app: [Counter; CLASSES.len()],
    /// What vestibule answered in its stead.
    gateway: [Counter; CLASSES.len()],
    duration: Histogram,
    upstream: Option<RouteUpstream>,
}

impl Requests {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let in_flight = Gauge::default();
        registry.register(
            "requests_in_flight",
            "Requests whose answer has not ended",
            in_flight.clone(),
        );
        Self {
            answers: Family::new(
                registry,
                "requests",
                "Requests by route, class of the status, and who answered",
                ["route", "class", "by"],
            ),
            duration: Family::in_seconds(
                registry,
                (
                    "request_duration",
                    "From a request's head to the end of its answer",
                ),
                ["route"],
                || Histogram::new(REQUESTS),
            ),
            in_flight,
        }
    }

    fn meter(&self, route: &str, upstream: Option<RouteUpstream>) -> RouteMeter {
        let by = |who| CLASSES.map(|class| self.answers.with([route, class, who]));
        RouteMeter {
            gateway: by("gateway"),
            app: match upstream {
                Some(_) => by("app"),
                None => Default::default(),
            },
            duration: self.duration.with([route]),
            upstream,
        }
    }
}

impl Metrics {
    /// The handles of these routes, in their order.
    pub fn meters(&self, routes: &[RouteSettings]) -> Meters {
        let meter = |settings: &RouteSettings| {
            // A route shows its app's connections before the first request.
            self.pool(&settings.upstream);
            let name = settings.route.name.as_str();
            let upstream = self.upstream.route(name);
            self.requests.meter(name, Some(upstream))
        };
        Meters {
            in_flight: self.requests.in_flight.clone(),
            routes: routes.iter().map(meter).collect(),
            unmatched: self.requests.meter(UNMATCHED, None),
            own: self.requests.meter(OWN, None),
            redirect: self.requests.meter(REDIRECT, None),
        }
    }
}

impl Meters {
    /// A request has begun.
    pub fn begin(&self) {
        self.in_flight.inc();
    }

    /// It is over. `by_app`: the app answered.
    pub fn end(
        &self,
        destination: Destination,
        status: Option<StatusCode>,
        by_app: bool,
        took: Duration,
    ) {
        self.in_flight.dec();
        let meter = self.of(destination);
        let answers = if by_app { &meter.app } else { &meter.gateway };
        if let Some(count) = answers.get(class(status)) {
            count.inc();
        }
        meter.duration.observe(took);
    }

    /// What is counted of the way to the app; `None` where there is no app.
    pub fn upstream(&self, route: RouteId) -> Option<&RouteUpstream> {
        self.of(Destination::Route(route)).upstream.as_ref()
    }

    fn of(&self, destination: Destination) -> &RouteMeter {
        match destination {
            Destination::Unmatched => &self.unmatched,
            Destination::Own => &self.own,
            Destination::Redirect => &self.redirect,
            Destination::Route(id) => self.routes.get(id.index()).unwrap_or(&self.unmatched),
        }
    }
}

/// The place in `CLASSES`.
fn class(status: Option<StatusCode>) -> usize {
    const GONE: usize = CLASSES.len() - 1;
    let digit = status.map(|status| usize::from(status.as_u16() / 100));
    digit
        .and_then(|digit| digit.checked_sub(1))
        .map_or(GONE, |class| class.min(GONE - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::RouteName;

    #[test]
    fn every_status_has_its_class() {
        for (status, expected) in [
            (Some(101), "1xx"),
            (Some(204), "2xx"),
            (Some(302), "3xx"),
            (Some(499), "4xx"),
            (Some(503), "5xx"),
            (Some(999), "5xx"),
            (None, "gone"),
        ] {
            let status = status.map(|code| StatusCode::from_u16(code).unwrap());
            assert_eq!(CLASSES[class(status)], expected);
        }
    }

    #[test]
    fn no_route_can_be_called_what_stands_for_none() {
        for name in [UNMATCHED, OWN, REDIRECT] {
            assert!(RouteName::parse(name).is_err(), "{name}");
        }
    }
}
