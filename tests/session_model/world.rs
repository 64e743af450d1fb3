//! An honest browser lives through a schedule. Is it signed in afterwards, and does nothing live that
//! was ended?

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use vestibule::session::Verdict;

use crate::schedule::{End, Schedule};

/// How long an access token is used before a browser's request renews it.
pub(crate) const RENEWED_AFTER: i64 = 240_000;
/// How long a token just replaced gets the same successor.
pub(crate) const GRACE: i64 = 30_000;

/// A refresh token that was handed out, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) generation: u64,
    pub(crate) at: i64,
}

/// What came of presenting a refresh token.
#[derive(Debug)]
pub(crate) enum Outcome {
    Given(Given),
    Refused(Option<Verdict>),
    Unavailable,
}

/// A presentation under way: it stops where it waits for the store.
pub(crate) type Flight = Pin<Box<dyn Future<Output = Outcome>>>;

/// One session, and all that can happen to it.
pub(crate) trait Server {
    /// What its sign-in gave, at time zero.
    fn first(&self) -> Given;
    /// Moves the store's clock.
    fn set_time(&self, millis: i64);
    /// Begins to present a refresh token at a replica.
    fn refresh(&self, text: &str, replica: usize) -> Flight;
    /// An access token is accepted that was handed out with this refresh token.
    fn accept(&self, with: &Given);
    /// Changes the password from within the session; `None` if it is over.
    fn change_password(&self) -> Option<Given>;
    /// Somebody ends the session.
    fn end(&self, how: End);
    /// The newest generation, while the session lives.
    fn newest(&self) -> Option<u64>;
}

enum Event {
    Sent(usize),
    Reached(usize, bool),
    Goes(usize, bool),
    Leaves(usize, Given),
    Arrives(i64, Given),
    Crash(i64),
    Password { back: i64 },
    End(End),
}

struct World<'a> {
    server: &'a dyn Server,
    schedule: &'a Schedule,
    events: BTreeMap<(i64, usize), Event>,
    count: usize,
    /// What the browser held, and since when; the last is what it holds.
    jar: Vec<(i64, Given)>,
    crashed_at: i64,
    /// The token that a request carries: of either kind.
    carried: HashMap<usize, Given>,
    flights: HashMap<(usize, bool), Flight>,
    /// The one refresh token of each generation.
    texts: BTreeMap<u64, String>,
    /// The first generation since the password was changed; those before are worth nothing.
    cut: u64,
    ended: bool,
}

/// `Err` says what went wrong.
pub(crate) fn run(server: &dyn Server, schedule: &Schedule) -> Result<(), String> {
    server.set_time(0);
    let first = server.first();
    let mut world = World {
        server,
        schedule,
        events: BTreeMap::new(),
        count: 0,
        jar: vec![(0, first.clone())],
        crashed_at: -1,
        carried: HashMap::new(),
        flights: HashMap::new(),
        texts: BTreeMap::from([(first.generation, first.text)]),
        ended: false,
        cut: 0,
    };
    for (index, trip) in schedule.trips.iter().enumerate() {
        world.plan(trip.sent, Event::Sent(index));
    }
    for crash in &schedule.crashes {
        world.plan(crash.at, Event::Crash(crash.forgets));
    }
    for password in &schedule.passwords {
        let back = password.back;
        world.plan(password.at, Event::Password { back });
    }
    if let Some((at, end)) = schedule.end {
        world.plan(at, Event::End(end));
    }
    let mut now = 0;
    while let Some(((at, _), event)) = world.events.pop_first() {
        now = at;
        server.set_time(now);
        world.happens(now, event)?;
    }
    world.settles(now + 60_000)
}

