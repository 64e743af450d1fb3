//! Many users at once: all of them or none.

use vestibule::identity::{Email, PasswordHash, User};
use vestibule::session::RevokeReason;
use vestibule::store::{Ended, ImportObstacle, ImportStep, ImportUsers, NewUser, UserChange};

use crate::support::{Store, groups, name, new_user};

on_each_store! {
    an_import_adds_and_changes_all_of_them
    an_import_that_cannot_be_done_as_a_whole_does_nothing
    a_hundred_thousand_users_are_imported
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
