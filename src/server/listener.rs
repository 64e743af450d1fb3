//! Accepts connections and deals them to the data threads in turn.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::server::phase::{Follow, Phase};

/// How long to wait after the system refused a connection (too many open files, for one).
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// A connection on its way to a data thread.
pub(super) struct Accepted {
    pub(super) stream: std::net::TcpStream,
    pub(super) peer: SocketAddr,
    /// Gives the place back when the connection ends.
    pub(super) permit: OwnedSemaphorePermit,
}

/// The ways to the data threads. The channels are bounded by the connection permits.
#[derive(Clone)]
pub(super) struct Lanes {
    lanes: Arc<[UnboundedSender<Accepted>]>,
    turn: Arc<AtomicUsize>,
}

impl Lanes {
    pub(super) fn new(lanes: Vec<UnboundedSender<Accepted>>) -> Self {
        Self {
            lanes: lanes.into(),
            turn: Arc::default(),
        }
    }

    fn deal(&self, accepted: Accepted) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        if let Some(lane) = self.lanes.get(turn % self.lanes.len().max(1)) {
            // A data thread that is gone drops the connection, which closes it.
            let _ = lane.send(accepted);
        }
    }
}

/// Accepts until the stop, then takes what the system has accepted already, then closes.
pub(super) async fn accept_all(
    listener: TcpListener,
    lanes: Lanes,
    permits: Arc<Semaphore>,
    mut phase: Follow,
) {
    loop {
        tokio::select! {
            () = phase.reached(Phase::Stopping) => break,
            accepted = accept(&listener, &permits) => match accepted {
                Ok(accepted) => lanes.deal(accepted),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            },
        }
    }
    empty_backlog(listener, &lanes, &permits);
}

async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> io::Result<Accepted> {
    let permit = Arc::clone(permits)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok(Accepted {
        stream: stream.into_std()?,
        peer,
        permit,
    })
}

/// Whoever the system let in before the stop is served.
fn empty_backlog(listener: TcpListener, lanes: &Lanes, permits: &Arc<Semaphore>) {
    let Ok(listener) = listener.into_std() else {
        return;
    };
    while let Ok(permit) = Arc::clone(permits).try_acquire_owned()
        && let Ok((stream, peer)) = listener.accept()
        && stream.set_nonblocking(true).is_ok()
    {
        lanes.deal(Accepted {
            stream,
            peer,
            permit,
        });
    }
}
