//! Two replicas over one store: what the product itself does with a presented token.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;
use vestibule::authenticate::{Occasion, RefreshError, Refreshed, Refresher};
use vestibule::clock::{Clock, Timestamp};
use vestibule::identity::{
    Identity, PasswordHash, PasswordTerm, SessionId, User, UserId, UserName,
};
use vestibule::login::{OpenSession, Opener};
use vestibule::random;
use vestibule::session::judge::proves_receipt;
use vestibule::session::{
    Claims, Delivery, KeyRing, RefreshToken, Revocations, RevokeReason, SharedRing, TokenSettings,
};
use vestibule::store::memory::MemoryStore;
use vestibule::store::sqlite::SqliteStore;
use vestibule::store::{
    AddUser, Directory, KeptSession, Loaded, NewUser, Rotation, Sessions, StoreError,
};

use crate::bare::{SETTINGS, ring};
use crate::hooked::{Hook, Hooked, When, at_once};
use crate::schedule::End;
use crate::world::{Flight, Given, Outcome, Server, land};

/// The hash of a changed password.
pub(crate) const CHANGED: &str = "changed";

/// The store's clock.
#[derive(Default)]
pub(crate) struct HandMoved(AtomicI64);

impl Clock for HandMoved {
    fn now(&self) -> Timestamp {
        at(self.0.load(Ordering::Relaxed))
    }
}

/// The moment so many milliseconds after the sign-in.
fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

/// A store, and what is common to all sessions in it.
pub(crate) struct House {
    clock: Arc<HandMoved>,
    pub(crate) store: Hooked,
    ring: Arc<SharedRing>,
    refreshers: [Refresher; 2],
    asked: Arc<AtomicUsize>,
    /// Of the database.
    _folder: Option<TempDir>,
}

/// Users and sessions in one.
trait Store: Directory + Sessions {}

impl<T: Directory + Sessions> Store for T {}

impl House {
    pub(crate) fn in_memory() -> Self {
        let clock = Arc::<HandMoved>::default();
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Self::over(clock, store, Arc::new(|_, _| {}))
    }

    pub(crate) fn in_sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("vestibule.db");
        Self {
            _folder: Some(folder),
            ..Self::in_file(&path, Arc::new(|_, _| {}))
        }
    }

    /// Over this database, as a process finds it; `hook` is told of everything that is done there.
    pub(crate) fn in_file(path: &Path, hook: Hook) -> Self {
        let clock = Arc::<HandMoved>::default();
        let store = Arc::new(SqliteStore::open(path, clock.clone()).unwrap());
        Self::over(clock, store, hook)
    }

    fn over<S: Store + 'static>(clock: Arc<HandMoved>, store: Arc<S>, hook: Hook) -> Self {
        let asked = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&asked);
        let store = Hooked {
            directory: store.clone(),
            sessions: store,
            hook: Arc::new(move |when, name| {
                if when == When::Before {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                hook(when, name);
            }),
            pauses: true,
        };
        let ring = Arc::new(SharedRing::new(ring()));
        let refreshers = [(); 2].map(|()| refresher(&store, &ring));
        Self {
            clock,
            store,
            ring,
            refreshers,
            asked,
            _folder: None,
        }
    }

    /// A session of a new user.
    pub(crate) fn open(&self) -> Lodger<'_> {
        self.clock.0.store(0, Ordering::Relaxed);
        let user = add_user(&self.store, &random_name());
        self.sign_in(&user)
    }

    /// One more session of this user.
    pub(crate) fn sign_in(&self, user: &User) -> Lodger<'_> {
        let opener = opener(&self.store, &self.clock, &self.ring);
        let opened = at_once(opener.open(user, wanted())).unwrap();
        self.lodger(user, opened.tokens.refresh.expose())
    }

    /// The session that this refresh token belongs to.
    pub(crate) fn lodger(&self, user: &User, text: &str) -> Lodger<'_> {
        Lodger {
            house: self,
            user: user.clone(),
            id: RefreshToken::parse(text, &self.ring.now()).unwrap().session,
            first: self.given(text),
        }
    }

    fn given(&self, text: &str) -> Given {
        given(text, &self.ring.now(), self.clock.0.load(Ordering::Relaxed))
    }
}

