//! Who may try a password now? Guessing gets slower with every failure, for an account from one
//! network, for an account over all, and for an address; a device that is known is spared.
//!
//! Names that nobody has are counted just like others. What is counted is hashes of one size in a
//! bounded table in memory; the store learns of it half a second later, off the way of requests.

mod backoff;
pub mod bucket;
mod counts;
mod device;
mod flood;
mod subject;
mod table;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::config::LoginSettings;
use crate::identity::{Secret, User, UserId};
use crate::observe::{Audit, Event, Source};
use crate::store::{AccountMark, Defences, StoreError};

pub use counts::{Ticket, Turn};
pub use device::DeviceId;
pub use subject::{Marker, customer};

use counts::{Asker, Counts};
use flood::Flood;

/// On how many devices an account is known at most: the one that was not used for longest goes.
const MOST_DEVICES: usize = 20;

/// Who tries a password.
#[derive(Clone)]
pub struct Caller {
    /// Where from, where that is known.
    pub address: Option<IpAddr>,
    /// What their browser says it is.
    pub device: Option<DeviceId>,
    /// Who is told of what comes of it.
    pub audit: Audit,
    /// For the audit log.
    pub source: Source,
}

/// Counts failures. Cheap to clone.
#[derive(Clone)]
pub struct Defence {
    shared: Arc<Shared>,
    settings: LoginSettings,
}

/// What lives on when the configuration changes.
struct Shared {
    store: Arc<dyn Defences>,
    clock: Arc<dyn Clock>,
    marker: Marker,
    counts: Mutex<Counts>,
    flood: Mutex<Flood>,
    /// How far the store's list of unlocked accounts was read.
    unlocks_read: AtomicU64,
    is_failing: AtomicBool,
    is_warned: AtomicBool,
}

impl Defence {
    /// Goes on counting where an earlier process stopped. `key` hides what was typed as a name.
    pub async fn open(
        store: Arc<dyn Defences>,
        clock: Arc<dyn Clock>,
        key: Secret<[u8; 32]>,
        settings: LoginSettings,
    ) -> Result<Self, StoreError> {
        let unlocks = store.unlocks_after(0).await?;
        let mut counts = Counts::new();
        counts.load(store.failures().await?);
        Ok(Self {
            shared: Arc::new(Shared {
                store,
                clock,
                marker: Marker::new(key),
                counts: Mutex::new(counts),
                flood: Mutex::default(),
                unlocks_read: AtomicU64::new(unlocks.last),
                is_failing: AtomicBool::new(false),
                is_warned: AtomicBool::new(false),
            }),
            settings,
        })
    }

