//! What is written down: a line for every answer, a line for every event, and an id that joins them.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Answer, Gateway, PASSWORD, Request, Setup, Tokens, Upstream, refresh, sign_in, wait_until,
};

const IN_FILES: &str = "[observe]\naccess_log.to = \"access.log\"\naudit_log.to = \"audit.log\"\n";
const PATIENCE: Duration = Duration::from_secs(60);

fn started(upstream: &Upstream) -> Gateway {
    Setup::in_front_of(upstream)
        .route("/ops", &upstream.url(), "{ groups = [\"ops\"] }", "")
        .section(IN_FILES)
        .start()
}

fn id_of(answer: &Answer) -> Value {
    answer.header("x-request-id").expect("an id").into()
}

/// The audit log's lines about this event.
fn told<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

#[test]
fn an_answer_of_the_app_is_one_line_that_tells_who_and_how() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let answer = Request::get("/page?secret=1")
        .bearer(&tokens.access)
        .header("User-Agent", "tester")
        .header("Referer", "http://other.example/path?secret=2")
        .send(&gateway);
    assert_eq!(answer.status, 200);
    let lines = gateway.lines("access.log", 2);
    let line = &lines[1];
    for (field, value) in [
        ("request_id", id_of(&answer)),
        ("client", json!("127.0.0.1")),
        ("user", json!("ada")),
        ("session_id", json!(tokens.session)),
        ("route", json!("/")),
        ("method", json!("GET")),
        ("path", json!("/page")),
        ("status", json!(200)),
        ("bytes", json!(answer.body.data.len())),
        ("complete", json!(true)),
        ("user_agent", json!("tester")),
        ("referer", json!("http://other.example")),
    ] {
        assert_eq!(line[field], value, "{field} in {line}");
    }
    let (whole, upstream_ms) = (&line["duration_ms"], &line["upstream_ms"]);
    assert!(whole.as_f64() >= upstream_ms.as_f64() && upstream_ms.is_f64());
    assert!(!line.to_string().contains("secret"), "{line}");
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["path"], "/vestibule/login");
    assert_eq!(lines[0]["upstream_ms"], Value::Null);
}

#[test]
fn refusals_have_their_line_too() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let mut expected = Vec::new();
    for request in [
        Request::get("/"),
        Request::get("/%zz"),
        Request::new("TRACE", "/"),
        Request::get("/vestibule/nothing"),
        Request::new("HEAD", "/vestibule/login"),
    ] {
        let mut connection = gateway.connect();
        connection.send(request.to_bytes());
        let head = connection.head();
        let id = head.first("x-request-id").expect("an id").to_owned();
        expected.push((id, head.target().parse::<u64>().unwrap()));
        // One after the other, so that the lines are in this order.
        gateway.lines("access.log", expected.len());
    }
    let lines = gateway.lines("access.log", expected.len());
    for (line, (id, status)) in lines.iter().zip(expected) {
        assert_eq!(line["request_id"], id, "{line}");
        assert_eq!(line["status"], status, "{line}");
        assert_eq!(line["complete"], true, "{line}");
    }
}

#[test]
fn the_app_and_the_caller_learn_the_same_request_id() {
    let upstream = Upstream::start();
    let proxied = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .server("trusted_proxies = [\"127.0.0.0/8\"]")
        .start();
    let direct = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .start();
    for (gateway, sent, believed) in [
        (&proxied, "the-proxys.1", true),
        (&proxied, "not fit", false),
        (&proxied, &"x".repeat(65), false),
        (&direct, "the-proxys.1", false),
    ] {
        let answer = Request::get("/")
            .header("X-Request-Id", sent)
            .header("X-Forwarded-For", "198.51.100.7")
            .send(gateway);
        let id = answer.header("x-request-id").expect("an id");
        assert_eq!(id == sent, believed, "{sent}");
        assert_eq!(upstream.last().head.all("x-request-id"), [id]);
        assert!(believed || id.len() == 22, "{id}");
    }
}

