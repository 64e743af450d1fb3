//! The database file of the SQLite store: kept, shared, private, and refused where it must be.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vestibule::clock::Timestamp;
use vestibule::config::StorageSettings;
use vestibule::identity::{Secret, SessionId};
use vestibule::session::{KeyAlgorithm, KeyMaterial, KeyPurpose, RevokeReason};
use vestibule::store::key_keeper::KeyKeeper;
use vestibule::store::seal::MasterKey;
use vestibule::store::{
    self, AddUser, Directory, Ended, KeySet, Revocation, RevocationLog, Sessions, StoreError,
};

use crate::keys::SETTINGS;
use crate::support::{
    HandMovedClock, in_folder, in_sqlite, mode, name, new_user, open_sqlite, rotation,
};

#[tokio::test]
async fn a_database_outlives_its_process() {
    let store = in_sqlite();
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    assert!(store.rotate(&session, &rotation(&session)).await);
    let row = store.row(session.id).await;

    let store = store.reopened();
    assert_eq!(store.user(&ada.id).await, Some(ada));
    assert_eq!(store.row(session.id).await, row);
}

#[tokio::test]
async fn two_handles_share_a_database() {
    let serving = in_sqlite();
    let ada = serving.add("ada").await;
    let session = serving.open_session(&ada, 1).await;

    let commanding = open_sqlite(&serving.database(), &serving.clock).unwrap();
    let commands = Arc::new(commanding);
    commands.set_disabled(name("ada"), true).await.unwrap();
    assert_eq!(
        serving.end_of(session.id).await,
        Some(RevokeReason::UserChanged)
    );
    let eve = serving.add("eve").await;
    assert_eq!(commands.user(eve.id.clone()).await.unwrap(), Some(eve));

    // Both write as fast as they can.
    let writes: Vec<_> = (0..100)
        .map(|number| {
            let new = new_user(&format!("user{number}"));
            match number % 2 {
                0 => commands.add_user(new),
                _ => serving.directory.add_user(new),
            }
        })
        .collect();
    for write in writes {
        assert!(matches!(write.await.unwrap(), AddUser::Added(_)));
    }
    assert_eq!(commands.users().await.unwrap().len(), 102);
}

/// Otherwise each of those who wait would wait for all before them, too.
#[tokio::test]
async fn a_database_that_somebody_else_holds_is_given_up_in_time() {
    let store = in_sqlite();
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    let other = rusqlite::Connection::open(store.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    let waiting: Vec<_> = (0..10)
        .map(|_| store.sessions.revoke(session.id, RevokeReason::SignedOut))
        .collect();
    for revoked in waiting {
        let error = revoked.await.err();
        assert!(matches!(error, Some(StoreError::Busy)), "{error:?}");
    }
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(store.end_of(session.id).await, None, "reading goes on");
    other.execute_batch("COMMIT").unwrap();
    let revoked = store.sessions.revoke(session.id, RevokeReason::SignedOut);
    assert!(revoked.await.unwrap());
}

#[test]
fn programs_that_start_at_once_make_one_database() {
    for _ in 0..10 {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("vestibule.db");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| open_sqlite(&path, &Arc::default()).unwrap());
            }
        });
    }
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let store = in_sqlite();
    store.add("ada").await;
    let files: Vec<PathBuf> = fs::read_dir(store.folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 3, "the database, -wal and -shm: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    fs::set_permissions(store.database(), fs::Permissions::from_mode(0o644)).unwrap();
    let store = store.reopened();
    assert_eq!(mode(&store.database()), 0o600);
}

