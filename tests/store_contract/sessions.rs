//! Sessions: opened, rotated, ended, swept.

use std::sync::Arc;
use std::time::Duration;

use vestibule::clock::{Clock, Timestamp};
use vestibule::identity::{PasswordHash, SessionId};
use vestibule::session::{Delivery, RevokeReason, SessionRow};
use vestibule::store::{KEPT_AFTER_END, KeptSession, Rotation, SWEPT_AT_ONCE};

use crate::support::{Store, hash, name, new_session, rotation, session};

on_each_store! {
    a_session_is_loaded_as_it_was_opened
    a_session_opens_for_an_enabled_user_of_the_same_epoch_only
    of_fifty_rotations_one_succeeds
    a_rotation_replaces_the_token_and_forgets_confirmation_and_straggler
    a_rotation_needs_the_expected_row
    nothing_rotates_after_an_end
    confirmation_and_straggler_are_noted_once_and_for_the_current_generation
    a_session_is_revoked_once
    revoking_a_user_ends_all_their_sessions_and_no_others
    live_sessions_are_listed_the_last_one_seen_first
    revoking_all_ends_every_session_and_its_epoch
    a_password_changed_in_a_session_ends_the_others
    a_password_is_not_changed_in_a_session_that_moved_on
    sweeping_deletes_what_has_long_been_over
    sweeping_stops_at_its_limit
    the_latest_moment_is_of_whatever_happened_last
}

async fn a_session_is_loaded_as_it_was_opened(store: Store) {
    let ada = store.add("ada").await;
    let full = SessionRow {
        remember: true,
        device: Some("the café's laptop".to_owned()),
        ip: Some("2001:db8::1".parse().unwrap()),
        user_agent: Some("curl/8 (ärger)".to_owned()),
        generation: 7,
        previous: Some(hash(6)),
        next_key: 255,
        rotated_at: Some(Timestamp::from_millis(1)),
        confirmed_at: Some(Timestamp::from_millis(2)),
        straggler_at: Some(Timestamp::from_millis(3)),
        revoked: Some((Timestamp::from_millis(4), RevokeReason::Replaced)),
        delivery: Delivery::Hybrid,
        ..session(&ada, 2)
    };
    for row in [session(&ada, 1), full] {
        assert!(store.keep(row.clone()).await);
        store.clock.advance(Duration::from_secs(1));
        let loaded = store.sessions.load(row.id).await.unwrap().unwrap();
        assert_eq!(loaded.row, row);
        assert_eq!(loaded.user.as_ref(), Some(&ada));
        assert_eq!(loaded.now, store.clock.now());
    }
    let unknown = SessionId::from_bytes([99; 16]);
    assert_eq!(store.sessions.load(unknown).await.unwrap(), None);
}

async fn a_session_opens_for_an_enabled_user_of_the_same_epoch_only(store: Store) {
    let ada = store.add("ada").await;
    let disabled = store.disable("ada", true).await;
    assert!(!store.try_open(&ada, 1).await, "an older epoch");
    assert!(!store.try_open(&disabled, 1).await, "a disabled user");
    let enabled = store.disable("ada", false).await;
    assert!(!store.try_open(&disabled, 1).await, "an older epoch");
    assert!(store.try_open(&enabled, 1).await);
    store.directory.remove_user(name("ada")).await.unwrap();
    assert!(!store.try_open(&enabled, 2).await, "a removed user");
    let unknown = SessionId::from_bytes([2; 16]);
    assert_eq!(store.sessions.load(unknown).await.unwrap(), None);
}

async fn of_fifty_rotations_one_succeeds(store: Store) {
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    let mut attempts = Vec::new();
    for attempt in 0..50 {
        let sessions = Arc::clone(&store.sessions);
        let rotation = Rotation {
            to: hash(100 + attempt),
            ..rotation(&session)
        };
        attempts.push(tokio::spawn(async move {
            let rotated = sessions.rotate(session.id, rotation.clone()).await;
            rotated.unwrap().then_some(rotation.to)
        }));
    }
    let mut winners = Vec::new();
    for attempt in attempts {
        winners.extend(attempt.await.unwrap());
    }
    let row = store.row(session.id).await;
    assert_eq!(winners, [row.current]);
    assert_eq!(row.generation, 2);
}

