//! Where users, keys and sessions live: the traits, and the stores behind them.

pub mod catch_up;
pub mod defences;
pub mod key_keeper;
pub mod key_search;
pub mod keys;
pub mod master;
pub mod measured;
pub mod memory;
pub mod records;
pub mod seal;
pub mod sqlite;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::clock::{Clock, Timestamp};
use crate::config::StorageSettings;
use crate::identity::{PasswordHash, PasswordTerm, SessionId, User, UserId, UserName};
use crate::observe::metrics::StoreMetrics;
use crate::random;
use crate::session::key_ring::KeyError;
use crate::session::{RevokeReason, SessionRow};
use crate::store::keys::KeyStore;
use crate::store::master::Master;
use crate::store::measured::{MeasuredDefences, MeasuredDirectory, MeasuredSessions};
use crate::store::memory::MemoryStore;
use crate::store::sqlite::SqliteStore;

pub use catch_up::{Spans, catch_up};
pub use defences::{AccountMark, Defences, DeviceHash, KeptFailures, Unlocks};
pub use records::{
    Account, AddUser, ChangeUser, Ended, ImportObstacle, ImportStep, ImportUsers, KeptSession,
    KeySet, Loaded, NewSession, NewUser, Revocation, RevocationLog, Rotation, SealedKey,
    UserChange,
};

/// How long a session's row outlives the session, and how long an entry of the revocation log is kept:
/// longer than any access token lives (at most an hour, and leeway), so that a process that starts
/// learns of every revocation it must know.
pub const KEPT_AFTER_END: Duration = Duration::from_secs(2 * 60 * 60);
/// The most rows that one sweep deletes.
pub const SWEPT_AT_ONCE: usize = 500;
/// The most entries of the revocation log that are read at once.
pub const READ_AT_ONCE: usize = 1000;

/// What the rest of the program holds of the store.
#[derive(Clone)]
pub struct Opened {
    /// Users and keys.
    pub directory: Arc<dyn Directory>,
    /// Sessions.
    pub sessions: Arc<dyn Sessions>,
    /// What the defence of sign-ins remembers.
    pub defences: Arc<dyn Defences>,
    /// Keys in the clear, and what is done about them.
    pub keys: KeyStore,
}

impl Opened {
    /// The same store, with every operation measured.
    pub fn measured(self, metrics: &StoreMetrics) -> Self {
        let directory: Arc<dyn Directory> =
            Arc::new(MeasuredDirectory::new(self.directory, metrics));
        Self {
            keys: self.keys.over(Arc::clone(&directory)),
            directory,
            sessions: Arc::new(MeasuredSessions::new(self.sessions, metrics)),
            defences: Arc::new(MeasuredDefences::new(self.defences, metrics)),
        }
    }
}

/// Opens the store that the configuration names.
pub async fn open(settings: &StorageSettings, clock: Arc<dyn Clock>) -> Result<Opened, StoreError> {
    match settings {
        StorageSettings::Sqlite { path, master_key } => {
            let store = Arc::new(SqliteStore::open(path, Arc::clone(&clock))?);
            let master = Master::in_file(master_key, &store.keys().await?)?;
            Ok(Opened {
                keys: KeyStore::new(store.clone(), master, clock),
                directory: store.clone(),
                sessions: store.clone(),
                defences: store,
            })
        }
        StorageSettings::Memory => {
            let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
            let master = Master::ephemeral(random::bytes());
            Ok(Opened {
                keys: KeyStore::new(store.clone(), master, clock),
                directory: store.clone(),
                sessions: store.clone(),
                defences: store,
            })
        }
    }
}

