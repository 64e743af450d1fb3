//! Who may call the admin API: the token, the names it is called by, and tokens that are no good.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use tempfile::TempDir;

use crate::admin_api::{TOKEN, app, ask, call, refusal, started};
use crate::support::{Gateway, Request, Setup, Upstream, sign_in, vestibule, wait_until};

#[test]
fn only_the_admin_token_opens_the_api() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let get = |path| Request::get(path);
    let users = "/api/v1/users";
    for (request, code) in [
        (get(users), "missing_token"),
        (get("/api/v1/openapi.json"), "missing_token"),
        (get("/api/v1/nothing"), "missing_token"),
        (
            get(users).header("Authorization", "Basic YTpi"),
            "missing_token",
        ),
        (get(users).header("Authorization", TOKEN), "missing_token"),
        (get(users).bearer(&TOKEN[1..]), "invalid_token"),
        (get(users).bearer(&tokens.access), "invalid_token"),
        (get(users).bearer(""), "missing_token"),
    ] {
        let answer = ask(&gateway, &request);
        assert_eq!(refusal(&answer), (401, code.to_owned()));
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer"), "{challenge}");
    }
    let twice = get(users).bearer(TOKEN).bearer(TOKEN);
    assert_eq!(ask(&gateway, &twice).status, 400);
    assert_eq!(call(&gateway, "GET", "/users", None).status, 200);
    // Elsewhere it opens nothing.
    assert_eq!(app(&gateway, TOKEN), 401);
    let public = get(users).bearer(TOKEN).send(&gateway);
    assert_eq!(public.status, 401, "the API is on the admin listener only");
    wait_until("both refusals to be told", Duration::from_secs(60), || {
        gateway.log().matches("wrong token").count() == 2
    });
    let log = gateway.log();
    assert!(!log.contains(&TOKEN[1..]) && !log.contains(&tokens.access));
}

#[test]
fn a_foreign_host_is_refused() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    for (host, status) in [
        ("localhost:9180", 200),
        ("127.0.0.1:9180", 200),
        ("[::1]", 200),
        ("gateway.internal:80", 200),
        ("Gateway.Internal.", 200),
        ("gateway.internal.evil.example", 421),
        ("evil.example", 421),
        ("a.localhost", 421),
        ("", 421),
    ] {
        let request = Request::get("/api/v1/keys")
            .bearer(TOKEN)
            .header("Host", host);
        assert_eq!(ask(&gateway, &request).status, status, "{host}");
    }
}

#[test]
fn without_a_token_there_is_no_api() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let off = ask(&gateway, &Request::get("/api/v1/users").bearer(TOKEN));
    assert_eq!(refusal(&off), (404, "not_found".to_owned()));
    assert!(
        off.text().contains("server.admin_token_file"),
        "{}",
        off.text()
    );
}

#[test]
fn a_token_that_is_no_good_is_refused_at_start_and_by_check() {
    let folder = TempDir::new().unwrap();
    let setup = Setup::new().route("/", "http://127.0.0.1:9", "signed-in", "");
    let setup = setup.server("admin_token_file = \"admin.token\"");
    fs::write(folder.path().join("config.toml"), setup.to_toml()).unwrap();
    let path = folder.path().join("admin.token");
    for (content, mode, way_out) in [
        (None, 0o600, "/dev/urandom"),
        (Some("too short"), 0o600, "/dev/urandom"),
        (Some(TOKEN), 0o644, "chmod 600"),
    ] {
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        for command in ["check", "serve"] {
            let refused = vestibule(folder.path(), &[command], "");
            assert_eq!(refused.code, Some(1), "{}", refused.err);
            assert!(refused.err.contains(way_out), "{}", refused.err);
            assert!(!refused.err.contains(TOKEN) && !refused.err.contains("too short"));
        }
    }
}

#[test]
fn a_token_that_travels_is_warned_of() {
    let folder = TempDir::new().unwrap();
    let config = Setup::new()
        .route("/", "http://127.0.0.1:9", "signed-in", "")
        .server("admin_token_file = \"admin.token\"")
        .to_toml()
        .replace(
            "admin_listen = \"127.0.0.1:0\"",
            "admin_listen = \"0.0.0.0:9180\"",
        );
    fs::write(folder.path().join("config.toml"), config).unwrap();
    let path = folder.path().join("admin.token");
    fs::write(&path, TOKEN).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let checked = vestibule(folder.path(), &["check"], "").expect_success();
    assert!(checked.out.contains("plain http"), "{}", checked.out);
}
