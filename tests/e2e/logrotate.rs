//! logrotate renames the logs under load: every line is in one of the files, once.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Gateway, Request, Setup, Upstream, logrotate, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);
const ROUNDS: usize = 8;
/// So many bytes are in a log when it is rotated that hundreds of lines are on their way.
const MANY: u64 = 200_000;

#[test]
fn logs_that_are_rotated_under_load_lose_no_line() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .section("[observe]\naccess_log.to = 'access.log'\naudit_log.to = 'audit.log'")
        .start();
    let rotation = rotation(&gateway);
    let is_over = AtomicBool::new(false);
    let mut answered = HashSet::new();
    thread::scope(|scope| {
        let askers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| ask(&gateway, &is_over)))
            .collect();
        for _ in 0..ROUNDS {
            let log = gateway.file("access.log");
            wait_until("many lines", PATIENCE, || is_longer(&log, MANY));
            let state = gateway.file("state").display().to_string();
            let rotated = logrotate(&["--force", "--state", &state, &rotation]);
            assert_eq!(rotated.expect_success().err, "");
            wait_until("the new file", PATIENCE, || log.exists());
        }
        is_over.store(true, Ordering::SeqCst);
        for asker in askers {
            answered.extend(asker.join().unwrap());
        }
    });
    let mut lines = Vec::new();
    wait_until("all lines", PATIENCE, || {
        lines = (1..=ROUNDS).flat_map(|n| ids(&gateway, n)).collect();
        lines.extend(ids(&gateway, 0));
        lines.len() >= answered.len()
    });
    println!("{} requests in {} files", lines.len(), ROUNDS + 1);
    assert_eq!(lines.len(), answered.len(), "a line more than once");
    assert_eq!(lines.into_iter().collect::<HashSet<_>>(), answered);
}

/// The rotation that we ship, for this gateway's files, uncompressed so that they can be read.
fn rotation(gateway: &Gateway) -> String {
    let text = include_str!("../../deploy/logrotate.conf");
    let told = "systemctl kill --signal=HUP --kill-who=main vestibule.service";
    assert!(text.contains(told) && text.contains("/var/log/vestibule"));
    let hangup = format!("kill -s HUP {}", gateway.process());
    let folder = gateway.file("");
    let text = text.replace(told, &hangup);
    let text = text.replace("/var/log/vestibule", &folder.display().to_string());
    let text = text.replace("    compress\n    delaycompress\n", "");
    let path = gateway.file("logrotate.conf");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn is_longer(file: &Path, bytes: u64) -> bool {
    fs::metadata(file).is_ok_and(|file| file.len() > bytes)
}

/// Asks until it is over; gives the ids of the requests.
fn ask(gateway: &Gateway, is_over: &AtomicBool) -> Vec<String> {
    let mut connection = gateway.connect();
    let mut ids = Vec::new();
    while !is_over.load(Ordering::SeqCst) {
        connection.send(Request::get("/").to_bytes());
        let answer = connection.answer();
        assert_eq!(answer.status, 200);
        ids.push(answer.header("x-request-id").unwrap().to_owned());
    }
    ids
}

/// The ids in the n-th file; 0 is the one that is written.
fn ids(gateway: &Gateway, n: usize) -> Vec<String> {
    let name = match n {
        0 => "access.log".to_owned(),
        n => format!("access.log.{n}"),
    };
    let text = fs::read_to_string(gateway.file(&name)).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let id = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        line["request_id"].as_str().expect("an id").to_owned()
    };
    whole.lines().map(id).collect()
}
