//! Four times a second on each data thread: which long exchanges must end, because their session has?
//!
//! What this process ends stands in memory at once, what others end within half a second. What memory
//! cannot say is asked of the store, beside the data threads: whether a refresh has moved the end of an
//! idle session, which session goes on when a password is changed, whether the user's groups still do.

use std::collections::HashMap;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::gateway::Gateway;
use crate::identity::SessionId;
use crate::proxy::streams::{EVERY, Told};
use crate::server::worker::Worker;
use crate::store::Sessions;

/// A store that takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Questions on their way to the store.
struct Inquiry {
    about: Arc<[SessionId]>,
    answers: JoinHandle<HashMap<SessionId, Told>>,
}

/// Looks for as long as the thread lives.
pub(super) async fn run(worker: Rc<Worker>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut inquiry: Option<Inquiry> = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let gateway = worker.gateway();
                let streams = worker.upstreams.streams();
                let doubtful = streams.look(&gateway.revocations, gateway.clock.now());
                if inquiry.is_none() && !doubtful.is_empty() {
                    inquiry = Some(Inquiry::begin(&gateway, doubtful));
                }
            }
            told = answered(&mut inquiry) => {
                inquiry = None;
                let gateway = worker.gateway();
                let (revocations, settings) = (&gateway.revocations, &gateway.config.sessions);
                worker.upstreams.streams().learn(&told, revocations, settings);
            }
        }
    }
}

impl Inquiry {
    fn begin(gateway: &Gateway, about: Vec<SessionId>) -> Self {
        let about: Arc<[SessionId]> = about.into();
        let asked = Arc::clone(&about);
        let sessions = Arc::clone(&gateway.sessions);
        let grace = gateway.config.sessions.grace;
        let answers = gateway
            .background
            .spawn(async move { ask(&*sessions, &asked, grace).await });
        Self { about, answers }
    }
}

/// What the store says of each session. After its first failure, nothing more is asked.
async fn ask(
    sessions: &dyn Sessions,
    about: &[SessionId],
    grace: Duration,
) -> HashMap<SessionId, Told> {
    let mut told = nothing(about);
    for &session in about {
        let Ok(Ok(loaded)) = timeout(PATIENCE, sessions.load(session)).await else {
            break;
        };
        told.insert(session, Told::of(loaded, grace));
    }
    told
}

fn nothing(about: &[SessionId]) -> HashMap<SessionId, Told> {
    about
        .iter()
        .map(|&session| (session, Told::Nothing))
        .collect()
}

/// The answers, once they are there.
async fn answered(inquiry: &mut Option<Inquiry>) -> HashMap<SessionId, Told> {
    let Some(Inquiry { about, answers }) = inquiry else {
        return pending().await;
    };
    match answers.await {
        Ok(told) => told,
        Err(error) => {
            tracing::error!(%error, "asking about sessions ended in a fault of this program");
            nothing(about)
        }
    }
}
