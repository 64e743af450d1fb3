//! How often was an access token's signature checked, and how often remembered? What is held in memory?

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::observe::metrics::Family;

/// The handles.
pub struct Tokens {
    /// Of looking for tokens among those that were checked before.
    pub lookups: Lookups,
    entries: Gauge,
    revocations: Gauge,
    lag: Gauge<f64, AtomicU64>,
}

/// Whether access tokens were known already.
#[derive(Clone, Debug, Default)]
pub struct Lookups {
    /// They were.
    pub hits: Counter,
    /// They were not, and their signature was checked.
    pub misses: Counter,
}

impl Tokens {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let lookups = Family::<Counter, 1>::new(
            registry,
            "token_cache_lookups",
            "Access tokens looked for among those that were checked before",
            ["result"],
        );
        let mut gauge = |name, help| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        Self {
            lookups: Lookups {
                hits: lookups.with(["hit"]),
                misses: lookups.with(["miss"]),
            },
            entries: gauge(
                "token_cache_entries",
                "Access tokens that are remembered as checked",
            ),
            revocations: gauge(
                "revocations",
                "Ended sessions and users whose access tokens are refused from memory",
            ),
            lag: {
                let lag = Gauge::default();
                let help = "How long ago the store was last asked what was ended";
                registry.register("revocation_lag_seconds", help, Clone::clone(&lag));
                lag
            },
        }
    }

    /// What is held in memory now, and how old the knowledge of revocations is.
    pub fn held(&self, entries: usize, revocations: usize, lag: Duration) {
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.entries.set(number(entries));
        self.revocations.set(number(revocations));
        self.lag.set(lag.as_secs_f64());
    }
}
