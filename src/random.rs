//! Where randomness comes from: the crypto library's generator, and nowhere else.

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

/// A password of 20 letters and digits that cannot be confused with one another (about 116 bits).
pub fn password() -> String {
    const LETTERS: &[u8; 56] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut password = String::with_capacity(20);
    while password.len() < 20 {
        for byte in bytes::<32>() {
            if let Some(letter) = LETTERS.get(usize::from(byte & 0x3f))
                && password.len() < 20
            {
                password.push(char::from(*letter));
            }
        }
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_draws_are_alike() {
        assert_ne!(bytes::<16>(), bytes::<16>());
        assert_ne!(password(), password());
        assert_eq!(password().len(), 20);
    }
}
