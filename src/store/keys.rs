//! The keys of this installation: read from the store and unsealed, or made on the first start.

use crate::random;
use crate::session::KeyRing;
use crate::store::seal::MasterKey;
use crate::store::{Directory, SealedKey, StoreError};

/// Reads the ring, making its keys if there are none yet.
pub async fn load_or_create(
    directory: &dyn Directory,
    master: &MasterKey,
) -> Result<KeyRing, StoreError> {
    let mut sealed = directory.keys().await?;
    if sealed.is_empty() {
        // Another process may be first: its keys are then the ones that are read here.
        directory.add_first_keys(first_keys(master)?).await?;
        sealed = directory.keys().await?;
    }
    let keys: Result<Vec<_>, _> = sealed.iter().map(|key| master.open(key)).collect();
    Ok(KeyRing::new(keys?)?)
}

fn first_keys(master: &MasterKey) -> Result<Vec<SealedKey>, StoreError> {
    let keys = KeyRing::first_keys(std::array::from_fn(|_| random::bytes()))?;
    Ok(keys.iter().map(|key| master.seal(key)).collect())
}
