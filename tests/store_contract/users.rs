//! Users: added, found, changed, removed.

use vestibule::clock::Timestamp;
use vestibule::identity::{DisplayName, Email, PasswordHash, PasswordTerm, User, UserId};
use vestibule::session::{RevokeReason, SessionRow};
use vestibule::store::{
    AddUser, ChangeUser, Ended, ImportObstacle, ImportStep, ImportUsers, NewSession, NewUser,
    UserChange,
};

use crate::support::{Store, groups, name, new_session, new_user, session};

on_each_store! {
    an_added_user_is_found
    names_and_addresses_are_taken_once
    a_change_raises_the_claims_epoch_only
    a_change_cannot_take_somebodys_address
    a_new_password_ends_the_sessions
    another_hash_of_the_same_password_ends_no_session
    a_temporary_password_is_kept_with_its_end
    a_change_can_be_asked_for_and_taken_back
    a_new_password_and_the_first_session_with_it_come_together
    of_two_who_change_a_password_while_signing_in_one_is_refused
    disabling_and_enabling_end_the_sessions
    a_removed_user_is_gone_and_the_sessions_are_revoked
    nobody_cannot_be_changed
    an_import_adds_and_changes_all_of_them
    an_import_that_cannot_be_done_as_a_whole_does_nothing
    a_hundred_thousand_users_are_imported
}

async fn an_added_user_is_found(store: Store) {
    store.clock.set(5_000);
    let new = NewUser {
        display_name: Some(DisplayName::parse("Ada Lovelace").unwrap()),
        email: Some(Email::parse("Ada@Example.org").unwrap()),
        groups: groups(&["ops", "dev", "ops"]),
        ..new_user("ada")
    };
    let AddUser::Added(ada) = store.directory.add_user(new.clone()).await.unwrap() else {
        panic!("nobody else is there");
    };
    let expected = User {
        id: new.id,
        name: new.name,
        display_name: new.display_name,
        email: new.email,
        groups: groups(&["dev", "ops"]),
        disabled: false,
        password_term: PasswordTerm::Lasting,
        session_epoch: ada.session_epoch,
        claims_epoch: ada.claims_epoch,
        created_at: Timestamp::from_seconds(5_000),
    };
    assert_eq!(ada, expected);
    let account = store.directory.account(name("ada")).await.unwrap().unwrap();
    assert_eq!(account.user, expected);
    assert_eq!(account.password, new.password);
    assert_eq!(store.user(&ada.id).await.unwrap(), expected);

    store.add("Charles").await;
    store.add("babbage").await;
    let users = store.directory.users().await.unwrap();
    let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["ada", "babbage", "charles"]);
    assert_eq!(store.directory.account(name("eve")).await.unwrap(), None);
    assert_eq!(store.user(&UserId::from_bytes([0; 16])).await, None);
}

async fn names_and_addresses_are_taken_once(store: Store) {
    let with_address = |text: &str, address: &str| NewUser {
        email: Some(Email::parse(address).unwrap()),
        ..new_user(text)
    };
    for (new, expected) in [
        (with_address("ada", "ada@example.org"), None),
        (new_user("ADA"), Some(AddUser::NameTaken)),
        (
            with_address("eve", "Ada@example.ORG"),
            Some(AddUser::EmailTaken),
        ),
        (with_address("eve", "eve@example.org"), None),
        (new_user("without"), None),
        (new_user("address"), None),
    ] {
        let what = format!("{new:?}");
        match (store.directory.add_user(new).await.unwrap(), expected) {
            (AddUser::Added(_), None) => {}
            (other, expected) => assert_eq!(Some(other), expected, "{what}"),
        }
    }
    assert_eq!(store.directory.users().await.unwrap().len(), 4);
}

