//! How are new passwords hashed? Argon2id, with the costs of the configuration, and with a key or without.

use crate::identity::Secret;

/// What one Argon2id hash costs. The default is the second of OWASP's sets of equal strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// OWASP's sets of equal strength, the least memory first: so many passes need so much of it, in KiB.
const ENOUGH: [(u32, u32); 5] = [
    (5, 7_168),
    (4, 9_216),
    (3, 12_288),
    (2, 19_456),
    (1, 47_104),
];

impl Argon2Cost {
    /// The least memory, in KiB, that is enough with this many passes.
    pub fn least_memory_kib(passes: u32) -> u32 {
        let set = ENOUGH.iter().find(|(enough, _)| passes >= *enough);
        set.map_or(u32::MAX, |(_, memory)| *memory)
    }
}

impl Default for Argon2Cost {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
        }
    }
}

/// A key that is not in the text of a hash, and without which nobody can try passwords against it:
/// Argon2's secret value K (RFC 9106 §3.1).
#[derive(Clone, Debug)]
pub struct Pepper {
    id: [u8; 8],
    key: Secret<[u8; 32]>,
}

impl Pepper {
    /// This key, which hashes name by this id.
    pub const fn new(id: [u8; 8], key: Secret<[u8; 32]>) -> Self {
        Self { id, key }
    }

    pub(super) const fn id(&self) -> &[u8; 8] {
        &self.id
    }

    pub(super) const fn key(&self) -> &[u8; 32] {
        self.key.expose()
    }
}

/// How new passwords are hashed.
#[derive(Clone, Debug, Default)]
pub struct HashPolicy {
    /// What a hash costs.
    pub cost: Argon2Cost,
    /// What it is peppered with; `None`: with nothing.
    pub pepper: Option<Pepper>,
}
