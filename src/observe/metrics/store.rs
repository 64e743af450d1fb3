//! How long do the operations of the store take, and which fail?

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use crate::observe::metrics::Family;
use crate::observe::metrics::histogram::{Histogram, STORE};

/// The families.
pub struct StoreMetrics {
    duration: Family<Histogram, 1>,
    errors: Family<Counter, 1>,
}

/// The handles of one operation.
#[derive(Clone)]
pub struct OperationMeter {
    duration: Histogram,
    errors: Counter,
}

impl StoreMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        Self {
            duration: Family::in_seconds(
                registry,
                (
                    "store_operation_duration",
                    "Operations of the store, from the call to its outcome",
                ),
                ["operation"],
                || Histogram::new(STORE),
            ),
            errors: Family::new(
                registry,
                "store_errors",
                "Operations of the store that failed",
                ["operation"],
            ),
        }
    }

    /// The handles of this operation.
    pub fn operation(&self, name: &'static str) -> OperationMeter {
        OperationMeter {
            duration: self.duration.with([name]),
            errors: self.errors.with([name]),
        }
    }
}

impl OperationMeter {
    /// One has ended.
    pub fn ended(&self, took: Duration, has_failed: bool) {
        self.duration.observe(took);
        if has_failed {
            self.errors.inc();
        }
    }
}