fn given(text: &str, ring: &KeyRing, at: i64) -> Given {
    Given {
        text: text.to_owned(),
        generation: RefreshToken::parse(text, ring).unwrap().generation,
        at,
    }
}

fn random_name() -> String {
    format!("u{:x}", u64::from_be_bytes(random::bytes()))
}

pub(crate) fn add_user(store: &Hooked, name: &str) -> User {
    let added = store.directory.add_user(NewUser {
        id: UserId::from_bytes(random::bytes()),
        name: UserName::parse(name).unwrap(),
        display_name: None,
        email: None,
        groups: Vec::new(),
        password: PasswordHash::from_stored(String::new()),
        password_term: PasswordTerm::Lasting,
    });
    match at_once(added).unwrap() {
        AddUser::Added(user) => user,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn wanted() -> OpenSession {
    OpenSession {
        delivery: Delivery::Cookie,
        remember: true,
        device: None,
        ip: None,
        user_agent: None,
        replaces: None,
    }
}

fn tokens() -> TokenSettings {
    TokenSettings {
        issuer: "https://app.example".to_owned(),
        audience: "vestibule".to_owned(),
        access_ttl: Duration::from_secs(300),
        leeway: Duration::from_secs(5),
        flask_claims: false,
    }
}

pub(crate) fn opener(store: &Hooked, clock: &Arc<HandMoved>, ring: &Arc<SharedRing>) -> Opener {
    let (sessions, ring) = (Arc::new(store.clone()), Arc::clone(ring));
    Opener::new(sessions, clock.clone(), ring, tokens(), SETTINGS)
}

pub(crate) fn refresher(store: &Hooked, ring: &Arc<SharedRing>) -> Refresher {
    Refresher::new(
        Arc::new(store.clone()),
        Arc::clone(ring),
        Arc::<Revocations>::default(),
        tokens(),
        SETTINGS,
    )
}

/// One session in a house.
pub(crate) struct Lodger<'a> {
    pub(crate) house: &'a House,
    pub(crate) user: User,
    pub(crate) id: SessionId,
    first: Given,
}

impl Lodger<'_> {
    fn loaded(&self) -> Loaded {
        let loaded = self.house.store.sessions.load(self.id);
        at_once(loaded).unwrap().unwrap()
    }

    /// An access token of this session, as it was opened.
    pub(crate) fn claims(&self) -> Claims {
        let user = &self.user;
        let (id, name) = (user.id.clone(), user.name.clone());
        let zero = Timestamp::from_seconds(1_700_000_000);
        Claims {
            identity: Arc::new(Identity::new(id, name, None, None, Vec::new())),
            session: self.id,
            generation: 1,
            session_epoch: 0,
            claims_epoch: 0,
            authenticated_at: zero,
            issued_at: zero,
            not_before: None,
            expires_at: zero + Duration::from_secs(300),
            id: "id".to_owned(),
        }
    }

    /// A text that is no refresh token of ours is refused from its own bytes.
    pub(crate) fn refuses_without_asking(&self, forgery: &Forgery) -> Result<(), String> {
        let text = forgery.of(&self.first.text);
        let before = self.house.asked.load(Ordering::Relaxed);
        let outcome = land(self.refresh(&text, 0));
        let asked = self.house.asked.load(Ordering::Relaxed) - before;
        match outcome {
            // Unavailable: its key may be one that another process has begun to use.
            Outcome::Refused(None) | Outcome::Unavailable if asked == 0 => Ok(()),
            other => Err(format!("{other:?} after {asked} questions for {text:?}")),
        }
    }
}

/// Presents this text at `/refresh`.
pub(crate) async fn present(refresher: &Refresher, text: &str) -> Result<Refreshed, RefreshError> {
    match refresher.read(text).await? {
        Ok(token) => refresher.exchange(&token, Occasion::Asked).await,
        Err(refused) => Ok(refused),
    }
}

