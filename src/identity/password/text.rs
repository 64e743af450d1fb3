//! How do hashes write bytes? Hexadecimal, the kinds of base64, and the digits of crypt(3).

use base64::Engine as _;
use base64::alphabet::{BCRYPT, CRYPT, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// As of bcrypt, whose implementations look at no bits that are left over.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Standard base64, padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// For what we write ourselves.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: &u8| char::from(*digit).to_digit(16);
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(nibble(high)? * 16 + nibble(low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

pub(super) fn written_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

pub(super) fn written_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// As passlib writes it: with `.` for `+`, never padded.
pub(super) fn base64_of_passlib(text: &str) -> Option<Vec<u8>> {
    base64(&text.replace('.', "+"))
}

pub(super) fn base64_of_bcrypt(text: &str) -> Option<Vec<u8>> {
    BCRYPT_BASE64.decode(text).ok()
}

pub(super) fn base64_url(text: &str) -> Option<Vec<u8>> {
    BASE64_URL.decode(text).ok()
}

pub(super) fn written_base64_url(bytes: &[u8]) -> String {
    BASE64_URL.encode(bytes)
}

/// Whether all of it are digits of crypt(3).
pub(super) fn is_crypt(text: &str) -> bool {
    text.bytes()
        .all(|byte| CRYPT.as_str().as_bytes().contains(&byte))
}

/// The first digits of 24 bits as crypt(3) writes them, the lowest first.
pub(super) fn crypt(high: u8, middle: u8, low: u8, digits: usize) -> impl Iterator<Item = u8> {
    let bits = u32::from(high) << 16 | u32::from(middle) << 8 | u32::from(low);
    let alphabet = CRYPT.as_str().as_bytes();
    (0..digits).filter_map(move |at| {
        let digit = usize::try_from(bits >> (6 * at) & 63).ok()?;
        alphabet.get(digit).copied()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_from_every_way_of_writing_them() {
        let bytes = vec![0xfb, 0xff, 0x01];
        assert_eq!(hex("fbFF01"), Some(bytes.clone()));
        assert_eq!(hex("fbf"), None);
        assert_eq!(hex("fg"), None);
        assert_eq!(hex("é"), None);
        assert_eq!(written_hex(&bytes), "fbff01");
        assert_eq!(base64("+/8B"), Some(bytes.clone()));
        assert_eq!(base64_of_passlib("./8B"), Some(bytes.clone()));
        assert_eq!(base64_url("-_8B"), Some(bytes.clone()));
        assert_eq!(base64("AA=="), base64("AA"));
        assert_eq!(crypt(0, 0, 0x7f, 4).collect::<Vec<_>>(), b"z/..");
    }
}
