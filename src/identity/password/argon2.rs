//! Argon2 in PHC form (RFC 9106): ours, and what others made.

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, KeyId, Params, ParamsBuilder, Version};
use subtle::ConstantTimeEq;

use super::memory::HashMemory;
use super::policy::{Argon2Cost, HashPolicy, Pepper};
use super::recipe::{MadeHash, Recipe, Written};
use super::scheme::{Scheme, Unsupported};

/// The most memory of one hash: 1 GiB.
const MOST_MEMORY_KIB: u32 = 1 << 20;
/// The most passes.
const MOST_PASSES: u32 = 20;
/// The most memory times passes: 4 GiB are gone over in some seconds.
const MOST_WORK: u64 = 4 << 20;
/// The most lanes.
const MOST_LANES: u32 = 64;

/// How Argon2 makes a hash of a password.
#[derive(Clone)]
pub(super) struct Argon2Recipe {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: phc::Salt,
    /// Bytes of output.
    length: usize,
}

/// An Argon2 hash that was read.
pub(super) struct Argon2Hash {
    recipe: Argon2Recipe,
    pepper: Option<Pepper>,
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
        if !params.data().is_empty() {
            return Err(malformed);
        }
        let recipe = Argon2Recipe::of_cost(scheme, version, params, salt, output.len())?;
        Ok(Self {
            recipe,
            pepper: pepper.cloned(),
            output,
        })
    }

    pub(super) const fn recipe(&self) -> &Argon2Recipe {
        &self.recipe
    }

    pub(super) const fn scheme(&self) -> Scheme {
        self.recipe.scheme()
    }

    /// Whether we would make it the same way today.
    pub(super) fn is_of(&self, policy: &HashPolicy) -> bool {
        let (recipe, cost) = (&self.recipe, policy.cost);
        self.pepper.is_some() == policy.pepper.is_some()
            && recipe.algorithm == Algorithm::Argon2id
            && recipe.version == Version::V0x13
            && recipe.params.m_cost() == cost.memory_kib
            && recipe.params.t_cost() == cost.passes
            && recipe.params.p_cost() == cost.lanes
            && recipe.salt.len() >= 16
            && self.output.len() >= Params::DEFAULT_OUTPUT_LEN
    }

    pub(super) fn fits(&self, password: &[u8], memory: &mut HashMemory) -> bool {
        let output = self.recipe.output(password, self.pepper.as_ref(), memory);
        output.is_some_and(|output| output.ct_eq(self.output.as_bytes()).into())
    }

    /// As one of other software's; `None` where it is peppered, which only ours are.
    pub(super) fn as_made(&self) -> Option<MadeHash> {
        self.pepper.is_none().then(|| MadeHash {
            recipe: Recipe::Argon2(self.recipe.clone()),
            output: self.output.as_bytes().to_vec(),
        })
    }
}

impl Argon2Recipe {
    fn of_cost(
        scheme: Scheme,
        version: Version,
        params: Params,
        salt: phc::Salt,
        length: usize,
    ) -> Result<Self, Unsupported> {
        if salt.len() < 8 {
            return Err(Unsupported::Malformed(scheme));
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
            length,
        })
    }

    /// As it stands in a wrapped hash.
    pub(super) fn from_written(scheme: Scheme, costs: &[&str], salt: &[u8]) -> Option<Self> {
        let [version, memory, passes, lanes, length] = costs else {
            return None;
        };
        let version = Version::try_from(version.parse::<u32>().ok()?).ok()?;
        let (memory, passes) = (memory.parse().ok()?, passes.parse().ok()?);
        let params = Params::new(memory, passes, lanes.parse().ok()?, None).ok()?;
        let (salt, length) = (phc::Salt::new(salt).ok()?, length.parse().ok()?);
        let is_output = (phc::Output::MIN_LENGTH..=phc::Output::MAX_LENGTH).contains(&length);
        let recipe = Self::of_cost(scheme, version, params, salt, length).ok();
        recipe.filter(|_| is_output)
    }

    pub(super) fn to_written(&self) -> Written {
        let (params, length) = (&self.params, self.length);
        let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
        let version = u32::from(self.version);
        Written {
            scheme: self.scheme(),
            costs: format!("{version},{memory},{passes},{lanes},{length}"),
            salt: self.salt.to_vec(),
        }
    }

    pub(super) const fn scheme(&self) -> Scheme {
        match self.algorithm {
            Algorithm::Argon2id => Scheme::Argon2id,
            Algorithm::Argon2i => Scheme::Argon2i,
            Algorithm::Argon2d => Scheme::Argon2d,
        }
    }

    /// Only of Argon2id OWASP says how much of it is enough.
    pub(super) fn is_enough(&self) -> bool {
        let least = Argon2Cost::least_memory_kib(self.params.t_cost());
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && self.params.m_cost() >= least
    }

    pub(super) fn output(
        &self,
        password: &[u8],
        pepper: Option<&Pepper>,
        memory: &mut HashMemory,
    ) -> Option<Vec<u8>> {
        let params = self.params.clone();
        let argon2 = with_pepper(pepper, self.algorithm, self.version, params).ok()?;
        let mut output = vec![0; self.length];
        let done = memory.lend(&self.params, |memory| {
            argon2.hash_password_into_with_memory(password, &self.salt, &mut output, memory)
        });
        done.is_ok().then_some(output)
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
