//! Opens the sockets that the configuration names.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Listen, ServerSettings};
use crate::server::StartError;
use crate::server::certificates::Certificates;
use crate::server::socket_file::{self, SocketFile};

/// A socket that accepts connections for requests.
pub(super) enum Socket {
    /// TCP.
    Tcp(TcpListener, Purpose),
    /// A unix socket, with its file.
    Unix(UnixListener, SocketFile),
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

/// Opens every socket for requests, each with its address as it turned out.
pub(super) fn open(
    server: &ServerSettings,
    certificates: Option<&Arc<Certificates>>,
) -> Result<Vec<(Socket, Address)>, StartError> {
    let open = |listen: &Listen| {
        let opened = match listen {
            Listen::Address(address) => open_port(*address, Purpose::Plain),
            Listen::Tls(address) => match certificates {
                Some(certificates) => open_port(*address, Purpose::Tls(Arc::clone(certificates))),
                None => Err(io::Error::other("there is no certificate")),
            },
            Listen::Unix(path) => open_unix(path, server.socket_mode),
        };
        opened.map_err(failed("server.listen", listen))
    };
    let redirect = |address: &SocketAddr| {
        open_port(*address, Purpose::Redirect).map_err(failed("server.redirect_listen", address))
    };
    let listeners = server.listen.iter().map(open);
    let redirects = server.redirect_listen.iter().map(redirect);
    listeners.chain(redirects).collect()
}

/// Opens the socket of the admin listener.
pub(super) fn open_admin(
    server: &ServerSettings,
) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let open = |address| open_tcp(address).map_err(failed("server.admin_listen", &address));
    server.admin_listen.map(open).transpose()
}

fn open_port(address: SocketAddr, purpose: Purpose) -> io::Result<(Socket, Address)> {
    let (socket, address) = open_tcp(address)?;
    let address = match purpose {
        Purpose::Plain => Address::Http(address),
        Purpose::Tls(_) => Address::Https(address),
        Purpose::Redirect => Address::Redirect(address),
    };
    Ok((Socket::Tcp(socket, purpose), address))
}

fn open_tcp(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

fn open_unix(path: &PathBuf, mode: u32) -> io::Result<(Socket, Address)> {
    let (socket, file) = socket_file::listen(path, mode)?;
    socket.set_nonblocking(true)?;
    Ok((Socket::Unix(socket, file), Address::Unix(path.clone())))
}

fn failed(option: &'static str, address: &impl fmt::Display) -> impl Fn(io::Error) -> StartError {
    let address = address.to_string();
    move |source| StartError::Listen {
        option,
        address: address.clone(),
        source,
    }
}
