//! A store that tells before and after each operation, so that a test may come in between.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use vestibule::clock::Timestamp;
use vestibule::identity::{PasswordHash, PasswordTerm, SessionId, User, UserId, UserName};
use vestibule::session::{RevokeReason, SessionRow};
use vestibule::store::{
    Account, AddUser, ChangeUser, Directory, ImportStep, ImportUsers, KeptSession, KeySet, Loaded,
    NewSession, NewUser, Pending, RevocationLog, Rotation, Sessions, UserChange,
};

use crate::bare::Pause;

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Nothing was done yet.
    Before,
    /// It is done and kept, and nobody knows it yet.
    After,
}

/// What is told, and of which operation.
pub(crate) type Hook = Arc<dyn Fn(When, &'static str) + Send + Sync>;

/// Users and sessions, with a hook.
#[derive(Clone)]
pub(crate) struct Hooked {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) hook: Hook,
    /// Whether others go first, once, after a session was read.
    pub(crate) pauses: bool,
}

/// Waits for an answer, wherever it is made.
pub(crate) fn at_once<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => thread::park(),
        }
    }
}

impl Hooked {
    fn done<T: Send + 'static>(
        &self,
        name: &'static str,
        begin: impl FnOnce() -> Pending<T>,
    ) -> Pending<T> {
        (self.hook)(When::Before, name);
        let outcome = at_once(begin());
        (self.hook)(When::After, name);
        let pauses = self.pauses && name == "load";
        Box::pin(async move {
            if pauses {
                Pause(false).await;
            }
            outcome
        })
    }
}

macro_rules! hooked {
    ($inner:ident: $(fn $name:ident($($argument:ident: $type:ty),*) -> $outcome:ty;)+) => {
        $(fn $name(&self, $($argument: $type),*) -> Pending<$outcome> {
            self.done(stringify!($name), || self.$inner.$name($($argument),*))
        })+
    };
}

impl Sessions for Hooked {
    hooked! { sessions:
        fn open(session: NewSession) -> Option<Vec<SessionId>>;
        fn open_with_new_password(session: NewSession, hash: PasswordHash) -> Option<User>;
        fn load(id: SessionId) -> Option<Loaded>;
        fn rotate(id: SessionId, rotation: Rotation) -> bool;
        fn confirm(id: SessionId, generation: u64, at: Timestamp) -> ();
        fn note_straggler(id: SessionId, generation: u64, at: Timestamp) -> ();
        fn revoke(id: SessionId, reason: RevokeReason) -> bool;
        fn revoke_user(user: UserId, reason: RevokeReason) -> Option<u64>;
        fn revoke_all(reason: RevokeReason) -> usize;
        fn live(of: Option<UserId>) -> Vec<SessionRow>;
        fn revocations_after(place: u64) -> RevocationLog;
        fn sweep() -> usize;
        fn newest() -> Option<Timestamp>;
        fn ping() -> ();
    }
}

impl Directory for Hooked {
    hooked! { directory:
        fn add_user(user: NewUser) -> AddUser;
        fn import_users(steps: Vec<ImportStep>) -> ImportUsers;
        fn account(name: UserName) -> Option<Account>;
        fn user(id: UserId) -> Option<User>;
        fn users() -> Vec<User>;
        fn change_user(name: UserName, change: UserChange) -> ChangeUser;
        fn set_password(name: UserName, hash: PasswordHash, term: PasswordTerm) -> Option<User>;
        fn rehash(user: UserId, old: PasswordHash, new: PasswordHash) -> bool;
        fn change_password(name: UserName, hash: PasswordHash, kept: KeptSession) -> Option<User>;
        fn set_disabled(name: UserName, disabled: bool) -> Option<User>;
        fn remove_user(name: UserName) -> Option<User>;
        fn keys() -> KeySet;
        fn keys_version() -> u64;
        fn replace_keys(keys: KeySet) -> bool;
    }
}
