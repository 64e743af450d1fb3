//! Users: added, found, changed, removed.

use vestibule::clock::Timestamp;
use vestibule::identity::{DisplayName, Email, PasswordHash, PasswordTerm, User, UserId};
use vestibule::session::RevokeReason;
use vestibule::store::{AddUser, ChangeUser, NewUser, UserChange};

use crate::support::{Store, groups, name, new_user};

on_each_store! {
    an_added_user_is_found
    names_and_addresses_are_taken_once
    a_change_raises_the_claims_epoch_only
    a_change_cannot_take_somebodys_address
    disabling_and_enabling_end_the_sessions
    a_removed_user_is_gone_and_the_sessions_are_revoked
    nobody_cannot_be_changed
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
