//! The store in memory: for demonstrations and tests; gone when the process ends.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::ready;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{Clock, Timestamp};
use crate::identity::{Email, PasswordHash, SessionId, User, UserId, UserName};
use crate::session::{RevokeReason, SessionRow};
use crate::store::{
    Account, AddUser, ChangeUser, Directory, Ended, KEPT_AFTER_END, KeptSession, Loaded, NewUser,
    Pending, READ_AT_ONCE, Revocation, RevocationLog, Rotation, SWEPT_AT_ONCE, SealedKey, Sessions,
    UserChange,
};

/// Users, keys and sessions in memory.
pub struct MemoryStore {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    accounts: BTreeMap<UserName, Account>,
    sessions: HashMap<SessionId, SessionRow>,
    keys: Vec<SealedKey>,
    /// By place, which starts at 1.
    revocations: BTreeMap<u64, Revocation>,
    last_place: u64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            state: Mutex::default(),
            clock,
        }
    }

    /// Does `work` at once, alone, at the store's time.
    fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut State, Timestamp) -> T) -> Pending<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = work(&mut state, self.clock.now());
        Box::pin(ready(Ok(outcome)))
    }
}

impl Directory for MemoryStore {
    fn add_user(&self, user: NewUser) -> Pending<AddUser> {
        self.run(|state, now| {
            let account = user.into_account(now);
            let user = account.user.clone();
            if state.accounts.contains_key(&user.name) {
                return AddUser::NameTaken;
            }
            if state.is_email_taken(&user) {
                return AddUser::EmailTaken;
            }
            state.accounts.insert(user.name.clone(), account);
            AddUser::Added(user)
        })
    }

    fn account(&self, name: UserName) -> Pending<Option<Account>> {
        self.run(|state, _| state.accounts.get(&name).cloned())
    }

    fn user(&self, id: UserId) -> Pending<Option<User>> {
        self.run(|state, _| state.user(&id).cloned())
    }

    fn users(&self) -> Pending<Vec<User>> {
        self.run(|state, _| state.accounts.values().map(|a| a.user.clone()).collect())
    }

    fn change_user(&self, name: UserName, change: UserChange) -> Pending<ChangeUser> {
        self.run(|state, _| {
            let Some(account) = state.accounts.get(&name) else {
                return ChangeUser::NoSuchUser;
            };
            let mut user = account.user.clone();
            change.apply(&mut user);
            if state.is_email_taken(&user) {
                return ChangeUser::EmailTaken;
            }
            if let Some(account) = state.accounts.get_mut(&name) {
                account.user = user.clone();
            }
            ChangeUser::Changed(user)
        })
    }

    fn set_password(&self, name: UserName, hash: PasswordHash) -> Pending<Option<User>> {
        self.run(|state, now| {
            let account = state.accounts.get_mut(&name)?;
            account.password = hash;
            account.user.session_epoch += 1;
            let user = account.user.clone();
            state.end_older_sessions(&user, now);
            Some(user)
        })
    }

    fn change_password(
        &self,
        name: UserName,
        hash: PasswordHash,
        kept: KeptSession,
    ) -> Pending<Option<User>> {
        self.run(|state, now| {
            if !state.rotate(kept.id, &kept.rotation) {
                return None;
            }
            let account = state.accounts.get_mut(&name)?;
            account.password = hash;
            account.user.session_epoch += 1;
            let user = account.user.clone();
            if let Some(row) = state.sessions.get_mut(&kept.id) {
                row.user_epoch = user.session_epoch;
                row.previous = None;
            }
            state.end_older_sessions(&user, now);
            Some(user)
        })
    }

    fn set_disabled(&self, name: UserName, disabled: bool) -> Pending<Option<User>> {
        self.run(|state, now| {
            let account = state.accounts.get_mut(&name)?;
            account.user.disabled = disabled;
            account.user.session_epoch += 1;
            let user = account.user.clone();
            state.end_older_sessions(&user, now);
            Some(user)
        })
    }

    fn remove_user(&self, name: UserName) -> Pending<Option<User>> {
        self.run(|state, now| {
            let mut user = state.accounts.remove(&name)?.user;
            user.session_epoch += 1;
            state.end_older_sessions(&user, now);
            Some(user)
        })
    }

    fn keys(&self) -> Pending<Vec<SealedKey>> {
        self.run(|state, _| state.keys.clone())
    }

    fn add_first_keys(&self, keys: Vec<SealedKey>) -> Pending<bool> {
        self.run(|state, _| {
            let first = state.keys.is_empty();
            if first {
                state.keys = keys;
            }
            first
        })
    }
}

impl Sessions for MemoryStore {
    fn open(&self, row: SessionRow) -> Pending<bool> {
        self.run(|state, _| {
            let welcome = state.is_user_as_at_sign_in(&row);
            if welcome {
                state.sessions.insert(row.id, row);
            }
            welcome
        })
    }

    fn load(&self, id: SessionId) -> Pending<Option<Loaded>> {
        self.run(|state, now| {
            let row = state.sessions.get(&id)?.clone();
            let user = state.user(&row.user).cloned();
            Some(Loaded { row, user, now })
        })
    }

    fn rotate(&self, id: SessionId, rotation: Rotation) -> Pending<bool> {
        self.run(|state, _| state.rotate(id, &rotation))
    }

    fn confirm(&self, id: SessionId, generation: u64, at: Timestamp) -> Pending<()> {
        self.run(|state, _| {
            if let Some(row) = state.sessions.get_mut(&id)
                && row.generation == generation
            {
                row.confirmed_at.get_or_insert(at);
            }
        })
    }

