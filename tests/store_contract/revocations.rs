//! The log of what was ended: complete, in order, kept for long enough.

use std::time::Duration;

use vestibule::clock::{Clock, Timestamp};
use vestibule::identity::{GroupName, PasswordHash, PasswordTerm, SessionId, User};
use vestibule::session::{Claims, Revocations, RevokeReason};
use vestibule::store::{
    ChangeUser, Ended, KEPT_AFTER_END, KeptSession, READ_AT_ONCE, Revocation, RevocationLog, Spans,
    UserChange, catch_up,
};

use crate::support::{Store, claims, name, rotation};

on_each_store! {
    every_end_is_logged_in_order
    a_change_of_claims_is_logged_and_ends_nothing
    what_ends_nothing_is_not_logged
    revoking_all_is_logged_for_everybody_who_has_a_session
    the_log_is_read_in_parts
    entries_are_swept_when_no_token_can_need_them
    places_are_not_used_again
    what_was_ended_is_refused_after_catching_up
    what_a_process_with_a_late_clock_ends_is_refused
    a_session_that_was_replaced_is_refused_after_the_grace
    the_session_that_a_password_was_changed_in_goes_on
}

const SPANS: Spans = Spans {
    tokens: Duration::from_secs(370),
    grace: Duration::from_secs(30),
};

async fn log(store: &Store, place: u64) -> RevocationLog {
    store.sessions.revocations_after(place).await.unwrap()
}

async fn ended(store: &Store, place: u64) -> Vec<Ended> {
    let entries = log(store, place).await.entries;
    entries.into_iter().map(|entry| entry.ended).collect()
}

fn user(user: &User, epoch: u64) -> Ended {
    let id = user.id.clone();
    Ended::User { id, epoch }
}

async fn follow(store: &Store, revocations: &Revocations) {
    let now = store.clock.now();
    catch_up(&*store.sessions, revocations, now, SPANS)
        .await
        .unwrap();
}

async fn every_end_is_logged_in_order(store: Store) {
    let (ada, eve) = (store.add("ada").await, store.add("eve").await);
    let session = store.open_session(&ada, 1).await;
    store.clock.set(100);
    let revoked = store.sessions.revoke(session.id, RevokeReason::SignedOut);
    assert!(revoked.await.unwrap());
    let first = log(&store, 0).await;
    let entry = Revocation {
        ended: Ended::Session(session.id),
        at: Timestamp::from_seconds(100),
        reason: RevokeReason::SignedOut,
    };
    assert_eq!(first.entries, [entry]);

    store.clock.set(200);
    let reason = RevokeReason::SignedOutEverywhere;
    store
        .sessions
        .revoke_user(ada.id.clone(), reason)
        .await
        .unwrap();
    let password = PasswordHash::from_stored("another".to_owned());
    store
        .directory
        .set_password(name("ada"), password, PasswordTerm::Lasting)
        .await
        .unwrap();
    store.disable("eve", true).await;
    store.disable("eve", false).await;
    store.directory.remove_user(name("ada")).await.unwrap();
    let expected = [
        user(&ada, 1),
        user(&ada, 2),
        user(&eve, 1),
        user(&eve, 2),
        user(&ada, 3),
    ];
    assert_eq!(ended(&store, first.last).await, expected);
    let next = log(&store, first.last).await;
    let changed = RevokeReason::UserChanged;
    let reasons: Vec<_> = next.entries.iter().map(|entry| entry.reason).collect();
    assert_eq!(reasons, [reason, changed, changed, changed, changed]);
    assert!(
        next.entries
            .iter()
            .all(|e| e.at == Timestamp::from_seconds(200))
    );
    assert_eq!(ended(&store, next.last).await, []);
    assert_eq!(log(&store, next.last).await.last, next.last);
}

async fn a_change_of_claims_is_logged_and_ends_nothing(store: Store) {
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    let change = UserChange {
        groups: Some(vec![GroupName::parse("dev").unwrap()]),
        ..UserChange::default()
    };
    let changed = store.directory.change_user(name("ada"), change).await;
    let ChangeUser::Changed(changed) = changed.unwrap() else {
        panic!("ada is there");
    };
    let (id, epoch) = (ada.id.clone(), changed.claims_epoch);
    assert_eq!(epoch, ada.claims_epoch + 1);
    assert_eq!(ended(&store, 0).await, [Ended::Claims { id, epoch }]);
    assert_eq!(store.end_of(session.id).await, None);
    let revocations = Revocations::default();
    follow(&store, &revocations).await;
    assert!(revocations.outdates(&ada.id, ada.claims_epoch));
    assert!(!revocations.outdates(&ada.id, epoch));
}

