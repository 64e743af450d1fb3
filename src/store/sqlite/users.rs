//! Users in SQL.

use rusqlite::{Connection, Params, Row, named_params};

use crate::clock::Timestamp;
use crate::identity::{
    DisplayName, Email, GroupName, PasswordHash, PasswordTerm, User, UserId, UserName,
};
use crate::store::{Account, AddUser, ChangeUser, NewUser, StoreError, UserChange};

pub(super) fn add(sql: &Connection, new: NewUser, now: Timestamp) -> Result<AddUser, StoreError> {
    let Account { user, password } = new.into_account(now);
    if by_name(sql, &user.name)?.is_some() {
        return Ok(AddUser::NameTaken);
    }
    if is_email_taken(sql, &user)? {
        return Ok(AddUser::EmailTaken);
    }
    sql.prepare_cached(
        "INSERT INTO users (id, name, display_name, email, group_names, password_hash,
             password_change_due, password_expires_at, created_at)
         VALUES (:id, :name, :display_name, :email, :group_names, :password_hash,
             :password_change_due, :password_expires_at, :created_at)",
    )?
    .execute(named_params! {
        ":id": user.id.as_str(),
        ":name": user.name.as_str(),
        ":display_name": user.display_name.as_ref().map(DisplayName::as_str),
        ":email": user.email.as_ref().map(Email::as_str),
        ":group_names": joined(&user.groups),
        ":password_hash": password.as_stored(),
        ":password_change_due": user.password_term.is_change_due(),
        ":password_expires_at": user.password_term.until().map(Timestamp::millis),
        ":created_at": user.created_at.millis(),
    })?;
    Ok(AddUser::Added(user))
}

pub(super) fn by_name(sql: &Connection, name: &UserName) -> Result<Option<Account>, StoreError> {
    let account = |row: &Row<'_>| {
        Ok(Account {
            user: user(row)?,
            password: PasswordHash::from_stored(row.get("password_hash")?),
        })
    };
    sql.prepare_cached("SELECT * FROM users WHERE name = ?1")?
        .query_and_then([name.as_str()], account)?
        .next()
        .transpose()
}

pub(super) fn by_id(sql: &Connection, id: &UserId) -> Result<Option<User>, StoreError> {
    at_most_one(sql, "SELECT * FROM users WHERE id = ?1", [id.as_str()])
}

pub(super) fn all(sql: &Connection) -> Result<Vec<User>, StoreError> {
    sql.prepare_cached("SELECT * FROM users ORDER BY name")?
        .query_and_then([], user)?
        .collect()
}

pub(super) fn change(
    sql: &Connection,
    name: &UserName,
    change: UserChange,
) -> Result<ChangeUser, StoreError> {
    let Some(Account { mut user, .. }) = by_name(sql, name)? else {
        return Ok(ChangeUser::NoSuchUser);
    };
    change.apply(&mut user);
    if is_email_taken(sql, &user)? {
        return Ok(ChangeUser::EmailTaken);
    }
    sql.prepare_cached(
        "UPDATE users SET display_name = :display_name, email = :email,
             group_names = :group_names, password_change_due = :password_change_due,
             claims_epoch = :claims_epoch
         WHERE id = :id",
    )?
    .execute(named_params! {
        ":id": user.id.as_str(),
        ":display_name": user.display_name.as_ref().map(DisplayName::as_str),
        ":email": user.email.as_ref().map(Email::as_str),
        ":group_names": joined(&user.groups),
        ":password_change_due": user.password_term.is_change_due(),
        ":claims_epoch": user.claims_epoch,
    })?;
    Ok(ChangeUser::Changed(user))
}

pub(super) fn set_password(
    sql: &Connection,
    name: &UserName,
    hash: &PasswordHash,
    term: PasswordTerm,
) -> Result<Option<User>, StoreError> {
    at_most_one(
        sql,
        "UPDATE users SET password_hash = ?2, password_change_due = ?3, password_expires_at = ?4,
             session_epoch = session_epoch + 1
         WHERE name = ?1 RETURNING *",
        (
            name.as_str(),
            hash.as_stored(),
            term.is_change_due(),
            term.until().map(Timestamp::millis),
        ),
    )
}

