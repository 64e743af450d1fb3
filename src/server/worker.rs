//! A data thread: one runtime, its connections, its ways to the apps.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinSet, LocalSet};

use crate::gateway::Gateway;
use crate::proxy::Upstreams;
use crate::server::connection;
use crate::server::listener::{Accepted, Lanes};
use crate::server::phase::{Follow, Phase, Phases};

/// How often a stopping thread looks whether its last tunnel has ended.
const TUNNEL_CHECK: Duration = Duration::from_millis(20);

/// What is not shared between data threads.
pub(super) struct Worker {
    pub(super) gateway: Arc<Gateway>,
    pub(super) upstreams: Rc<Upstreams>,
    pub(super) phase: Follow,
}

/// Starts the data threads and gives the ways to them. They end when the ways are dropped and the
/// last connection is over.
pub(super) fn start_all(
    gateway: &Arc<Gateway>,
    phases: &Phases,
) -> io::Result<(Vec<JoinHandle<()>>, Lanes)> {
    let mut threads = Vec::new();
    let mut lanes = Vec::new();
    for number in 0..gateway.config.server.threads {
        let (lane, arriving) = unbounded_channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let gateway = Arc::clone(gateway);
        let phase = phases.follow();
        let thread = thread::Builder::new()
            .name(format!("data-{number}"))
            .spawn(move || run(&runtime, gateway, phase, arriving))?;
        threads.push(thread);
        lanes.push(lane);
    }
    Ok((threads, Lanes::new(lanes)))
}

fn run(
    runtime: &Runtime,
    gateway: Arc<Gateway>,
    phase: Follow,
    arriving: UnboundedReceiver<Accepted>,
) {
    LocalSet::new().block_on(runtime, async {
        let worker = Rc::new(Worker {
            gateway,
            upstreams: Upstreams::new(),
            phase: phase.clone(),
        });
        serve_all(&worker, arriving).await;
        end_tunnels(&worker.upstreams, phase).await;
    });
}

/// Serves connections as they arrive, until no more can arrive and the last one is over.
async fn serve_all(worker: &Rc<Worker>, mut arriving: UnboundedReceiver<Accepted>) {
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
