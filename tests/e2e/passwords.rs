//! Temporary passwords, and changing one while signing in (OWASP ASVS 5.0, 6.4.1, 6.4.3 and 6.4.6).

use serde_json::{Value, json};

use crate::admin_api::{TOKEN, call};
use crate::expiry::{House, MINUTE};
use crate::support::{
    Answer, Gateway, PASSWORD, Request, Setup, Tokens, Upstream, cookies_of, refresh, sign_in,
};

pub const NEW: &str = "a new phrase of my own";
const AUDIT: &str = "[observe]\naudit_log.to = \"audit.log\"\n";

pub fn attempt(name: &str, password: &str, new: Option<&str>) -> Request {
    let mut body = json!({"username": name, "password": password});
    if let Some(new) = new {
        body["new_password"] = json!(new);
    }
    Request::post("/vestibule/login").json(&body)
}

pub fn form(fields: &[(&str, &str)]) -> Request {
    let form = Request::post("/vestibule/login").same_origin().navigating();
    form.form(fields)
}

pub fn refusal(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.head.all("set-cookie"), [""; 0]);
    (answer.status, answer.error())
}

/// Gives ada a temporary password.
pub fn temporary(gateway: &Gateway) -> String {
    let command = ["user", "passwd", "ada", "--temporary"];
    printed(&gateway.command(&command, "").expect_success().out)
}

fn printed(out: &str) -> String {
    let mut lines = out.lines();
    let line = lines.find_map(|line| line.strip_prefix("temporary password: "));
    line.expect("it is told").to_owned()
}

#[test]
fn a_temporary_password_opens_nothing_before_another_is_chosen() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).section(AUDIT).start();
    let before = sign_in(&gateway, "ada");
    let temporary = temporary(&gateway);
    assert_eq!(temporary.len(), 20);
    assert_eq!(refresh(&gateway, &before.refresh).status, 401);

    let due = attempt("ada", &temporary, None).send(&gateway);
    assert_eq!(refusal(&due), (403, "password_change_required".to_owned()));
    assert!(due.text().contains("new_password"), "it says what to do");
    // Nobody else is told that a change is due.
    let wrong = attempt("ada", "wrong", Some(NEW)).send(&gateway);
    assert_eq!(refusal(&wrong), (401, "invalid_credentials".to_owned()));
    let nobody = attempt("nobody", &temporary, Some(NEW)).send(&gateway);
    assert_eq!(nobody.text(), wrong.text());
    for bad in ["password", "short", "", &temporary] {
        let refused = attempt("ada", &temporary, Some(bad)).send(&gateway);
        assert_eq!(refusal(&refused), (400, "invalid_request".to_owned()));
    }

    let tokens = Tokens::of(&attempt("ada", &temporary, Some(NEW)).send(&gateway));
    let app = Request::get("/").bearer(&tokens.access).send(&gateway);
    assert_eq!(app.status, 200);
    assert_eq!(refresh(&gateway, &tokens.refresh).status, 200);
    let used = attempt("ada", &temporary, Some(PASSWORD)).send(&gateway);
    assert_eq!(refusal(&used), (401, "invalid_credentials".to_owned()));
    assert_eq!(attempt("ada", NEW, None).send(&gateway).status, 200);

    let lines = gateway.lines("audit.log", 12);
    let events: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["event"].as_str())
        .collect();
    let changed = events.iter().position(|event| *event == "password_changed");
    let changed = changed.expect("it is written down");
    assert_eq!(events[changed + 1], "signed_in");
    assert_eq!(lines[changed]["session_id"], tokens.session.as_str());
    assert!(events[..changed].contains(&"password_change_required"));
}

#[test]
fn a_form_asks_for_the_new_password_without_keeping_anything() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let temporary = temporary(&gateway);
    let fields = [
        ("username", "ada"),
        ("password", &*temporary),
        ("return_to", "/wiki"),
        ("remember", "true"),
    ];
    let asked = form(&fields).send(&gateway);
    assert_eq!(asked.status, 403);
    assert_eq!(asked.head.all("set-cookie"), [""; 0]);
    let page = asked.text();
    for part in [
        "Choose a new password",
        "name=\"new_password\" autocomplete=\"new-password\"",
        "name=\"password\" autocomplete=\"current-password\"",
        "value=\"ada\"",
        "value=\"/wiki\"",
        "checked",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains(&temporary) && !page.contains("<script"));

    let with = |password, new| {
        let fields = [&[("username", "ada"), ("password", password)], &fields[2..]].concat();
        form(&[&fields[..], &[("new_password", new)]].concat()).send(&gateway)
    };
    let common = with(&temporary, "password");
    assert_eq!(common.status, 400);
    assert!(common.text().contains("most common"), "{}", common.text());
    assert!(common.text().contains("name=\"new_password\""));
    let wrong = with("wrong", NEW);
    assert_eq!(wrong.status, 401);
    assert!(wrong.text().contains("The name or the password is wrong."));
    assert!(
        wrong.text().contains("name=\"new_password\""),
        "as it was posted"
    );

    let changed = with(&temporary, NEW);
    assert_eq!(changed.status, 303, "{}", changed.text());
    assert_eq!(changed.header("location"), Some("/wiki"));
    let cookies = cookies_of(&changed);
    let app = Request::get("/wiki")
        .header("Cookie", &cookies)
        .send(&gateway);
    assert_eq!(app.status, 200);
    assert!(
        changed.head.all("set-cookie")[0].contains("Max-Age"),
        "kept"
    );
}