async fn what_ends_nothing_is_not_logged(store: Store) {
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    let reason = RevokeReason::SignedOut;
    assert!(store.sessions.revoke(session.id, reason).await.unwrap());
    let place = log(&store, 0).await.last;
    assert!(!store.sessions.revoke(session.id, reason).await.unwrap());
    let unknown = SessionId::from_bytes([9; 16]);
    assert!(!store.sessions.revoke(unknown, reason).await.unwrap());
    let nobody = vestibule::identity::UserId::from_bytes([9; 16]);
    assert_eq!(
        store.sessions.revoke_user(nobody, reason).await.unwrap(),
        None
    );
    let gone = store.directory.remove_user(name("gone"));
    assert_eq!(gone.await.unwrap(), None);
    // The session is over, so that the password is not changed in it.
    let kept = KeptSession {
        id: session.id,
        rotation: rotation(&session),
    };
    let password = PasswordHash::from_stored("another".to_owned());
    let changed = store.directory.change_password(name("ada"), password, kept);
    assert_eq!(changed.await.unwrap(), None);
    assert_eq!(ended(&store, place).await, []);
}

async fn revoking_all_is_logged_for_everybody_who_has_a_session(store: Store) {
    let (ada, eve) = (store.add("ada").await, store.add("eve").await);
    store.add("idle").await;
    let gone = store.add("gone").await;
    store.open_session(&ada, 1).await;
    store.open_session(&ada, 2).await;
    store.open_session(&gone, 3).await;
    let own = store.open_session(&eve, 4).await;
    store.directory.remove_user(name("gone")).await.unwrap();
    // Its access tokens are good for a while yet.
    let replaced = RevokeReason::Replaced;
    assert!(store.sessions.revoke(own.id, replaced).await.unwrap());
    let place = log(&store, 0).await.last;
    let reason = RevokeReason::Administrator;
    assert_eq!(store.sessions.revoke_all(reason).await.unwrap(), 2);
    let logged = ended(&store, place).await;
    assert_eq!(logged.len(), 2, "{logged:?}");
    for expected in [user(&ada, 1), user(&eve, 1)] {
        assert!(logged.contains(&expected), "{logged:?}");
    }
}

async fn the_log_is_read_in_parts(store: Store) {
    let ada = store.add("ada").await;
    let reason = RevokeReason::Administrator;
    for _ in 0..=READ_AT_ONCE {
        store
            .sessions
            .revoke_user(ada.id.clone(), reason)
            .await
            .unwrap();
    }
    let first = log(&store, 0).await;
    assert_eq!(first.entries.len(), READ_AT_ONCE);
    assert!(!first.is_read_to_the_end());
    let second = log(&store, first.last).await;
    assert_eq!(second.entries.len(), 1);
    assert!(second.is_read_to_the_end());

    let revocations = Revocations::default();
    follow(&store, &revocations).await;
    assert_eq!(revocations.read_to(), second.last);
    let now = store.clock.now();
    let epoch = u64::try_from(READ_AT_ONCE).unwrap();
    assert!(revocations.cover(&claims(&ada, 1, epoch), now));
    assert!(!revocations.cover(&claims(&ada, 1, epoch + 1), now));
}

async fn entries_are_swept_when_no_token_can_need_them(store: Store) {
    let ada = store.add("ada").await;
    let reason = RevokeReason::Administrator;
    let early = store.sessions.revoke_user(ada.id.clone(), reason);
    early.await.unwrap();
    store.clock.set(1);
    let late = store.sessions.revoke_user(ada.id.clone(), reason);
    late.await.unwrap();
    store.clock.set(0);
    store.clock.advance(KEPT_AFTER_END);
    assert_eq!(store.sessions.sweep().await.unwrap(), 0);
    store.clock.advance(Duration::from_millis(1));
    assert_eq!(store.sessions.sweep().await.unwrap(), 1);
    assert_eq!(ended(&store, 0).await, [user(&ada, 2)]);
}

