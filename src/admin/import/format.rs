//! Which kind of file is this? Guessed from what it holds.

use crate::admin::import::{as_text, csv, json};

/// What users can be read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table with a header row.
    Csv,
    /// Objects.
    Json,
    /// `name:hash` lines.
    Htpasswd,
    /// What `manage.py dumpdata` writes.
    Django,
    /// A database file.
    Sqlite,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Csv,
        Self::Json,
        Self::Htpasswd,
        Self::Django,
        Self::Sqlite,
    ];

    /// What it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Htpasswd => "htpasswd",
            Self::Django => "django",
            Self::Sqlite => "sqlite",
        }
    }
}

/// The format that the contents look like; `None` where they look like none.
pub fn guess(contents: &[u8]) -> Option<Format> {
    if contents.starts_with(b"SQLite format 3\0") {
        return Some(Format::Sqlite);
    }
    let text = as_text(contents).ok()?;
    if text.trim_start().starts_with(['[', '{']) {
        // What is wrong with it is said by whoever reads it.
        let (objects, _) = json::objects(text).unwrap_or_default();
        let is_dump = |(_, object): &json::Object| {
            object.contains_key("model") && object.contains_key("fields")
        };
        return Some(match objects.first().is_some_and(is_dump) {
            true => Format::Django,
            false => Format::Json,
        });
    }
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
    if csv::is_header(first) {
        return Some(Format::Csv);
    }
    let (name, hash) = first.split_once(':')?;
    let is_hash = hash.len() >= 13 && !hash.contains(char::is_whitespace);
    (!name.is_empty() && is_hash).then_some(Format::Htpasswd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_what_they_hold() {
        for (contents, format) in [
            (&b"SQLite format 3\0..."[..], Some(Format::Sqlite)),
            (b" [{\"username\": \"ada\"}]", Some(Format::Json)),
            (b"{\"username\": \"ada\"}\n{}", Some(Format::Json)),
            (
                b"[{\"model\": \"auth.user\", \"pk\": 1, \"fields\": {}}]",
                Some(Format::Django),
            ),
            (b"# web\n\nada:$apr1$abc$def\n", Some(Format::Htpasswd)),
            (b"ada:abJnggxhB/yWI\n", Some(Format::Htpasswd)),
            (b"\xef\xbb\xbfusername,password\n", Some(Format::Csv)),
            (b"id;login;hash\n", Some(Format::Csv)),
            (b"id,email,password_hash\n", Some(Format::Csv)),
            (b"[{\"username\": oops}]", Some(Format::Json)),
            (b"dear all,\n", None),
            (b"", None),
            (b"\xff\xfea\0d\0a\0", None),
        ] {
            assert_eq!(guess(contents), format, "{contents:?}");
        }
    }
}