#[test]
fn answers_that_do_not_end_as_they_should_are_written_down() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let mut connection = gateway.connect();
    connection.send(Request::get("/slow").bearer(&tokens.access).to_bytes());
    upstream.wait_for(1);
    drop(connection);
    let lines = gateway.lines("access.log", 2);
    let line = &lines[1];
    assert_eq!(
        (&line["path"], &line["status"]),
        (&json!("/slow"), &json!(499))
    );
    assert_eq!(line["complete"], false);
    upstream.go_on();

    let mut connection = gateway.connect();
    connection.send(Request::get("/partial").bearer(&tokens.access).to_bytes());
    assert!(connection.answer_if_whole().is_none());
    let lines = gateway.lines("access.log", 3);
    let line = &lines[2];
    assert_eq!((&line["status"], &line["bytes"]), (&json!(200), &json!(10)));
    assert_eq!(line["complete"], false);
}

#[test]
fn combined_lines_are_what_other_programs_read() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .section("[observe.access_log]\nto = \"access.log\"\nformat = \"combined\"\nquery = true\n")
        .start();
    let answer = Request::get("/a?b=c")
        .header("User-Agent", "te\"ster")
        .send(&gateway);
    let id = answer.header("x-request-id").expect("an id").to_owned();
    let path = gateway.file("access.log");
    let mut text = String::new();
    wait_until("the line", PATIENCE, || {
        text = fs::read_to_string(&path).unwrap();
        text.ends_with('\n')
    });
    assert!(text.starts_with("127.0.0.1 - - ["), "{text}");
    let request = format!(
        "] \"GET /a?b=c HTTP/1.1\" 401 {} \"-\" \"te\\\"ster\" ",
        answer.body.data.len()
    );
    assert!(text.contains(&request), "{text}");
    assert!(text.ends_with(&format!(" - / - {id}\n")), "{text}");
}

#[test]
fn a_renamed_log_goes_on_in_a_new_file_after_a_hangup_and_no_line_is_lost() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let path = gateway.file("access.log");
    let old = gateway.file("access.log.1");
    Request::get("/1").send(&gateway);
    gateway.lines("access.log", 1);
    fs::rename(&path, &old).unwrap();
    Request::get("/2").send(&gateway);
    gateway.lines("access.log.1", 2);
    gateway.hang_up();
    wait_until("the new file", PATIENCE, || path.exists());
    Request::get("/3").send(&gateway);
    assert_eq!(gateway.lines("access.log", 1)[0]["path"], "/3");
    assert_eq!(gateway.lines("access.log.1", 2).len(), 2);
}

#[test]
fn events_are_written_down_with_their_true_reason() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let attempt = |name: &str, password: &str| {
        Request::post("/vestibule/login")
            .json(&json!({"username": name, "password": password}))
            .send(&gateway)
    };
    let wrong = attempt("ada", "wrong");
    attempt("hunter2", PASSWORD);
    let denied = Request::get("/ops").bearer(&tokens.access).send(&gateway);
    assert_eq!(denied.status, 403);
    let renewed = Tokens::of(&refresh(&gateway, &tokens.refresh));
    Tokens::of(&refresh(&gateway, &tokens.refresh));
    assert_eq!(refresh(&gateway, "vrt1_nonsense").status, 401);
    let out = Request::post("/vestibule/logout")
        .bearer(&renewed.access)
        .send(&gateway);
    assert_eq!(out.status, 204);
    assert_eq!(refresh(&gateway, &renewed.refresh).status, 401);

    let lines = gateway.lines("audit.log", 11);
    assert_eq!(told(&lines, "user_added")[0]["user_name"], "ada");
    assert!(!told(&lines, "started").is_empty());
    let signed_in = told(&lines, "signed_in")[0];
    assert_eq!(signed_in["session_id"], *tokens.session);
    assert_eq!(signed_in["delivery"], "token");
    assert_eq!(signed_in["client"], "127.0.0.1");
    let refused = told(&lines, "sign_in_refused");
    assert_eq!(refused[0]["reason"], "wrong_password");
    assert_eq!(refused[0]["user_name"], "ada");
    assert_eq!(refused[0]["request_id"], id_of(&wrong));
    assert_eq!(refused[1]["reason"], "unknown_user");
    assert!(
        !refused[1].to_string().contains("hunter2"),
        "typed in the wrong field"
    );
    assert_eq!(told(&lines, "denied")[0]["route"], "/ops");
    assert_eq!(told(&lines, "denied")[0]["reason"], "not_allowed");
    assert_eq!(told(&lines, "denied")[0]["request_id"], id_of(&denied));
    let verdicts: Vec<&Value> = told(&lines, "refreshed")
        .into_iter()
        .map(|line| &line["verdict"])
        .collect();
    assert_eq!(verdicts, ["rotate", "redeliver"]);
    let refused = told(&lines, "refresh_refused");
    assert_eq!(refused[0]["reason"], "unknown_token");
    assert_eq!(refused[1]["reason"], "revoked");
    assert_eq!(refused[1]["session_id"], *tokens.session);
    assert_eq!(told(&lines, "signed_out")[0]["session_id"], *tokens.session);
}

