//! A new configuration while requests run: nothing fails, nobody is signed out, nothing is left behind.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::admin_api::TOKEN;
use crate::support::{
    Gateway, Request, Setup, Upstream, browser_sign_in, refresh, sign_in, wait_until,
};

const PATIENCE: Duration = Duration::from_secs(60);

const LOGS: &str = "[observe]\naudit_log.to = 'audit.log'\n";

fn told<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

fn audit(gateway: &Gateway, event: &str, count: usize) -> Vec<Value> {
    wait_until("the event", PATIENCE, || {
        told(&gateway.lines("audit.log", 0), event).len() >= count
    });
    let lines = gateway.lines("audit.log", 0);
    told(&lines, event).into_iter().cloned().collect()
}

#[test]
fn a_hangup_takes_over_the_new_configuration_and_says_what_has_changed() {
    let (first, second) = (Upstream::start(), Upstream::start());
    let setup = Setup::in_front_of(&first).section(LOGS);
    let gateway = setup.start();
    let ada = sign_in(&gateway, "ada");
    assert_eq!(Request::get("/").send(&gateway).status, 401);

    let other = Setup::new()
        .route("/", &second.url(), "anyone", "")
        .route("/ops", &second.url(), "{ groups = ['ops'] }", "")
        .section("[observe]\nlog_level = 'debug'\naudit_log.to = 'audit.log'\naccess_log.to = 'access.log'");
    gateway.configure(&other);
    gateway.reload();
    assert_eq!(Request::get("/public").send(&gateway).status, 200);
    assert_eq!((first.count(), second.count()), (0, 1));
    let denied = Request::get("/ops").bearer(&ada.access).send(&gateway);
    assert_eq!(denied.status, 403);
    assert_eq!(gateway.lines("access.log", 2).len(), 2);
    let log = gateway.log();
    let said = "the configuration was reloaded: routes, observe.log_level, observe.access_log";
    assert!(log.contains(said), "{log}");

    // Nothing was changed: nothing else is said, and sessions go on.
    gateway.reload();
    assert!(gateway.log().contains("nothing in use has changed"));
    assert_eq!(refresh(&gateway, &ada.refresh).status, 200);
    let events = audit(&gateway, "configuration_reloaded", 2);
    assert_eq!(events[0]["applied"][0], "routes");
    assert_eq!(events[1]["applied"].as_array().unwrap().len(), 0);
}

#[test]
fn the_level_of_the_log_changes_while_it_runs() {
    let upstream = Upstream::start();
    let with = |level: &str| {
        let observe = format!("[observe]\nlog_level = '{level}'\naudit_log.to = 'audit.log'");
        let setup = Setup::new().route("/", &upstream.url(), "anyone", "");
        setup.section(&observe)
    };
    let gateway = with("info").start();
    let reloads = |log: &str| log.matches("the configuration was reloaded").count();
    for (round, level, told) in [(1, "warn", 0), (2, "error", 0), (3, "trace", 1)] {
        gateway.configure(&with(level));
        gateway.hang_up();
        audit(&gateway, "configuration_reloaded", round);
        wait_until("what is told", PATIENCE, || reloads(&gateway.log()) >= told);
        assert_eq!(reloads(&gateway.log()), told, "{level}");
    }
}

