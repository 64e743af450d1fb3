//! What the store keeps for the defence of sign-ins: failures, accounts that were unlocked, devices.

use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::Pending;

/// What an account is counted by: the hash of a name that was typed, whether or not it is anybody's.
pub type AccountMark = [u8; 16];

/// How long a device is known after it was last used to sign in.
pub const DEVICE_KNOWN_FOR: Duration = Duration::from_hours(365 * 24);
/// The most failures that are read when a process starts.
pub const MOST_FAILURES: usize = 100_000;
/// How long the list of unlocked accounts tells of one: a process that starts reads the failures, which
/// are gone, and one that runs reads the list twice a second.
pub const UNLOCK_TOLD_FOR: Duration = Duration::from_hours(24);

/// Failures in a row against an account, from one network or device (`place`) or from anywhere
/// (zeros).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFailures {
    /// Which account.
    pub account: AccountMark,
    /// From where.
    pub place: [u8; 8],
    /// How many; none means that the entry goes.
    pub failures: usize,
    /// The moment of the last one.
    pub last_at: Timestamp,
    /// Until when the account is locked.
    pub locked_until: Option<Timestamp>,
    /// From when on they are of no account.
    pub forgotten_at: Timestamp,
}

/// A part of the list of accounts that were unlocked, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlocks {
    /// Which.
    pub accounts: Vec<AccountMark>,
    /// The place of the last one; where there is none, the place that was read from.
    pub last: u64,
}

/// The hash of what a device is known by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceHash(pub [u8; 32]);

impl fmt::Debug for DeviceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceHash(***)")
    }
}

/// Failures, unlocked accounts and known devices.
pub trait Defences: Send + Sync {
    /// What is of account still, the most failures first; at most [`MOST_FAILURES`].
    fn failures(&self) -> Pending<Vec<KeptFailures>>;
    /// Writes these in the place of what was there of the same account and place.
    fn keep_failures(&self, changed: Vec<KeptFailures>) -> Pending<()>;
    /// The accounts that are locked now, and until when.
    fn locks(&self) -> Pending<Vec<(AccountMark, Timestamp)>>;
    /// Forgets the failures against an account, and puts it on the list for processes that run.
    fn unlock(&self, account: AccountMark) -> Pending<()>;
    /// The list after this place; after 0, all of it.
    fn unlocks_after(&self, place: u64) -> Pending<Unlocks>;
    /// Who was signed in on this device within [`DEVICE_KNOWN_FOR`].
    fn owner_of_device(&self, device: DeviceHash) -> Pending<Option<UserId>>;
    /// Notes that somebody signed in on a device now. Of more than `most` devices of a user, those that
    /// were not used for longest go.
    fn keep_device(&self, device: DeviceHash, owner: UserId, most: usize) -> Pending<()>;
    /// Deletes what is of no account any more; says how much.
    fn sweep_defences(&self) -> Pending<usize>;
}
