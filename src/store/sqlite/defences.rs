//! Failures, unlocked accounts and known devices in SQL.

use rusqlite::{Connection, OptionalExtension as _, Row, named_params};

use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::defences::{DEVICE_KNOWN_FOR, MOST_FAILURES, UNLOCK_TOLD_FOR};
use crate::store::sqlite::SqliteStore;
use crate::store::{
    AccountMark, Defences, DeviceHash, KeptFailures, Pending, SWEPT_AT_ONCE, StoreError, Unlocks,
};

impl Defences for SqliteStore {
    fn failures(&self) -> Pending<Vec<KeptFailures>> {
        self.readers.run(|sql, now| {
            sql.prepare_cached(
                "SELECT * FROM failures WHERE forgotten_at > ?1 ORDER BY failures DESC LIMIT ?2",
            )?
            .query_and_then((now.millis(), MOST_FAILURES), kept)?
            .collect()
        })
    }

    fn keep_failures(&self, changed: Vec<KeptFailures>) -> Pending<()> {
        self.writer.run(move |sql, _| {
            for kept in &changed {
                keep(sql, kept)?;
            }
            Ok(())
        })
    }

    fn locks(&self) -> Pending<Vec<(AccountMark, Timestamp)>> {
        self.readers.run(|sql, now| {
            sql.prepare_cached(
                "SELECT account, locked_until FROM failures WHERE locked_until > ?1",
            )?
            .query_and_then([now.millis()], |row| {
                let until = Timestamp::from_millis(row.get("locked_until")?);
                Ok((row.get("account")?, until))
            })?
            .collect()
        })
    }

    fn unlock(&self, account: AccountMark) -> Pending<()> {
        self.writer.run(move |sql, now| {
            sql.prepare_cached("DELETE FROM failures WHERE account = ?1")?
                .execute([account])?;
            sql.prepare_cached("INSERT INTO unlocks (account, at) VALUES (?1, ?2)")?
                .execute((account, now.millis()))?;
            Ok(())
        })
    }

    fn unlocks_after(&self, place: u64) -> Pending<Unlocks> {
        self.readers.run(move |sql, _| {
            let mut unlocks = Unlocks {
                accounts: Vec::new(),
                last: place,
            };
            let mut select =
                sql.prepare_cached("SELECT seq, account FROM unlocks WHERE seq > ?1 ORDER BY seq")?;
            let mut rows = select.query([place])?;
            while let Some(row) = rows.next()? {
                unlocks.last = row.get("seq")?;
                unlocks.accounts.push(row.get("account")?);
            }
            Ok(unlocks)
        })
    }

    fn owner_of_device(&self, device: DeviceHash) -> Pending<Option<UserId>> {
        self.readers.run(move |sql, now| {
            let known_since = (now - DEVICE_KNOWN_FOR).millis();
            let owner: Option<String> = sql
                .prepare_cached("SELECT user_id FROM devices WHERE hash = ?1 AND used_at > ?2")?
                .query_row((device.0, known_since), |row| row.get(0))
                .optional()?;
            let parse = |id: String| UserId::parse(&id).ok_or(StoreError::Unreadable("user id"));
            owner.map(parse).transpose()
        })
    }

    fn keep_device(&self, device: DeviceHash, owner: UserId, most: usize) -> Pending<()> {
        self.writer.run(move |sql, now| {
            sql.prepare_cached(
                "INSERT INTO devices (hash, user_id, used_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (hash) DO UPDATE SET user_id = ?2, used_at = ?3",
            )?
            .execute((device.0, owner.as_str(), now.millis()))?;
            sql.prepare_cached(
                "DELETE FROM devices WHERE hash IN (
                     SELECT hash FROM devices WHERE user_id = ?1
                     ORDER BY hash = ?2 DESC, used_at DESC LIMIT -1 OFFSET ?3
                 )",
            )?
            .execute((owner.as_str(), device.0, most))?;
            Ok(())
        })
    }

    fn sweep_defences(&self) -> Pending<usize> {
        self.writer.run(|sql, now| {
            let mut swept = 0;
            for (statement, before) in [
                (
                    "DELETE FROM failures WHERE (account, place) IN (
                         SELECT account, place FROM failures WHERE forgotten_at <= ?1 LIMIT ?2)",
                    now,
                ),
                (
                    "DELETE FROM unlocks WHERE seq IN (
                         SELECT seq FROM unlocks WHERE at <= ?1 LIMIT ?2)",
                    now - UNLOCK_TOLD_FOR,
                ),
                (
                    "DELETE FROM devices WHERE hash IN (
                         SELECT hash FROM devices WHERE used_at <= ?1 LIMIT ?2)",
                    now - DEVICE_KNOWN_FOR,
                ),
            ] {
                let mut delete = sql.prepare_cached(statement)?;
                swept += delete.execute((before.millis(), SWEPT_AT_ONCE - swept))?;
            }
            Ok(swept)
        })
    }
}

pub(super) fn forget_devices_of(sql: &Connection, user: &UserId) -> Result<(), StoreError> {
    sql.prepare_cached("DELETE FROM devices WHERE user_id = ?1")?
        .execute([user.as_str()])?;
    Ok(())
}

fn keep(sql: &Connection, kept: &KeptFailures) -> Result<(), StoreError> {
    if kept.failures == 0 {
        sql.prepare_cached("DELETE FROM failures WHERE account = ?1 AND place = ?2")?
            .execute((kept.account, kept.place))?;
        return Ok(());
    }
    sql.prepare_cached(
        "INSERT INTO failures (account, place, failures, last_at, locked_until, forgotten_at)
         VALUES (:account, :place, :failures, :last_at, :locked_until, :forgotten_at)
         ON CONFLICT (account, place) DO UPDATE SET failures = :failures, last_at = :last_at,
             locked_until = :locked_until, forgotten_at = :forgotten_at",
    )?
    .execute(named_params! {
        ":account": kept.account,
        ":place": kept.place,
        ":failures": kept.failures,
        ":last_at": kept.last_at.millis(),
        ":locked_until": kept.locked_until.map(Timestamp::millis),
        ":forgotten_at": kept.forgotten_at.millis(),
    })?;
    Ok(())
}

fn kept(row: &Row<'_>) -> Result<KeptFailures, StoreError> {
    let locked_until: Option<i64> = row.get("locked_until")?;
    Ok(KeptFailures {
        account: row.get("account")?,
        place: row.get("place")?,
        failures: row.get("failures")?,
        last_at: Timestamp::from_millis(row.get("last_at")?),
        locked_until: locked_until.map(Timestamp::from_millis),
        forgotten_at: Timestamp::from_millis(row.get("forgotten_at")?),
    })
}
