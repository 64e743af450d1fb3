//! Everything a request needs, built once from the configuration: the only wiring.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use thiserror::Error;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::authenticate::{AdminToken, AdminTokenError, Authenticator, Cookies, Refresher};
use crate::clock::Clock;
use crate::config::Config;
use crate::login::{Hasher, LocalLogin, Opener, PasswordChanger};
use crate::observe::metrics::Meters;
use crate::observe::{self, AccessLog, Audit, Metrics, Sink, Traces};
use crate::pages::Pages;
use crate::policy::{Route, RouteError, Routes};
use crate::proxy::Forwarder;
use crate::session::{KeyRing, Revocations};
use crate::store::{self, Directory, Sessions, Spans, StoreError};

/// How much memory verified access tokens may take, in bytes.
const TOKEN_CACHE: u64 = 16 * 1024 * 1024;

/// One installation, shared by all threads.
pub struct Gateway {
    /// The configuration it was built from.
    pub config: Config,
    /// Where requests go.
    pub routes: Routes,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The keys.
    pub ring: Arc<KeyRing>,
    /// What was ended lately.
    pub revocations: Arc<Revocations>,
    /// The users.
    pub directory: Arc<dyn Directory>,
    /// The sessions.
    pub sessions: Arc<dyn Sessions>,
    /// Our cookies.
    pub cookies: Cookies,
    /// Who is asking.
    pub authenticator: Arc<Authenticator>,
    /// Exchanges refresh tokens.
    pub refresher: Refresher,
    /// Checks passwords.
    pub login: LocalLogin,
    /// Changes passwords.
    pub password_changer: PasswordChanger,
    /// Opens sessions.
    pub opener: Opener,
    /// What people see.
    pub pages: Pages,
    /// What opens the admin API; `None`: there is none.
    pub admin_token: Option<AdminToken>,
    /// The way to the apps.
    pub forwarder: Forwarder,
    /// A line for every answer; `None`: off.
    pub access_log: Option<Arc<AccessLog>>,
    /// The traces that requests are part of; `None`: off.
    pub traces: Option<Arc<Traces>>,
    /// A line for every event about sign-ins and users.
    pub audit: Audit,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is counted of each route.
    pub meters: Arc<Meters>,
    /// Runs what must outlive the client.
    pub background: Background,
    /// Whether new requests are welcome.
    pub readiness: Arc<Readiness>,
}

