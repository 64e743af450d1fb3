//! PBKDF2 (RFC 8018), as Werkzeug, Django, passlib and ASP.NET Identity write it.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use aws_lc_rs::pbkdf2::{
    self, Algorithm, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512,
};

use super::recipe::{MadeHash, Recipe, Written};
use super::scheme::{Scheme, Unsupported};
use super::text;

/// Five times what is common today: some seconds.
const MOST_WORK: usize = 5_000_000;
/// The lengths of output that are written. What is shorter is easily hit upon.
const OUTPUT: RangeInclusive<usize> = 16..=64;

/// How PBKDF2 makes a hash of a password.
pub(super) struct Pbkdf2Recipe {
    scheme: Scheme,
    digest: Digest,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    /// Bytes of output.
    length: usize,
}

/// What it runs.
struct Digest {
    name: &'static str,
    algorithm: Algorithm,
    /// The bytes that one run gives.
    block: usize,
    /// OWASP's least.
    enough: u32,
}

const SHA1: Digest = Digest {
    name: "sha1",
    algorithm: PBKDF2_HMAC_SHA1,
    block: 20,
    enough: 1_400_000,
};
const SHA256: Digest = Digest {
    name: "sha256",
    algorithm: PBKDF2_HMAC_SHA256,
    block: 32,
    enough: 600_000,
};
const SHA512: Digest = Digest {
    name: "sha512",
    algorithm: PBKDF2_HMAC_SHA512,
    block: 64,
    enough: 220_000,
};

fn digest(name: &str) -> Option<Digest> {
    let mut known = [SHA1, SHA256, SHA512].into_iter();
    known.find(|digest| digest.name == name)
}

impl Pbkdf2Recipe {
    /// Reads what follows `pbkdf2:`, such as `sha256:1000000$salt$hexadecimal`. The salt is text.
    pub(super) fn read_werkzeug(rest: &str) -> Result<MadeHash, Unsupported> {
        let scheme = Scheme::WerkzeugPbkdf2;
        let read = || {
            let mut parts = rest.splitn(3, '$');
            let (name, iterations) = parts.next()?.split_once(':')?;
            let salt = parts.next()?.as_bytes().to_vec();
            let output = text::hex(parts.next()?)?;
            Some((digest(name)?, iterations.parse().ok()?, salt, output))
        };
        let (digest, iterations, salt, output) = read().ok_or(Unsupported::Malformed(scheme))?;
        Self::with_whole(scheme, digest, iterations, salt, output)
    }

    /// Reads what follows `pbkdf2_sha256$` or `pbkdf2_sha1$`: `iterations$salt$base64`. The salt is text.
    pub(super) fn read_django(name: &str, rest: &str) -> Result<MadeHash, Unsupported> {
        let scheme = Scheme::DjangoPbkdf2;
        let read = || {
            let mut parts = rest.splitn(3, '$');
            let iterations = parts.next()?.parse().ok()?;
            let salt = parts.next()?.as_bytes().to_vec();
            let output = text::base64(parts.next()?)?;
            Some((digest(name)?, iterations, salt, output))
        };
        let (digest, iterations, salt, output) = read().ok_or(Unsupported::Malformed(scheme))?;
        Self::with_whole(scheme, digest, iterations, salt, output)
    }

    /// Reads what follows `$pbkdf2-sha256$` and its like: `rounds$salt$hash`.
    pub(super) fn read_passlib(name: &str, rest: &str) -> Result<MadeHash, Unsupported> {
        let scheme = Scheme::PasslibPbkdf2;
        let read = || {
            let mut parts = rest.splitn(3, '$');
            let iterations = parts.next()?.parse().ok()?;
            let salt = text::base64_of_passlib(parts.next()?)?;
            let output = text::base64_of_passlib(parts.next()?)?;
            Some((digest(name)?, iterations, salt, output))
        };
        let (digest, iterations, salt, output) = read().ok_or(Unsupported::Malformed(scheme))?;
        Self::with_whole(scheme, digest, iterations, salt, output)
    }

