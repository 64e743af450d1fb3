//! The command line: checking a configuration, looking after users, the demo.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    Gateway, PASSWORD, Request, Setup, Tokens, Upstream, curl, refresh, sign_in, signal, vestibule,
    wait_until,
};

fn check(config: &str) -> (Option<i32>, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("config.toml"), config).unwrap();
    let finished = vestibule(folder.path(), &["check", "--config", "config.toml"], "");
    (finished.code, finished.out + &finished.err)
}

#[test]
fn check_accepts_a_good_configuration() {
    let (code, said) = check(
        &Setup::new()
            .route("/", "http://127.0.0.1:3000", "signed-in", "")
            .to_toml(),
    );
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn check_tells_of_all_files_at_once() {
    let route = "[[routes]]\nupstream = \"http://127.0.0.1:3000\"\n";
    let (code, said) = check(&format!(
        "[server]\nlisten = \"https://127.0.0.1:8443\"\npublic_url = \"https://a.example\"\n\
         tls = {{ cert = \"cert.pem\", key = \"key.pem\" }}\nadmin_token_file = \"token\"\n{route}"
    ));
    assert_eq!(code, Some(1), "{said}");
    for line in ["server.tls.cert: cert.pem ", "server.admin_token_file: "] {
        assert!(said.lines().any(|told| told.starts_with(line)), "{said}");
    }
    let (code, said) = check(&format!(
        "{route}[storage]\nurl = \"sqlite:d/v.db\"\n[observe]\naccess_log.to = \"l/a.log\"\n"
    ));
    assert_eq!(code, Some(0), "systemd may make them at the start: {said}");
    for (option, folder) in [("storage.url", "d"), ("observe.access_log.to", "l")] {
        let warning = format!("warning: {option}: there is no folder {folder}\n");
        assert!(said.contains(&warning), "{said}");
    }
}

#[test]
fn check_tells_all_that_is_wrong_with_its_line() {
    let config = r#"[server]
listen = "127.0.0.1"
public_url = "http://app.example.com"
colour = "blue"

[[routes]]
path = "/a b"
upstream = "ftp://127.0.0.1:3000"
allow = "everybody"

[tokens]
access_ttl = "5 minutes"

[storage]
url = "mysql:x"
"#;
    let (code, said) = check(config);
    assert_eq!(code, Some(1), "{said}");
    for (line, key) in [
        (2, "listen"),
        (3, "public_url"),
        (4, "colour"),
        (7, "path"),
        (8, "upstream"),
        (9, "allow"),
        (12, "access_ttl"),
        (15, "url"),
    ] {
        let place = format!("config.toml:{line}:");
        let told = said
            .lines()
            .any(|told| told.contains(&place) && told.contains(key));
        assert!(told, "line {line}, {key}:\n{said}");
    }
}

#[test]
fn check_says_what_is_no_toml_and_what_is_no_file() {
    let (code, said) = check("[server\nlisten = 1");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("config.toml:1"), "{said}");
    let folder = TempDir::new().unwrap();
    let missing = vestibule(folder.path(), &["check", "--config", "nothing.toml"], "");
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("nothing.toml"), "{}", missing.err);
    let serve = vestibule(folder.path(), &["serve", "--config", "nothing.toml"], "");
    assert_eq!(serve.code, Some(1));
    let usage = vestibule(folder.path(), &["no-such-command"], "");
    assert_eq!(usage.code, Some(2));
}

#[test]
fn the_environment_overrides_the_file() {
    let folder = TempDir::new().unwrap();
    let config = Setup::new()
        .route("/", "http://127.0.0.1:3000", "signed-in", "")
        .to_toml();
    fs::write(folder.path().join("config.toml"), config).unwrap();
    let check_with = |name: &str, value: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["check", "--config", "config.toml"])
            .current_dir(folder.path())
            .env(name, value)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (
            output.status.code(),
            said + &String::from_utf8_lossy(&output.stdout),
        )
    };
    assert_eq!(
        check_with("VESTIBULE_TOKENS__ACCESS_TTL", "\"2m\"").0,
        Some(0)
    );
    let (code, said) = check_with("VESTIBULE_TOKENS__ACCESS_TTL", "\"never\"");
    assert_eq!(code, Some(1));
    assert!(said.contains("VESTIBULE_TOKENS__ACCESS_TTL"), "{said}");
    let (code, said) = check_with("VESTIBULE_SERVER__COLOUR", "\"blue\"");
    assert_eq!(code, Some(1), "{said}");
}