#[test]
fn an_expired_temporary_password_is_a_wrong_one() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    house.set_temporary_password("a temporary one", 10 * MINUTE);
    house.pass(9 * MINUTE);
    let due = house.send(&attempt("ada", "a temporary one", None));
    assert_eq!(refusal(&due), (403, "password_change_required".to_owned()));
    house.pass(MINUTE);
    let wrong = house.send(&attempt("ada", "wrong", None));
    for new in [None, Some(NEW)] {
        let expired = house.send(&attempt("ada", "a temporary one", new));
        assert_eq!(refusal(&expired), (401, "invalid_credentials".to_owned()));
        assert_eq!(expired.text(), wrong.text());
    }
}

#[test]
fn an_administrator_can_ask_for_a_change_and_everybody_sees_that_it_is_due() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).admin_token(TOKEN).start();
    let before = sign_in(&gateway, "ada");
    let set = |option| {
        let command = ["user", "set", "ada", option];
        gateway.command(&command, "").expect_success();
    };
    let shown = || gateway.command(&["user", "show", "ada"], "").out;
    assert!(shown().contains("chosen"), "{}", shown());
    set("--must-change-password");
    assert!(shown().contains("to be changed at the next sign-in"));
    let listed = gateway.command(&["user", "list"], "").out;
    assert!(listed.contains("password change due"), "{listed}");
    let told = call(&gateway, "GET", "/users/ada", None).json();
    assert_eq!(told["password_change_due"], true);
    assert_eq!(told["password_expires_at"], Value::Null);
    assert_eq!(refresh(&gateway, &before.refresh).status, 200, "not before");

    let due = attempt("ada", PASSWORD, None).send(&gateway);
    assert_eq!(refusal(&due), (403, "password_change_required".to_owned()));
    set("--may-keep-password");
    sign_in(&gateway, "ada");
    let change = json!({"password_change_due": true});
    let changed = call(&gateway, "PATCH", "/users/ada", Some(change));
    assert_eq!(changed.json()["password_change_due"], true);
    let changed = attempt("ada", PASSWORD, Some(NEW)).send(&gateway);
    assert_eq!(changed.status, 200);
    let told = call(&gateway, "GET", "/users/ada", None).json();
    assert_eq!(told["password_change_due"], false);
}

#[test]
fn programs_hand_out_temporary_passwords_too() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).admin_token(TOKEN).start();
    let body = json!({"name": "grace", "temporary": true});
    let added = call(&gateway, "POST", "/users", Some(body));
    assert_eq!(added.status, 201, "{}", added.text());
    let reset = json!({"temporary": true});
    let reset = call(&gateway, "PUT", "/users/grace/password", Some(reset));
    assert_eq!(reset.status, 200, "{}", reset.text());
    let [first, second] = [added, reset].map(|answer| {
        let told = answer.json();
        assert_eq!(told["password_change_due"], true);
        assert!(told["password_expires_at"].as_str().is_some());
        told["temporary_password"]
            .as_str()
            .expect("it is told")
            .to_owned()
    });
    let old = attempt("grace", &first, Some(NEW)).send(&gateway);
    assert_eq!(refusal(&old), (401, "invalid_credentials".to_owned()));
    let shown = call(&gateway, "GET", "/users/grace", None);
    assert!(!shown.text().contains("temporary_password"));
    let change = Some(json!({"password_change_due": false}));
    call(&gateway, "PATCH", "/users/grace", change);
    let due = attempt("grace", &second, None).send(&gateway);
    assert_eq!(due.status, 403, "a temporary one stays temporary");
    let changed = attempt("grace", &second, Some(NEW)).send(&gateway);
    assert_eq!(changed.status, 200);
    for body in [
        json!({"password": NEW, "temporary": true}),
        json!({"temporary": false}),
        json!({"temporary": "yes"}),
        json!({"password": null, "temporary": true}),
        json!({}),
    ] {
        let refused = call(&gateway, "PUT", "/users/grace/password", Some(body));
        assert_eq!(refused.status, 400, "{}", refused.text());
    }
}

#[test]
fn a_new_user_chooses_the_password_at_the_first_sign_in() {
    let upstream = Upstream::start();
    let strict = "[passwords]\nmin_length = 30\ntemporary_ttl = \"5m\"\n";
    let gateway = Setup::in_front_of(&upstream).start();
    gateway.configure(&Setup::in_front_of(&upstream).section(strict));
    let arguments = ["user", "add", "grace", "--temporary"];
    let told = gateway.command(&arguments, "").expect_success().out;
    assert!(told.starts_with("added grace\n"), "{told}");
    let password = printed(&told);
    assert_eq!(password.len(), 30, "it keeps the rules, too");
    let shown = gateway.command(&["user", "show", "grace"], "").out;
    assert!(shown.contains("temporary, until "), "{shown}");
    assert!(!shown.contains(&password));
    let changed = attempt("grace", &password, Some(NEW)).send(&gateway);
    assert_eq!(changed.status, 200, "{}", changed.text());
}
