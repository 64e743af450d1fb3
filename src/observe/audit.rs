//! The audit log: one line of JSON for every event about sign-ins, sessions and users.

mod event;
mod keys;

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::clock::Clock;
use crate::config::LogTarget;

use crate::observe::metrics::Events;
use crate::observe::{Moment, OpenError, Sink, shown};
use crate::request::{RequestFacts, RequestId};

pub(super) use event::refusal_word;
pub use event::{By, Deed, Denial, Event, Person, SignInRefusal};
pub use keys::KeyName;

/// Takes events. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    sink: Option<Arc<Sink>>,
    clock: Arc<dyn Clock>,
    counts: Arc<Events>,
}

/// Where an event came from; empty for what the program does by itself.
#[derive(Clone, Debug, Default)]
pub struct Source {
    client: Option<IpAddr>,
    request: Option<RequestId>,
}

impl Audit {
    /// Opens the log; `None` is none. Events are counted in any case.
    pub fn open(
        target: Option<&LogTarget>,
        clock: Arc<dyn Clock>,
        counts: Events,
    ) -> Result<Self, OpenError> {
        let open = |target| Sink::open("audit", "observe.audit_log.to", target).map(Arc::new);
        Ok(Self {
            sink: target.map(open).transpose()?,
            clock,
            counts: Arc::new(counts),
        })
    }

    /// Counts one event and writes it down.
    pub fn tell(&self, source: &Source, event: Event<'_>) {
        #[derive(Serialize)]
        struct Line<'a> {
            #[serde(serialize_with = "shown")]
            time: Moment,
            log: &'static str,
            #[serde(flatten)]
            event: Event<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            client: Option<IpAddr>,
            #[serde(skip_serializing_if = "Option::is_none")]
            request_id: Option<&'a str>,
        }
        let now = self.clock.now();
        self.counts.count(&event, now);
        let Some(sink) = &self.sink else {
            return;
        };
        let line = serde_json::to_vec(&Line {
            time: Moment(now),
            log: "audit",
            event,
            client: source.client,
            request_id: source.request.as_ref().map(RequestId::as_str),
        });
        match line {
            Ok(mut line) => {
                line.push(b'\n');
                sink.push(&line);
            }
            Err(error) => tracing::error!(%error, "an event could not be written down"),
        }
    }

    /// Its way to the file; `None` where there is no log.
    pub fn sink(&self) -> Option<&Sink> {
        self.sink.as_deref()
    }
}

impl Source {
    /// A caller of the admin listener.
    pub const fn client(address: IpAddr) -> Self {
        Self {
            client: Some(address),
            request: None,
        }
    }

    /// The request with these facts.
    pub fn of(facts: &RequestFacts) -> Self {
        Self {
            client: facts.client,
            request: facts.id.clone(),
        }
    }
}
