//! Is a copy of the database a way in? Every byte of it is looked at, after sessions of every kind.

use std::fs;

use serde_json::json;

use crate::support::{
    Gateway, PASSWORD, Request, Secrets, Setup, Tokens, Upstream, ask_admin, browser_sign_in,
    cookies_of, find, refresh, sign_in,
};

const NEXT: &str = "the next password of somebody";
const OTHER: &str = "what the administrator chose";
const ADMIN: &str = "b2Ygd2hvZXZlciBsb29rcyBhZnRlciB0aGlzIGdhdGV3YXk=";

/// All files of the database, one after the other: its pages, what waits to be written to them, the index.
fn dump(gateway: &Gateway) -> Vec<u8> {
    let folder = gateway.file("vestibule.db");
    let folder = folder.parent().expect("it is in a folder");
    let mut dump = Vec::new();
    for entry in fs::read_dir(folder).expect("it is ours") {
        let path = entry.expect("it is ours").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if name.starts_with("vestibule.db") && !name.ends_with(".key") {
            dump.extend(fs::read(&path).expect("it is ours"));
        }
    }
    dump
}

/// Signs in and out, refreshes, replays, changes passwords, by token and by cookie.
fn live(gateway: &Gateway, secrets: &mut Secrets) -> Tokens {
    let tokens = secrets.sign_in(gateway, "ada");
    let second = secrets.refresh(gateway, &tokens);
    secrets.refresh(gateway, &tokens);
    let third = secrets.refresh(gateway, &second);
    let out = secrets.sign_in(gateway, "ada");
    Request::post("/vestibule/logout")
        .bearer(&out.access)
        .send(gateway);
    refresh(gateway, &out.refresh);

    let cookies = browser_sign_in(gateway, "ada");
    secrets.add_cookies(&cookies);
    let renewed = Request::post("/vestibule/refresh")
        .same_origin()
        .header("Cookie", &cookies)
        .send(gateway);
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    secrets.add_cookies(&cookies_of(&renewed));

    let hybrid = Request::post("/vestibule/login")
        .same_origin()
        .json(&json!({"username": "ada", "password": PASSWORD, "delivery": "hybrid"}))
        .send(gateway);
    secrets.add_set_cookies(&hybrid);

    for current in [OTHER, PASSWORD] {
        let answer = Request::post("/vestibule/password")
            .bearer(&third.access)
            .json(&json!({"current_password": current, "new_password": NEXT}))
            .send(gateway);
        if answer.status == 200 {
            secrets.add_tokens(&Tokens::of(&answer));
        }
    }
    let body = json!({"password": OTHER});
    let set = Request::new("PUT", "/api/v1/users/eve/password").bearer(ADMIN);
    assert_eq!(ask_admin(gateway, &set.json(&body)).status, 204);
    gateway
        .command(&["user", "passwd", "bob"], &format!("{OTHER}\n"))
        .expect_success();
    secrets.sign_in(gateway, "carol")
}

#[test]
fn t_45_no_byte_of_the_database_is_a_token_a_password_or_a_key() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .user("eve", &[])
        .user("bob", &[])
        .user("carol", &[])
        .admin_token(ADMIN)
        .start();
    let mut secrets = Secrets::default();
    for password in [PASSWORD, NEXT, OTHER] {
        secrets.add("a password", password);
    }
    secrets.add("the admin token", ADMIN);
    secrets.add_keys(&gateway);
    let last = live(&gateway, &mut secrets);
    let before = dump(&gateway);
    let gateway = gateway.restart();
    let after = dump(&gateway);
    for dump in [&before, &after] {
        let is_there = |text: &[u8]| find(dump, text).is_some();
        assert!(is_there(b"ada@example.com") && is_there(b"$argon2id$"));
        secrets.none_in("the database", dump);
    }
    let lives = Request::get("/").bearer(&last.access).send(&gateway);
    assert_eq!(lives.status, 200);
    sign_in(&gateway, "carol");
}

/// The search finds what is there: otherwise it would prove nothing.
#[test]
fn t_45_a_secret_is_found_in_every_form() {
    let mut secrets = Secrets::default();
    secrets.add("the secret", "0123456789abcdefghij");
    for text in [
        "before 0123456789abcdefghij after",
        "30313233343536373839616263646566676869 6a 303132333435363738396162636465666768696a",
        "[48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106]",
        // In base64 after nothing, one and two other bytes.
        "MDEyMzQ1Njc4OWFiY2RlZmdoaWo=",
        "eDAxMjM0NTY3ODlhYmNkZWZnaGlqeA==",
        "eHgwMTIzNDU2Nzg5YWJjZGVmZ2hpanh4",
    ] {
        let looked = std::panic::catch_unwind(|| secrets.none_in("it", text.as_bytes()));
        assert!(looked.is_err(), "{text}");
    }
    secrets.none_in("another text", b"0123456789abcdefghi");
}
