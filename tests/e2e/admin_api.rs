//! The admin API: what programs do with it, what it refuses, and how soon it holds.

use std::time::Duration;

use crate::support::{
    Answer, Gateway, PASSWORD, Request, Setup, Tokens, Upstream, refresh, schemathesis, sign_in,
    wait_until,
};
use serde_json::{Value, json};

pub const TOKEN: &str = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";
const OTHER: &str = "a different long phrase";

pub fn started(upstream: &Upstream) -> Gateway {
    Setup::in_front_of(upstream)
        .user("eve", &[])
        .admin_token(TOKEN)
        .server("admin_hosts = [\"gateway.internal\"]")
        .section("[observe]\naudit_log.to = \"audit.log\"")
        .start()
}

pub fn ask(gateway: &Gateway, request: &Request) -> Answer {
    let mut connection = gateway.connect_admin();
    connection.send(request.to_bytes());
    connection.answer()
}

pub fn call(gateway: &Gateway, method: &str, path: &str, body: Option<Value>) -> Answer {
    let request = Request::new(method, &format!("/api/v1{path}")).bearer(TOKEN);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = ask(gateway, &request);
    assert!(answer.is_ours());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer
}

pub fn refusal(answer: &Answer) -> (u16, String) {
    let told = answer.json();
    let sentence = told["error_description"].as_str().unwrap_or_default();
    assert!(sentence.ends_with('.'), "{sentence}");
    (answer.status, answer.error())
}

pub fn app(gateway: &Gateway, access: &str) -> u16 {
    Request::get("/").bearer(access).send(gateway).status
}

fn signs_in(gateway: &Gateway, name: &str, password: &str) -> bool {
    let body = json!({"username": name, "password": password});
    let answer = Request::post("/vestibule/login").json(&body).send(gateway);
    answer.status == 200
}

#[test]
fn users_are_added_shown_changed_and_removed() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let grace = json!({
        "name": "Gr/ace", "password": PASSWORD, "email": "grace@Example.com",
        "display_name": "Grace Hopper", "groups": ["ops", "navy"],
    });
    let added = call(&gateway, "POST", "/users", Some(grace));
    assert_eq!(added.status, 201, "{}", added.text());
    let place = added.header("location").unwrap().to_owned();
    assert_eq!(place, "/api/v1/users/gr%2Face");
    let path = place.strip_prefix("/api/v1").unwrap();
    assert!(signs_in(&gateway, "gr/ace", PASSWORD));
    let shown = call(&gateway, "GET", path, None).json();
    assert_eq!(shown, added.json());
    assert_eq!(shown["email"], "grace@example.com");
    assert_eq!(shown["groups"], json!(["navy", "ops"]));
    assert!(!shown.to_string().contains("argon2"));

    // What the command line prints is the same.
    let listed = call(&gateway, "GET", "/users", None).json();
    let printed = gateway
        .command(&["user", "list", "--json"], "")
        .expect_success();
    let printed: Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(listed["users"], printed);

    let change = json!({"email": null, "groups": []});
    let changed = call(&gateway, "PATCH", path, Some(change)).json();
    assert_eq!(changed["email"], Value::Null);
    assert_eq!(changed["groups"], json!([]));
    assert_eq!(changed["display_name"], "Grace Hopper");
    assert_eq!(call(&gateway, "DELETE", path, None).status, 204);
    let gone = call(&gateway, "GET", path, None);
    assert_eq!(refusal(&gone), (404, "not_found".to_owned()));
    assert!(!signs_in(&gateway, "gr/ace", PASSWORD));
}

#[test]
fn what_ends_sessions_ends_them_at_once() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let disable = || Some(json!({"disabled": true}));
    let password = || Some(json!({"password": OTHER}));
    let steps: [(&str, &str, Option<Value>, u16); 6] = [
        ("DELETE", "/sessions/{id}", None, 204),
        ("DELETE", "/users/ada/sessions", None, 200),
        ("DELETE", "/sessions?all=true", None, 200),
        ("PUT", "/users/ada/password", password(), 204),
        ("PATCH", "/users/ada", disable(), 200),
        ("DELETE", "/users/ada", None, 204),
    ];
    for (method, path, body, status) in steps {
        let password = if signs_in(&gateway, "ada", PASSWORD) {
            PASSWORD
        } else {
            OTHER
        };
        let body_of_sign_in = json!({"username": "ada", "password": password});
        let signed_in = Request::post("/vestibule/login")
            .json(&body_of_sign_in)
            .send(&gateway);
        let tokens = Tokens::of(&signed_in);
        assert_eq!(app(&gateway, &tokens.access), 200);
        let path = path.replace("{id}", &tokens.session);
        let answer = call(&gateway, method, &path, body);
        assert_eq!(answer.status, status, "{method} {path} {}", answer.text());
        assert_eq!(app(&gateway, &tokens.access), 401, "{method} {path}");
        assert_eq!(refresh(&gateway, &tokens.refresh).status, 401);
        if method == "PATCH" {
            assert!(!signs_in(&gateway, "ada", OTHER));
            let enable = Some(json!({"disabled": false}));
            assert_eq!(call(&gateway, "PATCH", &path, enable).status, 200);
        }
    }
}

