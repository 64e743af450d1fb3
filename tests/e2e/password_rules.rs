//! Which new passwords are accepted, and what the page does for those who type them.
//!
//! Which test shows what OWASP ASVS 5.0 asks for:
//!
//! | id | test |
//! |---|---|
//! | 6.2.1, 6.2.4, 6.2.11 | `a_common_password_is_refused_wherever_one_is_set` |
//! | 6.2.2, 6.2.3, 7.5.1 | `a_change_asks_for_the_current_password`, and `sessions` |
//! | 6.2.5, 6.2.8, 6.2.9 | `any_characters_in_any_number_up_to_256_are_taken_as_they_are` |
//! | 6.2.6, 6.2.7 | `the_sign_in_page_leaves_password_managers_and_pasting_alone` |
//! | 6.2.12 | `a_list_of_ones_own_is_read_at_the_start_and_with_every_reload` |
//! | 6.4.1, 6.4.3, 6.4.6 | `passwords` |

use serde_json::{Value, json};

use crate::admin_api::{TOKEN, call};
use crate::passwords::{NEW, attempt, form, refusal};
use crate::support::{Gateway, PASSWORD, Request, Setup, Upstream, sign_in};

#[test]
fn a_common_password_is_refused_wherever_one_is_set() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).admin_token(TOKEN).start();
    let tokens = sign_in(&gateway, "ada");
    for (bad, why) in [
        ("password", "most common"),
        ("QwertyUiop", "most common"),
        ("1234567", "at least 8 characters"),
        ("ada lovelace", "your own name"),
        ("Ada@Example.com", "your own name"),
        ("localhost", "name of this site"),
    ] {
        let input = format!("{bad}\n");
        let typed = gateway.command(&["user", "passwd", "ada"], &input);
        assert_eq!(typed.code, Some(1), "{bad}");
        assert!(typed.err.contains(why), "{bad}: {}", typed.err);
        let changed = Request::post("/vestibule/password")
            .bearer(&tokens.access)
            .json(&json!({"current_password": PASSWORD, "new_password": bad}))
            .send(&gateway);
        let signed_in = attempt("ada", PASSWORD, Some(bad)).send(&gateway);
        let set = Some(json!({"password": bad}));
        let set = call(&gateway, "PUT", "/users/ada/password", set);
        for answer in [changed, signed_in, set] {
            assert_eq!(refusal(&answer), (400, "invalid_request".to_owned()));
            let said = answer.json()["error_description"].to_string();
            assert!(said.contains(why), "{bad}: {said}");
            assert!(
                bad == "password" || !said.contains(bad),
                "told back: {said}"
            );
        }
    }
    for (name, email, bad) in [
        ("grace.hopper", "grace@example.com", "grace.hopper"),
        ("grace.hopper", "grace@example.com", "grace@example.com"),
        ("eve", "eve@example.com", "password123"),
    ] {
        let arguments = ["user", "add", name, "--email", email];
        let added = gateway.command(&arguments, &format!("{bad}\n"));
        assert_eq!(added.code, Some(1), "{bad}");
        let body = json!({"name": name, "email": email, "password": bad});
        assert_eq!(call(&gateway, "POST", "/users", Some(body)).status, 400);
    }
    sign_in(&gateway, "ada");
}

#[test]
fn a_list_of_ones_own_is_read_at_the_start_and_with_every_reload() {
    let upstream = Upstream::start();
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&list, "Tiger of ours\n").unwrap();
    let section = format!("[passwords]\ndeny_file = \"{}\"\n", list.path().display());
    let gateway = Setup::in_front_of(&upstream).section(&section).start();
    let tries = |new| attempt("ada", PASSWORD, Some(new)).send(&gateway);
    let refused = tries("tiger of OURS");
    assert_eq!(refusal(&refused), (400, "invalid_request".to_owned()));
    assert!(refused.text().contains("refused here"));

    std::fs::write(&list, "lion of ours\n").unwrap();
    gateway.reload();
    assert_eq!(tries("Lion of ours").status, 400);
    std::fs::write(&list, b"b\xe4d\n").unwrap();
    gateway.reload();
    let told = gateway.log();
    assert!(told.contains("is not UTF-8 in line 1"), "{told}");
    assert_eq!(tries("lion of ours").status, 400, "the old list goes on");
    assert_eq!(tries("tiger of ours").status, 200);
}

