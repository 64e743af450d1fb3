//! The admin listener: few connections, on the control runtime.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admin::{self, Reloads};
use crate::server::current::Current;

const CONNECTIONS: usize = 64;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves until the runtime ends: probes are answered while the process stops.
pub(super) async fn serve(listener: TcpListener, current: Arc<Current>, reloads: Reloads) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (current, reloads) = (Arc::clone(&current), reloads.clone());
                tokio::spawn(serve_one(stream, peer.ip(), current, reloads, permit));
            }
            Err(error) => {
                tracing::warn!(%error, "an admin connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve_one(
    stream: TcpStream,
    client: IpAddr,
    current: Arc<Current>,
    reloads: Reloads,
    _permit: OwnedSemaphorePermit,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (gateway, reloads) = (current.gateway(), reloads.clone());
        async move {
            let answer = admin::answer(&gateway, &reloads, client, request);
            Ok::<_, Infallible>(answer.await)
        }
    });
    // An error here is the prober's: it hung up.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
