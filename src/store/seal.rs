//! Keys at rest: sealed (AES-256-GCM) with a key that is derived from the master key, which lies in a
//! file of its own.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::identity::Secret;
use crate::random;
use crate::session::{Key, KeyMaterial};
use crate::store::{KeySet, SealedKey, StoreError};

/// What a sealed key starts with, and how long one is that earlier versions sealed: those have no such
/// byte, and there never was another length.
const VERSION: u8 = 2;
const LENGTH_OF_VERSION_1: usize = NONCE_LEN + 32 + 16;

/// The key from which the one that seals all others is derived (HKDF, RFC 5869), with a label for each
/// use.
#[derive(Clone, Debug)]
pub struct MasterKey(Secret<[u8; 32]>);

impl MasterKey {
    /// Reads the key file.
    pub fn load(path: &Path) -> Result<Self, StoreError> {
        match File::open(path) {
            Ok(file) => Self::read(path, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::MasterKeyMissing {
                    path: path.display().to_string(),
                })
            }
            Err(error) => Err(StoreError::file(path, error)),
        }
    }

    /// Reads the key file, or makes it (mode 0600) where it does not exist.
    pub fn load_or_create(path: &Path) -> Result<Self, StoreError> {
        match Self::load(path) {
            Err(StoreError::MasterKeyMissing { .. }) => Self::create(path),
            loaded => loaded,
        }
    }

    /// A key that lives as long as this process: for a store in memory.
    pub fn ephemeral(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// A new one.
    pub fn random() -> Self {
        Self(Secret::new(random::bytes()))
    }

    /// Seals a key for the store. Purpose, id and algorithm are bound to it, so that keys cannot be
    /// swapped.
    #[expect(
        clippy::expect_used,
        reason = "AES-GCM seals all that is short: it fails only from 64 GiB on"
    )]
    pub fn seal(&self, material: &KeyMaterial) -> SealedKey {
        let key = material.key.clone();
        if key.revoked_at.is_some() {
            let sealed = Vec::new();
            return SealedKey { key, sealed };
        }
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let mut text = material.secret.expose().clone();
        let tag = cipher(&self.sealing_key())
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound_to(&key)),
                &mut text,
            )
            .expect("a key can be sealed");
        let sealed = [&[VERSION][..], &nonce, text.as_slice(), tag.as_ref()].concat();
        SealedKey { key, sealed }
    }

    /// Opens a key from the store.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`] if it was sealed with another master key, or altered.
    pub fn open(&self, sealed: &SealedKey) -> Result<KeyMaterial, StoreError> {
        let key = sealed.key.clone();
        if key.revoked_at.is_some() {
            let secret = Secret::new(Vec::new());
            return Ok(KeyMaterial { key, secret });
        }
        let text = if sealed.sealed.len() == LENGTH_OF_VERSION_1 {
            unsealed(&self.0, &bound_to_in_version_1(&key), &sealed.sealed)?
        } else {
            let rest = sealed.sealed.strip_prefix(&[VERSION]);
            let rest = rest.ok_or(StoreError::WrongMasterKey)?;
            unsealed(&self.sealing_key(), &bound_to(&key), rest)?
        };
        Ok(KeyMaterial { key, secret: text })
    }

    /// What tells this master key from others and nothing of what it is.
    pub fn check(&self) -> Vec<u8> {
        self.derive(b"vestibule-master-key-check-v1")
            .expose()
            .to_vec()
    }

    /// Whether these keys are sealed with this one.
    pub fn fits(&self, keys: &KeySet) -> bool {
        match &keys.check {
            Some(check) => self.check().ct_eq(check).into(),
            None => keys.keys.iter().all(|key| self.open(key).is_ok()),
        }
    }

    /// Writes the key file (mode 0600): it appears whole or not at all, and outlives a loss of power.
    pub(super) fn write(&self, path: &Path) -> Result<(), StoreError> {
        let failed = |error| StoreError::file(path, error);
        let folder = folder_of(path);
        let file = self.to_file_in(folder).map_err(failed)?;
        file.persist(path).map_err(|lost| failed(lost.error))?;
        sync_folder_of(path)
    }

    fn read(path: &Path, file: File) -> Result<Self, StoreError> {
        let failed = |error| StoreError::file(path, error);
        let mode = file.metadata().map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(StoreError::MasterKeyExposed {
                path: path.display().to_string(),
                mode,
            });
        }
        // More than a key file holds, so that another file is seen to be one and not read whole.
        let mut text = Zeroizing::new(Vec::with_capacity(128));
        file.take(128).read_to_end(&mut text).map_err(failed)?;
        decode(&text)
            .map(|key| Self(Secret::new(key)))
            .ok_or_else(|| StoreError::MasterKeyMalformed {
                path: path.display().to_string(),
            })
    }

    /// The file appears with its whole content or not at all, and never replaces another: of two
    /// processes that start at once, one makes the key and both use it.
    fn create(path: &Path) -> Result<Self, StoreError> {
        let failed = |error| StoreError::file(path, error);
        let key = Self::random();
        let file = key.to_file_in(folder_of(path)).map_err(failed)?;
        match file.persist_noclobber(path) {
            Ok(_) => {
                sync_folder_of(path)?;
                Ok(key)
            }
            Err(lost) if lost.error.kind() == io::ErrorKind::AlreadyExists => {
                Self::read(path, File::open(path).map_err(failed)?)
            }
            Err(lost) => Err(failed(lost.error)),
        }
    }

    fn to_file_in(&self, folder: &Path) -> io::Result<NamedTempFile> {
        let mut file = NamedTempFile::new_in(folder)?;
        let text = Zeroizing::new(STANDARD.encode(self.0.expose()) + "\n");
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        Ok(file)
    }

    fn sealing_key(&self) -> Secret<[u8; 32]> {
        self.derive(b"vestibule-key-sealing-v2")
    }

    fn derive(&self, label: &[u8]) -> Secret<[u8; 32]> {
        self.0.derive(b"vestibule-master-key", label)
    }
}

