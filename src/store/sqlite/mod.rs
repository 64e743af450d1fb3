//! The SQLite store: WAL, every commit durable, one writer thread whose waiting jobs share a commit.

mod defences;
mod file;
mod import;
mod keys;
mod queue;
mod revocations;
mod schema;
mod sessions;
mod users;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::clock::{Clock, Timestamp};
use crate::identity::{PasswordHash, PasswordTerm, SessionId, User, UserId, UserName};
use crate::session::{RevokeReason, SessionRow};
use crate::store::sqlite::queue::{Manner, Queue};
use crate::store::sqlite::revocations::Watched;
use crate::store::{
    Account, AddUser, ChangeUser, Directory, ImportStep, ImportUsers, KeptSession, KeySet, Loaded,
    NewSession, NewUser, Pending, RevocationLog, Rotation, SWEPT_AT_ONCE, Sessions, StoreError,
    UserChange,
};

/// How long a transaction waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the start waits for other processes that start.
const LONGEST_START: Duration = Duration::from_secs(5);
/// Threads that read. A read takes some ten microseconds, so that few are enough.
const READERS: usize = 2;
/// The most writes that share a commit, so that one fsync makes all of them durable: some milliseconds
/// of work at most, for which other processes wait.
const WRITTEN_AT_ONCE: usize = 64;
/// Reads gain nothing by company.
const READING: Manner = Manner {
    behavior: TransactionBehavior::Deferred,
    at_once: 1,
};
/// Room for every statement of this store.
const CACHED_STATEMENTS: usize = 64;

/// A database file.
pub struct SqliteStore {
    writer: Queue,
    readers: Queue,
    /// Reads the revocation log, and nothing else: `data_version` counts what others have written.
    watcher: Queue,
    watched: Arc<Watched>,
}

impl SqliteStore {
    /// Opens the database, creating it (mode 0600) and bringing it to this program's version.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let path = file::prepare(path)?;
        let mut connection = connect(&path)?;
        connection.busy_timeout(LONGEST_START)?;
        write_ahead(&connection)?;
        schema::migrate(&mut connection)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let readers: Result<Vec<_>, _> = (0..READERS).map(|_| reader(&path)).collect();
        let watcher = vec![reader(&path)?];
        Ok(Self {
            writer: Queue::start(
                "store-writer",
                vec![connection],
                Manner {
                    behavior: TransactionBehavior::Immediate,
                    at_once: WRITTEN_AT_ONCE,
                },
                &clock,
            )?,
            readers: Queue::start("store-reader", readers?, READING, &clock)?,
            watcher: Queue::start("store-watcher", watcher, READING, &clock)?,
            watched: Arc::default(),
        })
    }
}

fn reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    Ok(connection)
}

/// Switches to a write-ahead log, which readers need not wait for. SQLite itself does not wait while
/// another process switches, too; this does.
fn write_ahead(connection: &Connection) -> Result<(), StoreError> {
    const PAUSE: Duration = Duration::from_millis(5);
    let mut pauses = LONGEST_START.as_millis() / PAUSE.as_millis();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if is_busy(&error) && pauses > 0 => pauses -= 1,
            outcome => return Ok(outcome?),
        }
        thread::sleep(PAUSE);
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

impl Directory for SqliteStore {
    fn add_user(&self, user: NewUser) -> Pending<AddUser> {
        self.writer.run(move |sql, now| users::add(sql, user, now))
    }

    fn import_users(&self, steps: Vec<ImportStep>) -> Pending<ImportUsers> {
        self.writer
            .run(move |sql, now| import::all_or_none(sql, steps, now))
    }

    fn account(&self, name: UserName) -> Pending<Option<Account>> {
        self.readers.run(move |sql, _| users::by_name(sql, &name))
    }

    fn user(&self, id: UserId) -> Pending<Option<User>> {
        self.readers.run(move |sql, _| users::by_id(sql, &id))
    }

    fn users(&self) -> Pending<Vec<User>> {
        self.readers.run(|sql, _| users::all(sql))
    }