/// Why a gateway could not be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The store cannot be used.
    #[error("the store {storage} (storage.url) cannot be used")]
    Store {
        /// Which store.
        storage: String,
        /// Why.
        source: StoreError,
    },
    /// The admin token cannot be used.
    #[error(transparent)]
    AdminToken(#[from] AdminTokenError),
    /// A log cannot be written.
    #[error(transparent)]
    Log(#[from] observe::OpenError),
    /// Traces cannot be sent.
    #[error("observe.traces: cannot prepare to send traces")]
    Traces(#[from] observe::traces::BuildError),
    /// The routes contradict each other.
    #[error("the routes cannot be used")]
    Routes(#[from] RouteError),
}

impl Gateway {
    /// Opens the store, reads or makes the keys, loads what was revoked lately, and puts the rooms
    /// together.
    pub async fn build(
        config: Config,
        clock: Arc<dyn Clock>,
        background: Background,
    ) -> Result<Self, BuildError> {
        let metrics = Arc::new(Metrics::new());
        let logs = Logs {
            access: open_access_log(&config)?,
            audit: open_audit(&config, &clock, &metrics)?,
            traces: open_traces(&config, &background)?,
        };
        let opened = Kept::open(&config, clock, background, metrics).await;
        let kept = opened.map_err(|source| unusable(&config, source))?;
        Self::assemble(config, kept, logs)
    }

    /// The same installation under another configuration: store, keys, revocations and readiness
    /// are shared with this one, and so is whatever the change does not touch.
    ///
    /// # Errors
    /// When a log cannot be opened or the routes contradict each other. This one goes on then.
    pub fn rebuild(&self, config: Config) -> Result<Self, BuildError> {
        let (old, new) = (&self.config.observe, &config.observe);
        let logs = Logs {
            access: if old.access_log == new.access_log {
                self.access_log.clone()
            } else {
                open_access_log(&config)?
            },
            audit: if old.audit_log == new.audit_log {
                self.audit.clone()
            } else {
                open_audit(&config, &self.clock, &self.metrics)?
            },
            traces: if old.traces == new.traces {
                self.traces.clone()
            } else {
                open_traces(&config, &self.background)?
            },
        };
        let tells_tokens_alike =
            self.config.tokens == config.tokens && self.config.staleness == config.staleness;
        let mut rebuilt = Self::assemble(config, self.kept(), logs)?;
        if tells_tokens_alike {
            rebuilt.authenticator = Arc::clone(&self.authenticator);
        }
        Ok(rebuilt)
    }

    fn assemble(config: Config, kept: Kept, logs: Logs) -> Result<Self, BuildError> {
        let Kept {
            clock,
            background,
            directory,
            sessions,
            ring,
            revocations,
            login,
            readiness,
            metrics,
        } = kept;
        let tokens = config.tokens.clone();
        let cookies = Cookies::new(&config.server.public_urls);
        Ok(Self {
            routes: routes(&config)?,
            authenticator: Arc::new(authenticator(&config, &ring, &revocations, &metrics)),
            refresher: Refresher::new(
                Arc::clone(&sessions),
                Arc::clone(&ring),
                Arc::clone(&revocations),
                tokens.clone(),
                config.sessions,
            ),
            password_changer: PasswordChanger::new(
                Arc::clone(&directory),
                Arc::clone(&sessions),
                login.clone(),
                Arc::clone(&ring),
                tokens.clone(),
                config.sessions,
            ),
            opener: Opener::new(
                Arc::clone(&sessions),
                Arc::clone(&clock),
                Arc::clone(&ring),
                tokens,
                config.sessions,
            ),
            pages: Pages::new(&config.server.prefix),
            forwarder: Forwarder::new(&config, cookies.clone(), Arc::clone(&ring)),
            access_log: logs.access,
            audit: logs.audit,
            traces: logs.traces,
            admin_token: admin_token(&config)?,
            meters: Arc::new(metrics.meters(&config.routes)),
            metrics,
            config,
            clock,
            ring,
            revocations,
            directory,
            sessions,
            cookies,
            login,
            background,
            readiness,
        })
    }

    fn kept(&self) -> Kept {
        Kept {
            clock: Arc::clone(&self.clock),
            background: self.background.clone(),
            directory: Arc::clone(&self.directory),
            sessions: Arc::clone(&self.sessions),
            ring: Arc::clone(&self.ring),
            revocations: Arc::clone(&self.revocations),
            login: self.login.clone(),
            readiness: Arc::clone(&self.readiness),
            metrics: Arc::clone(&self.metrics),
        }
    }

    /// Learns what other processes have ended meanwhile.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let (sessions, revocations) = (&*self.sessions, &*self.revocations);
        store::catch_up(sessions, revocations, self.clock.now(), spans(&self.config)).await
    }

    /// Whether the store has not said for too long what was ended.
    pub fn is_stale(&self) -> bool {
        self.revocations.lag(self.clock.now()) > self.config.staleness.max
    }

    /// The logs beside the application's.
    pub fn logs(&self) -> impl Iterator<Item = &Sink> {
        let access = self.access_log.as_deref().map(AccessLog::sink);
        access.into_iter().chain(self.audit.sink())
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

fn open_access_log(config: &Config) -> Result<Option<Arc<AccessLog>>, observe::OpenError> {
    let log = config.observe.access_log.as_ref().map(AccessLog::open);
    Ok(log.transpose()?.map(Arc::new))
}

fn open_audit(
    config: &Config,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
) -> Result<Audit, observe::OpenError> {
    let target = config.observe.audit_log.as_ref();
    Audit::open(target, Arc::clone(clock), metrics.events.clone())
}

fn open_traces(
    config: &Config,
    background: &Background,
) -> Result<Option<Arc<Traces>>, observe::traces::BuildError> {
    let settings = config.observe.traces.as_ref();
    let traces = settings.map(|settings| Traces::open(settings, background.0.clone()));
    Ok(traces.transpose()?.map(Arc::new))
}

fn admin_token(config: &Config) -> Result<Option<AdminToken>, AdminTokenError> {
    let file = config.server.admin.token_file.as_deref();
    file.map(AdminToken::load).transpose()
}

/// The logs beside the application's, and the traces, open.
struct Logs {
    access: Option<Arc<AccessLog>>,
    audit: Audit,
    traces: Option<Arc<Traces>>,
}

/// What lives on when the configuration changes.
struct Kept {
    clock: Arc<dyn Clock>,
    background: Background,
    directory: Arc<dyn Directory>,
    sessions: Arc<dyn Sessions>,
    ring: Arc<KeyRing>,
    revocations: Arc<Revocations>,
    login: LocalLogin,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
}

impl Kept {
    async fn open(
        config: &Config,
        clock: Arc<dyn Clock>,
        background: Background,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StoreError> {
        let opened = store::open(&config.storage, Arc::clone(&clock)).await?;
        let opened = opened.measured(&metrics.store);
        let ring = store::keys::load_or_create(&*opened.directory, &opened.master).await?;
        let revocations = load_revocations(config, &*opened.sessions, &*clock).await?;
        let login = LocalLogin::new(Arc::clone(&opened.directory), hasher(&background));
        Ok(Self {
            clock,
            background,
            directory: opened.directory,
            sessions: opened.sessions,
            ring: Arc::new(ring),
            revocations,
            login,
            readiness: Arc::default(),
            metrics,
        })
    }
}

fn unusable(config: &Config, source: StoreError) -> BuildError {
    let storage = config.storage.to_string();
    BuildError::Store { storage, source }
}

fn routes(config: &Config) -> Result<Routes, RouteError> {
    let routes: Vec<Route> = config.routes.iter().map(|r| r.route.clone()).collect();
    let hosts = config.server.public_urls.iter();
    Routes::new(
        routes,
        config.server.prefix.clone(),
        hosts.map(|origin| origin.host.clone()).collect(),
    )
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

fn authenticator(
    config: &Config,
    ring: &Arc<KeyRing>,
    revocations: &Arc<Revocations>,
    metrics: &Metrics,
) -> Authenticator {
    let lookups = metrics.tokens.lookups.clone();
    let (ring, revocations) = (Arc::clone(ring), Arc::clone(revocations));
    let (tokens, staleness) = (config.tokens.clone(), config.staleness);
    Authenticator::new(tokens, ring, revocations, staleness, TOKEN_CACHE, lookups)
}

fn spans(config: &Config) -> Spans {
    Spans {
        tokens: config.tokens.revocation_span(),
        grace: config.sessions.grace,
    }
}

fn hasher(background: &Background) -> Hasher {
    Hasher::new(background.0.clone(), hashes_at_once())
}

/// Half the cores, so that sign-ins never take the machine from forwarding.
fn hashes_at_once() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).max(1)
}

/// The runtime beside the data threads, for work that must not be dropped with its request.
#[derive(Clone, Debug)]
pub struct Background(Handle);

impl Background {
    /// On this runtime.
    pub const fn new(handle: Handle) -> Self {
        Self(handle)
    }

    /// Runs `work` to its end, whether or not anybody waits for it.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.spawn(work)
    }
}