#[test]
fn what_is_wrong_leaves_the_old_configuration_in_use_and_is_told() {
    let upstream = Upstream::start();
    let setup = Setup::in_front_of(&upstream).section(LOGS);
    let gateway = setup.start();
    let ada = sign_in(&gateway, "ada");
    for (wrong, reason) in [
        (
            setup.clone().server("colour = 'red'"),
            "there is no such option",
        ),
        (setup.clone().section("["), "this is not TOML"),
        (
            setup.clone().route("/", &upstream.url(), "anyone", ""),
            "routes",
        ),
        (
            Setup::in_front_of(&upstream).section(
                "[observe]\naudit_log.to = 'audit.log'\naccess_log.to = 'no/such/folder/a.log'",
            ),
            "observe.access_log.to: cannot write to",
        ),
    ] {
        gateway.configure(&wrong);
        gateway.reload();
        let log = gateway.log();
        let said = log
            .rsplit("the old configuration stays in use: ")
            .next()
            .unwrap();
        assert!(said.contains(reason), "{reason}:\n{log}");
        let answer = Request::get("/").bearer(&ada.access).send(&gateway);
        assert_eq!(answer.status, 200);
        assert_eq!(Request::get("/").send(&gateway).status, 401);
    }
    let events = audit(&gateway, "configuration_refused", 4);
    let reason = events[0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("server.colour: there is no such option"),
        "{reason}"
    );
    assert!(told(&gateway.lines("audit.log", 0), "configuration_reloaded").is_empty());

    gateway.configure(&setup);
    gateway.reload();
    assert_eq!(
        Request::get("/").bearer(&ada.access).send(&gateway).status,
        200
    );
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_is_taken_over() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).section(LOGS).start();
    let other = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .also_listen("127.0.0.1:0")
        .server("threads = 1\nlimits.connections = 5")
        .section(LOGS);
    gateway.configure(&other);
    gateway.reload();
    let names =
        "in use after a restart only: server.listen, server.threads, server.limits.connections";
    assert!(gateway.log().contains(names), "{}", gateway.log());
    assert_eq!(Request::get("/").send(&gateway).status, 200);
    let events = audit(&gateway, "configuration_reloaded", 1);
    assert_eq!(events[0]["awaiting_restart"][0], "server.listen");
    assert_eq!(events[0]["applied"].as_array().unwrap().len(), 1);
}

#[test]
fn the_command_says_what_came_of_it() {
    let upstream = Upstream::start();
    let with = |rule: &str, server: &str| {
        let setup = Setup::new().route("/", &upstream.url(), rule, "");
        setup.admin_token(TOKEN).server(server)
    };
    let gateway = with("signed-in", "").start();
    // The one of the file is another at each start.
    let admin = format!("admin_listen = \"{}\"", gateway.admin_address());
    let reload = |setup: &Setup| {
        let text = setup.to_toml();
        let text = text.replacen("admin_listen = \"127.0.0.1:0\"", &admin, 1);
        fs::write(gateway.file("config.toml"), text).unwrap();
        gateway.command(&["reload"], "")
    };
    let said = reload(&with("anyone", "threads = 1")).expect_success();
    assert_eq!(
        said.out,
        "reloaded, and in use from now on: routes\n\
         changed, and in use after a restart only: server.admin_listen, server.threads\n"
    );
    assert_eq!(Request::get("/").send(&gateway).status, 200);
    // `check` would find nothing here; only the gateway knows that the log cannot be opened.
    let unwritable = with("signed-in", "").section("[observe]\naccess_log.to = 'no/a.log'");
    let wrong = with("signed-in", "colour = 'red'");
    let other_token = "another token that nobody has ever told the gateway";
    for (setup, reason) in [
        (
            unwritable,
            "The old configuration stays in use: observe.access_log.to: cannot write to",
        ),
        (wrong, "server.colour: there is no such option"),
    ] {
        let said = reload(&setup);
        assert_eq!(said.code, Some(1), "{}", said.out);
        assert!(said.err.contains(reason), "{}", said.err);
        assert_eq!(Request::get("/").send(&gateway).status, 200);
    }
    fs::write(gateway.file("admin.token"), other_token.replace(' ', "-")).unwrap();
    let said = reload(&with("signed-in", ""));
    assert!(
        said.err.contains("does not take this admin token"),
        "{}",
        said.err
    );
    let said = reload(&Setup::in_front_of(&upstream));
    assert!(said.err.contains("or send SIGHUP"), "{}", said.err);
    assert_eq!(Request::get("/").send(&gateway).status, 200);
    assert!(!gateway.log().contains(TOKEN));
}

#[test]
fn names_in_rules_that_belong_to_nobody_are_told() {
    let upstream = Upstream::start();
    let with = |rule: &str| Setup::new().route("/", &upstream.url(), rule, "");
    let gateway = with("{ groups = ['engineer'], users = ['ada'] }").start();
    let told = "route / lets the group engineer pass, and nobody is in it";
    assert!(gateway.log().contains(told), "{}", gateway.log());
    gateway.configure(&with("{ groups = ['engineers'], users = ['eda'] }"));
    gateway.reload();
    let told = "route / lets the user eda pass, and nobody is called so";
    wait_until("advice", PATIENCE, || gateway.log().contains(told));
    assert_eq!(gateway.log().matches("route / lets").count(), 2);
}

