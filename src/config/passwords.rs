//! `[passwords]`: what a new password must be, and how it is hashed.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::hashing::{self, HashSettings};
use super::problem::Complaint;
use super::read::Node;
use super::section::Section;
use super::value::{duration, number, text};
use crate::identity::password::{DeniedPasswords, PasswordRules};

use super::ServerSettings;

/// The most bytes of a list of refused passwords: some 1.5 million of them. It is held in memory.
const LARGEST_LIST: u64 = 16 * 1024 * 1024;

pub(super) fn read(
    mut section: Section<'_>,
    server: Option<&ServerSettings>,
    folder: &Path,
) -> (PasswordRules, HashSettings) {
    const TTLS: std::ops::RangeInclusive<Duration> =
        Duration::from_secs(5 * 60)..=Duration::from_secs(30 * 24 * 60 * 60);
    let default = PasswordRules::default();
    let urls = server.map_or(&[][..], |server| &server.public_urls);
    let rules = PasswordRules {
        min_length: section.option("min_length", default.min_length, number(8..=64)),
        denied: section.option("deny_file", default.denied, |node| denied(node, folder)),
        hosts: urls
            .iter()
            .map(|url| url.host.name().to_lowercase())
            .collect(),
        temporary_ttl: section.option("temporary_ttl", default.temporary_ttl, duration(TTLS)),
    };
    let hashing = hashing::read(&mut section);
    section.finish();
    (rules, hashing)
}

fn denied(node: &Node, folder: &Path) -> Result<DeniedPasswords, Complaint> {
    let path = match text(node)? {
        "" => return Ok(DeniedPasswords::default()),
        path => folder.join(path),
    };
    let list = whole(&path).map_err(|error| unreadable(&path, &error))?;
    if u64::try_from(list.len()).is_ok_and(|length| length > LARGEST_LIST) {
        let most = LARGEST_LIST / 1024 / 1024;
        return Err(
            Complaint::new(format!("{} is larger than {most} MiB", path.display()))
                .hint("keep the most frequent ones: the list is held in memory"),
        );
    }
    let list = str::from_utf8(&list).map_err(|error| {
        let before = list.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Complaint::new(format!("{} is not UTF-8 in line {line}", path.display()))
            .hint("it must be a text with one password a line, not hashes or an archive")
    })?;
    Ok(DeniedPasswords::of_lines(list))
}

/// The file, or enough of it to see that it is too large.
fn whole(path: &PathBuf) -> io::Result<Vec<u8>> {
    let mut list = Vec::new();
    let file = File::open(path)?;
    file.take(LARGEST_LIST + 1).read_to_end(&mut list)?;
    Ok(list)
}

fn unreadable(path: &Path, error: &io::Error) -> Complaint {
    match error.kind() {
        io::ErrorKind::NotFound => Complaint::new(format!("there is no file {}", path.display())),
        _ => Complaint::new(format!("{} cannot be read: {error}", path.display())),
    }
    .hint("name a text with one password a line, or \"\" for none")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::config::{Config, ConfigError, parse};

    fn config(folder: &TempDir, line: &str) -> Result<Config, ConfigError> {
        let text = format!("[[routes]]\nupstream = \"http://127.0.0.1:3000\"\n[passwords]\n{line}");
        parse(&text, folder.path())
    }

    #[test]
    fn a_list_of_ones_own_lies_beside_the_file() {
        let folder = TempDir::new().unwrap();
        fs::write(
            folder.path().join("deny.txt"),
            "Tiger of ours\r\n\nanother\n",
        )
        .unwrap();
        let rules = config(&folder, "deny_file = 'deny.txt'").unwrap().passwords;
        let expected = DeniedPasswords::of_lines("another\ntiger of ours");
        assert_eq!(rules.denied, expected);
        assert_eq!(rules.hosts, ["localhost"]);
        let none = config(&folder, "deny_file = ''").unwrap().passwords;
        assert_eq!(none.denied, DeniedPasswords::default());
    }

    #[test]
    fn a_list_that_cannot_be_used_is_named() {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("latin"), b"good\nb\xe4d\n").unwrap();
        let large = File::create(path("large")).unwrap();
        large.set_len(LARGEST_LIST + 1).unwrap();
        fs::create_dir(path("folder")).unwrap();
        for (line, says) in [
            ("deny_file = 'none'", "there is no file"),
            ("deny_file = 'folder'", "cannot be read"),
            ("deny_file = 'latin'", "is not UTF-8 in line 2"),
            ("deny_file = 'large'", "is larger than 16 MiB"),
            ("deny_file = 7", "this is a number"),
            ("temporary_ttl = '1m'", "allowed: 5m to 30d"),
            ("min_length = 7", "allowed: 8 to 64"),
        ] {
            let said = config(&folder, line).unwrap_err().to_string();
            assert!(
                said.contains(":4: passwords.") && said.contains(says),
                "{said}"
            );
            assert!(
                !said.contains("b\u{e4}d") && !said.contains("good"),
                "{said}"
            );
        }
    }
}
