//! Whatever others have named does nothing in the terminal in which it is read.

use serde_json::json;

use crate::importing::{House, OLD};
use crate::support::{Finished, Request, htpasswd};

/// Names that set a terminal's title, colour it, turn a line around and end it.
const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\n\u{2066}";

#[track_caller]
fn does_nothing_in_a_terminal(finished: &Finished) {
    for text in [&finished.out, &finished.err] {
        let is_plain = |c: char| c == '\n' || c.is_ascii_graphic() || " ä…".contains(c);
        let odd: Vec<char> = text.chars().filter(|c| !is_plain(*c)).collect();
        assert!(odd.is_empty(), "{odd:?} in {text:?}");
        assert!(
            !text.contains("\n\\u{2066}"),
            "a name ends a line: {text:?}"
        );
    }
}

fn hostile_file() -> String {
    format!("odd{HOSTILE}.csv")
}

/// Files of other apps in which every name is hostile that can be.
fn make_files(house: &House) {
    let hash = htpasswd(&["-nbs", "x", OLD]);
    let hash = hash.trim().trim_start_matches("x:");
    let database = rusqlite::Connection::open(house.folder().join("odd.db")).unwrap();
    let odd = format!("users{HOSTILE}");
    let statements = format!(
        "CREATE TABLE \"{odd}\" (username TEXT, password TEXT, display_name TEXT, \"{HOSTILE}\" TEXT);
         INSERT INTO \"{odd}\" VALUES ('ann', '{hash}', 'ä\u{202e}\u{200b}', 'x'), ('a{HOSTILE}', '{hash}', '', '');
         CREATE TABLE \"{HOSTILE}\" (\"{HOSTILE}\" TEXT);"
    );
    database.execute_batch(&statements).unwrap();
    let broken = rusqlite::Connection::open(house.folder().join("broken.db")).unwrap();
    // SQLite itself quotes the name of what is missing.
    let statements = format!(
        "CREATE TABLE \"of users\" (username TEXT, password TEXT);
         CREATE VIEW users AS SELECT username, password FROM \"gone{HOSTILE}\";"
    );
    broken.execute_batch(&statements).unwrap();
    let escaped = json!(HOSTILE);
    let model = format!(
        r#"[{{"model": {escaped}, "fields": {{}}}},
            {{"model": "auth.user", "fields": {{"username": {escaped}, "password": "x"}}}}]"#
    );
    house.file("django.json", &model);
    let headings = format!("username,password,\"{HOSTILE}\"\n\"a{HOSTILE}\",{hash},x\n");
    house.file("odd.csv", &headings);
    house.file(&hostile_file(), "username,password\nada,x\n");
}

#[test]
fn names_that_others_chose_do_nothing_in_a_terminal() {
    let house = House::new();
    make_files(&house);
    let file = hostile_file();
    for arguments in [
        &["odd.db", "--dry-run"][..],
        &["odd.db", "--dry-run", "--json"],
        &["odd.db", "--table", "users"],
        &["odd.db", "--table", HOSTILE],
        &["django.json", "--dry-run"],
        &["django.json", "--dry-run", "--json"],
        &["odd.csv", "--dry-run"],
        &["odd.csv", "--dry-run", "--json"],
        &["odd.csv", "--columns", "email=mail"],
        &[file.as_str()],
        &["odd.db", "--skip-refused"],
    ] {
        does_nothing_in_a_terminal(&house.import(arguments));
    }
    // A browser calls itself what it likes.
    let body = json!({"username": "ann", "password": OLD, "device": "ä\u{202e}"});
    let signed_in = Request::post("/vestibule/login")
        .header("user-agent", "ä\u{9b}31m\u{202e}")
        .json(&body)
        .send(&house.gateway);
    assert_eq!(signed_in.status, 200);
    for arguments in [
        &["user", "list"][..],
        &["user", "list", "--json"],
        &["user", "show", "ann"],
        &["session", "list"],
        &["session", "list", "--json"],
        &[
            "explain",
            "GET",
            "/",
            "--as",
            "ann",
            "--header",
            "x: ä\u{9b}31m\u{202e}",
        ],
        &[
            "explain",
            "GET",
            "/",
            "--as",
            "ann",
            "--header",
            "x: ä\u{9b}31m\u{202e}",
            "--json",
        ],
    ] {
        let finished = house.gateway.command(arguments, "").expect_success();
        does_nothing_in_a_terminal(&finished);
        assert!(!finished.out.contains('\u{fffd}'), "{}", finished.out);
    }
    let exact = house.shown("ann")["display_name"].clone();
    assert_eq!(exact, "ä\u{202e}\u{200b}", "programs read what is stored");
}

#[test]
fn sqlite_itself_quotes_no_name_that_ends_a_line() {
    let house = House::new();
    make_files(&house);
    let broken = house.import(&["broken.db"]);
    let told = "the database cannot be read: no such table: main.gone\\u{1b}";
    assert!(broken.err.contains(told), "{}", broken.err);
    does_nothing_in_a_terminal(&broken);
}

#[test]
fn programs_read_the_name_of_a_file_as_it_is() {
    let house = House::new();
    make_files(&house);
    let file = hostile_file();
    let json = house.import(&[file.as_str(), "--dry-run", "--json"]);
    does_nothing_in_a_terminal(&json);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["file"], file);
}

#[test]
fn wrong_usage_is_told_in_words_that_do_nothing_and_help_stays_as_it_is() {
    let house = House::new();
    let odd = "a\u{9b}31m\u{202e}\u{7}";
    for (arguments, told) in [
        (&[odd][..], "error: unrecognized subcommand 'a\\u{9b}31m"),
        (
            &["user", "show", "ada", odd],
            "unexpected argument 'a\\u{9b}",
        ),
        (&["user", "add", odd], "error: invalid value 'a\\u{9b}"),
    ] {
        let finished = house.gateway.command(arguments, "");
        does_nothing_in_a_terminal(&finished);
        assert_eq!(finished.code, Some(2), "{arguments:?}");
        assert!(finished.err.contains(told), "{}", finished.err);
        assert_eq!(finished.out, "");
    }
    for (arguments, code, told) in [
        (&["--help"][..], 0, "Usage: vestibule"),
        (&["--version"], 0, "vestibule "),
        (
            &["user", "import", "--help"],
            0,
            "Usage: vestibule user import",
        ),
        (&["user"], 2, "Usage: vestibule user"),
    ] {
        let finished = house.gateway.command(arguments, "");
        assert_eq!(finished.code, Some(code), "{arguments:?}");
        let (said, other) = match code {
            0 => (finished.out, finished.err),
            _ => (finished.err, finished.out),
        };
        assert!(said.contains(told), "{said}");
        assert_eq!(other, "", "{arguments:?}");
    }
}