#[expect(clippy::expect_used, reason = "AES-256 takes any 32 bytes as its key")]
fn cipher(key: &Secret<[u8; 32]>) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM, key.expose());
    LessSafeKey::new(key.expect("32 bytes make an AES-256 key"))
}

/// Nonce, ciphertext and tag, opened.
fn unsealed(
    key: &Secret<[u8; 32]>,
    bound_to: &str,
    sealed: &[u8],
) -> Result<Secret<Vec<u8>>, StoreError> {
    let (nonce, sealed) = sealed
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(StoreError::WrongMasterKey)?;
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let text = cipher(key).open_in_place(nonce, Aad::from(bound_to), &mut sealed);
    let text = text.map_err(|_| StoreError::WrongMasterKey)?;
    Ok(Secret::new(text.to_vec()))
}

fn bound_to(key: &Key) -> String {
    let (purpose, algorithm) = (key.purpose.as_str(), key.algorithm.as_str());
    format!(
        "vestibule-sealed-key-v2\0{purpose}\0{algorithm}\0{}",
        key.kid
    )
}

fn bound_to_in_version_1(key: &Key) -> String {
    format!(
        "vestibule-sealed-key-v1\0{}\0{}",
        key.purpose.as_str(),
        key.kid
    )
}

fn decode(text: &[u8]) -> Option<[u8; 32]> {
    let key = Zeroizing::new(STANDARD.decode(text.trim_ascii()).ok()?);
    key.as_slice().try_into().ok()
}

