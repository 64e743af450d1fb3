//! Keys: what becomes of them over time and by hand, and what opens them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use vestibule::clock::Timestamp;
use vestibule::config::StorageSettings;
use vestibule::session::key_plan::Refusal;
use vestibule::session::{
    Key, KeyAlgorithm, KeyMaterial, KeyPurpose, KeySettings, KeyState, key_life,
};
use vestibule::store::key_keeper::KeyKeeper;
use vestibule::store::keys::KeyStore;
use vestibule::store::master::Master;
use vestibule::store::seal::MasterKey;
use vestibule::store::{self, KeySet, Opened, StoreError};

use crate::support::{HandMovedClock, Store};

pub(crate) const DAY: Duration = Duration::from_hours(24);

pub(crate) const SETTINGS: KeySettings = KeySettings {
    algorithm: KeyAlgorithm::EdDsa,
    rotate_every: Some(Duration::from_hours(30 * 24)),
    publish_ahead: DAY,
    longest_session: Duration::from_hours(30 * 24),
};

on_each_store! {
    keys_come_back_as_they_were_kept
    of_two_changes_of_the_same_keys_one_is_made
    all_who_start_at_once_have_the_same_ring
    keys_need_the_master_key_they_were_sealed_with
    keys_that_make_no_ring_are_told_of_each_time
    a_new_key_waits_takes_over_and_the_old_one_goes
    a_process_that_asks_gets_what_another_one_made
    a_revoked_key_loses_its_secret_and_another_one_is_in_use
    a_key_that_waits_is_dropped_when_it_is_revoked
    another_algorithm_is_in_use_after_the_time_to_fetch_it
    every_algorithm_makes_keys_that_work
}

fn key_store(store: &Store, byte: u8) -> KeyStore {
    let master = Master::ephemeral([byte; 32]);
    KeyStore::new(store.directory.clone(), master, store.clock.clone())
}

pub(crate) async fn keeper(store: &Store) -> KeyKeeper {
    let keeper = KeyKeeper::open(key_store(store, 1), SETTINGS).await;
    keeper.unwrap()
}

/// `active, next`: the states of a purpose's keys, the first to sign first.
pub(crate) async fn states(store: &Store, purpose: KeyPurpose) -> Vec<KeyState> {
    let keys = key_store(store, 1);
    let (keys, now) = (keys.list().await.unwrap(), keys.now());
    let lives = key_life::lives(&keys, purpose, &SETTINGS, now);
    lives.iter().map(|life| life.state).collect()
}

pub(crate) async fn active(store: &Store, purpose: KeyPurpose) -> Key {
    let keys = key_store(store, 1);
    let (keys, now) = (keys.list().await.unwrap(), keys.now());
    let lives = key_life::lives(&keys, purpose, &SETTINGS, now);
    let mut active = lives.iter().filter(|life| life.state == KeyState::Active);
    active.next().unwrap().key.clone()
}

async fn keys_come_back_as_they_were_kept(store: Store) {
    let directory = &store.directory;
    assert_eq!(directory.keys().await.unwrap(), KeySet::default());
    assert_eq!(directory.keys_version().await.unwrap(), 0);
    let at = Timestamp::from_millis;
    let what = (KeyPurpose::RefreshMac, KeyAlgorithm::Mac);
    let secret = || vestibule::identity::Secret::new(vec![7; 32]);
    let mut kept = ["1", "2"]
        .map(|number| KeyMaterial::new(what, secret(), number, (at(1001), at(2002))).unwrap());
    let [_, second] = &mut kept;
    second.key.revoked_at = Some(at(3003));
    let master = MasterKey::random();
    let set = KeySet {
        version: 0,
        check: Some(master.check()),
        keys: kept.iter().map(|key| master.seal(key)).collect(),
    };
    assert!(directory.replace_keys(set.clone()).await.unwrap());
    assert_eq!(directory.keys_version().await.unwrap(), 1);
    let read = directory.keys().await.unwrap();
    assert_eq!(read, KeySet { version: 1, ..set });
}