async fn a_rotation_replaces_the_token_and_forgets_confirmation_and_straggler(store: Store) {
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    let at = Timestamp::from_seconds(10);
    store.sessions.confirm(session.id, 1, at).await.unwrap();
    let noted = store.sessions.note_straggler(session.id, 1, at);
    noted.await.unwrap();
    let rotation = rotation(&session);
    assert!(store.rotate(&session, &rotation).await);
    assert_eq!(
        store.row(session.id).await,
        SessionRow {
            generation: 2,
            current: rotation.to,
            previous: Some(session.current),
            next_key: rotation.next_key,
            rotated_at: Some(rotation.at),
            confirmed_at: None,
            straggler_at: None,
            last_seen_at: rotation.at,
            idle_expires_at: rotation.idle_expires_at,
            ..session
        }
    );
}

async fn a_rotation_needs_the_expected_row(store: Store) {
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    let right = rotation(&session);
    let other_generation = Rotation {
        from_generation: 2,
        ..right.clone()
    };
    let other_hash = Rotation {
        from: hash(50),
        ..right.clone()
    };
    assert!(!store.rotate(&session, &other_generation).await);
    assert!(!store.rotate(&session, &other_hash).await);
    assert_eq!(store.row(session.id).await, session);
    assert!(store.rotate(&session, &right).await);
    assert!(!store.rotate(&session, &right).await, "used");
}

async fn nothing_rotates_after_an_end(store: Store) {
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    let ended = store.sessions.revoke(session.id, RevokeReason::SignedOut);
    assert!(ended.await.unwrap());
    assert!(!store.rotate(&session, &rotation(&session)).await);

    for (number, end) in [(2, "revoke_user"), (3, "disable"), (4, "remove")] {
        let user = store.add(end).await;
        let session = store.open_session(&user, number).await;
        match end {
            "revoke_user" => drop(
                store
                    .sessions
                    .revoke_user(user.id.clone(), RevokeReason::Administrator)
                    .await
                    .unwrap(),
            ),
            "disable" => drop(store.disable(end, true).await),
            _ => drop(store.directory.remove_user(name(end)).await.unwrap()),
        }
        assert!(!store.rotate(&session, &rotation(&session)).await, "{end}");
        assert_eq!(store.row(session.id).await.generation, 1, "{end}");
    }
}

async fn confirmation_and_straggler_are_noted_once_and_for_the_current_generation(store: Store) {
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    for (generation, seconds, expected) in [(2, 10, None), (1, 11, Some(11)), (1, 12, Some(11))] {
        let at = Timestamp::from_seconds(seconds);
        let sessions = &store.sessions;
        sessions.confirm(session.id, generation, at).await.unwrap();
        let noted = sessions.note_straggler(session.id, generation, at);
        noted.await.unwrap();
        let row = store.row(session.id).await;
        let expected = expected.map(Timestamp::from_seconds);
        assert_eq!((row.confirmed_at, row.straggler_at), (expected, expected));
    }
}

async fn a_session_is_revoked_once(store: Store) {
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    store.clock.set(20);
    let revoke = |reason| store.sessions.revoke(session.id, reason);
    assert!(revoke(RevokeReason::Reuse).await.unwrap());
    store.clock.set(30);
    assert!(!revoke(RevokeReason::SignedOut).await.unwrap());
    assert_eq!(
        store.row(session.id).await.revoked,
        Some((Timestamp::from_seconds(20), RevokeReason::Reuse))
    );
    let unknown = SessionId::from_bytes([99; 16]);
    let unknown = store.sessions.revoke(unknown, RevokeReason::SignedOut);
    assert!(!unknown.await.unwrap());
}