#[test]
fn users_are_added_listed_and_shown() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    add_grace(&gateway);
    assert!(
        signs_in(&gateway, PASSWORD),
        "a running gateway knows her at once"
    );
    let listed = user(&gateway, &["list", "--json"], "");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let listed = listed.to_string();
    assert!(
        listed.contains("\"ada\"") && listed.contains("\"grace\""),
        "{listed}"
    );
    let shown = user(&gateway, &["show", "grace"], "");
    assert!(
        shown.contains("Grace@example.com") && shown.contains("ops"),
        "{shown}"
    );
    assert!(!shown.contains("argon2"), "{shown}");
}

#[test]
fn users_are_changed_disabled_and_removed() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    add_grace(&gateway);
    let other = "a different long phrase";
    user(&gateway, &["passwd", "grace"], &format!("{other}\n"));
    assert!(!signs_in(&gateway, PASSWORD));
    assert!(signs_in(&gateway, other));

    let changes = [
        "set",
        "grace",
        "--display-name",
        "Grace Hopper",
        "--group",
        "navy",
    ];
    user(&gateway, &changes, "");
    let shown = user(&gateway, &["show", "grace"], "");
    assert!(
        shown.contains("Grace Hopper") && shown.contains("navy"),
        "{shown}"
    );

    user(&gateway, &["disable", "grace"], "");
    assert!(!signs_in(&gateway, other));
    user(&gateway, &["enable", "grace"], "");
    assert!(signs_in(&gateway, other));
    user(&gateway, &["remove", "grace", "--yes"], "");
    assert!(!signs_in(&gateway, other));
    let gone = gateway.command(&["user", "show", "grace"], "");
    assert_eq!(gone.code, Some(1));
}

fn user(gateway: &Gateway, arguments: &[&str], input: &str) -> String {
    let arguments = [&["user"], arguments].concat();
    gateway.command(&arguments, input).expect_success().out
}

fn add_grace(gateway: &Gateway) {
    let arguments = [
        "add",
        "Grace",
        "--group",
        "ops",
        "--email",
        "Grace@Example.com",
    ];
    user(gateway, &arguments, &format!("{PASSWORD}\n"));
}

fn signs_in(gateway: &Gateway, password: &str) -> bool {
    let body = serde_json::json!({"username": "grace", "password": password});
    let answer = Request::post("/vestibule/login").json(&body).send(gateway);
    answer.status == 200
}

#[test]
fn what_changes_a_user_reaches_their_sessions_at_the_next_refresh() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .user("bob", &[])
        .user("carol", &[])
        .user("dora", &[])
        .start();
    let password = format!("{PASSWORD}\n");
    let ends: [(&[&str], &str, &str); 3] = [
        (&["disable", "ada"], "ada", ""),
        (&["passwd", "bob"], "bob", &password),
        (&["remove", "carol", "--yes"], "carol", ""),
    ];
    let other = sign_in(&gateway, "dora");
    for (arguments, name, input) in ends {
        let tokens = sign_in(&gateway, name);
        user(&gateway, arguments, input);
        let refused = refresh(&gateway, &tokens.refresh);
        let told = (refused.status, refused.error());
        assert_eq!(told, (401, "invalid_grant".to_owned()), "{name}");
        let call = Request::get("/").bearer(&tokens.access).send(&gateway);
        assert_eq!(call.error(), "token_revoked", "{name}");
    }
    user(&gateway, &["set", "dora", "--group", "navy"], "");
    let renewed = Tokens::of(&refresh(&gateway, &other.refresh));
    let call = Request::get("/").bearer(&renewed.access).send(&gateway);
    assert_eq!(call.status, 200);
    let groups = upstream.last();
    assert_eq!(groups.head.all("x-forwarded-groups"), ["navy"]);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn wrong_user_commands_say_why_and_change_nothing() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let line = format!("{PASSWORD}\n");
    let cases: [(&[&str], &str, i32); 8] = [
        (&["user", "add", "ada"], &line, 1),
        (&["user", "add", "ADA"], &line, 1),
        (
            &["user", "add", "bob", "--email", "ada@example.com"],
            &line,
            1,
        ),
        (&["user", "add", "bad name"], &line, 1),
        (&["user", "add", "bob", "--group", "a,b"], &line, 1),
        (&["user", "add", "bob"], "short\n", 1),
        (&["user", "remove", "nobody", "--yes"], "", 1),
        (&["user", "add"], "", 2),
    ];
    for (arguments, input, code) in cases {
        let finished = gateway.command(arguments, input);
        let usage = code == 1 && finished.code == Some(2);
        assert!(
            finished.code == Some(code) || usage,
            "{arguments:?}: {:?} {}",
            finished.code,
            finished.err
        );
        assert!(
            !finished.err.trim().is_empty(),
            "{arguments:?} says nothing"
        );
        assert!(!finished.err.contains("panicked"), "{}", finished.err);
    }
    let listed = gateway.command(&["user", "list"], "").expect_success().out;
    assert!(
        listed.contains("ada") && !listed.contains("bob"),
        "{listed}"
    );
}