/// What a store operation gives, later. Dropping it does not undo the operation.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// The store failed: nothing is known about the outcome.
#[derive(Debug, Error)]
pub enum StoreError {
    /// SQLite reported an error.
    #[error("the database failed")]
    Sqlite(#[from] rusqlite::Error),
    /// A transaction could not begin or be committed; nothing in it was done.
    #[error("the database failed")]
    Transaction(#[source] Arc<rusqlite::Error>),
    /// Another process held the database for too long; nothing was done.
    #[error("another process holds the database")]
    Busy,
    /// The thread behind the store is gone, or gave up on this operation.
    #[error("the store was closed")]
    Closed,
    /// The system gave no thread.
    #[error("a thread cannot be started")]
    Thread(#[source] std::io::Error),
    /// A stored value cannot be what was stored.
    #[error("the store holds an unreadable {0}")]
    Unreadable(&'static str),
    /// The database was written by a newer vestibule.
    #[error(
        "the database has version {found}, this program knows versions up to {known}: use the newer program"
    )]
    TooNew {
        /// The version in the database.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The file or its folder cannot be used.
    #[error("{path} cannot be used")]
    File {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database file belongs to another user of the system.
    #[error(
        "{path} belongs to another user of this system (uid {owner}): run the command as that user"
    )]
    NotOwner {
        /// Which file.
        path: String,
        /// Whose it is.
        owner: u32,
    },
    /// The keys in the store are sealed, and what opens them is gone.
    #[error(
        "{path} is missing: the keys in the database are sealed with it, so put back the file that was made with them"
    )]
    MasterKeyMissing {
        /// Which file.
        path: String,
    },
    /// A sealed key does not open with the master key.
    #[error("the master key does not fit this database: use the key file that was made with it")]
    WrongMasterKey,
    /// Others can read the master key file.
    #[error(
        "{path} can be read by other users of this system (mode {mode:03o}): run `chmod 600 {path}`"
    )]
    MasterKeyExposed {
        /// Which file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The master key file does not hold a key.
    #[error("{path} does not hold a master key: it must be 32 bytes in base64, on one line")]
    MasterKeyMalformed {
        /// Which file.
        path: String,
    },
    /// Somebody else changes the master key.
    #[error("another command is changing the master key {path}: wait until it has ended")]
    MasterKeyBusy {
        /// Which file.
        path: String,
    },
    /// A store in memory has no key file.
    #[error("a store in memory is sealed with a key that is gone when the process ends")]
    NoMasterKeyFile,
    /// The keys were changed by others each time.
    #[error("the keys were changed by others several times in a row: nothing was done")]
    KeysContended,
    /// The keys in the store do not make a ring.
    #[error("the keys cannot be used")]
    Keys(#[from] KeyError),
}

impl StoreError {
    /// What the system said about the file or folder at `path`.
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            source,
        }
    }
}

/// Users and keys.
pub trait Directory: Send + Sync {
    /// Adds a user.
    fn add_user(&self, user: NewUser) -> Pending<AddUser>;
    /// Adds and changes many users in one transaction: all of them or none. What raises an epoch ends
    /// what it ends elsewhere.
    fn import_users(&self, steps: Vec<ImportStep>) -> Pending<ImportUsers>;
    /// The user of this name, with the password hash.
    fn account(&self, name: UserName) -> Pending<Option<Account>>;
    /// The user with this id.
    fn user(&self, id: UserId) -> Pending<Option<User>>;
    /// All users, by name.
    fn users(&self) -> Pending<Vec<User>>;
    /// Changes what is told about a user. Raises the claims epoch.
    fn change_user(&self, name: UserName, change: UserChange) -> Pending<ChangeUser>;
    /// Sets the password. Raises the session epoch. `None`: no such user.
    fn set_password(
        &self,
        name: UserName,
        hash: PasswordHash,
        term: PasswordTerm,
    ) -> Pending<Option<User>>;
    /// Puts another hash of the same password in the place of `old`: one compare-and-set, which ends
    /// no session. `false`, and nothing changed: it is not there any more.
    fn rehash(&self, user: UserId, old: PasswordHash, new: PasswordHash) -> Pending<bool>;
    /// Sets the password from within a session, in one transaction: raises the session epoch, gives the
    /// kept session that epoch and its next refresh token with no way back to the one before, and ends
    /// all others of the user. `None`,
    /// and nothing changed: the session was not as expected, or the user's epoch has moved on.
    fn change_password(
        &self,
        name: UserName,
        hash: PasswordHash,
        kept: KeptSession,
    ) -> Pending<Option<User>>;
    /// Disables or enables a user. Raises the session epoch. `None`: no such user.
    fn set_disabled(&self, name: UserName, disabled: bool) -> Pending<Option<User>>;
    /// Removes a user and ends their sessions. Gives the user as they were, with the session epoch
    /// raised once more. `None`: no such user.
    fn remove_user(&self, name: UserName) -> Pending<Option<User>>;
    /// All keys, sealed.
    fn keys(&self) -> Pending<KeySet>;
    /// How often the keys were changed: cheap enough to be asked all the time.
    fn keys_version(&self) -> Pending<u64>;
    /// Puts these keys in the place of all others, in one transaction, and counts one more change.
    /// `false`, and nothing changed: the version is another than theirs.
    fn replace_keys(&self, keys: KeySet) -> Pending<bool>;
}

