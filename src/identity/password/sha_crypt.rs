//! SHA-crypt: `$5$` and `$6$` of crypt(3), as glibc, mkpasswd and htpasswd make them.

use sha_crypt::Params;
use subtle::ConstantTimeEq;

use super::scheme::{Scheme, Unsupported};
use super::text;

/// Some seconds with the longest password.
const MOST_ROUNDS: u32 = 1_000_000;
const DEFAULT_ROUNDS: u32 = 5_000;
const LONGEST_SALT: usize = 16;

/// A SHA-crypt hash that was read.
pub(super) struct ShaCryptHash {
    scheme: Scheme,
    params: Params,
    salt: Vec<u8>,
    /// As crypt(3) writes it.
    output: Vec<u8>,
}

impl ShaCryptHash {
    /// Reads what follows `$5$` or `$6$`: `rounds=5000$salt$hash`, where the rounds may be missing.
    pub(super) fn read(scheme: Scheme, rest: &str) -> Result<Self, Unsupported> {
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
        let params = Params::new(rounds).map_err(|_| malformed)?;
        if rounds > MOST_ROUNDS {
            return Err(Unsupported::TooCostly(scheme));
        }
        Ok(Self {
            scheme,
            params,
            salt: salt.as_bytes().to_vec(),
            output: output.as_bytes().to_vec(),
        })
    }

    pub(super) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) fn fits(&self, password: &[u8]) -> bool {
        // crypt(3) ends a password there.
        if password.contains(&0) {
            return false;
        }
        let output = match self.scheme {
            Scheme::Sha256Crypt => {
                written_256(&sha_crypt::sha256_crypt(password, &self.salt, self.params))
            }
            _ => written_512(&sha_crypt::sha512_crypt(password, &self.salt, self.params)),
        };
        output.ct_eq(&self.output).into()
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
