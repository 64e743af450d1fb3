//! How are new passwords hashed? Argon2id, with the costs of the configuration.

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

impl Default for Argon2Cost {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
        }
    }
}

/// How new passwords are hashed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashPolicy {
    /// What a hash costs.
    pub cost: Argon2Cost,
}
