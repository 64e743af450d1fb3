//! Looks after the certificate: its files are read when they change.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::server::certificates::{CertificateError, Certificates};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(10);

/// Renews for as long as the runtime lives. Connections that are open keep what they began with.
pub(super) async fn run(certificates: Arc<Certificates>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let certificates = Arc::clone(&certificates);
        let reading = spawn_blocking(move || certificates.renew());
        report(reading.await.map_err(io::Error::other));
    }
}

fn report(renewed: io::Result<Result<bool, CertificateError>>) {
    match renewed {
        Ok(Ok(true)) => tracing::info!("the certificate was read again: new connections get it"),
        Ok(Ok(false)) => {}
        Ok(Err(error)) => {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            tracing::error!(cause, "the old certificate stays in use: {error}");
        }
        Err(error) => tracing::error!(%error, "the old certificate stays in use"),
    }
}