async fn a_change_raises_the_claims_epoch_only(store: Store) {
    let ada = store.add("ada").await;
    let change = UserChange {
        display_name: Some(Some(DisplayName::parse("Ada").unwrap())),
        email: Some(Some(Email::parse("ada@example.org").unwrap())),
        groups: Some(groups(&["ops", "dev"])),
        password_change_due: None,
    };
    let changed = store.change("ada", change).await;
    assert_eq!(
        changed,
        ChangeUser::Changed(User {
            display_name: Some(DisplayName::parse("Ada").unwrap()),
            email: Some(Email::parse("ada@example.org").unwrap()),
            groups: groups(&["dev", "ops"]),
            claims_epoch: ada.claims_epoch + 1,
            ..ada.clone()
        })
    );
    assert_eq!(
        changed,
        ChangeUser::Changed(store.user(&ada.id).await.unwrap())
    );

    let without = UserChange {
        email: Some(None),
        groups: Some(Vec::new()),
        ..UserChange::default()
    };
    store.change("ada", without).await;
    let now = store.user(&ada.id).await.unwrap();
    assert_eq!((now.email, now.groups), (None, Vec::new()));
    assert_eq!(now.display_name.unwrap().as_str(), "Ada");
    assert_eq!(now.session_epoch, ada.session_epoch);
    assert_eq!(now.claims_epoch, ada.claims_epoch + 2);
}

