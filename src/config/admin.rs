//! `server.admin_…`: who may call the admin API, and under which names it is reached.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::request::Host;

use super::problem::Complaint;
use super::read::Node;
use super::section::Section;
use super::value::text;

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
