//! `vestibule serve`: runs the gateway until it is told to stop.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;

use crate::cli::output;
use crate::clock::SteadyClock;
use crate::observe;
use crate::server::{self, Address, Load, Reloading, Running};

/// Runs until SIGTERM or SIGINT, then answers what is under way. `load` reads the configuration, now
/// and at each SIGHUP.
pub(super) fn run(load: Load) -> anyhow::Result<()> {
    let begun = Instant::now();
    let config = load()?;
    let log = observe::start_log(&config.observe)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let level = log.level();
    let reloading = Some(Reloading { load, level });
    let server = server::start(config, Arc::new(SteadyClock::new()), reloading)?;
    for warning in server.gateway().pages.warnings() {
        tracing::warn!("{warning}");
    }
    announce(&server);
    // The log writes a number of more bits as text.
    let after_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let public_urls = output::joined(&server.gateway().config.server.public_urls);
    tracing::info!(after_ms, "ready: people open {public_urls}");
    wait_and_stop(server)
}

/// Waits for the signal, then stops.
pub(super) fn wait_and_stop(server: Running) -> anyhow::Result<()> {
    let signal = server
        .wait_for_signal()
        .context("cannot wait for signals")?;
    tracing::info!(signal, "stopping: requests under way are answered first");
    if server.stop() {
        tracing::info!("stopped");
    } else {
        tracing::warn!("stopped at the drain limit: what was still open was cut off");
    }
    Ok(())
}

fn announce(server: &Running) {
    for address in server.addresses() {
        match address {
            Address::Redirect(_) => tracing::info!("redirecting from {address} to https"),
            Address::Http(_) | Address::Https(_) | Address::Unix(_) => {
                tracing::info!("listening on {address}");
            }
        }
    }
    if let Some(address) = server.admin_address() {
        tracing::info!("admin listening on http://{address}");
    }
}
