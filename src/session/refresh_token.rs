//! Refresh tokens: opaque, authentic, replaced at each use.
//!
//! ```text
//! text      = "vrt1_" base64url( kid(1) session(16) generation(8) secret(32) mac(16) )
//! mac       = HMAC-SHA256( RefreshMac key kid,
//!                          "vestibule-refresh-mac-v1" kid session generation secret )[..16]
//! secret(1) = 32 random bytes
//! secret(n) = HMAC-SHA256( RefreshNext key, "vestibule-refresh-next-v1" session n secret(n-1) )
//! stored    = SHA-256( "vestibule-refresh-hash-v1" session generation secret )
//! ```
//!
//! Numbers are big-endian. By the MAC every token ever issued is known as ours without a row for
//! it; by the derivation any process can hand out the same successor again, which nobody stores.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::identity::{Secret, SessionId};
use crate::session::KeyRing;
use crate::session::key_ring::{RefreshKey, UnknownNumber};

/// What every refresh token starts with, so that scanners and log filters know it.
pub const PREFIX: &str = "vrt1_";

/// The length of the text form: the prefix and 73 bytes of base64url.
pub const LENGTH: usize = PREFIX.len() + 98;

/// Key id, session, generation, secret, MAC.
const BYTES: usize = 1 + 16 + 8 + 32 + 16;

/// A refresh token of ours, its MAC already checked.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// Which session.
    pub session: SessionId,
    /// Which generation of that session; the first is 1.
    pub generation: u64,
    /// What makes it the token: only its hash is stored.
    pub secret: Secret<[u8; 32]>,
}

/// SHA-256 over session, generation and secret of a refresh token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenHash(pub [u8; 32]);

/// What is wrong with a text that should be a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshTokenError {
    /// Not of our form at all.
    NotOurs,
    /// Of our form, but its MAC does not fit, or its key is no good any more.
    Forged,
    /// Of our form, and its key may be one that this process does not know yet.
    UnknownKey,
}

impl RefreshToken {
    /// The first token of a session, from a random secret.
    pub fn first(session: SessionId, secret: [u8; 32]) -> Self {
        Self {
            session,
            generation: 1,
            secret: Secret::new(secret),
        }
    }

    /// Reads and authenticates the text form.
    pub fn parse(text: &str, ring: &KeyRing) -> Result<Self, RefreshTokenError> {
        let bytes = decode(text).ok_or(RefreshTokenError::NotOurs)?;
        let (kid, token, mac) = split(&bytes).ok_or(RefreshTokenError::NotOurs)?;
        let key = ring.find_mac_key(kid).map_err(|unknown| match unknown {
            UnknownNumber::Past => RefreshTokenError::Forged,
            UnknownNumber::Ahead => RefreshTokenError::UnknownKey,
        })?;
        if token.mac(key).ct_eq(mac).into() {
            Ok(token)
        } else {
            Err(RefreshTokenError::Forged)
        }
    }

    /// Whether `text` says that it is a refresh token by a key that may have been made since the ring was.
    /// Nothing else about it is looked at.
    pub fn names_unknown_key(text: &str, ring: &KeyRing) -> bool {
        let bytes = decode(text);
        let kid = bytes.as_ref().and_then(|bytes| split(bytes));
        kid.is_some_and(|(kid, ..)| ring.find_mac_key(kid).err() == Some(UnknownNumber::Ahead))
    }