#[test]
fn any_characters_in_any_number_up_to_256_are_taken_as_they_are() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let long = "0123456789abcdef".repeat(16);
    let letters = "é".repeat(256);
    let mut current = PASSWORD.to_owned();
    for (good, others) in [
        ("qzjxkvwp", vec!["Qzjxkvwp", "qzjxkvw", "qzjxkvwp "]),
        ("  both ends  ", vec!["both ends", "  both ends "]),
        ("\0null\0null", vec!["\0null", "null\0null", "\0null\0nulL"]),
        (
            "😀 ümläut & <b>\"",
            vec!["😀 umlaut & <b>\"", "? ümläut & <b>\""],
        ),
        (&long, vec![&long[..255], &long[..64], &long[..72]]),
        (&letters, vec!["é"]),
    ] {
        let changed = attempt("ada", &current, Some(good)).send(&gateway);
        assert_eq!(changed.status, 200, "{good:?}: {}", changed.text());
        for other in others {
            let wrong = attempt("ada", other, None).send(&gateway);
            assert_eq!(wrong.status, 401, "{other:?} for {good:?}");
        }
        assert_eq!(attempt("ada", good, None).send(&gateway).status, 200);
        let typed = form(&[("username", "ada"), ("password", good)]);
        assert_eq!(typed.send(&gateway).status, 303, "{good:?}");
        good.clone_into(&mut current);
    }
}

/// Another character in the place of each byte that is none would make several passwords one.
#[test]
fn bytes_that_are_no_characters_are_refused_and_not_replaced() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let changed = attempt("ada", PASSWORD, Some("\u{fffd}\u{fffd} tiger")).send(&gateway);
    assert_eq!(changed.status, 200);
    for (media_type, body) in [
        (
            "application/x-www-form-urlencoded",
            &b"username=ada&password=%FF%FE tiger"[..],
        ),
        (
            "application/x-www-form-urlencoded",
            b"username=ada&password=\xff\xfe tiger",
        ),
        (
            "application/json",
            b"{\"username\":\"ada\",\"password\":\"\xff\xfe tiger\"}",
        ),
        (
            "application/json",
            br#"{"username":"ada","password":"\ud800\ud800 tiger"}"#,
        ),
    ] {
        let answer = Request::post("/vestibule/login")
            .same_origin()
            .header("Content-Type", media_type)
            .body(body)
            .send(&gateway);
        assert_eq!(refusal(&answer), (400, "invalid_request".to_owned()));
    }
    let right = form(&[("username", "ada"), ("password", "\u{fffd}\u{fffd} tiger")]);
    assert_eq!(right.send(&gateway).status, 303);
}

#[test]
fn the_sign_in_page_leaves_password_managers_and_pasting_alone() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let page = Request::get("/vestibule/login").navigating().send(&gateway);
    let html = page.text();
    let field = |name: &str| {
        let id = format!("id=\"{name}\"");
        let mut fields = html.split('<').filter(|tag| tag.starts_with("input"));
        let field = fields.find(|tag| tag.contains(&id));
        field.expect("the field").to_owned()
    };
    let (name, password) = (field("username"), field("password"));
    assert!(name.contains("autocomplete=\"username\""), "{name}");
    assert!(password.contains("type=\"password\""), "{password}");
    assert!(password.contains("autocomplete=\"current-password\""));
    for hindrance in ["maxlength", "onpaste", "pattern", "readonly", "<script"] {
        assert!(!html.contains(hindrance), "{hindrance}");
    }
}

#[test]
fn a_change_asks_for_the_current_password() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let change = |body: Value| {
        let request = Request::post("/vestibule/password").bearer(&tokens.access);
        request.json(&body).send(&gateway)
    };
    let without = change(json!({"new_password": NEW}));
    assert_eq!(refusal(&without), (400, "invalid_request".to_owned()));
    let wrong = change(json!({"current_password": "wrong", "new_password": NEW}));
    assert_eq!(refusal(&wrong), (401, "invalid_credentials".to_owned()));
    let same = change(json!({"current_password": PASSWORD, "new_password": PASSWORD}));
    assert_eq!(refusal(&same), (400, "invalid_request".to_owned()));
    let changed = change(json!({"current_password": PASSWORD, "new_password": NEW}));
    assert_eq!(changed.status, 200);
}
