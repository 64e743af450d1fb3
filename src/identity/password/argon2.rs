//! Argon2 in PHC form (RFC 9106): ours, and what others made.

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;

use super::policy::Argon2Cost;
use super::scheme::{Scheme, Unsupported};

/// The most memory of one hash: 1 GiB.
const MOST_MEMORY_KIB: u32 = 1 << 20;
/// The most passes.
const MOST_PASSES: u32 = 20;
/// The most memory times passes: 4 GiB are gone over in some seconds.
const MOST_WORK: u64 = 4 << 20;
/// The most lanes.
const MOST_LANES: u32 = 64;

/// An Argon2 hash that was read.
pub(super) struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: phc::Salt,
    output: phc::Output,
}

impl Argon2Hash {
    pub(super) fn read(text: &str) -> Result<Self, Unsupported> {
        let scheme = scheme_of(text)?;
        let malformed = Unsupported::Malformed(scheme);
        let hash = phc::PasswordHash::new(text).map_err(|_| malformed)?;
        let params = Params::try_from(&hash).map_err(|_| malformed)?;
        let version = match hash.version {
            // The first form had no version in it.
            None => Version::V0x10,
            Some(version) => Version::try_from(version).map_err(|_| malformed)?,
        };
        let (Some(salt), Some(output)) = (hash.salt, hash.hash) else {
            return Err(malformed);
        };
        // Those need something besides the password that is not in the text.
        if !params.keyid().is_empty() || !params.data().is_empty() || salt.len() < 8 {
            return Err(malformed);
        }
        let (memory, passes) = (params.m_cost(), params.t_cost());
        let work = u64::from(memory) * u64::from(passes);
        let lanes = params.p_cost();
        if memory > MOST_MEMORY_KIB
            || passes > MOST_PASSES
            || work > MOST_WORK
            || lanes > MOST_LANES
        {
            return Err(Unsupported::TooCostly(scheme));
        }
        Ok(Self {
            algorithm: algorithm_of(scheme),
            version,
            params,
            salt,
            output,
        })
    }

    pub(super) const fn scheme(&self) -> Scheme {
        match self.algorithm {
            Algorithm::Argon2id => Scheme::Argon2id,
            Algorithm::Argon2i => Scheme::Argon2i,
            Algorithm::Argon2d => Scheme::Argon2d,
        }
    }

    /// Whether we would make it the same way today.
    pub(super) fn is_of(&self, cost: Argon2Cost) -> bool {
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && self.params.m_cost() == cost.memory_kib
            && self.params.t_cost() == cost.passes
            && self.params.p_cost() == cost.lanes
            && self.salt.len() >= 16
            && self.output.len() >= Params::DEFAULT_OUTPUT_LEN
    }

    pub(super) fn fits(&self, password: &[u8]) -> bool {
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut output = [0; phc::Output::MAX_LENGTH];
        let Some(output) = output.get_mut(..self.output.len()) else {
            return false;
        };
        let done = argon2.hash_password_into(password, &self.salt, output);
        done.is_ok() && output.ct_eq(self.output.as_bytes()).into()
    }
}

/// The PHC string of something secret. `salt` must be random.
#[expect(
    clippy::expect_used,
    reason = "the costs are within argon2's limits, and so are salt and output"
)]
pub(super) fn hash(secret: &[u8], cost: Argon2Cost, salt: &[u8; 16]) -> String {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None);
    let argon2 = Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        params.expect("costs in range"),
    );
    let hasher: &dyn argon2::PasswordHasher<phc::PasswordHash> = &argon2;
    let hash = hasher.hash_password_with_salt(secret, salt);
    hash.expect("argon2 hashes anything with these costs")
        .to_string()
}

fn scheme_of(text: &str) -> Result<Scheme, Unsupported> {
    match text.split('$').nth(1) {
        Some("argon2id") => Ok(Scheme::Argon2id),
        Some("argon2i") => Ok(Scheme::Argon2i),
        Some("argon2d") => Ok(Scheme::Argon2d),
        _ => Err(Unsupported::Unknown),
    }
}

const fn algorithm_of(scheme: Scheme) -> Algorithm {
    match scheme {
        Scheme::Argon2i => Algorithm::Argon2i,
        Scheme::Argon2d => Algorithm::Argon2d,
        _ => Algorithm::Argon2id,
    }
}
