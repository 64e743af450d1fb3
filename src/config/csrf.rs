//! `[csrf]`: by what requests that change something are judged, and whose pages, besides our own, may
//! send them.

use http::HeaderName;

use crate::policy::{CsrfMode, CsrfSettings, TrustedOrigins};
use crate::request::connection;

use super::problem::Complaint;
use super::read::Node;
use super::section::Section;
use super::server::origin;
use super::value::{choice, text};

const USUAL_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// Names with another meaning, beside those that somebody relies on.
const TAKEN: [&str; 7] = [
    "connection",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "upgrade",
    "x-request-id",
];

pub(super) fn read(mut section: Section<'_>, warnings: &mut Vec<String>) -> CsrfSettings {
    let modes = [
        ("fetch-metadata", CsrfMode::FetchMetadata),
        ("double-submit", CsrfMode::DoubleSubmit),
        ("both", CsrfMode::Both),
    ];
    let origins = section.list("trusted_origins", &[], origin);
    let settings = CsrfSettings {
        mode: section.option("mode", CsrfMode::default(), choice(&modes)),
        header: section.option("header", USUAL_HEADER, header),
        trusted_origins: TrustedOrigins(origins.unwrap_or_default()),
    };
    section.finish();
    if !settings.asks_for_token() && settings.header != USUAL_HEADER {
        warnings.push(
            "csrf.header names a header that nobody looks at: csrf.mode is \"fetch-metadata\""
                .to_owned(),
        );
    }
    settings
}

fn header(node: &Node) -> Result<HeaderName, Complaint> {
    let written = text(node)?;
    let complaint = |what: &str| {
        Complaint::new(format!("{written:?} {what}"))
            .hint("the usual one is \"x-csrf-token\"; another begins with x- as well")
    };
    let name = HeaderName::from_bytes(written.as_bytes());
    let name = name.map_err(|_| complaint("is not the name of a header"))?;
    if name.as_str().contains('_') {
        return Err(complaint("has a _, and many servers drop such headers"));
    }
    let is_csrf = name.as_str().starts_with("x-csrf");
    let is_taken = connection::is_needed(name.as_str()) || TAKEN.contains(&name.as_str());
    match is_taken && !is_csrf {
        true => Err(complaint("means something else already")),
        false => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigError, parse};

    fn read(csrf: &str) -> Result<Config, ConfigError> {
        let text = format!("[[routes]]\nupstream = 'http://h:1'\n[csrf]\n{csrf}");
        parse(&text, Path::new(""))
    }

    #[test]
    fn where_a_request_comes_from_counts_unless_told_otherwise() {
        for (lines, mode, header) in [
            ("", CsrfMode::FetchMetadata, "x-csrf-token"),
            (
                "mode = 'double-submit'",
                CsrfMode::DoubleSubmit,
                "x-csrf-token",
            ),
            (
                "mode = 'both'\nheader = 'X-XSRF-Token'",
                CsrfMode::Both,
                "x-xsrf-token",
            ),
        ] {
            let config = read(lines).unwrap();
            assert_eq!(config.csrf.mode, mode, "{lines}");
            assert_eq!(config.csrf.header, header, "{lines}");
            assert!(config.warnings.is_empty(), "{:?}", config.warnings);
        }
    }

    #[test]
    fn a_header_that_nobody_looks_at_is_warned_of() {
        let warnings = read("header = 'x-xsrf-token'").unwrap().warnings;
        assert!(warnings[0].starts_with("csrf.header"), "{warnings:?}");
    }

    #[test]
    fn it_cannot_be_turned_off_and_the_header_must_be_free() {
        for (line, said) in [
            ("mode = 'off'", "\"fetch-metadata\""),
            ("mode = false", "csrf.mode"),
            ("header = 'Cookie'", "means something else"),
            ("header = 'authorization'", "means something else"),
            ("header = 'Origin'", "means something else"),
            ("header = 'sec-fetch-site'", "means something else"),
            ("header = 'content-type'", "means something else"),
            ("header = 'accept-language'", "means something else"),
            ("header = 'X-Forwarded-User'", "means something else"),
            ("header = 'x_csrf_token'", "has a _"),
            ("header = 'not a name'", "not the name of a header"),
            ("header = ''", "not the name of a header"),
        ] {
            let refused = read(line).unwrap_err().to_string();
            assert!(refused.contains(said), "{line}: {refused}");
        }
    }
}
