//! 429: too many attempts, and how long to wait.

use std::time::Duration;

use http::StatusCode;

use crate::reply::Problem;

/// The same for everybody who has to wait as long, whoever it is about.
pub(super) fn too_many_attempts(wait: Duration) -> Problem {
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    let description = format!("Too many attempts. Please wait {}.", in_words(seconds));
    Problem {
        retry_after: Some(Duration::from_secs(seconds)),
        ..Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_attempts",
            description,
        )
    }
}

/// Never less than it is.
fn in_words(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3600), "hour"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_told_in_whole_seconds_and_in_words() {
        for (millis, seconds, words) in [
            (0, 1, "1 second"),
            (1, 1, "1 second"),
            (1001, 2, "2 seconds"),
            (119_000, 119, "119 seconds"),
            (120_000, 120, "2 minutes"),
            (121_000, 121, "3 minutes"),
            (900_000, 900, "15 minutes"),
            (86_400_000, 86_400, "24 hours"),
        ] {
            let problem = too_many_attempts(Duration::from_millis(millis));
            assert_eq!(problem.retry_after, Some(Duration::from_secs(seconds)));
            let told = format!("Too many attempts. Please wait {words}.");
            assert_eq!(problem.description, told);
        }
    }
}
