//! PBKDF2 (RFC 8018), as Werkzeug, Django, passlib and ASP.NET Identity write it.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2::{
    self, Algorithm, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512,
};

use super::scheme::{Scheme, Unsupported};
use super::text;

/// Five times what is common today: some seconds.
const MOST_WORK: usize = 5_000_000;

/// A PBKDF2 hash that was read.
pub(super) struct Pbkdf2Hash {
    scheme: Scheme,
    algorithm: Algorithm,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    output: Vec<u8>,
}

/// An algorithm and the bytes that one run of it gives.
type Digest = (Algorithm, usize);

const SHA1: Digest = (PBKDF2_HMAC_SHA1, 20);
const SHA256: Digest = (PBKDF2_HMAC_SHA256, 32);
const SHA512: Digest = (PBKDF2_HMAC_SHA512, 64);

fn digest(name: &str) -> Option<Digest> {
    match name {
        "sha1" => Some(SHA1),
        "sha256" => Some(SHA256),
        "sha512" => Some(SHA512),
        _ => None,
    }
}

impl Pbkdf2Hash {
    /// Reads what follows `pbkdf2:`, such as `sha256:1000000$salt$hexadecimal`. The salt is text.
    pub(super) fn read_werkzeug(rest: &str) -> Result<Self, Unsupported> {
        let scheme = Scheme::WerkzeugPbkdf2;
        let read = || {
            let mut parts = rest.splitn(3, '$');
            let (name, iterations) = parts.next()?.split_once(':')?;
            let salt = parts.next()?.as_bytes().to_vec();
            let output = text::hex(parts.next()?)?;
            Some((digest(name)?, iterations.parse().ok()?, salt, output))
        };
        let (digest, iterations, salt, output) = read().ok_or(Unsupported::Malformed(scheme))?;
        Self::new_whole(scheme, digest, iterations, salt, output)
    }

    /// Reads what follows `pbkdf2_sha256$` or `pbkdf2_sha1$`: `iterations$salt$base64`. The salt is text.
    pub(super) fn read_django(name: &str, rest: &str) -> Result<Self, Unsupported> {
        let scheme = Scheme::DjangoPbkdf2;
        let read = || {
            let mut parts = rest.splitn(3, '$');
            let iterations = parts.next()?.parse().ok()?;
            let salt = parts.next()?.as_bytes().to_vec();
            let output = text::base64(parts.next()?)?;
            Some((digest(name)?, iterations, salt, output))
        };
        let (digest, iterations, salt, output) = read().ok_or(Unsupported::Malformed(scheme))?;
        Self::new_whole(scheme, digest, iterations, salt, output)
    }

    /// Reads what follows `$pbkdf2-sha256$` and its like: `rounds$salt$hash`.
    pub(super) fn read_passlib(name: &str, rest: &str) -> Result<Self, Unsupported> {
        let scheme = Scheme::PasslibPbkdf2;
        let read = || {
            let mut parts = rest.splitn(3, '$');
            let iterations = parts.next()?.parse().ok()?;
            let salt = text::base64_of_passlib(parts.next()?)?;
            let output = text::base64_of_passlib(parts.next()?)?;
            Some((digest(name)?, iterations, salt, output))
        };
        let (digest, iterations, salt, output) = read().ok_or(Unsupported::Malformed(scheme))?;
        Self::new_whole(scheme, digest, iterations, salt, output)
    }

    /// Reads what follows the byte 0: 16 bytes of salt and 32 of SHA-1's, after 1000 rounds.
    pub(super) fn read_aspnet_v2(rest: &[u8]) -> Result<Self, Unsupported> {
        let scheme = Scheme::AspNetV2;
        let whole = rest.len() == 48;
        let (salt, output) = rest
            .split_at_checked(16)
            .filter(|_| whole)
            .ok_or(Unsupported::Malformed(scheme))?;
        Self::new(scheme, SHA1, 1000, salt.to_vec(), output.to_vec())
    }

    /// Reads what follows the byte 1: which hash, how many rounds, how long a salt, salt, output.
    pub(super) fn read_aspnet_v3(rest: &[u8]) -> Result<Self, Unsupported> {
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
        Self::new(scheme, digest, iterations, salt, output)
    }

    /// One whose output is as long as the digest.
    fn new_whole(
        scheme: Scheme,
        digest: Digest,
        iterations: u32,
        salt: Vec<u8>,
        output: Vec<u8>,
    ) -> Result<Self, Unsupported> {
        if output.len() != digest.1 {
            return Err(Unsupported::Malformed(scheme));
        }
        Self::new(scheme, digest, iterations, salt, output)
    }

    fn new(
        scheme: Scheme,
        (algorithm, block): Digest,
        iterations: u32,
        salt: Vec<u8>,
        output: Vec<u8>,
    ) -> Result<Self, Unsupported> {
        let iterations = NonZeroU32::new(iterations).ok_or(Unsupported::Malformed(scheme))?;
        let runs = usize::try_from(iterations.get()).unwrap_or(usize::MAX);
        if runs.saturating_mul(output.len().div_ceil(block)) > MOST_WORK {
            return Err(Unsupported::TooCostly(scheme));
        }
        Ok(Self {
            scheme,
            algorithm,
            iterations,
            salt,
            output,
        })
    }

    pub(super) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) fn fits(&self, password: &[u8]) -> bool {
        let (algorithm, iterations) = (self.algorithm, self.iterations);
        pbkdf2::verify(algorithm, iterations, &self.salt, password, &self.output).is_ok()
    }
}

/// A number of four bytes, and what follows it.
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}
