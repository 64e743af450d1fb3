//! Sessions in SQL.

use std::net::IpAddr;

use rusqlite::{Connection, Row, named_params};

use crate::clock::Timestamp;
use crate::identity::{SessionId, User, UserId};
use crate::session::{Delivery, RevokeReason, SessionRow, TokenHash};
use crate::store::{KEPT_AFTER_END, Rotation, SWEPT_AT_ONCE, StoreError};

/// Keeps the session if its user is enabled and has the epoch that the session was opened with.
pub(super) fn open(sql: &Connection, row: &SessionRow) -> Result<bool, StoreError> {
    let inserted = sql
        .prepare_cached(
            "INSERT INTO sessions (
                 id, user_id, user_epoch, delivery, remember, device, ip, user_agent, created_at,
                 authenticated_at, last_seen_at, generation, current_hash, previous_hash, next_key, rotated_at, confirmed_at,
                 straggler_at, idle_expires_at, absolute_expires_at, revoked_at, revoke_reason
             )
             SELECT
                 :id, users.id, :user_epoch, :delivery, :remember, :device, :ip, :user_agent,
                 :created_at, :authenticated_at, :last_seen_at, :generation, :current_hash, :previous_hash, :next_key,
                 :rotated_at, :confirmed_at, :straggler_at, :idle_expires_at,
                 :absolute_expires_at, :revoked_at, :revoke_reason
             FROM users
             WHERE users.id = :user_id AND NOT disabled AND session_epoch = :user_epoch",
        )?
        .execute(named_params! {
            ":id": row.id.as_bytes(),
            ":user_id": row.user.as_str(),
            ":user_epoch": row.user_epoch,
            ":delivery": row.delivery.as_str(),
            ":remember": row.remember,
            ":device": row.device,
            ":ip": row.ip.map(|ip| ip.to_string()),
            ":user_agent": row.user_agent,
            ":created_at": row.created_at.millis(),
            ":authenticated_at": row.authenticated_at.millis(),
            ":last_seen_at": row.last_seen_at.millis(),
            ":generation": row.generation,
            ":current_hash": row.current.0,
            ":previous_hash": row.previous.map(|hash| hash.0),
            ":next_key": row.next_key,
            ":rotated_at": row.rotated_at.map(Timestamp::millis),
            ":confirmed_at": row.confirmed_at.map(Timestamp::millis),
            ":straggler_at": row.straggler_at.map(Timestamp::millis),
            ":idle_expires_at": row.idle_expires_at.millis(),
            ":absolute_expires_at": row.absolute_expires_at.millis(),
            ":revoked_at": row.revoked.map(|(at, _)| at.millis()),
            ":revoke_reason": row.revoked.map(|(_, reason)| reason.as_str()),
        })?;
    Ok(inserted == 1)
}

/// The live sessions of this one's user in its delivery that are more than `most` with it: the least
/// used of the others.
pub(super) fn too_many(
    sql: &Connection,
    row: &SessionRow,
    most: usize,
    now: Timestamp,
) -> Result<Vec<SessionId>, StoreError> {
    let kept = i64::try_from(most.saturating_sub(1)).unwrap_or(i64::MAX);
    sql.prepare_cached(
        "SELECT id FROM sessions
         WHERE user_id = :user_id AND delivery = :delivery AND id <> :id
             AND revoked_at IS NULL AND user_epoch = :user_epoch
             AND min(idle_expires_at, absolute_expires_at) > :now
         ORDER BY generation > 1 OR confirmed_at IS NOT NULL DESC, last_seen_at DESC, id
         LIMIT -1 OFFSET :kept",
    )?
    .query_and_then(
        named_params! {
            ":id": row.id.as_bytes(),
            ":user_id": row.user.as_str(),
            ":user_epoch": row.user_epoch,
            ":delivery": row.delivery.as_str(),
            ":now": now.millis(),
            ":kept": kept,
        },
        |row| Ok(SessionId::from_bytes(row.get("id")?)),
    )?
    .collect()
}

pub(super) fn by_id(sql: &Connection, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
    sql.prepare_cached("SELECT * FROM sessions WHERE id = ?1")?
        .query_and_then([id.as_bytes()], session)?
        .next()
        .transpose()
}

