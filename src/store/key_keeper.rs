//! Keeps the ring of a running gateway as the keys in the store are, and as the time is.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::session::{KeyMaterial, KeyRing, KeySettings, SharedRing};
use crate::store::StoreError;
use crate::store::keys::{KeyStore, KeysChanged};

/// Reads keys and puts rings in use.
pub struct KeyKeeper {
    store: KeyStore,
    ring: Arc<SharedRing>,
    held: Mutex<Held>,
}

/// What the ring in use was made of.
struct Held {
    version: u64,
    keys: Vec<KeyMaterial>,
    settings: KeySettings,
}

impl KeyKeeper {
    /// Reads the keys, making those that are missing or due.
    pub async fn open(store: KeyStore, settings: KeySettings) -> Result<Self, StoreError> {
        tell(&store.tend(&settings, true).await?);
        let (version, keys) = store.read().await?;
        let ring = KeyRing::at(&keys, &settings, store.now())?;
        Ok(Self {
            store,
            ring: Arc::new(SharedRing::new(ring)),
            held: Mutex::new(Held {
                version,
                keys,
                settings,
            }),
        })
    }

    /// The ring in use, from now on.
    pub const fn ring(&self) -> &Arc<SharedRing> {
        &self.ring
    }

    /// What is done about keys.
    pub const fn store(&self) -> &KeyStore {
        &self.store
    }

    /// Puts another ring in use if the keys or their states have changed.
    pub async fn follow(&self) -> Result<(), StoreError> {
        let mut held = self.held.lock().await;
        self.catch_up(&mut held).await
    }

    /// Goes on with other settings: keys of another algorithm are made.
    pub async fn adopt(&self, settings: KeySettings) -> Result<KeysChanged, StoreError> {
        let mut held = self.held.lock().await;
        if held.settings == settings {
            return Ok(KeysChanged::default());
        }
        let changed = self.store.tend(&settings, true).await?;
        held.settings = settings;
        tell(&changed);
        self.catch_up(&mut held).await?;
        self.make(&held)?;
        Ok(changed)
    }

    /// Makes the keys that are due, and drops those that are gone.
    pub async fn tend(&self) -> Result<KeysChanged, StoreError> {
        let mut held = self.held.lock().await;
        let changed = self.store.tend(&held.settings, false).await?;
        tell(&changed);
        self.catch_up(&mut held).await?;
        Ok(changed)
    }

    async fn catch_up(&self, held: &mut Held) -> Result<(), StoreError> {
        if self.store.version().await? != held.version {
            let (version, keys) = self.store.read().await?;
            // Known only once they make a ring: what is wrong with them must be told again.
            let ring = KeyRing::at(&keys, &held.settings, self.store.now())?;
            (held.version, held.keys) = (version, keys);
            self.ring.replace(ring);
            return Ok(());
        }
        if !self.ring.now().is_outdated(self.store.now()) {
            return Ok(());
        }
        self.make(held)
    }

    fn make(&self, held: &Held) -> Result<(), StoreError> {
        let ring = KeyRing::at(&held.keys, &held.settings, self.store.now())?;
        self.ring.replace(ring);
        Ok(())
    }
}

fn tell(changed: &KeysChanged) {
    for key in &changed.made {
        tracing::info!(
            key.purpose = key.purpose.as_str(),
            key.id = key.kid,
            key.algorithm = key.algorithm.as_str(),
            signs_from = %key.signs_from,
            "a key was made"
        );
    }
}
