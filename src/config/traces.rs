//! `[observe.traces]`: where spans go, and of how many requests.

use url::Url;

use super::problem::Complaint;
use super::read::{Node, Value};
use super::section::Section;
use super::value::{text, wrong_kind};
use crate::request::trace::Share;

/// Where a collector takes spans, below its address.
const PATH: &str = "/v1/traces";

/// `[observe.traces]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSettings {
    /// Where spans are sent: the whole URL.
    pub endpoint: String,
    /// Which of the traces that begin here are recorded.
    pub share: Share,
}

/// `None` where a problem was noted, `Some(None)` where nothing is sent.
pub(super) fn read(mut section: Section<'_>) -> Option<Option<TraceSettings>> {
    let endpoint = section.given("otlp_endpoint", endpoint);
    let share = section.option("sample", Share::ALL, share);
    let is_given = section.was_given("otlp_endpoint");
    if !is_given && section.was_given("sample") {
        section.refuse(
            "sample",
            Complaint::new("there is nobody to send traces to")
                .hint("name a collector: otlp_endpoint = \"http://127.0.0.1:4318\""),
        );
    }
    section.finish();
    if !is_given {
        return Some(None);
    }
    Some(Some(TraceSettings {
        endpoint: endpoint?,
        share,
    }))
}

fn endpoint(node: &Node) -> Result<String, Complaint> {
    let text = text(node)?;
    let hint = "write the address of the collector, such as \"http://127.0.0.1:4318\"";
    let wrong = |what: &str| Err(Complaint::new(what).hint(hint));
    let Ok(url) = Url::parse(text) else {
        return wrong("this is no URL");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return wrong("this does not start with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Complaint::new("this holds a user name or password")
            .hint("leave it out: give what the collector asks for in OTEL_EXPORTER_OTLP_HEADERS"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("this has a query or fragment");
    }
    let base = url.as_str().trim_end_matches('/');
    Ok(format!("{base}{PATH}"))
}

fn share(node: &Node) -> Result<Share, Complaint> {
    let number = match &node.value {
        Value::Fraction(number) => Some(*number),
        Value::Integer(0) => Some(0.0),
        Value::Integer(1) => Some(1.0),
        Value::Integer(_) => None,
        other => return Err(wrong_kind(other, "a number from 0.0 to 1.0")),
    };
    number.and_then(Share::new).ok_or_else(|| {
        Complaint::new("this is out of bounds").hint("write a number from 0.0 to 1.0")
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigError, parse};

    fn config(lines: &str) -> Result<Config, ConfigError> {
        let start = "[[routes]]\nupstream = \"http://127.0.0.1:3000\"\n[observe.traces]\n";
        parse(&format!("{start}{lines}"), Path::new("/etc/v"))
    }

    #[test]
    fn traces_go_below_the_address_of_the_collector() {
        assert_eq!(config("").unwrap().observe.traces, None);
        for (written, endpoint) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://[::1]:4318/", "http://[::1]:4318/v1/traces"),
            ("https://otel.example", "https://otel.example/v1/traces"),
            (
                "http://otel.internal/otlp",
                "http://otel.internal/otlp/v1/traces",
            ),
        ] {
            let lines = format!("otlp_endpoint = '{written}'");
            let traces = config(&lines).unwrap().observe.traces.unwrap();
            assert_eq!(traces.endpoint, endpoint);
            assert_eq!(traces.share, Share::ALL);
        }
        for (written, share) in [("0", 0.0), ("1", 1.0), ("0.25", 0.25), ("1e-3", 0.001)] {
            let lines = format!("otlp_endpoint = 'http://c'\nsample = {written}");
            let traces = config(&lines).unwrap().observe.traces.unwrap();
            assert_eq!(Share::new(share), Some(traces.share));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, said) in [
            ("otlp_endpoint = ''", "otlp_endpoint: this is no URL"),
            (
                "otlp_endpoint = '127.0.0.1:4318'",
                "otlp_endpoint: this is no URL",
            ),
            (
                "otlp_endpoint = 'localhost:4318'",
                "otlp_endpoint: this does not start with http:// or https://",
            ),
            (
                "otlp_endpoint = 'http://a:hunter2@c'",
                "otlp_endpoint: this holds a user name or password",
            ),
            (
                "otlp_endpoint = 'http://c/?key=hunter2'",
                "otlp_endpoint: this has a query",
            ),
            ("otlp_endpoint = 4318", "otlp_endpoint: this is a number"),
            ("sample = 0.5", "sample: there is nobody to send traces to"),
            (
                "otlp_endpoint = 'http://c'\nsample = 1.5",
                "sample: this is out of bounds",
            ),
            (
                "otlp_endpoint = 'http://c'\nsample = nan",
                "sample: this is out of bounds",
            ),
            (
                "otlp_endpoint = 'http://c'\nsample = 2",
                "sample: this is out of bounds",
            ),
            (
                "otlp_endpoint = 'http://c'\nsample = '50%'",
                "sample: this is a text",
            ),
            ("endpoint = 'http://c'", "endpoint: there is no such option"),
        ] {
            let report = config(line).unwrap_err().to_string();
            assert!(
                report.contains(&format!("observe.traces.{said}")),
                "{report}"
            );
            assert!(
                report.ends_with("1 problem in /etc/v/config.toml"),
                "{report}"
            );
            assert!(!report.contains("hunter2"), "{report}");
        }
    }
}