#[test]
fn cookies_connections_and_pooled_connections_live_on() {
    let upstream = Upstream::start();
    let setup = Setup::in_front_of(&upstream).server("threads = 1");
    let gateway = setup.start();
    let cookies = browser_sign_in(&gateway, "ada");
    let request = Request::get("/").header("Cookie", &cookies).to_bytes();
    let mut connection = gateway.connect();
    for more in ["", "shared_cache = true", "response_timeout = '50s'"] {
        gateway.configure(
            &Setup::new()
                .route("/", &upstream.url(), "signed-in", "")
                .route("/more", &upstream.url(), "signed-in", more)
                .server("threads = 1"),
        );
        gateway.reload();
        connection.send(&request);
        assert_eq!(connection.answer().status, 200);
    }
    assert_eq!((upstream.count(), upstream.connections()), (3, 1));
}

#[test]
fn a_hundred_reloads_under_load_fail_no_request_and_leave_nothing_behind() {
    let upstream = Upstream::start();
    let setups = [
        Setup::in_front_of(&upstream),
        Setup::new()
            .route("/", &upstream.url(), "signed-in", "headers = { \"Remote-User\" = \"{user.name}\" }")
            .route("/more", "http://127.0.0.1:9", "anyone", "connect_timeout = '1s'")
            .section("[tokens]\nleeway = '7s'\n[observe]\naccess_log.to = 'access.log'\nlog_level = 'debug'"),
    ];
    let gateway = setups[0].start();
    let ada = sign_in(&gateway, "ada");
    let mut old = gateway.connect();
    let request = Request::get("/old").bearer(&ada.access).to_bytes();
    old.send(&request);
    assert_eq!(old.answer().status, 200);
    let (files, threads) = (gateway.open_files(), gateway.status("Threads"));

    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let reload = |times: usize| {
        for setup in setups.iter().rev().cycle().take(times) {
            gateway.configure(setup);
            let before = answered.load(Ordering::SeqCst);
            gateway.reload();
            wait_until("answers", PATIENCE, || {
                answered.load(Ordering::SeqCst) > before + 4
            });
        }
    };
    let size = || gateway.status("VmRSS");
    let (before, after) = thread::scope(|scope| {
        for kept_alive in [true, true, false, false] {
            let (is_over, answered, gateway, ada) = (&is_over, &answered, &gateway, &ada);
            scope.spawn(move || load(gateway, &ada.access, kept_alive, is_over, answered));
        }
        // The first rounds fill what is meant to stay: caches, pools, the allocator's own.
        reload(20);
        let before = size();
        reload(100);
        let after = size();
        is_over.store(true, Ordering::SeqCst);
        (before, after)
    });
    println!(
        "{} requests; {before} KiB before, {after} KiB after",
        answered.into_inner()
    );
    assert!(after <= before + 4096, "KiB: {after} after {before}");
    wait_until("files to be closed and threads to end", PATIENCE, || {
        gateway.open_files() <= files && gateway.status("Threads") <= threads
    });
    old.send(&request);
    assert_eq!(old.answer().status, 200);
    assert!(!gateway.log().contains("the old configuration stays"));
}

/// Asks until it is over; every answer must be the app's.
fn load(
    gateway: &Gateway,
    token: &str,
    kept_alive: bool,
    is_over: &AtomicBool,
    answered: &AtomicUsize,
) {
    let requests = [
        Request::get("/page").bearer(token),
        Request::post("/form").bearer(token).body("some body"),
    ];
    let mut connection = gateway.connect();
    for request in requests.iter().cycle() {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        if !kept_alive {
            connection = gateway.connect();
        }
        connection.send(request.to_bytes());
        let answer = connection.answer();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answered.fetch_add(1, Ordering::SeqCst);
    }
}
