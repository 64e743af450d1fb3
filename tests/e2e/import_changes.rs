//! What an import changes besides passwords is told: groups, and who may sign in no more, or again.

use std::fs;

use serde_json::{Value, json};

use crate::importing::{House, OLD};
use crate::support::{Setup, Upstream, htpasswd};

/// Rows of a table whose password is the old one.
fn table(header: &str, rows: &[&str]) -> String {
    let hash = htpasswd(&["-nbB", "x", OLD]);
    let hash = hash.trim().trim_start_matches("x:");
    let rows = rows.iter().map(|row| row.replace("HASH", hash) + "\n");
    format!("{header}\n{}", rows.collect::<String>())
}

fn disable(house: &House, name: &str) {
    let arguments = ["user", "disable", name];
    house.gateway.command(&arguments, "").expect_success();
}

#[test]
fn groups_that_are_given_and_taken_are_told_with_what_they_open() {
    let upstream = Upstream::start();
    let setup = Setup::in_front_of(&upstream)
        .route("/admin", &upstream.url(), "{ groups = [\"admins\"] }", "")
        .user("eve", &["--group", "ops", "--group", "dev"]);
    let house = House::of(setup, upstream);
    let rows = ["ann,HASH,wheel;dev", "bob,HASH,admins;dev", "eve,HASH,dev"];
    house.file("users.csv", &table("username,password,groups", &rows));
    let update = ["users.csv", "--on-conflict", "update"];
    let told = [
        "groups that they get into: 3\n  \
           GROUP   USERS  WHO       NAMED IN THE RULE OF ROUTE\n  \
           admins  1      bob       /admin\n  \
           dev     2      ann, bob  -\n  \
           wheel   1      ann       -\n",
        "groups that they get out of: 1\n",
        "  ops    1      eve  -\n",
    ];
    let dry = house.import(&[&update[..], &["--dry-run"]].concat());
    let json = house.import(&[&update[..], &["--dry-run", "--json"]].concat());
    let done = house.import(&update).expect_success();
    for said in [&dry.out, &done.out] {
        for part in told {
            assert!(said.contains(part), "{part}\n{said}");
        }
    }
    let json: Value = serde_json::from_str(&json.expect_success().out).unwrap();
    assert_eq!(
        json["groups_gained"][0],
        json!({"group": "admins", "users": ["bob"], "routes": ["/admin"]})
    );
    assert_eq!(json["groups_lost"][0]["users"], json!(["eve"]));
}

#[test]
fn a_disabled_user_is_let_in_again_only_by_a_file_that_says_so_and_is_named() {
    let house = House::new();
    disable(&house, "ada");
    house.file("silent.csv", &table("username,password", &["ada,HASH"]));
    let unlocked = table("username,password,locked", &["ada,HASH,0"]);
    house.file("unlocked.csv", &unlocked);
    let torn = table("username,password,active,banned", &["ada,HASH,1,1"]);
    house.file("torn.csv", &torn);
    for file in ["silent.csv", "unlocked.csv", "torn.csv"] {
        let arguments = [file, "--on-conflict", "update"];
        let done = house.import(&arguments).expect_success();
        let told = "still disabled: disabled here, and the file does not say that they are active: 1\n  ada\n";
        assert!(done.out.contains(told), "{}", done.out);
        assert!(!done.out.contains("enabled again"), "{}", done.out);
        assert_eq!(house.status("ada", OLD), 401, "{file}");
        assert_eq!(house.shown("ada")["disabled"], true, "{file}");
    }
    let active = table("username,password,active,banned", &["ada,HASH,1,0"]);
    house.file("active.csv", &active);
    let arguments = ["active.csv", "--on-conflict", "update"];
    let dry = house.import(&[&arguments[..], &["--dry-run"]].concat());
    assert_eq!(house.shown("ada")["disabled"], true, "a dry run");
    let done = house.import(&arguments).expect_success();
    for said in [&dry.out, &done.out] {
        let told =
            "enabled again: disabled here, and the file says that they are active: 1\n  ada\n";
        assert!(said.contains(told), "{said}");
    }
    house.sign_in(&["ada"]);
    let log = fs::read_to_string(house.folder().join("audit.log")).unwrap();
    assert!(log.contains("\"user_enabled\""), "{log}");
}

#[test]
fn users_whom_the_file_shuts_out_are_named() {
    let house = House::new();
    let rows = ["ada,HASH,1,0", "ann,HASH,0,1", "bob,HASH,1,1"];
    let table = table("username,password,is_active,enabled", &rows);
    house.file("users.csv", &table);
    let arguments = ["users.csv", "--on-conflict", "update"];
    let done = house.import(&arguments).expect_success();
    for told in [
        "taken: name = username, password = password, active = is_active, active = enabled\n",
        "disabled from now on, as the file has them: 1\n  ada\n",
        "new, and disabled, as the file has them: 1\n  ann\n",
    ] {
        assert!(done.out.contains(told), "{told}\n{}", done.out);
    }
    house.sign_in(&["bob"]);
    for name in ["ada", "ann"] {
        assert_eq!(house.status(name, OLD), 401, "{name}");
    }
    let log = fs::read_to_string(house.folder().join("audit.log")).unwrap();
    assert_eq!(log.matches("\"user_disabled\"").count(), 1, "{log}");
}

#[test]
fn a_column_that_is_left_out_because_another_was_named_is_told() {
    let house = House::new();
    let table = table("username,password,banned,deleted", &["ann,HASH,0,1"]);
    house.file("users.csv", &table);
    let named = ["users.csv", "--dry-run", "--columns", "disabled=banned"];
    let told = "  left out, as --columns names others of their kind: deleted\n";
    let dry = house.import(&named).expect_success();
    assert!(dry.out.contains(told), "{}", dry.out);
    let json = house.import(&[&named[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&json.expect_success().out).unwrap();
    assert_eq!(json["left_out_columns"], json!(["deleted"]));
    let all = house.import(&["users.csv", "--dry-run"]).expect_success();
    assert!(!all.out.contains("left out"), "{}", all.out);
}

#[test]
fn whoever_a_rule_names_and_who_is_new_or_enabled_again_is_told_with_what_it_opens() {
    let upstream = Upstream::start();
    let rule = "{ users = [\"ada\", \"root\", \"eve\"] }";
    let setup = Setup::in_front_of(&upstream)
        .route("/admin", &upstream.url(), rule, "")
        .user("eve", &[]);
    let house = House::of(setup, upstream);
    disable(&house, "ada");
    let rows = ["ada,HASH,1", "root,HASH,1", "bob,HASH,1", "eve,HASH,1"];
    let table = table("username,password,active", &rows);
    house.file("users.csv", &table);
    let update = ["users.csv", "--on-conflict", "update"];
    let dry = house.import(&[&update[..], &["--dry-run"]].concat());
    let json = house.import(&[&update[..], &["--dry-run", "--json"]].concat());
    let done = house.import(&update).expect_success();
    for said in [&dry.out, &done.out] {
        let told = "new or enabled again, and named in rules: 2\n  \
               USER  NAMED IN THE RULE OF ROUTE\n  \
               ada   /admin\n  \
               root  /admin\n";
        assert!(said.contains(told), "{said}");
    }
    let json: Value = serde_json::from_str(&json.expect_success().out).unwrap();
    assert_eq!(
        json["named_in_rules"],
        json!([
            {"user": "ada", "routes": ["/admin"]},
            {"user": "root", "routes": ["/admin"]}
        ])
    );
}