/// The compare-and-set: everything it depends on is in the condition.
pub(super) fn rotate(
    sql: &Connection,
    id: SessionId,
    rotation: &Rotation,
) -> Result<bool, StoreError> {
    let updated = sql
        .prepare_cached(
            "UPDATE sessions SET
                 generation = generation + 1,
                 previous_hash = current_hash,
                 current_hash = :to,
                 next_key = :next_key,
                 rotated_at = :at,
                 confirmed_at = NULL,
                 straggler_at = NULL,
                 last_seen_at = :at,
                 idle_expires_at = :idle_expires_at
             WHERE id = :id
                 AND generation = :from_generation
                 AND current_hash = :from
                 AND revoked_at IS NULL
                 AND EXISTS (
                     SELECT 1 FROM users
                     WHERE users.id = sessions.user_id
                         AND NOT users.disabled
                         AND users.session_epoch = sessions.user_epoch
                 )",
        )?
        .execute(named_params! {
            ":id": id.as_bytes(),
            ":from_generation": rotation.from_generation,
            ":from": rotation.from.0,
            ":to": rotation.to.0,
            ":next_key": rotation.next_key,
            ":at": rotation.at.millis(),
            ":idle_expires_at": rotation.idle_expires_at.millis(),
        })?;
    Ok(updated == 1)
}

pub(super) fn confirm(
    sql: &Connection,
    id: SessionId,
    generation: u64,
    at: Timestamp,
) -> Result<(), StoreError> {
    sql.prepare_cached(
        "UPDATE sessions SET confirmed_at = ?3
         WHERE id = ?1 AND generation = ?2 AND confirmed_at IS NULL",
    )?
    .execute((id.as_bytes(), generation, at.millis()))?;
    Ok(())
}

pub(super) fn note_straggler(
    sql: &Connection,
    id: SessionId,
    generation: u64,
    at: Timestamp,
) -> Result<(), StoreError> {
    sql.prepare_cached(
        "UPDATE sessions SET straggler_at = ?3
         WHERE id = ?1 AND generation = ?2 AND straggler_at IS NULL",
    )?
    .execute((id.as_bytes(), generation, at.millis()))?;
    Ok(())
}

pub(super) fn revoke(
    sql: &Connection,
    id: SessionId,
    reason: RevokeReason,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let revoked = sql
        .prepare_cached(
            "UPDATE sessions SET revoked_at = ?2, revoke_reason = ?3
             WHERE id = ?1 AND revoked_at IS NULL",
        )?
        .execute((id.as_bytes(), now.millis(), reason.as_str()))?;
    Ok(revoked == 1)
}

/// Revokes every session of the user that is not revoked yet.
pub(super) fn revoke_all(
    sql: &Connection,
    user: &UserId,
    reason: RevokeReason,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql.prepare_cached(
        "UPDATE sessions SET revoked_at = ?2, revoke_reason = ?3
         WHERE user_id = ?1 AND revoked_at IS NULL",
    )?
    .execute((user.as_str(), now.millis(), reason.as_str()))?;
    Ok(())
}

/// Revokes the sessions of the user that have an older epoch and are not revoked yet.
pub(super) fn revoke_older(
    sql: &Connection,
    user: &User,
    reason: RevokeReason,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql.prepare_cached(
        "UPDATE sessions SET revoked_at = ?3, revoke_reason = ?4
         WHERE user_id = ?1 AND user_epoch < ?2 AND revoked_at IS NULL",
    )?
    .execute((
        user.id.as_str(),
        user.session_epoch,
        now.millis(),
        reason.as_str(),
    ))?;
    Ok(())
}

/// Revokes all sessions that are not revoked yet.
pub(super) fn revoke_everything(
    sql: &Connection,
    reason: RevokeReason,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql.prepare_cached(
        "UPDATE sessions SET revoked_at = ?1, revoke_reason = ?2 WHERE revoked_at IS NULL",
    )?
    .execute((now.millis(), reason.as_str()))?;
    Ok(())
}

/// Lets the session go on under another epoch of its user, with no way back to the token before.
pub(super) fn set_epoch(sql: &Connection, id: SessionId, epoch: u64) -> Result<(), StoreError> {
    sql.prepare_cached("UPDATE sessions SET user_epoch = ?2, previous_hash = NULL WHERE id = ?1")?
        .execute((id.as_bytes(), epoch))?;
    Ok(())
}

