//! What is counted and measured, for monitoring systems that fetch it: one registry a process, which
//! outlives every change of the configuration.
//!
//! Handles are resolved when a route, a pool or a store is made and kept there, so that a request costs
//! a few relaxed additions and no look-up. No label ever holds what a caller sent.

pub mod classic;
pub mod connections;
pub mod events;
pub mod histogram;
pub mod requests;
pub mod store;
pub mod tokens;
pub mod upstream;

mod family;
mod logs;
mod process;

use std::fmt;

use prometheus_client::encoding::text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use connections::{Connections, OpenConnection, RefusedHead};
pub use events::Events;
pub use requests::{Destination, Meters, RouteMeter};
pub use store::StoreMetrics;
pub use tokens::Tokens;
pub use upstream::{Failure, PoolMeter};

use family::Family;
use requests::Requests;
use upstream::Upstream;

/// Everything that is counted in this process.
pub struct Metrics {
    registry: Registry,
    requests: Requests,
    upstream: Upstream,
    /// Connections of visitors, and the tunnels that some become.
    pub connections: Connections,
    /// Access tokens that were checked, and what is remembered of them.
    pub tokens: Tokens,
    /// Sign-ins, refreshes, sign-outs.
    pub events: Events,
    /// Operations of the store.
    pub store: StoreMetrics,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        process::register(&mut registry);
        let ours = registry.sub_registry_with_prefix("vestibule");
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        ours.register("build", "The program that runs", Info::new(version));
        logs::register(ours);
        Self {
            requests: Requests::new(ours),
            upstream: Upstream::new(ours),
            connections: Connections::new(ours),
            tokens: Tokens::new(ours),
            events: Events::new(ours),
            store: StoreMetrics::new(ours),
            registry,
        }
    }

    /// The connections to the app at this address, as the configuration writes it.
    pub fn pool(&self, address: &impl fmt::Display) -> PoolMeter {
        self.upstream.pool(&address.to_string())
    }

    /// As OpenMetrics 1.0 writes it.
    ///
    /// # Errors
    /// Never: a string takes all that is written to it.
    pub fn open_metrics(&self) -> Result<String, fmt::Error> {
        let mut out = String::with_capacity(64 << 10);
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use http::StatusCode;

    use super::*;
    use crate::config;

    #[test]
    fn the_same_routes_resolved_anew_go_on_counting_where_they_were() {
        let text = r#"
            [server]
            public_url = "https://app.example"

            [[routes]]
            name = "app"
            upstream = "http://127.0.0.1:9"

            [storage]
            url = "memory:"
        "#;
        let config = config::parse(text, Path::new("")).unwrap();
        let metrics = Metrics::new();
        for _ in 0..3 {
            let meters = metrics.meters(&config.routes);
            meters.begin();
            let took = Duration::from_millis(1);
            meters.end(Destination::Own, Some(StatusCode::OK), false, took);
            metrics.pool(&config.routes[0].upstream).opened.inc();
        }
        let told = metrics.open_metrics().unwrap();
        for line in [
            "vestibule_requests_total{route=\"(own)\",class=\"2xx\",by=\"gateway\"} 3",
            "vestibule_requests_total{route=\"app\",class=\"2xx\",by=\"app\"} 0",
            "vestibule_request_duration_seconds_count{route=\"(own)\"} 3",
            "vestibule_upstream_connections_opened_total{upstream=\"http://127.0.0.1:9\"} 3",
            "vestibule_requests_in_flight 0",
        ] {
            let count = told.lines().filter(|told| *told == line).count();
            assert_eq!(count, 1, "{line} in {told}");
        }
    }
}
