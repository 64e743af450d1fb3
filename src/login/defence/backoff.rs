//! How long does somebody wait who has failed that often?

use std::time::Duration;

use crate::config::LoginSettings;

/// A second after the last of the free failures, twice as long after each one that follows.
pub(super) fn wait_after(failures: usize, settings: &LoginSettings) -> Duration {
    let Some(doublings) = failures.checked_sub(settings.free_failures) else {
        return Duration::ZERO;
    };
    let doublings = u32::try_from(doublings).unwrap_or(u32::MAX);
    let seconds = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
    Duration::from_secs(seconds).min(settings.longest_wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let settings = LoginSettings::default();
        for (failures, seconds) in [
            (0, 0),
            (4, 0),
            (5, 1),
            (6, 2),
            (7, 4),
            (10, 32),
            (14, 512),
            (15, 900),
            (16, 900),
            (68, 900),
            (69, 900),
            (100, 900),
            (usize::MAX, 900),
        ] {
            let wait = wait_after(failures, &settings);
            assert_eq!(wait, Duration::from_secs(seconds), "{failures}");
        }
    }
}
