//! What is told about one request that is recorded? A span for it, and one for its way to the app,
//! in the words of OpenTelemetry's conventions for HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::{HeaderValue, Method, StatusCode, Version};
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::Traces;
use crate::config::AppAddress;
use crate::observe::Entry;
use crate::request::{Host, Scheme, SpanId, Trace};

/// The most bytes of what a caller chose that are kept of each value.
const LONGEST: usize = 1024;

/// What is gathered for the spans of one request, beside its entry.
pub struct Span {
    traces: Arc<Traces>,
    trace: Trace,
    /// Scheme and host that were asked for, where the request could be read.
    pub asked: Option<(Scheme, Option<Host>)>,
    /// Its way to the app.
    pub forward: Option<Forward>,
}

/// The way of a request to the app, until the head of the answer.
pub struct Forward {
    /// The app.
    pub to: AppAddress,
    /// When it began.
    pub sent: Instant,
    /// How long it took, and its end: the app's status, or a word for what went wrong. `None`: the
    /// caller did not wait for it.
    pub answered: Option<(Duration, Result<StatusCode, &'static str>)>,
}

impl Span {
    /// For a request at this place of its trace.
    pub const fn new(traces: Arc<Traces>, trace: Trace) -> Self {
        Self {
            traces,
            trace,
            asked: None,
            forward: None,
        }
    }

    /// Tells all there is, now that the request has ended.
    pub(in crate::observe) fn end(self, entry: &Entry) {
        let took = entry.took;
        if let Some(forward) = &self.forward {
            self.traces.tell(self.of_forward(entry, forward, took));
        }
        self.traces.tell(self.of_request(entry, took));
    }

    fn of_request(&self, entry: &Entry, took: Duration) -> SpanData {
        let mut attributes = Vec::with_capacity(12);
        add_method(&mut attributes, &entry.method);
        if let Some(target) = &entry.target {
            add(&mut attributes, "url.path", cut(target.path()));
        }
        if let Some((scheme, host)) = &self.asked {
            add(&mut attributes, "url.scheme", scheme.as_str());
            if let Some(host) = host {
                add(&mut attributes, "server.address", host.name().to_owned());
                let port = i64::from(host.port_or_default(*scheme));
                add(&mut attributes, "server.port", port);
            }
        }
        if let Some(client) = entry.client {
            add(&mut attributes, "client.address", client.to_string());
        }
        add(
            &mut attributes,
            "network.protocol.version",
            version(entry.version),
        );
        if let Some(agent) = entry.user_agent.as_ref().map(HeaderValue::as_bytes) {
            let agent = String::from_utf8_lossy(agent);
            add(&mut attributes, "user_agent.original", cut(&agent));
        }
        let mut name = known_method(&entry.method).unwrap_or("HTTP").to_owned();
        if let Some(route) = &entry.route {
            name = format!("{name} {}", route.as_str());
            add(&mut attributes, "http.route", route.as_str().to_owned());
        }
        let mut status = Status::Unset;
        if let Some(code) = entry.status {
            add_status(&mut attributes, code);
            if code.is_server_error() {
                add(&mut attributes, "error.type", code.as_str().to_owned());
                status = Status::error("");
            }
        }
        SpanData {
            parent_span_id: id_of(self.trace.caller),
            parent_span_is_remote: self.trace.caller.is_some(),
            span_kind: SpanKind::Server,
            name: name.into(),
            start_time: start(entry),
            end_time: start(entry) + took,
            attributes,
            status,
            ..self.empty(self.trace.request)
        }
    }

    fn of_forward(&self, entry: &Entry, forward: &Forward, whole: Duration) -> SpanData {
        let mut attributes = Vec::with_capacity(8);
        add_method(&mut attributes, &entry.method);
        match &forward.to {
            AppAddress::Network { host, port } => {
                add(&mut attributes, "server.address", host.clone());
                add(&mut attributes, "server.port", i64::from(*port));
                let path = entry.target.as_ref().map_or("", |target| target.path());
                let url = format!("http://{}{}", forward.to.authority(), cut(path));
                add(&mut attributes, "url.full", url);
            }
            AppAddress::Unix(path) => {
                let path = path.display().to_string();
                add(&mut attributes, "server.address", path);
            }
        }
        add(&mut attributes, "network.protocol.version", "1.1");
        let begin = forward.sent.saturating_duration_since(entry.started);
        let (took, outcome) = match forward.answered {
            Some((took, outcome)) => (took, outcome),
            None => (whole.saturating_sub(begin), Err("cancelled")),
        };
        let mut status = Status::Unset;
        match outcome {
            Ok(code) => {
                add_status(&mut attributes, code);
                if code.is_client_error() || code.is_server_error() {
                    add(&mut attributes, "error.type", code.as_str().to_owned());
                    status = Status::error("");
                }
            }
            Err(word) => {
                add(&mut attributes, "error.type", word);
                status = Status::error("");
            }
        }
        SpanData {
            parent_span_id: id_of(Some(self.trace.request)),
            span_kind: SpanKind::Client,
            name: known_method(&entry.method).unwrap_or("HTTP").into(),
            start_time: start(entry) + begin,
            end_time: start(entry) + begin + took,
            attributes,
            status,
            ..self.empty(self.trace.forward)
        }
    }

    /// A span of this name about which nothing is known yet.
    pub(super) fn empty(&self, id: SpanId) -> SpanData {
        let trace = opentelemetry::trace::TraceId::from_bytes(self.trace.id.bytes());
        let flags = TraceFlags::new(self.trace.flags());
        SpanData {
            span_context: SpanContext::new(trace, id_of(Some(id)), flags, false, TraceState::NONE),
            parent_span_id: id_of(None),
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "".into(),
            start_time: UNIX_EPOCH,
            end_time: UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder("vestibule")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        }
    }
}

fn add(attributes: &mut Vec<KeyValue>, name: &'static str, value: impl Into<Value>) {
    attributes.push(KeyValue::new(name, value));
}

fn add_method(attributes: &mut Vec<KeyValue>, method: &Method) {
    match known_method(method) {
        Some(method) => add(attributes, "http.request.method", method),
        None => {
            add(attributes, "http.request.method", "_OTHER");
            let original = cut(method.as_str());
            add(attributes, "http.request.method_original", original);
        }
    }
}

fn add_status(attributes: &mut Vec<KeyValue>, code: StatusCode) {
    let code = i64::from(code.as_u16());
    add(attributes, "http.response.status_code", code);
}

/// The methods that the conventions know; callers may make up others.
fn known_method(method: &Method) -> Option<&'static str> {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE",
    ];
    KNOWN.into_iter().find(|known| *known == method.as_str())
}

const fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST);
    text.get(..end).unwrap_or_default().to_owned()
}

fn id_of(id: Option<SpanId>) -> opentelemetry::trace::SpanId {
    id.map_or(opentelemetry::trace::SpanId::INVALID, |id| {
        opentelemetry::trace::SpanId::from_bytes(id.bytes())
    })
}

/// When the request began, as the clock of the log has it.
fn start(entry: &Entry) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(entry.at.millis()).unwrap_or_default())
}
