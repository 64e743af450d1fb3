//! Where connections come in: an address, or the file of a unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::problem::Complaint;
use super::read::Node;
use super::value::text;

/// Where connections come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Address and port.
    Address(SocketAddr),
    /// The file of a unix socket.
    Unix(PathBuf),
}

/// As it is written in the configuration.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listen {
    /// Whether the system chooses the port: two such listeners do not collide.
    pub(super) fn is_any_port(&self) -> bool {
        matches!(self, Self::Address(address) if address.port() == 0)
    }
}

const LISTEN: &str = "write an address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\", or \"unix:\" and the path of a socket";

const ADDRESS: &str = "write an address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"";

/// An address or a unix socket. Relative paths start at `folder`.
pub(super) fn listen(node: &Node, folder: &Path) -> Result<Listen, Complaint> {
    let written = text(node)?;
    match written.strip_prefix("unix:") {
        Some(path) => Ok(Listen::Unix(socket_path(path, folder)?)),
        None => parse(written, LISTEN).map(Listen::Address),
    }
}

/// The complaint about a list that is empty.
pub(super) fn none_given() -> Complaint {
    Complaint::new("the list is empty").hint(LISTEN)
}

/// An address only.
pub(super) fn address(node: &Node) -> Result<SocketAddr, Complaint> {
    parse(text(node)?, ADDRESS)
}

fn parse(written: &str, hint: &str) -> Result<SocketAddr, Complaint> {
    let unreadable = || Complaint::new(format!("{written:?} is not an address to listen on"));
    written.parse().map_err(|_| unreadable().hint(hint))
}

/// What follows `unix:`. The system takes no longer path than 107 bytes.
pub(super) fn socket_path(path: &str, folder: &Path) -> Result<PathBuf, Complaint> {
    const LONGEST: usize = 107;
    const FORM: &str = "write the path of the socket's file, such as \"unix:/run/app.sock\"";
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.ends_with('/') {
        return Err(Complaint::new("the path of the socket is missing").hint(FORM));
    }
    if path.starts_with('@') {
        return Err(Complaint::new("sockets without a file are not supported").hint(FORM));
    }
    let path = folder.join(path);
    if path.as_os_str().len() > LONGEST {
        let long = format!("{} is longer than {LONGEST} bytes", path.display());
        return Err(Complaint::new(long).hint("the system takes no longer path: choose a shorter"));
    }
    Ok(path)
}

/// Permissions as `chmod` takes them: `"0660"`.
pub(super) fn mode(node: &Node) -> Result<u32, Complaint> {
    let written = text(node)?;
    let is_octal = matches!(written.len(), 3 | 4) && written.bytes().all(|b| b.is_ascii_digit());
    u32::from_str_radix(written, 8)
        .ok()
        .filter(|mode| is_octal && *mode <= 0o777)
        .ok_or_else(|| {
            Complaint::new(format!("{written:?} is not a mode"))
                .hint("write it as chmod takes it, such as \"0660\": 0 to 0777")
        })
}
