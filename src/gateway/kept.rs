//! What lives on when the configuration changes?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::authenticate::Flights;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::gateway::Background;
use crate::login::{Defence, Hasher, HeldForms, LocalLogin};
use crate::observe::Metrics;
use crate::session::Revocations;
use crate::store::key_keeper::KeyKeeper;
use crate::store::key_search::KeySearch;
use crate::store::{self, Defences, Directory, Sessions, Spans, StoreError};

/// What every gateway of one process shares.
pub(super) struct Kept {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) background: Background,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) sessions: Arc<dyn Sessions>,
    pub(super) defences: Arc<dyn Defences>,
    pub(super) keys: Arc<KeyKeeper>,
    pub(super) key_search: Arc<KeySearch>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) flights: Arc<Flights>,
    pub(super) login: LocalLogin,
    pub(super) held_forms: Arc<HeldForms>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) metrics: Arc<Metrics>,
}

impl Kept {
    /// Opens the store, reads or makes the keys, and loads what was revoked lately.
    pub(super) async fn open(
        config: &Config,
        clock: Arc<dyn Clock>,
        background: Background,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StoreError> {
        let opened = store::open(&config.storage, Arc::clone(&clock)).await?;
        let opened = opened.measured(&metrics.store);
        let keys = Arc::new(KeyKeeper::open(opened.keys, config.keys).await?);
        let key_search = KeySearch::new(Arc::clone(&keys), background.0.clone());
        let seed = keys.ring().now().seed().clone();
        let revocations = load_revocations(config, &*opened.sessions, &*clock).await?;
        warn_of_the_future(&*opened.sessions, clock.now()).await?;
        let defence = Defence::open(
            Arc::clone(&opened.defences),
            Arc::clone(&clock),
            seed.key_of_typed_names(),
            config.login,
        );
        let login = LocalLogin::new(
            Arc::clone(&opened.directory),
            hasher(&background)?,
            defence.await?,
            (config.hashing, seed.pepper()),
            Arc::clone(&clock),
        );
        let flights = Flights::new(Arc::clone(&clock), background.0.clone());
        Ok(Self {
            clock,
            background,
            directory: opened.directory,
            sessions: opened.sessions,
            defences: opened.defences,
            keys,
            key_search: Arc::new(key_search),
            revocations,
            flights: Arc::new(flights),
            login,
            held_forms: Arc::default(),
            readiness: Arc::default(),
            metrics,
        })
    }
}

/// Whether a load balancer should send requests here.
#[derive(Debug, Default)]
pub struct Readiness {
    stopping: AtomicBool,
}

impl Readiness {
    /// From now on, no new requests are welcome.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the stop has begun.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// Sessions from the future outlive their time: the clock was set back, or was wrong when they were
/// opened. `now` is by the clock.
async fn warn_of_the_future(sessions: &dyn Sessions, now: Timestamp) -> Result<(), StoreError> {
    const SKEW: Duration = Duration::from_secs(60);
    let newest = sessions.newest().await?;
    if let Some(newest) = newest.filter(|newest| *newest > now + SKEW) {
        tracing::warn!(
            %newest,
            %now,
            "the store holds sessions from the future: is this machine's clock right?"
        );
    }
    Ok(())
}

/// A session that ended while this process was down must stay ended: its access tokens may live on.
async fn load_revocations(
    config: &Config,
    sessions: &dyn Sessions,
    clock: &dyn Clock,
) -> Result<Arc<Revocations>, StoreError> {
    let revocations = Revocations::default();
    store::catch_up(sessions, &revocations, clock.now(), spans(config)).await?;
    Ok(Arc::new(revocations))
}

/// How long revocations matter.
pub(super) fn spans(config: &Config) -> Spans {
    Spans {
        tokens: config.tokens.revocation_span(),
        grace: config.sessions.grace,
    }
}
fn hasher(background: &Background) -> Result<Hasher, StoreError> {
    Hasher::new(background.0.clone(), hashes_at_once()).map_err(StoreError::Thread)
}

/// Half the cores, so that sign-ins never take the machine from forwarding.
fn hashes_at_once() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).max(1)
}
