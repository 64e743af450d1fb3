//! Which version the database has, and the steps that bring it to this program's.

use rusqlite::{Connection, TransactionBehavior};

use crate::store::StoreError;

/// Step n brings a database from version n to n + 1. A step that was released never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/001.sql"),
    include_str!("migrations/002.sql"),
    include_str!("migrations/003.sql"),
    include_str!("migrations/004.sql"),
    include_str!("migrations/005.sql"),
    include_str!("migrations/006.sql"),
    include_str!("migrations/007.sql"),
];

/// Brings the database to this program's version. Processes that start at once wait for each other.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = MIGRATIONS.len();
    loop {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: i64 = step.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let done = usize::try_from(found).map_err(|_| StoreError::Unreadable("version"))?;
        if done > known {
            let known = i64::try_from(known).unwrap_or(i64::MAX);
            return Err(StoreError::TooNew { found, known });
        }
        let Some(migration) = MIGRATIONS.get(done) else {
            return Ok(());
        };
        step.execute_batch(migration)?;
        step.pragma_update(None, "user_version", found + 1)?;
        step.commit()?;
    }
}

/// Fails if the database cannot be read.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
    Ok(())
}
