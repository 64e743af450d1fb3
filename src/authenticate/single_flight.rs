//! Who gets the outcome of an exchange? Everybody who shows the same refresh token while it is under
//! way or a moment later: one step in the store, one line in the audit log, the same pair for all.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use quick_cache::sync::Cache;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::authenticate::told::{self, ends_for_good};
use crate::authenticate::{Judged, Occasion, RefreshError, Refreshed, Refresher};
use crate::clock::{Clock, Timestamp};
use crate::identity::{SessionId, UserId};
use crate::observe::{Audit, Source};
use crate::session::{Delivery, RefreshToken, Revocations, TokenHash, Tokens, Verdict};

/// An outcome is shared for this long after it came, and never longer than the grace, within which
/// the store would say the same.
const SHARED_FOR: Duration = Duration::from_secs(5);
/// Whoever waits longer for an outcome goes away without; the exchange goes on.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many may wait for exchanges in one session.
const MOST_WAITING: usize = 256;
/// Outcomes are not kept while so many sessions have one.
const MOST_FLIGHTS: usize = 10_000;
/// How many sessions that are over are remembered, so that their tokens cost no store access.
const MOST_OVER: usize = 10_000;
/// Of how many sessions the newest generation is remembered.
const MOST_NEWEST: usize = 50_000;

/// What came of presenting a refresh token.
pub type Outcome = Arc<Result<Refreshed, RefreshError>>;

/// Exchanges under way and their outcomes: lives on when the configuration changes.
pub struct Flights {
    clock: Arc<dyn Clock>,
    runtime: Handle,
    flying: DashMap<SessionId, Slot>,
    over: Cache<SessionId, Over>,
    newest: Cache<SessionId, u64>,
    /// Held while a newest generation is compared and written.
    comparing: Mutex<()>,
}

/// The exchanges of one session.
#[derive(Default)]
struct Slot {
    flights: Vec<Flight>,
    /// A clone for each who waits.
    seat: Arc<()>,
}

/// One exchange, under way or over.
#[derive(Clone)]
struct Flight {
    shown: (u64, TokenHash),
    landing: watch::Receiver<Option<Landed>>,
}

#[derive(Clone)]
struct Landed {
    at: Timestamp,
    /// With which key ring.
    ring: u64,
    outcome: Outcome,
}

/// A session that is over for good.
#[derive(Clone)]
struct Over {
    judged: Judged,
    clear: bool,
}

/// The way into a flight.
enum Boarding {
    Landed(Outcome),
    Waiting(watch::Receiver<Option<Landed>>, Arc<()>),
    Started(watch::Receiver<Option<Landed>>),
    Crowded,
}

/// Exchanges refresh tokens on behalf of all who show them. Shared by all threads, cheap to clone.
#[derive(Clone)]
pub struct SharedRefresher {
    refresher: Refresher,
    revocations: Arc<Revocations>,
    audit: Audit,
    flights: Arc<Flights>,
    grace: Duration,
}

impl Flights {
    /// None yet. Exchanges run on `runtime`, because they must not be dropped half-way.
    pub fn new(clock: Arc<dyn Clock>, runtime: Handle) -> Self {
        Self {
            clock,
            runtime,
            flying: DashMap::new(),
            over: Cache::new(MOST_OVER),
            newest: Cache::new(MOST_NEWEST),
            comparing: Mutex::new(()),
        }
    }

    /// Remembers what an exchange said about its session.
    fn learn(&self, outcome: &Result<Refreshed, RefreshError>) {
        match outcome {
            Ok(Refreshed::Tokens(tokens, _)) => self.note_newest(tokens),
            Ok(Refreshed::Refused {
                clear,
                judged: Some(judged),
            }) if ends_for_good(judged.verdict) => {
                let (verdict, clear) = (Verdict::Revoked, *clear);
                let session = judged.session;
                let judged = Judged {
                    verdict,
                    ..judged.clone()
                };
                self.over.insert(session, Over { judged, clear });
            }
            Ok(Refreshed::Refused { .. } | Refreshed::WrongType | Refreshed::NotOnTheWay)
            | Err(_) => {}
        }
    }

    fn note_newest(&self, tokens: &Tokens) {
        let _alone = self
            .comparing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = self.newest.get(&tokens.session);
        if known.is_none_or(|known| known < tokens.generation) {
            self.newest.insert(tokens.session, tokens.generation);
        }
    }

    fn forget(&self, session: SessionId, landing: &watch::Receiver<Option<Landed>>) {
        if let Some(mut slot) = self.flying.get_mut(&session) {
            slot.flights
                .retain(|flight| !flight.landing.same_channel(landing));
        }
        self.flying
            .remove_if(&session, |_, slot| slot.flights.is_empty());
    }
}

impl SharedRefresher {
    /// For everybody who shows a token to this refresher. `grace`: for how long after a rotation the
    /// replaced token gets the same successor.
    pub const fn new(
        refresher: Refresher,
        revocations: Arc<Revocations>,
        audit: Audit,
        flights: Arc<Flights>,
        grace: Duration,
    ) -> Self {
        Self {
            refresher,
            revocations,
            audit,
            flights,
            grace,
        }
    }

