//! How is sending going? Passes batches on to the OTLP exporter, and tells the log now and then.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::Queue;
use super::client::Trouble;

/// How long the log is spared the next complaint.
const QUIET: Duration = Duration::from_secs(60);

/// The exporter, watched.
#[derive(Debug)]
pub(super) struct Exporter {
    inner: opentelemetry_otlp::SpanExporter,
    queue: Arc<Queue>,
    trouble: Arc<Trouble>,
    /// When the log was last told that spans are lost.
    told: Mutex<Option<Instant>>,
}

impl Exporter {
    pub(super) const fn new(
        inner: opentelemetry_otlp::SpanExporter,
        queue: Arc<Queue>,
        trouble: Arc<Trouble>,
    ) -> Self {
        Self {
            inner,
            queue,
            trouble,
            told: Mutex::new(None),
        }
    }

    /// Tells the log of spans that were lost, the first time and then once a minute.
    fn tell_losses(&self, result: &OTelSdkResult) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| told.elapsed() < QUIET) {
            return;
        }
        let lost = self.queue.lost.swap(0, Ordering::Relaxed);
        if lost == 0 {
            return;
        }
        *told = Some(Instant::now());
        match result {
            Ok(()) => tracing::warn!(
                lost,
                "spans came faster than the collector takes them and were dropped"
            ),
            Err(error) => {
                let cause = self.trouble.take();
                tracing::warn!(
                    lost,
                    %error,
                    cause,
                    "spans could not be sent to the collector (observe.traces.otlp_endpoint)"
                );
            }
        }
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let result = self.inner.export(batch).await;
        self.queue.waiting.fetch_sub(count, Ordering::Relaxed);
        if result.is_err() {
            self.queue.lost.fetch_add(count, Ordering::Relaxed);
        }
        self.tell_losses(&result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let lost = self.queue.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, "since the last message on lost spans, more were lost");
        }
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