async fn a_change_cannot_take_somebodys_address(store: Store) {
    let to = |address: &str| UserChange {
        email: Some(Some(Email::parse(address).unwrap())),
        ..UserChange::default()
    };
    let ada = store.add("ada").await;
    store.add("eve").await;
    store.change("ada", to("ada@example.org")).await;
    let refused = store.change("eve", to("ADA@example.org")).await;
    assert_eq!(refused, ChangeUser::EmailTaken);
    // One's own address in other letters is nobody else's.
    let kept = store.change("ada", to("Ada@example.org")).await;
    assert!(matches!(kept, ChangeUser::Changed(_)));
    let now = store.user(&ada.id).await.unwrap();
    assert_eq!(now.email.unwrap().as_str(), "Ada@example.org");
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

async fn disabling_and_enabling_end_the_sessions(store: Store) {
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    let disabled = store.disable("ada", true).await;
    assert!(disabled.disabled);
    assert_eq!(disabled.session_epoch, ada.session_epoch + 1);
    assert_eq!(
        store.end_of(session.id).await,
        Some(RevokeReason::UserChanged)
    );
    let enabled = store.disable("ada", false).await;
    assert!(!enabled.disabled);
    assert_eq!(enabled.session_epoch, ada.session_epoch + 2);
    assert_eq!(store.user(&ada.id).await, Some(enabled));
}

async fn a_removed_user_is_gone_and_the_sessions_are_revoked(store: Store) {
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    let removed = store.directory.remove_user(name("ada")).await.unwrap();
    assert_eq!(removed.unwrap().session_epoch, ada.session_epoch + 1);
    assert_eq!(store.user(&ada.id).await, None);
    let loaded = store.sessions.load(session.id).await.unwrap().unwrap();
    assert_eq!(loaded.user, None);
    assert_eq!(
        store.end_of(session.id).await,
        Some(RevokeReason::UserChanged)
    );
    // The name is free again, for somebody else.
    assert_ne!(store.add("ada").await.id, ada.id);
}

async fn nobody_cannot_be_changed(store: Store) {
    let nobody = || name("nobody");
    let hash = PasswordHash::from_stored(String::new());
    let directory = &store.directory;
    assert_eq!(
        directory
            .set_password(nobody(), hash, PasswordTerm::Lasting)
            .await
            .unwrap(),
        None
    );
    assert_eq!(directory.set_disabled(nobody(), true).await.unwrap(), None);
    assert_eq!(directory.remove_user(nobody()).await.unwrap(), None);
    assert_eq!(
        store.change("nobody", UserChange::default()).await,
        ChangeUser::NoSuchUser
    );
    let id = UserId::from_bytes([0; 16]);
    let revoked = store.sessions.revoke_user(id, RevokeReason::Administrator);
    assert_eq!(revoked.await.unwrap(), None);
}

fn adding(text: &str) -> ImportStep {
    let (user, disabled) = (new_user(text), false);
    ImportStep::Add { user, disabled }
}

fn updating(text: &str) -> ImportStep {
    ImportStep::Update {
        name: name(text),
        change: UserChange {
            groups: Some(groups(&["ops"])),
            ..UserChange::default()
        },
        password: None,
        disabled: None,
    }
}

fn imported(outcome: ImportUsers) -> Vec<User> {
    match outcome {
        ImportUsers::Done(users) => users,
        other => panic!("{other:?}"),
    }
}

async fn an_import_adds_and_changes_all_of_them(store: Store) {
    let ada = store.add("ada").await;
    let bob = store.add("bob").await;
    let (hers, his) = (
        store.open_session(&ada, 1).await,
        store.open_session(&bob, 2).await,
    );
    let place = store.sessions.revocations_after(0).await.unwrap().last;
    let hash = PasswordHash::from_stored("another".to_owned());
    let with_password = ImportStep::Update {
        name: name("bob"),
        change: UserChange::default(),
        password: Some(hash.clone()),
        disabled: Some(true),
    };
    let kept_out = ImportStep::Add {
        user: new_user("eve"),
        disabled: true,
    };
    let steps = vec![adding("cy"), updating("ada"), with_password, kept_out];
    let users = imported(store.directory.import_users(steps).await.unwrap());
    let told: Vec<(&str, bool)> = users
        .iter()
        .map(|user| (user.name.as_str(), user.disabled))
        .collect();
    assert_eq!(
        told,
        [("cy", false), ("ada", false), ("bob", true), ("eve", true)]
    );
    let [_, changed, disabled, _] = &users[..] else {
        panic!("four steps");
    };
    for user in &users {
        assert_eq!(store.user(&user.id).await.as_ref(), Some(user));
    }
    assert_eq!(changed.groups, groups(&["ops"]));
    assert_eq!(changed.session_epoch, ada.session_epoch);
    assert_eq!(changed.claims_epoch, ada.claims_epoch + 1);
    assert_eq!(disabled.session_epoch, bob.session_epoch + 2);
    let account = store.directory.account(name("bob")).await.unwrap().unwrap();
    assert_eq!(account.password, hash);
    // What was told of her is stale, and his sessions are over.
    assert_eq!(store.end_of(hers.id).await, None);
    assert_eq!(store.end_of(his.id).await, Some(RevokeReason::UserChanged));
    let log = store.sessions.revocations_after(place).await.unwrap();
    let ended: Vec<Ended> = log.entries.into_iter().map(|entry| entry.ended).collect();
    let claims = |user: &User| Ended::Claims {
        id: user.id.clone(),
        epoch: user.claims_epoch,
    };
    let sessions = Ended::User {
        id: bob.id.clone(),
        epoch: disabled.session_epoch,
    };
    assert_eq!(ended, [claims(changed), claims(disabled), sessions]);
}

async fn an_import_that_cannot_be_done_as_a_whole_does_nothing(store: Store) {
    let with_address = |text: &str| ImportStep::Add {
        user: NewUser {
            email: Some(Email::parse("A@example.org").unwrap()),
            ..new_user(text)
        },
        disabled: false,
    };
    let ada = store.add("ada").await;
    for (last, obstacle) in [
        (adding("ada"), ImportObstacle::NameTaken),
        (adding("bob"), ImportObstacle::NameTaken),
        (with_address("cy"), ImportObstacle::EmailTaken),
        (updating("nobody"), ImportObstacle::NoSuchUser),
    ] {
        let steps = vec![with_address("bob"), updating("ada"), last];
        let outcome = store.directory.import_users(steps).await.unwrap();
        assert_eq!(outcome, ImportUsers::Undone(2, obstacle));
        let users = store.directory.users().await.unwrap();
        assert_eq!(users, std::slice::from_ref(&ada));
        let log = store.sessions.revocations_after(0).await.unwrap();
        assert!(log.entries.is_empty());
    }
    // The store goes on to work.
    store.add("bob").await;
}

async fn a_hundred_thousand_users_are_imported(store: Store) {
    let steps = (0..100_000).map(|number| adding(&format!("user-{number}")));
    let outcome = store.directory.import_users(steps.collect());
    assert_eq!(imported(outcome.await.unwrap()).len(), 100_000);
    let last = store.directory.account(name("user-99999")).await.unwrap();
    assert!(last.is_some());
}
