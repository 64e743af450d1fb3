//! How often is the refresh token of one session exchanged? More often than a program needs is refused.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::clock::Timestamp;
use crate::identity::SessionId;
use crate::login::defence::bucket::{Bucket, Measure};

/// Sixty at once, and one more each second.
const PACE: Measure = Measure {
    size: 60,
    refill: Duration::from_secs(1),
};
/// Of how many sessions this is remembered.
const MOST: usize = 50_000;

/// The rotations of each session lately.
pub(super) struct Paces {
    buckets: Cache<SessionId, Bucket>,
    /// Held while a bucket is read and written.
    taking: Mutex<()>,
}

impl Default for Paces {
    fn default() -> Self {
        Self {
            buckets: Cache::new(MOST),
            taking: Mutex::new(()),
        }
    }
}

impl Paces {
    /// Counts a rotation, or says how long the session must wait for its next one.
    pub(super) fn take(&self, session: SessionId, now: Timestamp) -> Result<(), Duration> {
        let _alone = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bucket = self.buckets.get(&session).unwrap_or_default();
        bucket.take(PACE, now)?;
        self.buckets.insert(session, bucket);
        Ok(())
    }
}