    /// The same counts under other settings.
    pub fn under(&self, settings: LoginSettings) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            settings,
        }
    }

    /// A place for an attempt, or how long there is none. `is_known`: whose name was typed was signed in
    /// on the caller's device before.
    pub fn ask(&self, typed: &str, caller: &Caller, is_known: bool) -> Result<Ticket, Duration> {
        self.warn_of_unknown(caller.address);
        let marker = &self.shared.marker;
        let account = marker.account(typed);
        let device = caller.device.as_ref().filter(|_| is_known);
        let asker = Asker {
            account,
            networks: marker.networks(account, caller.address),
            address: caller.address.map(|address| marker.address(address)),
            device: device.map(|device| marker.device(account, &device.hash())),
        };
        let now = self.shared.clock.now();
        let asked = self.counts().ask(&asker, now, &self.settings);
        if asked.is_err() {
            self.note_failure(caller, now);
        }
        asked
    }

    /// Who was signed in on the caller's device before. A store that cannot tell makes strangers of
    /// everybody.
    pub async fn owner_of_device(&self, caller: &Caller) -> Option<UserId> {
        let device = caller.device.as_ref()?.hash();
        let owner = self.shared.store.owner_of_device(device).await;
        owner.ok().flatten()
    }

    /// It was not them.
    pub fn failed(&self, ticket: &Ticket, caller: &Caller, user: Option<&User>) {
        for turn in Counts::failed(ticket, &self.settings) {
            let user = user.map(Into::into);
            let event = match turn {
                Turn::Throttled => Event::SignInsThrottled { user },
                Turn::AddressThrottled => Event::AddressThrottled,
                Turn::Locked(wait) => Event::AccountLocked {
                    user,
                    seconds: wait.as_secs(),
                },
            };
            caller.audit.tell(&caller.source, event);
        }
        self.note_failure(caller, self.shared.clock.now());
    }

    /// It was them.
    pub fn succeeded(&self, ticket: &Ticket) {
        self.counts().succeeded(ticket, &self.settings);
    }

    /// There was no time to look at the password: many such tries are a flood, and nobody's guilt.
    pub fn turned_away(&self, ticket: &Ticket, caller: &Caller) {
        self.given_back(ticket);
        self.note_failure(caller, self.shared.clock.now());
    }

    /// Nothing was found out.
    pub fn given_back(&self, ticket: &Ticket) {
        self.counts().given_back(ticket, &self.settings);
    }

    /// Knows the caller's device from now on, for another year; a new one where it was not known.
    pub async fn remember(&self, caller: &Caller, user: &User) -> Option<DeviceId> {
        let known = match self.owner_of_device(caller).await {
            Some(owner) if owner == user.id => caller.device.clone(),
            _ => None,
        };
        let device = known.unwrap_or_else(DeviceId::fresh);
        let store = &self.shared.store;
        let kept = store.keep_device(device.hash(), user.id.clone(), MOST_DEVICES);
        match kept.await {
            Ok(()) => Some(device),
            Err(error) => {
                tracing::warn!(%error, "a device could not be remembered");
                None
            }
        }
    }

    /// By what accounts are counted.
    pub fn marker(&self) -> &Marker {
        &self.shared.marker
    }

    /// Lets everybody try this account again, in this process.
    pub fn unlock(&self, account: AccountMark) {
        self.counts().unlock(account);
    }

    /// Tells the store what was counted, and learns what was unlocked elsewhere. What cannot be kept
    /// now is kept later.
    pub async fn keep_up(&self) {
        let kept = self.try_keep_up().await;
        let was_failing = self
            .shared
            .is_failing
            .swap(kept.is_err(), Ordering::Relaxed);
        match kept {
            Err(error) if !was_failing => {
                tracing::error!(%error, "the store does not keep failed sign-ins");
            }
            Ok(()) if was_failing => tracing::info!("the store keeps failed sign-ins again"),
            Ok(()) | Err(_) => {}
        }
    }

    /// Forgets what nobody has to wait for any more.
    pub fn tidy(&self) {
        let now = self.shared.clock.now();
        self.counts().tidy(now, &self.settings);
    }

    async fn try_keep_up(&self) -> Result<(), StoreError> {
        let store = &self.shared.store;
        let read = self.shared.unlocks_read.load(Ordering::Relaxed);
        let unlocks = store.unlocks_after(read).await?;
        for account in unlocks.accounts {
            self.unlock(account);
        }
        self.shared
            .unlocks_read
            .store(unlocks.last, Ordering::Relaxed);
        let changed = self.counts().changed(&self.settings);
        if changed.is_empty() {
            return Ok(());
        }
        let kept = store.keep_failures(changed.clone()).await;
        if kept.is_err() {
            self.counts().not_kept(&changed);
        }
        kept
    }

    /// Once: there may be no proxy to name.
    fn warn_of_unknown(&self, address: Option<IpAddr>) {
        if address.is_none() && !self.shared.is_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a sign-in came from an unknown address, so that failures are not counted by address: \
                 if there is a proxy in front, name it in server.trusted_proxies"
            );
        }
    }

    fn note_failure(&self, caller: &Caller, now: Timestamp) {
        let flood = &self.shared.flood;
        let is_flood = flood
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .note(now);
        if is_flood {
            tracing::warn!("more than 50 sign-ins a second have failed for 10 seconds");
            caller.audit.tell(&caller.source, Event::SignInFlood);
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        let counts = self.shared.counts.lock();
        counts.unwrap_or_else(PoisonError::into_inner)
    }
}