#[tokio::test]
async fn a_stolen_database_tells_no_key() {
    let store = in_sqlite();
    let start = Timestamp::from_seconds(0);
    let keys = [KeyPurpose::RefreshMac, KeyPurpose::RefreshNext].map(|purpose| {
        let what = (purpose, KeyAlgorithm::Mac);
        let secret = vestibule::random::bytes::<32>().to_vec();
        KeyMaterial::new(what, Secret::new(secret), "1", (start, start)).unwrap()
    });
    let master = MasterKey::random();
    let sealed = KeySet {
        keys: keys.iter().map(|key| master.seal(key)).collect(),
        ..KeySet::default()
    };
    assert!(store.directory.replace_keys(sealed).await.unwrap());

    let store = store.reopened();
    let read = store.directory.keys().await.unwrap();
    for (key, sealed) in keys.iter().zip(read.keys) {
        assert_eq!(master.open(&sealed).unwrap().secret, key.secret);
    }
    // Reading the file would drop the locks of a database that is open.
    let (folder, _) = store.closed();
    let dump = fs::read(folder.path().join("vestibule.db")).unwrap();
    assert!(dump.windows(12).any(|window| window == b"refresh_next"));
    for key in &keys {
        for part in key.secret.expose().chunks(8) {
            assert!(!dump.windows(part.len()).any(|window| window == part));
        }
    }
}

/// A new one would not open them, and would be in the way of the one that does.
#[tokio::test]
async fn a_lost_master_key_is_missed_and_no_new_one_is_made() {
    let folder = TempDir::new().unwrap();
    let master_key = folder.path().join("master.key");
    let settings = StorageSettings::Sqlite {
        path: folder.path().join("vestibule.db"),
        master_key: master_key.clone(),
    };
    let open = || store::open(&settings, Arc::<HandMovedClock>::default());
    let opened = open().await.unwrap();
    KeyKeeper::open(opened.keys, SETTINGS).await.unwrap();
    drop((opened.directory, opened.sessions));
    fs::rename(&master_key, folder.path().join("elsewhere")).unwrap();
    let error = open().await.err().unwrap();
    assert!(
        matches!(error, StoreError::MasterKeyMissing { .. }),
        "{error:?}"
    );
    assert!(!master_key.exists());
}

#[tokio::test]
async fn a_database_of_version_1_is_brought_up_with_its_rows() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("vestibule.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    let first = include_str!("../../src/store/sqlite/migrations/001.sql");
    raw.execute_batch(first).unwrap();
    raw.execute_batch(
        "PRAGMA user_version = 1;
         INSERT INTO users (id, name, group_names, password_hash, created_at)
         VALUES ('AQEBAQEBAQEBAQEBAQEBAQ', 'ada', 'ops', 'a hash', 1000);
         INSERT INTO sessions (
             id, user_id, user_epoch, delivery, remember, created_at, authenticated_at, generation,
             current_hash, next_key, rotated_at, idle_expires_at, absolute_expires_at, revoked_at,
             revoke_reason
         ) VALUES
             (zeroblob(16), 'AQEBAQEBAQEBAQEBAQEBAQ', 0, 'cookie', 1, 1000, 1000, 1,
              zeroblob(32), 1, NULL, 50000, 90000, NULL, NULL),
             (CAST('0123456789abcdef' AS BLOB), 'AQEBAQEBAQEBAQEBAQEBAQ', 0, 'token', 0, 1000, 1000,
              2, zeroblob(32), 1, 3000, 50000, 90000, NULL, NULL),
             (CAST('fedcba9876543210' AS BLOB), 'AQEBAQEBAQEBAQEBAQEBAQ', 0, 'token', 0, 1000, 1000,
              1, zeroblob(32), 1, NULL, 50000, 90000, 7000, 'signed_out');",
    )
    .unwrap();
    drop(raw);

    let store = in_folder(folder, Arc::default());
    let account = store.directory.account(name("ada")).await.unwrap().unwrap();
    assert_eq!(account.password.as_stored(), "a hash");
    let never_refreshed = store.row(SessionId::from_bytes([0; 16])).await;
    let refreshed = store.row(SessionId::from_bytes(*b"0123456789abcdef")).await;
    for (row, seen) in [(&never_refreshed, 1), (&refreshed, 3)] {
        assert_eq!(row.user, account.user.id);
        assert_eq!((row.ip, &row.user_agent), (None, &None));
        assert_eq!(row.last_seen_at, Timestamp::from_seconds(seen));
    }
    assert_eq!(
        store.live(Some(&account.user)).await,
        [refreshed.id, never_refreshed.id]
    );
    let log = store.sessions.revocations_after(0).await.unwrap();
    let of_the_ended = Revocation {
        ended: Ended::Session(SessionId::from_bytes(*b"fedcba9876543210")),
        at: Timestamp::from_seconds(7),
        reason: RevokeReason::SignedOut,
    };
    assert_eq!(log.entries, [of_the_ended]);
}

