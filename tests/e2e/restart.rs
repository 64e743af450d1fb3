//! A restart costs nobody a session and gives nobody one back.

use crate::support::{Gateway, Request, Tokens, Upstream, browser_sign_in, refresh, sign_in};

fn call(gateway: &Gateway, tokens: &Tokens) -> u16 {
    Request::get("/")
        .bearer(&tokens.access)
        .send(gateway)
        .status
}

#[test]
fn t_36_both_tokens_and_the_cookies_live_on() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let cookies = browser_sign_in(&gateway, "ada");
    let gateway = gateway.restart();
    assert_eq!(call(&gateway, &tokens), 200);
    assert_eq!(
        Request::get("/")
            .header("Cookie", &cookies)
            .send(&gateway)
            .status,
        200
    );
    let renewed = Tokens::of(&refresh(&gateway, &tokens.refresh));
    assert_eq!(renewed.session, tokens.session);
    let gateway = gateway.restart();
    let again = Tokens::of(&refresh(&gateway, &tokens.refresh));
    assert_eq!(
        again.refresh, renewed.refresh,
        "the lost answer comes again, the same"
    );
}

#[test]
fn t_36_what_was_ended_stays_ended() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let ended = sign_in(&gateway, "ada");
    let alive = sign_in(&gateway, "ada");
    let out = Request::post("/vestibule/logout")
        .bearer(&ended.access)
        .send(&gateway);
    assert_eq!(out.status, 204);
    let gateway = gateway.restart();
    assert_eq!(call(&gateway, &ended), 401);
    assert_eq!(refresh(&gateway, &ended.refresh).status, 401);
    assert_eq!(call(&gateway, &alive), 200);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn the_database_and_its_key_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    sign_in(&gateway, "ada");
    let folder = gateway.file("");
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != "config.toml" {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
        }
    }
}

#[test]
fn a_store_with_sessions_from_the_future_is_warned_about() {
    const WARNING: &str = "the store holds sessions from the future";
    let upstream = Upstream::start();
    let mut gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    gateway = gateway.restart();
    assert!(!gateway.log().contains(WARNING), "{}", gateway.log());
    let database = rusqlite::Connection::open(gateway.file("vestibule.db")).unwrap();
    let hour_on = "UPDATE sessions SET last_seen_at = last_seen_at + 3600000";
    assert_eq!(database.execute(hour_on, []).unwrap(), 1);
    drop(database);
    gateway = gateway.restart();
    assert!(gateway.log().contains(WARNING), "{}", gateway.log());
    let call = Request::get("/").bearer(&tokens.access).send(&gateway);
    assert_eq!(call.status, 200, "a warning, and no more");
}
