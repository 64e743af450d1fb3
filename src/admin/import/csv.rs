//! Users in a table of text: RFC 4180, or what `mysql --batch` prints.

use csv::{ByteRecord, ReaderBuilder};

use crate::admin::import::columns::{Value, choose, is_usual};
use crate::admin::import::{Chosen, Fault, LONGEST_RECORD, Lines, Reading, Unreadable};

/// Reads a table whose first row names the columns.
pub(super) fn read(text: &str, chosen: &Chosen) -> Result<Reading, Unreadable> {
    let dialect = Dialect::of(text);
    let mut rows = ReaderBuilder::new()
        .delimiter(dialect.delimiter)
        .quoting(!dialect.escapes)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut row = ByteRecord::new();
    let mut next = |row: &mut ByteRecord| {
        rows.read_byte_record(row)
            .map_err(|_| Unreadable::Unclear("this is not a table".to_owned()))
    };
    if !next(&mut row)? {
        return Err(Unreadable::Unclear("the file is empty".to_owned()));
    }
    let header: Vec<String> = row
        .iter()
        .map(|name| lossy(name).trim().to_owned())
        .collect();
    let columns = choose(&header, chosen)?;
    let mut reading = columns.reading(&header);
    let mut lines = Lines::of(text);
    while next(&mut row)? {
        let place = lines.at_text(offset(&row));
        let fault = |what: String| Fault { place, what };
        let record = if row.as_slice().len() > LONGEST_RECORD {
            Err(fault(
                "this is too long for one user: is a quotation mark left open?".to_owned(),
            ))
        } else if row.len() != header.len() {
            let (has, wanted) = (row.len(), header.len());
            Err(fault(format!(
                "it has {has} columns, and the first row names {wanted}"
            )))
        } else {
            let values: Vec<Value> = row.iter().map(|value| dialect.value(value)).collect();
            columns.record(place, &values)
        };
        match record {
            Ok(record) => reading.records.push(record),
            Err(fault) => reading.faults.push(fault),
        }
    }
    Ok(reading)
}

/// Whether a line looks like the first of a table of users.
pub(super) fn is_header(line: &str) -> bool {
    let names = line
        .split(['\t', ';', ','])
        .map(|name| name.trim_matches('"'));
    let known = names.filter(|name| is_usual(name)).count();
    known >= 2 || (known == 1 && !line.contains(':'))
}

/// How the table is written.
struct Dialect {
    delimiter: u8,
    /// Backslashes in the place of quotation marks, and `NULL` for nothing.
    escapes: bool,
}

impl Dialect {
    /// What separates the columns is what the first row has most of.
    fn of(text: &str) -> Self {
        let first = text
            .lines()
            .find(|line| !line.is_empty())
            .unwrap_or_default();
        let count = |delimiter: u8| first.bytes().filter(|byte| *byte == delimiter).count();
        let delimiter = [b'\t', b';', b','].into_iter().max_by_key(|d| count(*d));
        let delimiter = delimiter.unwrap_or(b',');
        Self {
            delimiter,
            escapes: delimiter == b'\t' && !first.contains('"'),
        }
    }

    fn value(&self, bytes: &[u8]) -> Value {
        if !self.escapes {
            return Value::Text(lossy(bytes));
        }
        match bytes {
            b"NULL" | b"\\N" => Value::Nothing,
            bytes => Value::Text(unescaped(&lossy(bytes))),
        }
    }
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('0') => plain.push('\0'),
            Some(other) => plain.push(other),
            None => plain.push('\\'),
        }
    }
    plain
}

/// The text was read as UTF-8 as a whole, and its parts are separated by ASCII.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where the reader stood when it began to read the row: behind the row before.
fn offset(row: &ByteRecord) -> usize {
    let offset = row.position().map_or(0, csv::Position::byte);
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let reading = read(text, &Vec::new()).unwrap();
        let records = reading.records.iter().map(|record| {
            let password = record.password.as_ref().map(|hash| hash.expose().as_str());
            let groups = record.groups.clone().unwrap_or_default().join("+");
            let email = record.email.as_deref().unwrap_or("-");
            let (place, name) = (record.place, &record.name);
            format!(
                "{place} {name} {} {email} {groups}",
                password.unwrap_or("-")
            )
        });
        let faults = reading.faults.iter();
        let faults = faults.map(|fault| format!("{}: {}", fault.place, fault.what));
        records.chain(faults).collect()
    }

    #[test]
    fn tables_are_read_as_rfc_4180_has_them() {
        for (text, expected) in [
            (
                "username,password,email,groups\nada,$2b$x,ada@example.com,ops;dev\n",
                &["2 ada $2b$x ada@example.com ops+dev"][..],
            ),
            (
                "username,password\r\n\"a\"\"b\",\"x,y\"\r\n\r\nbob,\"two\nlines\"\r\ncy,z",
                &["2 a\"b x,y - ", "4 bob two\nlines - ", "6 cy z - "],
            ),
            ("name;hash\nada;x\n", &["2 ada x - "]),
            (
                "username\tpassword\temail\nada\ta\\\\b\\tc\tNULL\n",
                &["2 ada a\\b\tc - "],
            ),
            ("\"username\"\t\"hash\"\n\"ada\"\t\"x\"\n", &["2 ada x - "]),
            ("username,password\n", &[]),
            (
                "username,password\nada\n,x\nbob,y\n",
                &[
                    "4 bob y - ",
                    "2: it has 1 columns, and the first row names 2",
                    "3: it has no user name",
                ],
            ),
        ] {
            assert_eq!(told(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_quotation_mark_left_open_does_not_swallow_the_file_without_a_word() {
        let rest = "eve,y\n".repeat(20_000);
        let told = told(&format!("username,password\nada,x\nbob,\"y\n{rest}"));
        assert_eq!(told.len(), 2);
        assert!(told[1].starts_with("3: this is too long"), "{}", told[1]);
    }

    #[test]
    fn a_file_with_nothing_in_it_says_so() {
        assert!(read("", &Vec::new()).is_err());
    }
}
