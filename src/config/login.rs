//! `[login]`: what somebody who guesses passwords meets, and how fast a refusal may come.

use std::time::Duration;

use super::problem::Complaint;
use super::section::Section;
use super::value::{duration, number, written};

/// More tries than this in a row are more than NIST SP 800-63B §3.2.2 allows.
const MOST_IN_A_ROW: usize = 100;

/// How sign-ins are defended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginSettings {
    /// How often somebody may fail for one account before they have to wait.
    pub free_failures: usize,
    /// The longest that anybody waits between two tries for one account.
    pub longest_wait: Duration,
    /// After how many failures in a row an account is locked for devices that are not known.
    pub lock_after: usize,
    /// For how long; also how long failures are remembered.
    pub lock_for: Duration,
    /// How often one address may fail at once, over all accounts.
    pub address_failures: usize,
    /// How soon an address gets one of these back.
    pub address_refill: Duration,
    /// How soon after the request a refusal may be answered.
    pub min_duration: Duration,
}

impl Default for LoginSettings {
    fn default() -> Self {
        Self {
            free_failures: 5,
            longest_wait: Duration::from_mins(15),
            lock_after: MOST_IN_A_ROW,
            lock_for: Duration::from_hours(24),
            address_failures: 20,
            address_refill: Duration::from_secs(6),
            min_duration: Duration::from_millis(400),
        }
    }
}

pub(super) fn read(mut section: Section<'_>, warnings: &mut Vec<String>) -> LoginSettings {
    let default = LoginSettings::default();
    let (second, minute, hour) = (
        Duration::from_secs(1),
        Duration::from_mins(1),
        Duration::from_hours(1),
    );
    let login = LoginSettings {
        free_failures: section.option("free_failures", default.free_failures, number(1..=20)),
        longest_wait: section.option(
            "longest_wait",
            default.longest_wait,
            duration(second..=hour),
        ),
        lock_after: section.option("lock_after", default.lock_after, number(10..=10_000)),
        lock_for: section.option("lock_for", default.lock_for, duration(minute..=720 * hour)),
        address_failures: section.option(
            "address_failures",
            default.address_failures,
            number(1..=100_000),
        ),
        address_refill: section.option(
            "address_refill",
            default.address_refill,
            duration(Duration::from_millis(1)..=hour),
        ),
        min_duration: section.option(
            "min_duration",
            default.min_duration,
            duration(Duration::ZERO..=10 * second),
        ),
    };
    if login.free_failures > login.lock_after {
        section.refuse(
            "free_failures",
            Complaint::new(format!(
                "{} are more than the lock_after of {}",
                login.free_failures, login.lock_after
            ))
            .hint("an account is locked after more failures than are free: lower one or raise the other"),
        );
    }
    if login.longest_wait > login.lock_for {
        let (wait, lock) = (written(login.longest_wait), written(login.lock_for));
        section.refuse(
            "longest_wait",
            Complaint::new(format!("{wait} is longer than the lock_for of {lock}"))
                .hint("failures are forgotten after lock_for: shorten one or lengthen the other"),
        );
    }
    if login.lock_after > MOST_IN_A_ROW {
        warnings.push(format!(
            "login.lock_after is {}: NIST SP 800-63B allows {MOST_IN_A_ROW} failures in a row at most",
            login.lock_after
        ));
    }
    section.finish();
    login
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigError, parse};

    fn read(lines: &str) -> Result<Config, ConfigError> {
        let text = format!("[[routes]]\nupstream = 'http://h:1'\n[login]\n{lines}");
        parse(&text, Path::new(""))
    }

    #[test]
    fn a_guesser_meets_the_defaults_unless_told_otherwise() {
        assert_eq!(read("").unwrap().login, LoginSettings::default());
        let login = read("free_failures = 3\nlock_for = '1h'").unwrap().login;
        assert_eq!(login.free_failures, 3);
        assert_eq!(login.lock_for, Duration::from_hours(1));
    }

    #[test]
    fn what_defends_nobody_is_refused_or_warned_about() {
        for (lines, place) in [
            ("free_failures = 0", "login.free_failures"),
            ("free_failures = 20\nlock_after = 10", "login.free_failures"),
            ("longest_wait = '1h'\nlock_for = '1m'", "login.longest_wait"),
            ("lock_after = 9", "login.lock_after"),
            ("min_duration = '11s'", "login.min_duration"),
            ("address_refill = '0s'", "login.address_refill"),
        ] {
            let refused = read(lines).unwrap_err().to_string();
            assert!(refused.contains(place), "{refused}");
        }
        let warnings = read("lock_after = 101").unwrap().warnings;
        assert!(warnings[0].starts_with("login.lock_after is 101"));
    }
}
