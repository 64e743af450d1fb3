//! The seed: made once, and as it is for good.

use tempfile::TempDir;
use vestibule::session::key_plan::Refusal;
use vestibule::session::{KeyAlgorithm, KeyPurpose, KeySettings, KeyState};
use vestibule::store::Opened;
use vestibule::store::key_keeper::KeyKeeper;

use crate::keys::{DAY, SETTINGS, active, keeper, opened, states};
use crate::support::Store;

on_each_store! {
    the_seed_stays_as_it_is_whatever_becomes_of_the_other_keys
}

async fn the_seed_stays_as_it_is_whatever_becomes_of_the_other_keys(store: Store) {
    let keeper = keeper(&store).await;
    let derived = |keeper: &KeyKeeper| keeper.ring().now().seed().key_of_typed_names();
    let (seed, before) = (active(&store, KeyPurpose::Seed).await, derived(&keeper));
    for _ in 0..100 {
        store.clock.advance(10 * DAY);
        keeper.tend().await.unwrap();
    }
    let elliptic = KeySettings {
        algorithm: KeyAlgorithm::Es256,
        ..SETTINGS
    };
    keeper.adopt(elliptic).await.unwrap();
    let keys = keeper.store();
    let refused = keys
        .rotate(&KeyPurpose::ALL, true, &SETTINGS)
        .await
        .unwrap();
    assert_eq!(refused, Err(Refusal::Lasting));
    let refused = keys.revoke(&seed.kid, None, &SETTINGS).await.unwrap();
    assert_eq!(refused, Err(Refusal::Lasting));
    let rotated = keys.rotate(&KeyPurpose::REPLACED, true, &SETTINGS).await;
    assert_eq!(rotated.unwrap().unwrap().made.len(), 4);
    keeper.follow().await.unwrap();
    assert_eq!(active(&store, KeyPurpose::Seed).await, seed);
    assert_eq!(states(&store, KeyPurpose::Seed).await, [KeyState::Active]);
    assert_eq!(derived(&keeper), before);
}

/// A database of an earlier version has none.
#[tokio::test]
async fn a_seed_is_made_where_there_are_other_keys_already_and_outlives_the_master_key() {
    let folder = TempDir::new().unwrap();
    let store = opened(folder.path()).await.unwrap();
    assert!(store.keys.seed().await.unwrap().is_none());
    store.keys.tend(&SETTINGS, true).await.unwrap();
    let mut set = store.directory.keys().await.unwrap();
    set.keys
        .retain(|sealed| sealed.key.purpose != KeyPurpose::Seed);
    assert!(store.directory.replace_keys(set).await.unwrap());
    assert!(store.keys.seed().await.unwrap().is_none());

    let made = store.keys.tend(&SETTINGS, true).await.unwrap().made;
    let made: Vec<_> = made.iter().map(|key| key.purpose).collect();
    assert_eq!(made, [KeyPurpose::Seed]);
    let derived = async |store: &Opened| {
        let seed = store.keys.seed().await.unwrap();
        seed.unwrap().key_of_typed_names()
    };
    let before = derived(&store).await;
    store.keys.reseal().await.unwrap();
    assert_eq!(derived(&store).await, before);
    let other = opened(folder.path()).await.unwrap();
    assert_eq!(derived(&other).await, before);
}
