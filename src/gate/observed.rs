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
use crate::proxy::Body;
use crate::random;
use crate::request::id::X_REQUEST_ID;
use crate::request::{Connection, RequestId};

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
    let trusted = &gateway.config.server.trusted_proxies;
    let told = told_id(gateway, connection, request);
    let id = told.unwrap_or_else(|| RequestId::from_bytes(random::bytes()));
    request.headers.insert(X_REQUEST_ID, id.header().clone());
    let entry = gateway.access_log.as_ref().map(|log| {
        let mut entry = Entry::begin(log, gateway.clock.now(), request, id.clone());
        entry.client = trusted.client(connection.peer, &request.headers);
        entry
    });
    let noted = Noted::begin(gateway, destination, entry);
    (id, noted)
}

/// The id that a trusted proxy gave the request.
pub(super) fn told_id(
    gateway: &Gateway,
    connection: Connection,
    request: &Parts,
) -> Option<RequestId> {
    let trusted = &gateway.config.server.trusted_proxies;
    let is_trusted = connection.peer.is_some_and(|peer| trusted.contains(peer));
    is_trusted
        .then(|| RequestId::read(&request.headers))
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
    fn begin(gateway: &Gateway, destination: Destination, entry: Option<Entry>) -> Self {
        gateway.meters.begin();
        Self {
            started: Instant::now(),
            meters: Arc::clone(&gateway.meters),
            destination,
            by_app: false,
            status: None,
            entry,
        }
    }

    /// The app was asked, and this is how long the head of its answer, or its failure, took.
    pub(super) fn asked(&mut self, took: Duration) {
        if let Some(entry) = &mut self.entry {
            entry.upstream = Some(took);
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
