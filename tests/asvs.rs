//! Does `tests/asvs.md` name only what is there, and say of every requirement how it is met?

#![expect(clippy::panic, reason = "a test that panics is a test that fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A line of a table.
struct Row<'a> {
    id: &'a str,
    level: &'a str,
    asked: &'a str,
    state: &'a str,
    shown_by: &'a str,
}

/// A file and what of it is named: functions and sentences.
struct Reference<'a> {
    file: &'a str,
    functions: Vec<&'a str>,
    sentences: Vec<&'a str>,
}

const TABLE: &str = include_str!("asvs.md");

#[test]
fn every_requirement_is_shown_or_says_what_is_missing() {
    let mut ids = BTreeSet::new();
    for row in rows() {
        let id = row.id;
        assert!(ids.insert(id), "{id} stands there twice");
        let numbers = id.split('.').filter(|part| part.parse::<u8>().is_ok());
        assert_eq!(numbers.count(), 3, "{id} is no requirement");
        assert!(["1", "2", "3"].contains(&row.level), "{id}: level");
        assert!(!row.asked.is_empty(), "{id}: what is asked for?");
        let is_shown = !references(row.shown_by).is_empty();
        let lacks = row.shown_by.contains("Missing: ");
        match row.state {
            "shown" => assert!(is_shown && !lacks, "{id}: by what is it shown?"),
            "partly" => assert!(
                is_shown && lacks,
                "{id}: which part is shown, which is missing?"
            ),
            "not built" => assert!(lacks, "{id}: what is missing?"),
            state => panic!("{id}: {state} is none of shown, partly, not built"),
        }
    }
    assert!(ids.len() >= 60, "only {} requirements were read", ids.len());
}

#[test]
fn every_test_file_and_sentence_that_is_named_is_there() {
    let mut wrong = Vec::new();
    for row in rows() {
        for reference in references(row.shown_by) {
            let (id, file) = (row.id, reference.file);
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let Ok(text) = fs::read_to_string(path) else {
                wrong.push(format!("{id}: there is no {file}"));
                continue;
            };
            for name in &reference.functions {
                if !holds_test(file, &text, name) {
                    wrong.push(format!("{id}: {file} has no test {name}"));
                }
            }
            for sentence in &reference.sentences {
                if !text.contains(sentence) {
                    wrong.push(format!("{id}: {file} does not say “{sentence}”"));
                }
            }
            if reference.functions.is_empty() && reference.sentences.is_empty() {
                wrong.push(format!("{id}: what in {file}?"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A function with the attribute of a test. The contract of the stores gives it to all cases that it lists.
fn holds_test(file: &str, text: &str, name: &str) -> bool {
    let Some(place) = text.find(&format!("fn {name}(")) else {
        return false;
    };
    let before = text.get(..place).unwrap_or_default();
    let (above, _) = before.rsplit_once('\n').unwrap_or_default();
    let is_attribute_or_comment = |line: &&str| line.trim().starts_with(['#', '/']);
    let mut attributes = above.lines().rev().take_while(is_attribute_or_comment);
    let is_test = attributes.any(|line| line.trim() == "#[test]" || line.contains("[tokio::test"));
    is_test || (file.starts_with("tests/store_contract/") && before.contains(name))
}

fn rows() -> impl Iterator<Item = Row<'static>> {
    let lines = TABLE.lines().filter(|line| {
        let cell = line.strip_prefix("| ").unwrap_or_default();
        cell.starts_with(|first: char| first.is_ascii_digit())
    });
    lines.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, level, asked, state, shown_by] = cells[..] else {
            panic!("five cells: {line}");
        };
        Row {
            id,
            level,
            asked,
            state,
            shown_by,
        }
    })
}

/// Links, each with the `functions` and “sentences” that follow it.
fn references(text: &str) -> Vec<Reference<'_>> {
    let shown = text.split("Missing: ").next().unwrap_or_default();
    let links = shown.split("](../").skip(1);
    links
        .map(|link| {
            let (file, named) = link.split_once(')').unwrap_or((link, ""));
            let (between, sentences) = apart(named);
            let functions = between
                .into_iter()
                .flat_map(|text| text.split('`').skip(1).step_by(2));
            Reference {
                file,
                functions: functions.collect(),
                sentences,
            }
        })
        .collect()
}

/// What stands between quoted sentences, and the sentences.
fn apart(text: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut between, mut sentences) = (Vec::new(), Vec::new());
    for (place, part) in text.split(['“', '”']).enumerate() {
        if place % 2 == 0 {
            between.push(part);
        } else {
            sentences.push(part);
        }
    }
    (between, sentences)
}