async fn revoking_a_user_ends_all_their_sessions_and_no_others(store: Store) {
    let (ada, eve) = (store.add("ada").await, store.add("eve").await);
    let first = store.open_session(&ada, 1).await;
    let second = store.open_session(&ada, 2).await;
    let other = store.open_session(&eve, 3).await;
    let reason = RevokeReason::SignedOutEverywhere;
    store
        .sessions
        .revoke(first.id, RevokeReason::SignedOut)
        .await
        .unwrap();
    let epoch = store.sessions.revoke_user(ada.id.clone(), reason).await;
    assert_eq!(epoch.unwrap(), Some(ada.session_epoch + 1));
    assert_eq!(
        store.user(&ada.id).await.unwrap().session_epoch,
        ada.session_epoch + 1
    );
    let earlier = Some(RevokeReason::SignedOut);
    assert_eq!(store.end_of(first.id).await, earlier);
    assert_eq!(store.end_of(second.id).await, Some(reason));
    assert_eq!(store.end_of(other.id).await, None);
}

async fn live_sessions_are_listed_the_last_one_seen_first(store: Store) {
    let (ada, eve) = (store.add("ada").await, store.add("eve").await);
    let gone = store.add("gone").await;
    let early = store.open_session(&ada, 1).await;
    let late = store.open_session(&ada, 2).await;
    let other = store.open_session(&eve, 3).await;
    let ended = store.open_session(&ada, 4).await;
    let reason = RevokeReason::SignedOut;
    store.sessions.revoke(ended.id, reason).await.unwrap();
    store.open_session(&gone, 5).await;
    store.disable("gone", true).await;
    let over = SessionRow {
        idle_expires_at: Timestamp::from_seconds(10),
        ..session(&ada, 6)
    };
    assert!(store.keep(over).await);
    store.clock.set(10);
    assert!(store.rotate(&late, &rotation(&late)).await);

    let of_ada = [late.id, early.id];
    assert_eq!(store.live(Some(&ada)).await, of_ada);
    assert_eq!(store.live(None).await, [late.id, early.id, other.id]);
    assert_eq!(store.live(Some(&gone)).await, []);
    store.clock.set(100_000);
    assert_eq!(store.live(None).await, [late.id], "the others are idle");
}

async fn revoking_all_ends_every_session_and_its_epoch(store: Store) {
    let (ada, eve) = (store.add("ada").await, store.add("eve").await);
    let first = store.open_session(&ada, 1).await;
    let second = store.open_session(&eve, 2).await;
    let earlier = store.open_session(&eve, 3).await;
    let reason = RevokeReason::SignedOut;
    store.sessions.revoke(earlier.id, reason).await.unwrap();
    let reason = RevokeReason::Administrator;
    assert_eq!(store.sessions.revoke_all(reason).await.unwrap(), 2);
    for (row, user) in [(&first, &ada), (&second, &eve)] {
        assert_eq!(store.end_of(row.id).await, Some(reason));
        let now = store.user(&user.id).await.unwrap();
        assert_eq!(now.session_epoch, user.session_epoch + 1);
    }
    let kept = Some(RevokeReason::SignedOut);
    assert_eq!(store.end_of(earlier.id).await, kept);
    assert_eq!(store.sessions.revoke_all(reason).await.unwrap(), 0);
}

async fn a_password_changed_in_a_session_ends_the_others(store: Store) {
    let (ada, eve) = (store.add("ada").await, store.add("eve").await);
    let own = store.open_session(&ada, 1).await;
    let other = store.open_session(&ada, 2).await;
    let foreign = store.open_session(&eve, 3).await;
    let rotation = rotation(&own);
    let kept = KeptSession {
        id: own.id,
        rotation: rotation.clone(),
    };
    let password = PasswordHash::from_stored("another".to_owned());
    let changed = store
        .directory
        .change_password(name("ada"), password.clone(), kept);
    let changed = changed.await.unwrap().unwrap();
    assert_eq!(changed.session_epoch, ada.session_epoch + 1);
    let account = store.directory.account(name("ada")).await.unwrap().unwrap();
    assert_eq!((&account.user, account.password), (&changed, password));

    let row = store.row(own.id).await;
    assert_eq!(row.user_epoch, changed.session_epoch);
    assert_eq!((row.generation, row.current), (2, rotation.to));
    assert_eq!((row.previous, row.revoked), (None, None), "no way back");
    let ended = Some(RevokeReason::UserChanged);
    assert_eq!(store.end_of(other.id).await, ended);
    assert_eq!(store.end_of(foreign.id).await, None);
    // It goes on under its new epoch.
    let next = Rotation {
        from_generation: 2,
        from: rotation.to,
        to: hash(9),
        ..rotation
    };
    assert!(store.rotate(&own, &next).await);
}

