//! Waiting for a condition, with an end.

use std::thread;
use std::time::{Duration, Instant};

/// Asks again and again until it is so; fails, saying what was waited for, once `limit` is over.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < end, "waited {limit:?} in vain for {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}
