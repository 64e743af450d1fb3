//! May this attempt be made, and what becomes of the counts when it fails or succeeds?

use std::collections::HashSet;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::LoginSettings;
use crate::login::defence::backoff::wait_after;
use crate::login::defence::bucket::{Bucket, Measure};
use crate::login::defence::subject::{EVERYWHERE, Subject};
use crate::login::defence::table::Table;
use crate::store::{AccountMark, KeptFailures};

/// How many accounts, networks, addresses and devices are remembered, all together.
const MOST: usize = 100_000;
/// How often a device on which somebody was signed in may fail before it is a stranger's.
const DEVICE_FAILURES: usize = 10;
/// From so many failures on, they outlive the process.
const KEPT_FROM: usize = 5;

/// Everything that failures are counted against.
pub(super) struct Counts {
    table: Table<Entry>,
    /// What the store does not know yet.
    changed: HashSet<Subject>,
}

#[derive(Clone, Copy)]
enum Entry {
    Failures { count: usize, last_at: Timestamp },
    Address(Bucket),
}

/// Whom an attempt counts against.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) account: AccountMark,
    /// The account as seen from each network around the caller.
    pub(super) networks: Vec<Subject>,
    /// The caller's address, where it is known.
    pub(super) address: Option<Subject>,
    /// The device, where the account was signed in on it before.
    pub(super) device: Option<Subject>,
}

/// An attempt that may be made. It counts as failed until it is said to have succeeded.
#[derive(Debug)]
pub struct Ticket {
    holds: Vec<Hold>,
    at: Timestamp,
}

/// What an attempt has added.
#[derive(Clone, Copy, Debug)]
struct Hold {
    subject: Subject,
    rule: Rule,
    /// The failures with this one.
    count: usize,
    last_before: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Network,
    Account,
    Device,
    Address,
}