async fn of_two_changes_of_the_same_keys_one_is_made(store: Store) {
    let directory = &store.directory;
    let set = KeySet::default();
    assert!(directory.replace_keys(set.clone()).await.unwrap());
    assert!(!directory.replace_keys(set).await.unwrap());
    assert_eq!(directory.keys_version().await.unwrap(), 1);

    // And so with what is made of it: both want a key for each purpose, and one of them makes it.
    let (one, other) = (key_store(&store, 1), key_store(&store, 1));
    let (one, other) = tokio::join!(one.tend(&SETTINGS, true), other.tend(&SETTINGS, true));
    let made = one.unwrap().made.len() + other.unwrap().made.len();
    assert_eq!(made, 5);
    assert_eq!(directory.keys().await.unwrap().keys.len(), 5);
}

async fn all_who_start_at_once_have_the_same_ring(store: Store) {
    let (one, other) = tokio::join!(keeper(&store), keeper(&store));
    assert_eq!(one.ring().now().jwks(), other.ring().now().jwks());
}

async fn keys_need_the_master_key_they_were_sealed_with(store: Store) {
    keeper(&store).await;
    let refused = KeyKeeper::open(key_store(&store, 2), SETTINGS).await;
    assert!(matches!(refused, Err(StoreError::WrongMasterKey)));
}

async fn keys_that_make_no_ring_are_told_of_each_time(store: Store) {
    let keeper = keeper(&store).await;
    let mut set = store.directory.keys().await.unwrap();
    let mut key = active(&store, KeyPurpose::AccessToken).await;
    key.kid = "no thumbprint".to_owned();
    let master = MasterKey::ephemeral([1; 32]);
    let material = KeyMaterial {
        key,
        secret: vestibule::identity::Secret::new(vec![9; 32]),
    };
    set.keys.push(master.seal(&material));
    assert!(store.directory.replace_keys(set).await.unwrap());
    for _ in 0..3 {
        let told = keeper.follow().await;
        assert!(matches!(told, Err(StoreError::Keys(_))), "{told:?}");
    }
}

async fn a_new_key_waits_takes_over_and_the_old_one_goes(store: Store) {
    use KeyState::{Active, Next, Retired};
    let keeper = keeper(&store).await;
    let purpose = KeyPurpose::AccessToken;
    let first = active(&store, purpose).await;
    let mut passed = 0;
    for (on_day, expected) in [
        (28, vec![Active]),
        (29, vec![Active, Next]),
        (30, vec![Retired, Active]),
        (31, vec![Active]),
    ] {
        store.clock.advance((on_day - passed) * DAY);
        passed = on_day;
        keeper.tend().await.unwrap();
        keeper.tend().await.unwrap();
        assert_eq!(states(&store, purpose).await, expected, "day {on_day}");
    }
    assert_ne!(active(&store, purpose).await.kid, first.kid);
    // Refresh tokens of the old key may live for a month.
    let mac = states(&store, KeyPurpose::RefreshMac).await;
    assert_eq!(mac, [Retired, Active]);
}

async fn a_process_that_asks_gets_what_another_one_made(store: Store) {
    let (one, other) = (keeper(&store).await, keeper(&store).await);
    let before = other.ring().now().generation();
    other.follow().await.unwrap();
    assert_eq!(other.ring().now().generation(), before, "nothing changed");

    let purposes = [KeyPurpose::RefreshNext];
    let rotated = one.store().rotate(&purposes, true, &SETTINGS).await;
    assert_eq!(rotated.unwrap().unwrap().made.remove(0).kid, "2");
    other.follow().await.unwrap();
    assert_eq!(other.ring().now().next_key(), 1, "it waits");
    store.clock.advance(Duration::from_secs(3));
    other.follow().await.unwrap();
    assert_eq!(other.ring().now().next_key(), 2);
}

