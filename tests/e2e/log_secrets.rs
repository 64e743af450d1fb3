//! Does any log or span hold a secret? All of them at their most talkative, through every endpoint and refusal.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::support::{
    Gateway, PASSWORD, Program, Request, Setup, Tokens, Upstream, browser_sign_in, cookies_of,
    refresh, sign_in,
};

const WRONG: &str = "a-wrong-password-of-somebody";
const TALKATIVE: &str = "[observe]\nlog_level = \"trace\"\naccess_log.to = \"access.log\"\n\
                         access_log.query = true\naudit_log.to = \"audit.log\"\n";

/// What was shown to the gateway or handed out by it and must not be written down.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, secret: &str) {
        assert!(secret.len() > 12, "{secret} could be there by chance");
        self.0.push(secret.to_owned());
        // A part of a token is a secret, too: its claims, its signature.
        let parts = secret.split('.').filter(|part| part.len() > 12);
        self.0.extend(parts.map(str::to_owned));
    }

    fn add_tokens(&mut self, tokens: &Tokens) {
        self.add(&tokens.access);
        self.add(&tokens.refresh);
    }

    fn add_cookies(&mut self, cookies: &str) {
        for (_, value) in cookies.split("; ").filter_map(|pair| pair.split_once('=')) {
            self.add(value);
        }
    }
}

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
        .section(TALKATIVE)
        .section(&traces)
        .start();
    let mut secrets = Secrets::default();
    secrets.add(PASSWORD);
    secrets.add(WRONG);
    secrets.add("a-password-as-a-name");

    walk_with_tokens(&gateway, &upstream, &mut secrets);
    walk_with_cookies(&gateway, &upstream, &mut secrets);
    walk_into_refusals(&gateway, &mut secrets);
    gateway
        .command(&["user", "passwd", "ada"], &format!("{WRONG}\n"))
        .expect_success();
    add_keys(&gateway, &mut secrets);
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
        none_in(name, &text, &secrets);
    }
    let spans = collector.spans();
    let text = serde_json::to_string(&spans).unwrap();
    assert!(text.contains("/vestibule/refresh"), "{text}");
    none_in("the spans", &text, &secrets);
    let log = gateway.log();
    assert!(log.contains("cannot be reached"), "{log}");
    none_in("the application log", &log, &secrets);
}

fn none_in(name: &str, text: &str, secrets: &Secrets) {
    for secret in &secrets.0 {
        assert!(!text.contains(secret), "{name} holds {secret}");
    }
}

fn walk_with_tokens(gateway: &Gateway, upstream: &Upstream, secrets: &mut Secrets) {
    let tokens = sign_in(gateway, "ada");
    secrets.add_tokens(&tokens);
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
    secrets.add(head.first("x-vestibule-assertion").expect("an assertion"));
    // Tokens where they do not belong.
    Request::get("/").bearer(&tokens.refresh).send(gateway);
    refresh(gateway, &tokens.access);
    let broken = format!("{}x", tokens.access);
    secrets.add(&broken);
    Request::get("/").bearer(&broken).send(gateway);

    let first = Tokens::of(&refresh(gateway, &tokens.refresh));
    let second = Tokens::of(&refresh(gateway, &first.refresh));
    secrets.add_tokens(&first);
    secrets.add_tokens(&second);
    // Replaced twice.
    refresh(gateway, &tokens.refresh);
    let last = sign_in(gateway, "ada");
    secrets.add_tokens(&last);
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
    secrets.add(head.first("x-vestibule-assertion").expect("an assertion"));
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
    let tokens = sign_in(gateway, "ada");
    secrets.add_tokens(&tokens);
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

/// The master key, in the forms in which bytes are usually shown.
fn add_keys(gateway: &Gateway, secrets: &mut Secrets) {
    let key = fs::read(gateway.file("vestibule.db.key")).unwrap();
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    secrets.add(&hex);
    secrets.add(String::from_utf8_lossy(&key).trim());
    let listed: Vec<String> = key.iter().map(u8::to_string).collect();
    secrets.add(&listed.join(", "));
    secrets.0.push("PRIVATE KEY".to_owned());
}
