//! `[sessions]`: how long people stay signed in, and how late a replaced refresh token may come.

use std::time::Duration;

use crate::session::SessionSettings;

use super::problem::Complaint;
use super::section::Section;
use super::value::{duration, written};

pub(super) fn read(
    mut section: Section<'_>,
    access_ttl: Duration,
    warnings: &mut Vec<String>,
) -> SessionSettings {
    let day = Duration::from_hours(24);
    let minute = Duration::from_mins(1);
    let long = || duration(Duration::from_secs(1)..=365 * day);
    let sessions = SessionSettings {
        idle_ttl: section.option("idle_ttl", 14 * day, long()),
        absolute_ttl: section.option("absolute_ttl", 30 * day, long()),
        grace: section.option("grace", minute / 2, duration(Duration::ZERO..=minute)),
        straggler_window: section.option(
            "straggler_window",
            5 * minute,
            duration(Duration::ZERO..=60 * minute),
        ),
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
    section.finish();
    sessions
}
