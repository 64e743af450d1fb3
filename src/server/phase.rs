//! The life of the process: running, stopping, over; and the signals that move it on.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Requests are welcome.
    Running,
    /// What is under way is answered, nothing new is begun.
    Stopping,
    /// The drain limit is reached: everything ends.
    Over,
}

/// Moves the phase on.
pub(super) struct Phases(watch::Sender<Phase>);

/// Follows the phase.
#[derive(Clone)]
pub(super) struct Follow(watch::Receiver<Phase>);

impl Phases {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Phase::Running))
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.0.send_replace(phase);
    }

    pub(super) fn follow(&self) -> Follow {
        Follow(self.0.subscribe())
    }
}

impl Follow {
    /// Waits until the process is in `phase` or past it. A dropped server is over.
    pub(super) async fn reached(&mut self, phase: Phase) {
        let _ = self.0.wait_for(|now| *now >= phase).await;
    }

    /// Whether the process is in `phase` or past it.
    pub(super) fn is_past(&self, phase: Phase) -> bool {
        *self.0.borrow() >= phase
    }
}

/// Waits for SIGTERM or SIGINT and says which came.
pub(super) async fn stop_signal() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
