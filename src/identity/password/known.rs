//! What is this stored text? Tells the schemes apart and asks the right one whether a password fits.

use subtle::ConstantTimeEq;

use super::argon2::{self, Argon2Hash};
use super::bcrypt::BcryptRecipe;
use super::fast::FastRecipe;
use super::memory::HashMemory;
use super::pbkdf2::Pbkdf2Recipe;
use super::policy::{HashPolicy, Pepper};
use super::recipe::{MadeHash, WRAP, WrappedHash};
use super::scheme::{Scheme, Unsupported};
use super::scrypt::ScryptRecipe;
use super::sha_crypt::ShaCryptRecipe;
use super::text;

/// Longer texts are no hashes.
const LONGEST: usize = 2048;

/// A stored hash that was read and whose costs are within bounds.
pub(super) enum Known<'a> {
    Argon2(Argon2Hash),
    Made(MadeHash),
    Wrapped(WrappedHash),
    Plain(&'a str),
}

impl<'a> Known<'a> {
    /// `pepper`: the one that is known; a hash with another cannot be checked.
    pub(super) fn read(text: &'a str, pepper: Option<&Pepper>) -> Result<Self, Unsupported> {
        if text.len() > LONGEST {
            return Err(Unsupported::Unknown);
        }
        if text.is_empty() || text.starts_with(['!', '*']) {
            return Err(Unsupported::Unusable);
        }
        let label = text.find('}').filter(|_| text.starts_with('{'));
        match label.and_then(|end| text.split_at_checked(end + 1)) {
            Some((label, rest)) => Self::read_labelled(label, rest, pepper),
            None if text.starts_with('$') => Self::read_modular(text, pepper),
            None => Self::read_named(text, pepper).unwrap_or_else(|| Self::read_bare(text)),
        }
    }

    /// `{LABEL}…`, as LDAP servers and htpasswd write it (RFC 2307, in upper or lower case).
    fn read_labelled(
        label: &str,
        rest: &'a str,
        pepper: Option<&Pepper>,
    ) -> Result<Self, Unsupported> {
        let ldap = |scheme| FastRecipe::read_ldap(scheme, rest).map(Self::Made);
        match label.to_ascii_uppercase().as_str() {
            "{SHA}" => ldap(Scheme::Sha1),
            "{SSHA}" => ldap(Scheme::Ssha),
            "{SSHA256}" => ldap(Scheme::Ssha256),
            "{SSHA512}" => ldap(Scheme::Ssha512),
            "{ARGON2}" => Argon2Hash::read(rest, pepper).map(Self::Argon2),
            "{CRYPT}" if rest.starts_with(WRAP) => Err(Unsupported::Unknown),
            "{CRYPT}" if rest.starts_with('$') => Self::read_modular(rest, pepper),
            "{CRYPT}" => Err(refused_des(rest).unwrap_or(Unsupported::Unknown)),
            _ => Err(Unsupported::Unknown),
        }
    }

    /// `$name$…`, as crypt(3), PHP and passlib write it.
    fn read_modular(text: &'a str, pepper: Option<&Pepper>) -> Result<Self, Unsupported> {
        let (name, rest) = text
            .get(1..)
            .and_then(|text| text.split_once('$'))
            .ok_or(Unsupported::Unknown)?;
        match name {
            "argon2id" | "argon2i" | "argon2d" => Argon2Hash::read(text, pepper).map(Self::Argon2),
            "2" | "2a" | "2b" | "2x" | "2y" => Self::read_bcrypt(text, Scheme::Bcrypt),
            "wp" => {
                let bcrypt = text.strip_prefix("$wp").unwrap_or_default();
                Self::read_bcrypt(bcrypt, Scheme::WordpressBcrypt)
            }
            "scrypt" => ScryptRecipe::read_passlib(rest).map(Self::Made),
            "pbkdf2" => Self::read_passlib_pbkdf2("sha1", rest),
            "pbkdf2-sha256" => Self::read_passlib_pbkdf2("sha256", rest),
            "pbkdf2-sha512" => Self::read_passlib_pbkdf2("sha512", rest),
            "5" => ShaCryptRecipe::read(Scheme::Sha256Crypt, rest).map(Self::Made),
            "6" => ShaCryptRecipe::read(Scheme::Sha512Crypt, rest).map(Self::Made),
            "1" => FastRecipe::read_md5_crypt(Scheme::Md5Crypt, rest).map(Self::Made),
            "apr1" => FastRecipe::read_md5_crypt(Scheme::Apr1, rest).map(Self::Made),
            "P" | "H" => FastRecipe::read_phpass(rest).map(Self::Made),
            "wrap" => {
                let rest = text.strip_prefix(WRAP).unwrap_or_default();
                WrappedHash::read(rest, pepper).map(Self::Wrapped)
            }
            _ => Err(Unsupported::Unknown),
        }
    }

    fn read_bcrypt(text: &str, scheme: Scheme) -> Result<Self, Unsupported> {
        BcryptRecipe::read(text, scheme).map(Self::Made)
    }

    fn read_passlib_pbkdf2(digest: &str, rest: &str) -> Result<Self, Unsupported> {
        Pbkdf2Recipe::read_passlib(digest, rest).map(Self::Made)
    }

