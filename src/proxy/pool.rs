//! What one data thread keeps between requests: idle connections to the apps, open tunnels, and who waits.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep_until};

use crate::config::UpstreamSettings;
use crate::observe::Metrics;
use crate::observe::metrics::PoolMeter;
use crate::proxy::ForwardError;
use crate::proxy::connect::{Connection, connect};
use crate::proxy::streams::Streams;
use crate::proxy::tunnel::Tunnels;

/// How long a connection may be idle: less than the 5 s after which common app servers close it.
const IDLE: Duration = Duration::from_secs(4);

/// What one data thread holds of the way to the apps: idle connections, open tunnels, and whose exchanges
/// are under way.
pub struct Upstreams {
    pools: RefCell<HashMap<UpstreamSettings, Rc<Pool>>>,
    pub(super) tunnels: Rc<Tunnels>,
    pub(super) streams: Rc<Streams>,
    metrics: Arc<Metrics>,
}

/// The idle connections to one app, the last used on top.
pub(super) struct Pool {
    to: UpstreamSettings,
    idle: RefCell<Vec<Idle>>,
    reaper: RefCell<Option<JoinHandle<()>>>,
    pub(super) meter: PoolMeter,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Upstreams {
    /// No connections yet.
    pub fn new(metrics: Arc<Metrics>) -> Rc<Self> {
        Rc::new(Self {
            pools: RefCell::default(),
            tunnels: Tunnels::new(metrics.connections.tunnels.clone()),
            streams: Rc::default(),
            metrics,
        })
    }

    /// Lets go of the idle connections to all other apps. Requests under way end as they would.
    pub fn keep(&self, apps: &HashSet<&UpstreamSettings>) {
        let mut pools = self.pools.borrow_mut();
        pools.retain(|to, _| apps.contains(to));
    }

    /// The exchanges that end with their session.
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    /// How many tunnels are open.
    pub fn tunnels(&self) -> usize {
        self.tunnels.open()
    }

    /// Ends all tunnels: the drain limit is reached.
    pub fn end_tunnels(&self) {
        self.tunnels.end();
    }

    /// The connections to one app.
    pub(super) fn pool(&self, to: &UpstreamSettings) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        if let Some(pool) = pools.get(to) {
            return Rc::clone(pool);
        }
        let pool = Rc::new(Pool {
            to: to.clone(),
            idle: RefCell::default(),
            reaper: RefCell::default(),
            meter: self.metrics.pool(to),
        });
        pools.insert(to.clone(), Rc::clone(&pool));
        pool
    }
}

impl Pool {
    /// The connection used last that still works, if any.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let now = Instant::now();
        while let Some(Idle { connection, since }) = idle.pop() {
            self.meter.idle.dec();
            if connection.sender.is_ready() && now.duration_since(since) < IDLE {
                self.meter.reused.inc();
                return Some(connection);
            }
        }
        None
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Connection, ForwardError> {
        let connection = connect(&self.to).await?;
        self.meter.opened.inc();
        Ok(connection)
    }

    /// Keeps a connection that is ready for the next request.
    pub(super) fn put(self: &Rc<Self>, connection: Connection) {
        self.meter.idle.inc();
        self.idle.borrow_mut().push(Idle {
            connection,
            since: Instant::now(),
        });
        let mut reaper = self.reaper.borrow_mut();
        if reaper.as_ref().is_none_or(JoinHandle::is_finished) {
            *reaper = Some(spawn_local(reap(Rc::downgrade(self))));
        }
    }

    /// Drops what was idle for too long; tells when to look again, `None` when nothing is left.
    fn drop_stale(&self) -> Option<Instant> {
        let mut idle = self.idle.borrow_mut();
        let now = Instant::now();
        idle.retain(|idle| {
            let stays = !idle.connection.sender.is_closed() && now < idle.since + IDLE;
            if !stays {
                self.meter.idle.dec();
            }
            stays
        });
        idle.first().map(|oldest| oldest.since + IDLE)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(reaper) = self.reaper.take() {
            reaper.abort();
        }
        for _ in self.idle.take() {
            self.meter.idle.dec();
        }
    }
}

/// Drops idle connections when no traffic does; ends when none is left.
async fn reap(pool: Weak<Pool>) {
    while let Some(next) = pool.upgrade().and_then(|pool| pool.drop_stale()) {
        sleep_until(next).await;
    }
}
