//! Passwords are peppered, and not any more: who signs in, who does not, and what it all hangs on.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::admin_api;
use crate::support::{
    Gateway, PASSWORD, Request, Setup, Tokens, Upstream, refresh, sign_in, wait_until,
};

const A_MOMENT: Duration = Duration::from_secs(60);
const ON: &str = "[passwords]\npepper = true\n";
/// How our hashes begin that are peppered.
const PEPPERED: &str = "$argon2id$v=19$m=19456,t=2,p=1,keyid=";
/// Those that are not.
const BARE: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

fn stored(gateway: &Gateway, name: &str) -> String {
    let database = rusqlite::Connection::open(gateway.file("vestibule.db")).unwrap();
    let sql = "SELECT password_hash FROM users WHERE name = ?1";
    let hash = database.query_row(sql, [name], |row| row.get(0));
    hash.unwrap()
}

fn wait_for_hash(gateway: &Gateway, name: &str, beginning: &str) {
    wait_until("the new hash", A_MOMENT, || {
        stored(gateway, name).starts_with(beginning)
    });
}

fn status(gateway: &Gateway, name: &str, password: &str) -> u16 {
    let body = json!({"username": name, "password": password});
    let request = Request::post("/vestibule/login").json(&body);
    request.send(gateway).status
}

#[test]
fn a_pepper_is_put_in_and_taken_out_at_the_next_sign_in() {
    let upstream = Upstream::start();
    let setup = Setup::in_front_of(&upstream);
    // The user is added before the gateway starts.
    let gateway = setup.clone().section(ON).start();
    let first = stored(&gateway, "ada");
    assert!(first.starts_with(PEPPERED), "{first}");
    let tokens = sign_in(&gateway, "ada");
    assert_eq!(status(&gateway, "ada", "wrong"), 401);
    assert_eq!(stored(&gateway, "ada"), first, "it is as new ones are");

    gateway.configure(&setup);
    gateway.reload();
    sign_in(&gateway, "ada");
    wait_for_hash(&gateway, "ada", BARE);
    sign_in(&gateway, "ada");
    assert_eq!(status(&gateway, "ada", "wrong"), 401);

    gateway.configure(&setup.clone().section(ON));
    gateway.reload();
    sign_in(&gateway, "ada");
    wait_for_hash(&gateway, "ada", PEPPERED);
    gateway.command(&["key", "reseal"], "").expect_success();
    let gateway = gateway.restart();
    sign_in(&gateway, "ada");
    let tokens = Tokens::of(&refresh(&gateway, &tokens.refresh));

    let new = "another password of mine";
    let change = json!({"current_password": PASSWORD, "new_password": new});
    let request = Request::post("/vestibule/password").bearer(&tokens.access);
    assert_eq!(request.json(&change).send(&gateway).status, 200);
    assert!(stored(&gateway, "ada").starts_with(PEPPERED));
    assert_eq!(status(&gateway, "ada", new), 200);
    let changed = gateway.command(&["user", "passwd", "ada"], &format!("{PASSWORD}\n"));
    changed.expect_success();
    assert!(stored(&gateway, "ada").starts_with(PEPPERED));
    sign_in(&gateway, "ada");
}

#[test]
fn without_its_seed_a_database_lets_nobody_in_who_has_a_peppered_password() {
    let upstream = Upstream::start();
    let audit = "[observe.audit_log]\nto = \"audit.log\"\n";
    for section in [ON, ""] {
        let setup = Setup::in_front_of(&upstream).section(audit);
        let gateway = setup.clone().section(ON).start();
        sign_in(&gateway, "ada");
        let hash = stored(&gateway, "ada");
        let database = rusqlite::Connection::open(gateway.file("vestibule.db")).unwrap();
        let taken = database.execute("DELETE FROM keys WHERE purpose = 'seed'", []);
        assert_eq!(taken.unwrap(), 1);
        gateway.configure(&setup.section(section));
        // Another one is made.
        let gateway = gateway.restart();
        assert_eq!(status(&gateway, "ada", PASSWORD), 401);
        assert_eq!(stored(&gateway, "ada"), hash);
        wait_until("the event", A_MOMENT, || {
            let log = fs::read_to_string(gateway.file("audit.log")).unwrap();
            log.contains("\"reason\":\"unsupported_hash\"")
        });
        let arguments = ["user", "passwd", "ada"];
        let changed = gateway.command(&arguments, &format!("{PASSWORD}\n"));
        changed.expect_success();
        sign_in(&gateway, "ada");
    }
}

#[test]
fn a_weak_hash_is_peppered_when_it_is_imported_and_one_that_is_peppered_already_is_refused() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).section(ON).start();
    // hashlib.md5(b"password")
    let users = "username,password\nold,5f4dcc3b5aa765d61d8327deb882cf99\n";
    fs::write(gateway.file("users.csv"), users).unwrap();
    let imported = gateway.command(&["user", "import", "users.csv"], "");
    imported.expect_success();
    let hash = stored(&gateway, "old");
    assert!(
        hash.starts_with("$wrap$md5$") && hash.contains(",keyid="),
        "{hash}"
    );
    assert_eq!(status(&gateway, "old", "passwort"), 401);
    assert_eq!(status(&gateway, "old", "password"), 200);
    wait_for_hash(&gateway, "old", PEPPERED);
    assert_eq!(status(&gateway, "old", "password"), 200);

    let peppered = stored(&gateway, "old");
    let users = format!("username,password\nnew,\"{peppered}\"\n");
    fs::write(gateway.file("users.csv"), users).unwrap();
    let refused = gateway.command(&["user", "import", "users.csv"], "");
    assert_eq!(refused.code, Some(1));
    let why = "it is no whole argon2id hash";
    assert!(refused.out.contains(why), "{}", refused.out);
}

#[test]
fn the_seed_is_listed_and_can_neither_be_rotated_nor_revoked() {
    let upstream = Upstream::start();
    let gateway = admin_api::started(&upstream);
    let listed = || {
        let keys = gateway.command(&["key", "list", "--json"], "");
        let keys: Value = serde_json::from_str(&keys.expect_success().out).unwrap();
        let seeds = keys.as_array().unwrap().iter();
        let seeds: Vec<_> = seeds.filter(|key| key["purpose"] == "seed").collect();
        assert_eq!(seeds.len(), 1);
        seeds[0].clone()
    };
    let before = listed();
    assert_eq!(before["algorithm"], "HKDF-SHA256");
    let kid = before["kid"].as_str().unwrap();
    for arguments in [["revoke", "--yes", kid], ["rotate", "--now", "seed"]] {
        let refused = gateway.command(&[&["key"], &arguments[..]].concat(), "");
        assert_eq!(refused.code, Some(1));
        let why = "whoever has a peppered password could not sign in without it";
        assert!(refused.err.contains(why), "{}", refused.err);
    }
    let path = format!("/keys/{kid}");
    let order = json!({"purposes": ["seed"]});
    for (method, path, body) in [
        ("DELETE", &*path, None),
        ("POST", "/keys/rotate", Some(order)),
    ] {
        let answer = admin_api::call(&gateway, method, path, body);
        assert_eq!(answer.status, 409, "{}", answer.text());
        assert!(answer.text().contains("the seed stays as it is"));
    }
    gateway.command(&["key", "rotate"], "").expect_success();
    assert_eq!(listed(), before);
}
