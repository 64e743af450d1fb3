//! Sockets that the system's manager opened for us (`LISTEN_FDS`): each serves the option that names
//! its address.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;

use listenfd::ListenFd;

/// What we were handed and nobody has claimed yet.
#[derive(Default)]
pub(super) struct Inherited {
    ports: Vec<TcpListener>,
    files: Vec<UnixListener>,
}

impl Inherited {
    /// All that we were handed. A second call finds nothing.
    pub(super) fn take() -> io::Result<Self> {
        let mut handed = ListenFd::from_env();
        let mut inherited = Self::default();
        for index in 0..handed.len() {
            if let Ok(socket) = handed.take_tcp_listener(index) {
                inherited.ports.extend(socket);
            } else {
                // What is neither cannot be served at all.
                inherited.files.extend(handed.take_unix_listener(index)?);
            }
        }
        Ok(inherited)
    }

    /// The socket of this address, if we were handed one.
    pub(super) fn port(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let is_meant = |socket: &TcpListener| socket.local_addr().is_ok_and(|own| own == address);
        let index = self.ports.iter().position(is_meant)?;
        Some(self.ports.swap_remove(index))
    }

    /// The socket of this file, if we were handed one.
    pub(super) fn file(&mut self, path: &Path) -> Option<UnixListener> {
        let is_meant = |socket: &UnixListener| {
            let address = socket.local_addr();
            address.is_ok_and(|own| own.as_pathname() == Some(path))
        };
        let index = self.files.iter().position(is_meant)?;
        Some(self.files.swap_remove(index))
    }

    /// The address of a socket that nobody claimed: connections to it would never be answered.
    pub(super) fn unclaimed(&self) -> Option<String> {
        let port = || Some(self.ports.first()?.local_addr().ok()?.to_string());
        let file = || {
            let address = self.files.first()?.local_addr().ok()?;
            Some(format!("unix:{}", address.as_pathname()?.display()))
        };
        port().or_else(file)
    }
}
