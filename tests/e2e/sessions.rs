//! One's own sessions: seeing them, ending one or all, changing the password from within one.

use serde_json::{Value, json};

use crate::support::{
    Answer, Gateway, PASSWORD, Request, Setup, Tokens, Upstream, browser_sign_in, cookies_of,
    refresh, sign_in,
};

const OTHER: &str = "another long enough phrase";

fn list(gateway: &Gateway, token: &str) -> Vec<Value> {
    let answer = Request::get("/vestibule/sessions")
        .bearer(token)
        .send(gateway);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["sessions"].as_array().unwrap().clone()
}

fn ids(sessions: &[Value]) -> Vec<&str> {
    let ids = sessions.iter().map(|session| session["id"].as_str());
    ids.map(Option::unwrap).collect()
}

fn end(gateway: &Gateway, token: &str, id: &str) -> Answer {
    Request::new("DELETE", &format!("/vestibule/sessions/{id}"))
        .bearer(token)
        .send(gateway)
}

fn change(current: &str, new: &str) -> Request {
    Request::post("/vestibule/password")
        .json(&json!({"current_password": current, "new_password": new}))
}

fn everywhere() -> Request {
    Request::post("/vestibule/logout").json(&json!({"everywhere": true}))
}

/// What the app's route answers to this access token.
fn call(gateway: &Gateway, token: &str) -> u16 {
    Request::get("/").bearer(token).send(gateway).status
}

fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.error())
}

fn signs_in(gateway: &Gateway, password: &str) -> bool {
    let body = json!({"username": "ada", "password": password});
    let answer = Request::post("/vestibule/login").json(&body).send(gateway);
    answer.status == 200
}

#[test]
fn people_see_where_they_are_signed_in_and_nobody_elses_sessions() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).user("eve", &[]).start();
    let first = sign_in(&gateway, "ada");
    sign_in(&gateway, "eve");
    let long_name = format!("Robot/1.0 \t{}", "x".repeat(500));
    let answer = Request::post("/vestibule/login")
        .header("User-Agent", &long_name)
        .json(&json!({"username": "ada", "password": PASSWORD, "device": "laptop"}))
        .send(&gateway);
    let second = Tokens::of(&answer);

    let sessions = list(&gateway, &second.access);
    assert_eq!(ids(&sessions).len(), 2);
    for session in &sessions {
        let is_current = session["id"] == second.session.as_str();
        assert_eq!(session["current"], is_current);
        assert_eq!(session["ip"], "127.0.0.1");
        for time in ["signed_in_at", "last_seen_at", "expires_at"] {
            let time = session[time].as_str().unwrap();
            assert!(time.ends_with('Z'), "{time}");
        }
    }
    let of = |id: &str| sessions.iter().find(|session| session["id"] == id).unwrap();
    let robot = of(&second.session);
    assert_eq!(robot["device"], "laptop");
    let name = robot["user_agent"].as_str().unwrap();
    assert!(name.starts_with("Robot/1.0 xxx"), "{name}");
    assert_eq!(name.len(), 256);
    assert_eq!(of(&first.session)["user_agent"], Value::Null);
}

#[test]
fn a_session_that_is_ended_is_over_at_once() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).user("eve", &[]).start();
    let [own, lost] = [(), ()].map(|()| sign_in(&gateway, "ada"));
    let foreign = sign_in(&gateway, "eve");
    assert_eq!(end(&gateway, &own.access, &lost.session).status, 204);
    assert_eq!(call(&gateway, &lost.access), 401);
    let refused = refresh(&gateway, &lost.refresh);
    assert_eq!(refusal(&refused), (401, "invalid_grant".to_owned()));
    assert_eq!(call(&gateway, &own.access), 200);
    assert_eq!(ids(&list(&gateway, &own.access)), [&own.session]);

    for id in [&*lost.session, &foreign.session, "nonsense", ""] {
        let answer = end(&gateway, &own.access, id);
        assert_eq!(refusal(&answer), (404, "not_found".to_owned()), "{id}");
    }
    assert_eq!(call(&gateway, &foreign.access), 200);
    assert_eq!(end(&gateway, &own.access, &own.session).status, 204);
    assert_eq!(call(&gateway, &own.access), 401);
}

