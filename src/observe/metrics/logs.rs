//! How many log lines were dropped because nobody wrote them fast enough?

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;

use crate::observe::sink;

/// Asked at each scrape.
#[derive(Debug)]
struct Dropped;

pub(super) fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(Dropped));
}

impl Collector for Dropped {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "log_lines_dropped",
            "Log lines that came faster than they were written.",
            None,
            MetricType::Counter,
        )?;
        for (log, lines) in sink::dropped() {
            ConstCounter::new(lines).encode(family.encode_family(&[("log", log)])?)?;
        }
        Ok(())
    }
}
