//! Users of other apps are imported, and sign in with their old passwords: hashes by the original programs.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Finished, Gateway, Request, Setup, Upstream, htpasswd, make_users};

const OLD: &str = "an old password, päß";

/// A gateway, and beside its database the files of other apps.
struct House {
    gateway: Gateway,
    _upstream: Upstream,
}

impl House {
    fn new() -> Self {
        let upstream = Upstream::start();
        let gateway = Setup::in_front_of(&upstream)
            .section("[observe.audit_log]\nto = \"audit.log\"\n")
            .start();
        Self {
            gateway,
            _upstream: upstream,
        }
    }

    fn folder(&self) -> PathBuf {
        self.gateway.file("")
    }

    fn import(&self, arguments: &[&str]) -> Finished {
        let arguments = [&["user", "import"], arguments].concat();
        let finished = self.gateway.command(&arguments, "");
        for secret in [OLD, "$2", "scrypt:", "pbkdf2_sha256$", "$apr1$"] {
            let said = [&finished.out, &finished.err];
            assert!(!said.iter().any(|said| said.contains(secret)), "{said:?}");
        }
        finished
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn status(&self, name: &str, password: &str) -> u16 {
        let body = json!({"username": name, "password": password});
        let request = Request::post("/vestibule/login").json(&body);
        request.send(&self.gateway).status
    }

    #[track_caller]
    fn sign_in(&self, names: &[&str]) {
        for name in names {
            assert_eq!(self.status(name, OLD), 200, "{name}");
            assert_eq!(self.status(name, "an old password, pass"), 401, "{name}");
        }
    }

    fn shown(&self, name: &str) -> Value {
        let arguments = ["user", "show", name, "--json"];
        let shown = self.gateway.command(&arguments, "").expect_success();
        serde_json::from_str(&shown.out).unwrap()
    }
}

#[test]
fn users_of_flask_django_and_passlib_sign_in_with_their_old_passwords() {
    let house = House::new();
    make_users(&house.folder(), OLD);

    let flask = house
        .import(&["app.db", "--group", "moved"])
        .expect_success();
    assert!(
        flask
            .out
            .contains("read as sqlite (guessed; --format says otherwise), table user\n"),
        "{}",
        flask.out
    );
    assert!(flask.out.contains("added 4 users"), "{}", flask.out);
    assert!(!flask.err.contains("warning"), "{}", flask.err);
    house.sign_in(&["flask-scrypt", "flask-pbkdf2", "flask-sha512"]);
    assert_eq!(house.status("flask-gone", OLD), 401, "it was not active");
    let shown = house.shown("flask-scrypt");
    assert_eq!(shown["email"], "flask-scrypt@example.com");
    assert_eq!(shown["groups"], json!(["moved"]));

    for dump in ["django-all.json", "django-users.json"] {
        let refused = house.import(&[dump, "--dry-run"]);
        assert_eq!(refused.code, Some(1));
        let told =
            "django-unusable: the password cannot be taken over: the account has no password";
        assert!(refused.out.contains(told), "{}", refused.out);
    }
    house
        .import(&["django-all.json", "--without-password"])
        .expect_success();
    house.sign_in(&[
        "django",
        "django-pbkdf2_sha1",
        "django-scrypt",
        "django-md5",
    ]);
    assert_eq!(house.status("django-unusable", OLD), 401);
    let shown = house.shown("django");
    assert_eq!(shown["groups"], json!(["editors"]));
    assert_eq!(shown["display_name"], "Ada");

    house.import(&["passlib.csv"]).expect_success();
    house.import(&["passlib.ndjson"]).expect_success();
    house.sign_in(&["passlib-pbkdf2", "passlib-bcrypt", "passlib-crypt"]);
    let shown = house.shown("passlib-pbkdf2");
    assert_eq!(shown["groups"], json!(["dev", "ops"]));
    assert_eq!(shown["display_name"], "Ada \"the first\", Countess");

    let log = fs::read_to_string(house.folder().join("audit.log")).unwrap();
    let imported = log
        .lines()
        .filter(|line| line.contains("\"user_imported\""));
    assert_eq!(imported.count(), 12, "{log}");
    assert!(!log.contains("pbkdf2:") && !log.contains(OLD));
}

#[test]
fn users_of_apache_sign_in_with_their_old_passwords() {
    let house = House::new();
    let mut lines = String::from("# people of the intranet\n\n");
    let mut names = Vec::new();
    for option in ["-m", "-B", "-s", "-2", "-5"] {
        let name = format!("apache{option}");
        lines += htpasswd(&["-nb", option, &name, OLD]).trim();
        lines.push('\n');
        names.push(name);
    }
    let path = house.file("htpasswd", &lines);
    house.file("groups", "staff: apache-m apache-B\nadmins: apache-m\n");
    // The guess is by what the file holds.
    let arguments = [path.to_str().unwrap(), "--groups-file", "groups"];
    let done = house.import(&arguments).expect_success();
    assert!(done.err.contains("chmod 600"), "{}", done.err);
    for scheme in ["apr1", "bcrypt", "sha1", "sha256-crypt", "sha512-crypt"] {
        assert!(done.out.contains(scheme), "{scheme}: {}", done.out);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    house.sign_in(&names);
    assert_eq!(
        house.shown("apache-m")["groups"],
        json!(["admins", "staff"])
    );
    assert_eq!(house.shown("apache-s")["groups"], json!([]));
}

#[test]
fn a_dry_run_says_what_is_in_the_way_and_changes_nothing() {
    let house = House::new();
    let hash = htpasswd(&["-nbB", "x", OLD]);
    let hash = hash.trim().trim_start_matches("x:");
    house.file(
        "users.csv",
        &format!(
            "username,password,email\ncarol,{hash},carol@example.com\nada,{hash},\n\
             two words,{hash},\neve,hunter2hunter2,CAROL@example.com\n"
        ),
    );
    for arguments in [&["users.csv", "--dry-run"][..], &["users.csv"]] {
        let stopped = house.import(arguments);
        assert_eq!(stopped.code, Some(1));
        for told in [
            "users.csv:3: ada: there is already a user of this name\n",
            "users.csv:4: \"two words\": the user name is not acceptable: it holds ' '",
            "users.csv:5: eve: the same e-mail address is above, at 2; the password",
            "--on-conflict skip",
            "--without-password",
            "1 user can be added, 0 updated, 0 left alone, 3 refused",
        ] {
            assert!(stopped.out.contains(told), "{told}\n{}", stopped.out);
        }
        assert!(!stopped.out.contains("hunter2"), "{}", stopped.out);
        assert!(stopped.err.contains("--skip-refused"), "{}", stopped.err);
        assert_eq!(house.status("carol", OLD), 401);
    }
    let arguments = [
        "users.csv",
        "--skip-refused",
        "--on-conflict",
        "skip",
        "--json",
    ];
    let dry = house.import(&[&arguments[..], &["--dry-run"]].concat());
    let dry: Value = serde_json::from_str(&dry.expect_success().out).unwrap();
    let done = house.import(&arguments).expect_success();
    let done: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        (&dry["imported"], &done["imported"]),
        (&json!(false), &json!(true))
    );
    for facts in [&dry, &done] {
        assert_eq!(facts["added"], 1);
        assert_eq!(facts["skipped"][0]["name"], "ada");
        assert_eq!(facts["refused"][1]["place"], 5);
        assert_eq!(facts["schemes"][0]["scheme"], "bcrypt");
    }
    house.sign_in(&["carol"]);
}

#[test]
fn an_update_gives_the_password_of_the_file_and_ends_the_sessions() {
    let house = House::new();
    let before = crate::support::sign_in(&house.gateway, "ada");
    let line = htpasswd(&["-nbB", "ada", OLD]);
    house.file("htpasswd", &line);
    let done = house
        .import(&["htpasswd", "--on-conflict", "update"])
        .expect_success();
    assert!(done.out.contains("updated 1"), "{}", done.out);
    house.sign_in(&["ada"]);
    let refused = crate::support::refresh(&house.gateway, &before.refresh);
    assert_eq!(refused.status, 401);
    let shown = house.shown("ada");
    assert_eq!(shown["email"], "ada@example.com", "the file tells of none");
}

#[test]
fn what_cannot_be_read_says_where_and_why() {
    let house = House::new();
    fs::write(
        house.folder().join("latin1.csv"),
        b"username,password\nJ\xfcrgen,x\n",
    )
    .unwrap();
    house.file("letter.txt", "Dear all,\n");
    house.file("users.csv", "id,mail,hash\n");
    house.file("users.json", "[\n{\"username\": oops}]");
    for (arguments, told) in [
        (&["latin1.csv"][..], "latin1.csv:2: this is not UTF-8"),
        (&["letter.txt"], "--format"),
        (&["users.csv"], "--columns name=mail"),
        (&["users.json"], "users.json:2: this is not JSON"),
        (&["users.csv", "--table", "x"], "--table is for SQLite"),
        (&["nothing.csv"], "nothing.csv"),
        (&["."], "folder"),
        (&["users.csv", "--columns", "colour=x"], "colour"),
    ] {
        let finished = house.import(arguments);
        assert!(matches!(finished.code, Some(1 | 2)), "{arguments:?}");
        assert!(finished.err.contains(told), "{told}: {}", finished.err);
    }
    let piped = house.gateway.command(
        &["user", "import", "-"],
        "eve:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n",
    );
    piped.expect_success();
    assert_eq!(house.status("eve", "password"), 200);
}

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

#[test]
fn names_that_others_chose_do_nothing_in_a_terminal() {
    let house = House::new();
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
    let escaped = json!(HOSTILE);
    let model = format!(
        r#"[{{"model": {escaped}, "fields": {{}}}},
            {{"model": "auth.user", "fields": {{"username": {escaped}, "password": "x"}}}}]"#
    );
    house.file("django.json", &model);
    let headings = format!("username,password,\"{HOSTILE}\"\n\"a{HOSTILE}\",{hash},x\n");
    house.file("odd.csv", &headings);
    let file = format!("odd{HOSTILE}.csv");
    house.file(&file, "username,password\nada,x\n");
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
