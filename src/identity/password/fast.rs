//! Hashes that cost next to nothing to try: what they are made of.

use aws_lc_rs::{digest, hmac as hmac_sha};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};

use super::recipe::{MadeHash, Recipe, Written};
use super::scheme::{Scheme, Unsupported};
use super::{md5_crypt, phpass, text};

/// How a hash is made of a password at the cost of next to nothing.
pub(super) struct FastRecipe {
    scheme: Scheme,
    rounds: u32,
    salt: Vec<u8>,
}

impl FastRecipe {
    fn with(scheme: Scheme, rounds: u32, salt: &[u8], output: Vec<u8>) -> MadeHash {
        let salt = salt.to_vec();
        let recipe = Recipe::Fast(Self {
            scheme,
            rounds,
            salt,
        });
        MadeHash { recipe, output }
    }

    /// Reads what follows `md5$`, `sha1$`, `sha256$` and `sha512$`: `salt$hexadecimal`. The salt is text.
    pub(super) fn read_salted(scheme: Scheme, rest: &str) -> Result<MadeHash, Unsupported> {
        let malformed = Unsupported::Malformed(scheme);
        let (salt, output) = rest.split_once('$').ok_or(malformed)?;
        let scheme = match (scheme, salt) {
            (Scheme::SaltedMd5, "") => Scheme::Md5,
            (Scheme::SaltedSha1, "") => Scheme::Sha1,
            (_, "") => return Err(malformed),
            _ => scheme,
        };
        let output = text::hex(output).ok_or(malformed)?;
        if output.len() != output_length(scheme) {
            return Err(malformed);
        }
        Ok(Self::with(scheme, 1, salt.as_bytes(), output))
    }

    /// Reads 32 hexadecimal digits, which are MD5 without a salt.
    pub(super) fn read_bare(text: &str) -> Option<MadeHash> {
        let output = text::hex(text).filter(|output| output.len() == 16)?;
        Some(Self::with(Scheme::Md5, 1, &[], output))
    }

    /// Reads what follows `{SSHA}` and its like: in base64 the output, then the salt.
    pub(super) fn read_ldap(scheme: Scheme, rest: &str) -> Result<MadeHash, Unsupported> {
        let malformed = Unsupported::Malformed(scheme);
        let bytes = text::base64(rest).ok_or(malformed)?;
        let split = bytes.split_at_checked(output_length(scheme));
        let (output, salt) = split.ok_or(malformed)?;
        if salt.is_empty() != (scheme == Scheme::Sha1) {
            return Err(malformed);
        }
        Ok(Self::with(scheme, 1, salt, output.to_vec()))
    }

    /// Reads what follows `$1$` or `$apr1$`: `salt$hash`.
    pub(super) fn read_md5_crypt(scheme: Scheme, rest: &str) -> Result<MadeHash, Unsupported> {
        let malformed = Unsupported::Malformed(scheme);
        let (salt, output) = rest.split_once('$').ok_or(malformed)?;
        let whole = output.len() == md5_crypt::LENGTH && text::is_crypt(output);
        if !whole || salt.len() > md5_crypt::LONGEST_SALT {
            return Err(malformed);
        }
        let (salt, output) = (salt.as_bytes(), output.as_bytes().to_vec());
        Ok(Self::with(scheme, md5_crypt::ROUNDS, salt, output))
    }

    /// Reads what follows `$P$` or `$H$`: a digit for the rounds, the salt, the hash.
    pub(super) fn read_phpass(rest: &str) -> Result<MadeHash, Unsupported> {
        let malformed = Unsupported::Malformed(Scheme::Phpass);
        let (digit, rest) = rest.as_bytes().split_first().ok_or(malformed)?;
        let (salt, output) = rest.split_at_checked(phpass::SALT).ok_or(malformed)?;
        let is_crypt = std::str::from_utf8(output).is_ok_and(text::is_crypt);
        if output.len() != phpass::LENGTH || !is_crypt {
            return Err(malformed);
        }
        let rounds = phpass::rounds(*digit).ok_or(malformed)?;
        if rounds > phpass::MOST_ROUNDS {
            return Err(Unsupported::TooCostly(Scheme::Phpass));
        }
        Ok(Self::with(Scheme::Phpass, rounds, salt, output.to_vec()))
    }

    /// As it stands in a wrapped hash.
    pub(super) fn from_written(scheme: Scheme, costs: &[&str], salt: Vec<u8>) -> Option<Self> {
        let [rounds] = costs else {
            return None;
        };
        let rounds = rounds.parse().ok()?;
        (rounds <= phpass::MOST_ROUNDS).then_some(Self {
            scheme,
            rounds,
            salt,
        })
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

    /// What the password gives: two outputs where two programs wrote the same text for different things.
    pub(super) fn outputs(&self, password: &[u8]) -> Vec<Vec<u8>> {
        let salt = self.salt.as_slice();
        let sha = |algorithm, parts: [&[u8]; 2]| sha(algorithm, parts);
        let sha1 = &digest::SHA1_FOR_LEGACY_USE_ONLY;
        match self.scheme {
            Scheme::SaltedMd5 => vec![md5(salt, password), hmac_md5(salt, password)],
            Scheme::Md5 => vec![md5(salt, password)],
            Scheme::SaltedSha1 => vec![
                sha(sha1, [salt, password]),
                hmac(hmac_sha::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt, password),
            ],
            Scheme::Sha1 => vec![sha(sha1, [salt, password])],
            Scheme::Ssha => vec![sha(sha1, [password, salt])],
            Scheme::Ssha256 => vec![sha(&digest::SHA256, [password, salt])],
            Scheme::Ssha512 => vec![sha(&digest::SHA512, [password, salt])],
            Scheme::WerkzeugHmacSha256 => vec![hmac(hmac_sha::HMAC_SHA256, salt, password)],
            Scheme::WerkzeugHmacSha512 => vec![hmac(hmac_sha::HMAC_SHA512, salt, password)],
            // crypt(3) ends a password at a NUL.
            Scheme::Apr1 | Scheme::Md5Crypt if password.contains(&0) => Vec::new(),
            Scheme::Apr1 => vec![md5_crypt::md5_crypt("$apr1$", salt, password)],
            Scheme::Md5Crypt => vec![md5_crypt::md5_crypt("$1$", salt, password)],
            Scheme::Phpass => vec![phpass::phpass(self.rounds, salt, password)],
            _ => Vec::new(),
        }
    }
}

const fn output_length(scheme: Scheme) -> usize {
    match scheme {
        Scheme::Ssha512 | Scheme::WerkzeugHmacSha512 => 64,
        Scheme::Ssha256 | Scheme::WerkzeugHmacSha256 => 32,
        Scheme::Ssha | Scheme::Sha1 | Scheme::SaltedSha1 => 20,
        _ => 16,
    }
}

fn md5(salt: &[u8], password: &[u8]) -> Vec<u8> {
    let mut digest = Md5::new();
    digest.update(salt);
    digest.update(password);
    digest.finalize().to_vec()
}

fn sha(algorithm: &'static digest::Algorithm, parts: [&[u8]; 2]) -> Vec<u8> {
    let mut context = digest::Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

fn hmac(algorithm: hmac_sha::Algorithm, key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac_sha::Key::new(algorithm, key);
    hmac_sha::sign(&key, message).as_ref().to_vec()
}

fn hmac_md5(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    Hmac::<Md5>::new_from_slice(key).map_or_else(
        |_| Vec::new(),
        |mut hmac| {
            hmac.update(message);
            hmac.finalize().into_bytes().to_vec()
        },
    )
}
