//! Is this the admin token? Read from its file, kept as a hash.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::identity::Secret;

/// The fewest characters: as many as 256 bits have in base64 without padding.
const SHORTEST: usize = 43;
/// The most characters: far more than any token has.
const LONGEST: usize = 1024;

/// What whoever calls the admin API must show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminToken(Secret<[u8; 32]>);

/// Why a file gives no admin token. Nothing here quotes the file.
#[derive(Debug, Error)]
pub enum AdminTokenError {
    /// It is not there.
    #[error(
        "server.admin_token_file: there is no file {0}: make one with `(umask 077; head -c 32 /dev/urandom | base64 > {0})`"
    )]
    Missing(PathBuf),
    /// It is there and cannot be read.
    #[error("server.admin_token_file: {file} cannot be read")]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read it.
    #[error(
        "server.admin_token_file: {file} can be read by other users of this system (mode {mode:03o}): run `chmod 600 {file}`"
    )]
    Exposed {
        /// Which file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It could be guessed, or is no token at all.
    #[error(
        "server.admin_token_file: {0} does not hold a token: it must be one line of {SHORTEST} to {LONGEST} visible characters; make one with `(umask 077; head -c 32 /dev/urandom | base64 > {0})`"
    )]
    Malformed(PathBuf),
}

impl AdminToken {
    /// Reads the file, and keeps the hash of what it holds.
    pub fn load(path: &Path) -> Result<Self, AdminTokenError> {
        Ok(Self(hash(read(path)?.as_bytes())))
    }

    /// Whether this is it. Takes as long for every text of one length.
    pub fn fits(&self, presented: &str) -> bool {
        hash(presented.as_bytes()) == self.0
    }
}

/// What a command that calls the admin API shows.
pub fn admin_token_to_show(path: &Path) -> Result<Secret<String>, AdminTokenError> {
    Ok(Secret::new(read(path)?.to_string()))
}

fn read(path: &Path) -> Result<Zeroizing<String>, AdminTokenError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => AdminTokenError::Missing(path.to_owned()),
        _ => AdminTokenError::Unreadable {
            file: path.to_owned(),
            source,
        },
    };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        let file = path.to_owned();
        return Err(AdminTokenError::Exposed { file, mode });
    }
    // Room for more than a token, so that another file is seen to be one and not read whole.
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST + 3));
    let most = u64::try_from(LONGEST + 3).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut text).map_err(unreadable)?;
    let token = text.strip_suffix(b"\n").unwrap_or(&text);
    let token = token.strip_suffix(b"\r").unwrap_or(token);
    let fits = (SHORTEST..=LONGEST).contains(&token.len());
    if fits && token.iter().all(u8::is_ascii_graphic) && is_varied(token) {
        let token = str::from_utf8(token).unwrap_or_default();
        Ok(Zeroizing::new(token.to_owned()))
    } else {
        Err(AdminTokenError::Malformed(path.to_owned()))
    }
}

/// Random bytes in hexadecimal or base64 have more than eight different characters; a key that was
/// leaned on has not.
fn is_varied(token: &[u8]) -> bool {
    let mut characters = Zeroizing::new(token.to_vec());
    characters.sort_unstable();
    characters.dedup();
    characters.len() >= 8
}

fn hash(text: &[u8]) -> Secret<[u8; 32]> {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, text).as_ref());
    Secret::new(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    const GOOD: &str = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";

    fn load(content: &str, mode: u32) -> Result<AdminToken, AdminTokenError> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        AdminToken::load(&path)
    }

    #[test]
    fn only_the_token_of_the_file_fits() {
        for content in [GOOD.to_owned(), format!("{GOOD}\n"), format!("{GOOD}\r\n")] {
            let token = load(&content, 0o600).unwrap();
            assert!(token.fits(GOOD));
            for other in ["", &GOOD[1..], &format!("{GOOD}="), "guess"] {
                assert!(!token.fits(other), "{other}");
            }
            assert_eq!(format!("{token:?}"), "AdminToken(***)");
        }
    }

    #[test]
    fn a_file_that_is_no_token_is_refused_without_quoting_it() {
        let long = GOOD.repeat(30);
        for content in [
            "",
            "\n",
            "password",
            &GOOD[..42],
            &"x".repeat(64),
            &format!("{GOOD}\n{GOOD}\n"),
            &format!("a b{GOOD}"),
            &format!("{GOOD}\n\n"),
            &format!("ä{GOOD}"),
            &long,
        ] {
            let error = load(content, 0o600).unwrap_err();
            assert!(matches!(error, AdminTokenError::Malformed(_)), "{content}");
            assert!(content.trim().is_empty() || !error.to_string().contains(content.trim()));
        }
        let exposed = load(GOOD, 0o640).unwrap_err().to_string();
        assert!(exposed.contains("chmod 600"), "{exposed}");
        let missing = AdminToken::load(Path::new("/nowhere/token")).unwrap_err();
        assert!(missing.to_string().contains("/dev/urandom"), "{missing}");
    }
}
