//! Where connections come in: an address, with or without TLS, or the file of a unix socket.

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
    /// Address and port, with TLS.
    Tls(SocketAddr),
    /// The file of a unix socket.
    Unix(PathBuf),
}

/// As it is written in the configuration.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Tls(address) => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listen {
    /// Whether the two would take the same address. Port 0 asks the system for any free port: two of
    /// them do not collide.
    pub(super) fn collides_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unix(path), Self::Unix(other)) => path == other,
            (
                Self::Address(address) | Self::Tls(address),
                Self::Address(other) | Self::Tls(other),
            ) => address == other && address.port() != 0,
            (Self::Unix(_), _) | (_, Self::Unix(_)) => false,
        }
    }
}

const LISTEN: &str = "write an address and a port, such as \"127.0.0.1:8080\", with https:// before it for TLS, or \"unix:\" and the path of a socket";

const ADDRESS: &str = "write an address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"";

/// An address or a unix socket. Relative paths start at `folder`.
pub(super) fn listen(node: &Node, folder: &Path) -> Result<Listen, Complaint> {
    let written = text(node).map_err(|wrong| wrong.hint(LISTEN))?;
    if let Some(path) = written.strip_prefix("unix:") {
        return Ok(Listen::Unix(socket_path(path, folder)?));
    }
    match written.strip_prefix("https://") {
        Some(address) => parse(address, LISTEN).map(Listen::Tls),
        None => parse(written, LISTEN).map(Listen::Address),
    }
}

/// The complaint about a list that is empty.
pub(super) fn none_given() -> Complaint {
    Complaint::new("the list is empty").hint(LISTEN)
}

/// An address only.
pub(super) fn address(node: &Node) -> Result<SocketAddr, Complaint> {
    let written = text(node).map_err(|wrong| wrong.hint(ADDRESS))?;
    parse(written, ADDRESS)
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

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const ROUTE: &str = "[[routes]]\nupstream = \"http://127.0.0.1:3000\"\n";

    #[test]
    fn wrong_listeners_are_refused() {
        for (text, complaint) in [
            (
                "[server]\nlisten = 'https://[::]:443'",
                "config.toml:2: server.listen: ",
            ),
            (
                "[server]\nlisten = 'https://localhost'",
                "config.toml:2: server.listen: ",
            ),
            (
                "[server]\nlisten = ['127.0.0.1:443', 'https://127.0.0.1:443']\n[server.tls]\ncert = 'c'\nkey = 'k'",
                "config.toml:2: server.listen: ",
            ),
            (
                "[server.tls]\ncert = 'c.pem'\nkey = 'k.pem'",
                "config.toml:1: server.tls: ",
            ),
            (
                "[server]\nlisten = 'https://[::]:443'\n[server.tls]\ncert = 'c.pem'",
                "config.toml:3: server.tls.key: ",
            ),
            (
                "[server]\nredirect_listen = '[::]:80'",
                "config.toml:2: server.redirect_listen: ",
            ),
            (
                "[server]\npublic_url = 'https://a.example'\nredirect_listen = '127.0.0.1:8080'",
                "config.toml:3: server.redirect_listen: ",
            ),
            ("[server]\nhsts = 'forever'", "config.toml:2: server.hsts: "),
            (
                "[server]\nhsts = 'max-age=1; max-age=2'",
                "config.toml:2: server.hsts: ",
            ),
            (
                "[server]\nhsts = 'includeSubDomains'",
                "config.toml:2: server.hsts: ",
            ),
            (
                "[server]\nsocket_mode = '0888'",
                "config.toml:2: server.socket_mode: ",
            ),
            (
                "[server]\nsocket_mode = '1777'",
                "config.toml:2: server.socket_mode: ",
            ),
            (
                "[server]\nsocket_mode = '+66'",
                "config.toml:2: server.socket_mode: ",
            ),
            (
                "[server]\nsocket_mode = 660",
                "config.toml:2: server.socket_mode: ",
            ),
        ] {
            let error = parse(&format!("{text}\n{ROUTE}"), Path::new(""))
                .err()
                .unwrap_or_else(|| panic!("nothing is wrong: {text}"));
            assert!(error.to_string().starts_with(complaint), "{text}: {error}");
        }
    }
}