pub(super) fn rehash(
    sql: &Connection,
    user: &UserId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> Result<bool, StoreError> {
    let changed = sql
        .prepare_cached("UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2")?
        .execute([user.as_str(), old.as_stored(), new.as_stored()])?;
    Ok(changed == 1)
}

pub(super) fn set_disabled(
    sql: &Connection,
    name: &UserName,
    disabled: bool,
) -> Result<Option<User>, StoreError> {
    at_most_one(
        sql,
        "UPDATE users SET disabled = ?2, session_epoch = session_epoch + 1
         WHERE name = ?1 RETURNING *",
        (name.as_str(), disabled),
    )
}

/// Deletes the user; gives them with the session epoch raised once more.
pub(super) fn remove(sql: &Connection, name: &UserName) -> Result<Option<User>, StoreError> {
    let removed = at_most_one(
        sql,
        "DELETE FROM users WHERE name = ?1 RETURNING *",
        [name.as_str()],
    )?;
    Ok(removed.map(|user| User {
        session_epoch: user.session_epoch + 1,
        ..user
    }))
}

/// The epoch after raising it; `None` if there is no such user.
pub(super) fn raise_session_epoch(
    sql: &Connection,
    id: &UserId,
) -> Result<Option<u64>, StoreError> {
    let raised = at_most_one(
        sql,
        "UPDATE users SET session_epoch = session_epoch + 1 WHERE id = ?1 RETURNING *",
        [id.as_str()],
    )?;
    Ok(raised.map(|user| user.session_epoch))
}

/// Raises the epoch of every user.
pub(super) fn raise_all_session_epochs(sql: &Connection) -> Result<(), StoreError> {
    sql.prepare_cached("UPDATE users SET session_epoch = session_epoch + 1")?
        .execute([])?;
    Ok(())
}

/// Whether somebody else has this user's address, letter case aside.
fn is_email_taken(sql: &Connection, user: &User) -> Result<bool, StoreError> {
    let taken = sql
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM users WHERE email = ?1 AND id <> ?2)")?
        .query_row(
            (user.email.as_ref().map(Email::as_str), user.id.as_str()),
            |row| row.get(0),
        )?;
    Ok(taken)
}

fn at_most_one<P: Params>(
    sql: &Connection,
    statement: &str,
    params: P,
) -> Result<Option<User>, StoreError> {
    sql.prepare_cached(statement)?
        .query_and_then(params, user)?
        .next()
        .transpose()
}

fn user(row: &Row<'_>) -> Result<User, StoreError> {
    Ok(User {
        id: parsed(row, "id", "user id", UserId::parse)?,
        name: parsed(row, "name", "user name", |text| UserName::parse(text).ok())?,
        display_name: optional(row, "display_name", "display name", |text| {
            DisplayName::parse(text).ok()
        })?,
        email: optional(row, "email", "e-mail address", |text| {
            Email::parse(text).ok()
        })?,
        groups: parsed(row, "group_names", "group name", groups)?,
        disabled: row.get("disabled")?,
        password_term: term(row)?,
        session_epoch: row.get("session_epoch")?,
        claims_epoch: row.get("claims_epoch")?,
        created_at: Timestamp::from_millis(row.get("created_at")?),
    })
}

fn term(row: &Row<'_>) -> Result<PasswordTerm, StoreError> {
    let until: Option<i64> = row.get("password_expires_at")?;
    Ok(match until.map(Timestamp::from_millis) {
        Some(until) => PasswordTerm::Temporary { until },
        None => PasswordTerm::Lasting.with_change_due(row.get("password_change_due")?),
    })
}

fn parsed<T>(
    row: &Row<'_>,
    column: &str,
    what: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, StoreError> {
    optional(row, column, what, parse)?.ok_or(StoreError::Unreadable(what))
}

fn optional<T>(
    row: &Row<'_>,
    column: &str,
    what: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| parse(&text).ok_or(StoreError::Unreadable(what)))
        .transpose()
}

/// Group names hold no comma.
fn joined(groups: &[GroupName]) -> String {
    let names: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
    names.join(",")
}

fn groups(text: &str) -> Option<Vec<GroupName>> {
    let names = text.split(',').filter(|name| !name.is_empty());
    names.map(|name| GroupName::parse(name).ok()).collect()
}