/// What the other has written is read although this one has written nothing meanwhile.
#[tokio::test]
async fn the_log_is_followed_from_another_handle() {
    let serving = in_sqlite();
    let ada = serving.add("ada").await;
    let session = serving.open_session(&ada, 1).await;
    let commands = open_sqlite(&serving.database(), &serving.clock).unwrap();
    let after = |place| serving.sessions.revocations_after(place);
    let mut place = 0;
    for _ in 0..3 {
        // Once more than needed: the second time there is nothing to read.
        for _ in 0..2 {
            assert_eq!(after(place).await.unwrap().entries, []);
        }
        let epoch = commands.revoke_user(ada.id.clone(), RevokeReason::Administrator);
        let epoch = epoch.await.unwrap().unwrap();
        let log = after(place).await.unwrap();
        let id = ada.id.clone();
        assert_eq!(log.entries.len(), 1);
        assert_eq!(log.entries[0].ended, Ended::User { id, epoch });
        assert!(log.last > place);
        place = log.last;
    }
    let reason = RevokeReason::Administrator;
    assert!(!commands.revoke(session.id, reason).await.unwrap());
    assert_eq!(after(place).await.unwrap().entries, []);
    assert_eq!(after(0).await.unwrap().entries.len(), 3, "from the start");
}

/// A backup that is put back under a running process has an earlier end.
#[tokio::test]
async fn a_log_that_went_back_is_read_from_its_start() {
    let store = in_sqlite();
    let ada = store.add("ada").await;
    let session = store.open_session(&ada, 1).await;
    let after = |place| store.sessions.revocations_after(place);
    for disabled in [true, false, true, false] {
        store.disable("ada", disabled).await;
    }
    let place = after(0).await.unwrap().last;
    assert_eq!(after(place).await.unwrap().entries, []);

    let restoring = rusqlite::Connection::open(store.database()).unwrap();
    restoring
        .execute_batch(
            "DELETE FROM revocations WHERE seq > 1;
             UPDATE sqlite_sequence SET seq = 1 WHERE name = 'revocations';
             UPDATE sessions SET revoked_at = NULL, revoke_reason = NULL",
        )
        .unwrap();
    let log = after(place).await.unwrap();
    assert_eq!((log.entries.len(), log.last), (1, 1));
    let revoked = store.sessions.revoke(session.id, RevokeReason::SignedOut);
    assert!(revoked.await.unwrap());
    let log = after(log.last).await.unwrap();
    assert_eq!(log.entries.len(), 1);
    assert_eq!(log.entries[0].ended, Ended::Session(session.id));
    assert_eq!(
        after(log.last).await.unwrap(),
        RevocationLog {
            entries: Vec::new(),
            ..log
        }
    );
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let store = in_sqlite();
    let raw = rusqlite::Connection::open(store.database()).unwrap();
    raw.pragma_update(None, "user_version", 1_000).unwrap();
    drop(raw);
    let refused = open_sqlite(&store.database(), &store.clock);
    assert!(matches!(
        refused.err(),
        Some(StoreError::TooNew { found: 1_000, .. })
    ));
}

#[test]
fn a_folder_that_does_not_exist_is_named() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing");
    let error = open_sqlite(&missing.join("vestibule.db"), &Arc::default()).err();
    let Some(StoreError::File { path, .. }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(Path::new(&path), missing);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("vestibule.db");
    fs::write(
        &path,
        "not a database, but long enough to look at. ".repeat(50),
    )
    .unwrap();
    let error = open_sqlite(&path, &Arc::default()).err();
    assert!(matches!(error, Some(StoreError::Sqlite(_))), "{error:?}");
}

/// Root can give files away; where the tests do not run as root, nothing can be shown.
#[test]
fn a_database_of_another_user_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("vestibule.db");
    fs::write(&path, "").unwrap();
    if std::os::unix::fs::chown(&path, Some(12_345), None).is_ok() {
        let error = open_sqlite(&path, &Arc::default()).err();
        assert!(
            matches!(error, Some(StoreError::NotOwner { owner: 12_345, .. })),
            "{error:?}"
        );
    }
}
