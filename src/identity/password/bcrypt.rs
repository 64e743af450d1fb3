//! bcrypt: as such, over SHA-256 as Django makes it, and over HMAC-SHA-384 as WordPress does.

use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

use super::recipe::{MadeHash, Recipe, Written};
use super::scheme::{Scheme, Unsupported};
use super::text;

/// Each step doubles the time: this one takes some seconds.
const HIGHEST_COST: u32 = 15;
const LOWEST_COST: u32 = 4;
/// OWASP's least.
const ENOUGH_COST: u32 = 10;
/// bcrypt looks at no more of a password, and so did what made the hash.
const LONGEST: usize = 72;
/// What is written of its 24 bytes.
const OUTPUT: usize = 23;

/// How bcrypt makes a hash of a password.
pub(super) struct BcryptRecipe {
    scheme: Scheme,
    cost: u32,
    salt: [u8; 16],
}

impl BcryptRecipe {
    /// Reads `$2b$…`; the scheme says what bcrypt was given of the password.
    pub(super) fn read(text: &str, scheme: Scheme) -> Result<MadeHash, Unsupported> {
        let malformed = Unsupported::Malformed(scheme);
        if text.starts_with("$2x$") {
            return Err(Unsupported::Refused(
                "$2x$ marks hashes of a bcrypt that confused passwords",
            ));
        }
        let rest = ["$2a$", "$2b$", "$2y$"]
            .iter()
            .find_map(|prefix| text.strip_prefix(prefix));
        let (cost, rest) = rest
            .and_then(|rest| rest.split_once('$'))
            .ok_or(malformed)?;
        if cost.len() != 2 || rest.len() != 53 {
            return Err(malformed);
        }
        let cost: u32 = cost.parse().map_err(|_| malformed)?;
        let (salt, output) = rest.split_at_checked(22).ok_or(malformed)?;
        let salt = text::base64_of_bcrypt(salt).and_then(|salt| salt.try_into().ok());
        let output = text::base64_of_bcrypt(output);
        let recipe = Self::of_cost(scheme, cost, salt.ok_or(malformed)?)?;
        Ok(MadeHash {
            recipe: Recipe::Bcrypt(recipe),
            output: output.ok_or(malformed)?,
        })
    }

    const fn of_cost(scheme: Scheme, cost: u32, salt: [u8; 16]) -> Result<Self, Unsupported> {
        match cost {
            0..LOWEST_COST => Err(Unsupported::Malformed(scheme)),
            LOWEST_COST..=HIGHEST_COST => Ok(Self { scheme, cost, salt }),
            _ => Err(Unsupported::TooCostly(scheme)),
        }
    }

    /// As it stands in a wrapped hash.
    pub(super) fn from_written(scheme: Scheme, costs: &[&str], salt: &[u8]) -> Option<Self> {
        let [cost] = costs else {
            return None;
        };
        Self::of_cost(scheme, cost.parse().ok()?, salt.try_into().ok()?).ok()
    }

    pub(super) fn to_written(&self) -> Written {
        Written {
            scheme: self.scheme,
            costs: self.cost.to_string(),
            salt: self.salt.to_vec(),
        }
    }

    pub(super) const fn is_enough(&self) -> bool {
        self.cost >= ENOUGH_COST
    }

    pub(super) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// `None`: no program took this for a password.
    pub(super) fn output(&self, password: &[u8]) -> Option<Vec<u8>> {
        match self.scheme {
            Scheme::DjangoBcryptSha256 => {
                let inner = digest::digest(&digest::SHA256, password);
                self.output_of(text::written_hex(inner.as_ref()).as_bytes())
            }
            Scheme::WordpressBcrypt => {
                let key = hmac::Key::new(hmac::HMAC_SHA384, b"wp-sha384");
                let inner = hmac::sign(&key, password);
                self.output_of(text::written_base64(inner.as_ref()).as_bytes())
            }
            _ => self.output_of(password),
        }
    }

    fn output_of(&self, password: &[u8]) -> Option<Vec<u8>> {
        // What came after it was not looked at by some, and refused by others.
        if password.contains(&0) {
            return None;
        }
        let mut key = Zeroizing::new(password.to_vec());
        key.push(0);
        key.truncate(LONGEST);
        let output = bcrypt::bcrypt(self.cost, self.salt, &key);
        output.get(..OUTPUT).map(<[u8]>::to_vec)
    }
}
