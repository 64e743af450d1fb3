//! How does a process learn what another one ended? It reads the store's log on from where it stands.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::session::{Revocations, RevokeReason};
use crate::store::{Ended, Revocation, Sessions, StoreError};

/// What the life of an entry depends on.
#[derive(Clone, Copy, Debug)]
pub struct Spans {
    /// How long after its end a session's access tokens may still look good.
    pub tokens: Duration,
    /// How long the access tokens of a session stay good that was replaced in the same browser.
    pub grace: Duration,
}

/// Reads what is new in the log and refuses it from now on. What this process ended itself comes
/// back, too, which changes nothing. `now` is the time before the store was asked: all that had been
/// ended by then is known afterwards.
pub async fn catch_up(
    sessions: &dyn Sessions,
    revocations: &Revocations,
    now: Timestamp,
    spans: Spans,
) -> Result<(), StoreError> {
    // What ended long before the start needs no entry. Later, none is left out: whoever ended something
    // may have a clock that is behind.
    let is_start = !revocations.was_synced();
    loop {
        let log = sessions.revocations_after(revocations.read_to()).await?;
        for entry in &log.entries {
            let at = if is_start {
                entry.at
            } else {
                entry.at.max(now)
            };
            apply(revocations, entry, (at, now), spans);
        }
        revocations.note_read_to(log.last);
        if log.is_read_to_the_end() {
            revocations.note_synced(now);
            return Ok(());
        }
    }
}

/// `at` is the moment from which the last access token counts.
fn apply(
    revocations: &Revocations,
    entry: &Revocation,
    (at, now): (Timestamp, Timestamp),
    spans: Spans,
) {
    let is_replaced = entry.reason == RevokeReason::Replaced;
    let grace = if is_replaced {
        spans.grace
    } else {
        Duration::ZERO
    };
    let (from, until) = (entry.at + grace, at + grace + spans.tokens);
    if until <= now {
        return;
    }
    match &entry.ended {
        Ended::Session(id) if is_replaced => revocations.end_session_from(*id, from, until),
        Ended::Session(id) => revocations.end_session(*id, until),
        Ended::User { id, epoch } => revocations.end_user(id.clone(), *epoch, until),
        Ended::Claims { id, epoch } => revocations.outdate_user(id.clone(), *epoch, until),
    }
}
