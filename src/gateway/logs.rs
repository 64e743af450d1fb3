//! Which logs and traces are open? What a new configuration leaves as it was goes on.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::{Background, BuildError, Gateway};
use crate::observe::{self, AccessLog, Audit, Metrics, Traces};

/// The logs beside the application's, and the traces, open.
pub(super) struct Logs {
    pub(super) access: Option<Arc<AccessLog>>,
    pub(super) audit: Audit,
    pub(super) traces: Option<Arc<Traces>>,
}

impl Logs {
    /// Opens all of them.
    pub(super) fn open(
        config: &Config,
        clock: &Arc<dyn Clock>,
        background: &Background,
        metrics: &Metrics,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            access: open_access_log(config)?,
            audit: open_audit(config, clock, metrics)?,
            traces: open_traces(config, background)?,
        })
    }

    /// Opens those that are others than before.
    pub(super) fn follow(before: &Gateway, config: &Config) -> Result<Self, BuildError> {
        let (old, new) = (&before.config.observe, &config.observe);
        Ok(Self {
            access: if old.access_log == new.access_log {
                before.access_log.clone()
            } else {
                open_access_log(config)?
            },
            audit: if old.audit_log == new.audit_log {
                before.audit.clone()
            } else {
                open_audit(config, &before.clock, &before.metrics)?
            },
            traces: if old.traces == new.traces {
                before.traces.clone()
            } else {
                open_traces(config, &before.background)?
            },
        })
    }
}

fn open_access_log(config: &Config) -> Result<Option<Arc<AccessLog>>, observe::OpenError> {
    let log = config.observe.access_log.as_ref().map(AccessLog::open);
    Ok(log.transpose()?.map(Arc::new))
}

fn open_audit(
    config: &Config,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
) -> Result<Audit, observe::OpenError> {
    let target = config.observe.audit_log.as_ref();
    Audit::open(target, Arc::clone(clock), metrics.events.clone())
}

fn open_traces(
    config: &Config,
    background: &Background,
) -> Result<Option<Arc<Traces>>, observe::traces::BuildError> {
    let settings = config.observe.traces.as_ref();
    let traces = settings.map(|settings| Traces::open(settings, background.0.clone()));
    Ok(traces.transpose()?.map(Arc::new))
}
