//! `upstream` of a route: where the app is and how long to wait for it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::request::{Host, Scheme};

use super::listen::socket_path;
use super::problem::Complaint;
use super::read::{Node, Value};
use super::section::Section;
use super::value::{duration, text};

/// Where an app is and how long to wait for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamSettings {
    /// Where it is.
    pub address: AppAddress,
    /// For a connection.
    pub connect_timeout: Duration,
    /// For the head of the answer, counted from the last byte of the request.
    pub response_timeout: Duration,
}

/// Where an app is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AppAddress {
    /// `http://host:port`.
    Network {
        /// Host name or address; an IPv6 address without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl AppAddress {
    /// The `Host` of a request that came without one.
    pub fn authority(&self) -> String {
        match self {
            Self::Network { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Network { host, port } => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// As it is written in the configuration.
impl fmt::Display for UpstreamSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            AppAddress::Network { .. } => write!(f, "http://{}", self.address.authority()),
            AppAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Reads the options of a route that are about its app. Relative paths start at `folder`. `None`
/// where a problem was noted.
pub(super) fn read(route: &mut Section<'_>, folder: &Path) -> Option<UpstreamSettings> {
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
    let address = route.given("upstream", |node| address(node, folder));
    if !route.was_given("upstream") {
        let missing = Complaint::new("it is missing");
        route.refuse(
            "upstream",
            missing.hint("say where the app is, such as upstream = \"http://127.0.0.1:3000\""),
        );
    }
    Some(UpstreamSettings {
        address: address?,
        connect_timeout,
        response_timeout,
    })
}

fn address(node: &Node, folder: &Path) -> Result<AppAddress, Complaint> {
    const FORM: &str = "write \"http://host:port\", or \"unix:\" and the path of a socket";
    if matches!(node.value, Value::List(_)) {
        return Err(
            Complaint::new("a list of servers is not supported by this version").hint(FORM),
        );
    }
    let url = text(node)?;
    if let Some(path) = url.strip_prefix("unix:") {
        return Ok(AppAddress::Unix(socket_path(path, folder)?));
    }
    let lower = url.to_ascii_lowercase();
    for scheme in ["https:", "h2c:", "ws:", "wss:"] {
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
    Ok(AppAddress::Network {
        host: name.to_owned(),
        port,
    })
}
