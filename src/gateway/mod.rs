//! Everything a request needs, built once from the configuration: the only wiring.

mod background;
mod kept;
mod logs;

use std::sync::Arc;

use thiserror::Error;

use crate::authenticate::{
    AdminToken, AdminTokenError, Authenticator, Cookies, CsrfGuard, Flights, Receipts, Refresher,
    SharedRefresher,
};
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::kept::{Kept, spans};
use crate::gateway::logs::Logs;
use crate::login::{HeldForms, LocalLogin, Opener, PasswordChanger};
use crate::observe::metrics::Meters;
use crate::observe::{self, AccessLog, Audit, By, Event, Metrics, Sink, Source, Traces};
use crate::pages::{Pages, PagesError};
use crate::policy::{Route, RouteError, Routes};
use crate::proxy::Forwarder;
use crate::session::{Revocations, SharedRing};
use crate::store::key_keeper::KeyKeeper;
use crate::store::key_search::KeySearch;
use crate::store::keys::KeysChanged;
use crate::store::{self, Defences, Directory, Sessions, StoreError};

pub use background::Background;
pub use kept::Readiness;

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
    /// The keys in use.
    pub ring: Arc<SharedRing>,
    /// Keeps them as the store and the time say.
    pub keys: Arc<KeyKeeper>,
    /// Looks for those that others have just made.
    pub key_search: Arc<KeySearch>,
    /// What was ended lately.
    pub revocations: Arc<Revocations>,
    /// The users.
    pub directory: Arc<dyn Directory>,
    /// The sessions.
    pub sessions: Arc<dyn Sessions>,
    /// What the defence of sign-ins remembers.
    pub defences: Arc<dyn Defences>,
    /// Our cookies.
    pub cookies: Cookies,
    /// Whether another site may have sent what came with them.
    pub csrf: CsrfGuard,
    /// Who is asking.
    pub authenticator: Arc<Authenticator>,
    /// Exchanges refresh tokens.
    pub refresher: SharedRefresher,
    flights: Arc<Flights>,
    /// Checks passwords.
    pub login: LocalLogin,
    /// Forms that wait until their senders have signed in again.
    pub held_forms: Arc<HeldForms>,
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
    /// A page or a language of this installation cannot be used.
    #[error(transparent)]
    Pages(#[from] PagesError),
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
        let logs = Logs::open(&config, &clock, &background, &metrics)?;
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
        let logs = Logs::follow(self, &config)?;
        let tells_tokens_alike = self.config.tokens == config.tokens
            && self.config.staleness == config.staleness
            && self.config.sessions == config.sessions;
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
            defences,
            keys,
            key_search,
            revocations,
            flights,
            login,
            held_forms,
            readiness,
            metrics,
        } = kept;
        let login = login.under(config.login, config.hashing);
        let ring = Arc::clone(keys.ring());
        let grace = config.sessions.grace;
        let receipts = Receipts::new(Arc::clone(&sessions), grace, background.0.clone());
        let authenticator = authenticator(&config, &ring, &revocations, &metrics);
        let (cookies, csrf) = cookies(&config, &ring);
        Ok(Self {
            routes: routes(&config)?,
            authenticator: Arc::new(authenticator.noting(receipts)),
            refresher: refresher(
                &config,
                &sessions,
                (&ring, &key_search),
                (&revocations, &flights),
                &logs.audit,
            ),
            password_changer: password_changer(&config, &directory, &sessions, &login, &ring),
            opener: opener(&config, &sessions, &clock, &ring),
            pages: Pages::new(&config.server.prefix, config.profile, &config.pages)?,
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
            keys,
            key_search,
            revocations,
            flights,
            directory,
            sessions,
            defences,
            cookies,
            csrf,
            login,
            held_forms,
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
            defences: Arc::clone(&self.defences),
            keys: Arc::clone(&self.keys),
            key_search: Arc::clone(&self.key_search),
            revocations: Arc::clone(&self.revocations),
            flights: Arc::clone(&self.flights),
            login: self.login.clone(),
            held_forms: Arc::clone(&self.held_forms),
            readiness: Arc::clone(&self.readiness),
            metrics: Arc::clone(&self.metrics),
        }
    }

    /// Learns what other processes have ended meanwhile, and what became of the keys. Where it cannot
    /// learn of the keys, it knows of no end either: a key may have been taken away.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        self.keys.follow().await?;
        let (sessions, revocations) = (&*self.sessions, &*self.revocations);
        store::catch_up(sessions, revocations, self.clock.now(), spans(&self.config)).await
    }

    /// Makes the keys that are due, and drops those that are gone.
    pub async fn tend_keys(&self) -> Result<(), StoreError> {
        self.note_keys(&self.keys.tend().await?);
        Ok(())
    }

    /// Makes the keys that this configuration asks for.
    pub async fn adopt_key_settings(&self) -> Result<(), StoreError> {
        self.note_keys(&self.keys.adopt(self.config.keys).await?);
        Ok(())
    }

    fn note_keys(&self, changed: &KeysChanged) {
        for key in &changed.made {
            let event = Event::key_made(key, By::Itself);
            self.audit.tell(&Source::default(), event);
        }
    }

    /// Whether the store has not said for too long what was ended.
    pub fn is_stale(&self) -> bool {
        self.revocations.lag(self.clock.now()) > self.config.staleness.max
    }

    /// What is allowed and should be thought about.
    pub fn warnings(&self) -> impl Iterator<Item = &String> {
        self.config.warnings.iter().chain(self.pages.warnings())
    }

    /// The logs beside the application's.
    pub fn logs(&self) -> impl Iterator<Item = &Sink> {
        let access = self.access_log.as_deref().map(AccessLog::sink);
        access.into_iter().chain(self.audit.sink())
    }
}

