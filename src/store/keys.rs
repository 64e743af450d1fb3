//! What is done about the keys of this installation: each deed is one step in the store, which fails
//! where somebody else was first and is then done anew.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::task::spawn_blocking;

use crate::clock::{Clock, Timestamp};
use crate::identity::Secret;
use crate::random;
use crate::session::key_plan::{self, KeyPlan, NewKey, Refusal};
use crate::session::{Key, KeyAlgorithm, KeyMaterial, KeyPurpose, KeySettings, Seed};
use crate::store::master::{Change, Master};
use crate::store::{Directory, KeySet, StoreError};

/// How often a deed is tried that others get in the way of.
const TRIES: usize = 5;

/// The keys in the store, and what opens them. Cheap to clone.
#[derive(Clone)]
pub struct KeyStore {
    directory: Arc<dyn Directory>,
    master: Master,
    clock: Arc<dyn Clock>,
}

/// What a deed did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysChanged {
    /// Keys that are new, or sign earlier than they would have.
    pub made: Vec<Key>,
    /// The key that was taken away.
    pub revoked: Option<Key>,
}

impl KeyStore {
    /// Over this store.
    pub fn new(directory: Arc<dyn Directory>, master: Master, clock: Arc<dyn Clock>) -> Self {
        Self {
            directory,
            master,
            clock,
        }
    }

