//! What the program says while it runs: application log, access log, audit log, metrics, traces.

pub mod access;
pub mod audit;
pub mod log;
pub mod metrics;
pub mod sink;
pub mod traces;

use std::fmt;

use crate::clock::Timestamp;

pub use access::{AccessLog, Entry};
pub use audit::{Audit, By, Deed, Event, KeyName, Person, Source};
pub use log::{ApplicationLog, Level, start_log};
pub use metrics::Metrics;
pub use sink::{OpenError, Sink};
pub use traces::Traces;

/// A moment as the logs write it: RFC 3339, UTC, to the millisecond.
struct Moment(Timestamp);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0.millis()) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{}", self.0.seconds()),
        }
    }
}

/// Serialises whatever can be shown, without a text of its own.
fn shown<T: fmt::Display, S: serde::Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// The same for what may be missing.
fn shown_if<T: fmt::Display, S: serde::Serializer>(
    value: &Option<T>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}
