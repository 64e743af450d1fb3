//! The options of `[passwords]` that say how one is hashed.

use std::ops::RangeInclusive;

use crate::identity::password::{Argon2Cost, HashPolicy, Pepper};

use super::problem::Complaint;
use super::section::Section;
use super::value::{flag, number, size};

const MIB: usize = 1 << 20;
/// Less than 7 MiB is too little with any number of passes; more than 1 GiB we would not read again.
const MEMORY: RangeInclusive<usize> = 7 * MIB..=1024 * MIB;
/// The most memory times passes: some seconds.
const MOST_WORK: u64 = 4 << 30;

/// How passwords are to be hashed. The pepper itself is no setting: it follows from the seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashSettings {
    /// What a hash costs.
    pub cost: Argon2Cost,
    /// Whether it is peppered.
    pub pepper: bool,
}

impl HashSettings {
    /// How passwords are hashed where this is the pepper.
    pub fn policy(self, pepper: &Pepper) -> HashPolicy {
        HashPolicy {
            cost: self.cost,
            pepper: self.pepper.then(|| pepper.clone()),
        }
    }
}

/// What `[passwords]` says of hashing.
pub(super) fn read(section: &mut Section<'_>) -> HashSettings {
    HashSettings {
        cost: cost(section),
        pepper: section.option("pepper", false, flag),
    }
}

fn cost(section: &mut Section<'_>) -> Argon2Cost {
    let default = Argon2Cost::default();
    let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let wide = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let memory = section.option(
        "argon2_memory",
        wide(default.memory_kib) * 1024,
        size(MEMORY),
    );
    let passes = section.option("argon2_passes", wide(default.passes), number(1..=20));
    let lanes = section.option("argon2_lanes", wide(default.lanes), number(1..=16));
    let cost = Argon2Cost {
        memory_kib: whole(memory / 1024),
        passes: whole(passes),
        lanes: whole(lanes),
    };
    if let Some(complaint) = complaint(cost) {
        section.refuse("argon2_memory", complaint);
    }
    cost
}

fn complaint(cost: Argon2Cost) -> Option<Complaint> {
    let least = Argon2Cost::least_memory_kib(cost.passes);
    if cost.memory_kib < least {
        let (memory, passes) = (cost.memory_kib, cost.passes);
        return Some(
            Complaint::new(format!(
                "{memory} KiB and {passes} passes are too little against guessing"
            ))
            .hint(format!(
                "with {passes} passes, write at least \"{least}KiB\""
            )),
        );
    }
    let work = u64::from(cost.memory_kib) * 1024 * u64::from(cost.passes);
    (work > MOST_WORK).then(|| {
        Complaint::new("a sign-in would take many seconds".to_owned())
            .hint("memory times passes may be at most 4 GiB")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{PasswordHash, Secret};

    fn with(memory_kib: u32, passes: u32) -> Argon2Cost {
        Argon2Cost {
            memory_kib,
            passes,
            lanes: 1,
        }
    }

    #[test]
    fn costs_are_at_least_those_that_owasp_names() {
        for (passes, memory) in [
            (1, 47_104),
            (2, 19_456),
            (3, 12_288),
            (4, 9_216),
            (5, 7_168),
        ] {
            assert!(complaint(with(memory, passes)).is_none(), "{passes}");
            assert!(complaint(with(memory - 1, passes)).is_some(), "{passes}");
        }
        assert!(complaint(with(7_168, 20)).is_none());
        assert!(complaint(with(7_167, 20)).is_some());
        assert!(complaint(Argon2Cost::default()).is_none());
        assert!(complaint(with(1 << 20, 4)).is_none());
        assert!(complaint(with(1 << 20, 5)).is_some());
    }

    #[test]
    fn what_may_be_configured_can_be_checked() {
        let cost = Argon2Cost {
            memory_kib: 7_168,
            passes: 20,
            lanes: 16,
        };
        let password = Secret::new("correct horse".to_owned());
        let policy = HashPolicy { cost, pepper: None };
        let hash = PasswordHash::of(&password, &policy, &[7; 16]);
        assert!(!hash.is_outdated(&policy));
        assert!(hash.is_outdated(&HashPolicy::default()));
        assert!(hash.fits(&password, None));
    }
}
