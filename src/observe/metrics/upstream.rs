//! How do the apps answer, and how are the connections to them used?

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::observe::metrics::Family;
use crate::observe::metrics::histogram::{Histogram, REQUESTS};

/// Why there was no answer of the app's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or it broke.
    Unreachable,
    /// No connection or no answer in time.
    TimedOut,
    /// It gave an answer that cannot be passed on.
    BadAnswer,
    /// The caller's body stopped coming.
    BodyTimedOut,
    /// The caller's body broke off or is malformed.
    BadBody,
}

impl Failure {
    /// All of them, in the order they are declared in.
    const WORDS: [&'static str; 5] = [
        "unreachable",
        "timed_out",
        "bad_answer",
        "body_timed_out",
        "bad_body",
    ];

    /// What it is called in labels and spans.
    pub const fn word(self) -> &'static str {
        let [unreachable, timed_out, bad_answer, body_timed_out, bad_body] = Self::WORDS;
        match self {
            Self::Unreachable => unreachable,
            Self::TimedOut => timed_out,
            Self::BadAnswer => bad_answer,
            Self::BodyTimedOut => body_timed_out,
            Self::BadBody => bad_body,
        }
    }
}

/// The families.
pub(super) struct Upstream {
    response: Family<Histogram, 1>,
    errors: Family<Counter, 2>,
    opened: Family<Counter, 1>,
    reused: Family<Counter, 1>,
    repeated: Family<Counter, 1>,
    idle: Family<Gauge, 1>,
}

/// The handles of one route.
pub struct RouteUpstream {
    response: Histogram,
    errors: [Counter; Failure::WORDS.len()],
}

/// The handles of the connections to one app.
#[derive(Clone, Debug, Default)]
pub struct PoolMeter {
    /// Connections made.
    pub opened: Counter,
    /// Requests put on a connection that had carried one before.
    pub reused: Counter,
    /// Requests put on a new connection because the idle one was closed before they were written.
    pub repeated: Counter,
    /// Connections that wait for a request.
    pub idle: Gauge,
}

impl Upstream {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let mut by_app = |name, help| Family::new(registry, name, help, ["upstream"]);
        let opened = by_app("upstream_connections_opened", "Connections made to an app");
        let reused = by_app(
            "upstream_connections_reused",
            "Requests put on a connection that had carried one before",
        );
        let repeated = by_app(
            "upstream_requests_repeated",
            "Requests put on a new connection because the idle one had been closed",
        );
        let idle = Family::new(
            registry,
            "upstream_connections_idle",
            "Connections to an app that wait for a request",
            ["upstream"],
        );
        Self {
            response: Family::in_seconds(
                registry,
                (
                    "upstream_response",
                    "From sending a request to an app to the head of its answer",
                ),
                ["route"],
                || Histogram::new(REQUESTS),
            ),
            errors: Family::new(
                registry,
                "upstream_errors",
                "Requests that an app gave no answer to that could be passed on, by reason",
                ["route", "reason"],
            ),
            opened,
            reused,
            repeated,
            idle,
        }
    }

    pub(super) fn route(&self, route: &str) -> RouteUpstream {
        RouteUpstream {
            response: self.response.with([route]),
            errors: Failure::WORDS.map(|reason| self.errors.with([route, reason])),
        }
    }

    pub(super) fn pool(&self, address: &str) -> PoolMeter {
        PoolMeter {
            opened: self.opened.with([address]),
            reused: self.reused.with([address]),
            repeated: self.repeated.with([address]),
            idle: self.idle.with([address]),
        }
    }
}

impl RouteUpstream {
    /// The head of an answer came after this time.
    pub fn answered(&self, took: Duration) {
        self.response.observe(took);
    }

    /// None came.
    pub fn failed(&self, failure: Failure) {
        if let Some(count) = self.errors.get(failure as usize) {
            count.inc();
        }
    }
}
