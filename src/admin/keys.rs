//! The keys of this installation, but never what they are made of.

use serde::Serialize;

use crate::admin::{AdminError, Administrator};
use crate::store::SealedKey;

/// A key for programs.
#[derive(Serialize)]
pub struct KeyFacts<'k> {
    /// What it is for.
    pub purpose: &'static str,
    /// Its id.
    pub kid: &'k str,
    /// What it is used with.
    pub algorithm: &'static str,
}

impl Administrator {
    /// All keys, sealed.
    pub async fn keys(&self) -> Result<Vec<SealedKey>, AdminError> {
        Ok(self.directory.keys().await?)
    }
}

impl<'k> From<&'k SealedKey> for KeyFacts<'k> {
    fn from(key: &'k SealedKey) -> Self {
        Self {
            purpose: key.purpose.as_str(),
            kid: &key.kid,
            algorithm: key.purpose.algorithm(),
        }
    }
}