    /// The text form, authenticated with the ring's current key: `vrt1_…`, 103 characters.
    pub fn to_text(&self, ring: &KeyRing) -> Secret<String> {
        let key = ring.mac_key();
        let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES));
        bytes.push(key.kid);
        bytes.extend_from_slice(self.session.as_bytes());
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(self.secret.expose());
        bytes.extend_from_slice(&self.mac(key));
        let mut text = String::with_capacity(LENGTH);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(&*bytes, &mut text);
        Secret::new(text)
    }

    /// The token that replaces this one, derived with key `next_key`; `None` if the ring lacks it.
    pub fn successor(&self, next_key: u8, ring: &KeyRing) -> Option<Self> {
        let generation = self.generation.checked_add(1)?;
        let secret = ring.find_next_key(next_key)?.sign(&[
            b"vestibule-refresh-next-v1",
            self.session.as_bytes(),
            &generation.to_be_bytes(),
            self.secret.expose(),
        ]);
        Some(Self {
            session: self.session,
            generation,
            secret: Secret::new(secret),
        })
    }

    /// The token that replaces the one of this generation and hash where that is not at hand: when a
    /// password is changed with an access token. Whoever still holds the one before can derive it.
    pub fn replacement(
        session: SessionId,
        generation: u64,
        hash: &TokenHash,
        next_key: u8,
        ring: &KeyRing,
    ) -> Option<Self> {
        let generation = generation.checked_add(1)?;
        let secret = ring.find_next_key(next_key)?.sign(&[
            b"vestibule-refresh-replacement-v1",
            session.as_bytes(),
            &generation.to_be_bytes(),
            &hash.0,
        ]);
        Some(Self {
            session,
            generation,
            secret: Secret::new(secret),
        })
    }

    /// The token that has replaced this one: its successor or its replacement, whichever has the hash
    /// `current`; `None` if the ring lacks the key or it is neither.
    pub fn replaced_by(&self, current: &TokenHash, next_key: u8, ring: &KeyRing) -> Option<Self> {
        let (session, generation) = (self.session, self.generation);
        [
            self.successor(next_key, ring)?,
            Self::replacement(session, generation, &self.hash(), next_key, ring)?,
        ]
        .into_iter()
        .find(|token| token.hash().is(current))
    }

    /// The hash that the store keeps.
    pub fn hash(&self) -> TokenHash {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"vestibule-refresh-hash-v1");
        context.update(self.session.as_bytes());
        context.update(&self.generation.to_be_bytes());
        context.update(self.secret.expose());
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        TokenHash(hash)
    }

    fn mac(&self, key: &RefreshKey) -> [u8; 16] {
        let code = key.sign(&[
            b"vestibule-refresh-mac-v1",
            &[key.kid],
            self.session.as_bytes(),
            &self.generation.to_be_bytes(),
            self.secret.expose(),
        ]);
        let mut mac = [0; 16];
        mac.copy_from_slice(code.split_at(16).0);
        mac
    }
}

