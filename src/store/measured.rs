//! A store whose every operation is timed and counted, whatever store is behind it.

use std::sync::Arc;
use std::time::Instant;

use crate::clock::Timestamp;
use crate::identity::{PasswordHash, PasswordTerm, SessionId, User, UserId, UserName};
use crate::observe::metrics::StoreMetrics;
use crate::observe::metrics::store::OperationMeter;
use crate::session::{RevokeReason, SessionRow};
use crate::store::{
    Account, AccountMark, AddUser, ChangeUser, Defences, DeviceHash, Directory, ImportStep,
    ImportUsers, KeptFailures, KeptSession, KeySet, Loaded, NewSession, NewUser, Pending,
    RevocationLog, Rotation, Sessions, Unlocks, UserChange,
};

/// A wrapper of a trait's implementation: a field and a method for each of its operations.
macro_rules! measured {
    (
        $(#[$meta:meta])*
        $name:ident of $store:ident:
        $(fn $operation:ident($($argument:ident: $type:ty),*) -> $gives:ty;)*
    ) => {
        $(#[$meta])*
        pub struct $name {
            inner: Arc<dyn $store>,
            $($operation: OperationMeter,)*
        }

        impl $name {
            /// In front of this store.
            pub fn new(inner: Arc<dyn $store>, metrics: &StoreMetrics) -> Self {
                Self {
                    inner,
                    $($operation: metrics.operation(stringify!($operation)),)*
                }
            }
        }

        impl $store for $name {
            $(fn $operation(&self, $($argument: $type),*) -> Pending<$gives> {
                timed(&self.$operation, self.inner.$operation($($argument),*))
            })*
        }
    };
}

measured! {
    /// Users and keys.
    MeasuredDirectory of Directory:
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

measured! {
    /// Sessions and their refresh tokens.
    MeasuredSessions of Sessions:
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

measured! {
    /// Failures, unlocked accounts and known devices.
    MeasuredDefences of Defences:
    fn failures() -> Vec<KeptFailures>;
    fn keep_failures(changed: Vec<KeptFailures>) -> ();
    fn locks() -> Vec<(AccountMark, Timestamp)>;
    fn unlock(account: AccountMark) -> ();
    fn unlocks_after(place: u64) -> Unlocks;
    fn owner_of_device(device: DeviceHash) -> Option<UserId>;
    fn keep_device(device: DeviceHash, owner: UserId, most: usize) -> ();
    fn sweep_defences() -> usize;
}

/// The same operation, measured from now to its outcome. One that nobody waits for is not.
fn timed<T: Send + 'static>(meter: &OperationMeter, operation: Pending<T>) -> Pending<T> {
    let begun = Instant::now();
    let meter = meter.clone();
    Box::pin(async move {
        let outcome = operation.await;
        meter.ended(begun.elapsed(), outcome.is_err());
        outcome
    })
}
