//! What the store in memory holds, and what several of its operations do to it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::clock::Timestamp;
use crate::identity::{Email, PasswordHash, PasswordTerm, SessionId, User, UserId, UserName};
use crate::session::{RevokeReason, SessionRow};
use crate::store::memory::defences::DefenceState;
use crate::store::{Account, Ended, KeySet, Revocation, Rotation};

#[derive(Default)]
pub(super) struct State {
    pub(super) accounts: BTreeMap<UserName, Account>,
    pub(super) sessions: HashMap<SessionId, SessionRow>,
    pub(super) keys: KeySet,
    /// By place, which starts at 1.
    pub(super) revocations: BTreeMap<u64, Revocation>,
    pub(super) last_place: u64,
    pub(super) defences: DefenceState,
}

impl State {
    pub(super) fn user(&self, id: &UserId) -> Option<&User> {
        let mut users = self.accounts.values().map(|account| &account.user);
        users.find(|user| user.id == *id)
    }

    /// Whether somebody else has this user's address, letter case aside.
    pub(super) fn is_email_taken(&self, user: &User) -> bool {
        let Some(email) = &user.email else {
            return false;
        };
        self.accounts.values().any(|other| {
            let same = |theirs: &Email| theirs.as_str().eq_ignore_ascii_case(email.as_str());
            other.user.id != user.id && other.user.email.as_ref().is_some_and(same)
        })
    }

    /// The user with the new password and the epoch it begins.
    pub(super) fn set_password(
        &mut self,
        name: &UserName,
        hash: PasswordHash,
        term: PasswordTerm,
    ) -> Option<User> {
        let account = self.accounts.get_mut(name)?;
        account.password = hash;
        account.user.password_term = term;
        account.user.session_epoch += 1;
        Some(account.user.clone())
    }

    pub(super) fn rotate(&mut self, id: SessionId, rotation: &Rotation) -> bool {
        let as_expected = self.sessions.get(&id).is_some_and(|row| {
            row.generation == rotation.from_generation
                && row.current == rotation.from
                && row.revoked.is_none()
                && self.is_user_as_at_sign_in(row)
        });
        match self.sessions.get_mut(&id) {
            Some(row) if as_expected => {
                row.generation += 1;
                row.previous = Some(row.current);
                row.current = rotation.to;
                row.next_key = rotation.next_key;
                row.rotated_at = Some(rotation.at);
                row.confirmed_at = None;
                row.straggler_at = None;
                row.last_seen_at = rotation.at;
                row.idle_expires_at = rotation.idle_expires_at;
                true
            }
            _ => false,
        }
    }

    /// The live sessions of this user, or of all; the last one seen first.
    pub(super) fn live(&self, of: Option<&UserId>, now: Timestamp) -> Vec<SessionRow> {
        let is_live = |row: &&SessionRow| {
            of.is_none_or(|user| row.user == *user)
                && self.is_user_as_at_sign_in(row)
                && row.is_live(Some(row.user_epoch), now)
        };
        let mut live: Vec<SessionRow> = self.sessions.values().filter(is_live).cloned().collect();
        live.sort_unstable_by_key(|row| (Reverse(row.last_seen_at), row.id));
        live
    }

    /// The live sessions of this one's user in its delivery that are more than `most` with it: the
    /// least used of the others.
    pub(super) fn too_many(&self, row: &SessionRow, most: usize, now: Timestamp) -> Vec<SessionId> {
        let mut others = self.live(Some(&row.user), now);
        others.retain(|other| other.delivery == row.delivery);
        others.sort_by_key(|other| !other.was_used());
        let too_many = others.iter().skip(most.saturating_sub(1));
        too_many.map(|other| other.id).collect()
    }

    pub(super) fn end(&mut self, id: SessionId, reason: RevokeReason, now: Timestamp) -> bool {
        match self.sessions.get_mut(&id) {
            Some(row) if row.revoked.is_none() => {
                row.revoked = Some((now, reason));
                self.log(Ended::Session(id), reason, now);
                true
            }
            _ => false,
        }
    }

    pub(super) fn is_user_as_at_sign_in(&self, row: &SessionRow) -> bool {
        self.user(&row.user)
            .is_some_and(|user| !user.disabled && user.session_epoch == row.user_epoch)
    }

    /// What every raise of a session epoch brings with it. A session that has the new epoch already
    /// goes on.
    pub(super) fn end_older_sessions(&mut self, user: &User, now: Timestamp) {
        let reason = RevokeReason::UserChanged;
        let is_over =
            |row: &&mut SessionRow| row.user == user.id && row.user_epoch < user.session_epoch;
        for row in self.sessions.values_mut().filter(is_over) {
            row.revoked.get_or_insert((now, reason));
        }
        let (id, epoch) = (user.id.clone(), user.session_epoch);
        self.log(Ended::User { id, epoch }, reason, now);
    }

    pub(super) fn log(&mut self, ended: Ended, reason: RevokeReason, at: Timestamp) {
        self.last_place += 1;
        let entry = Revocation { ended, at, reason };
        self.revocations.insert(self.last_place, entry);
    }
}