#[test]
fn a_browser_that_ends_its_own_session_loses_its_cookies() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    let other = sign_in(&gateway, "ada");
    let sessions = Request::get("/vestibule/sessions")
        .header("Cookie", &cookies)
        .send(&gateway);
    let told = sessions.json();
    let mut told = told["sessions"].as_array().unwrap().iter();
    let current = told.find(|session| session["current"] == true).unwrap();
    let end = |id: &str| {
        Request::new("DELETE", &format!("/vestibule/sessions/{id}")).header("Cookie", &cookies)
    };

    let own = current["id"].as_str().unwrap();
    let forged = end(own).header("Sec-Fetch-Site", "cross-site");
    let forged = forged.send(&gateway);
    assert_eq!(refusal(&forged), (403, "csrf_rejected".to_owned()));
    let ended = end(&other.session).same_origin().send(&gateway);
    assert_eq!((ended.status, &*cookies_of(&ended)), (204, ""));
    let ended = end(own).same_origin().send(&gateway);
    assert_eq!(ended.status, 204);
    assert_eq!(ended.head.all("set-cookie").len(), 2);
    let over = Request::get("/").header("Cookie", &cookies).send(&gateway);
    assert_eq!(over.status, 401);
}

#[test]
fn signing_out_everywhere_ends_all_sessions_of_this_user() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).user("eve", &[]).start();
    let [one, two] = [(), ()].map(|()| sign_in(&gateway, "ada"));
    let foreign = sign_in(&gateway, "eve");
    let stranger = everywhere().send(&gateway);
    assert_eq!(refusal(&stranger), (401, "missing_token".to_owned()));
    let unclear = Request::post("/vestibule/logout")
        .bearer(&one.access)
        .json(&json!({"everywhere": "yes"}))
        .send(&gateway);
    assert_eq!(refusal(&unclear), (400, "invalid_request".to_owned()));
    assert_eq!(call(&gateway, &one.access), 200, "nothing was ended");

    let out = everywhere().bearer(&one.access).send(&gateway);
    assert_eq!(out.status, 204);
    for tokens in [&one, &two] {
        assert_eq!(call(&gateway, &tokens.access), 401);
        assert_eq!(refresh(&gateway, &tokens.refresh).status, 401);
    }
    assert_eq!(call(&gateway, &foreign.access), 200);

    let again = sign_in(&gateway, "ada");
    let over = everywhere().bearer(&one.access).send(&gateway);
    assert_eq!(refusal(&over), (401, "token_revoked".to_owned()));
    assert_eq!(call(&gateway, &again.access), 200);

    let gateway = gateway.restart();
    assert_eq!(
        call(&gateway, &two.access),
        401,
        "a restart forgets nothing"
    );
    assert_eq!(call(&gateway, &again.access), 200);
}

#[test]
fn a_form_signs_out_everywhere_and_clears_the_cookies() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    let other = sign_in(&gateway, "ada");
    let out = Request::post("/vestibule/logout")
        .same_origin()
        .header("Cookie", &cookies)
        .form(&[("everywhere", "on")])
        .send(&gateway);
    assert_eq!(out.status, 303);
    assert_eq!(out.head.all("set-cookie").len(), 2);
    assert_eq!(call(&gateway, &other.access), 401);
}

#[test]
fn a_new_password_ends_the_other_sessions_and_this_one_goes_on() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).user("eve", &[]).start();
    let [own, other] = [(), ()].map(|()| sign_in(&gateway, "ada"));
    let foreign = sign_in(&gateway, "eve");
    let changed = change(PASSWORD, OTHER).bearer(&own.access).send(&gateway);
    let next = Tokens::of(&changed);
    assert_eq!(next.session, own.session);
    assert_ne!(next.refresh, own.refresh);
    assert_eq!(call(&gateway, &next.access), 200);
    assert_eq!(call(&gateway, &foreign.access), 200);
    for token in [&own.access, &other.access] {
        assert_eq!(call(&gateway, token), 401);
    }
    let refused = refresh(&gateway, &other.refresh);
    assert_eq!(refusal(&refused), (401, "invalid_grant".to_owned()));
    assert!(signs_in(&gateway, OTHER) && !signs_in(&gateway, PASSWORD));

    // Whoever copied the token before gets nothing for it; a refresh that was on its way ends nothing.
    let late = refresh(&gateway, &own.refresh);
    assert_eq!(refusal(&late), (401, "invalid_grant".to_owned()));
    let later = Tokens::of(&refresh(&gateway, &next.refresh));
    assert_eq!(later.session, own.session);
    assert_eq!(call(&gateway, &later.access), 200);

    let gateway = gateway.restart();
    assert_eq!(
        call(&gateway, &other.access),
        401,
        "a restart forgets nothing"
    );
    assert_eq!(call(&gateway, &later.access), 200);
    let log = gateway.log();
    assert!(!log.contains(OTHER) && !log.contains(PASSWORD), "{log}");
}

