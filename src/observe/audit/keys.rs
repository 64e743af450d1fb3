//! How is a key named in the audit log?

use serde::Serialize;

use crate::observe::{By, Event};
use crate::session::Key;

/// A key, as it is told apart from others.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct KeyName<'a> {
    purpose: &'static str,
    key_id: &'a str,
    algorithm: &'static str,
}

impl<'a> Event<'a> {
    /// This key was made.
    pub fn key_made(key: &'a Key, by: By) -> Self {
        Self::KeyMade {
            key: KeyName::of(key),
            signs_from: key.signs_from,
            by,
        }
    }
}

impl<'a> KeyName<'a> {
    /// This one.
    pub fn of(key: &'a Key) -> Self {
        Self {
            purpose: key.purpose.as_str(),
            key_id: &key.kid,
            algorithm: key.algorithm.as_str(),
        }
    }
}
