//! Passwords: set, hashed anew, temporary, and changed while signing in.

use vestibule::clock::Timestamp;
use vestibule::identity::{PasswordHash, PasswordTerm, UserId};
use vestibule::session::{RevokeReason, SessionRow};
use vestibule::store::{AddUser, NewSession, NewUser, UserChange};

use crate::support::{Store, name, new_session, new_user, session};

on_each_store! {
    a_new_password_ends_the_sessions
    another_hash_of_the_same_password_ends_no_session
    a_temporary_password_is_kept_with_its_end
    a_change_can_be_asked_for_and_taken_back
    a_new_password_and_the_first_session_with_it_come_together
    of_two_who_change_a_password_while_signing_in_one_is_refused
}

async fn a_new_password_ends_the_sessions(store: Store) {
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    let hash = PasswordHash::from_stored("another".to_owned());
    let changed = store
        .directory
        .set_password(name("ada"), hash.clone(), PasswordTerm::Lasting)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(changed.session_epoch, ada.session_epoch + 1);
    assert_eq!(changed.claims_epoch, ada.claims_epoch);
    let account = store.directory.account(name("ada")).await.unwrap().unwrap();
    assert_eq!((account.user, account.password), (changed, hash));
    assert_eq!(
        store.end_of(session.id).await,
        Some(RevokeReason::UserChanged)
    );
}

async fn another_hash_of_the_same_password_ends_no_session(store: Store) {
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    let hash = |text: &str| PasswordHash::from_stored(text.to_owned());
    let old = store.directory.account(name("ada")).await.unwrap().unwrap();
    let rehash = |id: &UserId, old: PasswordHash, new: &str| {
        let done = store.directory.rehash(id.clone(), old, hash(new));
        async { done.await.unwrap() }
    };
    assert!(rehash(&ada.id, old.password.clone(), "new").await);
    let now = store.directory.account(name("ada")).await.unwrap().unwrap();
    assert_eq!((now.user, now.password), (old.user, hash("new")));
    assert_eq!(store.end_of(session.id).await, None);

    let stranger = UserId::from_bytes([0; 16]);
    assert!(!rehash(&ada.id, old.password, "newer").await);
    assert!(!rehash(&stranger, hash("new"), "newer").await);
    let now = store.directory.account(name("ada")).await.unwrap().unwrap();
    assert_eq!(now.password, hash("new"));
}

async fn a_temporary_password_is_kept_with_its_end(store: Store) {
    let until = Timestamp::from_millis(7_000_000_123);
    let term = PasswordTerm::Temporary { until };
    let new = NewUser {
        password_term: term,
        ..new_user("ada")
    };
    let AddUser::Added(ada) = store.directory.add_user(new).await.unwrap() else {
        panic!("nobody else is there");
    };
    assert_eq!(ada.password_term, term);
    assert_eq!(store.user(&ada.id).await, Some(ada));

    let set = |term| {
        let hash = PasswordHash::from_stored("another".to_owned());
        store.directory.set_password(name("ada"), hash, term)
    };
    for term in [PasswordTerm::Lasting, PasswordTerm::ChangeDue, term] {
        let user = set(term).await.unwrap().unwrap();
        assert_eq!(user.password_term, term);
        assert_eq!(store.directory.users().await.unwrap(), [user]);
    }
}

async fn a_change_can_be_asked_for_and_taken_back(store: Store) {
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    let asking = |due| UserChange {
        password_change_due: Some(due),
        ..UserChange::default()
    };
    for (due, term) in [
        (true, PasswordTerm::ChangeDue),
        (false, PasswordTerm::Lasting),
    ] {
        store.change("ada", asking(due)).await;
        let now = store.user(&ada.id).await.unwrap();
        assert_eq!(now.password_term, term);
        assert_eq!(now.session_epoch, ada.session_epoch);
    }
    assert_eq!(store.end_of(session.id).await, None, "sessions go on");

    let until = Timestamp::from_seconds(7_000);
    let term = PasswordTerm::Temporary { until };
    let hash = PasswordHash::from_stored("temporary".to_owned());
    let set = store.directory.set_password(name("ada"), hash, term);
    set.await.unwrap();
    store.change("ada", asking(false)).await;
    assert_eq!(store.user(&ada.id).await.unwrap().password_term, term);
}

async fn a_new_password_and_the_first_session_with_it_come_together(store: Store) {
    let (ada, eve) = (store.add("ada").await, store.add("eve").await);
    let asking = UserChange {
        password_change_due: Some(true),
        ..UserChange::default()
    };
    store.change("ada", asking).await;
    let before = store.open_session(&ada, 1).await;
    let in_this_browser = store.open_session(&eve, 2).await;
    let hash = PasswordHash::from_stored("another".to_owned());
    let row = SessionRow {
        user_epoch: ada.session_epoch + 1,
        ..session(&ada, 3)
    };
    let opened = NewSession {
        replaces: Some(in_this_browser.id),
        ..new_session(row.clone())
    };
    let opened = store.sessions.open_with_new_password(opened, hash.clone());
    let user = opened.await.unwrap().unwrap();
    assert_eq!(user.session_epoch, row.user_epoch);
    assert_eq!(user.password_term, PasswordTerm::Lasting);
    let account = store.directory.account(name("ada")).await.unwrap().unwrap();
    assert_eq!((account.user, account.password), (user, hash));
    assert_eq!(store.row(row.id).await, row);
    let ended = Some(RevokeReason::UserChanged);
    assert_eq!(store.end_of(before.id).await, ended);
    let replaced = Some(RevokeReason::Replaced);
    assert_eq!(store.end_of(in_this_browser.id).await, replaced);
    let live = store.sessions.live(None).await.unwrap();
    assert_eq!(live, [row]);
}

async fn of_two_who_change_a_password_while_signing_in_one_is_refused(store: Store) {
    let ada = store.add("ada").await;
    let open = |number, hash: &str, epoch| {
        let row = SessionRow {
            user_epoch: epoch,
            ..session(&ada, number)
        };
        let hash = PasswordHash::from_stored(hash.to_owned());
        store
            .sessions
            .open_with_new_password(new_session(row), hash)
    };
    let epoch = ada.session_epoch + 1;
    assert!(open(1, "first", epoch).await.unwrap().is_some());
    assert_eq!(open(2, "second", epoch).await.unwrap(), None);
    assert_eq!(open(3, "third", epoch - 1).await.unwrap(), None);
    let account = store.directory.account(name("ada")).await.unwrap().unwrap();
    assert_eq!(account.password.as_stored(), "first");
    store.disable("ada", true).await;
    assert_eq!(open(4, "fourth", epoch + 2).await.unwrap(), None);
    store.directory.remove_user(name("ada")).await.unwrap();
    assert_eq!(open(5, "fifth", epoch + 3).await.unwrap(), None);
}
