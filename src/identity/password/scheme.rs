//! By which scheme was a password hashed, and why can a hash not be taken over?

use thiserror::Error;

/// A way of hashing passwords that we can check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Argon2id (RFC 9106), ours and that of others.
    Argon2id,
    /// Argon2i.
    Argon2i,
    /// Argon2d.
    Argon2d,
    /// bcrypt: `$2a$`, `$2b$`, `$2y$`.
    Bcrypt,
    /// bcrypt over SHA-256, as Django makes it.
    DjangoBcryptSha256,
    /// bcrypt over HMAC-SHA-384, as WordPress makes it.
    WordpressBcrypt,
    /// scrypt, as Werkzeug writes it.
    WerkzeugScrypt,
    /// scrypt, as Django writes it.
    DjangoScrypt,
    /// scrypt, as passlib writes it.
    PasslibScrypt,
    /// PBKDF2, as Werkzeug writes it.
    WerkzeugPbkdf2,
    /// PBKDF2, as Django writes it.
    DjangoPbkdf2,
    /// PBKDF2, as passlib writes it.
    PasslibPbkdf2,
    /// PBKDF2, as ASP.NET Identity 2 writes it.
    AspNetV2,
    /// PBKDF2, as ASP.NET Core Identity writes it.
    AspNetV3,
    /// `$5$` of crypt(3).
    Sha256Crypt,
    /// `$6$` of crypt(3).
    Sha512Crypt,
    /// `$1$` of crypt(3).
    Md5Crypt,
    /// `$apr1$` of htpasswd.
    Apr1,
    /// `$P$` and `$H$`: phpass, of WordPress, phpBB and Drupal.
    Phpass,
    /// `{SSHA}` of LDAP servers.
    Ssha,
    /// `{SSHA256}` of LDAP servers.
    Ssha256,
    /// `{SSHA512}` of LDAP servers.
    Ssha512,
    /// MD5 with a salt, of old Django or old Werkzeug.
    SaltedMd5,
    /// SHA-1 with a salt, of old Django or old Werkzeug.
    SaltedSha1,
    /// HMAC-SHA-256 with the salt as its key, of old Werkzeug.
    WerkzeugHmacSha256,
    /// HMAC-SHA-512 with the salt as its key, of old Werkzeug.
    WerkzeugHmacSha512,
    /// MD5 without a salt.
    Md5,
    /// SHA-1 without a salt: `{SHA}` of htpasswd, and old Django.
    Sha1,
    /// No hash at all: `plain$$` of old Werkzeug.
    WerkzeugPlain,
    /// A hash of one of these that is too weak, inside Argon2id, by which we keep it.
    Wrapped,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 30] = [
        Self::Argon2id,
        Self::Argon2i,
        Self::Argon2d,
        Self::Bcrypt,
        Self::DjangoBcryptSha256,
        Self::WordpressBcrypt,
        Self::WerkzeugScrypt,
        Self::DjangoScrypt,
        Self::PasslibScrypt,
        Self::WerkzeugPbkdf2,
        Self::DjangoPbkdf2,
        Self::PasslibPbkdf2,
        Self::AspNetV2,
        Self::AspNetV3,
        Self::Sha256Crypt,
        Self::Sha512Crypt,
        Self::Md5Crypt,
        Self::Apr1,
        Self::Phpass,
        Self::Ssha,
        Self::Ssha256,
        Self::Ssha512,
        Self::SaltedMd5,
        Self::SaltedSha1,
        Self::WerkzeugHmacSha256,
        Self::WerkzeugHmacSha512,
        Self::Md5,
        Self::Sha1,
        Self::WerkzeugPlain,
        Self::Wrapped,
    ];

    /// The name that people know.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Argon2id => "argon2id",
            Self::Argon2i => "argon2i",
            Self::Argon2d => "argon2d",
            Self::Bcrypt => "bcrypt",
            Self::DjangoBcryptSha256 => "django-bcrypt-sha256",
            Self::WordpressBcrypt => "wordpress-bcrypt",
            Self::WerkzeugScrypt => "werkzeug-scrypt",
            Self::DjangoScrypt => "django-scrypt",
            Self::PasslibScrypt => "passlib-scrypt",
            Self::WerkzeugPbkdf2 => "werkzeug-pbkdf2",
            Self::DjangoPbkdf2 => "django-pbkdf2",
            Self::PasslibPbkdf2 => "passlib-pbkdf2",
            Self::AspNetV2 => "aspnet-v2",
            Self::AspNetV3 => "aspnet-v3",
            Self::Sha256Crypt => "sha256-crypt",
            Self::Sha512Crypt => "sha512-crypt",
            Self::Md5Crypt => "md5-crypt",
            Self::Apr1 => "apr1",
            Self::Phpass => "phpass",
            Self::Ssha => "ssha",
            Self::Ssha256 => "ssha256",
            Self::Ssha512 => "ssha512",
            Self::SaltedMd5 => "salted-md5",
            Self::SaltedSha1 => "salted-sha1",
            Self::WerkzeugHmacSha256 => "werkzeug-hmac-sha256",
            Self::WerkzeugHmacSha512 => "werkzeug-hmac-sha512",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::WerkzeugPlain => "werkzeug-plain",
            Self::Wrapped => "wrapped",
        }
    }
}

/// Why a text is no hash that we can check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unsupported {
    /// It looks like nothing we know.
    #[error("it is of no scheme known here")]
    Unknown,
    /// We know it, and it protects nobody.
    #[error("its scheme is refused: {0}")]
    Refused(&'static str),
    /// It begins like a hash of this scheme and does not go on like one.
    #[error("it is no whole {} hash", .0.as_str())]
    Malformed(Scheme),
    /// Checking it would take too long or too much memory.
    #[error("checking this {} hash would take too long or too much memory", .0.as_str())]
    TooCostly(Scheme),
    /// The account has no password: Django's `!`, the `*` of a locked account, or nothing at all.
    #[error("the account has no password")]
    Unusable,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_scheme_has_a_name_of_its_own() {
        let names: HashSet<_> = Scheme::ALL.iter().map(|scheme| scheme.as_str()).collect();
        assert_eq!(names.len(), Scheme::ALL.len());
    }
}
