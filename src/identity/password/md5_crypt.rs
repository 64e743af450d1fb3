//! MD5-crypt: `$1$` of crypt(3) and `$apr1$` of htpasswd, a thousand rounds of MD5.

use md5::{Digest, Md5};

use super::text;

/// How many rounds there are, always.
pub(super) const ROUNDS: u32 = 1000;
/// How many digits the output has.
pub(super) const LENGTH: usize = 22;
/// The longest salt.
pub(super) const LONGEST_SALT: usize = 8;

/// What follows the salt in the hash of this password.
pub(super) fn md5_crypt(magic: &str, salt: &[u8], password: &[u8]) -> Vec<u8> {
    let inner = md5(&[password, salt, password]);
    let mut first = Md5::new();
    first.update(password);
    first.update(magic);
    first.update(salt);
    for part in password.chunks(inner.len()) {
        first.update(inner.get(..part.len()).unwrap_or_default());
    }
    let mut length = password.len();
    while length > 0 {
        if length % 2 == 1 {
            first.update([0]);
        } else {
            first.update(password.get(..1).unwrap_or_default());
        }
        length /= 2;
    }
    let mut output: [u8; 16] = first.finalize().into();
    for round in 0..ROUNDS {
        let odd = round % 2 == 1;
        let salt = if round % 3 == 0 { &[] } else { salt };
        let again = if round % 7 == 0 { &[] } else { password };
        output = if odd {
            md5(&[password, salt, again, &output])
        } else {
            md5(&[&output, salt, again, password])
        };
    }
    written(&output)
}

fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(part);
    }
    digest.finalize().into()
}

/// The bytes in the order in which crypt(3) writes them.
const fn written_order(output: &[u8; 16]) -> [[u8; 3]; 5] {
    let [a, b, c, d, e, f, g, h, i, j, k, _, m, n, o, p] = *output;
    [[a, g, m], [b, h, n], [c, i, o], [d, j, p], [e, k, f]]
}

fn written(output: &[u8; 16]) -> Vec<u8> {
    let [.., twelfth, _, _, _, _] = *output;
    let triples = written_order(output);
    let written = triples
        .iter()
        .flat_map(|[a, b, c]| text::crypt(*a, *b, *c, 4));
    written.chain(text::crypt(0, 0, twelfth, 2)).collect()
}
