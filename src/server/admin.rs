//! The admin listener: few connections, on the control runtime.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::admin::{self, Reloads};
use crate::server::current::Current;

const CONNECTIONS: usize = 64;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection is kept: whoever does not read what they asked for must not keep a place from
/// probes for ever.
const LONGEST: Duration = Duration::from_secs(60);
/// How long the answer under way may take after that.
const LAST_ANSWER: Duration = Duration::from_secs(30);

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
    converse(stream, service).await;
}

/// Answers on one connection to its end.
async fn converse<S>(stream: impl AsyncRead + AsyncWrite + Unpin, service: S)
where
    S: HttpService<Incoming, ResBody = Full<Bytes>, Error = Infallible>,
{
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    // An error here is the prober's: it hung up.
    if timeout(LONGEST, serving.as_mut()).await.is_err() {
        serving.as_mut().graceful_shutdown();
        let _ = timeout(LAST_ANSWER, serving).await;
    }
}

#[cfg(test)]
mod tests {
    use http::Response;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    fn service() -> impl HttpService<Incoming, ResBody = Full<Bytes>, Error = Infallible> {
        service_fn(async |_: Request<Incoming>| {
            Ok(Response::new(Full::new(Bytes::from(vec![b'x'; 100_000]))))
        })
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_read_is_given_up() {
        let (mut asking, answering) = duplex(1 << 14);
        for _ in 0..100 {
            asking.write_all(ASK).await.unwrap();
        }
        let longest = LONGEST + LAST_ANSWER + Duration::from_secs(1);
        let ended = timeout(longest, converse(answering, service())).await;
        assert!(ended.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_read_slowly_comes_whole() {
        let (mut asking, answering) = duplex(1 << 10);
        asking.write_all(ASK).await.unwrap();
        let reading = async {
            let mut read = 0;
            let mut piece = [0; 2_000];
            loop {
                match asking.read(&mut piece).await.unwrap() {
                    0 => return read,
                    length => read += length,
                }
                tokio::time::sleep(Duration::from_millis(70)).await;
            }
        };
        let (read, ()) = tokio::join!(reading, converse(answering, service()));
        assert!(read > 100_000);
    }
}
