//! `[headers]`: which headers of ours the apps receive, and which of the client's are dropped.

use super::section::Section;
use super::value::{choice, flag};

/// `[headers]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderSettings {
    /// Send `X-Forwarded-User` and the like.
    pub identity: bool,
    /// Send `X-Vestibule-Assertion`.
    pub assertion: bool,
    /// Send `Forwarded` (RFC 7239).
    pub forwarded: bool,
    /// Keep request headers with `_` in their name instead of dropping them.
    pub keep_underscores: bool,
}

pub(super) fn read(mut section: Section<'_>) -> HeaderSettings {
    let headers = HeaderSettings {
        identity: section.option("identity", true, flag),
        assertion: section.option("assertion", true, flag),
        forwarded: section.option("forwarded", false, flag),
        keep_underscores: section.option(
            "underscores",
            false,
            choice(&[("drop", false), ("keep", true)]),
        ),
    };
    section.finish();
    headers
}
