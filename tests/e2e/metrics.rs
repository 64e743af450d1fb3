//! What is counted: requests, connections and events, each by what came of it, in both text formats.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;

use crate::support::{
    Gateway, PASSWORD, Program, Request, Scrape, Setup, Tokens, Upstream, ask_admin,
    browser_sign_in, refresh, sign_in,
};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

fn attempt(gateway: &Gateway, name: &str, password: &str) -> u16 {
    Request::post("/vestibule/login")
        .json(&json!({"username": name, "password": password}))
        .send(gateway)
        .status
}

fn handshake(token: &str) -> Request {
    Request::get("/chat")
        .bearer(token)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

fn answers(route: &str, class: &str, by: &str) -> String {
    format!("vestibule_requests_total{{route=\"{route}\",class=\"{class}\",by=\"{by}\"}}")
}

/// A gateway that has seen a bit of everything.
pub fn lively(upstream: &Upstream) -> Gateway {
    let gateway = Setup::in_front_of(upstream)
        .route("/ops", &upstream.url(), "{ groups = [\"ops\"] }", "")
        .route("/gone", "http://127.0.0.1:9", "anyone", "")
        .start();
    let tokens = sign_in(&gateway, "ada");
    let cookies = browser_sign_in(&gateway, "ada");
    for target in [
        "/",
        "/status/404",
        "/status/503",
        "/garbage",
        "/ops",
        "/gone",
    ] {
        Request::get(target).bearer(&tokens.access).send(&gateway);
    }
    Request::get("/").send(&gateway);
    Request::get("/").header("Cookie", &cookies).send(&gateway);
    Request::get("/")
        .header("Host", "other.example")
        .send(&gateway);
    attempt(&gateway, "ada", "wrong");
    attempt(&gateway, "nobody", PASSWORD);
    let next = Tokens::of(&refresh(&gateway, &tokens.refresh));
    refresh(&gateway, "vrt1_nonsense");
    let out = Request::post("/vestibule/logout").bearer(&next.access);
    assert_eq!(out.json(&json!({})).send(&gateway).status, 204);
    let mut nonsense = gateway.connect();
    nonsense.send("this is not HTTP\r\n\r\n");
    nonsense.wait_for_end();
    gateway
}

#[test]
fn scrapers_get_the_format_they_ask_for_and_no_metric_twice() {
    let upstream = Upstream::start();
    let gateway = lively(&upstream);
    let ask = |accept: &str| {
        let request = Request::get("/metrics").header("Accept", accept);
        ask_admin(&gateway, &request)
    };
    let open = ask("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    assert_eq!(open.header("content-type"), Some(OPEN_METRICS));
    assert!(open.text().ends_with("\n# EOF\n"));
    let classic = ask("*/*");
    assert_eq!(classic.header("content-type"), Some(CLASSIC));
    assert!(!classic.text().contains("# EOF") && !classic.text().contains("# UNIT"));
    for text in [open.text(), classic.text()] {
        let types = text.lines().filter(|line| line.starts_with("# TYPE "));
        let mut names: Vec<&str> = types.filter_map(|line| line.split(' ').nth(2)).collect();
        assert!(names.len() > 30, "{text}");
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{text}");
    }
    let series = classic
        .text()
        .lines()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let distinct: BTreeSet<&str> = series
        .iter()
        .filter_map(|l| l.rsplit_once(' '))
        .map(|(s, _)| s)
        .collect();
    assert_eq!(distinct.len(), series.len());

    let mut connection = gateway.connect_admin();
    connection.send(Request::new("HEAD", "/metrics").to_bytes());
    let head = connection.head();
    assert_eq!(
        (head.target(), head.first("content-type")),
        ("200", Some(CLASSIC))
    );
    let post = ask_admin(&gateway, &Request::post("/metrics"));
    assert_eq!(
        (post.status, post.header("allow")),
        (405, Some("GET, HEAD"))
    );
}

#[test]
fn a_request_raises_its_route_its_class_and_who_answered() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .route(
            "/ops",
            &upstream.url(),
            "{ groups = [\"ops\"] }",
            "name = \"operations\"",
        )
        .start();
    let token = sign_in(&gateway, "ada").access;
    Scrape::wait_for(&gateway, &answers("(own)", "2xx", "gateway"), 1.0);
    let before = Scrape::of(&gateway);
    let mut connection = gateway.connect();
    connection.send(Request::get("/page").bearer(&token).to_bytes());
    assert_eq!(connection.answer().status, 200);
    connection.send(Request::get("/ops/x").bearer(&token).to_bytes());
    assert_eq!(connection.answer().status, 403);
    connection.send(Request::get("/status/500").bearer(&token).to_bytes());
    assert_eq!(connection.answer().status, 500);
    Scrape::wait_for(&gateway, &answers("/", "5xx", "app"), 1.0);
    let after = Scrape::of(&gateway);
    let raised: Vec<(&str, f64)> = after
        .series
        .iter()
        .filter(|(series, _)| series.starts_with("vestibule_requests_total"))
        .map(|(series, value)| (series.as_str(), value - before.get(series)))
        .filter(|(_, more)| *more != 0.0)
        .collect();
    let expected = [
        answers("/", "2xx", "app"),
        answers("/", "5xx", "app"),
        answers("operations", "4xx", "gateway"),
    ];
    assert_eq!(
        raised,
        expected.each_ref().map(|series| (series.as_str(), 1.0))
    );
    for (series, value) in [
        ("vestibule_requests_in_flight", 0.0),
        ("vestibule_request_duration_seconds_count{route=\"/\"}", 2.0),
        (
            "vestibule_upstream_response_seconds_count{route=\"/\"}",
            2.0,
        ),
        (
            "vestibule_request_duration_seconds_count{route=\"operations\"}",
            1.0,
        ),
        (
            "vestibule_upstream_response_seconds_count{route=\"operations\"}",
            0.0,
        ),
        ("vestibule_denials_total{reason=\"not_allowed\"}", 1.0),
        ("vestibule_token_cache_lookups_total{result=\"miss\"}", 1.0),
        ("vestibule_token_cache_lookups_total{result=\"hit\"}", 2.0),
        ("vestibule_token_cache_entries", 1.0),
    ] {
        assert_eq!(after.get(series), value, "{series}");
    }
}

#[test]
fn connections_to_an_app_are_counted_when_they_are_made_and_used_again() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .start();
    let series = |name: &str| {
        format!(
            "vestibule_upstream_{name}{{upstream=\"{}\"}}",
            upstream.url()
        )
    };
    assert_eq!(
        Scrape::of(&gateway).get(&series("connections_opened_total")),
        0.0
    );
    // One connection of a visitor is served by one thread, and that uses one connection to the app.
    let mut connection = gateway.connect();
    for _ in 0..3 {
        connection.send(Request::get("/").to_bytes());
        assert_eq!(connection.answer().status, 200);
    }
    Scrape::wait_for(&gateway, &series("connections_idle"), 1.0);
    let scrape = Scrape::of(&gateway);
    assert_eq!(scrape.get(&series("connections_opened_total")), 1.0);
    assert_eq!(scrape.get(&series("connections_reused_total")), 2.0);
    assert_eq!(upstream.connections(), 1);
    // The app keeps it open; it is closed from here once it was idle for some seconds.
    Scrape::wait_for(&gateway, &series("connections_idle"), 0.0);
}

