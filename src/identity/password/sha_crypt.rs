//! SHA-crypt: `$5$` and `$6$` of crypt(3), as glibc, mkpasswd and htpasswd make them.

use sha_crypt::Params;

use super::recipe::{MadeHash, Recipe, Written};
use super::scheme::{Scheme, Unsupported};
use super::text;

/// Some seconds with the longest password.
const MOST_ROUNDS: u32 = 1_000_000;
const DEFAULT_ROUNDS: u32 = 5_000;
const LONGEST_SALT: usize = 16;

/// How SHA-crypt makes a hash of a password.
pub(super) struct ShaCryptRecipe {
    scheme: Scheme,
    rounds: u32,
    params: Params,
    salt: Vec<u8>,
}

impl ShaCryptRecipe {
    /// Reads what follows `$5$` or `$6$`: `rounds=5000$salt$hash`, where the rounds may be missing.
    pub(super) fn read(scheme: Scheme, rest: &str) -> Result<MadeHash, Unsupported> {
        let malformed = Unsupported::Malformed(scheme);
        let (rounds, rest) = match rest.strip_prefix("rounds=") {
            None => (DEFAULT_ROUNDS, rest),
            Some(rest) => {
                let (rounds, rest) = rest.split_once('$').ok_or(malformed)?;
                (rounds.parse().map_err(|_| malformed)?, rest)
            }
        };
        let (salt, output) = rest.split_once('$').ok_or(malformed)?;
        let length = match scheme {
            Scheme::Sha256Crypt => 43,
            _ => 86,
        };
        if salt.len() > LONGEST_SALT || output.len() != length || !text::is_crypt(output) {
            return Err(malformed);
        }
        let recipe = Self::of_cost(scheme, rounds, salt.as_bytes().to_vec())?;
        Ok(MadeHash {
            recipe: Recipe::ShaCrypt(recipe),
            output: output.as_bytes().to_vec(),
        })
    }

    fn of_cost(scheme: Scheme, rounds: u32, salt: Vec<u8>) -> Result<Self, Unsupported> {
        let params = Params::new(rounds).map_err(|_| Unsupported::Malformed(scheme))?;
        if rounds > MOST_ROUNDS {
            return Err(Unsupported::TooCostly(scheme));
        }
        Ok(Self {
            scheme,
            rounds,
            params,
            salt,
        })
    }

    /// As it stands in a wrapped hash.
    pub(super) fn from_written(scheme: Scheme, costs: &[&str], salt: Vec<u8>) -> Option<Self> {
        let [rounds] = costs else {
            return None;
        };
        Self::of_cost(scheme, rounds.parse().ok()?, salt).ok()
    }

    pub(super) fn to_written(&self) -> Written {
        Written {
            scheme: self.scheme,
            costs: self.rounds.to_string(),
            salt: self.salt.clone(),
        }
    }

    pub(super) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// As crypt(3) writes it; `None` where it cannot be the password.
    pub(super) fn output(&self, password: &[u8]) -> Option<Vec<u8>> {
        // crypt(3) ends a password there.
        if password.contains(&0) {
            return None;
        }
        Some(match self.scheme {
            Scheme::Sha256Crypt => {
                written_256(&sha_crypt::sha256_crypt(password, &self.salt, self.params))
            }
            _ => written_512(&sha_crypt::sha512_crypt(password, &self.salt, self.params)),
        })
    }
}

/// Three bytes at a time from the three thirds, whose order moves on by one each time.
fn written_256(output: &[u8; 32]) -> Vec<u8> {
    let (thirds, rest) = output.split_at(30);
    let (first, others) = thirds.split_at(10);
    let (second, third) = others.split_at(10);
    let triples = first.iter().zip(second).zip(third).enumerate();
    let written = triples.flat_map(|(at, ((a, b), c))| match at % 3 {
        0 => text::crypt(*a, *b, *c, 4),
        1 => text::crypt(*c, *a, *b, 4),
        _ => text::crypt(*b, *c, *a, 4),
    });
    let last = match rest {
        [a, b] => text::crypt(0, *b, *a, 3),
        _ => text::crypt(0, 0, 0, 0),
    };
    written.chain(last).collect()
}

/// The same, with the order moving on the other way.
fn written_512(output: &[u8; 64]) -> Vec<u8> {
    let (thirds, rest) = output.split_at(63);
    let (first, others) = thirds.split_at(21);
    let (second, third) = others.split_at(21);
    let triples = first.iter().zip(second).zip(third).enumerate();
    let written = triples.flat_map(|(at, ((a, b), c))| match at % 3 {
        0 => text::crypt(*a, *b, *c, 4),
        1 => text::crypt(*b, *c, *a, 4),
        _ => text::crypt(*c, *a, *b, 4),
    });
    let last = rest.iter().flat_map(|byte| text::crypt(0, 0, *byte, 2));
    written.chain(last).collect()
}