impl World<'_> {
    fn plan(&mut self, at: i64, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    fn held(&self) -> &Given {
        &self.jar.last().unwrap().1
    }

    fn happens(&mut self, now: i64, event: Event) -> Result<(), String> {
        match event {
            Event::Sent(index) => {
                let trip = &self.schedule.trips[index];
                self.carried.insert(index, self.held().clone());
                self.plan(now + trip.there, Event::Reached(index, false));
                if let Some(later) = trip.again {
                    self.plan(now + trip.there + later, Event::Reached(index, true));
                }
            }
            Event::Reached(index, again) => self.reaches(now, index, again)?,
            Event::Goes(index, again) => self.goes_on(now, index, again)?,
            Event::Leaves(index, given) => {
                // A pair that was replaced meanwhile, or whose session has ended, is not sent.
                let trip = &self.schedule.trips[index];
                if self.server.newest() == Some(given.generation) && !trip.lost {
                    self.plan(now + trip.back, Event::Arrives(trip.sent, given));
                }
            }
            Event::Arrives(sent, given) => {
                if sent > self.crashed_at {
                    self.jar.push((now, given));
                }
            }
            Event::Crash(forgets) => {
                let written = self.jar.iter().rfind(|(since, _)| *since <= now - forgets);
                let given = written.map_or(&self.jar[0].1, |(_, given)| given).clone();
                self.jar.push((now, given));
                self.crashed_at = now;
            }
            Event::Password { back } => {
                if let Some(given) = self.server.change_password() {
                    self.note(&given)?;
                    self.cut = given.generation;
                    self.plan(now + back, Event::Arrives(now, given));
                }
            }
            Event::End(how) => {
                self.server.end(how);
                self.ended = true;
            }
        }
        Ok(())
    }

    /// A request reaches us: with a refresh token to be exchanged, or an access token that is good.
    fn reaches(&mut self, now: i64, index: usize, again: bool) -> Result<(), String> {
        let trip = &self.schedule.trips[index];
        if again && trip.sent <= self.crashed_at {
            return Ok(());
        }
        let carried = &self.carried[&index];
        if !trip.refreshes && now - carried.at < RENEWED_AFTER {
            self.server.accept(carried);
            return Ok(());
        }
        let flight = self.server.refresh(&carried.text, trip.replica);
        self.flights.insert((index, again), flight);
        self.goes_on(now, index, again)
    }

    fn goes_on(&mut self, now: i64, index: usize, again: bool) -> Result<(), String> {
        let trip = &self.schedule.trips[index];
        let flight = self.flights.get_mut(&(index, again)).unwrap();
        match flight
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Pending => {
                self.plan(now + trip.pause, Event::Goes(index, again));
            }
            Poll::Ready(Outcome::Given(given)) => {
                if self.carried[&index].generation < self.cut && given.generation >= self.cut {
                    return Err("given for a token from before a change of password".to_owned());
                }
                self.note(&given)?;
                if again == trip.again.is_some() {
                    self.plan(now + trip.app, Event::Leaves(index, given));
                }
            }
            Poll::Ready(Outcome::Refused(Some(Verdict::Straggler { .. })))
            | Poll::Ready(Outcome::Unavailable) => {}
            Poll::Ready(Outcome::Refused(_)) if self.ended => {}
            // Its place was taken by a change of password, whose answer the browser has missed.
            Poll::Ready(Outcome::Refused(_)) if self.carried[&index].generation < self.cut => {
                self.ended = true;
            }
            Poll::Ready(Outcome::Refused(Some(Verdict::Reuse)))
                if self.is_hopeless(now, trip.sent, &self.carried[&index]) =>
            {
                self.ended = true;
            }
            Poll::Ready(Outcome::Refused(verdict)) => {
                return Err(format!(
                    "signed out by {verdict:?} in trip {index} at {now}"
                ));
            }
        }
        Ok(())
    }

    /// A token that was replaced twice may end the session, because this is how thieves are told: where
    /// a request takes longer than the grace, or a crash has cost both replacements. So may one that was
    /// replaced three times.
    fn is_hopeless(&self, now: i64, sent: i64, presented: &Given) -> bool {
        let newest = self.texts.last_key_value().map_or(0, |(newest, _)| *newest);
        let replaced = newest.saturating_sub(presented.generation);
        replaced > 2 || replaced == 2 && (now - sent > GRACE || self.crashed_at >= 0)
    }

    /// All answers of one generation give the same refresh token; a new one only while the session
    /// lives.
    fn note(&mut self, given: &Given) -> Result<(), String> {
        let newest = self.texts.last_key_value().map_or(0, |(newest, _)| *newest);
        if self.ended && given.generation > newest {
            return Err(format!("generation {} after the end", given.generation));
        }
        let text = self.texts.entry(given.generation);
        let text = text.or_insert_with(|| given.text.clone());
        if *text == given.text {
            Ok(())
        } else {
            Err(format!("two tokens of generation {}", given.generation))
        }
    }

    /// Everything has arrived: the browser comes back, or nothing opens the session again.
    fn settles(&mut self, now: i64) -> Result<(), String> {
        self.server.set_time(now);
        if !self.ended {
            let held = self.held();
            return match land(self.server.refresh(&held.text, 0)) {
                Outcome::Given(_) => Ok(()),
                Outcome::Refused(_) if held.generation < self.cut => Ok(()),
                Outcome::Refused(Some(Verdict::Reuse)) if self.is_hopeless(now, now, held) => {
                    Ok(())
                }
                other => Err(format!("not signed in afterwards: {other:?}")),
            };
        }
        if self.server.newest().is_some() || self.server.change_password().is_some() {
            return Err("it lives on".to_owned());
        }
        for text in self.texts.values() {
            if let Outcome::Given(given) = land(self.server.refresh(text, 1)) {
                return Err(format!("{given:?} after the end"));
            }
        }
        Ok(())
    }
}

/// Presents without anything coming in between.
pub(crate) fn land(mut flight: Flight) -> Outcome {
    loop {
        let polled = flight
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(outcome) = polled {
            return outcome;
        }
    }
}
