//! The keys of this installation, but never what they are made of; and what is done about them.

use serde::Serialize;

use crate::admin::{AdminError, Administrator};
use crate::config::HashSettings;
use crate::identity::password::{HashPolicy, Pepper};
use crate::observe::{Event, KeyName};
use crate::session::key_life::{Life, lives};
use crate::session::key_plan::Refusal;
use crate::session::key_ring::KeyError;
use crate::session::{Key, KeyPurpose, KeySettings, KeyState};
use crate::store::StoreError;
use crate::store::keys::KeysChanged;

/// A key for programs.
#[derive(Debug, Serialize)]
pub struct KeyFacts {
    /// What it is for.
    pub purpose: &'static str,
    /// Its id.
    pub kid: String,
    /// What it is used with.
    pub algorithm: &'static str,
    /// Where it stands.
    pub state: &'static str,
    /// When it was made.
    pub created_at: String,
    /// When its use begins, or began.
    pub signs_from: String,
    /// When the last of what it made ends; `None` where it is or will be in use, or is revoked.
    pub accepted_until: Option<String>,
}

impl Administrator {
    /// All keys, by purpose, the first to sign first.
    pub async fn keys(&self, settings: &KeySettings) -> Result<Vec<KeyFacts>, AdminError> {
        let (keys, now) = (self.keys.list().await?, self.keys.now());
        let of_purpose = |purpose| lives(&keys, purpose, settings, now);
        let lives = KeyPurpose::ALL.into_iter().flat_map(of_purpose);
        Ok(lives.map(KeyFacts::from).collect())
    }

    /// The one key that is meant.
    pub async fn find_key(
        &self,
        kid: &str,
        purpose: Option<KeyPurpose>,
    ) -> Result<Key, AdminError> {
        let keys = self.keys.list().await?;
        let is_meant =
            |key: &Key| key.kid == kid && purpose.is_none_or(|purpose| key.purpose == purpose);
        let mut meant = keys.into_iter().filter(is_meant);
        match (meant.next(), meant.next()) {
            (Some(key), None) => Ok(key),
            (None, _) => Err(Refusal::Unknown(kid.to_owned()).into()),
            (Some(_), Some(_)) => Err(Refusal::Ambiguous(kid.to_owned()).into()),
        }
    }

    /// Makes new keys for these purposes. `at_once`: they sign as soon as every process knows them.
    pub async fn rotate_keys(
        &self,
        purposes: &[KeyPurpose],
        at_once: bool,
        settings: &KeySettings,
    ) -> Result<KeysChanged, AdminError> {
        let rotated = self.keys.rotate(purposes, at_once, settings).await??;
        self.tell_keys(&rotated).await?;
        Ok(rotated)
    }

    /// Takes a key away, and puts another in its place if it was in use. Nothing it made is good any
    /// more: in this process from now on, in others as soon as they hear of it.
    pub async fn revoke_key(
        &self,
        kid: &str,
        purpose: Option<KeyPurpose>,
        settings: &KeySettings,
    ) -> Result<KeysChanged, AdminError> {
        let revoked = self.keys.revoke(kid, purpose, settings).await??;
        if let Some(key) = &revoked.revoked {
            let (key, by) = (KeyName::of(key), self.by);
            self.note(Event::KeyRevoked { key, by });
        }
        self.tell_keys(&revoked).await?;
        Ok(revoked)
    }

    /// Seals all keys with a new master key, and puts it in the place of the old one.
    pub async fn reseal_keys(&self) -> Result<(), AdminError> {
        self.keys.reseal().await?;
        self.note(Event::MasterKeyChanged { by: self.by });
        Ok(())
    }

    /// How new passwords are hashed. The keys are made where they are not there yet and passwords are
    /// to be peppered.
    pub async fn hash_policy(
        &self,
        hashing: HashSettings,
        keys: &KeySettings,
    ) -> Result<HashPolicy, AdminError> {
        let pepper = match hashing.pepper {
            true => Some(self.pepper(keys).await?),
            false => None,
        };
        let cost = hashing.cost;
        Ok(HashPolicy { cost, pepper })
    }

    async fn pepper(&self, settings: &KeySettings) -> Result<Pepper, AdminError> {
        let mut seed = self.keys.seed().await?;
        if seed.is_none() {
            let made = self.keys.tend(settings, true).await?;
            self.tell_keys(&made).await?;
            seed = self.keys.seed().await?;
        }
        let missing = StoreError::Keys(KeyError::Missing(KeyPurpose::Seed));
        Ok(seed.ok_or(missing)?.pepper())
    }

    async fn tell_keys(&self, changed: &KeysChanged) -> Result<(), AdminError> {
        for key in &changed.made {
            self.note(Event::key_made(key, self.by));
        }
        self.follow_keys().await
    }
}

impl From<Life<'_>> for KeyFacts {
    fn from(life: Life<'_>) -> Self {
        let key = life.key;
        Self {
            purpose: key.purpose.as_str(),
            kid: key.kid.clone(),
            algorithm: key.algorithm.as_str(),
            state: state_word(life.state),
            created_at: key.created_at.to_string(),
            signs_from: key.signs_from.to_string(),
            accepted_until: life.ends_at.map(|end| end.to_string()),
        }
    }
}

const fn state_word(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "next",
        KeyState::Active => "active",
        KeyState::Retired => "retired",
        KeyState::Gone => "gone",
        KeyState::Revoked => "revoked",
    }
}
