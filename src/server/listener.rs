//! Accepts connections and deals them to the data threads in turn.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::server::phase::{Follow, Phase};
use crate::server::socket_file::SocketFile;
use crate::server::sockets::{Purpose, Socket};

/// How long to wait after the system refused a connection (too many open files, for one).
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// A connection on its way to a data thread.
pub(super) struct Accepted {
    pub(super) line: Line,
    /// The address of the other end; `None` for a unix socket.
    pub(super) peer: Option<IpAddr>,
    /// Gives the place back when the connection ends.
    pub(super) permit: OwnedSemaphorePermit,
}

/// A stream that no runtime knows yet.
pub(super) enum Line {
    Tcp(std::net::TcpStream, Purpose),
    Unix(std::os::unix::net::UnixStream),
}

/// A socket that accepts, on this runtime.
pub(super) enum Listener {
    Tcp(TcpListener, Purpose),
    Unix(UnixListener, Option<SocketFile>),
}

impl Listener {
    /// On the runtime of the caller.
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        Ok(match socket {
            Socket::Tcp(socket, purpose) => Self::Tcp(TcpListener::from_std(socket)?, purpose),
            Socket::Unix(socket, file) => Self::Unix(UnixListener::from_std(socket)?, file),
        })
    }

    /// Off the runtime again.
    fn into_socket(self) -> io::Result<Socket> {
        Ok(match self {
            Self::Tcp(listener, purpose) => Socket::Tcp(listener.into_std()?, purpose),
            Self::Unix(listener, file) => Socket::Unix(listener.into_std()?, file),
        })
    }

    async fn accept(&self) -> io::Result<(Line, Option<IpAddr>)> {
        Ok(match self {
            Self::Tcp(listener, purpose) => {
                let (stream, peer) = listener.accept().await?;
                let line = Line::Tcp(stream.into_std()?, purpose.clone());
                (line, Some(peer.ip()))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                (Line::Unix(stream.into_std()?), None)
            }
        })
    }
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
    listener: Listener,
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

async fn accept(listener: &Listener, permits: &Arc<Semaphore>) -> io::Result<Accepted> {
    let permit = Arc::clone(permits)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (line, peer) = listener.accept().await?;
    Ok(Accepted { line, peer, permit })
}

/// Whoever the system let in before the stop is served.
fn empty_backlog(listener: Listener, lanes: &Lanes, permits: &Arc<Semaphore>) {
    let Ok(socket) = listener.into_socket() else {
        return;
    };
    while let Ok(permit) = Arc::clone(permits).try_acquire_owned()
        && let Ok((line, peer)) = accept_at_once(&socket)
    {
        lanes.deal(Accepted { line, peer, permit });
    }
}

/// A connection that is there already; an error where there is none.
fn accept_at_once(socket: &Socket) -> io::Result<(Line, Option<IpAddr>)> {
    Ok(match socket {
        Socket::Tcp(listener, purpose) => {
            let (stream, peer) = listener.accept()?;
            stream.set_nonblocking(true)?;
            (Line::Tcp(stream, purpose.clone()), Some(peer.ip()))
        }
        Socket::Unix(listener, _) => {
            let (stream, _) = listener.accept()?;
            stream.set_nonblocking(true)?;
            (Line::Unix(stream), None)
        }
    })
}