/// From when on somebody has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Whoever tries this account from this network.
    Throttled,
    /// Whoever tries from this address.
    AddressThrottled,
    /// Whoever tries this account from an unknown device.
    Locked(Duration),
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            table: Table::new(MOST),
            changed: HashSet::new(),
        }
    }

    /// A place for an attempt, or how long there is none.
    pub(super) fn ask(
        &mut self,
        asker: &Asker,
        now: Timestamp,
        settings: &LoginSettings,
    ) -> Result<Ticket, Duration> {
        if let Some(device) = asker.device
            && self.failures(device, now, settings).0 < DEVICE_FAILURES
        {
            let hold = self.add(device, Rule::Device, now, settings);
            return Ok(Ticket {
                holds: vec![hold],
                at: now,
            });
        }
        let everywhere = Subject {
            account: asker.account,
            place: EVERYWHERE,
        };
        let networks = asker.networks.iter().map(|of| (*of, Rule::Network));
        let mut rules: Vec<(Subject, Rule)> = networks.collect();
        rules.push((everywhere, Rule::Account));
        rules.extend(asker.address.map(|of| (of, Rule::Address)));
        let waits = rules.iter();
        let waits = waits.map(|(of, rule)| self.wait(*of, *rule, now, settings));
        let wait = waits.max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        let added = rules.into_iter();
        let holds = added.map(|(of, rule)| self.add(of, rule, now, settings));
        Ok(Ticket {
            holds: holds.collect(),
            at: now,
        })
    }

    /// It was not them: what was counted stays.
    pub(super) fn failed(ticket: &Ticket, settings: &LoginSettings) -> Vec<Turn> {
        let turn = |hold: &Hold| match hold.rule {
            Rule::Network if hold.count == settings.free_failures => Some(Turn::Throttled),
            Rule::Account if hold.count == settings.lock_after => {
                Some(Turn::Locked(settings.lock_for))
            }
            Rule::Address if hold.count == settings.address_failures => {
                Some(Turn::AddressThrottled)
            }
            _ => None,
        };
        let mut turns: Vec<Turn> = ticket.holds.iter().filter_map(turn).collect();
        // The two networks around an address of IPv6 are one to whoever reads of it.
        turns.dedup();
        turns
    }

    /// It was them: their failures are forgotten. Not those of strangers, where the device was known:
    /// whoever guesses must not get new tries each time the owner signs in.
    pub(super) fn succeeded(&mut self, ticket: &Ticket, settings: &LoginSettings) {
        for hold in &ticket.holds {
            match hold.rule {
                Rule::Network | Rule::Account | Rule::Device => self.forget(hold.subject),
                Rule::Address => self.give_back_one(hold, ticket.at, settings),
            }
        }
    }

    /// Nothing was found out: the attempt is as if it had not been made.
    pub(super) fn given_back(&mut self, ticket: &Ticket, settings: &LoginSettings) {
        for hold in &ticket.holds {
            self.give_back_one(hold, ticket.at, settings);
        }
    }

    /// Forgets all that is counted against an account.
    pub(super) fn unlock(&mut self, account: AccountMark) {
        let gone = self.table.retain(|subject, _| subject.account != account);
        self.changed.extend(gone);
    }

    /// Forgets what nobody has to wait for any more.
    pub(super) fn tidy(&mut self, now: Timestamp, settings: &LoginSettings) {
        self.table.retain(|_, entry| match entry {
            Entry::Failures { last_at, .. } => !is_old(*last_at, now, settings),
            Entry::Address(bucket) => !bucket.is_full(now),
        });
    }

    /// Takes over what an earlier process has counted.
    pub(super) fn load(&mut self, kept: Vec<KeptFailures>) {
        for kept in kept {
            let subject = Subject {
                account: kept.account,
                place: kept.place,
            };
            self.write(subject, kept.failures, kept.last_at);
        }
        self.changed.clear();
    }

    /// What the store is to learn: no failures means that there are none any more.
    pub(super) fn changed(&mut self, settings: &LoginSettings) -> Vec<KeptFailures> {
        let changed = std::mem::take(&mut self.changed);
        let kept = |subject: Subject| {
            let (failures, last_at) = match self.table.get(subject) {
                Some(Entry::Failures { count, last_at }) if count >= KEPT_FROM => (count, last_at),
                _ => (0, Timestamp::default()),
            };
            let forgotten_at = last_at + settings.lock_for;
            let is_locked = subject.place == EVERYWHERE && failures >= settings.lock_after;
            KeptFailures {
                account: subject.account,
                place: subject.place,
                failures,
                last_at,
                locked_until: is_locked.then_some(forgotten_at),
                forgotten_at,
            }
        };
        changed.into_iter().map(kept).collect()
    }

    /// Has these told to the store again, unless something newer is to be told.
    pub(super) fn not_kept(&mut self, lost: &[KeptFailures]) {
        let subjects = lost.iter().map(|kept| Subject {
            account: kept.account,
            place: kept.place,
        });
        self.changed.extend(subjects);
    }

    fn wait(
        &self,
        subject: Subject,
        rule: Rule,
        now: Timestamp,
        settings: &LoginSettings,
    ) -> Duration {
        let (count, last_at) = match self.table.get(subject) {
            Some(Entry::Address(bucket)) => return bucket.wait(measure(settings), now),
            _ => self.failures(subject, now, settings),
        };
        let whole = match rule {
            Rule::Network => wait_after(count, settings),
            Rule::Account if count >= settings.lock_after => settings.lock_for,
            Rule::Account | Rule::Device | Rule::Address => Duration::ZERO,
        };
        whole.saturating_sub(now.since(last_at))
    }

    /// The failures that are remembered, and the moment of the last one.
    fn failures(
        &self,
        subject: Subject,
        now: Timestamp,
        settings: &LoginSettings,
    ) -> (usize, Timestamp) {
        match self.table.get(subject) {
            Some(Entry::Failures { count, last_at }) if !is_old(last_at, now, settings) => {
                (count, last_at)
            }
            _ => (0, now),
        }
    }

    fn add(
        &mut self,
        subject: Subject,
        rule: Rule,
        now: Timestamp,
        settings: &LoginSettings,
    ) -> Hold {
        let (count, last_before) = if rule == Rule::Address {
            let mut bucket = self.bucket(subject);
            // There is one: it was asked before.
            let _ = bucket.take(measure(settings), now);
            let missing = bucket.missing(measure(settings), now);
            self.write_entry(subject, Entry::Address(bucket), missing, now);
            (missing, now)
        } else {
            let (count, last_before) = self.failures(subject, now, settings);
            self.write(subject, count + 1, now);
            (count + 1, last_before)
        };
        Hold {
            subject,
            rule,
            count,
            last_before,
        }
    }

    fn give_back_one(&mut self, hold: &Hold, at: Timestamp, settings: &LoginSettings) {
        match self.table.get(hold.subject) {
            Some(Entry::Address(mut bucket)) => {
                bucket.put_back(measure(settings));
                let missing = bucket.missing(measure(settings), at);
                self.write_entry(hold.subject, Entry::Address(bucket), missing, at);
            }
            Some(Entry::Failures { count, last_at }) => {
                let others_came = last_at != at;
                let last_at = if others_came {
                    last_at
                } else {
                    hold.last_before
                };
                self.write(hold.subject, count.saturating_sub(1), last_at);
            }
            None => {}
        }
    }

    fn bucket(&self, subject: Subject) -> Bucket {
        match self.table.get(subject) {
            Some(Entry::Address(bucket)) => bucket,
            _ => Bucket::default(),
        }
    }

    fn write(&mut self, subject: Subject, count: usize, last_at: Timestamp) {
        // One less than what is kept may be what is left of it.
        if count + 1 >= KEPT_FROM {
            self.changed.insert(subject);
        }
        self.write_entry(subject, Entry::Failures { count, last_at }, count, last_at);
    }

    fn write_entry(&mut self, subject: Subject, entry: Entry, guilt: usize, at: Timestamp) {
        let evicted = self.table.put(subject, entry, guilt, at);
        self.changed.extend(evicted);
    }

    fn forget(&mut self, subject: Subject) {
        if let Some(Entry::Failures { count, .. }) = self.table.remove(subject)
            && count >= KEPT_FROM
        {
            self.changed.insert(subject);
        }
    }
}

