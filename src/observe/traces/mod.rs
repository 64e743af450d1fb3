//! Traces: which one is a request part of, and what is told about it to the collector?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, RetryPolicy, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter as _, SpanProcessor as _,
};
use thiserror::Error;
use tokio::runtime::Handle;

use crate::config::TraceSettings;
use crate::random;
use crate::request::trace::{Share, TRACEPARENT, TRACESTATE};
use crate::request::{Trace, TraceParent};

mod client;
mod export;
mod span;

pub use span::{Forward, Span};

/// The most spans that wait to be sent. What does not fit is dropped and counted.
const QUEUE: usize = 8192;
/// The most spans that are sent at once.
const BATCH: usize = 512;
/// How long spans are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// How long a batch is tried to be sent.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often that is tried again: the last batch must not use up all the time there is at the end.
const RETRIES: usize = 2;
/// How long the end waits for a collector that does not answer.
const LAST_SPANS: Duration = Duration::from_secs(2);

const NAME: &str = "service.name";
const VERSION: &str = "service.version";

/// Puts requests into traces, and sends what is told about those that are recorded. Nobody waits for
/// it. Dropped, it sends what is left.
pub struct Traces {
    share: Share,
    processor: Arc<BatchSpanProcessor>,
    queue: Arc<Queue>,
}

/// What is on its way to the collector.
#[derive(Debug, Default)]
struct Queue {
    waiting: AtomicUsize,
    /// Dropped because there was no room, or not taken by the collector.
    lost: AtomicUsize,
}

/// Why there is no way to the collector.
#[derive(Debug, Error)]
pub enum BuildError {
    /// What OpenTelemetry's variables of the environment say does not fit.
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
    /// TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

impl Traces {
    /// Prepares the way to the collector. Spans are gathered by a thread of their own, and sent by
    /// this runtime.
    pub fn open(settings: &TraceSettings, runtime: Handle) -> Result<Self, BuildError> {
        let queue = Arc::new(Queue::default());
        let is_tls = settings.endpoint.starts_with("https:");
        let tls = is_tls.then(client::tls).transpose()?;
        let client = client::Client::new(runtime, PATIENCE, tls);
        let trouble = client.trouble();
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(&settings.endpoint)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(PATIENCE)
            .with_retry_policy(RetryPolicy::default().with_max_retries(RETRIES))
            .build()?;
        exporter.set_resource(&resource());
        let exporter = export::Exporter::new(exporter, Arc::clone(&queue), trouble);
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(GATHER)
            .build();
        let processor = BatchSpanProcessor::new(exporter, batches);
        Ok(Self {
            share: settings.share,
            processor: Arc::new(processor),
            queue,
        })
    }

    /// Gives a request its place in the trace that its caller told of, or in a new one, and tells the
    /// app in the request's headers.
    pub fn join(&self, caller: Option<TraceParent>, headers: &mut HeaderMap) -> Trace {
        if caller.is_none() {
            headers.remove(TRACESTATE);
        }
        let trace = Trace::join(caller, random::bytes(), self.share);
        headers.insert(TRACEPARENT, trace.header());
        trace
    }

    /// Hands over a span that has ended.
    fn tell(&self, span: SpanData) {
        if self.queue.waiting.fetch_add(1, Ordering::Relaxed) < QUEUE {
            self.processor.on_end(span);
        } else {
            self.queue.waiting.fetch_sub(1, Ordering::Relaxed);
            self.queue.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends what is left, for two seconds at most. Afterwards nothing is sent any more.
    pub fn stop(&self) {
        stop(&self.processor);
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        let processor = Arc::clone(&self.processor);
        // Whoever was the last to need it may be a thread that carries requests. Without a thread
        // there is no time for what is left.
        let _ = thread::Builder::new()
            .name("traces-end".to_owned())
            .spawn(move || stop(&processor));
    }
}

fn stop(processor: &BatchSpanProcessor) {
    // What could not be sent was said by the exporter; what was ended before is no failure.
    let _ = processor.shutdown_with_timeout(LAST_SPANS);
}

/// Who speaks: vestibule, unless the environment gives it another name (`OTEL_SERVICE_NAME`,
/// `OTEL_RESOURCE_ATTRIBUTES`).
fn resource() -> Resource {
    let told = Resource::builder().build();
    let name = told.get(&NAME.into()).map(|name| name.to_string());
    let is_named = name.is_some_and(|name| !name.starts_with("unknown_service"));
    let mut ours = Vec::new();
    if !is_named {
        ours.push(KeyValue::new(NAME, "vestibule"));
    }
    if told.get(&VERSION.into()).is_none() {
        ours.push(KeyValue::new(VERSION, env!("CARGO_PKG_VERSION")));
    }
    Resource::builder().with_attributes(ours).build()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use tokio::runtime::Runtime;

    use super::*;

    #[test]
    fn what_does_not_fit_is_dropped_and_counted_and_nobody_waits() {
        let runtime = Runtime::new().unwrap();
        // Takes connections, and answers nothing.
        let collector = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let settings = TraceSettings {
            endpoint: format!("http://{}/v1/traces", collector.local_addr().unwrap()),
            share: Share::ALL,
        };
        let traces = Traces::open(&settings, runtime.handle().clone()).unwrap();
        let traces = Arc::new(traces);
        let trace = traces.join(None, &mut HeaderMap::new());
        let span = Span::new(Arc::clone(&traces), trace).empty(trace.request);
        for _ in 0..QUEUE + 7 {
            traces.tell(span.clone());
        }
        assert!(traces.queue.lost.load(Ordering::Relaxed) >= 7);
        assert!(traces.queue.waiting.load(Ordering::Relaxed) <= QUEUE);
    }
}
