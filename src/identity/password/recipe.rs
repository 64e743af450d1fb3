//! How is a hash of other software made of a password, is that enough today, and how is a weak one kept
//! inside Argon2id?

use subtle::ConstantTimeEq;

use super::argon2::{self, Argon2Hash, Argon2Recipe};
use super::bcrypt::BcryptRecipe;
use super::fast::FastRecipe;
use super::memory::HashMemory;
use super::pbkdf2::Pbkdf2Recipe;
use super::policy::{HashPolicy, Pepper};
use super::scheme::{Scheme, Unsupported};
use super::scrypt::ScryptRecipe;
use super::sha_crypt::ShaCryptRecipe;
use super::text;

/// How the stored text of a wrapped hash begins.
pub(super) const WRAP: &str = "$wrap$";

/// All that a hash tells but its output.
pub(super) enum Recipe {
    Argon2(Argon2Recipe),
    Bcrypt(BcryptRecipe),
    Fast(FastRecipe),
    Pbkdf2(Pbkdf2Recipe),
    Scrypt(ScryptRecipe),
    ShaCrypt(ShaCryptRecipe),
}

/// A hash that other software made, and that was read.
pub(super) struct MadeHash {
    pub(super) recipe: Recipe,
    pub(super) output: Vec<u8>,
}

/// A hash of other software inside Argon2id.
pub(super) struct WrappedHash {
    recipe: Recipe,
    argon2: Argon2Hash,
}

/// What of a recipe is written: by which scheme, its costs, its salt.
pub(super) struct Written {
    pub(super) scheme: Scheme,
    pub(super) costs: String,
    pub(super) salt: Vec<u8>,
}

impl Recipe {
    /// Reads `scheme$costs$salt`. Costs are within the same bounds as those of a hash.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '$');
        let name = parts.next()?;
        let scheme = Scheme::ALL
            .into_iter()
            .find(|scheme| scheme.as_str() == name)?;
        let costs: Vec<&str> = parts.next()?.split(',').collect();
        let (costs, salt) = (costs.as_slice(), text::base64_url(parts.next()?)?);
        match scheme {
            Scheme::Argon2id | Scheme::Argon2i | Scheme::Argon2d => {
                Argon2Recipe::from_written(scheme, costs, &salt).map(Self::Argon2)
            }
            Scheme::Bcrypt | Scheme::DjangoBcryptSha256 | Scheme::WordpressBcrypt => {
                BcryptRecipe::from_written(scheme, costs, &salt).map(Self::Bcrypt)
            }
            Scheme::WerkzeugScrypt | Scheme::DjangoScrypt | Scheme::PasslibScrypt => {
                ScryptRecipe::from_written(scheme, costs, salt).map(Self::Scrypt)
            }
            Scheme::WerkzeugPbkdf2
            | Scheme::DjangoPbkdf2
            | Scheme::PasslibPbkdf2
            | Scheme::AspNetV2
            | Scheme::AspNetV3 => Pbkdf2Recipe::from_written(scheme, costs, salt).map(Self::Pbkdf2),
            Scheme::Sha256Crypt | Scheme::Sha512Crypt => {
                ShaCryptRecipe::from_written(scheme, costs, salt).map(Self::ShaCrypt)
            }
            Scheme::WerkzeugPlain | Scheme::Wrapped => None,
            Scheme::Md5Crypt
            | Scheme::Apr1
            | Scheme::Phpass
            | Scheme::Ssha
            | Scheme::Ssha256
            | Scheme::Ssha512
            | Scheme::SaltedMd5
            | Scheme::SaltedSha1
            | Scheme::WerkzeugHmacSha256
            | Scheme::WerkzeugHmacSha512
            | Scheme::Md5
            | Scheme::Sha1 => FastRecipe::from_written(scheme, costs, salt).map(Self::Fast),
        }
    }

    fn to_written(&self) -> Written {
        match self {
            Self::Argon2(recipe) => recipe.to_written(),
            Self::Bcrypt(recipe) => recipe.to_written(),
            Self::Fast(recipe) => recipe.to_written(),
            Self::Pbkdf2(recipe) => recipe.to_written(),
            Self::Scrypt(recipe) => recipe.to_written(),
            Self::ShaCrypt(recipe) => recipe.to_written(),
        }
    }

    pub(super) const fn scheme(&self) -> Scheme {
        match self {
            Self::Argon2(recipe) => recipe.scheme(),
            Self::Bcrypt(recipe) => recipe.scheme(),
            Self::Fast(recipe) => recipe.scheme(),
            Self::Pbkdf2(recipe) => recipe.scheme(),
            Self::Scrypt(recipe) => recipe.scheme(),
            Self::ShaCrypt(recipe) => recipe.scheme(),
        }
    }

    /// Whether OWASP's cheat sheet on password storage takes it for strong enough.
    pub(super) fn is_enough(&self) -> bool {
        match self {
            Self::Argon2(recipe) => recipe.is_enough(),
            Self::Bcrypt(recipe) => recipe.is_enough(),
            Self::Pbkdf2(recipe) => recipe.is_enough(),
            Self::Scrypt(recipe) => recipe.is_enough(),
            // One is made for speed, and the other is on no list of what is good.
            Self::Fast(_) | Self::ShaCrypt(_) => false,
        }
    }

    /// Whether it looks at the first bytes of a password only.
    pub(super) fn cuts(&self) -> bool {
        self.scheme() == Scheme::Bcrypt
    }

    /// What the password gives: two outputs where two programs wrote the same text for different
    /// things, and none where it cannot be the password.
    fn outputs(&self, password: &[u8], memory: &mut HashMemory) -> Vec<Vec<u8>> {
        let one = |output: Option<Vec<u8>>| output.into_iter().collect();
        match self {
            Self::Argon2(recipe) => one(recipe.output(password, None, memory)),
            Self::Bcrypt(recipe) => one(recipe.output(password)),
            Self::Fast(recipe) => recipe.outputs(password),
            Self::Pbkdf2(recipe) => one(Some(recipe.output(password))),
            Self::Scrypt(recipe) => one(recipe.output(password)),
            Self::ShaCrypt(recipe) => one(recipe.output(password)),
        }
    }
}

