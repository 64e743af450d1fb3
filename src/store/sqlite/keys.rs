//! Sealed keys in SQL.

use rusqlite::{Connection, Row};

use crate::session::KeyPurpose;
use crate::store::{SealedKey, StoreError};

pub(super) fn all(sql: &Connection) -> Result<Vec<SealedKey>, StoreError> {
    sql.prepare_cached("SELECT purpose, kid, sealed FROM keys ORDER BY purpose, kid")?
        .query_and_then([], key)?
        .collect()
}

/// Keeps these keys, unless there are keys already.
pub(super) fn add_first(sql: &Connection, keys: &[SealedKey]) -> Result<bool, StoreError> {
    let any: bool = sql
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM keys)")?
        .query_row([], |row| row.get(0))?;
    if any {
        return Ok(false);
    }
    let mut insert =
        sql.prepare_cached("INSERT INTO keys (purpose, kid, sealed) VALUES (?1, ?2, ?3)")?;
    for key in keys {
        insert.execute((key.purpose.as_str(), &key.kid, &key.sealed))?;
    }
    Ok(true)
}

fn key(row: &Row<'_>) -> Result<SealedKey, StoreError> {
    let purpose: String = row.get("purpose")?;
    Ok(SealedKey {
        purpose: KeyPurpose::parse(&purpose).ok_or(StoreError::Unreadable("key purpose"))?,
        kid: row.get("kid")?,
        sealed: row.get("sealed")?,
    })
}
