//! Opens the sockets that the configuration names.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Listen, ServerSettings};
use crate::server::StartError;
use crate::server::certificates::Certificates;
use crate::server::inherited::Inherited;
use crate::server::socket_file::{self, SocketFile};

/// A socket that accepts connections for requests.
pub(super) enum Socket {
    /// TCP.
    Tcp(TcpListener, Purpose),
    /// A unix socket, with its file where it is ours to remove.
    Unix(UnixListener, Option<SocketFile>),
}

/// What connections to a port are for.
#[derive(Clone)]
pub(super) enum Purpose {
    /// Requests.
    Plain,
    /// Requests over TLS.
    Tls(Arc<Certificates>),
    /// Being sent on to https.
    Redirect,
}

/// Where a running server accepts requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Plain HTTP.
    Http(SocketAddr),
    /// HTTP over TLS.
    Https(SocketAddr),
    /// Plain HTTP, where every request is sent on to https.
    Redirect(SocketAddr),
    /// Plain HTTP on a unix socket.
    Unix(PathBuf),
}

/// `http://127.0.0.1:8080`, `https://127.0.0.1:8443`, `unix:/run/vestibule.sock`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Https(address) => write!(f, "https://{address}"),
            Self::Redirect(address) => write!(f, "http://{address}"),
            Self::Http(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Opens every socket for requests that is not open already, each with its address as it turned out.
pub(super) fn open(
    server: &ServerSettings,
    certificates: Option<&Arc<Certificates>>,
    inherited: &mut Inherited,
) -> Result<Vec<(Socket, Address)>, StartError> {
    let mut opened = Vec::new();
    for listen in &server.listen {
        let socket = match listen {
            Listen::Address(address) => open_port(*address, Purpose::Plain, inherited),
            Listen::Tls(address) => match certificates {
                Some(certificates) => {
                    let purpose = Purpose::Tls(Arc::clone(certificates));
                    open_port(*address, purpose, inherited)
                }
                None => Err(io::Error::other("there is no certificate")),
            },
            Listen::Unix(path) => open_unix(path, server.socket_mode, inherited),
        };
        opened.push(socket.map_err(failed("server.listen", listen))?);
    }
    for address in &server.redirect_listen {
        let socket = open_port(*address, Purpose::Redirect, inherited);
        opened.push(socket.map_err(failed("server.redirect_listen", address))?);
    }
    Ok(opened)
}

/// Opens the socket of the admin listener, unless it is open already.
pub(super) fn open_admin(
    server: &ServerSettings,
    inherited: &mut Inherited,
) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let open = |address| {
        let opened = open_tcp(address, inherited);
        opened.map_err(failed("server.admin_listen", &address))
    };
    server.admin_listen.map(open).transpose()
}

fn open_port(
    address: SocketAddr,
    purpose: Purpose,
    inherited: &mut Inherited,
) -> io::Result<(Socket, Address)> {
    let (socket, address) = open_tcp(address, inherited)?;
    let address = match purpose {
        Purpose::Plain => Address::Http(address),
        Purpose::Tls(_) => Address::Https(address),
        Purpose::Redirect => Address::Redirect(address),
    };
    Ok((Socket::Tcp(socket, purpose), address))
}

fn open_tcp(
    address: SocketAddr,
    inherited: &mut Inherited,
) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = match inherited.port(address) {
        Some(socket) => socket,
        None => TcpListener::bind(address)?,
    };
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

fn open_unix(path: &Path, mode: u32, inherited: &mut Inherited) -> io::Result<(Socket, Address)> {
    let (socket, file) = match inherited.file(path) {
        Some(socket) => (socket, None),
        None => {
            let (socket, file) = socket_file::listen(path, mode)?;
            (socket, Some(file))
        }
    };
    socket.set_nonblocking(true)?;
    Ok((Socket::Unix(socket, file), Address::Unix(path.to_owned())))
}

fn failed(option: &'static str, address: &impl fmt::Display) -> impl Fn(io::Error) -> StartError {
    let address = address.to_string();
    move |source| StartError::Listen {
        option,
        address: address.clone(),
        source,
    }
}
