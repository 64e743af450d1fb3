//! Many users at once in memory: all of them or none.

use std::collections::{BTreeMap, HashMap};

use crate::clock::Timestamp;
use crate::identity::{Email, PasswordTerm, User, UserId, UserName};
use crate::session::RevokeReason;
use crate::store::memory::state::State;
use crate::store::{Account, Ended, ImportObstacle, ImportStep, ImportUsers};

/// Makes a copy of the accounts as they shall be, then puts it in their place.
pub(super) fn all_or_none(
    state: &mut State,
    steps: Vec<ImportStep>,
    now: Timestamp,
) -> ImportUsers {
    let mut next = Next::of(&state.accounts);
    let mut done = Vec::with_capacity(steps.len());
    for (at, step) in steps.into_iter().enumerate() {
        match next.take(step, now) {
            Ok(user) => done.push(user),
            Err(obstacle) => return ImportUsers::Undone(at, obstacle),
        }
    }
    let before = std::mem::replace(&mut state.accounts, next.accounts);
    for user in &done {
        if let Some(before) = before.get(&user.name) {
            let (id, epoch) = (user.id.clone(), user.claims_epoch);
            state.log(Ended::Claims { id, epoch }, RevokeReason::UserChanged, now);
            if before.user.session_epoch != user.session_epoch {
                state.end_older_sessions(user, now);
            }
        }
    }
    ImportUsers::Done(done)
}

/// The accounts as they will be.
struct Next {
    accounts: BTreeMap<UserName, Account>,
    /// Who has which address, letter case aside.
    addresses: HashMap<String, UserId>,
}

impl Next {
    fn of(accounts: &BTreeMap<UserName, Account>) -> Self {
        let with_address = |user: &User| Some((folded(user.email.as_ref()?), user.id.clone()));
        let users = accounts.values().map(|account| &account.user);
        Self {
            addresses: users.filter_map(with_address).collect(),
            accounts: accounts.clone(),
        }
    }

    fn take(&mut self, step: ImportStep, now: Timestamp) -> Result<User, ImportObstacle> {
        let account = match step {
            ImportStep::Add { user, disabled } => {
                if self.accounts.contains_key(&user.name) {
                    return Err(ImportObstacle::NameTaken);
                }
                let mut account = user.into_account(now);
                account.user.disabled = disabled;
                account.user.session_epoch += u64::from(disabled);
                account
            }
            ImportStep::Update {
                name,
                change,
                password,
                disabled,
            } => {
                let account = self.accounts.get(&name);
                let mut account = account.cloned().ok_or(ImportObstacle::NoSuchUser)?;
                change.apply(&mut account.user);
                if let Some(password) = password {
                    account.password = password;
                    account.user.password_term = PasswordTerm::Lasting;
                    account.user.session_epoch += 1;
                }
                if let Some(disabled) = disabled.filter(|new| *new != account.user.disabled) {
                    account.user.disabled = disabled;
                    account.user.session_epoch += 1;
                }
                account
            }
        };
        let user = account.user.clone();
        self.give_address(&user)?;
        self.accounts.insert(user.name.clone(), account);
        Ok(user)
    }

    fn give_address(&mut self, user: &User) -> Result<(), ImportObstacle> {
        let address = user.email.as_ref().map(folded);
        if let Some(address) = &address
            && self
                .addresses
                .get(address)
                .is_some_and(|owner| *owner != user.id)
        {
            return Err(ImportObstacle::EmailTaken);
        }
        let before = self.accounts.get(&user.name);
        if let Some(before) = before.and_then(|account| account.user.email.as_ref()) {
            self.addresses.remove(&folded(before));
        }
        if let Some(address) = address {
            self.addresses.insert(address, user.id.clone());
        }
        Ok(())
    }
}

fn folded(email: &Email) -> String {
    email.as_str().to_ascii_lowercase()
}
