//! The decision table alone, over one row in memory.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::Duration;

use vestibule::clock::Timestamp;
use vestibule::identity::{Secret, SessionId, UserId};
use vestibule::session::judge::proves_receipt;
use vestibule::session::{
    Delivery, KeyAlgorithm, KeyMaterial, KeyPurpose, KeyRing, KeySettings, RefreshToken,
    RevokeReason, SessionRow, SessionSettings, Verdict, judge,
};

use crate::schedule::End;
use crate::world::{Flight, Given, Outcome, Server};

pub(crate) const SETTINGS: SessionSettings = SessionSettings {
    idle_ttl: Duration::from_secs(14 * 86_400),
    absolute_ttl: Duration::from_secs(30 * 86_400),
    grace: Duration::from_secs(30),
    straggler_window: Duration::from_secs(300),
    max_per_user: 20,
};

static RING: LazyLock<KeyRing> = LazyLock::new(ring);

pub(crate) fn ring() -> KeyRing {
    let start = Timestamp::from_seconds(0);
    let settings = KeySettings {
        algorithm: KeyAlgorithm::EdDsa,
        rotate_every: None,
        publish_ahead: Duration::from_hours(24),
        longest_session: SETTINGS.absolute_ttl,
    };
    let keys = std::iter::zip(KeyPurpose::ALL, 1..).map(|(purpose, byte)| {
        let what = (purpose, settings.algorithm_for(purpose));
        KeyMaterial::new(what, Secret::new(vec![byte; 32]), "1", (start, start)).unwrap()
    });
    KeyRing::at(&keys.collect::<Vec<_>>(), &settings, start).unwrap()
}

pub(crate) struct Bare {
    state: Rc<State>,
}

struct State {
    row: RefCell<SessionRow>,
    user_epoch: Cell<u64>,
    now: Cell<Timestamp>,
}

impl Bare {
    pub(crate) fn open() -> Self {
        let first = first();
        let zero = Timestamp::default();
        let row = SessionRow {
            id: first.session,
            user: UserId::from_bytes([1; 16]),
            user_epoch: 5,
            delivery: Delivery::Cookie,
            remember: true,
            device: None,
            ip: None,
            user_agent: None,
            created_at: zero,
            authenticated_at: zero,
            last_seen_at: zero,
            generation: 1,
            current: first.hash(),
            previous: None,
            next_key: RING.next_key(),
            rotated_at: None,
            confirmed_at: None,
            straggler_at: None,
            idle_expires_at: zero + SETTINGS.idle_ttl,
            absolute_expires_at: zero + SETTINGS.absolute_ttl,
            revoked: None,
        };
        Self {
            state: Rc::new(State {
                row: RefCell::new(row),
                user_epoch: Cell::new(5),
                now: Cell::new(zero),
            }),
        }
    }
}

fn first() -> RefreshToken {
    RefreshToken::first(SessionId::from_bytes([1; 16]), [7; 32])
}

impl Server for Bare {
    fn first(&self) -> Given {
        self.state.give(&first())
    }

    fn set_time(&self, millis: i64) {
        self.state.now.set(Timestamp::from_millis(millis));
    }

    fn refresh(&self, text: &str, _replica: usize) -> Flight {
        let (state, text) = (Rc::clone(&self.state), text.to_owned());
        Box::pin(async move { state.refresh(&text).await })
    }

    fn accept(&self, with: &Given) {
        let mut row = self.state.row.borrow_mut();
        let now = self.state.now.get();
        let issued_at = Timestamp::from_millis(with.at);
        if proves_receipt(&row, with.generation, issued_at, now, SETTINGS.grace) {
            row.confirmed_at = Some(now);
        }
    }

    fn change_password(&self) -> Option<Given> {
        self.newest()?;
        let mut row = self.state.row.borrow_mut();
        let (id, generation, key) = (row.id, row.generation, RING.next_key());
        let next = RefreshToken::replacement(id, generation, &row.current, key, &RING)?;
        step(&mut row, &next, self.state.now.get());
        row.previous = None;
        row.user_epoch += 1;
        self.state.user_epoch.set(row.user_epoch);
        Some(self.state.give(&next))
    }

    fn end(&self, how: End) {
        match how {
            End::SignedOut => {
                let ended = (self.state.now.get(), RevokeReason::SignedOut);
                self.state.row.borrow_mut().revoked.get_or_insert(ended);
            }
            End::Everywhere | End::Password | End::Disabled => {
                self.state.user_epoch.update(|epoch| epoch + 1);
            }
        }
    }

    fn newest(&self) -> Option<u64> {
        let row = self.state.row.borrow();
        let lives = row.is_live(Some(self.state.user_epoch.get()), self.state.now.get());
        lives.then_some(row.generation)
    }
}

impl State {
    fn give(&self, token: &RefreshToken) -> Given {
        Given {
            text: token.to_text(&RING).expose().clone(),
            generation: token.generation,
            at: self.now.get().millis(),
        }
    }

    /// As the product does it: read, judge, one compare-and-set, three tries.
    async fn refresh(&self, text: &str) -> Outcome {
        let Ok(presented) = RefreshToken::parse(text, &RING) else {
            return Outcome::Refused(None);
        };
        for _ in 0..3 {
            let (row, now) = (self.row.borrow().clone(), self.now.get());
            let epoch = self.user_epoch.get();
            Pause(false).await;
            let verdict = judge(&row, Some(epoch), &presented, now, &SETTINGS);
            if let Some(outcome) = self.apply(&presented, &row, verdict, now) {
                return outcome;
            }
        }
        Outcome::Unavailable
    }

    fn apply(
        &self,
        presented: &RefreshToken,
        read: &SessionRow,
        verdict: Verdict,
        now: Timestamp,
    ) -> Option<Outcome> {
        let mut row = self.row.borrow_mut();
        let is_same = row.generation == read.generation;
        match verdict {
            Verdict::Same => Some(Outcome::Given(self.give(presented))),
            Verdict::Rotate => {
                let lives = row.is_live(Some(self.user_epoch.get()), now);
                let next = presented.successor(RING.next_key(), &RING).unwrap();
                (lives && row.current == read.current).then(|| {
                    step(&mut row, &next, now);
                    Outcome::Given(self.give(&next))
                })
            }
            Verdict::Redeliver => {
                let next = presented.replaced_by(&read.current, read.next_key, &RING);
                Some(Outcome::Given(self.give(&next.unwrap())))
            }
            Verdict::Straggler { first } => {
                if first && is_same {
                    row.straggler_at.get_or_insert(now);
                }
                Some(Outcome::Refused(Some(verdict)))
            }
            Verdict::Reuse | Verdict::Fork | Verdict::UserChanged => {
                row.revoked.get_or_insert((now, RevokeReason::Reuse));
                Some(Outcome::Refused(Some(verdict)))
            }
            Verdict::Revoked | Verdict::Expired | Verdict::FromTheFuture => {
                Some(Outcome::Refused(Some(verdict)))
            }
        }
    }
}

fn step(row: &mut SessionRow, next: &RefreshToken, now: Timestamp) {
    row.previous = Some(row.current);
    row.current = next.hash();
    row.generation = next.generation;
    row.rotated_at = Some(now);
    row.confirmed_at = None;
    row.straggler_at = None;
    row.idle_expires_at = (now + SETTINGS.idle_ttl).min(row.absolute_expires_at);
}

/// Lets others go first, once.
pub(crate) struct Pause(pub(crate) bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