    fn change_user(&self, name: UserName, change: UserChange) -> Pending<ChangeUser> {
        self.writer.run(move |sql, now| {
            let changed = users::change(sql, &name, change)?;
            if let ChangeUser::Changed(user) = &changed {
                revocations::add_claims(sql, user, now)?;
            }
            Ok(changed)
        })
    }

    fn set_password(
        &self,
        name: UserName,
        hash: PasswordHash,
        term: PasswordTerm,
    ) -> Pending<Option<User>> {
        self.writer.run(move |sql, now| {
            let user = users::set_password(sql, &name, &hash, term)?;
            end_sessions(sql, user.as_ref(), now)?;
            Ok(user)
        })
    }

    fn rehash(&self, user: UserId, old: PasswordHash, new: PasswordHash) -> Pending<bool> {
        self.writer
            .run(move |sql, _| users::rehash(sql, &user, &old, &new))
    }

    fn change_password(
        &self,
        name: UserName,
        hash: PasswordHash,
        kept: KeptSession,
    ) -> Pending<Option<User>> {
        self.writer.run(move |sql, now| {
            if !sessions::rotate(sql, kept.id, &kept.rotation)? {
                return Ok(None);
            }
            let user = users::set_password(sql, &name, &hash, PasswordTerm::Lasting)?;
            if let Some(user) = &user {
                sessions::set_epoch(sql, kept.id, user.session_epoch)?;
            }
            end_sessions(sql, user.as_ref(), now)?;
            Ok(user)
        })
    }

    fn set_disabled(&self, name: UserName, disabled: bool) -> Pending<Option<User>> {
        self.writer.run(move |sql, now| {
            let user = users::set_disabled(sql, &name, disabled)?;
            end_sessions(sql, user.as_ref(), now)?;
            Ok(user)
        })
    }

    fn remove_user(&self, name: UserName) -> Pending<Option<User>> {
        self.writer.run(move |sql, now| {
            let user = users::remove(sql, &name)?;
            if let Some(user) = &user {
                defences::forget_devices_of(sql, &user.id)?;
            }
            end_sessions(sql, user.as_ref(), now)?;
            Ok(user)
        })
    }

    fn keys(&self) -> Pending<KeySet> {
        self.readers.run(|sql, _| keys::all(sql))
    }

    fn keys_version(&self) -> Pending<u64> {
        self.readers.run(|sql, _| keys::version(sql))
    }

    fn replace_keys(&self, keys: KeySet) -> Pending<bool> {
        self.writer.run(move |sql, _| keys::replace(sql, &keys))
    }
}

/// What every raise of a session epoch brings with it, in the same transaction. A session that has
/// the new epoch already goes on.
fn end_sessions(sql: &Connection, user: Option<&User>, now: Timestamp) -> Result<(), StoreError> {
    let Some(user) = user else {
        return Ok(());
    };
    let reason = RevokeReason::UserChanged;
    sessions::revoke_older(sql, user, reason, now)?;
    revocations::add_user(sql, (&user.id, user.session_epoch), reason, now)
}

/// Ends a session that is not ended yet, and writes it down.
fn end_session(
    sql: &Connection,
    id: SessionId,
    reason: RevokeReason,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let ended = sessions::revoke(sql, id, reason, now)?;
    if ended {
        revocations::add_session(sql, id, reason, now)?;
    }
    Ok(ended)
}

impl Sessions for SqliteStore {
    fn open(&self, session: NewSession) -> Pending<Option<Vec<SessionId>>> {
        self.writer.run(move |sql, now| {
            if !sessions::open(sql, &session.row)? {
                return Ok(None);
            }
            let end = |id, reason| end_session(sql, id, reason, now);
            if let Some(replaced) = session.replaces {
                end(replaced, RevokeReason::Replaced)?;
            }
            let too_many = sessions::too_many(sql, &session.row, session.most, now)?;
            for id in &too_many {
                end(*id, RevokeReason::Evicted)?;
            }
            Ok(Some(too_many))
        })
    }

