//! Keys at rest: sealed with the master key (AES-256-GCM), which lies in a file of its own.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::identity::Secret;
use crate::random;
use crate::session::KeyPurpose;
use crate::session::key_ring::KeyMaterial;
use crate::store::{SealedKey, StoreError};

/// The key that seals all others.
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

    /// Seals a key for the store. Purpose and id are bound to it, so that keys cannot be swapped.
    #[expect(
        clippy::expect_used,
        reason = "AES-GCM seals any 32 bytes: it fails only from 64 GiB on"
    )]
    pub fn seal(&self, key: &KeyMaterial) -> SealedKey {
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let mut text = *key.secret.expose();
        let tag = self
            .cipher()
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound_to(key.purpose, &key.kid)),
                &mut text,
            )
            .expect("32 bytes can be sealed");
        SealedKey {
            purpose: key.purpose,
            kid: key.kid.clone(),
            sealed: [&nonce, text.as_slice(), tag.as_ref()].concat(),
        }
    }

    /// Opens a key from the store.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`] if it was sealed with another master key, or altered.
    pub fn open(&self, key: &SealedKey) -> Result<KeyMaterial, StoreError> {
        let (nonce, sealed) = key
            .sealed
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(StoreError::Unreadable("key"))?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let text = self
            .cipher()
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(bound_to(key.purpose, &key.kid)),
                &mut sealed,
            )
            .map_err(|_| StoreError::WrongMasterKey)?;
        let secret = <[u8; 32]>::try_from(&*text).map_err(|_| StoreError::Unreadable("key"))?;
        Ok(KeyMaterial {
            purpose: key.purpose,
            kid: key.kid.clone(),
            secret: Secret::new(secret),
        })
    }

    /// A key for another purpose, which tells nothing of this one (HKDF-Expand's first block, RFC 5869
    /// §2.3: the master key is uniform already).
    pub fn derive(&self, purpose: &str) -> Secret<[u8; 32]> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose());
        let tag = hmac::sign(&key, &[purpose.as_bytes(), &[1]].concat());
        let mut derived = [0; 32];
        derived
            .iter_mut()
            .zip(tag.as_ref())
            .for_each(|(to, from)| *to = *from);
        Secret::new(derived)
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
        let key = Self(Secret::new(random::bytes()));
        let folder = folder_of(path);
        let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
        let text = Zeroizing::new(STANDARD.encode(key.0.expose()) + "\n");
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        match file.persist_noclobber(path) {
            Ok(_) => {
                let folder = File::open(folder).map_err(failed)?;
                folder.sync_all().map_err(failed)?;
                Ok(key)
            }
            Err(lost) if lost.error.kind() == io::ErrorKind::AlreadyExists => {
                Self::read(path, File::open(path).map_err(failed)?)
            }
            Err(lost) => Err(failed(lost.error)),
        }
    }

    #[expect(clippy::expect_used, reason = "AES-256 takes any 32 bytes as its key")]
    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, self.0.expose());
        LessSafeKey::new(key.expect("32 bytes make an AES-256 key"))
    }
}

fn bound_to(purpose: KeyPurpose, kid: &str) -> String {
    format!("vestibule-sealed-key-v1\0{}\0{kid}", purpose.as_str())
}

fn decode(text: &[u8]) -> Option<[u8; 32]> {
    let key = Zeroizing::new(STANDARD.decode(text.trim_ascii()).ok()?);
    key.as_slice().try_into().ok()
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

    fn key() -> KeyMaterial {
        KeyMaterial {
            purpose: KeyPurpose::RefreshMac,
            kid: "1".to_owned(),
            secret: Secret::new([7; 32]),
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
        let other_purpose = SealedKey {
            purpose: KeyPurpose::RefreshNext,
            ..sealed.clone()
        };
        let other_id = SealedKey {
            kid: "2".to_owned(),
            ..sealed.clone()
        };
        let cut = SealedKey {
            sealed: sealed.sealed[..20].to_vec(),
            ..sealed
        };
        for altered in [other_purpose, other_id, cut] {
            assert!(!opens(1, &altered), "{altered:?}");
        }
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
