//! What the store takes and gives: users to add, changes, accounts, sealed keys, rotations.

use crate::clock::Timestamp;
use crate::identity::{
    DisplayName, Email, GroupName, PasswordHash, PasswordTerm, SessionId, User, UserId, UserName,
};
use crate::session::{Key, RevokeReason, SessionRow, TokenHash};
use crate::store::READ_AT_ONCE;

/// A user to add.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// A fresh id.
    pub id: UserId,
    /// Must not be taken.
    pub name: UserName,
    /// How the person is called.
    pub display_name: Option<DisplayName>,
    /// Must not be taken.
    pub email: Option<Email>,
    /// In any order.
    pub groups: Vec<GroupName>,
    /// The hash of the first password.
    pub password: PasswordHash,
    /// How long that is good.
    pub password_term: PasswordTerm,
}

impl NewUser {
    /// The account this makes, added at `now`.
    pub fn into_account(self, now: Timestamp) -> Account {
        Account {
            user: User {
                id: self.id,
                name: self.name,
                display_name: self.display_name,
                email: self.email,
                groups: in_order(self.groups),
                disabled: false,
                password_term: self.password_term,
                session_epoch: 0,
                claims_epoch: 0,
                created_at: now,
            },
            password: self.password,
        }
    }
}

/// What came of adding a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddUser {
    /// Done.
    Added(User),
    /// Somebody has that name.
    NameTaken,
    /// Somebody has that e-mail address.
    EmailTaken,
}

/// What an import does about one user.
#[derive(Clone, Debug)]
pub enum ImportStep {
    /// Somebody new.
    Add {
        /// Who.
        user: NewUser,
        /// Whether they are kept from signing in.
        disabled: bool,
    },
    /// Somebody who is here already.
    Update {
        /// Who.
        name: UserName,
        /// Raises the claims epoch.
        change: UserChange,
        /// Where given, raises the session epoch.
        password: Option<PasswordHash>,
        /// Where it is another than before, raises the session epoch.
        disabled: Option<bool>,
    },
}

/// What came of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportUsers {
    /// All steps were done; the users as they are now, in the order of the steps.
    Done(Vec<User>),
    /// Nothing was changed: this step (counted from 0) could not be done.
    Undone(usize, ImportObstacle),
}

/// Why a step of an import could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportObstacle {
    /// Somebody has that name.
    NameTaken,
    /// Somebody else has that e-mail address.
    EmailTaken,
    /// Nobody has that name.
    NoSuchUser,
}

/// A user with what proves a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Who.
    pub user: User,
    /// The hash of the password.
    pub password: PasswordHash,
}

/// What to change about a user; `None` leaves it as it is, `Some(None)` takes it away.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// The display name.
    pub display_name: Option<Option<DisplayName>>,
    /// The e-mail address.
    pub email: Option<Option<Email>>,
    /// All groups, replacing those before.
    pub groups: Option<Vec<GroupName>>,
    /// Whether another password must be chosen at the next sign-in. A temporary one is replaced in
    /// any case.
    pub password_change_due: Option<bool>,
}

impl UserChange {
    /// Makes the change and raises the claims epoch.
    pub fn apply(self, user: &mut User) {
        if let Some(display_name) = self.display_name {
            user.display_name = display_name;
        }
        if let Some(email) = self.email {
            user.email = email;
        }
        if let Some(groups) = self.groups {
            user.groups = in_order(groups);
        }
        if let Some(due) = self.password_change_due {
            user.password_term = user.password_term.with_change_due(due);
        }
        user.claims_epoch += 1;
    }
}

/// What came of changing a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeUser {
    /// Done.
    Changed(User),
    /// Nobody has that name.
    NoSuchUser,
    /// Somebody else has that e-mail address.
    EmailTaken,
}

/// A key as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedKey {
    /// Which key.
    pub key: Key,
    /// The sealed secret; empty where the key was revoked.
    pub sealed: Vec<u8>,
}

/// All keys as the store keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    /// Counts the changes.
    pub version: u64,
    /// Tells whether a master key is the one that they are sealed with; `None` before the first change
    /// by a program that knows this.
    pub check: Option<Vec<u8>>,
    /// In any order.
    pub keys: Vec<SealedKey>,
}

/// A session to open, and what it does to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// The session.
    pub row: SessionRow,
    /// The session that was signed in before in the same browser: it is ended.
    pub replaces: Option<SessionId>,
    /// The most live sessions of this user in this delivery, this one among them. What is too many
    /// is ended: those never refreshed first, then the longest idle.
    pub most: usize,
}

/// A session as it stands, and the time by the store's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The session.
    pub row: SessionRow,
    /// Its user; `None` if removed.
    pub user: Option<User>,
    /// The store's time of reading.
    pub now: Timestamp,
}

impl Loaded {
    /// Whether the session lives: its end, its user's and its user's epoch looked at.
    pub fn is_live(&self) -> bool {
        let user = self.user.as_ref().filter(|user| !user.disabled);
        let epoch = user.map(|user| user.session_epoch);
        self.row.is_live(epoch, self.now)
    }
}

/// One step from a refresh token to its successor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The generation that must be the current one.
    pub from_generation: u64,
    /// The hash that must be the current one; becomes the previous.
    pub from: TokenHash,
    /// The successor's hash; its generation is `from_generation + 1`.
    pub to: TokenHash,
    /// The key that derived the successor.
    pub next_key: u8,
    /// The store's time as it was read.
    pub at: Timestamp,
    /// The new idle expiry.
    pub idle_expires_at: Timestamp,
}

/// The session in which a password is changed: the only one of the user that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSession {
    /// Which session.
    pub id: SessionId,
    /// The step to the refresh token that it goes on with.
    pub rotation: Rotation,
}

/// An entry of the revocation log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What was ended.
    pub ended: Ended,
    /// When, by the store's clock.
    pub at: Timestamp,
    /// Why.
    pub reason: RevokeReason,
}

/// What an entry of the revocation log ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// This session.
    Session(SessionId),
    /// The sessions of a user that have a smaller session epoch than this.
    User {
        /// Whose.
        id: UserId,
        /// The epoch of those that go on.
        epoch: u64,
    },
    /// What access tokens with a smaller claims epoch than this tell of a user. Their sessions go on.
    Claims {
        /// Of whom.
        id: UserId,
        /// The epoch of those that tell it as it is now.
        epoch: u64,
    },
}

/// A part of the revocation log, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationLog {
    /// At most [`READ_AT_ONCE`].
    pub entries: Vec<Revocation>,
    /// The place of the last of them; where there is none, the place that was read from.
    pub last: u64,
}

impl RevocationLog {
    /// Whether nothing came after this part when it was read.
    pub const fn is_read_to_the_end(&self) -> bool {
        self.entries.len() < READ_AT_ONCE
    }
}

fn in_order(mut groups: Vec<GroupName>) -> Vec<GroupName> {
    groups.sort_unstable();
    groups.dedup();
    groups
}
