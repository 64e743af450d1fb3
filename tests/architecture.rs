//! Does the house stand as it was drawn? Reads the source as text and says which file to change and how.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Every room, in import order: a room uses itself and the rooms before it, never one after it.
/// With one line to stand in, there is no circle.
const ROOMS: &[&str] = &[
    // what everybody may use
    "clock",
    "priority",
    "random",
    "reply",
    // pure: values in, values out
    "request",
    "identity",
    "policy",
    "session",
    // what is known
    "config",
    "pages",
    "observe",
    "store",
    // the steps of a request
    "login",
    "authenticate",
    "proxy",
    // all of it, wired
    "gateway",
    // what answers
    "endpoints",
    "admin",
    "gate",
    // what runs it
    "server",
    "cli",
    "main",
];

/// Rooms that take values and `now` and return enums.
const PURE: &[&str] = &["request", "identity", "policy", "session"];

/// What a pure room does not see, and what it uses instead.
const IMPURE: &[(&str, &str)] = &[
    ("tokio", "decide on values; the caller waits and sends"),
    ("hyper", "use the types of the http crate"),
    ("TcpStream", "take an address, not a socket"),
    ("TcpListener", "take an address, not a socket"),
    ("UdpSocket", "take an address, not a socket"),
    ("UnixStream", "take an address, not a socket"),
    ("std::fs", "take the contents, not the file"),
    ("std::env", "take the value; config/ reads the environment"),
    ("SystemTime", "take `now: Timestamp`"),
    ("Instant", "take `now: Timestamp`"),
];