#[test]
fn a_browser_gets_its_new_pair_as_cookies() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    let form = |current| {
        Request::post("/vestibule/password")
            .header("Cookie", &cookies)
            .form(&[("current_password", current), ("new_password", OTHER)])
    };
    let forged = form(PASSWORD).header("Sec-Fetch-Site", "cross-site");
    let forged = forged.send(&gateway);
    assert_eq!(refusal(&forged), (403, "csrf_rejected".to_owned()));
    let wrong = form("wrong").same_origin().send(&gateway);
    assert_eq!(refusal(&wrong), (401, "invalid_credentials".to_owned()));
    assert!(signs_in(&gateway, PASSWORD), "nothing was changed");

    let changed = form(PASSWORD).same_origin().send(&gateway);
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(changed.json().get("access_token"), None);
    let new = cookies_of(&changed);
    let visit = |cookies: &str| Request::get("/").header("Cookie", cookies).send(&gateway);
    assert_eq!(visit(&new).status, 200);
    let (_, old_access) = cookies.split_once("; ").unwrap();
    assert_eq!(visit(old_access).error(), "token_revoked");
    let copied = visit(&cookies);
    assert_eq!(copied.status, 401, "nothing is given for the pair before");
    assert_eq!(copied.header("set-cookie"), None);
    assert_eq!(visit(&new).status, 200, "and nothing is ended by it");
}

#[test]
fn a_bad_change_of_password_changes_nothing_and_says_why() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let long = "x".repeat(257);
    let cases = [
        (json!({}), 400, "invalid_request"),
        (
            json!({"current_password": PASSWORD}),
            400,
            "invalid_request",
        ),
        (
            json!({"current_password": PASSWORD, "new_password": "short"}),
            400,
            "invalid_request",
        ),
        (
            json!({"current_password": PASSWORD, "new_password": long}),
            400,
            "invalid_request",
        ),
        (
            json!({"current_password": PASSWORD, "new_password": OTHER, "user": "eve"}),
            400,
            "invalid_request",
        ),
        (
            json!({"current_password": 1, "new_password": OTHER}),
            400,
            "invalid_request",
        ),
        (
            json!({"current_password": "wrong", "new_password": OTHER}),
            401,
            "invalid_credentials",
        ),
        (
            json!({"current_password": "", "new_password": OTHER}),
            401,
            "invalid_credentials",
        ),
    ];
    for (body, status, code) in cases {
        let answer = Request::post("/vestibule/password")
            .bearer(&tokens.access)
            .json(&body)
            .send(&gateway);
        assert_eq!(refusal(&answer), (status, code.to_owned()), "{body}");
    }
    let stranger = change(PASSWORD, OTHER).send(&gateway);
    assert_eq!(refusal(&stranger), (401, "missing_token".to_owned()));
    let refreshing = change(PASSWORD, OTHER).bearer(&tokens.refresh);
    let refreshing = refreshing.send(&gateway);
    assert_eq!(refusal(&refreshing), (401, "wrong_token_type".to_owned()));
    assert_eq!(call(&gateway, &tokens.access), 200);
    assert!(signs_in(&gateway, PASSWORD));
}

#[test]
fn of_two_changes_at_once_one_succeeds() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let passwords: Vec<String> = (0..4).map(|n| format!("{OTHER} {n}")).collect();
    let changed: Vec<&String> = std::thread::scope(|scope| {
        let (gateway, access) = (&gateway, &tokens.access);
        let asking: Vec<_> = passwords
            .iter()
            .map(|new| {
                scope.spawn(move || {
                    let answer = change(PASSWORD, new).bearer(access).send(gateway);
                    assert!(
                        matches!(answer.status, 200 | 401 | 503),
                        "{}",
                        answer.text()
                    );
                    (answer.status == 200).then_some(new)
                })
            })
            .collect();
        let answers = asking.into_iter().map(|one| one.join().expect("no panic"));
        answers.flatten().collect()
    });
    assert_eq!(changed.len(), 1);
    assert!(signs_in(&gateway, changed[0]));
}
