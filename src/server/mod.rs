//! Sockets and threads: from listening to the last answer before the end.
//!
//! One control runtime accepts connections and runs everything slow (store, hashing, health); one
//! current-thread runtime a core carries the requests, so that nothing on the way of a request is
//! shared but what [`Gateway`] holds.

mod admin;
mod advice;
mod certificates;
mod connection;
mod counting;
mod current;
mod descriptors;
mod follower;
mod housekeeping;
mod inherited;
mod listener;
mod lookout;
mod phase;
mod reload;
mod renewal;
mod socket_file;
mod sockets;
mod stream;
mod supervisor;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc};
use tokio::task;

use crate::admin::{Reload, Reloads};
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::{Background, BuildError, Gateway};
use crate::observe::{Event, Sink, Source};
use crate::priority;
use crate::server::certificates::Certificates;
use crate::server::current::Current;
use crate::server::inherited::Inherited;
use crate::server::listener::Listener;
use crate::server::phase::{Phase, Phases};
use crate::server::reload::Reloader;
use crate::server::sockets::Socket;

pub use certificates::{CertificateError, check as check_certificate};
pub use reload::{Load, Reloading};
pub use sockets::Address;

/// How long the end waits for what blocks a thread, such as the search for a collector's address.
const LAST_WORK: Duration = Duration::from_secs(2);

/// Why the server could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("{option}: cannot listen on {address}")]
    Listen {
        /// Which option names it.
        option: &'static str,
        /// Which address.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A socket was opened for us that no option names.
    #[error(
        "a socket for {0} was opened for us, and no option names it: add it to server.listen as it stands here, or take it out of the .socket unit"
    )]
    Unclaimed(String),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A thread or runtime could not be made.
    #[error("cannot start a thread")]
    Thread(#[from] std::io::Error),
    /// The gateway could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// A running server. Dropping it without [`Running::stop`] ends it at once.
pub struct Running {
    addresses: Vec<Address>,
    admin: Option<SocketAddr>,
    current: Arc<Current>,
    phases: Phases,
    acceptors: Vec<task::JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
    control: Runtime,
}

/// Starts the server, on the sockets that systemd opened for it where there are any: when this
/// returns, every listener accepts. `reloading`: how SIGHUP changes the configuration; without it,
/// the configuration stays.
pub fn start(
    config: Config,
    clock: Arc<dyn Clock>,
    reloading: Option<Reloading>,
) -> Result<Running, StartError> {
    let mut inherited = Inherited::take()?;
    let control = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .on_thread_start(priority::interrupt_nobody)
        .enable_all()
        .build()?;
    let tls = config.server.tls.clone().map(Certificates::load);
    let certificates = tls.transpose()?.map(Arc::new);
    let opened = sockets::open(&config.server, certificates.as_ref(), &mut inherited)?;
    let (sockets, addresses) = opened.into_iter().unzip();
    let admin = sockets::open_admin(&config.server, &mut inherited)?;
    if let Some(address) = inherited.unclaimed() {
        return Err(StartError::Unclaimed(address));
    }
    let background = Background::new(control.handle().clone());
    let current = Current::new(control.block_on(Gateway::build(config, clock, background))?);

    let phases = Phases::new();
    let (workers, lanes) = worker::start_all(&current, &phases)?;
    let mut running = Running {
        addresses,
        admin: admin.as_ref().map(|(_, address)| *address),
        current,
        phases,
        acceptors: Vec::new(),
        workers,
        control,
    };
    let (reloads, asked) = Reloads::new();
    running.look_after(certificates, reloading, asked)?;
    let admin = admin.map(|(socket, _)| (socket, reloads));
    running.accept(sockets, admin, lanes)?;
    running.tell_start();
    running.block_on(advice::give(&running.gateway()));
    supervisor::ready();
    Ok(running)
}

impl Running {
    /// The addresses that requests are accepted on.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The address of the admin listener.
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// What the server runs now.
    pub fn gateway(&self) -> Arc<Gateway> {
        self.current.gateway()
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
        supervisor::stopping();
        let drain = self.gateway().config.server.drain;
        self.gateway().readiness.stop();
        self.phases.enter(Phase::Stopping);
        let (workers, acceptors, phases) = (self.workers, self.acceptors, self.phases);
        let all_answered = self.control.block_on(async move {
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
        });
        let gateway = self.current.gateway();
        self.control.block_on(gateway.login.defence().keep_up());
        let stopped = Event::Stopped { all_answered };
        gateway.audit.tell(&Source::default(), stopped);
        if let Some(traces) = &gateway.traces {
            traces.stop();
        }
        gateway.logs().for_each(Sink::flush);
        self.control.shutdown_timeout(LAST_WORK);
        all_answered
    }

    fn tell_start(&self) {
        let gateway = self.gateway();
        let (audit, nobody) = (&gateway.audit, Source::default());
        for message in gateway.warnings() {
            audit.tell(&nobody, Event::ConfigurationWarning { message });
        }
        let version = env!("CARGO_PKG_VERSION");
        audit.tell(&nobody, Event::Started { version });
    }

    /// Looks after certificate and configuration from now on.
    fn look_after(
        &self,
        certificates: Option<Arc<Certificates>>,
        reloading: Option<Reloading>,
        asked: mpsc::Receiver<Reload>,
    ) -> std::io::Result<()> {
        let _inside = self.control.enter();
        let hangups = reload::listen()?;
        if let Some(certificates) = &certificates {
            let renewing = renewal::run(Arc::clone(certificates));
            self.control.spawn(renewing);
        }
        let reloader = Reloader {
            current: Arc::clone(&self.current),
            certificates,
            reloading,
        };
        let following = reload::follow(hangups, asked, Arc::new(reloader));
        self.control.spawn(following);
        Ok(())
    }

    fn accept(
        &mut self,
        sockets: Vec<Socket>,
        admin: Option<(std::net::TcpListener, Reloads)>,
        lanes: listener::Lanes,
    ) -> Result<(), StartError> {
        let connections = self.gateway().config.server.limits.connections;
        let room = descriptors::make_room(connections);
        let limit = &self.gateway().metrics.connections.limit;
        limit.set(i64::try_from(room).unwrap_or(i64::MAX));
        let permits = Arc::new(Semaphore::new(room));
        let _inside = self.control.enter();
        for socket in sockets {
            let accepting = listener::accept_all(
                Listener::new(socket)?,
                lanes.clone(),
                Arc::clone(&permits),
                self.phases.follow(),
            );
            self.acceptors.push(self.control.spawn(accepting));
        }
        if let Some((socket, reloads)) = admin {
            let socket = tokio::net::TcpListener::from_std(socket)?;
            self.control
                .spawn(admin::serve(socket, Arc::clone(&self.current), reloads));
        }
        if let Some(limit) = supervisor::watchdog() {
            self.control.spawn(supervisor::stay_alive(limit));
        }
        self.control
            .spawn(housekeeping::run(Arc::clone(&self.current)));
        self.control.spawn(follower::run(Arc::clone(&self.current)));
        self.control.spawn(counting::run(Arc::clone(&self.current)));
        Ok(())
    }
}