impl MadeHash {
    pub(super) fn fits(&self, password: &[u8], memory: &mut HashMemory) -> bool {
        let outputs = self.recipe.outputs(password, memory);
        outputs
            .iter()
            .any(|output| output.ct_eq(&self.output).into())
    }

    /// The text of this hash inside Argon2id.
    pub(super) fn wrapped(
        &self,
        policy: &HashPolicy,
        salt: &[u8; 16],
        memory: &mut HashMemory,
    ) -> String {
        let Written {
            scheme,
            costs,
            salt: inner,
        } = self.recipe.to_written();
        let (name, inner) = (scheme.as_str(), text::written_base64_url(&inner));
        let outer = argon2::hash(&self.output, policy, salt, memory);
        format!("{WRAP}{name}${costs}${inner}{outer}")
    }
}

impl WrappedHash {
    /// Reads what follows `$wrap$`: `scheme$costs$salt$argon2id$…`.
    pub(super) fn read(rest: &str, pepper: Option<&Pepper>) -> Result<Self, Unsupported> {
        let malformed = Unsupported::Malformed(Scheme::Wrapped);
        let at = rest.find("$argon2").ok_or(malformed)?;
        let (recipe, argon2) = rest.split_at_checked(at).ok_or(malformed)?;
        Ok(Self {
            recipe: Recipe::read(recipe).ok_or(malformed)?,
            argon2: Argon2Hash::read(argon2, pepper)?,
        })
    }

    pub(super) fn fits(&self, password: &[u8], memory: &mut HashMemory) -> bool {
        let outputs = self.recipe.outputs(password, memory);
        outputs
            .iter()
            .any(|output| self.argon2.fits(output, memory))
    }

    /// Whether what is around it is strong enough.
    pub(super) fn is_enough(&self) -> bool {
        self.argon2.recipe().is_enough()
    }

    /// Whether what is inside looks at the first bytes of a password only.
    pub(super) fn cuts(&self) -> bool {
        self.recipe.cuts()
    }
}

#[cfg(test)]
mod tests {
    use super::super::PasswordHash;
    use super::*;
    use crate::identity::Secret;

    #[test]
    fn a_hash_that_owasp_takes_for_enough_is_kept_as_it_is_and_a_cheaper_one_is_not() {
        let hex = |bytes: usize| "00".repeat(bytes);
        let werkzeug = |costs: &str, bytes| format!("{costs}$salt${}", hex(bytes));
        let bcrypt = |start: &str| {
            let rest = "$1OacW1mRl6EtI/hydjz8yeHnZR/5Qzr5vi5UgyIna5Ox9tVw5T6lW";
            format!("{start}{rest}")
        };
        let argon2 = |start: &str| {
            let rest = "$aI1RKoXwXiullLJ2LsUYow$2wCM69YGriuKcgKlj18usLzUQjKxH9DhChhqhZvLJ9E";
            format!("{start}{rest}")
        };
        for (text, is_weak) in [
            (bcrypt("$2b$10"), false),
            (bcrypt("$2b$09"), true),
            (bcrypt("bcrypt_sha256$$2b$10"), false),
            (bcrypt("bcrypt_sha256$$2b$09"), true),
            (bcrypt("$wp$2y$09"), true),
            (werkzeug("pbkdf2:sha256:600000", 32), false),
            (werkzeug("pbkdf2:sha256:599999", 32), true),
            (werkzeug("pbkdf2:sha512:220000", 64), false),
            (werkzeug("pbkdf2:sha512:219999", 64), true),
            (werkzeug("pbkdf2:sha1:1400000", 20), false),
            (werkzeug("pbkdf2:sha1:1399999", 20), true),
            (werkzeug("scrypt:131072:8:1", 64), false),
            (werkzeug("scrypt:65536:8:2", 64), false),
            (werkzeug("scrypt:65536:8:1", 64), true),
            (werkzeug("scrypt:32768:8:3", 64), false),
            // What Werkzeug does unless it is told otherwise.
            (werkzeug("scrypt:32768:8:1", 64), true),
            (werkzeug("scrypt:16384:8:5", 64), false),
            (werkzeug("scrypt:8192:8:10", 64), false),
            (werkzeug("scrypt:4096:8:64", 64), true),
            (werkzeug("scrypt:131072:4:2", 64), true),
            (argon2("$argon2id$v=19$m=19456,t=2,p=1"), false),
            (argon2("$argon2id$v=19$m=19455,t=2,p=1"), true),
            (argon2("$argon2id$v=19$m=7168,t=5,p=1"), false),
            (argon2("$argon2id$v=19$m=7167,t=20,p=1"), true),
            (argon2("$argon2id$v=19$m=47104,t=1,p=4"), false),
            (argon2("$argon2id$v=16$m=47104,t=1,p=1"), true),
            (argon2("$argon2i$v=19$m=102400,t=3,p=1"), true),
            (argon2("$argon2d$v=19$m=102400,t=3,p=1"), true),
        ] {
            let hash = PasswordHash::imported(&text).unwrap();
            assert_eq!(hash.needs_wrapping(), is_weak, "{text}");
        }
    }

