//! The revocation log in SQL.

use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::clock::Timestamp;
use crate::identity::{SessionId, User, UserId};
use crate::session::RevokeReason;
use crate::store::{Ended, KEPT_AFTER_END, READ_AT_ONCE, Revocation, RevocationLog, StoreError};

/// Where the log ended when it was last read to its end, and the version of the database then.
#[derive(Default)]
pub(super) struct Watched(Mutex<Option<(i64, u64)>>);

pub(super) fn add_session(
    sql: &Connection,
    id: SessionId,
    reason: RevokeReason,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql.prepare_cached("INSERT INTO revocations (at, reason, session_id) VALUES (?1, ?2, ?3)")?
        .execute((now.millis(), reason.as_str(), id.as_bytes()))?;
    Ok(())
}

pub(super) fn add_user(
    sql: &Connection,
    (id, epoch): (&UserId, u64),
    reason: RevokeReason,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql.prepare_cached(
        "INSERT INTO revocations (at, reason, user_id, epoch) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((now.millis(), reason.as_str(), id.as_str(), epoch))?;
    Ok(())
}

/// What is told of the user has changed.
pub(super) fn add_claims(sql: &Connection, user: &User, now: Timestamp) -> Result<(), StoreError> {
    let reason = RevokeReason::UserChanged.as_str();
    sql.prepare_cached(
        "INSERT INTO revocations (at, reason, user_id, epoch, of_claims)
         VALUES (?1, ?2, ?3, ?4, 1)",
    )?
    .execute((now.millis(), reason, user.id.as_str(), user.claims_epoch))?;
    Ok(())
}

/// An entry, with their present epoch, for every user who may have an access token.
pub(super) fn add_everybody(
    sql: &Connection,
    reason: RevokeReason,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql.prepare_cached(
        "INSERT INTO revocations (at, reason, user_id, epoch)
         SELECT ?1, ?2, id, session_epoch FROM users
         WHERE EXISTS (SELECT 1 FROM sessions WHERE user_id = users.id)",
    )?
    .execute((now.millis(), reason.as_str()))?;
    Ok(())
}

/// What comes after `seq`, or all that is kept where the log ends before it: a backup was put in the
/// place of the database, and what is ended from now on gets places that were used before. Where
/// nobody has written since the log was last read to its end, which is what a connection of its own
/// learns from `data_version` without reading a page, it is not read.
pub(super) fn after(
    sql: &Connection,
    seq: u64,
    watched: &Watched,
) -> Result<RevocationLog, StoreError> {
    let version = sql.pragma_query_value(None, "data_version", |row| row.get(0))?;
    let mut watched = watched.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut log = RevocationLog {
        entries: Vec::new(),
        last: seq,
    };
    if *watched == Some((version, seq)) {
        return Ok(log);
    }
    if last_place(sql)? < seq {
        log.last = 0;
    }
    let mut select =
        sql.prepare_cached("SELECT * FROM revocations WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let mut rows = select.query((log.last, READ_AT_ONCE))?;
    while let Some(row) = rows.next()? {
        log.last = row.get("seq")?;
        log.entries.push(revocation(row)?);
    }
    if log.is_read_to_the_end() {
        *watched = Some((version, log.last));
    }
    Ok(log)
}

/// The last place that was ever used; 0 for none.
fn last_place(sql: &Connection) -> Result<u64, StoreError> {
    let last = sql
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'revocations'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(last.unwrap_or_default())
}

/// Deletes entries that no access token can need any more, `limit` at most; says how many.
pub(super) fn sweep(sql: &Connection, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
    let deleted = sql
        .prepare_cached(
            "DELETE FROM revocations WHERE seq IN (
                 SELECT seq FROM revocations WHERE at < ?1 LIMIT ?2
             )",
        )?
        .execute(((now - KEPT_AFTER_END).millis(), limit))?;
    Ok(deleted)
}

fn revocation(row: &Row<'_>) -> Result<Revocation, StoreError> {
    let reason: String = row.get("reason")?;
    let user: Option<String> = row.get("user_id")?;
    let ended = match user {
        Some(user) => {
            let id = UserId::parse(&user).ok_or(StoreError::Unreadable("user id"))?;
            let epoch = row.get("epoch")?;
            match row.get("of_claims")? {
                true => Ended::Claims { id, epoch },
                false => Ended::User { id, epoch },
            }
        }
        None => Ended::Session(SessionId::from_bytes(row.get("session_id")?)),
    };
    Ok(Revocation {
        ended,
        at: Timestamp::from_millis(row.get("at")?),
        reason: RevokeReason::parse(&reason)
            .ok_or(StoreError::Unreadable("reason of a revocation"))?,
    })
}
