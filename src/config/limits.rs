//! `[server.limits]`: how much one client, and all of them, may take.

use std::time::Duration;

use super::section::Section;
use super::value::{duration, number, size};

/// `[server.limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, over all listeners.
    pub connections: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Header fields of a request.
    pub header_fields: usize,
    /// For the whole head; also how long a connection may be silent.
    pub head_timeout: Duration,
    /// How long a body may make no progress.
    pub body_timeout: Duration,
}

pub(super) fn read(mut section: Section<'_>) -> Limits {
    let span = || duration(Duration::from_millis(100)..=Duration::from_hours(1));
    let seconds = Duration::from_secs;
    let limits = Limits {
        connections: section.option("connections", 10_000, number(1..=1_000_000)),
        // hyper's own read buffer has 8 KiB at least.
        head_bytes: section.option("head_bytes", 64 << 10, size(8 << 10..=1 << 20)),
        header_fields: section.option("header_fields", 100, number(10..=1000)),
        head_timeout: section.option("head_timeout", seconds(30), span()),
        body_timeout: section.option("body_timeout", seconds(60), span()),
    };
    section.finish();
    limits
}