    /// Presents `text`, as somebody asks who wants a new pair.
    pub async fn refresh(&self, text: &str, source: &Source) -> Outcome {
        match self.refresher.read(text).await {
            Ok(Ok(presented)) => self.present(presented, Occasion::Asked, source).await,
            Ok(Err(refused)) => {
                let outcome = Ok(refused);
                told::note(&self.audit, source, &outcome);
                Arc::new(outcome)
            }
            // Anybody can make a text of a key that nobody knows: it is no line in a log.
            Err(error) => Arc::new(Err(error)),
        }
    }

    /// Presents an authentic token. The exchange and its line in the audit log go on if the caller
    /// goes away; whoever only shares the outcome gets a line where they asked for it.
    pub async fn present(
        &self,
        presented: RefreshToken,
        occasion: Occasion,
        source: &Source,
    ) -> Outcome {
        // Once more where another occasion had nothing to give.
        for _ in 0..2 {
            if let Some(Over { judged, clear }) = self.flights.over.get(&presented.session) {
                let judged = Some(judged);
                let outcome = Ok(Refreshed::Refused { clear, judged });
                return self.shared(Arc::new(outcome), occasion, source);
            }
            let (landing, is_shared, _seat) = match self.board(&presented, occasion, source) {
                Boarding::Landed(outcome) => return self.shared(outcome, occasion, source),
                Boarding::Crowded => return Arc::new(Err(RefreshError::Crowded)),
                Boarding::Waiting(landing, seat) => (landing, true, Some(seat)),
                Boarding::Started(landing) => (landing, false, None),
            };
            let outcome = landed(landing).await;
            if occasion == Occasion::Asked && matches!(*outcome, Ok(Refreshed::NotOnTheWay)) {
                continue;
            }
            return if is_shared {
                self.shared(outcome, occasion, source)
            } else {
                outcome
            };
        }
        Arc::new(Err(RefreshError::Contended))
    }

    /// Whether these tokens may still be set as cookies: no newer ones are known, and their session
    /// has not ended. Where nothing is known any more, answers that are late stay without cookies:
    /// the next request gets the same ones.
    pub fn may_set(&self, tokens: &Tokens, user: &UserId, presented_at: Timestamp) -> bool {
        let (session, epoch) = (tokens.session, tokens.session_epoch);
        let is_newest = match self.flights.newest.get(&session) {
            Some(newest) => newest <= tokens.generation,
            None => self.flights.clock.now() < presented_at + self.grace,
        };
        is_newest && !self.revocations.name_either(session, user, epoch)
    }

    /// Remembers a pair that came in another way, so that no older one is set after it.
    pub fn note_newest(&self, tokens: &Tokens) {
        self.flights.note_newest(tokens);
    }

    fn board(&self, presented: &RefreshToken, occasion: Occasion, source: &Source) -> Boarding {
        let session = presented.session;
        let shown = (presented.generation, presented.hash());
        let mut slot = self.flights.flying.entry(session).or_default();
        let found = slot.flights.iter().find(|flight| flight.shown == shown);
        if let Some(flight) = found {
            let landed = flight.landing.borrow().clone();
            match landed {
                None if Arc::strong_count(&slot.seat) > MOST_WAITING => return Boarding::Crowded,
                None => return Boarding::Waiting(flight.landing.clone(), Arc::clone(&slot.seat)),
                Some(landed) if self.may_share(&landed, occasion) => {
                    return Boarding::Landed(landed.outcome);
                }
                Some(_) => slot.flights.retain(|flight| flight.shown != shown),
            }
        }
        let (lander, landing) = watch::channel(None);
        slot.flights.push(Flight {
            shown,
            landing: landing.clone(),
        });
        drop(slot);
        let flight = InFlight {
            shared: self.clone(),
            session,
            landing: landing.clone(),
        };
        let (presented, source) = (presented.clone(), source.clone());
        let exchange = flight.fly(presented, occasion, source, lander);
        self.flights.runtime.spawn(exchange);
        Boarding::Started(landing)
    }

    /// Whether whoever comes by on this occasion may have what was said before.
    fn may_share(&self, landed: &Landed, occasion: Occasion) -> bool {
        let now = self.flights.clock.now();
        let is_of_another_ring = landed.ring != self.refresher.ring_generation();
        if now < landed.at || now >= landed.at + self.shared_for() || is_of_another_ring {
            return false;
        }
        match &*landed.outcome {
            // Who asks is told at once what another process ended; apps learn that within a second.
            Ok(Refreshed::Tokens(tokens, judged)) => {
                occasion == Occasion::OnTheWay
                    && self.may_set(tokens, &judged.user, landed.at)
                    && !(self.revocations).outdates(&judged.user, tokens.claims_epoch)
            }
            Ok(Refreshed::Refused { judged, .. }) => judged
                .as_ref()
                .is_none_or(|judged| judged.verdict == Verdict::Expired),
            Ok(Refreshed::NotOnTheWay) => occasion == Occasion::OnTheWay,
            Ok(Refreshed::WrongType) | Err(_) => false,
        }
    }

