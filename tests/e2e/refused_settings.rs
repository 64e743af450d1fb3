//! What a configuration cannot ask for: it is refused at the start, by name, never read and ignored.

use std::fs;

use tempfile::TempDir;

use crate::support::{
    Gateway, PASSWORD, Request, Setup, Upstream, browser_sign_in, sign_in, vestibule,
};

/// Starts the gateway with this configuration, which is to be refused; gives what it says.
#[track_caller]
fn refused(row: &str, setup: &Setup) -> String {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("config.toml"), setup.to_toml()).unwrap();
    let [_, said] = ["serve", "check"].map(|command| {
        let done = vestibule(folder.path(), &[command, "--config", "config.toml"], "");
        let said = done.out + &done.err;
        assert_eq!(done.code, Some(1), "{row}: {command}: {said}");
        said
    });
    said
}

/// The row of the table, what is set, and the setting that is named.
const WRONG: &[(&str, &str, &str)] = &[
    ("FJ-27", "credentials = [\"banana\"]", "credentials"),
    ("FJ-27", "credentials = \"query_string\"", "credentials"),
    (
        "FJ-27",
        "credentials = [\"header\", \"json\"]",
        "credentials",
    ),
    ("FJ-81", "credentials = []", "credentials"),
    ("FJ-81", "[tokens]\naccess_ttl = 300", "access_ttl"),
    ("FJ-81", "[tokens]\naccess_ttl = \"banana\"", "access_ttl"),
    ("FJ-81", "[tokens]\naccess_ttl = false", "access_ttl"),
    ("FJ-81", "[tokens]\naccess_ttl = \"2h\"", "access_ttl"),
    ("FJ-81", "[tokens]\nleeway = \"61s\"", "leeway"),
    ("FJ-81", "[sessions]\nidle_ttl = []", "idle_ttl"),
    ("FJ-81", "[sessions]\nidle_ttl = false", "idle_ttl"),
    ("FJ-81", "[tokens]\naudience = \"\"", "audience"),
];

/// A section, or a line of the one route.
fn with(setting: &str) -> Setup {
    let route = |line| Setup::new().route("/", "http://127.0.0.1:9", "signed-in", line);
    if setting.starts_with('[') {
        route("").section(setting)
    } else {
        route(setting)
    }
}

#[test]
fn fj_27_fj_81_a_wrong_setting_is_refused_at_the_start_and_named() {
    for (row, setting, named) in WRONG {
        let said = refused(row, &with(setting));
        assert!(said.contains(named), "{row}: {said}");
    }
    assert!(refused("FJ-81", &Setup::new()).contains("there is no route"));
}

/// A database whose keys are gone is no reason to make new ones and sign everybody out.
#[test]
fn fj_81_keys_that_are_missing_stop_the_start() {
    let upstream = Upstream::start();
    let mut gateway = Setup::in_front_of(&upstream).start();
    gateway.kill();
    fs::remove_file(gateway.file("vestibule.db.key")).unwrap();
    let done = gateway.command(&["serve"], "");
    assert_eq!(done.code, Some(1), "{}", done.out);
    assert!(done.err.contains("vestibule.db.key"), "{}", done.err);
}

/// Names that other programs have for what is not offered here.
const NOT_OFFERED: &[(&str, &str, &str)] = &[
    (
        "FJ-49",
        "[errors]\ntemplates = { token_revoked = \"x\" }",
        "errors",
    ),
    (
        "FJ-49",
        "[errors]\nstatus = { token_revoked = 404 }",
        "errors",
    ),
    ("FJ-60", "[csrf]\nmethods = [\"GET\"]", "csrf.methods"),
    (
        "FJ-64",
        "[cookies]\nsamesite = \"Strict\"",
        "cookies.samesite",
    ),
    ("FJ-64", "[cookies]\nsecure = false", "cookies.secure"),
    ("FJ-65", "[cookies]\naccess = \"token\"", "cookies.access"),
    (
        "FJ-65",
        "[cookies]\nrefresh_path = \"/vestibule\"",
        "cookies.refresh_path",
    ),
    ("FJ-74", "[credentials]\nheader = \"foo\"", "credentials"),
    ("FJ-74", "credential_header = \"foo\"", "credential_header"),
    ("FJ-75", "[credentials]\nscheme = \"JWT\"", "credentials"),
    ("FJ-76", "[errors]\nmessage_key = \"banana\"", "errors"),
    ("FJ-77", "query_token = \"jwt\"", "query_token"),
];

