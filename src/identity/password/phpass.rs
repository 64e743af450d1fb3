//! phpass: `$P$` and `$H$` of WordPress, phpBB and Drupal, many rounds of MD5.

use md5::{Digest, Md5};

use super::text;

/// How many digits the output has.
pub(super) const LENGTH: usize = 22;
/// How long the salt is.
pub(super) const SALT: usize = 8;
/// A second, with the longest password.
pub(super) const MOST_ROUNDS: u32 = 1 << 18;

/// What follows the salt in the hash of this password.
pub(super) fn phpass(rounds: u32, salt: &[u8], password: &[u8]) -> Vec<u8> {
    let md5 = |first: &[u8]| -> [u8; 16] {
        let mut digest = Md5::new();
        digest.update(first);
        digest.update(password);
        digest.finalize().into()
    };
    let mut output = md5(salt);
    for _ in 0..rounds {
        output = md5(&output);
    }
    let triples = output.chunks(3).flat_map(|part| match part {
        [a, b, c] => text::crypt(*c, *b, *a, 4),
        [a] => text::crypt(0, 0, *a, 2),
        _ => text::crypt(0, 0, 0, 0),
    });
    triples.collect()
}

/// How many rounds this digit stands for: as many as can be counted, if they are more.
pub(super) fn rounds(digit: u8) -> Option<u32> {
    let digits = (0..64).map(|n| text::crypt(0, 0, n, 1).next());
    let log = digits.zip(0u32..).find(|(known, _)| *known == Some(digit));
    log.map(|(_, log)| 1u32.checked_shl(log).unwrap_or(u32::MAX))
}
