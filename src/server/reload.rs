//! A new configuration while requests run: checked whole, then put in the place of the old one.

use std::error::Error;
use std::io;
use std::ptr;
use std::sync::Arc;

use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::admin::{Reload, Reloaded};
use crate::config::{Changes, Config, ConfigError};
use crate::gateway::{BuildError, Gateway};
use crate::observe::{Event, Level, Sink, Source};
use crate::server::advice;
use crate::server::certificates::{CertificateError, Certificates};
use crate::server::current::Current;
use crate::server::supervisor;

/// Reads the configuration again, from where the running one came from.
pub type Load = Box<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// What a running server needs to take over a new configuration.
pub struct Reloading {
    /// Reads it.
    pub load: Load,
    /// Sets the level of the application log.
    pub level: Level,
}

/// Why the old configuration stays in use.
#[derive(Debug, Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("a fault of this program ended the reading")]
    Fault(#[from] tokio::task::JoinError),
}

/// Reloads.
pub(super) struct Reloader {
    pub(super) current: Arc<Current>,
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) reloading: Option<Reloading>,
}

/// Begins to listen for SIGHUP, which would end the process otherwise.
pub(super) fn listen() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Does at each SIGHUP, and whenever the admin API asks, what is expected of it, for as long as the
/// runtime lives: log files are opened anew, because logrotate has renamed them, and the configuration
/// is read again.
pub(super) async fn follow(
    mut hangups: Signal,
    mut asked: mpsc::Receiver<Reload>,
    reloader: Arc<Reloader>,
) {
    loop {
        let waiting = tokio::select! {
            Some(()) = hangups.recv() => None,
            Some(waiting) = asked.recv() => Some(waiting),
            else => return,
        };
        reloader.current.gateway().logs().for_each(Sink::reopen);
        supervisor::reloading();
        let reloaded = reloader.reload().await;
        supervisor::ready();
        if let Some(waiting) = waiting {
            // Whoever asked may be gone.
            let _ = waiting.send(reloaded);
        }
    }
}

impl Reloader {
    /// Takes the new configuration over, or stays with the old one, and says which.
    async fn reload(self: &Arc<Self>) -> Reloaded {
        let reloader = Arc::clone(self);
        let read = spawn_blocking(move || reloader.replace()).await;
        let replaced = read.unwrap_or_else(|fault| Err(fault.into()));
        let gateway = self.current.gateway();
        let audit = &gateway.audit;
        match replaced {
            Ok(changes) => {
                report(&changes, gateway.warnings());
                if let Err(error) = gateway.adopt_key_settings().await {
                    tracing::error!(%error, "keys for the new configuration could not be made");
                }
                advice::give(&gateway).await;
                let event = Event::ConfigurationReloaded {
                    applied: &changes.applied,
                    awaiting_restart: &changes.awaiting_restart,
                };
                audit.tell(&Source::default(), event);
                Ok(changes)
            }
            Err(error) => {
                let reason = with_causes(&error);
                tracing::error!("the old configuration stays in use: {reason}");
                let event = Event::ConfigurationRefused { reason: &reason };
                audit.tell(&Source::default(), event);
                Err(reason)
            }
        }
    }

    /// Everything that can fail comes before anything is changed.
    fn replace(&self) -> Result<Changes, ReloadError> {
        let Some(Reloading { load, level }) = &self.reloading else {
            return Ok(Changes::default());
        };
        let old = self.current.gateway();
        let (config, changes) = old.config.take_over(load()?);
        let certificates = self.certificates.as_ref().zip(config.server.tls.clone());
        let certificate = certificates
            .map(|(certificates, settings)| Ok((certificates, Certificates::read(settings)?)))
            .transpose()
            .map_err(|error: CertificateError| error)?;
        let log_level = config.observe.log_level;
        let gateway = old.rebuild(config)?;

        if let Some((certificates, certificate)) = certificate {
            certificates.show(certificate);
        }
        level.set(log_level);
        self.current.replace(gateway);
        retire_logs(&old, &self.current.gateway());
        Ok(changes)
    }
}

/// The last request that knows a log drops it, and must not wait for the disk.
fn retire_logs(old: &Gateway, new: &Gateway) {
    let is_in_use = |log: &Sink| new.logs().any(|other| ptr::eq(log, other));
    for log in old.logs().filter(|log| !is_in_use(log)) {
        log.retire();
    }
}

fn report<'w>(changes: &Changes, warnings: impl Iterator<Item = &'w String>) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let Changes {
        applied,
        awaiting_restart,
    } = changes;
    if !applied.is_empty() {
        tracing::info!("the configuration was reloaded: {}", applied.join(", "));
    } else {
        tracing::info!("the configuration was reloaded: nothing in use has changed");
    }
    if !awaiting_restart.is_empty() {
        tracing::warn!(
            "changed in the configuration and in use after a restart only: {}",
            awaiting_restart.join(", ")
        );
    }
}

/// An error with all that caused it, on one line where each of them is.
fn with_causes(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}