impl Server for Lodger<'_> {
    fn first(&self) -> Given {
        self.first.clone()
    }

    fn set_time(&self, millis: i64) {
        self.house.clock.0.store(millis, Ordering::Relaxed);
    }

    fn refresh(&self, text: &str, replica: usize) -> Flight {
        let refresher = self.house.refreshers[replica].clone();
        let (ring, clock) = (Arc::clone(&self.house.ring), Arc::clone(&self.house.clock));
        let text = text.to_owned();
        Box::pin(async move {
            match present(&refresher, &text).await {
                Ok(Refreshed::Tokens(tokens, _)) => {
                    let at = clock.0.load(Ordering::Relaxed);
                    Outcome::Given(given(tokens.refresh.expose(), &ring.now(), at))
                }
                Ok(Refreshed::Refused { judged, .. }) => {
                    Outcome::Refused(judged.map(|judged| judged.verdict))
                }
                Ok(Refreshed::WrongType | Refreshed::NotOnTheWay) => Outcome::Refused(None),
                Err(_) => Outcome::Unavailable,
            }
        })
    }

    fn accept(&self, with: &Given) {
        let Loaded { row, now, .. } = self.loaded();
        if proves_receipt(&row, with.generation, at(with.at), now, SETTINGS.grace) {
            at_once(self.house.store.confirm(row.id, row.generation, now)).unwrap();
        }
    }

    fn change_password(&self) -> Option<Given> {
        self.newest()?;
        let (row, now) = (self.loaded().row, self.house.clock.now());
        let ring = self.house.ring.now();
        let (key, ring) = (ring.next_key(), &*ring);
        let next = RefreshToken::replacement(row.id, row.generation, &row.current, key, ring)?;
        let kept = KeptSession {
            id: row.id,
            rotation: Rotation {
                from_generation: row.generation,
                from: row.current,
                to: next.hash(),
                next_key: key,
                at: now,
                idle_expires_at: row.absolute_expires_at,
            },
        };
        let (name, hash) = (
            self.user.name.clone(),
            PasswordHash::from_stored(CHANGED.to_owned()),
        );
        let changed = self.house.store.change_password(name, hash, kept);
        at_once(changed).unwrap()?;
        Some(self.house.given(next.to_text(ring).expose()))
    }

    fn end(&self, how: End) {
        let store = &self.house.store;
        let name = self.user.name.clone();
        let done = |pending: Result<_, StoreError>| drop(pending.unwrap());
        match how {
            End::SignedOut => {
                at_once(store.revoke(self.id, RevokeReason::SignedOut)).unwrap();
            }
            End::Everywhere => {
                let reason = RevokeReason::SignedOutEverywhere;
                at_once(store.revoke_user(self.user.id.clone(), reason)).unwrap();
            }
            End::Password => {
                let hash = PasswordHash::from_stored(String::new());
                done(at_once(store.set_password(
                    name,
                    hash,
                    PasswordTerm::Lasting,
                )));
            }
            End::Disabled => done(at_once(store.set_disabled(name, true))),
        }
    }

    fn newest(&self) -> Option<u64> {
        let loaded = self.loaded();
        loaded.is_live().then_some(loaded.row.generation)
    }
}

/// A text that somebody makes up, or makes out of a real token.
#[derive(Clone, Debug)]
pub(crate) enum Forgery {
    Text(String),
    Ours(String),
    Bytes(Vec<(usize, u8)>),
}

pub(crate) fn forgeries() -> impl Strategy<Value = Forgery> {
    let byte = prop_oneof![b'A'..=b'Z', b'a'..=b'z', b'0'..=b'9'];
    prop_oneof![
        any::<String>().prop_map(Forgery::Text),
        "[A-Za-z0-9_-]{98}".prop_map(Forgery::Ours),
        prop::collection::vec((5..103_usize, byte), 1..5).prop_map(Forgery::Bytes),
    ]
}

impl Forgery {
    fn of(&self, real: &str) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Ours(rest) => format!("vrt1_{rest}"),
            Self::Bytes(changes) => {
                let real = real.as_bytes();
                let mut bytes = real.to_vec();
                for (place, byte) in changes {
                    // Another one than the real one in any case, also where a place is changed twice.
                    bytes[*place] = if real[*place] == *byte { b'-' } else { *byte };
                }
                String::from_utf8(bytes).unwrap()
            }
        }
    }
}
