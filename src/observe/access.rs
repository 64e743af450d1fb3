//! The access log: one line for every answer, written when its last byte has gone.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{REFERER, USER_AGENT};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Version};

use crate::clock::Timestamp;
use crate::config::{AccessFormat, AccessLogSettings, AppAddress};
use crate::identity::{Identity, SessionId};
use crate::observe::traces::{Forward, Span};
use crate::observe::{OpenError, Sink};
use crate::policy::RouteName;
use crate::request::{RequestFacts, RequestId, TraceId};

mod line;

/// What stands for a status where the caller was gone before there was one.
const GONE: u16 = 499;

/// Where the lines go, and how they are written.
pub struct AccessLog {
    sink: Sink,
    format: AccessFormat,
    query: bool,
}

impl AccessLog {
    /// Opens the log.
    pub fn open(settings: &AccessLogSettings) -> Result<Self, OpenError> {
        Ok(Self {
            sink: Sink::open("access", "observe.access_log.to", &settings.to)?,
            format: settings.format,
            query: settings.query,
        })
    }

    /// Its way to the file.
    pub const fn sink(&self) -> &Sink {
        &self.sink
    }
}

/// What is told about one request, gathered on its way. Its line is written when it is dropped, and
/// its spans with it, so that there is one line whatever ends the request.
pub struct Entry {
    log: Option<Arc<AccessLog>>,
    pub(super) at: Timestamp,
    pub(super) started: Instant,
    id: RequestId,
    pub(super) method: Method,
    pub(super) target: Option<PathAndQuery>,
    pub(super) version: Version,
    pub(super) user_agent: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    /// The address of the person's machine, where it is known.
    pub client: Option<IpAddr>,
    /// The route that was found.
    pub route: Option<RouteName>,
    /// Who asked, and in which session, where an access token said so.
    pub visitor: Option<(Arc<Identity>, SessionId)>,
    /// How long it all took.
    pub took: Duration,
    /// How long the head of the app's answer took.
    pub upstream: Option<Duration>,
    /// The answer's status; `None` until there is one.
    pub status: Option<StatusCode>,
    /// How much of the answer's body went out.
    pub bytes: u64,
    /// Whether that is all of it.
    pub complete: bool,
    /// The trace that it is part of, where there are traces.
    pub trace: Option<TraceId>,
    /// Where its spans come from, where the trace is recorded.
    pub span: Option<Box<Span>>,
}

impl Entry {
    /// Begins with what the request itself says. Without a log, its spans are all that is told.
    pub fn begin(
        log: Option<Arc<AccessLog>>,
        (at, started): (Timestamp, Instant),
        request: &Parts,
        id: RequestId,
    ) -> Self {
        Self {
            log,
            at,
            started,
            id,
            method: request.method.clone(),
            target: request.uri.path_and_query().cloned(),
            version: request.version,
            user_agent: request.headers.get(USER_AGENT).cloned(),
            referer: request.headers.get(REFERER).cloned(),
            client: None,
            route: None,
            visitor: None,
            took: Duration::ZERO,
            upstream: None,
            status: None,
            bytes: 0,
            complete: false,
            trace: None,
            span: None,
        }
    }

    /// Adds what was read of the request.
    pub fn read(&mut self, facts: &RequestFacts) {
        self.client = facts.client;
        if let Some(span) = &mut self.span {
            span.asked = Some((facts.scheme, facts.host.clone()));
        }
    }

    /// Adds that the request goes on to an app now.
    pub fn forwarded(&mut self, to: &AppAddress, sent: Instant) {
        if let Some(span) = &mut self.span {
            span.forward = Some(Forward {
                to: to.clone(),
                sent,
                answered: None,
            });
        }
    }

    /// Adds the app's status, or a word for what went wrong, and how long that took.
    pub fn answered(&mut self, took: Duration, outcome: Result<StatusCode, &'static str>) {
        self.upstream = Some(took);
        if let Some(forward) = self.span.as_mut().and_then(|span| span.forward.as_mut()) {
            forward.answered = Some((took, outcome));
        }
    }

    /// Whether the answer has no body because nobody asked for one.
    pub fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(log) = &self.log {
            line::write(self, log, |line| log.sink.push(line));
        }
        if let Some(span) = self.span.take() {
            span.end(self);
        }
    }
}