async fn places_are_not_used_again(store: Store) {
    let ada = store.add("ada").await;
    let reason = RevokeReason::Administrator;
    let revoke = || store.sessions.revoke_user(ada.id.clone(), reason);
    revoke().await.unwrap();
    let place = log(&store, 0).await.last;
    store.clock.set(1_000_000);
    assert_eq!(store.sessions.sweep().await.unwrap(), 1);
    revoke().await.unwrap();
    assert_eq!(ended(&store, place).await, [user(&ada, 2)]);
}

async fn what_was_ended_is_refused_after_catching_up(store: Store) {
    let (ada, eve) = (store.add("ada").await, store.add("eve").await);
    store.clock.set(1_000);
    let session = store.open_session(&ada, 1).await;
    let reason = RevokeReason::Administrator;
    store.sessions.revoke(session.id, reason).await.unwrap();
    store
        .sessions
        .revoke_user(eve.id.clone(), reason)
        .await
        .unwrap();
    store.clock.set(1_300);
    let revocations = Revocations::default();
    assert_eq!(
        revocations.lag(store.clock.now()),
        Duration::from_secs(1_300)
    );
    // What comes back changes nothing.
    for _ in 0..2 {
        follow(&store, &revocations).await;
        let now = store.clock.now();
        assert_eq!(revocations.lag(now), Duration::ZERO);
        assert!(revocations.cover(&claims(&ada, 1, 0), now));
        assert!(!revocations.cover(&claims(&ada, 2, 0), now), "another");
        assert!(revocations.cover(&claims(&eve, 3, 0), now));
        assert!(
            !revocations.cover(&claims(&eve, 4, 1), now),
            "signed in since"
        );
    }
    // After that no token can need it, neither here nor where it is read first.
    store.clock.set(1_370);
    revocations.forget_before(store.clock.now());
    assert!(!revocations.cover(&claims(&ada, 1, 0), store.clock.now()));
    let fresh = Revocations::default();
    follow(&store, &fresh).await;
    assert!(!fresh.cover(&claims(&ada, 1, 0), store.clock.now()));
    assert_eq!(fresh.read_to(), revocations.read_to());
}

async fn what_a_process_with_a_late_clock_ends_is_refused(store: Store) {
    let ada = store.add("ada").await;
    store.clock.set(10_000);
    let revocations = Revocations::default();
    follow(&store, &revocations).await;
    store.clock.set(9_000);
    let reason = RevokeReason::Administrator;
    let revoked = store.sessions.revoke_user(ada.id.clone(), reason).await;
    assert_eq!(revoked.unwrap(), Some(1));
    store.clock.set(10_000);
    follow(&store, &revocations).await;
    assert!(revocations.cover(&claims(&ada, 1, 0), store.clock.now()));
}

async fn a_session_that_was_replaced_is_refused_after_the_grace(store: Store) {
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    let reason = RevokeReason::Replaced;
    store.sessions.revoke(session.id, reason).await.unwrap();
    let revocations = Revocations::default();
    follow(&store, &revocations).await;
    let moment = |seconds| store.clock.now() + Duration::from_secs(seconds);
    assert!(!revocations.cover(&claims(&ada, 1, 0), moment(29)));
    assert!(revocations.cover(&claims(&ada, 1, 0), moment(30)));
    revocations.forget_before(moment(399));
    assert!(revocations.cover(&claims(&ada, 1, 0), moment(399)));
}

async fn the_session_that_a_password_was_changed_in_goes_on(store: Store) {
    let ada = store.add("ada").await;
    let own = store.open_session(&ada, 1).await;
    let kept = KeptSession {
        id: own.id,
        rotation: rotation(&own),
    };
    let password = PasswordHash::from_stored("another".to_owned());
    let changed = store.directory.change_password(name("ada"), password, kept);
    let epoch = changed.await.unwrap().unwrap().session_epoch;
    assert_eq!(ended(&store, 0).await, [user(&ada, epoch)]);
    let revocations = Revocations::default();
    follow(&store, &revocations).await;
    let now = store.clock.now();
    let now_told: Claims = claims(&ada, 1, epoch);
    assert!(!revocations.cover(&now_told, now));
    assert!(revocations.cover(&claims(&ada, 1, epoch - 1), now));
}
