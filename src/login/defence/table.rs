//! What is remembered of whom, within a bound: who is least guilty is forgotten first.

use std::collections::{BTreeSet, HashMap};

use crate::clock::Timestamp;
use crate::login::defence::subject::Subject;

/// A bounded table. Every name, address and browser has the same size in it. Newcomers have a part of it
/// to themselves, where only time pushes them out: a table that somebody has filled with guilt must go on
/// counting.
pub(super) struct Table<V> {
    newcomers: usize,
    others: usize,
    entries: HashMap<Subject, Entry<V>>,
    /// The newcomers: who was quiet longest stops being one first.
    recent: BTreeSet<(Timestamp, Subject)>,
    /// The others: who is least guilty is forgotten first.
    order: BTreeSet<(Rank, Subject)>,
}

#[derive(Clone, Copy)]
struct Entry<V> {
    value: V,
    rank: Rank,
    is_new: bool,
}

/// How guilty somebody is, and when they last were.
type Rank = (usize, Timestamp);

impl<V: Copy> Table<V> {
    pub(super) fn new(bound: usize) -> Self {
        let newcomers = (bound / 4).max(1);
        Self {
            newcomers,
            others: bound.saturating_sub(newcomers),
            entries: HashMap::new(),
            recent: BTreeSet::new(),
            order: BTreeSet::new(),
        }
    }

    pub(super) fn get(&self, subject: Subject) -> Option<V> {
        self.entries.get(&subject).map(|entry| entry.value)
    }

    /// Writes an entry; gives what was forgotten for it, which is never the new one.
    pub(super) fn put(
        &mut self,
        subject: Subject,
        value: V,
        guilt: usize,
        at: Timestamp,
    ) -> Option<Subject> {
        let before = self.take(subject);
        let is_new = before.is_none_or(|before| before.is_new);
        self.write(
            subject,
            Entry {
                value,
                rank: (guilt, at),
                is_new,
            },
        );
        if self.recent.len() > self.newcomers {
            let (_, oldest) = *self.recent.first()?;
            let entry = self.take(oldest)?;
            let is_new = false;
            self.write(oldest, Entry { is_new, ..entry });
        }
        if self.order.len() <= self.others {
            return None;
        }
        let (_, least) = *self.order.first()?;
        self.remove(least);
        Some(least)
    }

    pub(super) fn remove(&mut self, subject: Subject) -> Option<V> {
        self.take(subject).map(|entry| entry.value)
    }

    fn write(&mut self, subject: Subject, entry: Entry<V>) {
        match entry.is_new {
            true => self.recent.insert((entry.rank.1, subject)),
            false => self.order.insert((entry.rank, subject)),
        };
        self.entries.insert(subject, entry);
    }

    fn take(&mut self, subject: Subject) -> Option<Entry<V>> {
        let entry = self.entries.remove(&subject)?;
        match entry.is_new {
            true => self.recent.remove(&(entry.rank.1, subject)),
            false => self.order.remove(&(entry.rank, subject)),
        };
        Some(entry)
    }

    /// Keeps what is worth it; gives what is not.
    pub(super) fn retain(&mut self, keep: impl Fn(Subject, &V) -> bool) -> Vec<Subject> {
        let entries = self.entries.iter();
        let gone = entries.filter(|(subject, entry)| !keep(**subject, &entry.value));
        let gone: Vec<Subject> = gone.map(|(subject, _)| *subject).collect();
        for subject in &gone {
            self.remove(*subject);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subject(number: u8) -> Subject {
        Subject {
            account: [number; 16],
            place: [0; 8],
        }
    }

    proptest! {
        #[test]
        fn the_table_is_never_over_its_bound_and_always_knows_the_last_one(
            steps in prop::collection::vec((any::<u8>(), 1..20_usize), 0..300),
        ) {
            let mut table = Table::new(16);
            for (at, (number, guilt)) in steps.into_iter().enumerate() {
                let at = Timestamp::from_seconds(i64::try_from(at).unwrap());
                let new = subject(number);
                let others = table.order.iter().map(|((guilt, _), _)| *guilt).min();
                let forgotten = table.put(new, guilt, guilt, at);
                prop_assert!(table.entries.len() <= 16);
                prop_assert_eq!(table.entries.len(), table.order.len() + table.recent.len());
                prop_assert_eq!(table.get(new), Some(guilt));
                prop_assert!(forgotten.is_none() || others.is_some());
                prop_assert_ne!(forgotten, Some(new));
            }
        }

        #[test]
        fn a_guilty_entry_outlives_any_number_of_innocent_ones(
            names in prop::collection::vec(1..=255_u8, 0..300),
        ) {
            let mut table = Table::new(4);
            table.put(subject(0), 5, 5, Timestamp::default());
            for name in names {
                table.put(subject(name), 1, 1, Timestamp::from_seconds(1));
                prop_assert_eq!(table.get(subject(0)), Some(5));
            }
        }
    }

    #[test]
    fn a_table_full_of_guilt_counts_newcomers() {
        let mut table = Table::new(100);
        let all = |number: u8, place: u8| Subject {
            account: [number; 16],
            place: [place; 8],
        };
        for number in 0..200 {
            table.put(all(number, 1), 9, 9, Timestamp::from_seconds(1));
        }
        // The victim from three sides, and other names between the guesses.
        for guess in 1..=100 {
            for place in 2..5 {
                let count = table.get(all(250, place)).unwrap_or_default() + 1;
                assert_eq!(count, guess);
                let at = Timestamp::from_seconds(10 + i64::try_from(guess).unwrap());
                table.put(all(250, place), count, count, at);
                table.put(all(u8::try_from(guess).unwrap(), 9), 1, 1, at);
            }
        }
    }

    #[test]
    fn of_those_as_guilty_the_one_that_was_quiet_longest_is_forgotten() {
        let mut table = Table::new(2);
        let at = Timestamp::from_seconds;
        table.put(subject(1), (), 1, at(1));
        table.put(subject(2), (), 1, at(2));
        table.put(subject(1), (), 1, at(3));
        assert_eq!(table.put(subject(3), (), 1, at(4)), Some(subject(2)));
        assert_eq!(table.retain(|of, ()| of == subject(3)), [subject(1)]);
        assert!(table.get(subject(3)).is_some());
    }
}