/// The live sessions of this user, or of all; the last one seen first.
pub(super) fn live(
    sql: &Connection,
    of: Option<&UserId>,
    now: Timestamp,
) -> Result<Vec<SessionRow>, StoreError> {
    const LIVE: &str = "revoked_at IS NULL AND min(idle_expires_at, absolute_expires_at) > ?1
             AND NOT disabled AND session_epoch = user_epoch
         ORDER BY last_seen_at DESC, sessions.id";
    let all = "SELECT sessions.* FROM sessions JOIN users ON users.id = user_id WHERE";
    match of {
        Some(user) => sql
            .prepare_cached(&format!("{all} user_id = ?2 AND {LIVE}"))?
            .query_and_then((now.millis(), user.as_str()), session)?
            .collect(),
        None => sql
            .prepare_cached(&format!("{all} {LIVE}"))?
            .query_and_then([now.millis()], session)?
            .collect(),
    }
}

pub(super) fn newest(sql: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let millis: Option<i64> = sql.query_row(
        "SELECT max(max(last_seen_at, coalesce(revoked_at, last_seen_at))) FROM sessions",
        [],
        |row| row.get(0),
    )?;
    Ok(millis.map(Timestamp::from_millis))
}

pub(super) fn sweep(sql: &Connection, now: Timestamp) -> Result<usize, StoreError> {
    let deleted = sql
        .prepare_cached(
            "DELETE FROM sessions WHERE id IN (
                 SELECT id FROM sessions
                 WHERE min(idle_expires_at, absolute_expires_at,
                           coalesce(revoked_at, idle_expires_at)) < ?1
                 LIMIT ?2
             )",
        )?
        .execute(((now - KEPT_AFTER_END).millis(), SWEPT_AT_ONCE))?;
    Ok(deleted)
}

fn session(row: &Row<'_>) -> Result<SessionRow, StoreError> {
    let delivery: String = row.get("delivery")?;
    Ok(SessionRow {
        id: SessionId::from_bytes(row.get("id")?),
        user: UserId::parse(&row.get::<_, String>("user_id")?)
            .ok_or(StoreError::Unreadable("user id"))?,
        user_epoch: row.get("user_epoch")?,
        delivery: Delivery::parse(&delivery).ok_or(StoreError::Unreadable("delivery"))?,
        remember: row.get("remember")?,
        device: row.get("device")?,
        ip: ip(row)?,
        user_agent: row.get("user_agent")?,
        created_at: Timestamp::from_millis(row.get("created_at")?),
        authenticated_at: Timestamp::from_millis(row.get("authenticated_at")?),
        last_seen_at: Timestamp::from_millis(row.get("last_seen_at")?),
        generation: row.get("generation")?,
        current: TokenHash(row.get("current_hash")?),
        previous: row.get::<_, Option<_>>("previous_hash")?.map(TokenHash),
        next_key: row.get("next_key")?,
        rotated_at: moment(row, "rotated_at")?,
        confirmed_at: moment(row, "confirmed_at")?,
        straggler_at: moment(row, "straggler_at")?,
        idle_expires_at: Timestamp::from_millis(row.get("idle_expires_at")?),
        absolute_expires_at: Timestamp::from_millis(row.get("absolute_expires_at")?),
        revoked: revoked(row)?,
    })
}

fn ip(row: &Row<'_>) -> Result<Option<IpAddr>, StoreError> {
    let text: Option<String> = row.get("ip")?;
    let ip = text.map(|text| text.parse()).transpose();
    ip.map_err(|_| StoreError::Unreadable("client address"))
}

fn revoked(row: &Row<'_>) -> Result<Option<(Timestamp, RevokeReason)>, StoreError> {
    let Some(at) = moment(row, "revoked_at")? else {
        return Ok(None);
    };
    let reason: Option<String> = row.get("revoke_reason")?;
    let reason = reason
        .and_then(|name| RevokeReason::parse(&name))
        .ok_or(StoreError::Unreadable("reason of a revocation"))?;
    Ok(Some((at, reason)))
}

fn moment(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>, StoreError> {
    let millis: Option<i64> = row.get(column)?;
    Ok(millis.map(Timestamp::from_millis))
}
