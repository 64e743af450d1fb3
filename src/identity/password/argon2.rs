//! Argon2 in PHC form (RFC 9106): ours, and what others made.

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, KeyId, Params, ParamsBuilder, Version};
use subtle::ConstantTimeEq;

use super::memory::HashMemory;
use super::policy::{HashPolicy, Pepper};
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
    pepper: Option<Pepper>,
    salt: phc::Salt,
    output: phc::Output,
}

impl Argon2Hash {
    /// `pepper`: the one that is known; a hash with another cannot be checked.
    pub(super) fn read(text: &str, pepper: Option<&Pepper>) -> Result<Self, Unsupported> {
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
        let pepper = match params.keyid() {
            [] => None,
            id => Some(pepper.filter(|pepper| pepper.id() == id).ok_or(malformed)?),
        };
        if !params.data().is_empty() || salt.len() < 8 {
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
            pepper: pepper.cloned(),
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
    pub(super) fn is_of(&self, policy: &HashPolicy) -> bool {
        let cost = policy.cost;
        self.pepper.is_some() == policy.pepper.is_some()
            && self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && self.params.m_cost() == cost.memory_kib
            && self.params.t_cost() == cost.passes
            && self.params.p_cost() == cost.lanes
            && self.salt.len() >= 16
            && self.output.len() >= Params::DEFAULT_OUTPUT_LEN
    }

    pub(super) fn fits(&self, password: &[u8], memory: &mut HashMemory) -> bool {
        let argon2 = with_pepper(
            self.pepper.as_ref(),
            self.algorithm,
            self.version,
            self.params.clone(),
        );
        let Ok(argon2) = argon2 else {
            return false;
        };
        let mut output = [0; phc::Output::MAX_LENGTH];
        let Some(output) = output.get_mut(..self.output.len()) else {
            return false;
        };
        let done = memory.lend(&self.params, |memory| {
            argon2.hash_password_into_with_memory(password, &self.salt, output, memory)
        });
        done.is_ok() && output.ct_eq(self.output.as_bytes()).into()
    }
}

/// The PHC string of something secret. `salt` must be random.
#[expect(
    clippy::expect_used,
    reason = "costs and pepper are within argon2's limits, and so are salt and output"
)]
pub(super) fn hash(
    secret: &[u8],
    policy: &HashPolicy,
    salt: &[u8; 16],
    memory: &mut HashMemory,
) -> String {
    let (cost, pepper) = (policy.cost, policy.pepper.as_ref());
    let mut params = ParamsBuilder::new();
    params.m_cost(cost.memory_kib);
    params.t_cost(cost.passes);
    params.p_cost(cost.lanes);
    if let Some(pepper) = pepper {
        params.keyid(KeyId::new(pepper.id()).expect("an id of 8 bytes"));
    }
    let params = params.build().expect("costs in range");
    let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
    let argon2 = with_pepper(pepper, algorithm, version, params.clone());
    let argon2 = argon2.expect("a pepper of 32 bytes");
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    let done = memory.lend(&params, |memory| {
        argon2.hash_password_into_with_memory(secret, salt, &mut output, memory)
    });
    done.expect("argon2 hashes anything with these costs");
    let hash = phc::PasswordHash {
        algorithm: algorithm.ident(),
        version: Some(version.into()),
        params: phc::ParamsString::try_from(&params).expect("they are few"),
        salt: Some(phc::Salt::new(salt).expect("a salt of 16 bytes")),
        hash: Some(phc::Output::new(&output).expect("an output of 32 bytes")),
    };
    hash.to_string()
}

fn with_pepper(
    pepper: Option<&Pepper>,
    algorithm: Algorithm,
    version: Version,
    params: Params,
) -> argon2::Result<Argon2<'_>> {
    match pepper {
        Some(pepper) => Argon2::new_with_secret(pepper.key(), algorithm, version, params),
        None => Ok(Argon2::new(algorithm, version, params)),
    }
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
