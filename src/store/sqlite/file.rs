//! The database file before SQLite sees it: it exists, is ours, and nobody else can read it.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// Only the owner reads and writes. SQLite gives `-wal` and `-shm` the mode of the database.
const PRIVATE: u32 = 0o600;

/// Creates the file if there is none; its absolute path.
///
/// # Errors
/// [`StoreError::NotOwner`] if it belongs to another user of the system; [`StoreError::File`] if
/// the file or its folder cannot be used.
pub(super) fn prepare(path: &Path) -> Result<PathBuf, StoreError> {
    let path = std::path::absolute(path).map_err(|error| StoreError::file(path, error))?;
    let folder = path.parent().unwrap_or(&path);
    if !fs::metadata(folder)
        .map_err(|error| StoreError::file(folder, error))?
        .is_dir()
    {
        let error = io::Error::from(io::ErrorKind::NotADirectory);
        return Err(StoreError::file(folder, error));
    }
    // A file that exists is never opened here: closing it again would drop the locks that another
    // connection of this process holds on it (sqlite.org/howtocorrupt.html §2.2).
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(&path)
    {
        Ok(_) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            claim(&path, folder)?;
            Ok(path)
        }
        Err(error) => Err(StoreError::file(&path, error)),
    }
}

/// Takes others' access away, which only the owner (and root) can.
fn claim(path: &Path, folder: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::file(path, error);
    let owner = fs::metadata(path).map_err(failed)?.uid();
    let not_owner = || StoreError::NotOwner {
        path: path.display().to_string(),
        owner,
    };
    match fs::set_permissions(path, Permissions::from_mode(PRIVATE)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(not_owner()),
        other => other.map_err(failed)?,
    }
    // Root gets this far, too: who we are is told by whose file we make.
    let made = tempfile::tempfile_in(folder)
        .and_then(|file| file.metadata())
        .map_err(|error| StoreError::file(folder, error))?;
    if made.uid() == owner {
        Ok(())
    } else {
        Err(not_owner())
    }
}
