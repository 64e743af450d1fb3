//! What is noted of every request: its id, and once its answer has ended, what is counted of it and its
//! line in the access log.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};

use crate::gateway::Gateway;
use crate::observe::Entry;
use crate::observe::metrics::{Destination, Meters};
use crate::observe::traces::Span;
use crate::policy::RouteId;
use crate::proxy::{Body, ForwardError};
use crate::random;
use crate::request::id::X_REQUEST_ID;
use crate::request::{Connection, RequestFacts, RequestId, TraceId, TraceParent};

/// The body of an answer, counted as it goes.
pub struct Observed {
    body: Body,
    noted: Noted,
}

/// What is told about one request, gathered on its way, and told when it is dropped, whatever ends the
/// request.
pub(super) struct Noted {
    started: Instant,
    meters: Arc<Meters>,
    /// Where it belongs.
    pub(super) destination: Destination,
    /// Whether the app answered.
    pub(super) by_app: bool,
    status: Option<StatusCode>,
    /// Its line in the access log, where there is one.
    pub(super) entry: Option<Entry>,
}

/// Settles the request's id, a trusted proxy's word or a new one, for all who look at its headers,
/// and begins to note.
pub(super) fn begin(
    gateway: &Gateway,
    connection: Connection,
    request: &mut Parts,
    destination: Destination,
) -> (RequestId, Noted) {
    let started = Instant::now();
    let told = told_id(gateway, connection, request);
    let id = told.unwrap_or_else(|| RequestId::from_bytes(random::id()));
    request.headers.insert(X_REQUEST_ID, id.header().clone());
    let (trace, span) = trace(gateway, connection, request).unzip();
    let span = span.flatten();
    let entry = (gateway.access_log.is_some() || span.is_some()).then(|| {
        let log = gateway.access_log.clone();
        let at = (gateway.clock.now(), started);
        let mut entry = Entry::begin(log, at, request, id.clone());
        entry.trace = trace;
        entry.span = span;
        entry
    });
    let noted = Noted::begin(gateway, started, destination, entry);
    (id, noted)
}

/// The trace of the request where there are traces, and its span where that one is recorded.
fn trace(
    gateway: &Gateway,
    connection: Connection,
    request: &mut Parts,
) -> Option<(TraceId, Option<Box<Span>>)> {
    let traces = gateway.traces.as_ref()?;
    let told = told_trace(gateway, connection, request);
    let trace = traces.join(told, &mut request.headers);
    let span = || Box::new(Span::new(Arc::clone(traces), trace));
    Some((trace.id, trace.is_sampled().then(span)))
}

fn is_trusted(gateway: &Gateway, connection: Connection) -> bool {
    let trusted = &gateway.config.server.trusted_proxies;
    connection.peer.is_some_and(|peer| trusted.contains(peer))
}

/// The id that a trusted proxy gave the request.
pub(super) fn told_id(
    gateway: &Gateway,
    connection: Connection,
    request: &Parts,
) -> Option<RequestId> {
    is_trusted(gateway, connection)
        .then(|| RequestId::read(&request.headers))
        .flatten()
}

/// The trace that a trusted proxy put the request into. Strangers do not decide what we record.
pub(super) fn told_trace(
    gateway: &Gateway,
    connection: Connection,
    request: &Parts,
) -> Option<TraceParent> {
    is_trusted(gateway, connection)
        .then(|| TraceParent::read(&request.headers))
        .flatten()
}

/// Tells the id with the answer, and follows the answer to its end.
pub(super) fn follow(
    mut response: Response<Body>,
    id: &RequestId,
    mut noted: Noted,
) -> Response<Observed> {
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.header().clone());
    let status = response.status();
    noted.status = Some(status);
    if let Some(entry) = &mut noted.entry {
        let is_bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        entry.status = Some(status);
        entry.complete = is_bodiless || entry.is_head() || response.body().is_end_stream();
    }
    response.map(|body| Observed { body, noted })
}

impl Noted {
    fn begin(
        gateway: &Gateway,
        started: Instant,
        destination: Destination,
        entry: Option<Entry>,
    ) -> Self {
        gateway.meters.begin();
        Self {
            started,
            meters: Arc::clone(&gateway.meters),
            destination,
            by_app: false,
            status: None,
            entry,
        }
    }

    /// The request could be read.
    pub(super) fn read(&mut self, facts: &RequestFacts) {
        if let Some(entry) = &mut self.entry {
            entry.read(facts);
        }
    }

    /// It could not: only where it came from is known.
    pub(super) fn unread(&mut self, gateway: &Gateway, connection: Connection, request: &Parts) {
        if let Some(entry) = &mut self.entry {
            let trusted = &gateway.config.server.trusted_proxies;
            entry.client = trusted.client(connection.peer, &request.headers);
        }
    }

    /// The request goes to the app of this route now.
    pub(super) fn sent(&mut self, gateway: &Gateway, route: RouteId) -> Instant {
        let sent = Instant::now();
        let route = gateway.config.routes.get(route.index());
        if let (Some(entry), Some(route)) = (&mut self.entry, route) {
            entry.forwarded(&route.upstream.address, sent);
        }
        sent
    }

    /// This became of it, and this is how long the head of the answer, or the failure, took.
    pub(super) fn answered(
        &mut self,
        took: Duration,
        answer: &Result<Response<Body>, ForwardError>,
    ) {
        if let Some(entry) = &mut self.entry {
            let outcome = match answer {
                Ok(response) => Ok(response.status()),
                Err(error) => Err(error.failure().word()),
            };
            entry.answered(took, outcome);
        }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.meters
            .end(self.destination, self.status, self.by_app, took);
        if let Some(entry) = &mut self.entry {
            entry.took = took;
        }
    }
}

impl http_body::Body for Observed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let polled = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let Some(entry) = &mut this.noted.entry {
            match &polled {
                Some(Ok(frame)) => {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    entry.bytes += u64::try_from(length).unwrap_or_default();
                    entry.complete = frame.is_trailers() || this.body.is_end_stream();
                }
                Some(Err(_)) => {}
                None => entry.complete = true,
            }
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