    fn note_straggler(&self, id: SessionId, generation: u64, at: Timestamp) -> Pending<()> {
        self.run(|state, _| {
            if let Some(row) = state.sessions.get_mut(&id)
                && row.generation == generation
            {
                row.straggler_at.get_or_insert(at);
            }
        })
    }

    fn revoke(&self, id: SessionId, reason: RevokeReason) -> Pending<bool> {
        self.run(|state, now| match state.sessions.get_mut(&id) {
            Some(row) if row.revoked.is_none() => {
                row.revoked = Some((now, reason));
                state.log(Ended::Session(id), reason, now);
                true
            }
            _ => false,
        })
    }

    fn revoke_user(&self, user: UserId, reason: RevokeReason) -> Pending<Option<u64>> {
        self.run(|state, now| {
            for row in state.sessions.values_mut().filter(|row| row.user == user) {
                row.revoked.get_or_insert((now, reason));
            }
            let mut accounts = state.accounts.values_mut();
            let account = accounts.find(|account| account.user.id == user)?;
            account.user.session_epoch += 1;
            let epoch = account.user.session_epoch;
            state.log(Ended::User { id: user, epoch }, reason, now);
            Some(epoch)
        })
    }

    fn revoke_all(&self, reason: RevokeReason) -> Pending<usize> {
        self.run(|state, now| {
            let ended = state.live(None, now).len();
            for account in state.accounts.values_mut() {
                account.user.session_epoch += 1;
            }
            let mut users = HashSet::new();
            for row in state.sessions.values_mut() {
                row.revoked.get_or_insert((now, reason));
                users.insert(row.user.clone());
            }
            for id in users {
                if let Some(epoch) = state.user(&id).map(|user| user.session_epoch) {
                    state.log(Ended::User { id, epoch }, reason, now);
                }
            }
            ended
        })
    }

    fn live(&self, of: Option<UserId>) -> Pending<Vec<SessionRow>> {
        self.run(|state, now| state.live(of.as_ref(), now))
    }

    fn revocations_after(&self, place: u64) -> Pending<RevocationLog> {
        self.run(|state, _| {
            let (after, all) = (Bound::Excluded(place), Bound::Unbounded);
            let mut log = RevocationLog {
                entries: Vec::new(),
                last: place,
            };
            for (place, entry) in state.revocations.range((after, all)).take(READ_AT_ONCE) {
                log.last = *place;
                log.entries.push(entry.clone());
            }
            log
        })
    }

    fn sweep(&self) -> Pending<usize> {
        self.run(|state, now| {
            let before = now - KEPT_AFTER_END;
            let rows = state.sessions.values();
            let over: Vec<SessionId> = rows
                .filter(|row| ended_at(row) < before)
                .map(|row| row.id)
                .take(SWEPT_AT_ONCE)
                .collect();
            for id in &over {
                state.sessions.remove(id);
            }
            let left = SWEPT_AT_ONCE.saturating_sub(over.len());
            let entries = state.revocations.iter();
            let old: Vec<u64> = entries
                .filter(|(_, entry)| entry.at < before)
                .map(|(place, _)| *place)
                .take(left)
                .collect();
            for place in &old {
                state.revocations.remove(place);
            }
            over.len() + old.len()
        })
    }

    fn ping(&self) -> Pending<()> {
        self.run(|_, _| ())
    }
}

impl State {
    fn user(&self, id: &UserId) -> Option<&User> {
        let mut users = self.accounts.values().map(|account| &account.user);
        users.find(|user| user.id == *id)
    }

    /// Whether somebody else has this user's address, letter case aside.
    fn is_email_taken(&self, user: &User) -> bool {
        let Some(email) = &user.email else {
            return false;
        };
        self.accounts.values().any(|other| {
            let same = |theirs: &Email| theirs.as_str().eq_ignore_ascii_case(email.as_str());
            other.user.id != user.id && other.user.email.as_ref().is_some_and(same)
        })
    }

    fn rotate(&mut self, id: SessionId, rotation: &Rotation) -> bool {
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
    fn live(&self, of: Option<&UserId>, now: Timestamp) -> Vec<SessionRow> {
        let is_live = |row: &&SessionRow| {
            of.is_none_or(|user| row.user == *user)
                && self.is_user_as_at_sign_in(row)
                && row.is_live(Some(row.user_epoch), now)
        };
        let mut live: Vec<SessionRow> = self.sessions.values().filter(is_live).cloned().collect();
        live.sort_unstable_by_key(|row| (Reverse(row.last_seen_at), row.id));
        live
    }

    fn is_user_as_at_sign_in(&self, row: &SessionRow) -> bool {
        self.user(&row.user)
            .is_some_and(|user| !user.disabled && user.session_epoch == row.user_epoch)
    }

    /// What every raise of a session epoch brings with it. A session that has the new epoch already
    /// goes on.
    fn end_older_sessions(&mut self, user: &User, now: Timestamp) {
        let reason = RevokeReason::UserChanged;
        let is_over =
            |row: &&mut SessionRow| row.user == user.id && row.user_epoch < user.session_epoch;
        for row in self.sessions.values_mut().filter(is_over) {
            row.revoked.get_or_insert((now, reason));
        }
        let (id, epoch) = (user.id.clone(), user.session_epoch);
        self.log(Ended::User { id, epoch }, reason, now);
    }

    fn log(&mut self, ended: Ended, reason: RevokeReason, at: Timestamp) {
        self.last_place += 1;
        let entry = Revocation { ended, at, reason };
        self.revocations.insert(self.last_place, entry);
    }
}

fn ended_at(row: &SessionRow) -> Timestamp {
    let expired = row.expires_at();
    row.revoked.map_or(expired, |(at, _)| at.min(expired))
}
