//! Does any log or span hold a secret? All of them at their most talkative, through every endpoint and refusal.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::support::{
    Gateway, PASSWORD, Program, Request, Secrets, Setup, Tokens, Upstream, ask_admin,
    browser_sign_in, cookies_of, refresh,
};

const WRONG: &str = "a-wrong-password-of-somebody";
const NEXT: &str = "the next password of somebody";
const ADMIN: &str = "b2Ygd2hvZXZlciBsb29rcyBhZnRlciB0aGlzIGdhdGV3YXk=";
const TALKATIVE: &str = "[observe]\nlog_level = \"trace\"\naccess_log.to = \"access.log\"\n\
                         access_log.query = true\naudit_log.to = \"audit.log\"\n";

#[test]
fn t_45_no_log_holds_a_token_cookie_password_key_or_assertion() {
    let upstream = Upstream::start();
    let collector = Program::otlp_receiver();
    let traces = format!(
        "[observe.traces]\notlp_endpoint = \"{}\"\n",
        collector.url()
    );
    let mut gateway = Setup::in_front_of(&upstream)
        .route("/open", &upstream.url(), "anyone", "")
        .route("/maybe", &upstream.url(), "optional", "")
        .route("/ops", &upstream.url(), "{ groups = [\"ops\"] }", "")
        .route("/down", "http://127.0.0.1:9", "signed-in", "")
        .user("eve", &[])
        .admin_token(ADMIN)
        .section(TALKATIVE)
        .section(&traces)
        .start();
    let mut secrets = Secrets::default();
    for password in [PASSWORD, WRONG, NEXT, "a-password-as-a-name"] {
        secrets.add("a password", password);
    }
    secrets.add("the admin token", ADMIN);
    secrets.add_keys(&gateway);

    walk_with_tokens(&gateway, &upstream, &mut secrets);
    walk_with_cookies(&gateway, &upstream, &mut secrets);
    walk_into_refusals(&gateway, &mut secrets);
    walk_as_administrator(&gateway, &secrets);
    change_a_password(&gateway, &mut secrets);
    gateway
        .command(&["user", "passwd", "ada"], &format!("{WRONG}\n"))
        .expect_success();
    walk_with_a_temporary_password(&gateway, &mut secrets);
    none_in_what_is_listed(&gateway, &secrets);
    gateway.terminate();
    gateway.wait_for_exit(Duration::from_secs(60));

    for (name, most_telling) in [
        ("access.log", "/vestibule/refresh"),
        ("audit.log", "denied"),
    ] {
        let text = fs::read_to_string(gateway.file(name)).unwrap();
        assert!(
            text.contains(most_telling),
            "{name} is not what is looked at"
        );
        secrets.none_in(name, text.as_bytes());
    }
    let spans = collector.spans();
    let text = serde_json::to_string(&spans).unwrap();
    assert!(text.contains("/vestibule/refresh"), "{text}");
    secrets.none_in("the spans", text.as_bytes());
    let log = gateway.log();
    assert!(log.contains("cannot be reached"), "{log}");
    secrets.none_in("the application log", log.as_bytes());
}

fn none_in_what_is_listed(gateway: &Gateway, secrets: &Secrets) {
    let metrics = ask_admin(gateway, &Request::get("/metrics"));
    assert!(metrics.text().contains("vestibule_refreshes"));
    secrets.none_in("the metrics", &metrics.body.data);
    for command in [["user", "list"], ["session", "list"], ["key", "list"]] {
        for form in [&[][..], &["--json"]] {
            let told = gateway.command(&[&command, form].concat(), "");
            let told = told.expect_success();
            secrets.none_in("what a command says", (told.out + &told.err).as_bytes());
        }
    }
}

fn walk_with_tokens(gateway: &Gateway, upstream: &Upstream, secrets: &mut Secrets) {
    let tokens = secrets.sign_in(gateway, "ada");
    for path in [
        "/",
        "/open",
        "/maybe",
        "/ops",
        "/down",
        "/vestibule/session",
    ] {
        Request::get(path).bearer(&tokens.access).send(gateway);
    }
    Request::get("/").bearer(&tokens.access).send(gateway);
    let head = upstream.last().head;
    let assertion = head.first("x-vestibule-assertion");
    secrets.add("an assertion", assertion.expect("it is told"));
    // Tokens where they do not belong.
    Request::get("/").bearer(&tokens.refresh).send(gateway);
    refresh(gateway, &tokens.access);
    let broken = format!("{}x", tokens.access);
    secrets.add("a broken token", &broken);
    Request::get("/").bearer(&broken).send(gateway);

    let first = secrets.refresh(gateway, &tokens);
    secrets.refresh(gateway, &first);
    // Replaced twice.
    refresh(gateway, &tokens.refresh);
    let last = secrets.sign_in(gateway, "ada");
    for _ in 0..2 {
        Request::post("/vestibule/logout")
            .bearer(&last.access)
            .send(gateway);
    }
    refresh(gateway, &last.refresh);
}

