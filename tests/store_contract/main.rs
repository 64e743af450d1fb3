//! Does every store keep what `store::Directory` and `store::Sessions` promise? One suite for all.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics is a test that fails"
)]

/// Each case is run on each store, as a test of its own.
macro_rules! on_each_store {
    ($($case:ident)+) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$case(crate::support::in_memory()).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$case(crate::support::in_sqlite()).await;
            })+
        }
    };
}

mod database_file;
mod defences;
mod imports;
mod keys;
mod passwords;
mod revocations;
mod seed;
mod session_limits;
mod sessions;
mod support;
mod users;

use std::sync::Arc;

use tempfile::TempDir;
use vestibule::config::StorageSettings;

use crate::support::{HandMovedClock, Store, mode, new_user};

on_each_store! {
    a_store_that_works_answers
}

async fn a_store_that_works_answers(store: Store) {
    store.sessions.ping().await.unwrap();
}

#[tokio::test]
async fn the_configuration_picks_the_store() {
    let folder = TempDir::new().unwrap();
    let settings = StorageSettings::Sqlite {
        path: folder.path().join("vestibule.db"),
        master_key: folder.path().join("master.key"),
    };
    let open = |settings| vestibule::store::open(settings, Arc::new(HandMovedClock::default()));
    let opened = open(&settings).await.unwrap();
    opened.directory.add_user(new_user("ada")).await.unwrap();
    assert_eq!(mode(&folder.path().join("master.key")), 0o600);
    drop(opened);
    let opened = open(&settings).await.unwrap();
    assert_eq!(opened.directory.users().await.unwrap().len(), 1);

    let opened = open(&StorageSettings::Memory).await.unwrap();
    assert_eq!(opened.directory.users().await.unwrap(), []);
}
