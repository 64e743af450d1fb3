//! One connection: HTTP/1.1 with its deadlines, until it is closed or the process stops.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{STRICT_TRANSPORT_SECURITY, UPGRADE};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::gate;
use crate::observe::metrics::RefusedHead;
use crate::proxy::{Passage, Place};
use crate::request::{Connection, Scheme};
use crate::server::certificates::Certificates;
use crate::server::listener::{Accepted, Line};
use crate::server::phase::{Follow, Phase};
use crate::server::sockets::Purpose;
use crate::server::stream::Stream;
use crate::server::worker::Worker;

/// How long a connection that has asked nothing yet may still do so once the process stops.
const LAST_CALL: Duration = Duration::from_secs(1);

/// How many header fields hyper takes unless told otherwise.
const HYPERS_HEADER_FIELDS: usize = 100;

/// Serves one connection to its end.
pub(super) async fn serve(worker: Rc<Worker>, accepted: Accepted) {
    let Accepted { line, peer, permit } = accepted;
    let open_connection = worker.gateway().metrics.connections.open();
    let place = Place(Arc::new((permit, open_connection)));
    let redirects = matches!(line, Line::Tcp(_, Purpose::Redirect));
    let Some(stream) = open(line, &worker).await else {
        return;
    };
    let scheme = match stream {
        Stream::Tls(_) => Scheme::Https,
        Stream::Tcp(_) | Stream::Unix(_) => Scheme::Http,
    };
    let connection = Connection { peer, scheme };
    let has_asked = Rc::new(Cell::new(false));
    let passage = Rc::new(Passage::new(&worker.upstreams));
    let service = service_fn(|mut request: Request<Incoming>| {
        has_asked.set(true);
        if request.headers().contains_key(UPGRADE) {
            request.extensions_mut().insert(place.clone());
        }
        let (worker, passage) = (Rc::clone(&worker), Rc::clone(&passage));
        async move {
            let gateway = worker.gateway();
            if redirects {
                let answer = gate::redirect(&gateway, connection, request);
                return Ok::<_, Infallible>(answer);
            }
            let answer = gate::handle(&gateway, &passage, connection, request);
            let mut answer = answer.await;
            if let (Scheme::Https, Some(hsts)) = (scheme, &gateway.config.server.hsts) {
                let headers = answer.headers_mut();
                headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
            }
            Ok(answer)
        }
    });
    let served = builder(&worker).serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served.with_upgrades());
    let mut phase = worker.phase.clone();
    tokio::select! {
        ended = served.as_mut() => return count(&worker, ended),
        () = passage.cut_off() => return,
        () = phase.reached(Phase::Stopping) => served.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        ended = served.as_mut() => count(&worker, ended),
        () = passage.cut_off() => {}
        () = phase.reached(Phase::Over) => {}
        () = last_call(&has_asked) => {}
    }
}

/// An error is the visitor's end of the line: they hung up, or sent what is not HTTP, which hyper has
/// answered itself.
fn count(worker: &Worker, ended: hyper::Result<()>) {
    let gateway = worker.gateway();
    let connections = &gateway.metrics.connections;
    match ended {
        Err(error) if error.is_parse_too_large() => connections.refused(RefusedHead::TooLarge),
        Err(error) if error.is_parse() => connections.refused(RefusedHead::Malformed),
        Ok(()) | Err(_) => {}
    }
}

/// The stream, on this thread's runtime, after its handshake. `None` where there was none.
async fn open(line: Line, worker: &Worker) -> Option<Stream> {
    match line {
        Line::Tcp(stream, purpose) => {
            let stream = TcpStream::from_std(stream).ok()?;
            // Parts of a stream (server-sent events, for one) must not wait for each other.
            let _ = stream.set_nodelay(true);
            match purpose {
                Purpose::Plain | Purpose::Redirect => Some(Stream::Tcp(stream)),
                Purpose::Tls(certificates) => shake_hands(stream, &certificates, worker).await,
            }
        }
        Line::Unix(stream) => Some(Stream::Unix(UnixStream::from_std(stream).ok()?)),
    }
}

/// TLS, in the time that a head may take.
async fn shake_hands(
    stream: TcpStream,
    certificates: &Certificates,
    worker: &Worker,
) -> Option<Stream> {
    let limit = worker.gateway().config.server.limits.head_timeout;
    let accepting = TlsAcceptor::from(certificates.current()).accept(stream);
    let shaken = tokio::select! {
        shaken = timeout(limit, accepting) => shaken,
        () = past_last_call(worker.phase.clone()) => return None,
    };
    match shaken {
        Ok(Ok(stream)) => return Some(Stream::Tls(Box::new(stream))),
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
    worker.gateway().metrics.connections.handshakes_failed.inc();
    None
}

/// A second after the stop.
async fn past_last_call(mut phase: Follow) {
    phase.reached(Phase::Stopping).await;
    tokio::time::sleep(LAST_CALL).await;
}

/// Over a second after the stop if nothing was asked by then; never otherwise.
async fn last_call(has_asked: &Cell<bool>) {
    tokio::time::sleep(LAST_CALL).await;
    if has_asked.get() {
        std::future::pending::<()>().await;
    }
}

fn builder(worker: &Worker) -> http1::Builder {
    let gateway = worker.gateway();
    let limits = &gateway.config.server.limits;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes);
    // Said again, hyper's own limit costs a fortieth of a request: two arrays filled for nothing.
    if limits.header_fields != HYPERS_HEADER_FIELDS {
        builder.max_headers(limits.header_fields);
    }
    builder
}