async fn a_revoked_key_loses_its_secret_and_another_one_is_in_use(store: Store) {
    let keeper = keeper(&store).await;
    let keys = keeper.store();
    let purpose = KeyPurpose::AccessToken;
    let first = active(&store, purpose).await;
    let changed = keys
        .revoke(&first.kid, None, &SETTINGS)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(changed.revoked, Some(first.clone()));
    let second = active(&store, purpose).await;
    assert_eq!(changed.made, [second]);
    let expected = [KeyState::Revoked, KeyState::Active];
    assert_eq!(states(&store, purpose).await, expected);
    let sealed = store.directory.keys().await.unwrap().keys;
    let gone = sealed.iter().find(|sealed| sealed.key.kid == first.kid);
    assert!(gone.unwrap().sealed.is_empty());

    for (kid, purpose, refusal) in [
        (&*first.kid, None, Refusal::Over(first.kid.clone())),
        ("x", None, Refusal::Unknown("x".to_owned())),
        ("1", None, Refusal::Ambiguous("1".to_owned())),
        (
            "1",
            Some(KeyPurpose::Assertion),
            Refusal::Unknown("1".to_owned()),
        ),
    ] {
        let refused = keys.revoke(kid, purpose, &SETTINGS).await.unwrap();
        assert_eq!(refused, Err(refusal), "{kid}");
    }
    let mac = Some(KeyPurpose::RefreshMac);
    keys.revoke("1", mac, &SETTINGS).await.unwrap().unwrap();
    assert_eq!(active(&store, KeyPurpose::RefreshMac).await.kid, "2");
    // The name goes, too, when nothing it made could be good.
    store.clock.advance(Duration::from_secs(4000));
    keeper.tend().await.unwrap();
    assert_eq!(states(&store, purpose).await, [KeyState::Active]);
}

async fn a_key_that_waits_is_dropped_when_it_is_revoked(store: Store) {
    let keeper = keeper(&store).await;
    let keys = keeper.store();
    let purpose = KeyPurpose::Assertion;
    let rotate = || keys.rotate(&[KeyPurpose::Assertion], false, &SETTINGS);
    let waiting = rotate().await.unwrap().unwrap().made.remove(0);
    assert_eq!(rotate().await.unwrap().unwrap().made, []);
    keys.revoke(&waiting.kid, None, &SETTINGS)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(states(&store, purpose).await, [KeyState::Active]);

    // One that waits takes the place of one that is revoked.
    let waiting = rotate().await.unwrap().unwrap().made.remove(0);
    let first = active(&store, purpose).await;
    keys.revoke(&first.kid, None, &SETTINGS)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(active(&store, purpose).await.kid, waiting.kid);
}

async fn another_algorithm_is_in_use_after_the_time_to_fetch_it(store: Store) {
    let keeper = keeper(&store).await;
    let elliptic = KeySettings {
        algorithm: KeyAlgorithm::Es256,
        ..SETTINGS
    };
    let made = keeper.adopt(elliptic).await.unwrap().made;
    let made: Vec<_> = made
        .iter()
        .map(|key| (key.purpose, key.algorithm))
        .collect();
    let expected = [KeyPurpose::AccessToken, KeyPurpose::Assertion]
        .map(|purpose| (purpose, KeyAlgorithm::Es256));
    assert_eq!(made, expected);
    assert_eq!(keeper.adopt(elliptic).await.unwrap().made, []);
    let purpose = KeyPurpose::AccessToken;
    assert_eq!(active(&store, purpose).await.algorithm, KeyAlgorithm::EdDsa);
    store.clock.advance(DAY);
    assert_eq!(active(&store, purpose).await.algorithm, KeyAlgorithm::Es256);
    // And back, before it is used.
    keeper.adopt(SETTINGS).await.unwrap();
    let states = states(&store, purpose).await;
    assert_eq!(
        states,
        [KeyState::Retired, KeyState::Active, KeyState::Next]
    );
}

