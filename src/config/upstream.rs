//! `upstream` of a route: where the app is and how long to wait for it.

use std::fmt;
use std::time::Duration;

use crate::request::{Host, Scheme};

use super::problem::Complaint;
use super::read::{Node, Value};
use super::section::Section;
use super::value::{duration, text};

/// Where an app is and how long to wait for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamSettings {
    /// Host name or address; an IPv6 address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// For a connection.
    pub connect_timeout: Duration,
    /// For the head of the answer, counted from the last byte of the request.
    pub response_timeout: Duration,
}

/// As it is written in the configuration.
impl fmt::Display for UpstreamSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "http://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "http://{}:{}", self.host, self.port)
        }
    }
}

/// Reads the options of a route that are about its app. `None` where a problem was noted.
pub(super) fn read(route: &mut Section<'_>) -> Option<UpstreamSettings> {
    let least = Duration::from_millis(10);
    let connect_timeout = route.option(
        "connect_timeout",
        Duration::from_secs(5),
        duration(least..=Duration::from_mins(5)),
    );
    let response_timeout = route.option(
        "response_timeout",
        Duration::from_mins(1),
        duration(least..=Duration::from_hours(24)),
    );
    let address = route.given("upstream", address);
    if !route.was_given("upstream") {
        let missing = Complaint::new("it is missing");
        route.refuse(
            "upstream",
            missing.hint("say where the app is, such as upstream = \"http://127.0.0.1:3000\""),
        );
    }
    let (host, port) = address?;
    Some(UpstreamSettings {
        host,
        port,
        connect_timeout,
        response_timeout,
    })
}

fn address(node: &Node) -> Result<(String, u16), Complaint> {
    const FORM: &str = "write \"http://host:port\"";
    if matches!(node.value, Value::List(_)) {
        return Err(
            Complaint::new("a list of servers is not supported by this version").hint(FORM),
        );
    }
    let url = text(node)?;
    let lower = url.to_ascii_lowercase();
    for scheme in ["https:", "h2c:", "unix:", "ws:", "wss:"] {
        if lower.starts_with(scheme) {
            return Err(
                Complaint::new(format!("{scheme} is not supported by this version")).hint(FORM),
            );
        }
    }
    let Some(rest) = lower.strip_prefix("http://") else {
        return Err(Complaint::new(format!("{url:?} is not the address of an app")).hint(FORM));
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err(Complaint::new(format!("{url:?} has a path")).hint(
            "the app receives the path that was asked for: write \"http://host:port\" only",
        ));
    }
    let host = Host::parse(authority).ok_or_else(|| {
        Complaint::new(format!("{url:?} is not the address of an app")).hint(FORM)
    })?;
    let port = host.port().unwrap_or(Scheme::Http.default_port());
    let name = host.name().trim_matches(['[', ']']);
    Ok((name.to_owned(), port))
}