    /// The same, over another way to the same store.
    pub fn over(self, directory: Arc<dyn Directory>) -> Self {
        Self { directory, ..self }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// All keys but their secrets.
    pub async fn list(&self) -> Result<Vec<Key>, StoreError> {
        let set = self.directory.keys().await?;
        Ok(set.keys.into_iter().map(|sealed| sealed.key).collect())
    }

    /// What other keys are derived from; `None`: nobody made it yet.
    pub async fn seed(&self) -> Result<Option<Seed>, StoreError> {
        let (_, keys) = self.read().await?;
        Ok(Seed::among(&keys)?)
    }

    /// How often the keys were changed.
    pub(super) async fn version(&self) -> Result<u64, StoreError> {
        self.directory.keys_version().await
    }

    /// All keys, unsealed, and how often they were changed.
    pub(super) async fn read(&self) -> Result<(u64, Vec<KeyMaterial>), StoreError> {
        let set = self.directory.keys().await?;
        let keys = self.unsealed(&set)?;
        Ok((set.version, keys))
    }

    /// Makes the keys that are due, and drops those that are gone. `follow_algorithm`: those of another
    /// algorithm than the configured one are replaced, too.
    pub async fn tend(
        &self,
        settings: &KeySettings,
        follow_algorithm: bool,
    ) -> Result<KeysChanged, StoreError> {
        let plan = |keys: &[Key], now| {
            let plan = key_plan::tend(keys, settings, follow_algorithm, now);
            Ok::<_, Refusal>(plan)
        };
        let done = self.change(settings, plan).await?;
        Ok(done.unwrap_or_default())
    }

    /// Makes a new key for each of these purposes, which signs when apps had time to fetch it;
    /// `at_once`: as soon as every process knows it.
    pub async fn rotate(
        &self,
        purposes: &[KeyPurpose],
        at_once: bool,
        settings: &KeySettings,
    ) -> Result<Result<KeysChanged, Refusal>, StoreError> {
        let plan = |keys: &[Key], now| key_plan::rotate(keys, purposes, at_once, settings, now);
        self.change(settings, plan).await
    }

    /// Takes a key away at once, and puts another one in its place if it was in use.
    pub async fn revoke(
        &self,
        kid: &str,
        purpose: Option<KeyPurpose>,
        settings: &KeySettings,
    ) -> Result<Result<KeysChanged, Refusal>, StoreError> {
        let plan = |keys: &[Key], now| key_plan::revoke(keys, kid, purpose, settings, now);
        self.change(settings, plan).await
    }

    /// Seals all keys with a new master key, which takes the place of the one in use.
    pub async fn reseal(&self) -> Result<(), StoreError> {
        let change = self.begin_reseal().await?;
        for _ in 0..TRIES {
            let set = self.directory.keys().await?;
            let keys = self.unsealed(&set)?;
            let resealed = KeySet {
                version: set.version,
                check: Some(change.key().check()),
                keys: keys.iter().map(|key| change.key().seal(key)).collect(),
            };
            if self.directory.replace_keys(resealed).await? {
                return self.master.finish(change);
            }
        }
        change.give_up()?;
        Err(StoreError::KeysContended)
    }

    /// What was left half-way is brought to its end first. The keys are read while nobody else can change
    /// what they are sealed with.
    async fn begin_reseal(&self) -> Result<Change, StoreError> {
        for _ in 0..TRIES {
            let hold = self.master.hold()?;
            let set = self.directory.keys().await?;
            if let Some(change) = hold.begin_change(&set)? {
                return Ok(change);
            }
        }
        Err(StoreError::KeysContended)
    }

    async fn change(
        &self,
        settings: &KeySettings,
        plan: impl Fn(&[Key], Timestamp) -> Result<KeyPlan, Refusal>,
    ) -> Result<Result<KeysChanged, Refusal>, StoreError> {
        for _ in 0..TRIES {
            let set = self.directory.keys().await?;
            let now = self.clock.now();
            let keys: Vec<Key> = set.keys.iter().map(|sealed| sealed.key.clone()).collect();
            let plan = match plan(&keys, now) {
                Ok(plan) => plan,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if plan.is_empty() {
                return Ok(Ok(KeysChanged::default()));
            }
            let revoked = plan.revoke.clone();
            let (keys, made) = self.carried_out(&set, plan, settings, now).await?;
            if self.directory.replace_keys(keys).await? {
                return Ok(Ok(KeysChanged { made, revoked }));
            }
        }
        Err(StoreError::KeysContended)
    }

    /// The keys as the plan leaves them, and those among them that it made or moved.
    async fn carried_out(
        &self,
        set: &KeySet,
        plan: KeyPlan,
        settings: &KeySettings,
        now: Timestamp,
    ) -> Result<(KeySet, Vec<Key>), StoreError> {
        let master = self.master.of(set)?;
        let mut keys = self.unsealed(set)?;
        keys.retain(|material| !plan.drop.contains(&material.key));
        for material in &mut keys {
            if plan.revoke.as_ref() == Some(&material.key) {
                material.key.revoked_at = Some(now);
                material.secret = Secret::new(Vec::new());
            }
        }
        let mut made = Vec::new();
        for (moved, signs_from) in plan.advance {
            for material in keys.iter_mut().filter(|material| material.key == moved) {
                material.key.signs_from = signs_from;
                made.push(material.key.clone());
            }
        }
        for new in plan.make {
            let algorithm = settings.algorithm_for(new.purpose);
            let material = new_key(new, algorithm, now).await?;
            made.push(material.key.clone());
            keys.push(material);
        }
        let keys = KeySet {
            version: set.version,
            check: Some(master.check()),
            keys: keys.iter().map(|key| master.seal(key)).collect(),
        };
        Ok((keys, made))
    }

    fn unsealed(&self, set: &KeySet) -> Result<Vec<KeyMaterial>, StoreError> {
        let master = self.master.of(set)?;
        set.keys.iter().map(|key| master.open(key)).collect()
    }
}

async fn new_key(
    new: NewKey,
    algorithm: KeyAlgorithm,
    now: Timestamp,
) -> Result<KeyMaterial, StoreError> {
    let secret = spawn_blocking(move || new_secret(algorithm)).await;
    let secret = Secret::new(secret.map_err(|_| StoreError::Closed)?);
    let number = match new.number {
        Some(number) => number.to_string(),
        None => URL_SAFE_NO_PAD.encode(random::bytes::<16>()),
    };
    let times = (now, new.signs_from);
    let what = (new.purpose, algorithm);
    Ok(KeyMaterial::new(what, secret, &number, times)?)
}

fn new_secret(algorithm: KeyAlgorithm) -> Vec<u8> {
    match algorithm {
        KeyAlgorithm::EdDsa | KeyAlgorithm::Hs256 | KeyAlgorithm::Mac | KeyAlgorithm::Hkdf => {
            random::bytes::<32>().to_vec()
        }
        KeyAlgorithm::Es256 => random::p256_private_key(),
        KeyAlgorithm::Rs256 | KeyAlgorithm::Ps256 => random::rsa_private_key(),
    }
}
