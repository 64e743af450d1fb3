//! The plan of an import carried out: weak hashes hashed again, then all users in one transaction.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use thiserror::Error;

use crate::admin::import::{Plan, Reading, State, Step, Wishes};
use crate::admin::{AdminError, Administrator};
use crate::identity::password::{Argon2Cost, HashPolicy};
use crate::identity::{PasswordHash, PasswordTerm, UserId, UserName};
use crate::observe::{Deed, Event};
use crate::random;
use crate::store::{ImportObstacle, ImportStep, ImportUsers, NewUser, StoreError, UserChange};

/// Events that are told before the audit log is waited for: it drops what comes faster than it writes.
const TOLD_AT_ONCE: usize = 1000;
/// The memory in KiB that all hashes made at the same time may take; a single one always may.
const MOST_MEMORY_KIB: u32 = 1 << 20;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// New users.
    pub added: usize,
    /// Users who were here already.
    pub updated: usize,
}

/// Why nothing was done.
#[derive(Debug, Error)]
pub enum NotImported {
    /// Somebody else has changed users since the plan was made.
    #[error("{name} was changed by somebody else in this moment: nothing was imported, try again")]
    Overtaken {
        /// Who was in the way.
        name: UserName,
        /// How.
        obstacle: ImportObstacle,
    },
    /// Nothing is known about the outcome.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many hashes of this cost [`wrap`] makes at the same time.
pub fn wrapped_at_once(cost: Argon2Cost) -> usize {
    at_once(cost, thread::available_parallelism().map_or(1, usize::from))
}

/// One a core, as long as there is memory for them.
fn at_once(cost: Argon2Cost, cores: usize) -> usize {
    let fitting = MOST_MEMORY_KIB / cost.memory_kib.max(1);
    let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
    cores.min(fitting).max(1)
}

/// Hashes again what is too weak to be kept as it is, on several cores. `told` hears after each how many
/// are done.
pub fn wrap(steps: &mut [Step], policy: &HashPolicy, told: &(dyn Fn(usize) + Sync)) {
    let mut weak: Vec<&mut Step> = steps
        .iter_mut()
        .filter(|step| step.needs_wrapping())
        .collect();
    let share = weak.len().div_ceil(wrapped_at_once(policy.cost)).max(1);
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for part in weak.chunks_mut(share) {
            scope.spawn(|| {
                for step in part {
                    let hash = step.password.take();
                    step.password = hash.map(|hash| hash.wrapped(policy, &random::bytes()));
                    told(1 + done.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
    });
}

impl Administrator {
    /// What would be done about these records.
    pub async fn plan_import(&self, reading: Reading, wishes: &Wishes) -> Result<Plan, AdminError> {
        Ok(Plan::of(reading, &self.directory.users().await?, wishes))
    }

    /// Imports all of them, or nobody.
    pub async fn import(
        &self,
        steps: Vec<Step>,
        policy: &HashPolicy,
    ) -> Result<Imported, NotImported> {
        let told = steps.iter().map(|step| (step.is_update, step.effect.state));
        let told: Vec<(bool, State)> = told.collect();
        let names: Vec<UserName> = steps.iter().map(|step| step.name.clone()).collect();
        // No password fits it, so that those without one may share it.
        let nobody = PasswordHash::nobody(policy, &random::bytes(), &random::bytes());
        let steps = steps.into_iter().map(|step| step.for_store(&nobody));
        let users = match self.directory.import_users(steps.collect()).await? {
            ImportUsers::Done(users) => users,
            ImportUsers::Undone(at, obstacle) => {
                let name = names.into_iter().nth(at);
                let name = name.ok_or(StoreError::Unreadable("outcome of an import"))?;
                return Err(NotImported::Overtaken { name, obstacle });
            }
        };
        for (count, (user, (updated, state))) in users.iter().zip(&told).enumerate() {
            if *updated {
                self.end_tokens_of_user(user.id.clone(), user.session_epoch);
                self.outdate_tokens_of(user);
            }
            let (user, by) = (user.into(), self.by);
            self.note(Event::UserImported {
                deed: Deed { user, by },
                updated: *updated,
            });
            match state {
                State::EnabledAgain => self.note(Event::UserEnabled(Deed { user, by })),
                State::DisabledNow => self.note(Event::UserDisabled(Deed { user, by })),
                State::StaysDisabled | State::AddedDisabled | State::Active => {}
            }
            if (count + 1) % TOLD_AT_ONCE == 0
                && let Some(log) = self.audit.sink()
            {
                log.flush();
            }
        }
        let updated = told.iter().filter(|(updated, _)| *updated).count();
        Ok(Imported {
            added: users.len().saturating_sub(updated),
            updated,
        })
    }
}

impl Step {
    /// What the file does not tell of somebody who is here stays as it is.
    fn for_store(self, nobody: &PasswordHash) -> ImportStep {
        if self.is_update {
            return ImportStep::Update {
                name: self.name,
                change: UserChange {
                    display_name: self.display_name.map(Some),
                    email: self.email.map(Some),
                    groups: self.groups,
                    password_change_due: None,
                },
                password: self.password,
                disabled: self.effect.state.to_set(),
            };
        }
        ImportStep::Add {
            user: NewUser {
                id: UserId::from_bytes(random::bytes()),
                name: self.name,
                display_name: self.display_name,
                email: self.email,
                groups: self.groups.unwrap_or_default(),
                password: self.password.unwrap_or_else(|| nobody.clone()),
                password_term: PasswordTerm::Lasting,
            },
            disabled: self.effect.state.to_set().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_that_are_made_at_the_same_time_do_not_take_all_memory() {
        for (mebibytes, cores, expected) in [
            (19, 8, 8),
            (19, 64, 53),
            (64, 32, 16),
            (600, 8, 1),
            (1024, 8, 1),
            (4096, 8, 1),
            (0, 8, 8),
        ] {
            let cost = Argon2Cost {
                memory_kib: mebibytes << 10,
                ..Argon2Cost::default()
            };
            assert_eq!(at_once(cost, cores), expected, "{mebibytes} MiB");
        }
    }
}
