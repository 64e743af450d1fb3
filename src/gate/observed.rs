//! What is noted of every request: its id, and a line in the access log once its answer has ended.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};

use crate::gateway::Gateway;
use crate::observe::Entry;
use crate::proxy::Body;
use crate::random;
use crate::request::id::X_REQUEST_ID;
use crate::request::{Connection, RequestId};

/// The body of an answer, counted as it goes.
pub struct Observed {
    body: Body,
    entry: Option<Entry>,
}

/// Settles the request's id, a trusted proxy's word or a new one, for all who look at its headers,
/// and begins its entry where there is an access log.
pub(super) fn begin(
    gateway: &Gateway,
    connection: Connection,
    request: &mut Parts,
) -> (RequestId, Option<Entry>) {
    let trusted = &gateway.config.server.trusted_proxies;
    let told = told_id(gateway, connection, request);
    let id = told.unwrap_or_else(|| RequestId::from_bytes(random::bytes()));
    request.headers.insert(X_REQUEST_ID, id.header().clone());
    let entry = gateway.access_log.as_ref().map(|log| {
        let mut entry = Entry::begin(log, gateway.clock.now(), request, id.clone());
        entry.client = trusted.client(connection.peer, &request.headers);
        entry
    });
    (id, entry)
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
    mut entry: Option<Entry>,
) -> Response<Observed> {
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.header().clone());
    if let Some(entry) = &mut entry {
        let status = response.status();
        let is_bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        entry.status = Some(status);
        entry.complete = is_bodiless || entry.is_head() || response.body().is_end_stream();
    }
    response.map(|body| Observed { body, entry })
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
        if let Some(entry) = &mut this.entry {
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
