//! Which master key are the keys of the store sealed with, and how is it changed without a moment at
//! which nothing opens them?
//!
//! The new key is written beside the old one first (`master.key.new`), then all keys are sealed with it
//! in one transaction, then the file takes the place of the old one. The store tells which of the two
//! files fits, wherever that ends half-way. Whoever writes or moves one of them holds a lock, and has
//! looked at both after taking it: neither goes as long as it may be the only one that fits.

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

/// The key file, locked: as long as this is held, nobody else changes the key or moves a file. It holds no
/// more than the file: once another one is in its place, the next one's turn has come.
pub(super) struct Hold {
    path: PathBuf,
    _file: File,
}

/// A change under way.
pub(super) struct Change {
    hold: Hold,
    key: MasterKey,
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

    /// Keeps all others from changing the key.
    pub(super) fn hold(&self) -> Result<Hold, StoreError> {
        let path = self.0.file.as_deref().ok_or(StoreError::NoMasterKeyFile)?;
        Hold::take(path)?.ok_or_else(|| StoreError::MasterKeyBusy {
            path: path.display().to_string(),
        })
    }

    /// Puts the new key in the place of the one in use. To be done once the keys are sealed with it.
    pub(super) fn finish(&self, change: Change) -> Result<(), StoreError> {
        match change.hold.take_over() {
            // Somebody took it away: it is the only one that fits.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                change.key.write(&change.hold.path)?;
            }
            taken => change.hold.synced(taken)?,
        }
        *self.0.key.lock().unwrap_or_else(PoisonError::into_inner) = change.key;
        Ok(())
    }
}

impl Hold {
    /// `None`: another one has it.
    fn take(path: &Path) -> Result<Option<Self>, StoreError> {
        let failed = |error| StoreError::file(path, error);
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = path.display().to_string();
                return Err(StoreError::MasterKeyMissing { path });
            }
            opened => opened.map_err(failed)?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Whoever held the lock may have put another file there.
        let place = fs::metadata(path).map_err(failed)?.ino();
        let is_in_place = file.metadata().map_err(failed)?.ino() == place;
        Ok(is_in_place.then(|| Self {
            path: path.to_owned(),
            _file: file,
        }))
    }

    /// Writes a new key beside the one in use, which must fit these keys: what is there, nobody needs.
    /// `None`: a change had been left half-way and is at its end now, so that this is to be held anew.
    pub(super) fn begin_change(self, keys: &KeySet) -> Result<Option<Change>, StoreError> {
        if !MasterKey::load(&self.path)?.fits(keys) {
            return match self.bring_to_end(keys)? {
                true => Ok(None),
                false => Err(StoreError::WrongMasterKey),
            };
        }
        let key = MasterKey::random();
        key.write(&new_beside(&self.path))?;
        Ok(Some(Change { hold: self, key }))
    }

    /// Puts the file beside in the place of this one if it, as it is now, fits these keys.
    fn bring_to_end(self, keys: &KeySet) -> Result<bool, StoreError> {
        let beside = MasterKey::load(&new_beside(&self.path));
        let fits = beside.is_ok_and(|key| key.fits(keys));
        if fits {
            self.synced(self.take_over())?;
        }
        Ok(fits)
    }

    fn take_over(&self) -> io::Result<()> {
        fs::rename(new_beside(&self.path), &self.path)
    }

    fn synced(&self, taken: io::Result<()>) -> Result<(), StoreError> {
        taken.map_err(|error| StoreError::file(&self.path, error))?;
        sync_folder_of(&self.path)
    }
}

impl Change {
    /// The new key.
    pub(super) const fn key(&self) -> &MasterKey {
        &self.key
    }

