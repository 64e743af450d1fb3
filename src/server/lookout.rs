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
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::gateway::Gateway;
use crate::identity::SessionId;
use crate::proxy::streams::{EVERY, Told};
use crate::server::worker::Worker;
use crate::store::{Loaded, Pending};

/// A store that takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// After so long nothing more is asked until the next look: there may be more urgent questions by then.
const ENOUGH: Duration = EVERY;

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
            .spawn(async move { ask(&asked, grace, |session| sessions.load(session)).await });
        Self { about, answers }
    }
}

/// What the store says of the sessions that there was time for. After its first failure, nothing more is
/// asked, and nothing is known of the rest.
async fn ask(
    about: &[SessionId],
    grace: Duration,
    load: impl Fn(SessionId) -> Pending<Option<Loaded>>,
) -> HashMap<SessionId, Told> {
    let end = Instant::now() + ENOUGH;
    let mut told = HashMap::new();
    for (asked, &session) in about.iter().enumerate() {
        if asked > 0 && Instant::now() >= end {
            break;
        }
        let Ok(Ok(loaded)) = timeout(PATIENCE, load(session)).await else {
            told.extend(nothing(about.get(asked..).unwrap_or_default()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    /// What is told of this many sessions by a store that needs so long for each and fails at this one.
    async fn told(sessions: u8, each: Duration, fails_at: u8) -> (usize, usize) {
        let about: Vec<SessionId> = (0..sessions).map(session).collect();
        let told = ask(&about, Duration::ZERO, |asked| {
            Box::pin(async move {
                tokio::time::sleep(each).await;
                let fails = asked == session(fails_at);
                if fails {
                    Err(StoreError::Busy)
                } else {
                    Ok(None)
                }
            })
        });
        let told = told.await;
        let is_told = |told: &&Told| matches!(told, Told::Over);
        (told.values().filter(is_told).count(), told.len())
    }

    fn session(number: u8) -> SessionId {
        SessionId::from_bytes([number; 16])
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_store_does_not_keep_urgent_questions_waiting() {
        let begun = Instant::now();
        assert_eq!(told(200, EVERY / 10, 255).await, (10, 10));
        assert_eq!(begun.elapsed(), EVERY);
        assert_eq!(told(200, EVERY * 2, 255).await, (1, 1), "it gets on");
        assert_eq!(told(200, Duration::ZERO, 255).await, (200, 200));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_says_nothing_of_the_rest() {
        assert_eq!(told(200, Duration::ZERO, 7).await, (7, 200));
        let begun = Instant::now();
        assert_eq!(told(200, PATIENCE * 2, 255).await, (0, 200));
        assert_eq!(begun.elapsed(), PATIENCE);
    }
}