    /// `name$…` of Django and old Werkzeug, and `name:…` of Werkzeug.
    fn read_named(text: &'a str, pepper: Option<&Pepper>) -> Option<Result<Self, Unsupported>> {
        let (name, rest) = text.split_once(['$', ':'])?;
        let salted = |scheme| FastRecipe::read_salted(scheme, rest).map(Self::Made);
        let is_werkzeug = text.get(name.len()..)?.starts_with(':');
        Some(match (name, is_werkzeug) {
            ("scrypt", true) => ScryptRecipe::read_werkzeug(rest).map(Self::Made),
            ("pbkdf2", true) => Pbkdf2Recipe::read_werkzeug(rest).map(Self::Made),
            (_, true) => return None,
            ("scrypt", false) => ScryptRecipe::read_django(rest).map(Self::Made),
            ("pbkdf2_sha256", false) => Pbkdf2Recipe::read_django("sha256", rest).map(Self::Made),
            ("pbkdf2_sha1", false) => Pbkdf2Recipe::read_django("sha1", rest).map(Self::Made),
            ("argon2", false) => {
                Argon2Hash::read(text.get(name.len()..)?, pepper).map(Self::Argon2)
            }
            ("bcrypt", false) => Self::read_bcrypt(rest, Scheme::Bcrypt),
            ("bcrypt_sha256", false) => Self::read_bcrypt(rest, Scheme::DjangoBcryptSha256),
            ("md5", false) => salted(Scheme::SaltedMd5),
            ("sha1", false) => salted(Scheme::SaltedSha1),
            ("sha256", false) => salted(Scheme::WerkzeugHmacSha256),
            ("sha512", false) => salted(Scheme::WerkzeugHmacSha512),
            ("plain", false) => match rest.strip_prefix('$') {
                Some(password) if !password.is_empty() => Ok(Self::Plain(password)),
                _ => Err(Unsupported::Malformed(Scheme::WerkzeugPlain)),
            },
            _ => return None,
        })
    }

    /// Without a name: 32 hexadecimal digits, DES crypt, or the base64 of ASP.NET Identity.
    fn read_bare(text: &str) -> Result<Self, Unsupported> {
        if let Some(hash) = FastRecipe::read_bare(text) {
            return Ok(Self::Made(hash));
        }
        if let Some(refused) = refused_des(text) {
            return Err(refused);
        }
        match text::base64(text).as_deref().and_then(<[u8]>::split_first) {
            Some((0, rest)) if rest.len() == 48 => Pbkdf2Recipe::read_aspnet_v2(rest),
            Some((1, rest)) if rest.starts_with(&[0, 0, 0]) => Pbkdf2Recipe::read_aspnet_v3(rest),
            _ => return Err(Unsupported::Unknown),
        }
        .map(Self::Made)
    }

    pub(super) const fn scheme(&self) -> Scheme {
        match self {
            Self::Argon2(hash) => hash.scheme(),
            Self::Made(hash) => hash.recipe.scheme(),
            Self::Wrapped(_) => Scheme::Wrapped,
            Self::Plain(_) => Scheme::WerkzeugPlain,
        }
    }

    pub(super) fn fits(&self, password: &[u8], memory: &mut HashMemory) -> bool {
        match self {
            Self::Argon2(hash) => hash.fits(password, memory),
            Self::Made(hash) => hash.fits(password, memory),
            Self::Wrapped(hash) => hash.fits(password, memory),
            Self::Plain(known) => known.as_bytes().ct_eq(password).into(),
        }
    }

    /// Whether we would make it the same way today.
    pub(super) fn is_of(&self, policy: &HashPolicy) -> bool {
        matches!(self, Self::Argon2(hash) if hash.is_of(policy))
    }

    /// Whether whoever steals it knows the password, or tries more of them in a second than OWASP's
    /// cheat sheet on password storage has them try.
    pub(super) fn is_weak(&self) -> bool {
        match self {
            Self::Argon2(hash) => !hash.recipe().is_enough(),
            Self::Made(hash) => !hash.recipe.is_enough(),
            Self::Wrapped(hash) => !hash.is_enough(),
            Self::Plain(_) => true,
        }
    }

    /// Whether it looks at the first bytes of a password only.
    pub(super) fn cuts(&self) -> bool {
        match self {
            Self::Made(hash) => hash.recipe.cuts(),
            Self::Wrapped(hash) => hash.cuts(),
            Self::Argon2(_) | Self::Plain(_) => false,
        }
    }

    /// The text by which a weak hash is stored; `None`: it is stored as it is.
    pub(super) fn wrapped(
        &self,
        policy: &HashPolicy,
        salt: &[u8; 16],
        memory: &mut HashMemory,
    ) -> Option<String> {
        match self {
            _ if !self.is_weak() => None,
            Self::Argon2(hash) => Some(hash.as_made()?.wrapped(policy, salt, memory)),
            Self::Made(hash) => Some(hash.wrapped(policy, salt, memory)),
            Self::Plain(known) => Some(argon2::hash(known.as_bytes(), policy, salt, memory)),
            Self::Wrapped(_) => None,
        }
    }
}

/// Why not, if it looks like DES crypt: 13 digits, or 20 after an underscore.
fn refused_des(text: &str) -> Option<Unsupported> {
    let digits = text.strip_prefix('_').unwrap_or(text);
    let length = if digits.len() == text.len() { 13 } else { 19 };
    let is_des = digits.len() == length && text::is_crypt(digits);
    is_des.then_some(Unsupported::Refused(
        "DES crypt looks at the first 8 characters only",
    ))
}
