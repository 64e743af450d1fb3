//! Assertions in use: signed once for a session and route, reused for half their life.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::clock::Timestamp;
use crate::identity::{Known, SessionId};
use crate::policy::{RouteId, RouteName};
use crate::session::{SharedRing, assertion};

/// An assertion that ends sooner is not sent any more.
const LEAST_LEFT: Duration = Duration::from_secs(30);

/// How much memory assertions may take, in bytes.
const CAPACITY: u64 = 32 * 1024 * 1024;
/// What one takes, about, in bytes.
const TYPICAL: u64 = 768;
/// What one takes beside its text, in bytes.
const OVERHEAD: u64 = 128;

/// Signs assertions and keeps them while they can be sent again. Shared by all threads.
pub(super) struct Assertions {
    ring: Arc<SharedRing>,
    issuer: String,
    held: Cache<Key, Held, ByLength>,
}

/// All that an assertion says follows from these, and who signed it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    session: SessionId,
    claims_epoch: u64,
    route: RouteId,
    ring: u64,
}

#[derive(Clone)]
struct Held {
    value: HeaderValue,
    issued_at: Timestamp,
}

#[derive(Clone)]
struct ByLength;

impl Assertions {
    /// None yet.
    pub(super) fn new(ring: Arc<SharedRing>, issuer: String) -> Self {
        let estimate = usize::try_from(CAPACITY / TYPICAL).unwrap_or(usize::MAX);
        Self {
            ring,
            issuer,
            held: Cache::with_weighter(estimate, CAPACITY, ByLength),
        }
    }

    /// The assertion about this visitor for this route, at least 30 s before its end.
    pub(super) fn assertion(
        &self,
        known: &Known,
        route: RouteId,
        audience: &RouteName,
        now: Timestamp,
    ) -> Option<HeaderValue> {
        let ring = self.ring.now();
        let key = Key {
            session: known.session,
            claims_epoch: known.claims_epoch,
            route,
            ring: ring.generation(),
        };
        if let Some(held) = self.held.get(&key)
            && held.may_be_sent(now)
        {
            return Some(held.value);
        }
        let text = assertion::mint(known, &self.issuer, audience.as_str(), now, &ring);
        let value = HeaderValue::try_from(text).ok()?;
        let held = Held {
            value: value.clone(),
            issued_at: now,
        };
        self.held.insert(key, held);
        Some(value)
    }
}

impl Held {
    /// Not after its half, nor before it was issued: the clock may have been set back.
    fn may_be_sent(&self, now: Timestamp) -> bool {
        self.issued_at <= now && now + LEAST_LEFT <= self.issued_at + assertion::LIFETIME
    }
}

impl Weighter<Key, Held> for ByLength {
    fn weight(&self, _: &Key, held: &Held) -> u64 {
        held.value.len() as u64 + OVERHEAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_is_sent_until_thirty_seconds_of_its_life_remain() {
        let held = Held {
            value: HeaderValue::from_static("a.b.c"),
            issued_at: Timestamp::from_seconds(1000),
        };
        for (now, may) in [(999, false), (1000, true), (1030, true), (1031, false)] {
            assert_eq!(held.may_be_sent(Timestamp::from_seconds(now)), may, "{now}");
        }
    }
}
