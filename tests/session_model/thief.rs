//! A thief copies the refresh token at a random moment and lives by its own clock: is it caught?

use proptest::collection::vec;
use proptest::prelude::*;
use vestibule::session::Verdict;

use crate::world::{GRACE, Given, Outcome, Server, land};

/// How long after the grace one late presentation of a replaced token is forgiven.
const WINDOW: i64 = 300_000;
/// Who tries again within this span is the same late request.
const AGAIN: i64 = 10_000;

/// Who comes when, counted from the one before; and when the token is copied.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    visits: Vec<Visit>,
    copied_before: usize,
}

#[derive(Clone, Debug)]
struct Visit {
    gap: i64,
    is_thief: bool,
    /// Whether the access token is used, and how long after.
    used: Option<i64>,
}

/// Visits that do not follow each other within the grace; who does that is not caught by rotation.
pub(crate) fn schedules() -> impl Strategy<Value = Schedule> {
    let gap = prop_oneof![
        2 * GRACE + 1..5 * GRACE,
        400_000..4_000_000_i64,
        20_000_000..100_000_000_i64
    ];
    let used = prop::option::weighted(0.8, GRACE..2 * GRACE);
    let visit = (gap, any::<bool>(), used).prop_map(|(gap, is_thief, used)| Visit {
        gap,
        is_thief,
        used,
    });
    (vec(visit, 2..14), any::<prop::sample::Index>()).prop_map(|(visits, copied)| Schedule {
        copied_before: copied.index(visits.len()),
        visits,
    })
}

/// What the two hold, and what is known of each generation from outside.
struct Chase<'a> {
    server: &'a dyn Server,
    /// The owner's and the thief's token.
    held: [Given; 2],
    newest: u64,
    /// When the newest came to be, and when its access token was used after the grace.
    rotated_at: i64,
    used_at: Option<i64>,
    /// When a replaced token was first refused and nothing ended.
    late_at: Option<i64>,
    over: bool,
}

/// `Err` if a bound does not hold that is promised.
pub(crate) fn run(server: &dyn Server, schedule: &Schedule) -> Result<(), String> {
    server.set_time(0);
    let first = server.first();
    let mut chase = Chase {
        server,
        newest: first.generation,
        held: [first.clone(), first],
        rotated_at: 0,
        used_at: None,
        late_at: None,
        over: false,
    };
    let mut now = 0;
    for (index, visit) in schedule.visits.iter().enumerate() {
        if index == schedule.copied_before {
            chase.held[1] = chase.held[0].clone();
        }
        // Until then there is no thief.
        let who = usize::from(visit.is_thief && index >= schedule.copied_before);
        now += visit.gap;
        chase.visits(now, who)?;
        if let Some(later) = visit.used
            && !chase.over
        {
            now += later;
            chase.uses_access_token(now, who);
        }
    }
    chase.is_dead_if_over(now)
}

impl Chase<'_> {
    fn visits(&mut self, now: i64, who: usize) -> Result<(), String> {
        self.server.set_time(now);
        let held = self.held[who].clone();
        let outcome = land(self.server.refresh(&held.text, who));
        let (must_be_refused, must_end) = self.bounds(now, held.generation);
        match outcome {
            Outcome::Given(given) => {
                if self.over {
                    return Err(format!("{given:?} after the end"));
                }
                if must_be_refused {
                    return Err(format!("{given:?} for a token that was replaced and used"));
                }
                if given.generation > self.newest {
                    self.newest = given.generation;
                    self.rotated_at = now;
                    (self.used_at, self.late_at) = (None, None);
                }
                self.held[who] = given;
            }
            Outcome::Refused(Some(verdict)) => {
                if matches!(verdict, Verdict::Straggler { .. }) {
                    self.late_at.get_or_insert(now);
                }
                if !must_be_refused && !self.over {
                    return Err(format!("{verdict:?} for a token that is good, at {now}"));
                }
            }
            other => return Err(format!("{other:?}")),
        }
        self.over |= self.server.newest().is_none();
        if must_end && !self.over {
            return Err(format!("two hold the session at {now}"));
        }
        Ok(())
    }

    /// What is promised about a token of this generation: whether it is refused, and whether that
    /// ends the session.
    fn bounds(&self, now: i64, generation: u64) -> (bool, bool) {
        let Some(used_at) = self.used_at.filter(|_| generation + 1 == self.newest) else {
            let is_older = generation + 2 <= self.newest;
            return (is_older, is_older);
        };
        let since = self.rotated_at.max(used_at);
        let is_late = now >= since + GRACE + WINDOW;
        let again = self.late_at.is_some_and(|at| now >= at + AGAIN);
        (now >= since + GRACE, is_late || again)
    }

    fn uses_access_token(&mut self, now: i64, who: usize) {
        self.server.set_time(now);
        let held = &self.held[who];
        self.server.accept(held);
        if held.generation == self.newest {
            self.used_at.get_or_insert(now);
        }
    }

    /// After the end nothing of the session works, whoever shows it.
    fn is_dead_if_over(&self, now: i64) -> Result<(), String> {
        for held in &self.held {
            if self.over
                && let Outcome::Given(given) = land(self.server.refresh(&held.text, 0))
            {
                return Err(format!("{given:?} after the end, at {now}"));
            }
        }
        Ok(())
    }
}