#[test]
fn memory_storage_refuses_commands_that_would_change_it() {
    let folder = TempDir::new().unwrap();
    let config = Setup::new()
        .route("/", "http://127.0.0.1:3000", "signed-in", "")
        .to_toml()
        .replace("sqlite:vestibule.db", "memory:");
    fs::write(folder.path().join("config.toml"), config).unwrap();
    let arguments = ["user", "add", "ada", "--config", "config.toml"];
    let refused = vestibule(folder.path(), &arguments, &format!("{PASSWORD}\n"));
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("memory"), "{}", refused.err);
}

#[test]
fn the_demo_tells_an_address_a_password_and_three_lines_that_work() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_vestibule"))
        .arg("demo")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(demo.stdout.take().unwrap());
    let told: Vec<String> = stdout
        .by_ref()
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.contains("Ctrl-C"))
        .map(|line| line.trim().to_owned())
        .collect();
    let is_command = |line: &&String| line.starts_with("curl ") || line.starts_with("TOKEN=");
    let script: Vec<&str> = told.iter().filter(is_command).map(String::as_str).collect();
    let ran = Command::new("bash")
        .args(["-c", &script.join("\n")])
        .output();
    signal(demo.id(), "TERM");
    let mut status = None;
    wait_until("the demo to end", Duration::from_secs(30), || {
        status = demo.try_wait().unwrap();
        status.is_some()
    });
    let output = String::from_utf8_lossy(&ran.unwrap().stdout).to_ascii_lowercase();
    assert_eq!(script.len(), 3, "{told:#?}");
    assert!(output.contains(" 401 "), "{told:#?}\n{output}");
    assert!(
        output.contains("x-forwarded-user: ada"),
        "{told:#?}\n{output}"
    );
    assert!(status.is_some_and(|status| status.success()));
}

#[test]
fn the_admin_listener_has_health_and_nothing_of_the_app() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .start();
    let ask = |request: Request| {
        let mut connection = gateway.connect_admin();
        connection.send(request.to_bytes());
        connection.answer().status
    };
    assert_eq!(ask(Request::get("/healthz")), 200);
    assert_eq!(ask(Request::get("/readyz")), 200);
    assert_eq!(ask(Request::post("/readyz")), 405);
    assert_eq!(ask(Request::get("/")), 404);
    assert_eq!(ask(Request::get("/vestibule/login")), 404);
    assert_eq!(upstream.count(), 0);
    assert_eq!(
        Request::get("/readyz").send(&gateway).status,
        200,
        "the app's own"
    );
    assert_eq!(upstream.count(), 1);
    assert!(
        curl(&[&format!("{}/readyz", gateway.url())])
            .expect_success()
            .out
            .starts_with("GET /readyz")
    );
}

#[test]
fn a_database_that_cannot_be_used_is_named() {
    let folder = TempDir::new().unwrap();
    let config = Setup::new().route("/", "http://127.0.0.1:3000", "signed-in", "");
    fs::write(folder.path().join("config.toml"), config.to_toml()).unwrap();
    fs::write(
        folder.path().join("vestibule.db"),
        "no database. ".repeat(100),
    )
    .unwrap();
    for arguments in [&["serve"][..], &["user", "list"]] {
        let finished = vestibule(folder.path(), arguments, "");
        assert_eq!(finished.code, Some(1), "{arguments:?}");
        let why = &finished.err;
        assert!(
            why.contains("sqlite:") && why.contains("vestibule.db"),
            "{why}"
        );
        assert!(
            why.contains("not a database") && !why.contains("panicked"),
            "{why}"
        );
    }
}