/// Sessions and their refresh tokens.
pub trait Sessions: Send + Sync {
    /// Keeps a new session, and in the same transaction ends the one it replaces and those that are
    /// too many, which are returned. `None`, and nothing changed: the user is disabled, gone, or has
    /// another epoch by now.
    fn open(&self, session: NewSession) -> Pending<Option<Vec<SessionId>>>;
    /// Sets the password of the session's user, which lasts, and keeps the session as the first of the
    /// epoch that this begins: the row has that epoch. All others of the user are ended, and so is the
    /// one it replaces. One transaction; `None`, and nothing changed: the user is disabled, gone, or
    /// not in the epoch before by now.
    fn open_with_new_password(
        &self,
        session: NewSession,
        hash: PasswordHash,
    ) -> Pending<Option<User>>;
    /// The session, with the user it belongs to and the store's time, read together.
    fn load(&self, id: SessionId) -> Pending<Option<Loaded>>;
    /// Replaces the refresh token: one compare-and-set. `false`: the row was not as expected, or
    /// the user's epoch has moved on.
    fn rotate(&self, id: SessionId, rotation: Rotation) -> Pending<bool>;
    /// Notes the first proof that the client holds this generation; nothing if another is current.
    fn confirm(&self, id: SessionId, generation: u64, at: Timestamp) -> Pending<()>;
    /// Notes the first straggler while this generation is current; nothing if another is.
    fn note_straggler(&self, id: SessionId, generation: u64, at: Timestamp) -> Pending<()>;
    /// Ends a session. `false`: it had been ended already or never was.
    fn revoke(&self, id: SessionId, reason: RevokeReason) -> Pending<bool>;
    /// Ends all sessions of a user by raising the session epoch, which is returned; `None`: no user.
    fn revoke_user(&self, user: UserId, reason: RevokeReason) -> Pending<Option<u64>>;
    /// Ends all sessions of all users by raising every session epoch; says how many were live. The log
    /// gets an entry for every user who has a session: epochs tell the tokens before from those after,
    /// also within one second and between clocks that differ, which the time of issue would not.
    fn revoke_all(&self, reason: RevokeReason) -> Pending<usize>;
    /// The live sessions of a user, or of all users; the last one seen first.
    fn live(&self, of: Option<UserId>) -> Pending<Vec<SessionRow>>;
    /// What was ended since, in order: the entries of the log after this place, 0 for all that are
    /// kept, and for all of a log that ends before it. What ends a session or raises a session epoch writes its entry in the same transaction.
    fn revocations_after(&self, place: u64) -> Pending<RevocationLog>;
    /// Deletes rows of sessions that were over [`KEPT_AFTER_END`] ago, and entries of the log that are
    /// as old; says how many. At most [`SWEPT_AT_ONCE`].
    fn sweep(&self) -> Pending<usize>;
    /// The latest moment that the store holds of anything that has happened to a session.
    fn newest(&self) -> Pending<Option<Timestamp>>;
    /// Answers if the store can be read and written.
    fn ping(&self) -> Pending<()>;
}
