//! `/vestibule/session` tells a script who is signed in and for how long, and changes nothing by it.

use serde_json::{Value, json};

use crate::support::{
    Gateway, Jar, PASSWORD, Request, Setup, Upstream, browser_sign_in, cookies_of, sign_in,
};

const DAY: u64 = 24 * 60 * 60;

fn ask() -> Request {
    Request::get("/vestibule/session").same_origin()
}

/// What is told of the session behind these cookies.
#[track_caller]
fn told(gateway: &Gateway, jar: &Jar) -> Value {
    let answer = jar.with(ask()).send(gateway);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.head.all("set-cookie"), [""; 0]);
    answer.json()
}

#[track_caller]
fn refused(gateway: &Gateway, jar: &Jar) -> String {
    let answer = jar.with(ask()).send(gateway);
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert_eq!(answer.head.all("set-cookie"), [""; 0]);
    answer.error()
}

#[track_caller]
fn seconds(session: &Value, name: &str, at_most: u64) {
    let seconds = session[name].as_u64().expect("whole seconds");
    assert!(
        seconds <= at_most && seconds + 120 >= at_most,
        "{name} is {seconds} of {at_most}"
    );
}

#[test]
fn a_script_is_told_how_long_everything_lasts() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .section(
            "[tokens]\naccess_ttl = \"1h\"\n[sessions]\nidle_ttl = \"2d\"\nabsolute_ttl = \"9d\"",
        )
        .start();
    let tokens = sign_in(&gateway, "ada");
    let answer = ask().bearer(&tokens.access).send(&gateway).json();
    let session = &answer["session"];
    assert_eq!(answer["user"]["name"], "ada");
    assert_eq!(session["id"], tokens.session);
    seconds(session, "access_expires_in", 60 * 60);
    seconds(session, "expires_in", 2 * DAY);
    seconds(session, "absolute_expires_in", 9 * DAY);
    for name in [
        "signed_in_at",
        "access_expires_at",
        "expires_at",
        "absolute_expires_at",
    ] {
        let time = session[name].as_str().expect("a time");
        assert!(time.ends_with('Z'), "{name} {time}");
    }
    assert!(session["expires_at"].as_str() < session["absolute_expires_at"].as_str());
}

#[test]
fn a_session_that_cannot_idle_ends_when_it_ends_in_any_case() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .section("[sessions]\nidle_ttl = \"2d\"\nabsolute_ttl = \"2d\"")
        .start();
    let jar = Jar::of(&browser_sign_in(&gateway, "ada"));
    let answer = told(&gateway, &jar);
    let session = &answer["session"];
    assert_eq!(session["expires_at"], session["absolute_expires_at"]);
    seconds(session, "expires_in", 2 * DAY);
}

#[test]
fn a_browser_whose_access_cookie_has_ended_is_told_that_it_is_signed_in() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let mut jar = Jar::of(&browser_sign_in(&gateway, "ada"));
    let before = told(&gateway, &jar);
    let ended = jar.without_access();
    for _ in 0..3 {
        let now = told(&gateway, &ended);
        assert_eq!(now["user"], before["user"]);
        let (now, before) = (&now["session"], &before["session"]);
        assert_eq!(now["access_expires_at"], Value::Null);
        assert_eq!(now["access_expires_in"], 0);
        for name in ["id", "signed_in_at", "expires_at", "absolute_expires_at"] {
            assert_eq!(now[name], before[name], "asking extends nothing: {name}");
        }
    }
    let renewed = ended.with(Request::get("/")).send(&gateway);
    assert_eq!(renewed.status, 200);
    jar.take(&renewed.head);
    assert_eq!(jar.generation(), 2, "asking had exchanged nothing");
    assert_ne!(
        told(&gateway, &jar)["session"]["access_expires_at"],
        Value::Null
    );
}

#[test]
fn nobody_is_told_of_a_session_that_no_request_would_renew() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let sign_out = |jar: &Jar| {
        let answer = jar.with(Request::post("/vestibule/logout").same_origin());
        assert_eq!(answer.send(&gateway).status, 204);
    };
    let jar = Jar::of(&browser_sign_in(&gateway, "ada"));
    sign_out(&jar);
    assert_eq!(refused(&gateway, &jar), "token_revoked");
    assert_eq!(refused(&gateway, &jar.without_access()), "missing_token");
    // The cookies of two sessions.
    let other = Jar::of(&browser_sign_in(&gateway, "ada"));
    assert_eq!(refused(&gateway, &jar.mixed_with(&other)), "missing_token");
    told(&gateway, &other.without_access());
}

#[test]
fn asking_ends_no_session_either() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .section("[sessions]\ngrace = \"0s\"")
        .start();
    let first = Jar::of(&browser_sign_in(&gateway, "ada"));
    let mut jar = first.clone();
    for generation in 2..5 {
        let renewed = jar.without_access().with(Request::get("/")).send(&gateway);
        jar.take(&renewed.head);
        assert_eq!(jar.generation(), generation);
    }
    let old = first.without_access();
    assert_eq!(refused(&gateway, &old), "missing_token");
    told(&gateway, &jar.without_access());
    assert_eq!(old.with(Request::get("/")).send(&gateway).status, 401);
    assert_eq!(
        refused(&gateway, &jar),
        "token_revoked",
        "presenting it did"
    );
}

#[test]
fn a_program_that_holds_its_access_token_itself_is_not_answered_by_its_cookie() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let answer = Request::post("/vestibule/login")
        .same_origin()
        .json(&json!({"username": "ada", "password": PASSWORD, "delivery": "hybrid"}))
        .send(&gateway);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let jar = Jar::of(&cookies_of(&answer));
    assert_eq!(refused(&gateway, &jar), "missing_token");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let asked = jar.with(ask()).bearer(&token).send(&gateway);
    assert_eq!(asked.status, 200, "{}", asked.text());
}