impl TokenHash {
    /// Whether both are the hash of the same token. Takes the same time for all.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

fn decode(text: &str) -> Option<Zeroizing<[u8; BYTES]>> {
    let encoded = text.strip_prefix(PREFIX)?;
    let mut bytes = Zeroizing::new([0; BYTES]);
    // Longer texts do not fit into the bytes, shorter ones do not fill them.
    let filled = URL_SAFE_NO_PAD.decode_slice(encoded, &mut *bytes).ok()?;
    (filled == BYTES).then_some(bytes)
}

fn split(bytes: &[u8; BYTES]) -> Option<(u8, RefreshToken, &[u8; 16])> {
    let (&kid, rest) = bytes.split_first()?;
    let (session, rest) = rest.split_first_chunk()?;
    let (generation, rest) = rest.split_first_chunk()?;
    let (secret, rest) = rest.split_first_chunk()?;
    let mac = rest.try_into().ok()?;
    let token = RefreshToken {
        session: SessionId::from_bytes(*session),
        generation: u64::from_be_bytes(*generation),
        secret: Secret::new(*secret),
    };
    Some((kid, token, mac))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;
    use crate::session::KeyPurpose;
    use crate::session::key_ring::samples;

    /// Made with Python's hmac and hashlib from the table at the top of this file.
    const FIRST: &str = "vrt1_AQABAgMEBQYHCAkKCwwNDg8AAAAAAAAAAQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHV1N1H1QjOTTBOgdnjkA5qg";
    const SECOND: &str = "vrt1_AQABAgMEBQYHCAkKCwwNDg8AAAAAAAAAAmVFyYVDrNto-048jc6bEH5fqPeu3FMRYtzf0CON8yzUWrXxyrzAUIJ5QytKrDBcmA";
    const FIRST_HASH: &str = "28c94436eace78a9100bbd1396c8c0cab3e79eb7d16e9de40babe8e75d561fdd";
    const SECOND_HASH: &str = "c25dd80c6e9fcbda8f527ef3c33b0f4183a64b9a21a56b3960e0b6b63221323d";

    fn ring() -> KeyRing {
        samples::ring()
    }

    fn first() -> RefreshToken {
        let session = std::array::from_fn(|i| u8::try_from(i).unwrap());
        RefreshToken::first(SessionId::from_bytes(session), [7; 32])
    }

    fn hex(hash: TokenHash) -> String {
        hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn format_and_derivation_are_fixed() {
        let ring = ring();
        let second = first().successor(1, &ring).unwrap();
        assert_eq!(first().to_text(&ring).expose(), FIRST);
        assert_eq!(hex(first().hash()), FIRST_HASH);
        assert_eq!(second.to_text(&ring).expose(), SECOND);
        assert_eq!(hex(second.hash()), SECOND_HASH);
        assert_eq!(FIRST.len(), LENGTH);
        assert_eq!(LENGTH, 103);
    }

    #[test]
    fn the_successor_is_always_the_same() {
        let ring = ring();
        let read = RefreshToken::parse(FIRST, &ring).unwrap();
        let again = read.successor(1, &ring).unwrap();
        assert_eq!(again.to_text(&ring).expose(), SECOND);
    }

    #[test]
    fn a_key_that_the_ring_lacks_derives_nothing() {
        assert!(first().successor(2, &ring()).is_none());
    }

    #[test]
    fn what_replaced_a_token_is_found_by_its_hash() {
        let ring = ring();
        let (first, other) = (first(), first().successor(1, &ring).unwrap());
        let successor = first.successor(1, &ring).unwrap();
        let replacement =
            RefreshToken::replacement(first.session, 1, &first.hash(), 1, &ring).unwrap();
        assert_eq!(replacement.generation, 2);
        assert!(!replacement.hash().is(&successor.hash()));
        for next in [successor, replacement] {
            let found = first.replaced_by(&next.hash(), 1, &ring).unwrap();
            assert_eq!(found.to_text(&ring).expose(), next.to_text(&ring).expose());
            assert!(other.replaced_by(&next.hash(), 1, &ring).is_none());
        }
    }

    #[test]
    fn other_texts_are_not_ours() {
        let long = format!("{FIRST}A");
        let dirty_end = format!("{}r", FIRST.strip_suffix('g').unwrap());
        for text in [
            "",
            "vrt1_",
            "eyJhbGciOiJFZERTQSJ9.e30.AA",
            &FIRST[..102],
            &long,
            &dirty_end,
            &FIRST.replace("vrt1_", "VRT1_"),
            &FIRST.replace("vrt1_", "vrt2_"),
            &format!(" {FIRST}"),
            &format!("{FIRST}="),
            &FIRST.replace('V', "+"),
            &FIRST.replace('V', "é"),
        ] {
            let error = RefreshToken::parse(text, &ring()).unwrap_err();
            assert_eq!(error, RefreshTokenError::NotOurs, "{text}");
        }
    }

    #[test]
    fn a_token_of_other_keys_is_forged() {
        for (number, byte, expected) in [
            ("1", 9, RefreshTokenError::Forged),
            // Its number was given out before, and is no good any more.
            ("2", 3, RefreshTokenError::Forged),
            // Another process may have given it out a moment ago.
            ("255", 3, RefreshTokenError::UnknownKey),
        ] {
            let mut keys = samples::keys();
            keys[2] = samples::key(KeyPurpose::RefreshMac, byte, number, 0);
            let now = Timestamp::from_seconds(0);
            let ring = KeyRing::at(&keys, &samples::SETTINGS, now).unwrap();
            let error = RefreshToken::parse(FIRST, &ring).unwrap_err();
            assert_eq!(error, expected, "{number}");
        }
    }

    #[test]
    fn a_token_does_not_print_its_secret() {
        assert!(format!("{:?}", first()).contains("secret: ***"));
    }

    #[test]
    fn a_number_that_is_yet_to_come_names_an_unknown_key() {
        let ring = samples::ring();
        let token = RefreshToken::first(SessionId::from_bytes([1; 16]), [7; 32]);
        let text = token.to_text(&ring);
        let mut bytes = decode(text.expose()).unwrap();
        for (number, names) in [(1, false), (2, true), (128, true), (0, false), (200, false)] {
            bytes[0] = number;
            let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(*bytes));
            assert_eq!(RefreshToken::names_unknown_key(&text, &ring), names);
        }
        assert!(!RefreshToken::names_unknown_key("vrt1_AgAA", &ring));
    }

    proptest! {
        #[test]
        fn every_token_reads_back_as_itself(
            session: [u8; 16], generation: u64, secret: [u8; 32],
        ) {
            let ring = ring();
            let token = RefreshToken {
                session: SessionId::from_bytes(session),
                generation,
                secret: Secret::new(secret),
            };
            let text = token.to_text(&ring);
            prop_assert_eq!(text.expose().len(), LENGTH);
            let read = RefreshToken::parse(text.expose(), &ring).unwrap();
            prop_assert_eq!(read.session, token.session);
            prop_assert_eq!(read.generation, token.generation);
            prop_assert!(read.hash().is(&token.hash()));
        }

        #[test]
        fn a_flipped_bit_is_noticed(bit in 0..BYTES * 8) {
            let mut bytes = decode(FIRST).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(*bytes));
            let error = RefreshToken::parse(&text, &ring()).unwrap_err();
            // The first byte names the key, which may be one that is not known yet.
            let may_be_of_another_key = bit < 8 && error == RefreshTokenError::UnknownKey;
            prop_assert!(may_be_of_another_key || error == RefreshTokenError::Forged);
        }

        #[test]
        fn any_text_is_read_without_panic(text in "(vrt1_)?[A-Za-z0-9_-]{95,100}|.*") {
            prop_assert!(RefreshToken::parse(&text, &ring()).is_err());
        }
    }
}
