//! Which master key are the keys of the store sealed with, and how is it changed without a moment at
//! which nothing opens them?
//!
//! The new key is written beside the old one first (`master.key.new`), then all keys are sealed with it
//! in one transaction, then the file takes the place of the old one. The store tells which of the two
//! files fits, wherever that ends half-way.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::seal::{MasterKey, sync_folder_of};
use crate::store::{KeySet, StoreError};

/// The master key in use. Cheap to clone.
#[derive(Clone)]
pub struct Master(Arc<Inner>);

struct Inner {
    /// `None`: it ends with the process.
    file: Option<PathBuf>,
    key: Mutex<MasterKey>,
}

/// A change under way: nobody else changes the key as long as this is held.
pub(super) struct Change {
    path: PathBuf,
    key: MasterKey,
    /// The old file, locked.
    _old: File,
}

impl Master {
    /// The one in this file, which is made where there are no keys yet.
    pub fn in_file(path: &Path, keys: &KeySet) -> Result<Self, StoreError> {
        let key = match keys.keys.is_empty() {
            true => MasterKey::load_or_create(path)?,
            false => fitting(path, keys)?,
        };
        Ok(Self(Arc::new(Inner {
            file: Some(path.to_owned()),
            key: Mutex::new(key),
        })))
    }

    /// One that lives as long as this process: for a store in memory.
    pub fn ephemeral(bytes: [u8; 32]) -> Self {
        Self(Arc::new(Inner {
            file: None,
            key: Mutex::new(MasterKey::ephemeral(bytes)),
        }))
    }

    /// The one that these keys are sealed with: another command may have changed it.
    pub fn of(&self, keys: &KeySet) -> Result<MasterKey, StoreError> {
        let mut key = self.0.key.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.keys.is_empty() && !key.fits(keys) {
            let file = self.0.file.as_deref().ok_or(StoreError::WrongMasterKey)?;
            *key = fitting(file, keys)?;
        }
        Ok(key.clone())
    }

    /// Writes a new key beside the one in use.
    pub(super) fn begin_change(&self) -> Result<Change, StoreError> {
        let path = self.0.file.clone().ok_or(StoreError::NoMasterKeyFile)?;
        let failed = |error| StoreError::file(&path, error);
        let busy = || StoreError::MasterKeyBusy {
            path: path.display().to_string(),
        };
        let old = File::open(&path).map_err(failed)?;
        match old.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy()),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Whoever held the lock may have put another file there.
        let place = fs::metadata(&path).map_err(failed)?.ino();
        if old.metadata().map_err(failed)?.ino() != place {
            return Err(busy());
        }
        let key = MasterKey::random();
        key.write(&new_beside(&path))?;
        Ok(Change {
            path,
            key,
            _old: old,
        })
    }

    /// Puts the new key in the place of the one in use. To be done once the keys are sealed with it.
    pub(super) fn finish(&self, change: Change) -> Result<(), StoreError> {
        take_over(&change.path)?;
        *self.0.key.lock().unwrap_or_else(PoisonError::into_inner) = change.key;
        Ok(())
    }
}

impl Change {
    /// The new key.
    pub(super) const fn key(&self) -> &MasterKey {
        &self.key
    }

    /// Nothing was sealed with the new key.
    pub(super) fn give_up(self) -> Result<(), StoreError> {
        let new = new_beside(&self.path);
        fs::remove_file(&new).map_err(|error| StoreError::file(&new, error))
    }
}

/// The key that these are sealed with: in the file, or in the one beside it that a change left behind,
/// which then takes its place.
fn fitting(path: &Path, keys: &KeySet) -> Result<MasterKey, StoreError> {
    let mut problem = None;
    // The file once more: a change may have come to its end while the other one was looked for.
    for place in [path, &new_beside(path), path] {
        match MasterKey::load(place) {
            Ok(key) if key.fits(keys) => {
                if place != path {
                    take_over(path)?;
                }
                return Ok(key);
            }
            Ok(_) if place == path => problem = Some(StoreError::WrongMasterKey),
            Err(error) if place == path => problem = Some(error),
            Ok(_) | Err(_) => {}
        }
    }
    Err(problem.unwrap_or(StoreError::WrongMasterKey))
}

fn take_over(path: &Path) -> Result<(), StoreError> {
    match fs::rename(new_beside(path), path) {
        Ok(()) => sync_folder_of(path),
        // Somebody who found it there was quicker.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::file(path, error)),
    }
}

fn new_beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    name.into()
}
