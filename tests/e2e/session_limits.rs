//! How many sessions a user may have at once, and which ones end when there are more.

use serde_json::{Value, json};

use crate::support::{
    Gateway, PASSWORD, Request, Setup, Tokens, Upstream, browser_sign_in, cookies_of, refresh,
    sign_in,
};

fn gateway(upstream: &Upstream, most: usize) -> Gateway {
    Setup::in_front_of(upstream)
        .section(&format!("[sessions]\nmax_per_user = {most}"))
        .section("[observe]\naudit_log.to = \"audit.log\"")
        .user("bob", &[])
        .start()
}

fn call(gateway: &Gateway, tokens: &Tokens) -> u16 {
    let request = Request::get("/").bearer(&tokens.access);
    request.send(gateway).status
}

fn is_signed_in(gateway: &Gateway, cookies: &str) -> bool {
    let request = Request::get("/").header("Cookie", cookies);
    request.send(gateway).status == 200
}

#[test]
fn t_52_a_sign_in_beyond_the_limit_ends_the_longest_idle_session() {
    let upstream = Upstream::start();
    let mut gateway = gateway(&upstream, 5);
    let robot = sign_in(&gateway, "bob");
    let mut sessions: Vec<Tokens> = (0..5).map(|_| sign_in(&gateway, "ada")).collect();
    for tokens in &mut sessions {
        *tokens = Tokens::of(&refresh(&gateway, &tokens.refresh));
    }
    let first = sessions.remove(0);
    sessions.push(sign_in(&gateway, "ada"));

    assert_eq!(call(&gateway, &first), 401, "at once");
    assert_eq!(upstream.count(), 0);
    let refused = refresh(&gateway, &first.refresh);
    assert_eq!(
        (refused.status, refused.error()),
        (401, "invalid_grant".to_owned())
    );
    for tokens in sessions.iter().chain([&robot]) {
        assert_eq!(call(&gateway, tokens), 200);
    }
    let evicted = |gateway: &Gateway| -> Vec<Value> {
        let lines = gateway.lines("audit.log", 1).into_iter();
        lines
            .filter(|line| line["event"] == "session_evicted")
            .collect()
    };
    crate::support::wait_until("the event", std::time::Duration::from_secs(10), || {
        !evicted(&gateway).is_empty()
    });
    let [event] = &evicted(&gateway)[..] else {
        panic!("one event");
    };
    assert_eq!(event["session_id"], json!(first.session));
    assert_eq!(event["user_name"], "ada");
    assert!(event["request_id"].is_string(), "{event}");

    gateway = gateway.restart();
    assert_eq!(call(&gateway, &first), 401, "after a restart");
    assert_eq!(call(&gateway, &sessions[0]), 200);
}

#[test]
fn sessions_that_were_never_used_end_first() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, 3);
    let used = sign_in(&gateway, "ada");
    let used = Tokens::of(&refresh(&gateway, &used.refresh));
    let mut last = sign_in(&gateway, "ada");
    // A script that signs in again for every run and keeps nothing.
    for _ in 0..5 {
        last = sign_in(&gateway, "ada");
    }
    assert_eq!(call(&gateway, &used), 200);
    assert_eq!(call(&gateway, &last), 200);
}

#[test]
fn a_script_never_ends_the_session_of_a_person() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, 1);
    let person = browser_sign_in(&gateway, "ada");
    let robots = [(); 3].map(|()| sign_in(&gateway, "ada"));
    let answers = robots.map(|tokens| call(&gateway, &tokens));
    assert_eq!(answers, [401, 401, 200]);
    assert!(is_signed_in(&gateway, &person));

    let hybrid = json!({"username": "ada", "password": PASSWORD, "delivery": "hybrid"});
    let hybrid = Request::post("/vestibule/login")
        .json(&hybrid)
        .send(&gateway);
    assert_eq!(hybrid.status, 200);
    assert!(is_signed_in(&gateway, &person));
    let elsewhere = browser_sign_in(&gateway, "ada");
    assert!(!is_signed_in(&gateway, &person));
    assert!(is_signed_in(&gateway, &elsewhere));
}

#[test]
fn signing_in_again_in_the_same_browser_takes_no_place_of_another() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, 2);
    let other = browser_sign_in(&gateway, "ada");
    let mut own = browser_sign_in(&gateway, "ada");
    for _ in 0..3 {
        let again = Request::post("/vestibule/login")
            .same_origin()
            .navigating()
            .header("Cookie", &own)
            .form(&[("username", "ada"), ("password", PASSWORD)])
            .send(&gateway);
        assert_eq!(again.status, 303, "{}", again.text());
        let before = std::mem::replace(&mut own, cookies_of(&again));
        assert!(is_signed_in(&gateway, &before), "for the grace");
    }
    assert!(is_signed_in(&gateway, &other));
    assert!(is_signed_in(&gateway, &own));
}
