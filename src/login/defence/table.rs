//! What is remembered of whom, within a bound: who is least guilty is forgotten first.

use std::collections::{BTreeSet, HashMap};

use crate::clock::Timestamp;
use crate::login::defence::subject::Subject;

/// A bounded table. Every name, address and browser has the same size in it.
pub(super) struct Table<V> {
    bound: usize,
    entries: HashMap<Subject, (V, Rank)>,
    order: BTreeSet<(Rank, Subject)>,
}

/// How guilty somebody is, and when they last were: the first in order is forgotten first.
type Rank = (usize, Timestamp);

impl<V: Copy> Table<V> {
    pub(super) fn new(bound: usize) -> Self {
        Self {
            bound,
            entries: HashMap::new(),
            order: BTreeSet::new(),
        }
    }

    pub(super) fn get(&self, subject: Subject) -> Option<V> {
        self.entries.get(&subject).map(|(value, _)| *value)
    }

    /// Writes an entry; gives what was forgotten for it, which is never the new one: a table that
    /// somebody has filled with guilt must go on counting.
    pub(super) fn put(
        &mut self,
        subject: Subject,
        value: V,
        guilt: usize,
        at: Timestamp,
    ) -> Option<Subject> {
        let rank = (guilt, at);
        if let Some((_, before)) = self.entries.insert(subject, (value, rank)) {
            self.order.remove(&(before, subject));
        }
        self.order.insert((rank, subject));
        if self.entries.len() <= self.bound {
            return None;
        }
        let mut others = self.order.iter().map(|(_, other)| *other);
        let least = others.find(|other| *other != subject)?;
        self.remove(least);
        Some(least)
    }

    pub(super) fn remove(&mut self, subject: Subject) -> Option<V> {
        let (value, rank) = self.entries.remove(&subject)?;
        self.order.remove(&(rank, subject));
        Some(value)
    }

    /// Keeps what is worth it; gives what is not.
    pub(super) fn retain(&mut self, keep: impl Fn(Subject, &V) -> bool) -> Vec<Subject> {
        let entries = self.entries.iter();
        let gone = entries.filter(|(subject, (value, _))| !keep(**subject, value));
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
        fn the_table_is_never_over_its_bound_and_the_guilty_outlive_the_innocent(
            steps in prop::collection::vec((any::<u8>(), 1..20_usize), 0..300),
        ) {
            let mut table = Table::new(16);
            for (at, (number, guilt)) in steps.into_iter().enumerate() {
                let at = Timestamp::from_seconds(i64::try_from(at).unwrap());
                let new = subject(number);
                let before: Vec<_> = table.entries.iter().map(|(s, (g, _))| (*s, *g)).collect();
                let forgotten = table.put(new, guilt, guilt, at);
                prop_assert!(table.entries.len() <= 16);
                prop_assert_eq!(table.entries.len(), table.order.len());
                prop_assert_eq!(table.get(new), Some(guilt));
                if let Some(forgotten) = forgotten {
                    let guilt_of = |s| before.iter().find(|(o, _)| *o == s).map(|(_, g)| *g);
                    let least = before.iter().map(|(_, g)| *g).min();
                    prop_assert_eq!(guilt_of(forgotten), least);
                }
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
