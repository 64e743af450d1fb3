//! `[sessions]`: how long people stay signed in, how late a replaced refresh token may come, how many
//! sessions a user may have, and how long the store may be silent about what was ended.

use std::time::Duration;

use crate::reply::Profile;
use crate::session::{OnStale, SessionSettings, Staleness};

use super::problem::Complaint;
use super::profile;
use super::section::Section;
use super::value::{choice, duration, number, written};

pub(super) fn read(
    mut section: Section<'_>,
    access_ttl: Duration,
    profile: Profile,
    warnings: &mut Vec<String>,
) -> (SessionSettings, Staleness) {
    let day = Duration::from_hours(24);
    let minute = Duration::from_mins(1);
    let long = || duration(Duration::from_secs(1)..=365 * day);
    let absolute_ttl = section.option("absolute_ttl", 30 * day, long());
    let usual_idle_ttl = match profile {
        Profile::Vestibule => profile::idle_ttl(profile),
        // As long as the session: whoever shortens that has said enough.
        Profile::FlaskJwtExtended => profile::idle_ttl(profile).min(absolute_ttl),
    };
    let sessions = SessionSettings {
        idle_ttl: section.option("idle_ttl", usual_idle_ttl, long()),
        absolute_ttl,
        grace: section.option("grace", minute / 2, duration(Duration::ZERO..=minute)),
        straggler_window: section.option(
            "straggler_window",
            5 * minute,
            duration(Duration::ZERO..=60 * minute),
        ),
        max_per_user: section.option("max_per_user", 20, number(1..=1000)),
    };
    if sessions.idle_ttl > sessions.absolute_ttl {
        let (idle, absolute) = (written(sessions.idle_ttl), written(sessions.absolute_ttl));
        section.refuse(
            "idle_ttl",
            Complaint::new(format!("{idle} is longer than the absolute_ttl of {absolute}"))
                .hint("a session cannot be idle for longer than it lives: shorten one or lengthen the other"),
        );
    }
    if sessions.grace >= access_ttl {
        let (grace, ttl) = (written(sessions.grace), written(access_ttl));
        section.refuse(
            "grace",
            Complaint::new(format!(
                "{grace} is not shorter than the tokens.access_ttl of {ttl}"
            ))
            .hint("shorten the grace or let access tokens live longer"),
        );
    }
    if sessions.grace > minute / 2 {
        warnings.push(format!(
            "sessions.grace is {}: a stolen refresh token is of use for that long after it was replaced",
            written(sessions.grace)
        ));
    }
    let staleness = staleness(&mut section, warnings);
    section.finish();
    (sessions, staleness)
}

fn staleness(section: &mut Section<'_>, warnings: &mut Vec<String>) -> Staleness {
    let (second, hour) = (Duration::from_secs(1), Duration::from_hours(1));
    let staleness = Staleness {
        // The store is asked twice a second: one slow answer is no silence.
        max: section.option("max_staleness", 60 * second, duration(2 * second..=hour)),
        then: section.option(
            "on_stale",
            OnStale::Refuse,
            choice(&[("refuse", OnStale::Refuse), ("accept", OnStale::Accept)]),
        ),
    };
    if staleness.then == OnStale::Accept {
        warnings.push(
            "sessions.on_stale is \"accept\": while the store cannot be asked, sessions that were \
             ended by others stay open until their access token ends"
                .to_owned(),
        );
    }
    staleness
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigError, parse};
    use crate::policy::RevocationCheck;

    /// With these lines of the only route and of `[sessions]`.
    fn read(route: &str, sessions: &str) -> Result<Config, ConfigError> {
        let text = format!(
            "[[routes]]\nupstream = 'http://h:1'\npath = '/p'\n{route}\n[sessions]\n{sessions}"
        );
        parse(&text, Path::new(""))
    }

    #[test]
    fn memory_is_asked_and_a_minute_of_silence_is_refused_unless_told_otherwise() {
        let config = read("", "").unwrap();
        let minute = Duration::from_mins(1);
        assert_eq!(config.staleness.max, minute);
        assert_eq!(config.staleness.then, OnStale::Refuse);
        let [route] = &*config.routes else {
            panic!("one route");
        };
        assert_eq!(route.route.revocation, RevocationCheck::Local);
        let config = read("revocation = 'strict'", "max_staleness = '2s'").unwrap();
        assert_eq!(config.staleness.max, Duration::from_secs(2));
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }

    #[test]
    fn what_lets_the_signed_out_in_is_warned_about() {
        for (route, sessions, warning) in [
            ("", "on_stale = 'accept'", "sessions.on_stale is \"accept\""),
            ("revocation = 'none'", "", "route /p never asks"),
        ] {
            let warnings = read(route, sessions).unwrap().warnings;
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].starts_with(warning), "{warnings:?}");
        }
        let open = read("revocation = 'none'\nallow = 'anyone'", "").unwrap();
        assert!(open.warnings.is_empty(), "{:?}", open.warnings);
    }

    #[test]
    fn other_words_and_spans_are_refused() {
        for (route, sessions, place) in [
            ("revocation = 'always'", "", "routes[0].revocation"),
            ("", "on_stale = 'ignore'", "sessions.on_stale"),
            ("", "max_staleness = '1s'", "sessions.max_staleness"),
            ("", "max_staleness = '61m'", "sessions.max_staleness"),
            ("", "max_per_user = 0", "sessions.max_per_user"),
            ("", "max_per_user = 1001", "sessions.max_per_user"),
        ] {
            let refused = read(route, sessions).unwrap_err().to_string();
            assert!(refused.contains(place), "{refused}");
        }
    }
}
