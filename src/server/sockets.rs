//! Opens the sockets that the configuration names.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use crate::config::{Listen, ServerSettings};
use crate::server::StartError;
use crate::server::socket_file::{self, SocketFile};

/// A socket that accepts connections for requests.
pub(super) enum Socket {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket, with its file.
    Unix(UnixListener, SocketFile),
}

/// Where a running server accepts requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Plain HTTP.
    Http(SocketAddr),
    /// Plain HTTP on a unix socket.
    Unix(PathBuf),
}

/// `http://127.0.0.1:8080`, `unix:/run/vestibule.sock`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Opens every socket for requests, each with its address as it turned out.
pub(super) fn open(server: &ServerSettings) -> Result<Vec<(Socket, Address)>, StartError> {
    let open = |listen: &Listen| {
        let opened = match listen {
            Listen::Address(address) => open_tcp(*address)
                .map(|(socket, address)| (Socket::Tcp(socket), Address::Http(address))),
            Listen::Unix(path) => open_unix(path, server.socket_mode),
        };
        opened.map_err(failed("server.listen", listen))
    };
    server.listen.iter().map(open).collect()
}

/// Opens the socket of the admin listener.
pub(super) fn open_admin(
    server: &ServerSettings,
) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let open = |address| open_tcp(address).map_err(failed("server.admin_listen", &address));
    server.admin_listen.map(open).transpose()
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