impl Ticket {
    /// Whether the attempt comes from a device on which the account was signed in before.
    pub fn is_of_known_device(&self) -> bool {
        self.holds.iter().any(|hold| hold.rule == Rule::Device)
    }
}

fn is_old(last_at: Timestamp, now: Timestamp, settings: &LoginSettings) -> bool {
    now.since(last_at) >= settings.lock_for
}

fn measure(settings: &LoginSettings) -> Measure {
    Measure {
        size: settings.address_failures,
        refill: settings.address_refill,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: AccountMark = [1; 16];
    const SETTINGS: fn() -> LoginSettings = LoginSettings::default;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    fn subject(account: AccountMark, place: u8) -> Subject {
        Subject {
            account,
            place: [place; 8],
        }
    }

    /// Somebody who tries Ada's account from this network and from an address of their own.
    fn from(network: u8) -> Asker {
        Asker {
            account: ADA,
            networks: vec![subject(ADA, network)],
            address: None,
            device: None,
        }
    }

    fn on_known_device() -> Asker {
        Asker {
            device: Some(subject(ADA, 99)),
            ..from(1)
        }
    }

    fn fail(counts: &mut Counts, asker: &Asker, second: i64) -> Result<Vec<Turn>, u64> {
        let asked = counts.ask(asker, at(second), &SETTINGS());
        let ticket = asked.map_err(|wait| wait.as_secs())?;
        Ok(Counts::failed(&ticket, &SETTINGS()))
    }

    #[test]
    fn five_are_free_and_then_the_waits_double() {
        let mut counts = Counts::new();
        for (second, outcome) in [
            (0, Ok(vec![])),
            (0, Ok(vec![])),
            (0, Ok(vec![])),
            (0, Ok(vec![])),
            (0, Ok(vec![Turn::Throttled])),
            (0, Err(1)),
            (1, Ok(vec![])),
            (1, Err(2)),
            (2, Err(1)),
            (3, Ok(vec![])),
            (4, Err(3)),
            (7, Ok(vec![])),
            (7, Err(8)),
        ] {
            assert_eq!(fail(&mut counts, &from(1), second), outcome, "{second}");
        }
        assert_eq!(fail(&mut counts, &from(2), 7), Ok(vec![]), "elsewhere");
    }

    #[test]
    fn of_a_thousand_at_once_only_the_free_ones_are_tried() {
        let mut counts = Counts::new();
        let asked = (0..1000).map(|_| counts.ask(&from(1), at(0), &SETTINGS()));
        assert_eq!(asked.filter(Result::is_ok).count(), 5);
    }

    #[test]
    fn success_forgets_and_what_was_not_tried_is_given_back() {
        let mut counts = Counts::new();
        for _ in 0..4 {
            fail(&mut counts, &from(1), 0).unwrap();
        }
        let ticket = counts.ask(&from(1), at(5), &SETTINGS()).unwrap();
        counts.given_back(&ticket, &SETTINGS());
        let ticket = counts.ask(&from(1), at(5), &SETTINGS()).unwrap();
        assert!(counts.ask(&from(1), at(5), &SETTINGS()).is_err());
        counts.succeeded(&ticket, &SETTINGS());
        for _ in 0..5 {
            fail(&mut counts, &from(1), 5).unwrap();
        }
        assert!(fail(&mut counts, &from(1), 5).is_err());
    }

    #[test]
    fn a_hundred_in_a_row_lock_the_account_for_strangers_and_a_day_forgets_them() {
        let mut counts = Counts::new();
        for network in 1..=20 {
            for _ in 0..5 {
                let turns = fail(&mut counts, &from(network), 0).unwrap();
                assert!(!turns.contains(&Turn::Locked(SETTINGS().lock_for)) || network == 20);
            }
        }
        let day = 86_400;
        assert_eq!(fail(&mut counts, &from(77), 10), Err(day - 10));
        assert_eq!(fail(&mut counts, &on_known_device(), 10), Ok(vec![]));
        assert_eq!(fail(&mut counts, &from(77), 86_400), Ok(vec![]));
        assert_eq!(
            fail(&mut counts, &from(77), 86_400),
            Ok(vec![]),
            "no relock"
        );
    }

    #[test]
    fn a_known_device_is_a_stranger_after_ten_failures_and_forgives_nobody_else() {
        let mut counts = Counts::new();
        for _ in 0..5 {
            fail(&mut counts, &from(1), 0).unwrap();
        }
        let known = on_known_device();
        let ticket = counts.ask(&known, at(0), &SETTINGS()).unwrap();
        assert!(ticket.is_of_known_device());
        counts.succeeded(&ticket, &SETTINGS());
        assert!(fail(&mut counts, &from(1), 0).is_err(), "still waiting");
        for _ in 0..10 {
            assert_eq!(fail(&mut counts, &known, 0), Ok(vec![]));
        }
        assert_eq!(fail(&mut counts, &known, 0), Err(1));
    }

    #[test]
    fn an_address_has_twenty_for_all_accounts_and_success_gives_one_back() {
        let mut counts = Counts::new();
        let address = subject([200; 16], 0);
        let trying = |number: u8| Asker {
            account: [number; 16],
            networks: vec![subject([number; 16], 1)],
            address: Some(address),
            device: None,
        };
        for number in 0..19 {
            assert_eq!(fail(&mut counts, &trying(number), 0), Ok(vec![]));
        }
        let ticket = counts.ask(&trying(50), at(0), &SETTINGS()).unwrap();
        counts.succeeded(&ticket, &SETTINGS());
        let last = fail(&mut counts, &trying(51), 0);
        assert_eq!(last, Ok(vec![Turn::AddressThrottled]));
        assert_eq!(fail(&mut counts, &trying(52), 0), Err(6));
        assert_eq!(
            fail(&mut counts, &trying(52), 6),
            Ok(vec![Turn::AddressThrottled])
        );
    }

    #[test]
    fn five_and_more_are_kept_and_loaded_again() {
        let mut counts = Counts::new();
        for _ in 0..3 {
            fail(&mut counts, &from(1), 0).unwrap();
        }
        assert!(counts.changed(&SETTINGS()).is_empty());
        for _ in 0..2 {
            fail(&mut counts, &from(1), 0).unwrap();
        }
        let kept = counts.changed(&SETTINGS());
        assert_eq!(kept.len(), 2, "of the network and of the account");
        assert!(kept.iter().all(|kept| kept.failures == 5));
        let mut again = Counts::new();
        again.load(kept.clone());
        assert!(again.changed(&SETTINGS()).is_empty());
        assert_eq!(fail(&mut again, &from(1), 0), Err(1));
        again.unlock(ADA);
        assert!(
            again
                .changed(&SETTINGS())
                .iter()
                .all(|kept| kept.failures == 0)
        );
        assert_eq!(fail(&mut again, &from(1), 0), Ok(vec![]));
        counts.not_kept(&kept);
        assert_eq!(counts.changed(&SETTINGS()).len(), 2);
    }

    #[test]
    fn what_is_over_is_tidied_away() {
        let mut counts = Counts::new();
        fail(&mut counts, &from(1), 0).unwrap();
        counts.tidy(at(86_399), &SETTINGS());
        assert!(counts.table.get(subject(ADA, 1)).is_some());
        counts.tidy(at(86_400), &SETTINGS());
        assert!(counts.table.get(subject(ADA, 1)).is_none());
    }
}