    #[test]
    fn a_hash_inside_a_cheap_argon2_hash_is_not_taken_over() {
        let md5 = PasswordHash::imported("5f4dcc3b5aa765d61d8327deb882cf99").unwrap();
        let wrapped = md5.wrapped(&HashPolicy::default(), &[7; 16]);
        assert!(PasswordHash::imported(wrapped.as_stored()).is_ok());
        let cheap = wrapped.as_stored().replace("m=19456", "m=1024");
        assert!(matches!(
            PasswordHash::imported(&cheap),
            Err(Unsupported::Refused(_))
        ));
    }

    #[test]
    fn what_is_taken_over_can_be_read_inside_argon2_however_long_its_salt_is() {
        let hash = |salt: usize| {
            let output = "00".repeat(64);
            format!("scrypt:2048:8:1${}${output}", "s".repeat(salt))
        };
        let rest = hash(0).len();
        let longest = PasswordHash::imported(&hash(1024 - rest)).unwrap();
        let wrapped = longest.wrapped(&HashPolicy::default(), &[7; 16]);
        assert_eq!(wrapped.scheme(None), Some(Scheme::Wrapped));
        assert!(PasswordHash::imported(&hash(1025 - rest)).is_err());
    }

    #[test]
    fn what_is_written_of_a_wrapped_hash_is_within_the_bounds_of_any() {
        let outer = "$argon2id$v=19$m=19456,t=2,p=1$aI1RKoXwXiullLJ2LsUYow$2wCM69YGriuKcgKlj18usLzUQjKxH9DhChhqhZvLJ9E";
        let salt = "AAAAAAAAAAAAAAAAAAAAAA";
        for (recipe, is_read) in [
            ("bcrypt$6", true),
            ("bcrypt$16", false),
            ("bcrypt$3", false),
            ("bcrypt$6,7", false),
            ("werkzeug-scrypt$14,8,1,64", true),
            ("werkzeug-scrypt$24,8,1,64", false),
            ("werkzeug-scrypt$14,8,1,65", false),
            ("werkzeug-scrypt$14,8,1,1", false),
            ("django-pbkdf2$sha256,1000,32", true),
            ("django-pbkdf2$sha256,5000001,32", false),
            ("django-pbkdf2$sha256,1000,5000001", false),
            ("django-pbkdf2$sha256,1,65", false),
            ("django-pbkdf2$sha256,1000,1", false),
            ("django-pbkdf2$sha256,1000,0", false),
            ("django-pbkdf2$md5,1000,16", false),
            ("sha512-crypt$5000", true),
            ("sha512-crypt$1000001", false),
            ("argon2i$19,1024,3,1,32", true),
            ("argon2i$19,1048577,1,1,32", false),
            ("argon2i$19,1024,3,1,65", false),
            ("argon2i$19,1024,3,1,9", false),
            ("argon2i$19,1024,3,1", false),
            ("phpass$262145", false),
            ("werkzeug-plain$1", false),
            ("wrapped$1", false),
        ] {
            let text = format!("$wrap${recipe}${salt}{outer}");
            assert_eq!(PasswordHash::imported(&text).is_ok(), is_read, "{text}");
        }
    }

    #[test]
    fn bcrypt_looks_at_72_bytes_inside_argon2_too() {
        let known = Pepper::new([1; 8], Secret::new([2; 32]));
        let peppered = HashPolicy {
            pepper: Some(known.clone()),
            ..HashPolicy::default()
        };
        let text = "$2b$06$uCtcLMJNr9X/DaPKD0yuieb5Fl1/HSGIymBFzQ4ycTTiNf/0Ia39m";
        for policy in [HashPolicy::default(), peppered] {
            let wrapped = PasswordHash::imported(text)
                .unwrap()
                .wrapped(&policy, &[7; 16]);
            for (length, all) in [(72, true), (73, false)] {
                let password = Secret::new("x".repeat(length));
                assert_eq!(wrapped.takes_all_of(&password, Some(&known)), all);
            }
        }
    }
}
