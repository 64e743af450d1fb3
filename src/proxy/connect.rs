//! A new connection to an app.

use std::io;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::timeout;

use crate::config::{AppAddress, UpstreamSettings};
use crate::proxy::ForwardError;
use crate::proxy::request_body::RequestBody;

/// A connection to an app, for one request after the other.
pub(super) struct Connection {
    /// Where requests are put in.
    pub(super) sender: SendRequest<RequestBody>,
    /// The task that reads and writes. It ends by itself once `sender` is dropped and what is under
    /// way is done.
    pub(super) task: AbortHandle,
}

/// Connects to the socket, or to the first address of the host that accepts.
pub(super) async fn connect(to: &UpstreamSettings) -> Result<Connection, ForwardError> {
    match &to.address {
        AppAddress::Network { host, port } => {
            let connecting = TcpStream::connect((host.as_str(), *port));
            let stream = in_time(to.connect_timeout, connecting).await?;
            stream
                .set_nodelay(true)
                .map_err(ForwardError::unreachable)?;
            speak(stream).await
        }
        AppAddress::Unix(path) => {
            speak(in_time(to.connect_timeout, UnixStream::connect(path)).await?).await
        }
    }
}

async fn in_time<S>(
    limit: Duration,
    connecting: impl Future<Output = io::Result<S>>,
) -> Result<S, ForwardError> {
    timeout(limit, connecting)
        .await
        .map_err(|_| ForwardError::TimedOut)?
        .map_err(ForwardError::unreachable)
}

/// HTTP/1.1 on a stream that is connected.
async fn speak<S>(stream: S) -> Result<Connection, ForwardError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(ForwardError::unreachable)?;
    let task = spawn_local(async move {
        // Whoever waits for an answer gets the error; here it concerns an idle connection.
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a connection to an app ended"
            );
        }
    });
    Ok(Connection {
        sender,
        task: task.abort_handle(),
    })
}