fn admin_token(config: &Config) -> Result<Option<AdminToken>, AdminTokenError> {
    let file = config.server.admin.token_file.as_deref();
    file.map(AdminToken::load).transpose()
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

/// Our cookies, and what judges requests that live by them.
fn cookies(config: &Config, ring: &SharedRing) -> (Cookies, CsrfGuard) {
    let key = ring.now().seed().csrf_key();
    let cookies = Cookies::new(&config.server.public_urls);
    let cookies = match &config.cookies.domain {
        Some(domain) => cookies.shared_in(domain),
        None => cookies,
    };
    let guard = CsrfGuard::new(config.csrf.clone(), key.clone(), cookies.csrf_name());
    let cookies = match config.csrf.asks_for_token() {
        true => cookies.with_csrf(key),
        false => cookies,
    };
    (cookies, guard)
}

fn refresher(
    config: &Config,
    sessions: &Arc<dyn Sessions>,
    (ring, key_search): (&Arc<SharedRing>, &Arc<KeySearch>),
    (revocations, flights): (&Arc<Revocations>, &Arc<Flights>),
    audit: &Audit,
) -> SharedRefresher {
    let refresher = Refresher::new(
        Arc::clone(sessions),
        Arc::clone(ring),
        Arc::clone(revocations),
        config.tokens.clone(),
        config.sessions,
    )
    .asking(Arc::clone(key_search));
    SharedRefresher::new(
        refresher,
        Arc::clone(revocations),
        audit.clone(),
        Arc::clone(flights),
        config.sessions.grace,
    )
}

fn password_changer(
    config: &Config,
    directory: &Arc<dyn Directory>,
    sessions: &Arc<dyn Sessions>,
    login: &LocalLogin,
    ring: &Arc<SharedRing>,
) -> PasswordChanger {
    PasswordChanger::new(
        Arc::clone(directory),
        Arc::clone(sessions),
        login.clone(),
        Arc::clone(ring),
        config.tokens.clone(),
        config.sessions,
    )
}

fn opener(
    config: &Config,
    sessions: &Arc<dyn Sessions>,
    clock: &Arc<dyn Clock>,
    ring: &Arc<SharedRing>,
) -> Opener {
    Opener::new(
        Arc::clone(sessions),
        Arc::clone(clock),
        Arc::clone(ring),
        config.tokens.clone(),
        config.sessions,
    )
}

fn authenticator(
    config: &Config,
    ring: &Arc<SharedRing>,
    revocations: &Arc<Revocations>,
    metrics: &Metrics,
) -> Authenticator {
    let lookups = metrics.tokens.lookups.clone();
    let (ring, revocations) = (Arc::clone(ring), Arc::clone(revocations));
    let (tokens, staleness) = (config.tokens.clone(), config.staleness);
    Authenticator::new(tokens, ring, revocations, staleness, TOKEN_CACHE, lookups)
}
