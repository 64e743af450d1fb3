//! `vestibule serve`: runs the gateway until it is told to stop.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;

use crate::cli::output;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::observe;
use crate::server::{self, Address, Running};

/// Runs until SIGTERM or SIGINT, then answers what is under way.
pub(super) fn run(config: Config) -> anyhow::Result<()> {
    let begun = Instant::now();
    let _log = observe::start_log(&config.observe)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let server = server::start(config, Arc::new(SystemClock))?;
    announce(&server);
    warn_without_users(&server);
    let after_ms = begun.elapsed().as_millis();
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

fn warn_without_users(server: &Running) {
    let users = server.block_on(server.gateway().directory.users());
    if users.is_ok_and(|users| users.is_empty()) {
        tracing::warn!("there is no user yet: add one with `vestibule user add NAME`");
    }
}
