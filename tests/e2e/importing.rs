//! Users of other apps are imported, and sign in with their old passwords: hashes by the original programs.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Finished, Gateway, Request, Setup, Upstream, htpasswd, make_users, wait_until,
};

pub(crate) const OLD: &str = "an old password, päß";

/// A gateway, and beside its database the files of other apps.
pub(crate) struct House {
    pub(crate) gateway: Gateway,
    _upstream: Upstream,
}

impl House {
    pub(crate) fn new() -> Self {
        let upstream = Upstream::start();
        Self::of(Setup::in_front_of(&upstream), upstream)
    }

    pub(crate) fn of(setup: Setup, upstream: Upstream) -> Self {
        let gateway = setup
            .section("[observe.audit_log]\nto = \"audit.log\"\n")
            .start();
        Self {
            gateway,
            _upstream: upstream,
        }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.gateway.file("")
    }

    pub(crate) fn import(&self, arguments: &[&str]) -> Finished {
        let arguments = [&["user", "import"], arguments].concat();
        let finished = self.gateway.command(&arguments, "");
        for secret in [OLD, "$2", "scrypt:", "pbkdf2_sha256$", "$apr1$"] {
            let said = [&finished.out, &finished.err];
            assert!(!said.iter().any(|said| said.contains(secret)), "{said:?}");
        }
        finished
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn status(&self, name: &str, password: &str) -> u16 {
        let body = json!({"username": name, "password": password});
        let request = Request::post("/vestibule/login").json(&body);
        request.send(&self.gateway).status
    }

    #[track_caller]
    pub(crate) fn sign_in(&self, names: &[&str]) {
        for name in names {
            assert_eq!(self.status(name, OLD), 200, "{name}");
            assert_eq!(self.status(name, "an old password, pass"), 401, "{name}");
        }
    }

    /// What the store keeps of a password.
    pub(crate) fn kept(&self, name: &str) -> String {
        let sql = rusqlite::Connection::open(self.folder().join("vestibule.db")).unwrap();
        let select = "SELECT password_hash FROM users WHERE name = ?1";
        sql.query_row(select, [name], |row| row.get(0)).unwrap()
    }

    pub(crate) fn shown(&self, name: &str) -> Value {
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

#[test]
fn a_hash_that_is_too_cheap_is_not_kept_as_it_was() {
    let house = House::new();
    make_users(&house.folder(), OLD);
    let flask = house.import(&["app.db"]).expect_success();
    let told = "goes on to work; the hash is weak, and is kept inside Argon2id\n";
    assert!(flask.out.contains(told), "{}", flask.out);
    house
        .import(&["django-all.json", "--without-password"])
        .expect_success();
    house.import(&["passlib.csv"]).expect_success();
    house.import(&["passlib.ndjson"]).expect_success();
    let ours = "$argon2id$v=19$m=19456,t=2,p=1$";
    for (name, beginning) in [
        ("flask-scrypt", "$wrap$werkzeug-scrypt$15,8,1,64$"),
        ("flask-pbkdf2", "$wrap$werkzeug-pbkdf2$sha256,1000,32$"),
        ("flask-sha512", "$wrap$werkzeug-pbkdf2$sha512,1000,64$"),
        ("django", "pbkdf2_sha256$1"),
        ("django-pbkdf2_sha1", "$wrap$django-pbkdf2$sha1,"),
        ("django-scrypt", "scrypt$16384$"),
        ("django-md5", "$wrap$salted-md5$1$"),
        ("passlib-pbkdf2", "$wrap$passlib-pbkdf2$sha256,1000,32$"),
        ("passlib-bcrypt", "$wrap$bcrypt$5$"),
        ("passlib-crypt", "$wrap$sha512-crypt$1000$"),
    ] {
        let kept = house.kept(name);
        assert!(kept.starts_with(beginning), "{name}: {kept}");
        assert_eq!(
            kept.contains(ours),
            beginning.starts_with("$wrap$"),
            "{kept}"
        );
    }
    for name in ["flask-scrypt", "passlib-bcrypt", "passlib-crypt"] {
        house.sign_in(&[name]);
        wait_until("a hash of ours", Duration::from_secs(60), || {
            house.kept(name).starts_with(ours)
        });
        house.sign_in(&[name]);
    }
}
