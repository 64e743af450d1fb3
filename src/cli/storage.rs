//! The store as commands open it: one that outlives them.

use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::clock::SystemClock;
use crate::config::StorageSettings;
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

/// Runs one command's work to its end.
pub(super) fn finish<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(work)
}