async fn every_algorithm_makes_keys_that_work(store: Store) {
    for algorithm in [
        KeyAlgorithm::Es256,
        KeyAlgorithm::Rs256,
        KeyAlgorithm::Ps256,
        KeyAlgorithm::Hs256,
    ] {
        let settings = KeySettings {
            algorithm,
            ..SETTINGS
        };
        let keeper = KeyKeeper::open(key_store(&store, 1), settings).await;
        keeper.unwrap();
        store.clock.advance(DAY);
        let active = active(&store, KeyPurpose::AccessToken).await;
        assert_eq!(active.algorithm, algorithm);
    }
}

pub(crate) async fn opened(folder: &Path) -> Result<Opened, StoreError> {
    let settings = StorageSettings::Sqlite {
        path: folder.join("vestibule.db"),
        master_key: folder.join("master.key"),
    };
    store::open(&settings, Arc::<HandMovedClock>::default()).await
}

#[tokio::test]
async fn a_running_process_goes_on_when_another_one_seals_the_keys_anew() {
    let folder = TempDir::new().unwrap();
    let running = opened(folder.path()).await.unwrap();
    let keeper = KeyKeeper::open(running.keys, SETTINGS).await.unwrap();
    let before = keeper.ring().now().jwks();
    let file = folder.path().join("master.key");
    let old = fs::read(&file).unwrap();

    let other = opened(folder.path()).await.unwrap();
    other.keys.reseal().await.unwrap();
    assert_ne!(fs::read(&file).unwrap(), old);
    assert!(!folder.path().join("master.key.new").exists());
    keeper.follow().await.unwrap();
    assert_eq!(keeper.ring().now().jwks(), before);
    keeper.store().reseal().await.unwrap();

    // The old key opens nothing any more.
    fs::write(&file, old).unwrap();
    let refused = opened(folder.path()).await.err();
    assert!(matches!(refused, Some(StoreError::WrongMasterKey)));
}

/// What a crash leaves behind: the new key is written before the keys are sealed with it, and takes its
/// place after.
#[tokio::test]
async fn wherever_a_change_of_the_master_key_ends_the_keys_can_be_opened() {
    let folder = TempDir::new().unwrap();
    let first = opened(folder.path()).await.unwrap();
    let keeper = KeyKeeper::open(first.keys, SETTINGS).await.unwrap();
    let (file, new) = ["master.key", "master.key.new"]
        .map(|name| folder.path().join(name))
        .into();
    let old = fs::read(&file).unwrap();

    // Before: a new key that nothing is sealed with.
    MasterKey::load_or_create(&new).unwrap();
    let opened_then = opened(folder.path()).await.unwrap();
    assert_eq!(fs::read(&file).unwrap(), old);
    opened_then.keys.reseal().await.unwrap();
    assert!(!new.exists());

    // After: all is sealed with the new key, and the old one is still in its place.
    fs::rename(&file, &new).unwrap();
    fs::write(&file, &old).unwrap();
    keeper.follow().await.unwrap();
    assert!(!new.exists());
    assert_ne!(fs::read(&file).unwrap(), old);
    opened(folder.path()).await.unwrap();
}

#[tokio::test]
async fn of_two_commands_that_change_the_master_key_one_waits_for_another_time() {
    let folder = TempDir::new().unwrap();
    let first = opened(folder.path()).await.unwrap();
    KeyKeeper::open(first.keys.clone(), SETTINGS).await.unwrap();
    let held = fs::File::open(folder.path().join("master.key")).unwrap();
    held.lock().unwrap();
    let busy = first.keys.reseal().await;
    assert!(matches!(busy, Err(StoreError::MasterKeyBusy { .. })));
    drop(held);
    first.keys.reseal().await.unwrap();
}
