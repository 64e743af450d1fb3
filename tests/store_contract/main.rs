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
mod revocations;
mod session_limits;
mod sessions;
mod support;
mod users;

use std::sync::Arc;

use tempfile::TempDir;
use vestibule::config::StorageSettings;
use vestibule::session::KeyPurpose;
use vestibule::store::keys::load_or_create;
use vestibule::store::seal::MasterKey;
use vestibule::store::{SealedKey, StoreError};

use crate::support::{HandMovedClock, Store, mode, new_user};

on_each_store! {
    the_first_keys_win
    all_who_start_have_the_same_ring
    a_ring_needs_the_master_key_it_was_made_with
    a_store_that_works_answers
}

async fn the_first_keys_win(store: Store) {
    let keys = |byte: u8| {
        [KeyPurpose::AccessToken, KeyPurpose::RefreshMac].map(|purpose| SealedKey {
            purpose,
            kid: byte.to_string(),
            sealed: vec![byte; 60],
        })
    };
    let directory = &store.directory;
    assert_eq!(directory.keys().await.unwrap(), []);
    assert!(directory.add_first_keys(keys(1).to_vec()).await.unwrap());
    assert!(!directory.add_first_keys(keys(2).to_vec()).await.unwrap());
    let mut kept = directory.keys().await.unwrap();
    kept.sort_by_key(|key| key.purpose);
    assert_eq!(kept, keys(1));
}

async fn all_who_start_have_the_same_ring(store: Store) {
    let master = MasterKey::ephemeral([1; 32]);
    let start = || load_or_create(&*store.directory, &master);
    let made = start().await.unwrap();
    let read = start().await.unwrap();
    assert_eq!(made.jwks(), read.jwks());
}

async fn a_ring_needs_the_master_key_it_was_made_with(store: Store) {
    let [right, wrong] = [1, 2].map(|byte| MasterKey::ephemeral([byte; 32]));
    load_or_create(&*store.directory, &right).await.unwrap();
    let refused = load_or_create(&*store.directory, &wrong).await;
    assert!(matches!(refused, Err(StoreError::WrongMasterKey)));
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