#[test]
fn a_change_that_ends_nothing_ends_nothing() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let eve = sign_in(&gateway, "eve");
    for (method, path, body) in [
        ("PATCH", "/users/ada", json!({"disabled": false})),
        ("PATCH", "/users/ada", json!({"groups": ["ops"]})),
        ("DELETE", "/users/eve", Value::Null),
    ] {
        let body = Some(body).filter(|body| !body.is_null());
        let answer = call(&gateway, method, path, body);
        assert!(matches!(answer.status, 200 | 204), "{}", answer.text());
    }
    // What it tells of the groups is not so any more; the session goes on.
    let outdated = Request::get("/").bearer(&tokens.access).send(&gateway);
    assert_eq!(refusal(&outdated), (401, "token_expired".to_owned()));
    let next = Tokens::of(&refresh(&gateway, &tokens.refresh));
    assert_eq!(app(&gateway, &next.access), 200);
    assert_eq!(
        upstream.last().head.first("x-forwarded-groups"),
        Some("ops")
    );
    assert_eq!(app(&gateway, &eve.access), 401);
}

#[test]
fn sessions_and_keys_are_listed_as_the_commands_list_them() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let (ada, eve) = (sign_in(&gateway, "ada"), sign_in(&gateway, "eve"));
    for (path, field, command, count) in [
        ("/sessions", "sessions", &["session", "list"][..], 2),
        (
            "/sessions?user=ada",
            "sessions",
            &["session", "list", "--user", "ada"],
            1,
        ),
        (
            "/users/eve/sessions",
            "sessions",
            &["session", "list", "--user", "eve"],
            1,
        ),
        ("/keys", "keys", &["key", "list"], 5),
    ] {
        let told = call(&gateway, "GET", path, None).json();
        let printed = gateway.command(&[command, &["--json"]].concat(), "");
        let printed: Value = serde_json::from_str(&printed.expect_success().out).unwrap();
        assert_eq!(told[field], printed, "{path}");
        assert_eq!(printed.as_array().unwrap().len(), count, "{path}");
    }
    let ended = call(&gateway, "DELETE", "/sessions?all=true", None).json();
    assert_eq!(ended, json!({"ended": 2}));
    for session in [ada.session, eve.session] {
        let again = call(&gateway, "DELETE", &format!("/sessions/{session}"), None);
        assert_eq!(refusal(&again), (404, "not_found".to_owned()));
    }
}

/// What has happened is told and written down, though not all users can be told of it by name.
#[test]
fn a_user_who_cannot_be_read_keeps_nobody_signed_in() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let ada = sign_in(&gateway, "ada");
    let database = rusqlite::Connection::open(gateway.file("vestibule.db")).unwrap();
    database
        .execute_batch("UPDATE users SET email = 'no address' WHERE name = 'eve'")
        .unwrap();
    let ended = call(&gateway, "DELETE", "/sessions?all=true", None);
    assert_eq!(ended.json(), json!({"ended": 1}));
    let limit = Duration::from_secs(60);
    wait_until("the end of the token", limit, || {
        app(&gateway, &ada.access) == 401
    });
    wait_until("all_sessions_ended", limit, || {
        let lines = gateway.lines("audit.log", 1);
        lines
            .iter()
            .any(|line| line["event"] == "all_sessions_ended")
    });
}

