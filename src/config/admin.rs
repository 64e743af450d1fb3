//! `server.admin_…`: who may call the admin API, and under which names it is reached.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::request::Host;

use super::problem::Complaint;
use super::read::Node;
use super::section::Section;
use super::value::text;
use super::{AppAddress, RouteSettings};

/// The admin API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminSettings {
    /// The file of the admin token; `None`: there is no API.
    pub token_file: Option<PathBuf>,
    /// The names under which it answers, beside addresses and `localhost`.
    pub hosts: Vec<Host>,
}

/// Relative paths start at `folder`. `None` where a problem was noted.
pub(super) fn read(
    section: &mut Section<'_>,
    folder: &Path,
    listen: Option<SocketAddr>,
    warnings: &mut Vec<String>,
) -> Option<AdminSettings> {
    let token_file = section.given("admin_token_file", |node| file(node, folder));
    let hosts = section.list("admin_hosts", &[], host);
    match listen {
        None if token_file.is_some() => {
            let nowhere = Complaint::new("the admin API would listen nowhere");
            let hint = "give server.admin_listen an address, or leave the token out";
            section.refuse("admin_token_file", nowhere.hint(hint));
        }
        Some(address) if token_file.is_some() && !address.ip().is_loopback() => {
            warnings.push(format!(
                "server.admin_listen {address} is not this machine alone: the admin token goes there over plain http, where others may read it"
            ));
        }
        Some(_) | None => {}
    }
    Some(AdminSettings {
        token_file,
        hosts: hosts?,
    })
}

/// Warns of routes that lead visitors to the admin listener.
pub(super) fn check_routes(
    listen: Option<SocketAddr>,
    routes: &[RouteSettings],
    warnings: &mut Vec<String>,
) {
    let Some(listen) = listen else {
        return;
    };
    for RouteSettings {
        route, upstream, ..
    } in routes
    {
        if leads_to(&upstream.address, listen) {
            warnings.push(format!(
                "route {} leads to server.admin_listen {listen}: whom it lets in can read the metrics and try admin tokens",
                route.name.as_str()
            ));
        }
    }
}

/// As far as can be told without looking names up.
fn leads_to(app: &AppAddress, listen: SocketAddr) -> bool {
    let AppAddress::Network { host, port } = app else {
        return false;
    };
    let is_localhost = host.eq_ignore_ascii_case("localhost");
    let ip: Option<IpAddr> = host.parse().ok();
    let is_here = is_localhost || ip.is_some_and(|ip| ip.is_loopback());
    *port == listen.port()
        && (ip == Some(listen.ip())
            || is_here && listen.ip().is_unspecified()
            || is_localhost && listen.ip().is_loopback())
}

fn file(node: &Node, folder: &Path) -> Result<PathBuf, Complaint> {
    match text(node)? {
        "" => Err(Complaint::new("the path is empty")
            .hint("name the file that holds the token, or leave the option out for no admin API")),
        path => Ok(folder.join(path)),
    }
}

fn host(node: &Node) -> Result<Host, Complaint> {
    let name = text(node)?;
    let host = Host::parse(name).filter(|host| host.port().is_none());
    host.ok_or_else(|| {
        Complaint::new(format!("{name:?} is not the name of a host"))
            .hint("write a name without scheme and port, such as \"gateway.internal\"")
    })
}
