//! `[storage]`: where users, keys and sessions are kept.

use std::fmt;
use std::path::{Path, PathBuf};

use super::problem::Complaint;
use super::read::Node;
use super::section::Section;
use super::value::text;

/// `[storage]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageSettings {
    /// `sqlite:PATH`.
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// The master key file.
        master_key: PathBuf,
    },
    /// `memory:`.
    Memory,
}

impl fmt::Display for StorageSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path, .. } => write!(f, "sqlite:{}", path.display()),
            Self::Memory => f.write_str("memory:"),
        }
    }
}

/// What `url` names.
enum Kind {
    Sqlite(PathBuf),
    Memory,
}

/// Relative paths start at `folder`. `None` where a problem was noted.
pub(super) fn read(
    mut section: Section<'_>,
    folder: &Path,
    warnings: &mut Vec<String>,
) -> Option<StorageSettings> {
    let kind = section.parsed("url", "sqlite:vestibule.db", kind);
    let key = section.given("master_key_file", key_file);
    section.finish();
    match kind? {
        Kind::Sqlite(path) => Some(StorageSettings::Sqlite {
            master_key: folder.join(key.unwrap_or_else(|| beside(&path))),
            path: folder.join(path),
        }),
        Kind::Memory => {
            if key.is_some() {
                warnings.push(
                    "storage.master_key_file is not used with memory:, which keeps nothing"
                        .to_owned(),
                );
            }
            Some(StorageSettings::Memory)
        }
    }
}

fn kind(node: &Node) -> Result<Kind, Complaint> {
    const FORMS: &str = "write \"sqlite:PATH\", or \"memory:\" to keep nothing";
    let url = text(node)?;
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Kind::Memory),
        Some(("sqlite", ":memory:")) => {
            Err(Complaint::new("SQLite cannot keep this in memory").hint("write \"memory:\""))
        }
        Some(("sqlite", path)) if path.contains('?') => {
            Err(Complaint::new("options after ? are not supported").hint("write \"sqlite:PATH\""))
        }
        // Other programs write sqlite:///absolute and sqlite://relative.
        Some(("sqlite", path)) => match path.strip_prefix("//").unwrap_or(path) {
            "" => Err(Complaint::new("the path of the database is missing").hint(FORMS)),
            path => Ok(Kind::Sqlite(path.into())),
        },
        Some(("postgres" | "postgresql" | "redis" | "rediss" | "valkey", _)) => {
            Err(Complaint::new("this store is not supported by this version").hint(FORMS))
        }
        Some(_) | None => Err(Complaint::new(format!("{url:?} names no store")).hint(FORMS)),
    }
}

fn key_file(node: &Node) -> Result<PathBuf, Complaint> {
    match text(node)? {
        "" => Err(Complaint::new("the path of the key file is missing")
            .hint("leave the option out for a file beside the database")),
        path => Ok(path.into()),
    }
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".key");
    name.into()
}