/// Status, a word of the sentence, method, path, body.
const BAD_BODIES: &str = r#"
400 name       POST /users {"password": "long enough"}
400 password   POST /users {"name": "grace"}
400 name       POST /users {"name": "a,b", "password": "long enough"}
400 name       POST /users {"name": " grace", "password": "long enough"}
400 name       POST /users {"name": "grace", "name": "eva", "password": "long enough"}
400 password   POST /users {"name": "grace", "password": "short"}
400 password   POST /users {"name": "grace", "password": 12345678}
400 email      POST /users {"name": "grace", "password": "long enough", "email": "nowhere"}
400 groups     POST /users {"name": "grace", "password": "long enough", "groups": "ops"}
400 groups     POST /users {"name": "grace", "password": "long enough", "groups": ["a b"]}
400 colour     POST /users {"name": "grace", "password": "long enough", "colour": "blue"}
400 object     POST /users ["grace"]
400 column     POST /users {"name"
409 ada        POST /users {"name": "ada", "password": "long enough"}
409 ada@       POST /users {"name": "grace", "password": "long enough", "email": "ada@example.com"}
400 nothing    PATCH /users/eve {}
400 disabled   PATCH /users/eve {"disabled": null}
400 name       PATCH /users/eve {"name": "eva"}
409 ada@       PATCH /users/eve {"email": "ada@example.com", "disabled": true}
404 nobody     PATCH /users/nobody {"disabled": true}
400 password   PUT /users/eve/password {"password": "short"}
404 nobody     PUT /users/nobody/password {"password": "long enough"}
"#;

/// Status, code, method, path.
const BAD_PATHS: &str = "
400 invalid_request DELETE /sessions
400 invalid_request DELETE /sessions?all=false
400 invalid_request DELETE /sessions?all=true&all=true
404 not_found DELETE /sessions/nonsense
404 not_found DELETE /sessions/AAAAAAAAAAAAAAAAAAAAAA
404 not_found GET /sessions?user=nobody
400 invalid_request GET /sessions?user=a%20b
400 invalid_request GET /sessions?usr=ada
400 invalid_request GET /users?user=ada
404 not_found GET /users/nobody
404 not_found GET /users/%20ada
404 not_found GET /users/
404 not_found GET /nothing
404 not_found GET /
405 method_not_allowed PUT /users
405 method_not_allowed GET /sessions/x
405 method_not_allowed POST /keys
";

#[test]
fn bad_bodies_are_refused_with_the_name_of_the_field() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    for case in BAD_BODIES.trim().lines() {
        let (before, body) = case.split_at(case.find(['{', '[']).unwrap());
        let before: Vec<&str> = before.split_whitespace().collect();
        let [status, word, method, path] = before[..] else {
            panic!("{case}");
        };
        let request = Request::new(method, &format!("/api/v1{path}"))
            .bearer(TOKEN)
            .header("Content-Type", "application/json")
            .body(body);
        let answer = ask(&gateway, &request);
        assert_eq!(answer.status.to_string(), status, "{case}");
        let told = answer.json();
        let sentence = told["error_description"].as_str().unwrap();
        assert!(sentence.contains(word), "{case}: {sentence}");
    }
    assert!(signs_in(&gateway, "eve", PASSWORD), "nothing was changed");
    let users = call(&gateway, "GET", "/users", None).json();
    assert_eq!(users["users"].as_array().unwrap().len(), 2);
}

#[test]
fn bad_addresses_are_refused_and_end_nothing() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let tokens = sign_in(&gateway, "ada");
    for case in BAD_PATHS.trim().lines() {
        let words: Vec<&str> = case.split_whitespace().collect();
        let [status, code, method, path] = words[..] else {
            panic!("{case}");
        };
        let answer = call(&gateway, method, path, None);
        assert_eq!(answer.status.to_string(), status, "{case}");
        assert_eq!(refusal(&answer).1, code, "{case}");
        assert_eq!(answer.header("allow").is_some(), status == "405");
    }
    assert_eq!(app(&gateway, &tokens.access), 200);
}

#[test]
fn a_body_must_be_small_and_json() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let post = || Request::post("/api/v1/users").bearer(TOKEN);
    for (request, status) in [
        (post(), 415),
        (post().header("Content-Type", "text/plain").body("{}"), 415),
        (post().form(&[("name", "x"), ("password", PASSWORD)]), 415),
        (
            post().header("Content-Type", "application/json").body("{"),
            400,
        ),
        (post().json(&json!({"name": "x".repeat(70_000)})), 413),
    ] {
        assert_eq!(refusal(&ask(&gateway, &request)).0, status);
    }
}

#[test]
fn the_audit_log_says_who_came_which_way() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let ada = sign_in(&gateway, "ada");
    let path = format!("/sessions/{}", ada.session);
    assert_eq!(call(&gateway, "DELETE", &path, None).status, 204);
    let groups = Some(json!({"groups": []}));
    assert_eq!(call(&gateway, "PATCH", "/users/ada", groups).status, 200);
    let wrong = Request::get("/api/v1/users").bearer("wrong");
    assert_eq!(ask(&gateway, &wrong).status, 401);
    gateway
        .command(&["session", "revoke", "--user", "eve"], "")
        .expect_success();
    for (event, field, value) in [
        ("session_ended", "by", "api"),
        ("session_ended", "session_id", &*ada.session),
        ("session_ended", "client", "127.0.0.1"),
        ("user_changed", "by", "api"),
        ("user_changed", "user_name", "ada"),
        ("user_added", "by", "command_line"),
        ("sessions_ended", "by", "command_line"),
        ("admin_token_refused", "client", "127.0.0.1"),
    ] {
        wait_until(event, Duration::from_secs(60), || {
            let lines = gateway.lines("audit.log", 1);
            lines
                .iter()
                .any(|line| line["event"] == event && line[field] == value)
        });
    }
}

#[test]
fn schemathesis_finds_nothing() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    sign_in(&gateway, "ada");
    let finished = schemathesis(
        &format!("http://{}/api/v1/openapi.json", gateway.admin_address()),
        TOKEN,
    );
    assert_eq!(finished.code, Some(0), "{}{}", finished.out, finished.err);
    assert!(finished.out.contains("passed"), "{}", finished.out);
}