/// What was renamed there stays so after a loss of power.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), StoreError> {
    let synced = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    synced.map_err(|error| StoreError::file(path, error))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::clock::Timestamp;
    use crate::session::{KeyAlgorithm, KeyPurpose};

    fn key() -> KeyMaterial {
        let start = Timestamp::from_seconds(0);
        let what = (KeyPurpose::RefreshMac, KeyAlgorithm::Mac);
        KeyMaterial::new(what, Secret::new(vec![7; 32]), "1", (start, start)).unwrap()
    }

    /// The same key, sealed by an earlier version with a master key of these bytes.
    fn sealed_in_version_1(master: u8) -> SealedKey {
        let key = key();
        let nonce = [9; NONCE_LEN];
        let mut text = key.secret.expose().clone();
        let tag = cipher(&Secret::new([master; 32]))
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from("vestibule-sealed-key-v1\0refresh_mac\x001"),
                &mut text,
            )
            .unwrap();
        SealedKey {
            sealed: [&nonce, text.as_slice(), tag.as_ref()].concat(),
            key: key.key,
        }
    }

    /// Whether a master key of these bytes opens `sealed`.
    fn opens(master: u8, sealed: &SealedKey) -> bool {
        match MasterKey::ephemeral([master; 32]).open(sealed) {
            Ok(opened) => {
                assert_eq!(opened.secret, key().secret);
                true
            }
            Err(StoreError::WrongMasterKey) => false,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn only_the_master_key_opens_what_it_sealed() {
        let master = MasterKey::ephemeral([1; 32]);
        let sealed = master.seal(&key());
        assert!(opens(1, &sealed));
        assert!(!opens(2, &sealed));
        assert_ne!(master.seal(&key()).sealed, sealed.sealed, "nonces differ");
    }

    #[test]
    fn a_sealed_key_cannot_be_altered_or_pass_for_another() {
        let sealed = MasterKey::ephemeral([1; 32]).seal(&key());
        for at in 0..sealed.sealed.len() {
            let mut altered = sealed.clone();
            altered.sealed[at] ^= 1;
            assert!(!opens(1, &altered), "byte {at}");
        }
        let of = |key| SealedKey {
            key,
            ..sealed.clone()
        };
        let other_purpose = of(Key {
            purpose: KeyPurpose::RefreshNext,
            ..sealed.key.clone()
        });
        let other_algorithm = of(Key {
            algorithm: KeyAlgorithm::Hs256,
            ..sealed.key.clone()
        });
        let other_id = of(Key {
            kid: "2".to_owned(),
            ..sealed.key.clone()
        });
        let cut = SealedKey {
            sealed: sealed.sealed[..20].to_vec(),
            ..sealed
        };
        for altered in [other_purpose, other_algorithm, other_id, cut] {
            assert!(!opens(1, &altered), "{altered:?}");
        }
    }

    #[test]
    fn what_an_earlier_version_sealed_still_opens() {
        assert!(opens(1, &sealed_in_version_1(1)));
        assert!(!opens(2, &sealed_in_version_1(1)));
    }

    #[test]
    fn a_revoked_key_has_no_secret_to_seal() {
        let mut key = key();
        key.key.revoked_at = Some(Timestamp::from_seconds(9));
        let master = MasterKey::random();
        let sealed = master.seal(&key);
        assert!(sealed.sealed.is_empty());
        assert!(master.open(&sealed).unwrap().secret.expose().is_empty());
    }

    #[test]
    fn a_master_key_knows_its_own_keys_with_and_without_a_check_value() {
        let [right, wrong] = [1, 2].map(|byte| MasterKey::ephemeral([byte; 32]));
        let with_check = KeySet {
            check: Some(right.check()),
            keys: vec![right.seal(&key())],
            ..KeySet::default()
        };
        let before = KeySet {
            keys: vec![sealed_in_version_1(1)],
            ..KeySet::default()
        };
        for set in [with_check, before] {
            assert!(right.fits(&set));
            assert!(!wrong.fits(&set));
        }
        assert!(!right.check().windows(4).any(|part| part == [1; 4]));
    }

    #[test]
    fn the_key_file_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let sealed = MasterKey::load_or_create(&path).unwrap().seal(&key());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = MasterKey::load_or_create(&path).unwrap();
        assert_eq!(again.open(&sealed).unwrap().secret, key().secret);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn of_programs_that_start_at_once_one_makes_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let start = || MasterKey::load_or_create(&path).unwrap();
        let keys: Vec<MasterKey> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            starts.into_iter().map(|s| s.join().unwrap()).collect()
        });
        let sealed = start().seal(&key());
        assert!(keys.iter().all(|key| key.open(&sealed).is_ok()));
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        MasterKey::load_or_create(&path).unwrap();
        for mode in [0o640, 0o604, 0o644] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = MasterKey::load_or_create(&path).unwrap_err().to_string();
            assert!(
                error.contains(&format!("chmod 600 {}", path.display())),
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let long = "A".repeat(10_000);
        let short = STANDARD.encode([1; 31]);
        for content in ["", "\n", "not base64!", &long, &short] {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let refused = MasterKey::load_or_create(&path);
            assert!(
                matches!(refused, Err(StoreError::MasterKeyMalformed { .. })),
                "{content:?}"
            );
        }
    }
}
