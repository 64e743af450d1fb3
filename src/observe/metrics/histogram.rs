//! How long does it take, in buckets? Without a lock: every thread adds to the same atomics.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// The upper bounds for whole requests, in microseconds.
pub(super) const REQUESTS: &[u64] = &[
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];
/// The upper bounds for operations of the store, in microseconds.
pub(super) const STORE: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000,
];

/// A histogram of spans. Clones are the same histogram.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Buckets>);

struct Buckets {
    /// In microseconds, rising.
    bounds: &'static [u64],
    /// One more than bounds: the last has none.
    counts: Box<[AtomicU64]>,
    /// In nanoseconds: full after 584 years.
    sum: AtomicU64,
}

impl Histogram {
    /// With these upper bounds in microseconds, which rise.
    pub(super) fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        let sum = AtomicU64::new(0);
        Self(Arc::new(Buckets {
            bounds,
            counts,
            sum,
        }))
    }

    /// Adds one.
    pub fn observe(&self, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let Buckets {
            bounds,
            counts,
            sum,
        } = &*self.0;
        let place = bounds.partition_point(|bound| bound * 1000 < nanos);
        if let Some(count) = counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
            sum.fetch_add(nanos, Ordering::Relaxed);
        }
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    #[expect(
        clippy::cast_precision_loss,
        reason = "the bounds are small, and a sum of years need not be exact to the nanosecond"
    )]
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = self.0.bounds.iter().map(|bound| *bound as f64 / 1e6);
        let bounds = bounds.chain([f64::INFINITY]);
        let counts = self.0.counts.iter().map(|n| n.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        // Counted from the same readings, so that the count is that of the last bucket.
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.0.sum.load(Ordering::Relaxed) as f64 / 1e9;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_span_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&[500, 1_000]);
        for micros in [0, 500, 501, 1_000, 1_001, 3_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut registry = Registry::default();
        registry.register("x", "X", histogram);
        let mut told = String::new();
        text::encode_registry(&mut told, &registry).unwrap();
        let told: Vec<&str> = told.lines().skip(2).collect();
        assert_eq!(
            told,
            [
                "x_sum 3.003002",
                "x_count 6",
                "x_bucket{le=\"0.0005\"} 2",
                "x_bucket{le=\"0.001\"} 4",
                "x_bucket{le=\"+Inf\"} 6",
            ]
        );
    }

    #[test]
    fn all_bounds_rise() {
        for bounds in [REQUESTS, STORE] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
        }
    }
}
