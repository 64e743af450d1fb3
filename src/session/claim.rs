//! How are single claims written? Audiences, moments, what may be absent, random names.

use serde::{Deserialize, Deserializer, Serialize};

use crate::clock::Timestamp;

/// `aud`: one name or several (RFC 7519 §4.1.3).
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

/// A moment in whole seconds from 1970 to the year 9999: no fraction, no text, nothing negative.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub(super) struct Seconds(i64);

impl TryFrom<i64> for Seconds {
    type Error = &'static str;

    fn try_from(seconds: i64) -> Result<Self, Self::Error> {
        const YEAR_10_000: i64 = 253_402_300_800;
        if (0..YEAR_10_000).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err("no moment between 1970 and 9999")
        }
    }
}

impl From<Seconds> for i64 {
    fn from(seconds: Seconds) -> Self {
        seconds.0
    }
}

impl From<Seconds> for Timestamp {
    fn from(seconds: Seconds) -> Self {
        Self::from_seconds(seconds.0)
    }
}

impl From<Timestamp> for Seconds {
    fn from(moment: Timestamp) -> Self {
        Self(moment.seconds())
    }
}

/// Reads a claim that may be absent but not null.
pub(super) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Random bytes as a UUID of version 4 (RFC 9562 §5.4).
pub(super) fn uuid(random: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(random);
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let hex = format!("{bits:032x}");
    let mut text = String::with_capacity(36);
    for (at, digit) in hex.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}