    fn shared_for(&self) -> Duration {
        SHARED_FOR.min(self.grace)
    }

    /// What somebody gets whom another one's exchange served. The audit log is told where they asked;
    /// on the way, nobody gets what cannot be set as cookies.
    fn shared(&self, outcome: Outcome, occasion: Occasion, source: &Source) -> Outcome {
        match (occasion, &*outcome) {
            (Occasion::Asked, _) => told::note_again(&self.audit, source, &outcome),
            (Occasion::OnTheWay, Ok(Refreshed::Tokens(tokens, _)))
                if tokens.delivery != Delivery::Cookie =>
            {
                return Arc::new(Ok(Refreshed::NotOnTheWay));
            }
            (Occasion::OnTheWay, _) => {}
        }
        outcome
    }
}

/// An exchange that runs. However it ends, it is not found any more afterwards.
struct InFlight {
    shared: SharedRefresher,
    session: SessionId,
    landing: watch::Receiver<Option<Landed>>,
}

impl InFlight {
    async fn fly(
        self,
        presented: RefreshToken,
        occasion: Occasion,
        source: Source,
        lander: watch::Sender<Option<Landed>>,
    ) {
        let (shared, flights) = (&self.shared, &self.shared.flights);
        let ring = shared.refresher.ring_generation();
        let outcome = shared.refresher.exchange(&presented, occasion).await;
        told::note(&shared.audit, &source, &outcome);
        flights.learn(&outcome);
        let landed = Landed {
            at: flights.clock.now(),
            ring,
            outcome: Arc::new(outcome),
        };
        let is_kept =
            shared.may_share(&landed, Occasion::OnTheWay) && flights.flying.len() < MOST_FLIGHTS;
        lander.send_replace(Some(landed));
        if is_kept {
            sleep(shared.shared_for()).await;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.shared.flights.forget(self.session, &self.landing);
    }
}

async fn landed(mut landing: watch::Receiver<Option<Landed>>) -> Outcome {
    match timeout(PATIENCE, landing.wait_for(Option::is_some)).await {
        Ok(Ok(landed)) => landed.as_ref().map(|landed| Arc::clone(&landed.outcome)),
        Ok(Err(_)) | Err(_) => None,
    }
    .unwrap_or_else(|| Arc::new(Err(RefreshError::TimedOut)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::observe::Metrics;
    use crate::session::key_ring::samples;
    use crate::session::{SessionSettings, SharedRing, TokenSettings};
    use crate::store::memory::MemoryStore;

    fn refresher() -> SharedRefresher {
        let clock = Arc::new(SystemClock);
        let revocations = Arc::new(Revocations::default());
        let tokens = TokenSettings {
            issuer: String::new(),
            audience: String::new(),
            access_ttl: Duration::from_secs(300),
            leeway: Duration::ZERO,
            flask_claims: false,
        };
        let settings = SessionSettings {
            idle_ttl: Duration::from_secs(3600),
            absolute_ttl: Duration::from_secs(36000),
            grace: Duration::from_secs(30),
            straggler_window: Duration::from_secs(300),
            max_per_user: 20,
        };
        let events = Metrics::new().events.clone();
        SharedRefresher::new(
            Refresher::new(
                Arc::new(MemoryStore::new(clock.clone())),
                Arc::new(SharedRing::new(samples::ring())),
                revocations.clone(),
                tokens,
                settings,
            ),
            revocations,
            Audit::open(None, clock.clone(), events).unwrap(),
            Arc::new(Flights::new(clock, Handle::current())),
            settings.grace,
        )
    }

    /// On one thread, nothing flies while nobody awaits.
    #[tokio::test]
    async fn so_many_wait_for_one_session_and_no_more() {
        let refresher = refresher();
        let presented = RefreshToken::first(SessionId::from_bytes([1; 16]), [7; 32]);
        let source = Source::default();
        let board = || refresher.board(&presented, Occasion::OnTheWay, &source);
        let first = board();
        assert!(matches!(first, Boarding::Started(_)));
        let mut waiting: Vec<Boarding> = (0..MOST_WAITING).map(|_| board()).collect();
        assert!(
            waiting
                .iter()
                .all(|one| matches!(one, Boarding::Waiting(..)))
        );
        assert!(matches!(board(), Boarding::Crowded));
        waiting.pop();
        let last = board();
        let Boarding::Waiting(landing, _seat) = last else {
            panic!("a seat was free");
        };
        let outcome = landed(landing).await;
        let unknown = matches!(*outcome, Ok(Refreshed::Refused { judged: None, .. }));
        assert!(unknown, "{outcome:?}");
        assert!(matches!(board(), Boarding::Landed(_)), "for a while");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_goes_away_without() {
        let (_lander, landing) = watch::channel(None);
        let outcome = landed(landing).await;
        assert!(matches!(*outcome, Err(RefreshError::TimedOut)));
        let (lander, landing) = watch::channel(None);
        drop(lander);
        let outcome = landed(landing).await;
        assert!(matches!(*outcome, Err(RefreshError::TimedOut)));
    }
}
