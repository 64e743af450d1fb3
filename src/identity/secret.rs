//! A value that must not be seen: not printed, not serialised, compared in constant time, wiped.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Bytes or text that only [`Secret::expose`] shows.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Hides `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Every call is a place where a secret may leave: keep them few.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl Secret<[u8; 32]> {
    /// A key for one use only, which tells nothing of this one (HKDF-SHA256, RFC 5869). `salt` says what
    /// this key is, `label` what the derived one is for.
    #[expect(clippy::expect_used, reason = "HKDF gives up to 8160 bytes")]
    pub fn derive(&self, salt: &[u8], label: &[u8]) -> Self {
        let extracted = Salt::new(HKDF_SHA256, salt).extract(&self.0);
        let mut derived = [0; 32];
        extracted
            .expand(&[label], HKDF_SHA256)
            .and_then(|expanded| expanded.fill(&mut derived))
            .expect("32 bytes can be derived");
        Self(derived)
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T: Zeroize + AsRef<[u8]>> PartialEq for Secret<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_ref().ct_eq(other.0.as_ref()).into()
    }
}

impl<T: Zeroize + AsRef<[u8]>> Eq for Secret<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python: HMAC-SHA256 of the key under the salt, then of `label` and a byte of 1 under that.
    #[test]
    fn a_derived_key_is_that_of_rfc_5869() {
        let derived = Secret::new([1; 32]).derive(b"salt", b"label");
        let shown: String = derived.0.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            shown,
            "fbcbe4dec8c616fe09a2c9cfc7593c8bfdf5d8bfc733898bf0fd1412f1f7b75a"
        );
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn secrets_are_equal_when_their_bytes_are() {
        assert_eq!(Secret::new([1u8, 2]), Secret::new([1u8, 2]));
        assert_ne!(Secret::new([1u8, 2]), Secret::new([1u8, 3]));
    }
}
