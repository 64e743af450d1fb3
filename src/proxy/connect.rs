//! A new connection to an app.

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::timeout;

use crate::config::UpstreamSettings;
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

/// Connects to the first address of the host that accepts.
pub(super) async fn connect(to: &UpstreamSettings) -> Result<Connection, ForwardError> {
    let stream = timeout(
        to.connect_timeout,
        TcpStream::connect((to.host.as_str(), to.port)),
    )
    .await
    .map_err(|_| ForwardError::TimedOut)?
    .map_err(ForwardError::unreachable)?;
    stream
        .set_nodelay(true)
        .map_err(ForwardError::unreachable)?;
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