/// What is never left behind, spelled in two halves so that this file does not find itself.
const UNFINISHED: &[&str] = &[
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[ig", "nore"),
];

/// A test waits for a condition (`support::wait_until`) and never for time to pass.
const SLEEPS: &[&str] = &[
    concat!("thread::", "sleep"),
    concat!("time::", "sleep"),
    concat!("time", ".sleep"),
    concat!("asyncio", ".sleep"),
    concat!("\nsle", "ep "),
    concat!(" sle", "ep 0"),
    concat!(" sle", "ep 1"),
];

const LONGEST: usize = 400;

#[test]
fn a_room_imports_only_rooms_before_it() {
    let mut complaints = Complaints::default();
    for file in rust_files("src") {
        if file.room == "lib" {
            continue;
        }
        let Some(own) = place(&file.room) else {
            complaints.add(
                &file,
                "is in no room that tests/architecture.rs knows: add the room to ROOMS at its place",
            );
            continue;
        };
        for used in rooms_used(&file.code()) {
            match place(&used) {
                Some(other) if other <= own => {}
                Some(_) => complaints.add(
                    &file,
                    &format!(
                        "uses crate::{used}, which comes after {}: move what both need to the earlier room, or hand it in as a value",
                        file.room
                    ),
                ),
                None => complaints.add(
                    &file,
                    &format!("uses crate::{used}, which is no room: import it from the room that owns it"),
                ),
            }
        }
    }
    complaints.none();
}

#[test]
fn pure_rooms_see_no_runtime_socket_file_or_time_of_day() {
    let mut complaints = Complaints::default();
    for file in rust_files("src") {
        if !PURE.contains(&file.room.as_str()) {
            continue;
        }
        let code = without_comments(file.before_tests());
        for (word, instead) in IMPURE {
            if mentions(&code, word) {
                complaints.add(&file, &format!("mentions {word} in a pure room: {instead}"));
            }
        }
    }
    complaints.none();
}

#[test]
fn every_file_says_in_its_first_line_what_it_answers() {
    let mut complaints = Complaints::default();
    for file in all_rust_files() {
        if !file.text.starts_with("//! ") {
            complaints.add(
                &file,
                "does not open with `//! ` and one sentence saying what it answers",
            );
        }
    }
    complaints.none();
}

#[test]
fn no_file_has_more_than_400_lines_before_its_tests() {
    let mut complaints = Complaints::default();
    for file in all_rust_files() {
        let lines = file.before_tests().lines().count();
        if lines > LONGEST {
            complaints.add(
                &file,
                &format!("has {lines} lines before its tests, {LONGEST} are allowed: split it by question"),
            );
        }
    }
    complaints.none();
}

#[test]
fn every_direct_dependency_says_what_it_is_for() {
    for name in ["Cargo.toml", "fuzz/Cargo.toml"] {
        let manifest = fs::read_to_string(root().join(name)).expect("the manifest is readable");
        let mut in_dependencies = false;
        let mut silent = Vec::new();
        for line in manifest.lines().map(str::trim) {
            if line.starts_with('[') {
                in_dependencies = line.trim_end_matches(']').ends_with("dependencies");
            } else if in_dependencies
                && let Some((name, rest)) = line.split_once('=')
                && !line.starts_with('#')
                && !rest.contains(" # ")
            {
                silent.push(name.trim());
            }
        }
        assert!(
            silent.is_empty(),
            "{name}: add `# what for` behind each of these dependencies: {silent:?}"
        );
    }
}

#[test]
fn nothing_is_left_unfinished() {
    let mut complaints = Complaints::default();
    for file in all_rust_files() {
        for word in UNFINISHED {
            if without_comments(&file.text).contains(word) {
                complaints.add(&file, &format!("holds `{word}`: finish it"));
            }
        }
    }
    complaints.none();
}

#[test]
fn tests_wait_for_conditions_and_never_sleep() {
    let mut complaints = Complaints::default();
    for file in files("tests", &["rs", "py", "sh"]) {
        for word in SLEEPS {
            if file.text.contains(word) {
                complaints.add(
                    &file,
                    &format!(
                        "sleeps (`{}`): wait for the condition you mean",
                        word.trim()
                    ),
                );
            }
        }
    }
    complaints.none();
}

/// A source file and the room it belongs to.
struct File {
    path: PathBuf,
    room: String,
    text: String,
}

impl File {
    /// Everything before `#[cfg(test)]` and the module behind it.
    fn before_tests(&self) -> &str {
        let end = self.text.find("\n#[cfg(test)]\nmod ");
        end.map_or(&self.text, |end| &self.text[..end])
    }

    fn code(&self) -> String {
        without_comments(&self.text)
    }
}

/// All that is wrong, told at once.
#[derive(Default)]
struct Complaints(String);

impl Complaints {
    fn add(&mut self, file: &File, what: &str) {
        writeln!(self.0, "  {} {what}", file.path.display()).expect("a string takes all");
    }

    fn none(self) {
        assert!(self.0.is_empty(), "\n{}", self.0);
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn place(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

/// The product, its tests, and what both the tests and the fuzz targets ask.
fn all_rust_files() -> impl Iterator<Item = File> {
    ["src", "tests", "fuzz/properties", "fuzz/targets"]
        .into_iter()
        .flat_map(rust_files)
}

fn rust_files(folder: &str) -> Vec<File> {
    files(folder, &["rs"])
}

fn files(folder: &str, endings: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root().join(folder), endings, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "{folder} has no file to read");
    found
}

fn collect(folder: &Path, endings: &[&str], found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() {
            collect(&path, endings, found);
        } else if path
            .extension()
            .is_some_and(|ending| endings.iter().any(|known| ending == *known))
        {
            let text = fs::read_to_string(&path).expect("the file is text");
            let path = path.strip_prefix(root()).expect("it is ours").to_owned();
            let room = room_of(&path);
            found.push(File { path, room, text });
        }
    }
}

/// `src/proxy/pool.rs` and `src/proxy.rs` are in the room `proxy`.
fn room_of(path: &Path) -> String {
    let second = path.components().nth(1).expect("a file has a folder");
    let name = second.as_os_str().to_string_lossy();
    name.trim_end_matches(".rs").to_owned()
}

/// Code without `//` comments; what it also cuts off, such as the rest of a URL, is no import.
fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for line in text.lines() {
        code.push_str(line.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}

/// The rooms named by `crate::room` and by `crate::{room::…, room::…}`.
fn rooms_used(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, path) in code.match_indices("crate::") {
        let rest = &code[at + path.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            used.extend(first_names(group));
        } else if let Some(name) = leading_name(rest) {
            used.push(name);
        }
    }
    used.sort();
    used.dedup();
    used
}

/// The first name of each item of a brace group that begins after its opening brace.
fn first_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0_u32;
    let mut at_start = true;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            _ if at_start && depth == 0 && !character.is_whitespace() => {
                at_start = false;
                names.extend(leading_name(&group[at..]));
            }
            _ => {}
        }
    }
    names
}

fn leading_name(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|&c| is_of_a_name(c)).collect();
    (!name.is_empty()).then_some(name)
}

/// Whether `word` stands in the code as a word of its own.
fn mentions(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_of_a_name) && !after.is_some_and(is_of_a_name)
    })
}

fn is_of_a_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[test]
fn imports_are_found_in_every_form() {
    let code = "use crate::proxy::Body;\nuse crate::{gate, store::{Directory, Sessions}, cli::demo};\nlet x = crate::clock::now();";
    assert_eq!(rooms_used(code), ["cli", "clock", "gate", "proxy", "store"]);
}

#[test]
fn a_word_is_found_only_where_it_stands_alone() {
    assert!(mentions("use hyper::body;", "hyper"));
    assert!(!mentions("fn hyperbole()", "hyper"));
    assert!(!mentions("let an_instant: Instants;", "Instant"));
}
