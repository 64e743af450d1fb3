//! When may a refusal be answered? Never so soon that its time tells what was looked at.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::random;

/// The most milliseconds that chance adds.
const MOST_JITTER: u64 = 50;

/// Waits until a refusal of what began then may be answered.
pub(super) async fn hold_back(begun: Instant, least: Duration) {
    if least.is_zero() {
        return;
    }
    let chance = u64::from(u16::from_le_bytes(random::bytes()));
    let jitter = Duration::from_millis(chance % (MOST_JITTER + 1));
    sleep_until(begun + least + jitter).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_comes_no_sooner_than_it_may_and_little_later() {
        let begun = Instant::now();
        let least = Duration::from_millis(400);
        hold_back(begun, least).await;
        let took = begun.elapsed();
        assert!(
            took >= least && took <= least + Duration::from_millis(51),
            "{took:?}"
        );
        let before = Instant::now();
        hold_back(begun, least / 2).await;
        hold_back(begun, Duration::ZERO).await;
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
}
