//! Many users in one transaction: all of them or none.

use rusqlite::Connection;

use crate::clock::Timestamp;
use crate::identity::{PasswordTerm, User, UserName};
use crate::store::sqlite::{end_sessions, revocations, users};
use crate::store::{
    AddUser, ChangeUser, ImportObstacle, ImportStep, ImportUsers, StoreError, UserChange,
};

/// Does all steps. Where one cannot be done, those before it are undone.
pub(super) fn all_or_none(
    sql: &Connection,
    steps: Vec<ImportStep>,
    now: Timestamp,
) -> Result<ImportUsers, StoreError> {
    sql.execute_batch("SAVEPOINT import")?;
    let mut done = Vec::with_capacity(steps.len());
    for (at, step) in steps.into_iter().enumerate() {
        match one(sql, step, now)? {
            Ok(user) => done.push(user),
            Err(obstacle) => {
                sql.execute_batch("ROLLBACK TO import; RELEASE import")?;
                return Ok(ImportUsers::Undone(at, obstacle));
            }
        }
    }
    sql.execute_batch("RELEASE import")?;
    Ok(ImportUsers::Done(done))
}

fn one(
    sql: &Connection,
    step: ImportStep,
    now: Timestamp,
) -> Result<Result<User, ImportObstacle>, StoreError> {
    match step {
        ImportStep::Add { user, disabled } => {
            let user = match users::add(sql, user, now)? {
                AddUser::Added(user) => user,
                AddUser::NameTaken => return Ok(Err(ImportObstacle::NameTaken)),
                AddUser::EmailTaken => return Ok(Err(ImportObstacle::EmailTaken)),
            };
            if !disabled {
                return Ok(Ok(user));
            }
            // Nobody has a session yet whom this could end.
            let set = users::set_disabled(sql, &user.name, true)?;
            Ok(set.ok_or(ImportObstacle::NoSuchUser))
        }
        ImportStep::Update {
            name,
            change,
            password,
            disabled,
        } => {
            let mut user = match changed(sql, &name, change, now)? {
                Ok(user) => user,
                Err(obstacle) => return Ok(Err(obstacle)),
            };
            let before = user.session_epoch;
            if let Some(hash) = password {
                user =
                    users::set_password(sql, &name, &hash, PasswordTerm::Lasting)?.unwrap_or(user);
            }
            if let Some(disabled) = disabled.filter(|disabled| *disabled != user.disabled) {
                user = users::set_disabled(sql, &name, disabled)?.unwrap_or(user);
            }
            if user.session_epoch != before {
                end_sessions(sql, Some(&user), now)?;
            }
            Ok(Ok(user))
        }
    }
}

fn changed(
    sql: &Connection,
    name: &UserName,
    change: UserChange,
    now: Timestamp,
) -> Result<Result<User, ImportObstacle>, StoreError> {
    match users::change(sql, name, change)? {
        ChangeUser::Changed(user) => {
            revocations::add_claims(sql, &user, now)?;
            Ok(Ok(user))
        }
        ChangeUser::NoSuchUser => Ok(Err(ImportObstacle::NoSuchUser)),
        ChangeUser::EmailTaken => Ok(Err(ImportObstacle::EmailTaken)),
    }
}
