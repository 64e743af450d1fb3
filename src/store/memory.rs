//! The store in memory: for demonstrations and tests; gone when the process ends.

mod defences;
mod import;
mod state;

use std::collections::HashSet;
use std::future::ready;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{Clock, Timestamp};
use crate::identity::{PasswordHash, PasswordTerm, SessionId, User, UserId, UserName};
use crate::session::{RevokeReason, SessionRow};
use crate::store::memory::state::State;
use crate::store::{
    Account, AddUser, ChangeUser, Directory, Ended, ImportStep, ImportUsers, KEPT_AFTER_END,
    KeptSession, KeySet, Loaded, NewSession, NewUser, Pending, READ_AT_ONCE, RevocationLog,
    Rotation, SWEPT_AT_ONCE, Sessions, UserChange,
};

/// Users, keys and sessions in memory.
pub struct MemoryStore {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
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

    fn import_users(&self, steps: Vec<ImportStep>) -> Pending<ImportUsers> {
        self.run(|state, now| import::all_or_none(state, steps, now))
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
        self.run(|state, now| {
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
            let (id, epoch) = (user.id.clone(), user.claims_epoch);
            state.log(Ended::Claims { id, epoch }, RevokeReason::UserChanged, now);
            ChangeUser::Changed(user)
        })
    }

    fn set_password(
        &self,
        name: UserName,
        hash: PasswordHash,
        term: PasswordTerm,
    ) -> Pending<Option<User>> {
        self.run(move |state, now| {
            let user = state.set_password(&name, hash, term)?;
            state.end_older_sessions(&user, now);
            Some(user)
        })
    }

    fn rehash(&self, user: UserId, old: PasswordHash, new: PasswordHash) -> Pending<bool> {
        self.run(|state, _| {
            let mut accounts = state.accounts.values_mut();
            let account = accounts.find(|account| account.user.id == user);
            let Some(account) = account.filter(|account| account.password == old) else {
                return false;
            };
            account.password = new;
            true
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
            let user = state.set_password(&name, hash, PasswordTerm::Lasting)?;
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
            state.defences.forget_devices_of(&user.id);
            user.session_epoch += 1;
            state.end_older_sessions(&user, now);
            Some(user)
        })
    }

    fn keys(&self) -> Pending<KeySet> {
        self.run(|state, _| state.keys.clone())
    }

    fn keys_version(&self) -> Pending<u64> {
        self.run(|state, _| state.keys.version)
    }

    fn replace_keys(&self, keys: KeySet) -> Pending<bool> {
        self.run(|state, _| {
            let is_expected = state.keys.version == keys.version;
            if is_expected {
                let version = keys.version + 1;
                state.keys = KeySet { version, ..keys };
            }
            is_expected
        })
    }
}

impl Sessions for MemoryStore {
    fn open(&self, session: NewSession) -> Pending<Option<Vec<SessionId>>> {
        self.run(|state, now| {
            let row = session.row;
            if !state.is_user_as_at_sign_in(&row) {
                return None;
            }
            if let Some(replaced) = session.replaces {
                state.end(replaced, RevokeReason::Replaced, now);
            }
            let too_many = state.too_many(&row, session.most, now);
            for id in &too_many {
                state.end(*id, RevokeReason::Evicted, now);
            }
            state.sessions.insert(row.id, row);
            Some(too_many)
        })
    }

    fn open_with_new_password(
        &self,
        session: NewSession,
        hash: PasswordHash,
    ) -> Pending<Option<User>> {
        self.run(|state, now| {
            let NewSession { row, replaces, .. } = session;
            let user = state.user(&row.user)?;
            if user.disabled || user.session_epoch + 1 != row.user_epoch {
                return None;
            }
            let name = user.name.clone();
            let user = state.set_password(&name, hash, PasswordTerm::Lasting)?;
            if let Some(replaced) = replaces {
                state.end(replaced, RevokeReason::Replaced, now);
            }
            state.end_older_sessions(&user, now);
            state.sessions.insert(row.id, row);
            Some(user)
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
        self.run(|state, now| state.end(id, reason, now))
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

    fn newest(&self) -> Pending<Option<Timestamp>> {
        self.run(|state, _| {
            let ended = |row: &SessionRow| row.revoked.map(|(at, _)| at);
            let rows = state.sessions.values();
            rows.map(|row| ended(row).max(Some(row.last_seen_at)))
                .max()?
        })
    }

    fn ping(&self) -> Pending<()> {
        self.run(|_, _| ())
    }
}

fn ended_at(row: &SessionRow) -> Timestamp {
    let expired = row.expires_at();
    row.revoked.map_or(expired, |(at, _)| at.min(expired))
}
