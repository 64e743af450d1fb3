//! Sockets and threads: from listening to the last answer before the end.
//!
//! One control runtime accepts connections and runs everything slow (store, hashing, health); one
//! current-thread runtime a core carries the requests, so that nothing on the way of a request is
//! shared but what [`Gateway`] holds.

mod admin;
mod connection;
mod descriptors;
mod housekeeping;
mod listener;
mod phase;
mod worker;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task;

use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::{Background, BuildError, Gateway};
use crate::server::phase::{Phase, Phases};

/// Why the server could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("{option}: cannot listen on {address}")]
    Listen {
        /// Which option names it.
        option: &'static str,
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread or runtime could not be made.
    #[error("cannot start a thread")]
    Thread(#[from] std::io::Error),
    /// The gateway could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// A running server. Dropping it without [`Running::stop`] ends it at once.
pub struct Running {
    addresses: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    gateway: Arc<Gateway>,
    phases: Phases,
    acceptors: Vec<task::JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
    control: Runtime,
}

/// Starts the server: when this returns, every listener accepts.
pub fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Running, StartError> {
    let control = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build()?;
    let listeners = listen("server.listen", &config.server.listen)?;
    let admin = config.server.admin_listen.as_slice();
    let admin_listener = listen("server.admin_listen", admin)?.pop();
    let background = Background::new(control.handle().clone());
    let gateway = Arc::new(control.block_on(Gateway::build(config, clock, background))?);

    let phases = Phases::new();
    let (workers, lanes) = worker::start_all(&gateway, &phases)?;
    let mut running = Running {
        addresses: addresses(&listeners)?,
        admin: addresses(admin_listener.as_slice())?.pop(),
        gateway,
        phases,
        acceptors: Vec::new(),
        workers,
        control,
    };
    running.accept(listeners, admin_listener, lanes)?;
    Ok(running)
}

impl Running {
    /// The addresses that requests are accepted on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The address of the admin listener.
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// What the server runs.
    pub const fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Runs `work` on the control runtime and waits for it.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.control.block_on(work)
    }

    /// Waits for SIGTERM or SIGINT and says which came.
    pub fn wait_for_signal(&self) -> std::io::Result<&'static str> {
        self.control.block_on(phase::stop_signal())
    }

    /// Stops: readiness goes first, then the listeners, then every request under way is answered,
    /// for as long as `server.drain` allows. Says whether all of them were.
    pub fn stop(self) -> bool {
        self.gateway.readiness.stop();
        self.phases.enter(Phase::Stopping);
        let drain = self.gateway.config.server.drain;
        let (workers, acceptors, phases) = (self.workers, self.acceptors, self.phases);
        self.control.block_on(async move {
            for acceptor in acceptors {
                // An acceptor that panicked has nothing left to hand on.
                let _ = acceptor.await;
            }
            let mut ended = task::spawn_blocking(move || {
                for worker in workers {
                    // A worker that panicked has no connection left.
                    let _ = worker.join();
                }
            });
            if tokio::time::timeout(drain, &mut ended).await.is_ok() {
                return true;
            }
            phases.enter(Phase::Over);
            let _ = ended.await;
            false
        })
    }

    fn accept(
        &mut self,
        listeners: Vec<TcpListener>,
        admin_listener: Option<TcpListener>,
        lanes: listener::Lanes,
    ) -> Result<(), StartError> {
        let connections = self.gateway.config.server.limits.connections;
        let permits = Arc::new(Semaphore::new(descriptors::make_room(connections)));
        let _inside = self.control.enter();
        for socket in listeners {
            let socket = tokio::net::TcpListener::from_std(socket)?;
            let accepting = listener::accept_all(
                socket,
                lanes.clone(),
                Arc::clone(&permits),
                self.phases.follow(),
            );
            self.acceptors.push(self.control.spawn(accepting));
        }
        if let Some(socket) = admin_listener {
            let socket = tokio::net::TcpListener::from_std(socket)?;
            self.control
                .spawn(admin::serve(socket, Arc::clone(&self.gateway)));
        }
        self.control
            .spawn(housekeeping::run(Arc::clone(&self.gateway)));
        Ok(())
    }
}

fn listen(option: &'static str, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, StartError> {
    let bind = |address: &SocketAddr| {
        TcpListener::bind(address)
            .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
            .map_err(|source| StartError::Listen {
                option,
                address: *address,
                source,
            })
    };
    addresses.iter().map(bind).collect()
}

fn addresses(sockets: &[TcpListener]) -> Result<Vec<SocketAddr>, StartError> {
    let addresses: Result<_, _> = sockets.iter().map(TcpListener::local_addr).collect();
    Ok(addresses?)
}