#[test]
fn what_the_commands_change_is_written_down() {
    let upstream = Upstream::start();
    let mut gateway = started(&upstream);
    for (arguments, input) in [
        (&["user", "add", "bob"][..], "correct horse battery\n"),
        (&["user", "set", "bob", "--group", "ops"], ""),
        (&["user", "passwd", "bob"], "another battery staple\n"),
        (&["user", "disable", "bob"], ""),
    ] {
        let done = gateway.command(arguments, input).expect_success();
        assert!(!done.out.contains('{') && done.err.is_empty(), "{done:?}");
    }
    let attempt = Request::post("/vestibule/login")
        .json(&json!({"username": "bob", "password": "another battery staple"}))
        .send(&gateway);
    assert_eq!(attempt.status, 401);
    for arguments in [
        &["user", "enable", "bob"][..],
        &["user", "remove", "bob", "--yes"],
    ] {
        gateway.command(arguments, "").expect_success();
    }
    gateway.terminate();
    gateway.wait_for_exit(PATIENCE);
    let lines = gateway.lines("audit.log", 1);
    for event in [
        "user_added",
        "user_changed",
        "password_set",
        "user_disabled",
        "user_enabled",
        "user_removed",
    ] {
        let of_bob = told(&lines, event).into_iter();
        let count = of_bob.filter(|line| line["user_name"] == "bob").count();
        assert_eq!(count, 1, "{event}");
    }
    assert_eq!(told(&lines, "sign_in_refused")[0]["reason"], "disabled");
    assert_eq!(told(&lines, "stopped")[0]["all_answered"], true);
}

#[test]
fn the_application_log_is_json_where_nobody_watches_and_text_where_asked_for() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    for line in gateway.log().lines() {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        assert!(
            line["message"].is_string() && line["level"].is_string(),
            "{line}"
        );
    }
    let gateway = Setup::in_front_of(&upstream)
        .section("[observe]\nlog_format = \"text\"\n")
        .start();
    assert!(gateway.log().contains(" INFO listening on http://"));
}

#[test]
fn a_log_that_cannot_be_written_stops_the_start() {
    let upstream = Upstream::start();
    let folder = tempfile::TempDir::new().unwrap();
    let setup = Setup::in_front_of(&upstream).section("[observe.access_log]\nto = \"no/a.log\"\n");
    fs::write(folder.path().join("config.toml"), setup.to_toml()).unwrap();
    let arguments = ["serve", "--config", "config.toml"];
    let refused = crate::support::vestibule(folder.path(), &arguments, "");
    assert_eq!(refused.code, Some(1));
    assert!(
        refused
            .err
            .starts_with("observe.access_log.to: cannot write to ")
            && refused.err.contains("no/a.log: No such file"),
        "{}",
        refused.err
    );
}

#[test]
fn the_application_log_tells_how_long_the_start_took_as_a_number() {
    let upstream = Upstream::start();
    let gateway = started(&upstream);
    let ready = |line: &Value| line["after_ms"].is_u64();
    wait_until("the line", PATIENCE, || {
        let log = gateway.log();
        let mut lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines.any(|line| ready(&line))
    });
}
