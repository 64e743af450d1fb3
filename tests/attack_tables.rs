//! Does every attack that the tables name have a test, and is every such test in the tables? Reads
//! `tests/attack_tables.md` and the tests as text.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The ids that the tables must have: the first table whole, the second with its gaps.
const FIRST: std::ops::RangeInclusive<u32> = 1..=81;
const SECOND: &[u32] = &[
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 16, 17, 18, 19, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
    33, 34, 35, 36, 38, 39, 40, 41, 42, 43, 44, 45, 47, 49, 50, 52, 53,
];

/// One line of a table.
struct Line {
    id: String,
    /// `path::function`.
    tests: BTreeSet<String>,
}

/// The lines of both tables.
fn lines() -> Vec<Line> {
    let text = read("tests/attack_tables.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = rows.filter(|row| row.starts_with("FJ-") || row.starts_with("T-"));
    rows.map(line).collect()
}

fn line(row: &str) -> Line {
    let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
    let [id, what, expected, shown] = cells[..] else {
        panic!("four cells: {row}");
    };
    assert!(!what.is_empty() && !expected.is_empty(), "{row}");
    let quoted = shown.split('`').skip(1).step_by(2);
    Line {
        id: id.to_owned(),
        tests: quoted.map(str::to_owned).collect(),
    }
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every test whose name begins with ids, as `path::function`, with these ids.
fn tests() -> BTreeMap<String, BTreeSet<String>> {
    let mut tests = BTreeMap::new();
    for folder in ["src", "tests"] {
        gather(folder, &mut tests);
    }
    tests
}

fn gather(folder: &str, tests: &mut BTreeMap<String, BTreeSet<String>>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    for entry in fs::read_dir(path).expect("it is a folder") {
        let entry = entry.expect("it is readable");
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().expect("it has one").is_dir() {
            gather(&path, tests);
        } else if path.ends_with(".rs") {
            let text = read(&path);
            let functions = text.lines().filter_map(function);
            let named = functions.map(|name| (format!("{path}::{name}"), ids(name)));
            tests.extend(named.filter(|(_, ids)| !ids.is_empty()));
        }
    }
}

/// The name of the function that this line begins.
fn function(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// The ids at the start of a name: `fj_44_to_fj_46_t_11_a_token…` has four.
fn ids(name: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut words = name.split('_').peekable();
    let mut last: Option<(&str, u32)> = None;
    let mut is_range = false;
    while let Some(word) = words.next() {
        let number = words.peek().filter(|next| next.len() == 2);
        let number = number.and_then(|next| next.parse::<u32>().ok());
        match (word, number, last) {
            ("fj" | "t", Some(number), _) => {
                words.next();
                let from = last.filter(|_| is_range).map_or(number, |(_, from)| from);
                ids.extend((from..=number).map(|number| id(word, number)));
                last = Some((word, number));
                is_range = false;
            }
            ("to", _, Some(_)) => is_range = true,
            _ => break,
        }
    }
    ids
}

fn id(table: &str, number: u32) -> String {
    format!("{}-{number:02}", table.to_ascii_uppercase())
}

#[test]
fn every_id_has_one_line() {
    let lines = lines();
    let mut seen = BTreeSet::new();
    for line in &lines {
        assert!(seen.insert(&*line.id), "{} has two lines", line.id);
    }
    let first = FIRST.map(|number| id("fj", number));
    let second = SECOND.iter().map(|number| id("t", *number));
    for id in first.chain(second) {
        assert!(seen.contains(&*id), "{id} has no line");
    }
}

#[test]
fn every_line_names_tests_that_are_there_and_carry_its_id() {
    let tests = tests();
    for line in lines() {
        assert!(!line.tests.is_empty(), "{} names no test", line.id);
        for test in &line.tests {
            let ids = tests.get(test);
            let ids = ids.unwrap_or_else(|| panic!("{}: there is no {test}", line.id));
            assert!(ids.contains(&line.id), "{test} is not named by {}", line.id);
        }
    }
}

#[test]
fn every_test_that_carries_an_id_is_listed() {
    let lines = lines();
    for (test, ids) in tests() {
        for id in ids {
            let line = lines.iter().find(|line| line.id == id);
            let line = line.unwrap_or_else(|| panic!("{test}: {id} has no line"));
            assert!(line.tests.contains(&test), "{id} does not list {test}");
        }
    }
}

#[test]
fn ids_are_read_from_names() {
    for (name, expected) in [
        ("fj_01_a_call", "FJ-01"),
        ("fj_44_to_fj_46_t_11_a_token", "FJ-44 FJ-45 FJ-46 T-11"),
        ("t_27_t_28_fifty_requests", "T-27 T-28"),
        ("t_36_to_keep_what_was", "T-36"),
        ("t_mobile", ""),
        ("who_am_i", ""),
    ] {
        let read: Vec<String> = ids(name).into_iter().collect();
        assert_eq!(read.join(" "), expected, "{name}");
    }
}
