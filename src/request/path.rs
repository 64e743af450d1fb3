//! A request path in every reading an app might give it.

use thiserror::Error;

use crate::request::rewrite;

/// More readings than this are not followed: no honest path comes near.
const MOST_READINGS: usize = 64;
/// Nor more bytes than this in all further readings together.
const MOST_BYTES: usize = 128 * 1024;
/// How often an app, with whatever stands before it, may decode percent signs.
const MOST_DECODINGS: u8 = 2;

/// A path as it came, and all the ways an app might read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath {
    raw: Box<str>,
    /// The further readings; empty for a plain path, which is the common case.
    others: Vec<String>,
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// It does not start with `/`.
    #[error("the path must start with a slash")]
    NotAbsolute,
    /// A percent sign that is not followed by two hexadecimal digits.
    #[error("the path holds a percent sign without two hexadecimal digits after it")]
    BadEscape,
    /// Bytes that are not UTF-8, overlong forms among them.
    #[error("the path is not UTF-8 when it is decoded")]
    NotUtf8,
    /// More readings than are worth following.
    #[error("the path can be read in too many ways")]
    TooManyReadings,
}

impl RequestPath {
    /// Finds all readings of the path (without query) of a request target.
    pub fn read(raw: &str) -> Result<Self, PathError> {
        if !raw.starts_with('/') {
            return Err(PathError::NotAbsolute);
        }
        let others = if is_plain(raw) {
            Vec::new()
        } else {
            rewrite::check_escapes(raw)?;
            further_readings(raw)?
        };
        Ok(Self {
            raw: raw.into(),
            others,
        })
    }

    /// The path byte for byte as it came.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// All readings, the raw one first.
    pub fn readings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.raw).chain(self.others.iter().map(String::as_str))
    }
}

/// Whether no app can read this path in another way: unreserved characters and sub-delimiters but `;`
/// (RFC 3986 §3.3), no empty segment, and no segment that ends in a dot, which `.` and `..` do.
pub fn is_plain(path: &str) -> bool {
    let mut previous = 0;
    let fits = path.bytes().all(|byte| {
        let ends_badly = byte == b'/' && matches!(previous, b'/' | b'.');
        previous = byte;
        is_plain_byte(byte) && !ends_badly
    });
    fits && previous != b'.'
}

const fn is_plain_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~'
            | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@'
    )
}

/// A reading, and how many decodings led to it.
struct Reading {
    text: String,
    decodings: u8,
}

impl Reading {
    /// What one more step makes of it.
    fn rewritten(&self) -> Vec<Self> {
        let decoded = rewrite::DECODINGS
            .iter()
            .filter(|_| self.decodings < MOST_DECODINGS)
            .map(|step| (step, self.decodings + 1));
        let rearranged = rewrite::REARRANGEMENTS
            .iter()
            .map(|step| (step, self.decodings));
        decoded
            .chain(rearranged)
            .filter_map(|(step, decodings)| {
                let text = step(&self.text)?;
                Some(Self { text, decodings })
            })
            .collect()
    }
}

/// Applies every rewriting to every reading until nothing new appears.
fn further_readings(raw: &str) -> Result<Vec<String>, PathError> {
    let mut found = vec![Reading {
        text: raw.to_owned(),
        decodings: 0,
    }];
    let mut bytes = 0;
    let mut place = 0;
    while let Some(reading) = found.get(place) {
        for reading in reading.rewritten() {
            if is_known(&found, &reading) {
                continue;
            }
            bytes += reading.text.len();
            found.push(reading);
            if found.len() > MOST_READINGS || bytes > MOST_BYTES {
                return Err(PathError::TooManyReadings);
            }
        }
        place += 1;
    }
    let mut others: Vec<String> = found.into_iter().map(|r| r.text).collect();
    others.sort_unstable();
    others.dedup();
    others.retain(|other| other != raw);
    Ok(others)
}