#[test]
fn a_request_is_in_flight_until_its_answer_has_ended() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let mut connection = gateway.connect();
    connection.send(Request::get("/stream").bearer(&token).to_bytes());
    connection.head();
    Scrape::wait_for(&gateway, "vestibule_requests_in_flight", 1.0);
    let open = Scrape::of(&gateway).get("vestibule_connections_open");
    assert!(open >= 1.0);
    // The caller hangs up in the middle of the answer.
    drop(connection);
    upstream.go_on();
    Scrape::wait_for(&gateway, "vestibule_requests_in_flight", 0.0);
    Scrape::wait_for(&gateway, "vestibule_connections_open", 0.0);
    let mut held = gateway.connect();
    held.send(Request::get("/slow").bearer(&token).to_bytes());
    assert_eq!(held.answer().status, 200);
}

#[test]
fn sign_ins_refreshes_and_sign_outs_are_counted_by_what_came_of_them() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    assert_eq!(attempt(&gateway, "ada", "wrong"), 401);
    assert_eq!(attempt(&gateway, "ada", "wrong again"), 401);
    assert_eq!(attempt(&gateway, "nobody", PASSWORD), 401);
    let next = Tokens::of(&refresh(&gateway, &tokens.refresh));
    assert_eq!(refresh(&gateway, "vrt1_nonsense").status, 401);
    let password = json!({"current_password": PASSWORD, "new_password": "another good passphrase"});
    let change = Request::post("/vestibule/password").bearer(&next.access);
    assert_eq!(change.json(&password).send(&gateway).status, 200);
    let other = Request::post("/vestibule/login")
        .json(&json!({"username": "ada", "password": "another good passphrase"}))
        .send(&gateway);
    let other = Tokens::of(&other);
    let out = Request::post("/vestibule/logout").bearer(&other.access);
    assert_eq!(out.json(&json!({})).send(&gateway).status, 204);
    let scrape = Scrape::of(&gateway);
    for (series, value) in [
        ("vestibule_sign_ins_total{outcome=\"signed_in\"}", 2.0),
        ("vestibule_sign_ins_total{outcome=\"wrong_password\"}", 2.0),
        ("vestibule_sign_ins_total{outcome=\"unknown_user\"}", 1.0),
        ("vestibule_sign_ins_total{outcome=\"disabled\"}", 0.0),
        ("vestibule_refreshes_total{verdict=\"rotate\"}", 1.0),
        ("vestibule_refreshes_total{verdict=\"unknown_token\"}", 1.0),
        ("vestibule_refreshes_total{verdict=\"reuse\"}", 0.0),
        ("vestibule_sign_outs_total{scope=\"session\"}", 1.0),
        ("vestibule_password_changes_total", 1.0),
        (
            "vestibule_store_operation_duration_seconds_count{operation=\"open\"}",
            2.0,
        ),
        (
            "vestibule_store_operation_duration_seconds_count{operation=\"rotate\"}",
            1.0,
        ),
        ("vestibule_store_errors_total{operation=\"open\"}", 0.0),
    ] {
        assert_eq!(scrape.get(series), value, "{series}");
    }
    assert!(scrape.get("vestibule_revocations") >= 1.0);
}

