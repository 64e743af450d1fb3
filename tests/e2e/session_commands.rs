//! The command line about what lives: sessions, keys, and whether the gateway is ready.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Gateway, Request, Setup, Tokens, Upstream, refresh, sign_in, vestibule};

fn list(gateway: &Gateway, more: &[&str]) -> Vec<Value> {
    let arguments = [&["session", "list", "--json"], more].concat();
    let listed = gateway.command(&arguments, "").expect_success().out;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    listed.as_array().unwrap().clone()
}

fn revoke(gateway: &Gateway, which: &[&str]) -> String {
    let arguments = [&["session", "revoke"], which].concat();
    gateway.command(&arguments, "").expect_success().out
}

fn refreshes(gateway: &Gateway, tokens: &Tokens) -> bool {
    match refresh(gateway, &tokens.refresh) {
        answer if answer.status == 200 => true,
        answer => {
            assert_eq!(answer.error(), "invalid_grant");
            false
        }
    }
}

#[test]
fn sessions_are_listed_of_one_or_of_all() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).user("eve", &[]).start();
    let nobody = gateway.command(&["session", "list"], "").expect_success();
    assert!(nobody.out.contains("nobody is signed in"), "{}", nobody.out);
    let (ada, eve) = (sign_in(&gateway, "ada"), sign_in(&gateway, "eve"));

    assert_eq!(list(&gateway, &[]).len(), 2);
    let of_ada = list(&gateway, &["--user", "ada"]);
    assert_eq!(of_ada.len(), 1);
    assert_eq!(of_ada[0]["id"], ada.session.as_str());
    assert_eq!(of_ada[0]["user"], "ada");
    assert_eq!(of_ada[0]["ip"], "127.0.0.1");
    assert_eq!(of_ada[0]["delivery"], "token");
    let table = gateway.command(&["session", "list"], "").expect_success();
    for part in ["SESSION", "LAST SEEN", &ada.session, &eve.session, "eve"] {
        assert!(table.out.contains(part), "{part}:\n{}", table.out);
    }
    let unknown = gateway.command(&["session", "list", "--user", "bob"], "");
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("bob"), "{}", unknown.err);
}

#[test]
fn revoked_sessions_do_not_refresh_and_the_delay_is_told() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).user("eve", &[]).start();
    let [one, two, three] = [(), (), ()].map(|()| sign_in(&gateway, "ada"));
    let eve = sign_in(&gateway, "eve");

    let said = revoke(&gateway, &[&one.session]);
    assert!(
        said.contains(&one.session) && said.contains("of ada"),
        "{said}"
    );
    assert!(said.contains("within about a second"), "{said}");
    assert!(!refreshes(&gateway, &one) && refreshes(&gateway, &two));
    let again = revoke(&gateway, &[&one.session]);
    assert!(again.contains("was over already"), "{again}");

    let said = revoke(&gateway, &["--user", "ada"]);
    assert!(said.contains("ended 2 sessions of ada"), "{said}");
    assert!(!refreshes(&gateway, &three) && refreshes(&gateway, &eve));

    let unsure = gateway.command(&["session", "revoke", "--all"], "");
    assert_eq!(unsure.code, Some(1));
    assert!(unsure.err.contains("--yes"), "{}", unsure.err);
    let said = revoke(&gateway, &["--all", "--yes"]);
    assert!(said.starts_with("ended 1 session: "), "{said}");
    assert!(!refreshes(&gateway, &eve));
    let said = revoke(&gateway, &["--all", "--yes"]);
    assert_eq!(said, "nobody was signed in\n");
    let said = revoke(&gateway, &["--user", "ada"]);
    assert_eq!(said, "ada was not signed in\n");
    assert!(list(&gateway, &[]).is_empty());

    let gateway = gateway.restart();
    for tokens in [&one, &two, &three, &eve] {
        let call = Request::get("/").bearer(&tokens.access).send(&gateway);
        assert_eq!(call.status, 401, "a restart makes it known");
    }
}

#[test]
fn wrong_session_commands_say_why() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let cases: [(&[&str], i32); 6] = [
        (&["revoke", "AAAAAAAAAAAAAAAAAAAAAA"], 1),
        (&["revoke", "-AAAAAAAAAAAAAAAAAAAAA"], 1),
        (&["revoke", "--user", "bob"], 1),
        (&["revoke", "short"], 2),
        (&["revoke"], 2),
        (&["revoke", "--all", "--user", "ada"], 2),
    ];
    for (arguments, code) in cases {
        let arguments = [&["session"], arguments].concat();
        let finished = gateway.command(&arguments, "");
        assert_eq!(finished.code, Some(code), "{arguments:?} {}", finished.err);
        assert!(!finished.err.trim().is_empty(), "{arguments:?}");
    }
}

#[test]
fn keys_are_listed_without_their_secrets() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let listed = gateway.command(&["key", "list", "--json"], "");
    let keys: Value = serde_json::from_str(&listed.expect_success().out).unwrap();
    let keys = keys.as_array().unwrap();
    assert_eq!(keys.len(), 5);
    let public = Request::get("/vestibule/jwks.json").send(&gateway).json();
    for key in public["keys"].as_array().unwrap() {
        let listed = keys.iter().find(|listed| listed["kid"] == key["kid"]);
        assert_eq!(listed.unwrap()["algorithm"], "EdDSA");
    }
    let table = gateway.command(&["key", "list"], "").expect_success().out;
    assert!(table.contains("refresh_mac"), "{table}");
}

#[test]
fn memory_storage_has_nothing_to_list() {
    let folder = TempDir::new().unwrap();
    let config = Setup::new()
        .route("/", "http://127.0.0.1:3000", "signed-in", "")
        .to_toml()
        .replace("sqlite:vestibule.db", "memory:");
    fs::write(folder.path().join("config.toml"), config).unwrap();
    for command in [["session", "list"], ["key", "list"]] {
        let refused = vestibule(folder.path(), &command, "");
        assert_eq!(refused.code, Some(1));
        assert!(refused.err.contains("memory:"), "{}", refused.err);
    }
}

#[test]
fn a_healthcheck_tells_whether_the_gateway_is_ready() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let config = fs::read_to_string(gateway.file("config.toml")).unwrap();
    let port = gateway.admin_address().port();
    let folder = TempDir::new().unwrap();
    let check = |admin: &str| {
        let config = config.replacen(
            "admin_listen = \"127.0.0.1:0\"",
            &format!("admin_listen = \"{admin}\""),
            1,
        );
        fs::write(folder.path().join("config.toml"), config).unwrap();
        vestibule(folder.path(), &["healthcheck"], "")
    };
    for ready in [format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}")] {
        assert_eq!(check(&ready).expect_success().out, "ready\n");
    }
    // The app's listener is up, but it is another one.
    let foreign = check(&gateway.address().to_string());
    let off = check("");
    let unknown = check("127.0.0.1:0");
    drop(gateway);
    let gone = check(&format!("127.0.0.1:{port}"));
    for (said, why) in [
        (foreign, "not ready"),
        (off, "server.admin_listen"),
        (unknown, "port 0"),
        (gone, "does not answer"),
    ] {
        assert_eq!(said.code, Some(1), "{}", said.err);
        assert!(said.err.contains(why), "{why}: {}", said.err);
    }
}
