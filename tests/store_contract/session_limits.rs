//! Opening a session: which others end with it.

use vestibule::clock::Timestamp;
use vestibule::identity::SessionId;
use vestibule::session::{Delivery, RevokeReason, SessionRow};
use vestibule::store::{Ended, NewSession, Revocation};

use crate::support::{Store, new_session, session};

on_each_store! {
    sessions_that_are_too_many_end_the_least_used_first
    only_live_sessions_of_the_same_user_and_delivery_are_counted
    a_replaced_session_ends_with_the_opening_and_is_not_counted
    what_cannot_be_opened_ends_nothing
}

/// Opens one more where so many may live; gives the numbers of those that were ended for it.
async fn evicted(store: &Store, row: SessionRow, most: usize) -> Vec<u64> {
    let session = NewSession {
        most,
        ..new_session(row)
    };
    let evicted = store.sessions.open(session).await.unwrap().unwrap();
    for id in &evicted {
        assert_eq!(store.end_of(*id).await, Some(RevokeReason::Evicted));
    }
    evicted.into_iter().map(number).collect()
}

fn number(id: SessionId) -> u64 {
    u64::from_be_bytes(id.as_bytes()[8..].try_into().unwrap())
}

/// What the log says was ended, in order, and why.
async fn ended(store: &Store) -> Vec<(u64, RevokeReason)> {
    let log = store.sessions.revocations_after(0).await.unwrap();
    let entry = |entry: &Revocation| match entry.ended {
        Ended::Session(id) => Some((number(id), entry.reason)),
        Ended::User { .. } | Ended::Claims { .. } => None,
    };
    log.entries.iter().filter_map(entry).collect()
}

async fn sessions_that_are_too_many_end_the_least_used_first(store: Store) {
    let ada = store.add("ada").await;
    let seen = |number, seconds| SessionRow {
        last_seen_at: Timestamp::from_seconds(seconds),
        ..session(&ada, number)
    };
    let confirmed = SessionRow {
        confirmed_at: Some(Timestamp::from_seconds(10)),
        ..seen(2, 10)
    };
    let refreshed = SessionRow {
        generation: 2,
        ..seen(3, 20)
    };
    for row in [seen(1, 30), confirmed, refreshed, seen(4, 40)] {
        assert!(store.keep(row).await);
    }
    assert_eq!(
        evicted(&store, seen(5, 50), 5).await,
        [0; 0],
        "there is room"
    );
    assert_eq!(
        evicted(&store, seen(6, 60), 5).await,
        [1],
        "never used, and the longest idle"
    );
    let mut ended_for_it = evicted(&store, seen(7, 70), 3).await;
    ended_for_it.sort_unstable();
    assert_eq!(ended_for_it, [4, 5, 6], "the used ones stay");
    assert_eq!(evicted(&store, seen(8, 80), 2).await, [2, 7]);
    assert_eq!(evicted(&store, seen(9, 90), 1).await, [3, 8]);
    assert_eq!(store.live(Some(&ada)).await, [session(&ada, 9).id]);
    let reason = RevokeReason::Evicted;
    let mut log = ended(&store).await;
    log.sort_unstable_by_key(|(number, _)| *number);
    assert_eq!(
        log,
        (1..=8).map(|number| (number, reason)).collect::<Vec<_>>()
    );
}

async fn only_live_sessions_of_the_same_user_and_delivery_are_counted(store: Store) {
    let (ada, bob) = (store.add("ada").await, store.add("bob").await);
    store.clock.set(1_000);
    let expired = SessionRow {
        idle_expires_at: Timestamp::from_seconds(1_000),
        ..session(&ada, 2)
    };
    let by_token = SessionRow {
        delivery: Delivery::Token,
        ..session(&ada, 3)
    };
    for row in [session(&bob, 1), expired, by_token, session(&ada, 4)] {
        assert!(store.keep(row).await);
    }
    let revoked = store
        .sessions
        .revoke(session(&ada, 4).id, RevokeReason::SignedOut);
    assert!(revoked.await.unwrap());
    assert_eq!(evicted(&store, session(&ada, 5), 1).await, [0; 0]);
    let by_token = SessionRow {
        delivery: Delivery::Token,
        ..session(&ada, 6)
    };
    assert_eq!(evicted(&store, by_token, 1).await, [3]);
    assert_eq!(store.live(Some(&ada)).await.len(), 2);
    assert_eq!(store.live(Some(&bob)).await.len(), 1);
}

async fn a_replaced_session_ends_with_the_opening_and_is_not_counted(store: Store) {
    let ada = store.add("ada").await;
    let [first, second, third] = [1, 2, 3].map(|number| session(&ada, number));
    for row in [&first, &second] {
        assert!(store.keep(row.clone()).await);
    }
    let again = NewSession {
        row: third,
        replaces: Some(second.id),
        most: 2,
    };
    let evicted = store.sessions.open(again).await.unwrap();
    assert_eq!(evicted, Some(Vec::new()));
    assert_eq!(store.end_of(first.id).await, None);
    assert_eq!(store.end_of(second.id).await, Some(RevokeReason::Replaced));
    assert_eq!(ended(&store).await, [(2, RevokeReason::Replaced)]);
}

async fn what_cannot_be_opened_ends_nothing(store: Store) {
    let ada = store.add("ada").await;
    let first = store.open_session(&ada, 1).await;
    let stranger = NewSession {
        row: SessionRow {
            user_epoch: ada.session_epoch + 1,
            ..session(&ada, 2)
        },
        replaces: Some(first.id),
        most: 1,
    };
    assert_eq!(store.sessions.open(stranger).await.unwrap(), None);
    assert_eq!(store.end_of(first.id).await, None);
    assert_eq!(ended(&store).await, []);
}
