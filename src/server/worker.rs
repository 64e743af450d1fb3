//! A data thread: one runtime, its connections, its ways to the apps.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet, spawn_local};

use crate::gateway::Gateway;
use crate::proxy::Upstreams;
use crate::server::connection;
use crate::server::current::{Current, Following, Held};
use crate::server::listener::{Accepted, Lanes};
use crate::server::lookout;
use crate::server::phase::{Follow, Phase, Phases};

/// How often a stopping thread looks whether its last tunnel has ended.
const TUNNEL_CHECK: Duration = Duration::from_millis(20);

/// What is not shared between data threads.
pub(super) struct Worker {
    current: Following,
    pub(super) upstreams: Rc<Upstreams>,
    pub(super) phase: Follow,
}

impl Worker {
    /// The gateway that answers the next request.
    pub(super) fn gateway(&self) -> Rc<Held> {
        let (gateway, is_new) = self.current.gateway();
        if is_new {
            let apps = gateway.config.routes.iter().map(|route| &route.upstream);
            self.upstreams.keep(&apps.collect());
        }
        gateway
    }
}

/// Starts the data threads and gives the ways to them. They end when the ways are dropped and the
/// last connection is over.
pub(super) fn start_all(
    current: &Arc<Current>,
    phases: &Phases,
) -> io::Result<(Vec<JoinHandle<()>>, Lanes)> {
    let mut threads = Vec::new();
    let mut lanes = Vec::new();
    for number in 0..current.gateway().config.server.threads {
        let (lane, arriving) = unbounded_channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let current = Arc::clone(current);
        let phase = phases.follow();
        let thread = thread::Builder::new()
            .name(format!("data-{number}"))
            .spawn(move || run(&runtime, &current, phase, arriving))?;
        threads.push(thread);
        lanes.push(lane);
    }
    Ok((threads, Lanes::new(lanes)))
}

fn run(runtime: &Runtime, current: &Current, phase: Follow, arriving: UnboundedReceiver<Accepted>) {
    LocalSet::new().block_on(runtime, async {
        let worker = Rc::new(Worker {
            current: current.follow(),
            upstreams: Upstreams::new(Arc::clone(&current.gateway().metrics)),
            phase: phase.clone(),
        });
        spawn_local(lookout::run(Rc::clone(&worker)));
        serve_all(&worker, arriving, current.changes()).await;
        end_tunnels(&worker.upstreams, phase).await;
    });
}

/// Serves connections as they arrive, until no more can arrive and the last one is over.
async fn serve_all(
    worker: &Rc<Worker>,
    mut arriving: UnboundedReceiver<Accepted>,
    mut changes: watch::Receiver<Arc<Gateway>>,
) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = arriving.recv() => match accepted {
                Some(accepted) => {
                    open.spawn_local(connection::serve(Rc::clone(worker), accepted));
                }
                None => break,
            },
            Some(ended) = open.join_next() => report(ended),
            // A thread without requests, too, lets go of what is not in use any more.
            Ok(()) = changes.changed() => drop(worker.gateway()),
        }
    }
    while let Some(ended) = open.join_next().await {
        report(ended);
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended in a fault of this program");
    }
}

/// Tunnels may go on until the drain limit.
async fn end_tunnels(upstreams: &Rc<Upstreams>, mut phase: Follow) {
    while upstreams.tunnels() > 0 && !phase.is_past(Phase::Over) {
        let _ = tokio::time::timeout(TUNNEL_CHECK, phase.reached(Phase::Over)).await;
    }
    upstreams.end_tunnels();
}