async fn a_password_is_not_changed_in_a_session_that_moved_on(store: Store) {
    let ada = store.add("ada").await;
    let own = store.open_session(&ada, 1).await;
    let other = store.open_session(&ada, 2).await;
    let before = store.directory.account(name("ada")).await.unwrap();
    assert!(store.rotate(&own, &rotation(&own)).await);
    let reason = RevokeReason::SignedOut;
    for row in [&own, &other] {
        let kept = KeptSession {
            id: row.id,
            rotation: rotation(row),
        };
        store.sessions.revoke(other.id, reason).await.unwrap();
        let hash = PasswordHash::from_stored("another".to_owned());
        let changed = store.directory.change_password(name("ada"), hash, kept);
        assert_eq!(changed.await.unwrap(), None);
    }
    let after = store.directory.account(name("ada")).await.unwrap();
    assert_eq!(after, before);
    assert_eq!(store.end_of(own.id).await, None);
}

async fn sweeping_deletes_what_has_long_been_over(store: Store) {
    let ada = store.add("ada").await;
    let end = Timestamp::from_seconds(1_000);
    let (idle, absolute, revoked) = (session(&ada, 1), session(&ada, 2), session(&ada, 3));
    let live = session(&ada, 4);
    for row in [
        SessionRow {
            idle_expires_at: end,
            ..idle
        },
        SessionRow {
            absolute_expires_at: end,
            ..absolute
        },
        SessionRow {
            revoked: Some((end, RevokeReason::SignedOut)),
            ..revoked
        },
        live.clone(),
    ] {
        assert!(store.keep(row).await);
    }
    store.clock.set(1_000);
    store.clock.advance(KEPT_AFTER_END);
    assert_eq!(store.sessions.sweep().await.unwrap(), 0);
    store.clock.advance(Duration::from_secs(1));
    assert_eq!(store.sessions.sweep().await.unwrap(), 3);
    assert_eq!(store.sessions.sweep().await.unwrap(), 0);
    assert_eq!(store.row(live.id).await, live);
}

async fn sweeping_stops_at_its_limit(store: Store) {
    let ada = store.add("ada").await;
    let opened: Vec<_> = (0..=SWEPT_AT_ONCE as u64)
        .map(|number| store.sessions.open(new_session(session(&ada, number))))
        .collect();
    for opened in opened {
        assert!(opened.await.unwrap().is_some());
    }
    store.clock.set(1_000_000_000);
    assert_eq!(store.sessions.sweep().await.unwrap(), SWEPT_AT_ONCE);
    assert_eq!(store.sessions.sweep().await.unwrap(), 1);
}

async fn the_latest_moment_is_of_whatever_happened_last(store: Store) {
    let newest = async || store.sessions.newest().await.unwrap();
    assert_eq!(newest().await, None);
    let ada = store.add("ada").await;
    let first = store.open_session(&ada, 1).await;
    store.open_session(&ada, 2).await;
    assert_eq!(newest().await, Some(Timestamp::from_seconds(1)));
    assert!(store.rotate(&first, &rotation(&first)).await);
    assert_eq!(newest().await, Some(Timestamp::from_seconds(500)));
    store.clock.set(600);
    let ended = store.sessions.revoke(first.id, RevokeReason::SignedOut);
    assert!(ended.await.unwrap());
    assert_eq!(newest().await, Some(Timestamp::from_seconds(600)));
}
