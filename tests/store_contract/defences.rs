//! What the defence of sign-ins remembers: failures, accounts that were unlocked, known devices.

use std::time::Duration;

use vestibule::clock::Timestamp;
use vestibule::store::defences::{DEVICE_KNOWN_FOR, UNLOCK_TOLD_FOR};
use vestibule::store::{DeviceHash, KeptFailures};

use crate::support::Store;

on_each_store! {
    failures_are_written_over_and_taken_away
    what_is_forgotten_is_not_read_and_swept
    an_account_that_is_unlocked_is_on_the_list
    a_device_is_known_for_a_year_after_it_was_used
    of_too_many_devices_the_one_unused_for_longest_goes
    the_devices_of_who_is_removed_are_forgotten
}

fn failures(account: u8, place: u8, failures: usize) -> KeptFailures {
    KeptFailures {
        account: [account; 16],
        place: [place; 8],
        failures,
        last_at: Timestamp::from_seconds(100),
        locked_until: None,
        forgotten_at: Timestamp::from_seconds(1_000),
    }
}

async fn failures_are_written_over_and_taken_away(store: Store) {
    let kept = || async { store.defences.failures().await.unwrap() };
    let keep = |changed| async { store.defences.keep_failures(changed).await.unwrap() };
    assert_eq!(kept().await, []);
    keep(vec![
        failures(1, 1, 5),
        failures(1, 2, 9),
        failures(2, 1, 7),
    ])
    .await;
    let sorted = [failures(1, 2, 9), failures(2, 1, 7), failures(1, 1, 5)];
    assert_eq!(kept().await, sorted);
    let locked = KeptFailures {
        locked_until: Some(Timestamp::from_seconds(900)),
        ..failures(1, 1, 100)
    };
    keep(vec![locked.clone(), failures(1, 2, 0), failures(9, 9, 0)]).await;
    assert_eq!(kept().await, [locked, failures(2, 1, 7)]);
    let locks = || async { store.defences.locks().await.unwrap() };
    let until = Timestamp::from_seconds(900);
    assert_eq!(locks().await, [([1; 16], until)]);
    store.clock.set(900);
    assert_eq!(locks().await, []);
}

async fn what_is_forgotten_is_not_read_and_swept(store: Store) {
    let defences = &store.defences;
    defences
        .keep_failures(vec![failures(1, 1, 5)])
        .await
        .unwrap();
    store.clock.set(999);
    assert_eq!(defences.sweep_defences().await.unwrap(), 0);
    assert_eq!(defences.failures().await.unwrap().len(), 1);
    store.clock.set(1_000);
    assert_eq!(defences.failures().await.unwrap(), []);
    assert_eq!(defences.sweep_defences().await.unwrap(), 1);
    assert_eq!(defences.sweep_defences().await.unwrap(), 0);
}

async fn an_account_that_is_unlocked_is_on_the_list(store: Store) {
    let defences = &store.defences;
    let unlocks = |after| async move { defences.unlocks_after(after).await.unwrap() };
    assert_eq!(unlocks(0).await.last, 0);
    let kept = vec![failures(1, 1, 5), failures(1, 2, 5), failures(2, 1, 5)];
    defences.keep_failures(kept).await.unwrap();
    defences.unlock([1; 16]).await.unwrap();
    assert_eq!(defences.failures().await.unwrap(), [failures(2, 1, 5)]);
    let first = unlocks(0).await;
    assert_eq!(first.accounts, [[1; 16]]);
    assert_eq!(unlocks(first.last).await.accounts, [[0; 16]; 0]);
    defences.unlock([3; 16]).await.unwrap();
    let second = unlocks(first.last).await;
    assert_eq!(second.accounts, [[3; 16]]);
    assert_eq!(unlocks(0).await.accounts, [[1; 16], [3; 16]]);
    store.clock.advance(UNLOCK_TOLD_FOR);
    defences.sweep_defences().await.unwrap();
    assert_eq!(unlocks(0).await.accounts, [[0; 16]; 0]);
    defences.unlock([4; 16]).await.unwrap();
    assert_eq!(unlocks(second.last).await.accounts, [[4; 16]]);
}

async fn a_device_is_known_for_a_year_after_it_was_used(store: Store) {
    let ada = store.add("ada").await;
    let device = DeviceHash([7; 32]);
    let owner = || async { store.defences.owner_of_device(device).await.unwrap() };
    assert_eq!(owner().await, None);
    let use_it = || store.defences.keep_device(device, ada.id.clone(), 20);
    use_it().await.unwrap();
    assert_eq!(owner().await, Some(ada.id.clone()));
    let almost = DEVICE_KNOWN_FOR - Duration::from_secs(1);
    store.clock.advance(almost);
    use_it().await.unwrap();
    store.clock.advance(almost);
    assert_eq!(owner().await, Some(ada.id.clone()));
    store.clock.advance(Duration::from_secs(1));
    assert_eq!(owner().await, None);
    assert_eq!(store.defences.sweep_defences().await.unwrap(), 1);
}

async fn of_too_many_devices_the_one_unused_for_longest_goes(store: Store) {
    let (ada, bob) = (store.add("ada").await, store.add("bob").await);
    let keep = |device: u8, owner: &vestibule::identity::User| {
        let owner = owner.id.clone();
        store
            .defences
            .keep_device(DeviceHash([device; 32]), owner, 2)
    };
    for (second, device) in [(1, 1), (2, 2), (3, 1), (4, 3)] {
        store.clock.set(second);
        keep(device, &ada).await.unwrap();
    }
    keep(9, &bob).await.unwrap();
    for (device, is_known) in [(1, true), (2, false), (3, true), (9, true)] {
        let owner = store.defences.owner_of_device(DeviceHash([device; 32]));
        assert_eq!(owner.await.unwrap().is_some(), is_known, "{device}");
    }
}

async fn the_devices_of_who_is_removed_are_forgotten(store: Store) {
    let ada = store.add("ada").await;
    let device = DeviceHash([1; 32]);
    let kept = store.defences.keep_device(device, ada.id, 2);
    kept.await.unwrap();
    store.directory.remove_user(ada.name).await.unwrap();
    let owner = store.defences.owner_of_device(device);
    assert_eq!(owner.await.unwrap(), None);
}