    fn open_with_new_password(
        &self,
        session: NewSession,
        hash: PasswordHash,
    ) -> Pending<Option<User>> {
        self.writer.run(move |sql, now| {
            let row = &session.row;
            let before = users::by_id(sql, &row.user)?;
            let is_as_before =
                |user: &User| !user.disabled && user.session_epoch + 1 == row.user_epoch;
            let Some(User { name, .. }) = before.filter(is_as_before) else {
                return Ok(None);
            };
            let user = users::set_password(sql, &name, &hash, PasswordTerm::Lasting)?;
            if let Some(replaced) = session.replaces {
                end_session(sql, replaced, RevokeReason::Replaced, now)?;
            }
            end_sessions(sql, user.as_ref(), now)?;
            if !sessions::open(sql, row)? {
                return Err(StoreError::Unreadable("user"));
            }
            Ok(user)
        })
    }

    fn load(&self, id: SessionId) -> Pending<Option<Loaded>> {
        self.readers.run(move |sql, now| {
            let Some(row) = sessions::by_id(sql, id)? else {
                return Ok(None);
            };
            let user = users::by_id(sql, &row.user)?;
            Ok(Some(Loaded { row, user, now }))
        })
    }

    fn rotate(&self, id: SessionId, rotation: Rotation) -> Pending<bool> {
        self.writer
            .run(move |sql, _| sessions::rotate(sql, id, &rotation))
    }

    fn confirm(&self, id: SessionId, generation: u64, at: Timestamp) -> Pending<()> {
        self.writer
            .run(move |sql, _| sessions::confirm(sql, id, generation, at))
    }

    fn note_straggler(&self, id: SessionId, generation: u64, at: Timestamp) -> Pending<()> {
        self.writer
            .run(move |sql, _| sessions::note_straggler(sql, id, generation, at))
    }

    fn revoke(&self, id: SessionId, reason: RevokeReason) -> Pending<bool> {
        self.writer
            .run(move |sql, now| end_session(sql, id, reason, now))
    }

    fn revoke_user(&self, user: UserId, reason: RevokeReason) -> Pending<Option<u64>> {
        self.writer.run(move |sql, now| {
            let epoch = users::raise_session_epoch(sql, &user)?;
            sessions::revoke_all(sql, &user, reason, now)?;
            if let Some(epoch) = epoch {
                revocations::add_user(sql, (&user, epoch), reason, now)?;
            }
            Ok(epoch)
        })
    }

    fn revoke_all(&self, reason: RevokeReason) -> Pending<usize> {
        self.writer.run(move |sql, now| {
            let ended = sessions::live(sql, None, now)?.len();
            users::raise_all_session_epochs(sql)?;
            sessions::revoke_everything(sql, reason, now)?;
            revocations::add_everybody(sql, reason, now)?;
            Ok(ended)
        })
    }

    fn live(&self, of: Option<UserId>) -> Pending<Vec<SessionRow>> {
        self.readers
            .run(move |sql, now| sessions::live(sql, of.as_ref(), now))
    }

    fn revocations_after(&self, place: u64) -> Pending<RevocationLog> {
        let watched = Arc::clone(&self.watched);
        self.watcher
            .run(move |sql, _| revocations::after(sql, place, &watched))
    }

    fn sweep(&self) -> Pending<usize> {
        self.writer.run(|sql, now| {
            let rows = sessions::sweep(sql, now)?;
            let entries = revocations::sweep(sql, SWEPT_AT_ONCE.saturating_sub(rows), now)?;
            Ok(rows + entries)
        })
    }

    fn newest(&self) -> Pending<Option<Timestamp>> {
        self.readers.run(|sql, _| sessions::newest(sql))
    }

    fn ping(&self) -> Pending<()> {
        let written = self.writer.run(|_, _| Ok(()));
        let read = self.readers.run(|sql, _| schema::check(sql));
        Box::pin(async move {
            written.await?;
            read.await
        })
    }
}
