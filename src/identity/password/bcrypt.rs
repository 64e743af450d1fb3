//! bcrypt: as such, over SHA-256 as Django makes it, and over HMAC-SHA-384 as WordPress does.

use aws_lc_rs::{digest, hmac};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::scheme::{Scheme, Unsupported};
use super::text;

/// Each step doubles the time: this one takes some seconds.
const HIGHEST_COST: u32 = 15;
const LOWEST_COST: u32 = 4;
/// bcrypt looks at no more of a password, and so did what made the hash.
const LONGEST: usize = 72;

/// A bcrypt hash that was read.
pub(super) struct BcryptHash {
    scheme: Scheme,
    cost: u32,
    salt: [u8; 16],
    output: Vec<u8>,
}

impl BcryptHash {
    /// Reads `$2b$…`; the scheme says what bcrypt was given of the password.
    pub(super) fn read(text: &str, scheme: Scheme) -> Result<Self, Unsupported> {
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
        match cost {
            0..LOWEST_COST => return Err(malformed),
            LOWEST_COST..=HIGHEST_COST => {}
            _ => return Err(Unsupported::TooCostly(scheme)),
        }
        Ok(Self {
            scheme,
            cost,
            salt: salt.ok_or(malformed)?,
            output: output.ok_or(malformed)?,
        })
    }

    pub(super) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) fn fits(&self, password: &[u8]) -> bool {
        match self.scheme {
            Scheme::DjangoBcryptSha256 => {
                let inner = digest::digest(&digest::SHA256, password);
                self.fits_bytes(text::written_hex(inner.as_ref()).as_bytes())
            }
            Scheme::WordpressBcrypt => {
                let key = hmac::Key::new(hmac::HMAC_SHA384, b"wp-sha384");
                let inner = hmac::sign(&key, password);
                self.fits_bytes(text::written_base64(inner.as_ref()).as_bytes())
            }
            _ => self.fits_bytes(password),
        }
    }

    fn fits_bytes(&self, password: &[u8]) -> bool {
        // What came after it was not looked at by some, and refused by others.
        if password.contains(&0) {
            return false;
        }
        let mut key = Zeroizing::new(password.to_vec());
        key.push(0);
        key.truncate(LONGEST);
        let output = bcrypt::bcrypt(self.cost, self.salt, &key);
        let output = output.get(..self.output.len()).unwrap_or_default();
        output.ct_eq(&self.output).into()
    }
}
