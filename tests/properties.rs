//! Does what must hold of every input hold of seeds bent with the words of `fuzz/dictionaries`? The fuzz targets ask the same.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

#[path = "../fuzz/keys.rs"]
mod keys;
#[path = "../fuzz/properties/mod.rs"]
mod properties;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestError, TestRunner};

use crate::properties::{
    authorization, claims, configuration, cookies, forwarded, import, password_hash, path,
    refresh_token, return_to, sign_in,
};

/// How many inputs each entry is tried with at least, beside its seeds; `PROPTEST_CASES` asks for more.
const CASES: u32 = 2000;

#[test]
fn t_47_authorization_is_read_in_one_way_or_not_at_all() {
    hold("authorization", authorization::check);
}

#[test]
fn t_47_a_good_signature_is_not_enough() {
    hold("claims", claims::check);
}

#[test]
fn t_47_a_configuration_is_taken_or_told_what_is_wrong_and_where() {
    hold("configuration", configuration::check);
}

#[test]
fn t_47_a_file_of_users_is_read_where_it_says_and_shows_no_hash() {
    hold("import", import::check);
}

#[test]
fn t_47_a_hash_of_others_is_taken_as_it_is_or_not_at_all() {
    hold("password_hash", password_hash::check);
}

#[test]
fn t_47_apps_see_all_cookies_but_ours() {
    hold("cookies", cookies::check);
}

#[test]
fn t_47_only_trusted_proxies_say_who_asks_for_what() {
    hold("forwarded", forwarded::check);
}

#[test]
fn t_47_no_app_reads_a_path_as_leading_out_of_its_route() {
    hold("path", path::check);
}

#[test]
fn t_47_refresh_tokens_are_what_our_keys_made() {
    hold("refresh_token", refresh_token::check);
}

#[test]
fn t_47_nothing_leads_to_another_site() {
    hold("return_to", return_to::check);
}

#[test]
fn t_47_a_posted_body_says_each_field_once_and_its_refusal_shows_nothing() {
    hold("sign_in", sign_in::check);
}

#[test]
fn every_property_has_its_target_dictionary_and_seeds() {
    let known = |folder: &str| -> BTreeSet<String> {
        let files = files(folder).into_iter();
        files
            .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
            .filter(|name| name != "mod")
            .collect()
    };
    let properties = known("properties");
    assert_eq!(known("targets"), properties);
    assert_eq!(known("dictionaries"), properties);
    assert_eq!(known("seeds"), properties);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("it is text");
    for name in properties {
        assert!(
            manifest.contains(&format!("path = \"targets/{name}.rs\"")),
            "fuzz/Cargo.toml has no target {name}"
        );
    }
}

/// Asks the property of all seeds, then of what becomes of them. Both outcomes, taken and refused,
/// must occur: a property that is never reached says nothing.
#[track_caller]
fn hold(name: &str, check: fn(&[u8]) -> bool) {
    let seeds: Vec<Vec<u8>> = files(&format!("seeds/{name}"))
        .iter()
        .map(|file| fs::read(file).expect("a seed is readable"))
        .collect();
    let (taken, refused) = (Cell::new(0), Cell::new(0));
    let count = |is_taken| {
        let counter = if is_taken { &taken } else { &refused };
        counter.set(counter.get() + 1);
    };
    seeds.iter().for_each(|seed| count(check(seed)));
    let config = Config {
        cases: CASES.max(Config::default().cases),
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&inputs(seeds, words(name)), |input| {
        count(check(&input));
        Ok(())
    });
    match outcome {
        Ok(()) => assert!(
            taken.get() > 0 && refused.get() > 0,
            "{} inputs were taken, {} refused",
            taken.get(),
            refused.get()
        ),
        Err(TestError::Fail(wrong, smallest)) => {
            panic!("{wrong}\nmade small: {}", smallest.escape_ascii())
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// Seeds with pieces cut out and words put in, and words alone.
fn inputs(seeds: Vec<Vec<u8>>, words: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => select(words),
        1 => any::<char>().prop_map(|letter| letter.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..4),
    ];
    let change = (any::<Index>(), 0..12_usize, piece.clone());
    let bent = (select(seeds), vec(change, 0..6)).prop_map(|(mut input, changes)| {
        for (place, cut, piece) in changes {
            let start = place.index(input.len() + 1);
            let end = input.len().min(start + cut);
            input.splice(start..end, piece);
        }
        input
    });
    let made = vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    prop_oneof![bent, made]
}

/// The words of a dictionary as libFuzzer reads it: `"…"` with `\"`, `\\` and `\xNN`, one a line.
fn words(name: &str) -> Vec<Vec<u8>> {
    let file = fuzz().join(format!("dictionaries/{name}.dict"));
    let text = fs::read_to_string(file).expect("a dictionary is text");
    let lines = text.lines().map(|line| {
        let word = line.strip_prefix('"').and_then(|w| w.strip_suffix('"'));
        unescaped(word.expect("a word stands in quotes"))
    });
    lines.collect()
}

fn unescaped(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = word.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, after) = match (byte, after) {
            (b'\\', [b'x', digits @ ..]) => {
                let (code, after) = digits.split_at(2);
                let code = str::from_utf8(code).expect("two digits");
                (u8::from_str_radix(code, 16).expect("two digits"), after)
            }
            (b'\\', [byte, after @ ..]) => (*byte, after),
            (byte, after) => (byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    bytes
}

fn fuzz() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz"))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(fuzz().join(folder)).expect("the folder is readable");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the entry is readable").path())
        .collect();
    files.sort();
    files
}
