//! Which threads go first where processors are short, as the system sees them (sched(7)).

use std::time::Duration;
use std::{fs, io};

use crate::support::{Gateway, Upstream, sign_in, wait_until};

const SOON: Duration = Duration::from_secs(20);

const ORDINARY: u32 = 0;
const INTERRUPTS_NOBODY: u32 = 3;
const GIVES_WAY: u32 = 5;

#[test]
fn threads_that_carry_requests_go_before_all_others() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    sign_in(&gateway, "ada");
    let expected = |name: &str| match name {
        _ if name.starts_with("data-") => Some(ORDINARY),
        "hashing" => Some(GIVES_WAY),
        // What gets no processor otherwise is done here, so it takes turns with those that carry.
        "hashing-in-turn" => Some(ORDINARY),
        _ if name.starts_with("store-") => Some(INTERRUPTS_NOBODY),
        "control" | "access-log" | "audit-log" => Some(INTERRUPTS_NOBODY),
        _ => None,
    };
    let named = ["data-0", "hashing", "store-reader", "control", "access-log"];
    // A thread has its name before it has its policy.
    wait_until("every thread has its policy", SOON, || {
        let threads = threads(&gateway);
        let as_expected = threads
            .iter()
            .all(|(name, policy)| expected(name).is_none_or(|expected| expected == *policy));
        let has = |wanted: &&str| threads.iter().any(|(name, _)| name == wanted);
        as_expected && named.iter().all(has)
    });
}

/// The name of each thread, and the number of the policy by which the system schedules it (proc(5)).
fn threads(gateway: &Gateway) -> Vec<(String, u32)> {
    let folder = format!("/proc/{}/task", gateway.status("Pid"));
    let tasks = fs::read_dir(folder).expect("it is running");
    let policy = |task: io::Result<fs::DirEntry>| {
        // A thread may have ended since.
        let stat = fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
        let (before, after) = stat.rsplit_once(") ").expect("a name in parentheses");
        let (_, name) = before.split_once('(').expect("a name in parentheses");
        let policy = after.split(' ').nth(41 - 3).expect("the 41st field");
        Some((name.to_owned(), policy.parse().expect("a number")))
    };
    tasks.filter_map(policy).collect()
}