    /// Reads what follows the byte 0: 16 bytes of salt and 32 of SHA-1's, after 1000 rounds.
    pub(super) fn read_aspnet_v2(rest: &[u8]) -> Result<MadeHash, Unsupported> {
        let scheme = Scheme::AspNetV2;
        let whole = rest.len() == 48;
        let (salt, output) = rest
            .split_at_checked(16)
            .filter(|_| whole)
            .ok_or(Unsupported::Malformed(scheme))?;
        Self::with(scheme, SHA1, 1000, salt.to_vec(), output.to_vec())
    }

    /// Reads what follows the byte 1: which hash, how many rounds, how long a salt, salt, output.
    pub(super) fn read_aspnet_v3(rest: &[u8]) -> Result<MadeHash, Unsupported> {
        let scheme = Scheme::AspNetV3;
        let read = || {
            let (digest, rest) = number(rest)?;
            let digest = match digest {
                0 => SHA1,
                1 => SHA256,
                2 => SHA512,
                _ => return None,
            };
            let (iterations, rest) = number(rest)?;
            let (length, rest) = number(rest)?;
            let (salt, output) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            let long_enough = salt.len() >= 16 && output.len() >= 16;
            long_enough.then(|| (digest, iterations, salt.to_vec(), output.to_vec()))
        };
        let (digest, iterations, salt, output) = read().ok_or(Unsupported::Malformed(scheme))?;
        Self::with(scheme, digest, iterations, salt, output)
    }

    /// One whose output is as long as the digest.
    fn with_whole(
        scheme: Scheme,
        digest: Digest,
        iterations: u32,
        salt: Vec<u8>,
        output: Vec<u8>,
    ) -> Result<MadeHash, Unsupported> {
        if output.len() != digest.block {
            return Err(Unsupported::Malformed(scheme));
        }
        Self::with(scheme, digest, iterations, salt, output)
    }

    fn with(
        scheme: Scheme,
        digest: Digest,
        iterations: u32,
        salt: Vec<u8>,
        output: Vec<u8>,
    ) -> Result<MadeHash, Unsupported> {
        let recipe = Self::of_cost(scheme, digest, iterations, salt, output.len())?;
        Ok(MadeHash {
            recipe: Recipe::Pbkdf2(recipe),
            output,
        })
    }

    fn of_cost(
        scheme: Scheme,
        digest: Digest,
        iterations: u32,
        salt: Vec<u8>,
        length: usize,
    ) -> Result<Self, Unsupported> {
        let malformed = Unsupported::Malformed(scheme);
        if !OUTPUT.contains(&length) {
            return Err(malformed);
        }
        let iterations = NonZeroU32::new(iterations).ok_or(malformed)?;
        let runs = usize::try_from(iterations.get()).unwrap_or(usize::MAX);
        if runs.saturating_mul(length.div_ceil(digest.block)) > MOST_WORK {
            return Err(Unsupported::TooCostly(scheme));
        }
        Ok(Self {
            scheme,
            digest,
            iterations,
            salt,
            length,
        })
    }

    /// As it stands in a wrapped hash.
    pub(super) fn from_written(scheme: Scheme, costs: &[&str], salt: Vec<u8>) -> Option<Self> {
        let [name, iterations, length] = costs else {
            return None;
        };
        let (digest, iterations) = (digest(name)?, iterations.parse().ok()?);
        Self::of_cost(scheme, digest, iterations, salt, length.parse().ok()?).ok()
    }

    pub(super) fn to_written(&self) -> Written {
        let (name, iterations, length) = (self.digest.name, self.iterations, self.length);
        Written {
            scheme: self.scheme,
            costs: format!("{name},{iterations},{length}"),
            salt: self.salt.clone(),
        }
    }

    pub(super) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) const fn is_enough(&self) -> bool {
        self.iterations.get() >= self.digest.enough
    }

    pub(super) fn output(&self, password: &[u8]) -> Vec<u8> {
        let mut output = vec![0; self.length];
        let (algorithm, iterations) = (self.digest.algorithm, self.iterations);
        pbkdf2::derive(algorithm, iterations, &self.salt, password, &mut output);
        output
    }
}

/// A number of four bytes, and what follows it.
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}
