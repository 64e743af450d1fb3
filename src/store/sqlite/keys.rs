//! Sealed keys in SQL.

use rusqlite::{Connection, Row};

use crate::clock::Timestamp;
use crate::session::{Key, KeyAlgorithm, KeyPurpose};
use crate::store::{KeySet, SealedKey, StoreError};

pub(super) fn all(sql: &Connection) -> Result<KeySet, StoreError> {
    let keys = sql
        .prepare_cached("SELECT * FROM keys ORDER BY purpose, signs_from, kid")?
        .query_and_then([], key)?
        .collect::<Result<_, StoreError>>()?;
    let (version, check) = sql
        .prepare_cached("SELECT version, master_check FROM key_set")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(KeySet {
        version,
        check,
        keys,
    })
}

pub(super) fn version(sql: &Connection) -> Result<u64, StoreError> {
    let mut select = sql.prepare_cached("SELECT version FROM key_set")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

/// Puts these in the place of all, unless the version has moved on.
pub(super) fn replace(sql: &Connection, set: &KeySet) -> Result<bool, StoreError> {
    let counted = sql
        .prepare_cached(
            "UPDATE key_set SET version = version + 1, master_check = ?2 WHERE version = ?1",
        )?
        .execute((set.version, &set.check))?;
    if counted == 0 {
        return Ok(false);
    }
    sql.prepare_cached("DELETE FROM keys")?.execute([])?;
    let mut insert = sql.prepare_cached(
        "INSERT INTO keys (purpose, kid, algorithm, created_at, signs_from, revoked_at, sealed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for SealedKey { key, sealed } in &set.keys {
        insert.execute((
            key.purpose.as_str(),
            &key.kid,
            key.algorithm.as_str(),
            key.created_at.millis(),
            key.signs_from.millis(),
            key.revoked_at.map(Timestamp::millis),
            sealed,
        ))?;
    }
    Ok(true)
}

fn key(row: &Row<'_>) -> Result<SealedKey, StoreError> {
    let purpose: String = row.get("purpose")?;
    let algorithm: String = row.get("algorithm")?;
    let revoked_at: Option<i64> = row.get("revoked_at")?;
    Ok(SealedKey {
        key: Key {
            purpose: KeyPurpose::parse(&purpose).ok_or(StoreError::Unreadable("key purpose"))?,
            kid: row.get("kid")?,
            algorithm: KeyAlgorithm::parse(&algorithm)
                .ok_or(StoreError::Unreadable("key algorithm"))?,
            created_at: Timestamp::from_millis(row.get("created_at")?),
            signs_from: Timestamp::from_millis(row.get("signs_from")?),
            revoked_at: revoked_at.map(Timestamp::from_millis),
        },
        sealed: row.get("sealed")?,
    })
}
