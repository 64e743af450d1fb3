//! How does a team bring the users of the app it had? Other programs' files become records, records a
//! plan, and the plan is carried out whole or not at all.

mod carry_out;
mod columns;
mod csv;
mod django;
mod effect;
mod format;
mod htpasswd;
mod json;
mod plan;
mod sqlite;

use thiserror::Error;

use crate::identity::Secret;

pub use carry_out::{Imported, NotImported, wrap, wrapped_at_once};
pub use columns::Field;
pub use effect::{Effect, State};
pub use format::{Format, guess};
pub use htpasswd::with_groups;
pub use plan::{Cause, Fate, Matter, OnConflict, Plan, Step, Unfit, Wishes};
pub use sqlite::read_database;

/// The longest that one user may be in a file, in bytes.
const LONGEST_RECORD: usize = 64 * 1024;

/// Which column or member of a file is which fact, as somebody said it.
pub type Chosen = Vec<(Field, String)>;

/// A user as another program kept them: nothing is checked yet.
#[derive(Debug)]
pub struct Record {
    /// The line, or the row of a table; the first is 1.
    pub place: usize,
    /// What they typed to sign in.
    pub name: String,
    /// The hash of the password.
    pub password: Option<Secret<String>>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// How they are called.
    pub display_name: Option<String>,
    /// `None` where the file does not tell of groups.
    pub groups: Option<Vec<String>>,
    /// Whether they might sign in.
    pub said: Said,
}

/// What a file says of whether somebody may sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Said {
    /// Nothing, or only that this or that does not speak against it.
    #[default]
    Nothing,
    /// That they are active.
    Active,
    /// That they are not. One place that says so is enough, whatever others say.
    Disabled,
}

/// A record that could not be read.
#[derive(Debug)]
pub struct Fault {
    /// The line or row.
    pub place: usize,
    /// What is wrong with it; never a value of the file that may be a secret.
    pub what: String,
}

/// What was found in a file.
#[derive(Debug, Default)]
pub struct Reading {
    /// The users.
    pub records: Vec<Record>,
    /// What stands where users stand and is none.
    pub faults: Vec<Fault>,
    /// Which column was taken for what.
    pub used: Vec<(Field, String)>,
    /// Which columns say nothing that is kept.
    pub unused: Vec<String>,
    /// Which columns would say whether somebody may sign in, had nobody named others that do.
    pub left_out: Vec<String>,
    /// How many other things of which kind were left alone.
    pub others: Vec<(String, usize)>,
}

/// A file in which no users could be found.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// Something is wrong in this line.
    #[error("{what}")]
    Line {
        /// Which.
        line: usize,
        /// What is wrong; never a value of the file that may be a secret.
        what: String,
    },
    /// It is not clear where in it the users are.
    #[error("{0}")]
    Unclear(String),
    /// The database cannot be read.
    #[error("the database cannot be read")]
    Sqlite(#[from] rusqlite::Error),
}

impl Unreadable {
    /// The line, where it is one's fault.
    pub const fn line(&self) -> Option<usize> {
        match self {
            Self::Line { line, .. } => Some(*line),
            Self::Unclear(_) | Self::Sqlite(_) => None,
        }
    }
}

/// Reads a file's text in this format. A database is read by [`read_database`].
pub fn read(format: Format, text: &str, chosen: &Chosen) -> Result<Reading, Unreadable> {
    match format {
        Format::Csv => csv::read(text, chosen),
        Format::Json => json::read(text, chosen),
        Format::Htpasswd => Ok(htpasswd::read(text)),
        Format::Django => django::read(text, chosen),
        Format::Sqlite => Err(Unreadable::Unclear(
            "an SQLite database is no text: name its file".to_owned(),
        )),
    }
}

/// The text of a file, without a byte order mark; or the line in which it is none.
pub fn as_text(bytes: &[u8]) -> Result<&str, Unreadable> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        Unreadable::Line {
            line: 1 + good.iter().filter(|byte| **byte == b'\n').count(),
            what: "this is not UTF-8: convert the file first, such as with \
                   `iconv -f latin1 -t utf-8`"
                .to_owned(),
        }
    })
}

/// Tells lines of places in a text that are asked for one after the other.
struct Lines<'t> {
    text: &'t [u8],
    offset: usize,
    line: usize,
}

impl<'t> Lines<'t> {
    const fn of(text: &'t str) -> Self {
        Self {
            text: text.as_bytes(),
            offset: 0,
            line: 1,
        }
    }

    /// The line in which this byte stands; those asked for before stand before it.
    fn at(&mut self, offset: usize) -> usize {
        let between = self.text.get(self.offset..offset).unwrap_or_default();
        self.line += between.iter().filter(|byte| **byte == b'\n').count();
        self.offset = offset.max(self.offset);
        self.line
    }

    /// The same for the first byte from there on that ends no line.
    fn at_text(&mut self, offset: usize) -> usize {
        let rest = self.text.get(offset..).unwrap_or_default();
        let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        self.at(offset + ends.count())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_that_is_not_utf_8_is_found_in_its_line() {
        assert_eq!(as_text(b"\xef\xbb\xbfada").unwrap(), "ada");
        let error = as_text(b"name\nada\nJ\xfcrgen\n").unwrap_err();
        assert_eq!(error.line(), Some(3));
        assert!(error.to_string().contains("iconv"), "{error}");
    }

    const TEXTS: [Format; 4] = [Format::Csv, Format::Json, Format::Htpasswd, Format::Django];

    proptest! {
        #[test]
        fn no_text_makes_a_reader_panic(text in "(?s).{0,200}") {
            let _ = guess(text.as_bytes());
            for format in TEXTS {
                let _ = read(format, &text, &Vec::new());
            }
            let _ = with_groups(&mut Reading::default(), &text);
        }

        #[test]
        fn nor_does_text_that_is_nearly_right(
            parts in prop::collection::vec(prop::sample::select(vec![
                "username", "password", "email", "groups", "is_active", "name", ",", ";", "\t", "\"", "\n", "\r\n",
                "{", "}", "[", "]", ":", "\"model\"", "\"auth.user\"", "\"fields\"", "\"pk\"", "\"username\"", "1",
                "null", "true", "$2b$12$", "#", "ada", "\\", "|", "\u{feff}", "ä",
            ]), 0..40),
        ) {
            let text = parts.concat();
            let _ = guess(text.as_bytes());
            for format in TEXTS {
                let _ = read(format, &text, &Vec::new());
            }
        }
    }
}
