//! What the cases are told with: stores, a clock, users and sessions.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use vestibule::clock::{Clock, Timestamp};
use vestibule::identity::{
    GroupName, Identity, PasswordHash, PasswordTerm, SessionId, User, UserId, UserName,
};
use vestibule::session::{Claims, Delivery, RevokeReason, SessionRow, TokenHash};
use vestibule::store::memory::MemoryStore;
use vestibule::store::sqlite::SqliteStore;
use vestibule::store::{
    AddUser, ChangeUser, Defences, Directory, NewSession, NewUser, Rotation, Sessions, StoreError,
    UserChange,
};

pub(crate) struct Store {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) defences: Arc<dyn Defences>,
    pub(crate) clock: Arc<HandMovedClock>,
    /// Of the database; goes last, with all that is in it.
    folder: Option<TempDir>,
}

pub(crate) fn in_memory() -> Store {
    let clock = Arc::<HandMovedClock>::default();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    Store {
        directory: store.clone(),
        sessions: store.clone(),
        defences: store,
        clock,
        folder: None,
    }
}

pub(crate) fn in_sqlite() -> Store {
    in_folder(TempDir::new().unwrap(), Arc::default())
}

pub(crate) fn in_folder(folder: TempDir, clock: Arc<HandMovedClock>) -> Store {
    let path = folder.path().join("vestibule.db");
    let store = Arc::new(open_sqlite(&path, &clock).unwrap());
    Store {
        directory: store.clone(),
        sessions: store.clone(),
        defences: store,
        clock,
        folder: Some(folder),
    }
}

pub(crate) fn open_sqlite(
    path: &Path,
    clock: &Arc<HandMovedClock>,
) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, clock.clone())
}

impl Store {
    pub(crate) async fn add(&self, text: &str) -> User {
        match self.directory.add_user(new_user(text)).await.unwrap() {
            AddUser::Added(user) => user,
            other => panic!("{text}: {other:?}"),
        }
    }

    pub(crate) async fn user(&self, id: &UserId) -> Option<User> {
        self.directory.user(id.clone()).await.unwrap()
    }

    pub(crate) async fn change(&self, text: &str, change: UserChange) -> ChangeUser {
        let changed = self.directory.change_user(name(text), change);
        changed.await.unwrap()
    }

    pub(crate) async fn disable(&self, text: &str, disabled: bool) -> User {
        let changed = self.directory.set_disabled(name(text), disabled);
        changed.await.unwrap().unwrap()
    }

    pub(crate) async fn try_open(&self, user: &User, number: u64) -> bool {
        self.keep(session(user, number)).await
    }

    /// Opens this session, which may be one of very many.
    pub(crate) async fn keep(&self, row: SessionRow) -> bool {
        let opened = self.sessions.open(new_session(row));
        opened.await.unwrap().is_some()
    }

    pub(crate) async fn open_session(&self, user: &User, number: u64) -> SessionRow {
        assert!(self.try_open(user, number).await);
        session(user, number)
    }

    pub(crate) async fn rotate(&self, session: &SessionRow, rotation: &Rotation) -> bool {
        let rotated = self.sessions.rotate(session.id, rotation.clone());
        rotated.await.unwrap()
    }

    pub(crate) async fn row(&self, id: SessionId) -> SessionRow {
        self.sessions.load(id).await.unwrap().unwrap().row
    }

    pub(crate) async fn end_of(&self, id: SessionId) -> Option<RevokeReason> {
        self.row(id).await.revoked.map(|(_, reason)| reason)
    }

    pub(crate) async fn live(&self, of: Option<&User>) -> Vec<SessionId> {
        let live = self.sessions.live(of.map(|user| user.id.clone()));
        live.await.unwrap().iter().map(|row| row.id).collect()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder().join("vestibule.db")
    }

    pub(crate) fn closed(self) -> (TempDir, Arc<HandMovedClock>) {
        drop((self.directory, self.sessions, self.defences));
        (self.folder.unwrap(), self.clock)
    }

    /// As after a restart.
    pub(crate) fn reopened(self) -> Self {
        let (folder, clock) = self.closed();
        in_folder(folder, clock)
    }
}

#[derive(Default)]
pub(crate) struct HandMovedClock(AtomicI64);

impl HandMovedClock {
    pub(crate) fn set(&self, seconds: i64) {
        let millis = Timestamp::from_seconds(seconds).millis();
        self.0.store(millis, Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, span: Duration) {
        let later = self.now() + span;
        self.0.store(later.millis(), Ordering::SeqCst);
    }
}

impl Clock for HandMovedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

pub(crate) fn groups(names: &[&str]) -> Vec<GroupName> {
    let parsed = names.iter().map(|name| GroupName::parse(name).unwrap());
    parsed.collect()
}

pub(crate) fn new_user(text: &str) -> NewUser {
    NewUser {
        id: UserId::from_bytes(vestibule::random::bytes()),
        name: name(text),
        display_name: None,
        email: None,
        groups: Vec::new(),
        password: PasswordHash::from_stored(format!("the hash of {text}'s password")),
        password_term: PasswordTerm::Lasting,
    }
}

pub(crate) fn session(user: &User, number: u64) -> SessionRow {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    SessionRow {
        id: SessionId::from_bytes(id),
        user: user.id.clone(),
        user_epoch: user.session_epoch,
        delivery: Delivery::Cookie,
        remember: false,
        device: None,
        ip: None,
        user_agent: None,
        created_at: Timestamp::from_seconds(1),
        authenticated_at: Timestamp::from_seconds(2),
        last_seen_at: Timestamp::from_seconds(1),
        generation: 1,
        current: hash(1),
        previous: None,
        next_key: 0,
        rotated_at: None,
        confirmed_at: None,
        straggler_at: None,
        idle_expires_at: Timestamp::from_seconds(100_000),
        absolute_expires_at: Timestamp::from_seconds(200_000),
        revoked: None,
    }
}

pub(crate) fn new_session(row: SessionRow) -> NewSession {
    NewSession {
        row,
        replaces: None,
        most: usize::MAX,
    }
}

/// An access token of that session, with this session epoch.
pub(crate) fn claims(user: &User, number: u64, session_epoch: u64) -> Claims {
    let row = session(user, number);
    let (id, name) = (user.id.clone(), user.name.clone());
    Claims {
        identity: Arc::new(Identity::new(id, name, None, None, Vec::new())),
        session: row.id,
        generation: row.generation,
        session_epoch,
        claims_epoch: user.claims_epoch,
        authenticated_at: row.authenticated_at,
        issued_at: row.created_at,
        not_before: None,
        expires_at: row.absolute_expires_at,
        id: "id".to_owned(),
    }
}

/// The next step of a session as it is opened here.
pub(crate) fn rotation(session: &SessionRow) -> Rotation {
    Rotation {
        from_generation: session.generation,
        from: session.current,
        to: hash(2),
        next_key: 3,
        at: Timestamp::from_seconds(500),
        idle_expires_at: Timestamp::from_seconds(150_000),
    }
}

pub(crate) fn hash(byte: u8) -> TokenHash {
    TokenHash([byte; 32])
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
