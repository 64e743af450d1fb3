//! A file of users is read as records that stand where they say, and nothing that is said of it shows a hash.

use vestibule::admin::import::{Format, Reading, as_text, guess, read};

pub(crate) fn check(data: &[u8]) -> bool {
    let mut taken = false;
    let formats = [Format::Csv, Format::Json, Format::Htpasswd, Format::Django];
    let text = match as_text(data) {
        Ok(text) => text,
        Err(error) => {
            assert!(error.line().is_some_and(|line| line <= lines(data)));
            return false;
        }
    };
    let guessed = guess(data);
    for format in formats {
        match read(format, text, &Vec::new()) {
            Ok(reading) => {
                stands_where_it_says(&reading, lines(data));
                for fault in &reading.faults {
                    shows_no_hash(text, &fault.what);
                }
                taken |= guessed == Some(format) && !reading.records.is_empty();
            }
            Err(error) => {
                assert!(
                    error
                        .line()
                        .is_none_or(|line| (1..=lines(data)).contains(&line))
                );
                shows_no_hash(text, &error.to_string());
            }
        }
    }
    taken
}

fn lines(data: &[u8]) -> usize {
    1 + data.iter().filter(|byte| **byte == b'\n').count()
}

fn stands_where_it_says(reading: &Reading, lines: usize) {
    let records = reading.records.iter().map(|record| record.place);
    let faults = reading.faults.iter().map(|fault| fault.place);
    for place in records.chain(faults) {
        assert!((1..=lines).contains(&place), "line {place} of {lines}");
    }
}

fn shows_no_hash(text: &str, said: &str) {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "\"',;:".contains(c);
    let hashes = text
        .split(ends)
        .filter(|word| word.starts_with('$') && word.len() > 20);
    for hash in hashes {
        assert!(!said.contains(hash), "{said}");
    }
}
