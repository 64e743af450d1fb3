//! The store as commands open it: one that outlives them.

use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::admin::Administrator;
use crate::clock::SystemClock;
use crate::config::{Config, LogTarget, StorageSettings};
use crate::observe::Audit;
use crate::observe::metrics::Events;
use crate::store::{self, Opened};

/// Opens the store of the configuration, unless it lives inside the running gateway.
pub(super) fn open(storage: &StorageSettings) -> anyhow::Result<Opened> {
    if *storage == StorageSettings::Memory {
        bail!(
            "storage.url is memory:, which lives inside the running gateway and ends with it: \
             commands need a store such as sqlite:vestibule.db"
        );
    }
    finish(async {
        let opened = store::open(storage, Arc::new(SystemClock)).await;
        opened.with_context(|| format!("cannot open {storage}"))
    })
}

/// Whoever typed the command, at the open store. Its output is for them: only an audit log in a file
/// hears of what they change.
pub(super) fn administrator(config: &Config) -> anyhow::Result<Administrator> {
    let store = open(&config.storage)?;
    let target = config.observe.audit_log.as_ref();
    let file = target.filter(|target| matches!(target, LogTarget::File(_)));
    let audit = Audit::open(file, Arc::new(SystemClock), Events::unregistered())?;
    Ok(Administrator::at_command_line(&store, audit))
}

/// Runs one command's work to its end.
pub(super) fn finish<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(work)
}