/// Whether the same text was already reached with as many decodings left.
fn is_known(found: &[Reading], new: &Reading) -> bool {
    found
        .iter()
        .any(|old| old.decodings <= new.decodings && old.text == new.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others(raw: &str) -> Vec<String> {
        RequestPath::read(raw).unwrap().others
    }

    #[test]
    fn a_plain_path_has_one_reading() {
        for path in [
            "/",
            "/a/b/",
            "/.well-known/openid-configuration",
            "/..a/.b/c.d..e",
            "/@scope/name@1.2.3/+x,y=z:(w)!'*$&~",
        ] {
            assert!(is_plain(path), "{path}");
            let read = RequestPath::read(path).unwrap();
            assert_eq!(read.raw(), path);
            assert_eq!(read.readings().collect::<Vec<_>>(), [path]);
        }
    }

    #[test]
    fn what_may_be_read_in_another_way_is_not_plain() {
        for path in [
            "//", "/a//b", "/.", "/..", "/a/./b", "/a/..", "/a./b", "/a.", "/%41", "/a;b", "/a\\b",
            "/a b", "/ä", "/a?", "/a#", "/a\0", "/a\x7f",
        ] {
            assert!(!is_plain(path), "{path:?}");
        }
    }

    #[test]
    fn every_step_gives_a_reading() {
        for (raw, readings) in [
            ("/@scope%2fname", &["/@scope/name"][..]),
            ("/100%25", &["/100%"]),
            ("/a%20b", &["/a b"]),
            ("/%252e", &["/", "/%2e", "/."]),
            ("/a\\b", &["/a/b"]),
            ("//a/b", &["/a/b", "/b"]),
            ("/a;b/c", &["/a/c"]),
            ("/a/../b", &["/b"]),
            ("/../b/.", &["/b/"]),
            ("/a%3fb", &["/a", "/a?b"]),
            ("/a%23b", &["/a", "/a#b"]),
            ("/a%00b", &["/a", "/a\0b", "/ab"]),
            ("/a%0Db", &["/a\rb", "/ab"]),
            ("/a%01%20%1f", &["/a", "/a\u{1} \u{1f}"]),
            ("/a. ./b", &["/a. /b", "/a./b", "/a/b"]),
            ("/%C3%A4", &["/ä"]),
        ] {
            let found = others(raw);
            for reading in readings {
                assert!(
                    found.iter().any(|other| other == reading),
                    "{raw} {reading} {found:?}"
                );
            }
        }
    }

    #[test]
    fn no_more_than_two_decodings_are_followed() {
        let found = others("/%25252561");
        assert_eq!(found, ["/%252561", "/%2561"]);
    }

    #[test]
    fn a_path_that_cannot_be_decoded_is_refused() {
        for (path, error) in [
            ("", PathError::NotAbsolute),
            ("a", PathError::NotAbsolute),
            ("*", PathError::NotAbsolute),
            ("/%", PathError::BadEscape),
            ("/%4", PathError::BadEscape),
            ("/%zz", PathError::BadEscape),
            ("/%4%41", PathError::BadEscape),
            ("/%u002e", PathError::BadEscape),
            ("/%ff", PathError::NotUtf8),
            ("/%c0%ae", PathError::NotUtf8),
            ("/%c0%af", PathError::NotUtf8),
            ("/%ed%a0%80", PathError::NotUtf8),
        ] {
            assert_eq!(RequestPath::read(path), Err(error), "{path}");
        }
    }

    #[test]
    fn a_second_decoding_may_meet_anything() {
        assert!(others("/100%25%252f..%252fx").contains(&"/100%/../x".to_owned()));
        assert!(others("/%25ff").contains(&"/\u{fffd}".to_owned()));
    }

    #[test]
    fn a_path_with_too_many_readings_is_refused() {
        let dots = format!("/a{}", ".".repeat(100));
        let long = format!("/{}", "/a;b".repeat(20_000));
        let zoo = "/a;b//c%2f%252f..;/%5c%3f%23%00%20/.../x";
        for path in [dots.as_str(), &long, zoo] {
            assert_eq!(
                RequestPath::read(path),
                Err(PathError::TooManyReadings),
                "{path}"
            );
        }
    }

    #[test]
    fn odd_but_honest_paths_are_read() {
        let long = format!("/{}", "%E6%84%9B".repeat(800));
        for path in [
            "/wiki/Foo_(bar)%2C_baz...",
            "/a%20b/c%2Fd%3Fe%23f;v=1/../g",
            "/redirect/https:%2F%2Fexample.com%2Fa%20b%3Fc%3Dd%26e%3D%2520",
            "/proxy/https://example.com//a/b",
            "/files/C:%5CUsers%5Cada%5Creport%20(1).txt",
            "/search;jsessionid=1A/%7B%22a%22:%5B1%5D%7D",
            &long,
        ] {
            assert!(RequestPath::read(path).is_ok(), "{path}");
        }
    }
}
