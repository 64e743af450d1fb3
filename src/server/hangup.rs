//! SIGHUP: the files of the logs are opened anew, because logrotate has renamed them.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::gateway::Gateway;

/// Begins to listen for SIGHUP, which would end the process otherwise.
pub(super) fn listen() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Does it each time, for as long as the runtime lives.
pub(super) async fn follow(mut hangups: Signal, gateway: Arc<Gateway>) {
    while hangups.recv().await.is_some() {
        for log in gateway.logs() {
            log.reopen();
        }
    }
}