#[test]
fn what_goes_wrong_is_counted_by_its_reason() {
    let upstream = Upstream::start();
    let gateway = lively(&upstream);
    let mut large = gateway.connect();
    large.try_send(format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "x".repeat(300_000)
    ));
    assert_eq!(large.answer().status, 431);
    for (series, value) in [
        (
            "vestibule_upstream_errors_total{route=\"/gone\",reason=\"unreachable\"}",
            1.0,
        ),
        (
            "vestibule_upstream_errors_total{route=\"/\",reason=\"bad_answer\"}",
            1.0,
        ),
        ("vestibule_refused_heads_total{reason=\"malformed\"}", 1.0),
        ("vestibule_refused_heads_total{reason=\"too_large\"}", 1.0),
        (&answers("/gone", "5xx", "gateway"), 1.0),
        (&answers("(unmatched)", "4xx", "gateway"), 1.0),
        ("vestibule_log_lines_dropped_total{log=\"access\"}", 0.0),
    ] {
        Scrape::wait_for(&gateway, series, value);
    }
    let limit = Scrape::of(&gateway).get("vestibule_connections_limit");
    assert!(limit >= 100.0, "{limit}");
}

#[test]
fn open_tunnels_are_counted_and_their_connections_too() {
    let app = Program::websocket_echo();
    let gateway = Setup::new().route("/", &app.url(), "signed-in", "").start();
    let token = sign_in(&gateway, "ada").access;
    let mut connection = gateway.connect();
    connection.send(handshake(&token).to_bytes());
    assert_eq!(connection.head().target(), "101");
    Scrape::wait_for(&gateway, "vestibule_tunnels_open", 1.0);
    Scrape::wait_for(&gateway, "vestibule_connections_open", 1.0);
    Scrape::wait_for(&gateway, &answers("/", "1xx", "app"), 1.0);
    // A frame that says good-bye.
    connection.send([0x88, 0x80, 0, 0, 0, 0]);
    connection.wait_for_end();
    Scrape::wait_for(&gateway, "vestibule_tunnels_open", 0.0);
    Scrape::wait_for(&gateway, "vestibule_connections_open", 0.0);
}

#[test]
fn nothing_that_callers_send_becomes_a_label() {
    let upstream = Upstream::start();
    let gateway = lively(&upstream);
    let before: BTreeSet<String> = Scrape::of(&gateway).series.into_keys().collect();
    for n in 0..50 {
        let marked = format!("marked{n}");
        Request::get(&format!("/{marked}?{marked}"))
            .header("User-Agent", &marked)
            .bearer(&marked)
            .send(&gateway);
        let host = format!("{marked}.example");
        Request::get("/").header("Host", &host).send(&gateway);
        Request::new(&marked.to_uppercase(), &format!("/vestibule/{marked}")).send(&gateway);
    }
    attempt(&gateway, "marked-name", "marked-password");
    refresh(&gateway, "marked-token");
    let after = Scrape::of(&gateway);
    assert!(!after.text.contains("marked"), "{}", after.text);
    let after: BTreeSet<String> = after.series.into_keys().collect();
    assert_eq!(after, before);
}

#[test]
fn counters_go_on_through_a_reload_which_is_counted_itself() {
    let upstream = Upstream::start();
    let setup = Setup::new().route("/", &upstream.url(), "anyone", "");
    let gateway = setup.start();
    assert_eq!(Request::get("/").send(&gateway).status, 200);
    Scrape::wait_for(&gateway, &answers("/", "2xx", "app"), 1.0);
    let applied = Scrape::of(&gateway).get("vestibule_config_applied_timestamp_seconds");
    assert!(applied > 1e9, "{applied}");
    gateway.configure(&setup.route("/new", &upstream.url(), "anyone", ""));
    gateway.reload();
    for target in ["/", "/new"] {
        assert_eq!(Request::get(target).send(&gateway).status, 200);
    }
    Scrape::wait_for(&gateway, &answers("/", "2xx", "app"), 2.0);
    Scrape::wait_for(&gateway, &answers("/new", "2xx", "app"), 1.0);
    fs::write(gateway.file("config.toml"), "nonsense").unwrap();
    gateway.hang_up();
    for outcome in ["applied", "refused"] {
        let series = format!("vestibule_config_reloads_total{{outcome=\"{outcome}\"}}");
        Scrape::wait_for(&gateway, &series, 1.0);
    }
}