fn walk_with_cookies(gateway: &Gateway, upstream: &Upstream, secrets: &mut Secrets) {
    let cookies = browser_sign_in(gateway, "ada");
    secrets.add_cookies(&cookies);
    for path in [
        "/",
        "/maybe",
        "/ops",
        "/vestibule/login",
        "/vestibule/logout",
    ] {
        Request::get(path).header("Cookie", &cookies).send(gateway);
    }
    Request::get("/").header("Cookie", &cookies).send(gateway);
    let head = upstream.last().head;
    let assertion = head.first("x-vestibule-assertion");
    secrets.add("an assertion", assertion.expect("it is told"));
    // From another site, twice over, and broken.
    Request::post("/")
        .header("Cookie", &cookies)
        .header("Origin", "http://other.example")
        .send(gateway);
    let twice = format!("{cookies}; {cookies}");
    Request::get("/").header("Cookie", &twice).send(gateway);
    let broken = cookies.replace("; ", "x; ");
    Request::get("/").header("Cookie", &broken).send(gateway);
    let renewed = Request::post("/vestibule/refresh")
        .same_origin()
        .header("Cookie", &cookies)
        .send(gateway);
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    let renewed = cookies_of(&renewed);
    secrets.add_cookies(&renewed);
    Request::post("/vestibule/logout")
        .same_origin()
        .header("Cookie", &renewed)
        .send(gateway);
}

fn walk_into_refusals(gateway: &Gateway, secrets: &mut Secrets) {
    for (name, password) in [
        ("ada", WRONG),
        ("nobody", WRONG),
        ("a-password-as-a-name", "x"),
    ] {
        Request::post("/vestibule/login")
            .json(&json!({"username": name, "password": password}))
            .send(gateway);
    }
    let bodies = [
        format!("{{\"username\": \"ada\", \"password\": \"{WRONG}\""),
        format!("{{\"username\": \"ada\", \"pasword\": \"{WRONG}\"}}"),
        format!("{{\"username\": \"ada\", \"password\": [\"{WRONG}\"]}}"),
    ];
    for body in bodies {
        let answer = Request::post("/vestibule/login")
            .header("Content-Type", "application/json")
            .body(body)
            .send(gateway);
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    let tokens = secrets.sign_in(gateway, "ada");
    for authorization in [
        format!("Bearer {} {}", tokens.access, tokens.access),
        format!("Basic {}", tokens.access),
        format!("Bearer\t{}", tokens.refresh),
    ] {
        Request::get("/")
            .header("Authorization", &authorization)
            .send(gateway);
    }
    for path in [
        "/%zz",
        "/public/..%2fops",
        "/vestibule/nothing",
        "/vestibule/jwks.json",
    ] {
        Request::get(path).bearer(&tokens.access).send(gateway);
    }
    Request::new("DELETE", "/vestibule/refresh")
        .bearer(&tokens.refresh)
        .send(gateway);
}

fn walk_as_administrator(gateway: &Gateway, secrets: &Secrets) {
    for token in [ADMIN, WRONG] {
        let ask = |method: &str, path: &str| {
            Request::new(method, &format!("/api/v1{path}")).bearer(token)
        };
        for (status, request) in [
            (200, ask("GET", "/users")),
            (200, ask("GET", "/sessions")),
            (200, ask("GET", "/keys")),
            (
                201,
                ask("POST", "/users").json(&json!({"name": "new", "password": NEXT})),
            ),
            (
                204,
                ask("PUT", "/users/eve/password").json(&json!({"password": NEXT})),
            ),
            (404, ask("GET", "/nothing")),
        ] {
            let answer = ask_admin(gateway, &request);
            let expected = if token == ADMIN { status } else { 401 };
            assert_eq!(answer.status, expected, "{request:?}");
            secrets.none_in("an answer of the admin API", &answer.body.data);
        }
    }
}

fn change_a_password(gateway: &Gateway, secrets: &mut Secrets) {
    let tokens = secrets.sign_in(gateway, "ada");
    for (current, status) in [(WRONG, 401), (PASSWORD, 200)] {
        let answer = Request::post("/vestibule/password")
            .bearer(&tokens.access)
            .json(&json!({"current_password": current, "new_password": NEXT}))
            .send(gateway);
        assert_eq!(answer.status, status, "{}", answer.text());
        if status == 200 {
            secrets.add_tokens(&Tokens::of(&answer));
        }
    }
}

fn walk_with_a_temporary_password(gateway: &Gateway, secrets: &mut Secrets) {
    let command = ["user", "passwd", "ada", "--temporary"];
    let told = gateway.command(&command, "").expect_success().out;
    let mut lines = told.lines();
    let temporary = lines.find_map(|line| line.strip_prefix("temporary password: "));
    let temporary = temporary.expect("it is told");
    let new = "a phrase that was chosen";
    secrets.add("a temporary password", temporary);
    secrets.add("a chosen password", new);
    for (new_password, status) in [(None, 403), (Some(temporary), 400), (Some(new), 200)] {
        let body = json!({
            "username": "ada", "password": temporary, "new_password": new_password,
        });
        let answer = Request::post("/vestibule/login").json(&body).send(gateway);
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}
