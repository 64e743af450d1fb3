//! Where randomness comes from: the crypto library's generator, and nowhere else.

use std::cell::RefCell;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

/// `N` random bytes, fit for secrets.
#[expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "without randomness no secret is safe: stopping is the only right answer"
)]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

thread_local! {
    /// Random bytes for ids, and how many of them are used up.
    static FOR_IDS: RefCell<([u8; 1024], usize)> = const { RefCell::new(([0; 1024], 1024)) };
}

/// Sixteen random bytes for an id that many see, such as a request's: drawn sixty-four at a time,
/// because one draw costs as much as a tenth of what is decided about a request. Not for secrets: the
/// next ones already lie in memory.
pub fn id() -> [u8; 16] {
    FOR_IDS.with_borrow_mut(|(drawn, used)| {
        if *used >= drawn.len() {
            (*drawn, *used) = (bytes(), 0);
        }
        let mut id = [0; 16];
        let unused = drawn.get(*used..).unwrap_or_default();
        id.iter_mut().zip(unused).for_each(|(to, from)| *to = *from);
        *used += id.len();
        id
    })
}

/// A new private key for ECDSA with P-256, as PKCS#8.
#[expect(
    clippy::expect_used,
    reason = "without randomness no secret is safe: stopping is the only right answer"
)]
pub fn p256_private_key() -> Vec<u8> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let document = pair.and_then(|pair| pair.to_pkcs8v1());
    let document = document.expect("the operating system gives random bytes");
    document.as_ref().to_vec()
}

/// A new private RSA key of 3072 bits, as PKCS#8. Takes a second or so.
#[expect(
    clippy::expect_used,
    reason = "without randomness no secret is safe: stopping is the only right answer"
)]
pub fn rsa_private_key() -> Vec<u8> {
    let pair = KeyPair::generate(KeySize::Rsa3072);
    let document = pair.and_then(|pair| {
        let document: Pkcs8V1Der<'_> = pair.as_der()?;
        Ok(document)
    });
    let document = document.expect("the operating system gives random bytes");
    document.as_ref().to_vec()
}

/// A password of letters and digits that cannot be confused with one another: 20 of them (about 116
/// bits), or as many as must be.
pub fn password(at_least: usize) -> String {
    const LETTERS: &[u8; 56] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let length = at_least.max(20);
    let mut password = String::with_capacity(length);
    while password.len() < length {
        for byte in bytes::<32>() {
            if let Some(letter) = LETTERS.get(usize::from(byte & 0x3f))
                && password.len() < length
            {
                password.push(char::from(*letter));
            }
        }
    }
    password
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_draws_are_alike() {
        assert_ne!(bytes::<16>(), bytes::<16>());
        assert_ne!(password(0), password(0));
        assert_eq!((password(8).len(), password(64).len()), (20, 64));
    }

    #[test]
    fn no_two_ids_are_alike_however_many_are_drawn() {
        let ids: HashSet<[u8; 16]> = (0..1000).map(|_| id()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