    /// Nothing was sealed with the new key.
    pub(super) fn give_up(self) -> Result<(), StoreError> {
        let new = new_beside(&self.hold.path);
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
                    bring_to_end(path, keys)?;
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

/// Has the key beside, which was seen to fit these keys, take the place of the old one. Much may have
/// happened since; whoever changes the key at this moment does this first.
fn bring_to_end(path: &Path, keys: &KeySet) -> Result<(), StoreError> {
    match Hold::take(path) {
        Ok(Some(hold)) => hold.bring_to_end(keys).map(|_| ()),
        Ok(None) => Ok(()),
        // There is nothing to lock, and so no change under way: this never replaces a file.
        Err(StoreError::MasterKeyMissing { .. }) => match fs::hard_link(new_beside(path), path) {
            Ok(()) => sync_folder_of(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(StoreError::file(path, error)),
        },
        Err(error) => Err(error),
    }
}

fn new_beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    name.into()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::session::key_ring::samples;

    /// A database of keys, and the files beside it.
    struct House {
        path: PathBuf,
        keys: KeySet,
        /// Goes last.
        _folder: TempDir,
    }

    /// A command that changes the master key, as far as it got.
    enum Command {
        Starting,
        Begun(Change),
        Sealed(Change),
        Done,
    }

    fn sealed(key: &MasterKey) -> KeySet {
        KeySet {
            version: 1,
            check: Some(key.check()),
            keys: samples::keys().iter().map(|one| key.seal(one)).collect(),
        }
    }

    impl House {
        fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("master.key");
            Self {
                keys: sealed(&MasterKey::load_or_create(&path).unwrap()),
                path,
                _folder: folder,
            }
        }

        fn begin(&self) -> Change {
            let begin = || {
                Hold::take(&self.path)
                    .unwrap()?
                    .begin_change(&self.keys)
                    .unwrap()
            };
            begin().or_else(begin).unwrap()
        }

        fn step(&mut self, command: Command) -> Command {
            match command {
                Command::Starting => Command::Begun(self.begin()),
                Command::Begun(change) => {
                    self.keys = sealed(change.key());
                    Command::Sealed(change)
                }
                Command::Sealed(change) => {
                    let master = Master::in_file(&self.path, &self.keys).unwrap();
                    master.finish(change).unwrap();
                    Command::Done
                }
                Command::Done => Command::Done,
            }
        }

        fn has_fitting_file(&self) -> bool {
            let mut files = [self.path.clone(), new_beside(&self.path)].into_iter();
            files.any(|file| MasterKey::load(&file).is_ok_and(|key| key.fits(&self.keys)))
        }
    }

    /// Two commands, one after the other, each of which ends after so many of its three steps; and a
    /// gateway that finds a new key beside the old one after one of all steps and ends, and puts it in its
    /// place after the same or a later one.
    #[test]
    fn wherever_two_changes_end_while_a_gateway_pauses_a_file_fits() {
        let mut moved = 0;
        for (one, other) in (0..=3).flat_map(|one| (0..=3).map(move |other| (one, other))) {
            let last = one + other + 2;
            let moments = (0..=last).flat_map(|at| (at..=last).map(move |then| (at, then)));
            for (finds, acts) in moments {
                let case =
                    format!("{one} and {other} steps, found after {finds}, moved after {acts}");
                let mut house = House::new();
                let mut found = None;
                let mut taken = 0;
                let mut gateway = |house: &House, taken: usize| {
                    let beside = || MasterKey::load(&new_beside(&house.path));
                    if taken == finds && beside().is_ok_and(|key| key.fits(&house.keys)) {
                        found = Some(house.keys.clone());
                    }
                    if taken == acts
                        && let Some(keys) = found.take()
                    {
                        bring_to_end(&house.path, &keys).unwrap();
                        moved += 1;
                    }
                    assert!(house.has_fitting_file(), "{case}, after {taken}");
                };
                gateway(&house, taken);
                for steps in [one, other] {
                    let mut command = Command::Starting;
                    for _ in 0..steps {
                        command = house.step(command);
                        taken += 1;
                        gateway(&house, taken);
                    }
                    drop(command);
                    taken += 1;
                    gateway(&house, taken);
                }
                fitting(&house.path, &house.keys).unwrap();
                house.begin().give_up().unwrap();
            }
        }
        assert!(moved > 50, "{moved}");
    }

    #[test]
    fn a_new_key_in_whose_place_nothing_is_left_takes_it_and_replaces_none() {
        let mut house = House::new();
        let begun = house.step(Command::Starting);
        drop(house.step(begun));
        fs::remove_file(&house.path).unwrap();
        let found = house.keys.clone();
        fitting(&house.path, &house.keys).unwrap();
        let begun = house.step(Command::Starting);
        bring_to_end(&house.path, &found).unwrap();
        assert!(house.has_fitting_file());
        drop(begun);
        assert!(house.has_fitting_file());
    }

    #[test]
    fn a_new_key_that_is_taken_away_is_written_in_its_place() {
        let mut house = House::new();
        let begun = house.step(Command::Starting);
        let sealed = house.step(begun);
        let Command::Sealed(change) = sealed else {
            unreachable!("it was begun");
        };
        let master = Master::in_file(&house.path, &house.keys).unwrap();
        fs::remove_file(new_beside(&house.path)).unwrap();
        master.finish(change).unwrap();
        assert!(MasterKey::load(&house.path).unwrap().fits(&house.keys));
    }

    #[test]
    fn a_change_does_not_begin_where_no_file_fits() {
        let house = House::new();
        let others = sealed(&MasterKey::random());
        let hold = Hold::take(&house.path).unwrap().unwrap();
        let refused = hold.begin_change(&others).err();
        assert!(matches!(refused, Some(StoreError::WrongMasterKey)));
        assert!(!new_beside(&house.path).exists());
    }
}