#[test]
fn fj_49_fj_60_fj_64_fj_65_fj_74_to_fj_77_what_is_not_offered_is_no_option() {
    for (row, setting, named) in NOT_OFFERED {
        let said = refused(row, &with(setting));
        let told = format!("{named}: there is no");
        assert!(said.contains(&told), "{row}: {said}");
    }
}

#[test]
fn fj_49_fj_76_a_refusal_has_one_form() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let out = Request::post("/vestibule/logout").bearer(&tokens.access);
    assert_eq!(out.send(&gateway).status, 204);
    let answer = Request::get("/").bearer(&tokens.access).send(&gateway);
    assert_eq!((answer.status, &*answer.error()), (401, "token_revoked"));
    let told = answer.json();
    let names: Vec<&String> = told.as_object().unwrap().keys().collect();
    assert_eq!(names, ["error", "error_description", "login_url"]);
    assert_eq!(upstream.count(), 0);
}

/// Each mode judges something, and the header has a name of its own.
#[test]
fn fj_57_fj_58_the_check_cannot_be_turned_off_and_its_header_means_nothing_else() {
    for (row, setting, named) in [
        ("FJ-57", "[csrf]\nmode = \"off\"", "csrf.mode"),
        ("FJ-57", "[csrf]\nmode = false", "csrf.mode"),
        ("FJ-58", "[csrf]\nheader = \"Cookie\"", "csrf.header"),
        ("FJ-58", "[csrf]\nheader = \"content-type\"", "csrf.header"),
        ("FJ-58", "[csrf]\nheader = \"\"", "csrf.header"),
    ] {
        let said = refused(row, &with(setting));
        assert!(said.contains(named), "{row}: {said}");
    }
}

/// Where nobody asks for a value, where a request comes from is what counts.
#[test]
fn fj_55_fj_56_fj_58_fj_59_a_value_in_a_header_or_a_field_proves_nothing() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    for value in ["", "right", "wrong"] {
        for name in ["X-CSRF-TOKEN", "X-XSRF-TOKEN", "X-Requested-With"] {
            let jar = format!("{cookies}; csrf_access_token={value}");
            let request = Request::post("/")
                .header("Cookie", &jar)
                .header(name, value)
                .form(&[("csrf_token", value)]);
            let answer = request.send(&gateway);
            let told = (answer.status, answer.error());
            assert_eq!(told, (403, "csrf_rejected".to_owned()), "{name} {value}");
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn fj_57_fj_60_reading_needs_no_proof_and_changing_always_does() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    for (method, status) in [("GET", 200), ("POST", 403), ("DELETE", 403), ("FOO", 403)] {
        let request = Request::new(method, "/").header("Cookie", &cookies);
        assert_eq!(request.send(&gateway).status, status, "{method}");
    }
    assert_eq!(upstream.count(), 1);
}

/// The cookies' names follow from the address that people type, and from nothing else.
#[test]
fn fj_65_the_names_of_the_cookies_follow_from_the_address() {
    let upstream = Upstream::start();
    for (url, host, prefix, suffix) in [
        ("http://localhost", "localhost", "", ""),
        ("http://localhost:8081", "localhost:8081", "", "_8081"),
        ("https://app.example", "app.example", "__Host-", ""),
        (
            "https://app.example:8443",
            "app.example:8443",
            "__Host-",
            "_8443",
        ),
    ] {
        let gateway = Setup::in_front_of(&upstream).public_url(url).start();
        let answer = Request::post("/vestibule/login")
            .header("Host", host)
            .header("Sec-Fetch-Site", "same-origin")
            .form(&[("username", "ada"), ("password", PASSWORD)])
            .send(&gateway);
        let set = answer.head.all("set-cookie");
        let names: Vec<&str> = set.iter().filter_map(|c| c.split('=').next()).collect();
        let ours = ["refresh", "access"].map(|kind| format!("{prefix}vestibule_{kind}{suffix}"));
        for name in ours {
            assert!(names.contains(&&*name), "{url}: {names:?}");
        }
    }
}
