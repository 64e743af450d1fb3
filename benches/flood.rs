//! Does a flood slow down those who are signed in? `cargo bench --bench flood`, for some of the floods
//! `cargo bench --bench flood -- one-address 1000-addresses`.
//!
//! Requests of somebody who is signed in are sent at a steady rate, first alone, then while others try
//! to sign in with wrong passwords, as one address and as a thousand with as many names, and while they
//! send access and refresh tokens with a signature that is not ours. The gateway has a processor of its
//! own: who floods it does so from elsewhere.
//!
//! Printed are the times from when a request was due to its answer, and the gateway's memory; at the end,
//! of all rounds, by how much a flood prolongs what all but a hundredth take, and how long a sign-in takes
//! where something else wants the gateway's processor.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "a program for developers, which fails by panicking and shares the apparatus of the tests"
)]

#[path = "../tests/e2e/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::json;
use support::{
    Connection, Gateway, Request, Setup, Tokens, Upstream, browser_sign_in, cookies_of, refresh,
    sign_in, spoiled,
};

/// How long each part takes.
const SPAN: Duration = Duration::from_secs(10);
/// How often everything is measured.
const ROUNDS: usize = 10;
/// Requests of the signed-in, a second.
const FORWARDED: u32 = 500;
/// Attempts of those who flood, a second.
const ATTEMPTS: u32 = 500;
/// Connections of either kind.
const CONNECTIONS: u32 = 8;
const FLOODING: u32 = 256;
/// How long each of those who flood waits from one attempt to the next.
const EACH: Duration = Duration::from_millis(1000 * FLOODING as u64 / ATTEMPTS as u64);

/// What makes this program the flood: where to, of which kind, and a forged token.
const AS_FLOOD: &str = "VESTIBULE_FLOOD";

const ONE_ADDRESS: &str = "one-address";
const CROWD: &str = "1000-addresses";
const ACCESS_TOKENS: &str = "access-tokens";
const REFRESH_TOKENS: &str = "refresh-tokens";

fn main() {
    if let Ok(what) = std::env::var(AS_FLOOD) {
        return flood(&what);
    }
    let (for_gateway, for_others) = processors();
    run_on(&for_others);
    let upstream = Upstream::start();
    let setup = Setup::in_front_of(&upstream).server("trusted_proxies = [\"127.0.0.1\"]");
    run_on(&for_gateway);
    let gateway = setup.start();
    run_on(&for_others);
    let mut tokens = sign_in(&gateway, "ada");
    let device = browser_sign_in(&gateway, "ada");
    forward(&gateway, &tokens.access, SPAN / 5);

    println!(
        "{FORWARDED} requests a second for {} s, in ms:",
        SPAN.as_secs()
    );
    let kinds = wanted();
    let mut late = vec![Vec::new(); kinds.len()];
    for _ in 0..ROUNDS {
        for (kind, late) in kinds.iter().zip(&mut late) {
            tokens = Tokens::of(&refresh(&gateway, &tokens.refresh));
            let quiet = tell("quiet", &forward(&gateway, &tokens.access, SPAN));
            let flood = Flood::begin(&gateway, kind, &tokens);
            let flooded = tell(kind, &forward(&gateway, &tokens.access, SPAN));
            late.push((quiet, flooded));
            let signed_in = known_device_signs_in(&gateway, &device);
            let (now, most) = (gateway.status("VmRSS"), gateway.status("VmHWM"));
            println!(
                "    the known device signs in: {signed_in}; attempts by status: {}; memory: {now} KiB, \
                 {most} KiB at most",
                flood.end()
            );
        }
    }
    for (kind, late) in kinds.into_iter().zip(late) {
        let [_, quiet, _] = quartiles(late.iter().map(|(quiet, _)| *quiet));
        let [_, flooded, _] = quartiles(late.iter().map(|(_, flooded)| *flooded));
        let ratios = late.iter().map(|(quiet, flooded)| flooded / quiet);
        let [lower, median, upper] = quartiles(ratios);
        println!(
            "p99 in {ROUNDS} rounds, {kind}: median {quiet:.2} quiet, {flooded:.2} flooded; \
             ratio {median:.2}, quartiles {lower:.2} and {upper:.2}"
        );
    }
    let beside_others = sign_ins_beside_others(&gateway, &for_gateway);
    let [_, beside_others, _] = quartiles(beside_others.into_iter());
    println!(
        "a sign-in while something else wants the gateway's processor: median {beside_others:.0}"
    );
}

/// The floods that the command line names, or all.
fn wanted() -> Vec<&'static str> {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let named: Vec<&String> = named.iter().filter(|name| *name != "--bench").collect();
    let kinds = [ONE_ADDRESS, CROWD, ACCESS_TOKENS, REFRESH_TOKENS];
    for name in &named {
        assert!(
            kinds.contains(&name.as_str()),
            "no such flood: {name}; there are {kinds:?}"
        );
    }
    let wanted = |kind: &&str| named.is_empty() || named.iter().any(|name| name == kind);
    kinds.into_iter().filter(wanted).collect()
}

/// One for the gateway, and all others for everybody else.
fn processors() -> (CpuSet, CpuSet) {
    let mut others = sched_getaffinity(None).expect("the system knows");
    let first = (0..CpuSet::MAX_CPU).find(|number| others.is_set(*number));
    let first = first.expect("this runs on one");
    let mut gateway = CpuSet::new();
    gateway.set(first);
    assert!(others.count() > 1, "it takes two processors");
    others.unset(first);
    (gateway, others)
}

/// From here on this thread, and whatever it starts.
fn run_on(processors: &CpuSet) {
    sched_setaffinity(None, processors).expect("they are ours");
}

/// Where a quarter, half, and three quarters lie below; between two of them, in proportion.
fn quartiles(of: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut of: Vec<f64> = of.collect();
    of.sort_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|share| {
        let place = (of.len() - 1) as f64 * share;
        let (below, above) = (of[place.floor() as usize], of[place.ceil() as usize]);
        below + (above - below) * place.fract()
    })
}

/// How long each takes, in ms, while something else wants the gateway's processor.
fn sign_ins_beside_others(gateway: &Gateway, its: &CpuSet) -> Vec<f64> {
    let done = &AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            run_on(its);
            while !done.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let times = (0..ROUNDS).map(|_| {
            let begun = Instant::now();
            sign_in(gateway, "ada");
            begun.elapsed().as_secs_f64() * 1e3
        });
        let times = times.collect();
        done.store(true, Ordering::Relaxed);
        times
    })
}

/// Sends requests on time, whether or not the answers before have come; gives how long each took.
fn forward(gateway: &Gateway, token: &str, span: Duration) -> Vec<Duration> {
    let request = Request::get("/page").bearer(token).to_bytes();
    let each = Duration::from_secs(1) * CONNECTIONS / FORWARDED;
    let (start, request) = (Instant::now(), &request);
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|index| {
                scope.spawn(move || {
                    let mut connection = gateway.connect();
                    let mut due = start + each * index / CONNECTIONS;
                    let mut times = Vec::new();
                    while due < start + span {
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        connection.send(request);
                        assert_eq!(connection.answer().status, 200);
                        times.push(due.elapsed());
                        due += each;
                    }
                    times
                })
            })
            .collect();
        let times = senders.into_iter().map(|s| s.join().expect("no panic"));
        times.flatten().collect()
    });
    times.sort_unstable();
    times
}

/// Another process that floods. It is nice to those who are measured: whoever floods a gateway
/// does not do it with the gateway's own processor.
struct Flood(Child);

impl Flood {
    fn begin(gateway: &Gateway, kind: &str, tokens: &Tokens) -> Self {
        let forged = match kind {
            REFRESH_TOKENS => spoiled(&tokens.refresh),
            _ => spoiled(&tokens.access),
        };
        let this = std::env::current_exe().expect("it runs");
        let child = Command::new("nice")
            .args(["-n", "19"])
            .arg(this)
            .env(AS_FLOOD, format!("{} {kind} {forged}", gateway.address()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Self(child.expect("it starts"))
    }

    /// How many answers had which status.
    fn end(mut self) -> String {
        drop(self.0.stdin.take());
        let output = self.0.wait_with_output().expect("it ends");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

/// Sends attempts until standard input is closed.
fn flood(what: &str) {
    let [address, kind, forged] = what.split(' ').collect::<Vec<_>>()[..] else {
        panic!("three words");
    };
    let address: SocketAddr = address.parse().expect("an address");
    let (next, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (next, done, start) = (&next, &done, Instant::now());
    let counts = thread::scope(|scope| {
        let attackers: Vec<_> = (0..FLOODING)
            .map(|index| {
                let begin = start + EACH * index / FLOODING;
                scope.spawn(move || attack(address, (kind, forged), begin, (next, done)))
            })
            .collect();
        let mut nothing = Vec::new();
        std::io::stdin()
            .read_to_end(&mut nothing)
            .expect("it is a pipe");
        done.store(true, Ordering::Relaxed);
        let mut counts = BTreeMap::<u16, usize>::new();
        let statuses = attackers.into_iter().map(|a| a.join().expect("no panic"));
        for status in statuses.flatten() {
            *counts.entry(status).or_default() += 1;
        }
        counts
    });
    println!("{counts:?}");
}

/// One of them, on one connection after the other.
fn attack(
    address: SocketAddr,
    kind: (&str, &str),
    mut due: Instant,
    (next, done): (&AtomicUsize, &AtomicBool),
) -> Vec<u16> {
    let mut connection = Connection::open(address);
    let mut statuses = Vec::new();
    while !done.load(Ordering::Relaxed) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        due = Instant::now().max(due + EACH);
        let number = next.fetch_add(1, Ordering::Relaxed);
        connection.send(attempt(kind, number).to_bytes());
        let answer = connection.answer();
        statuses.push(answer.status);
        if answer.header("connection") == Some("close") {
            connection = Connection::open(address);
        }
    }
    statuses
}

fn attempt((kind, forged): (&str, &str), number: usize) -> Request {
    let crowd = format!("198.51.{}.{}", number % 250, number / 250 % 4);
    let sign_in = |name: &str, address: &str| {
        let guess = format!("guess {number}");
        Request::post("/vestibule/login")
            .header("X-Forwarded-For", address)
            .json(&json!({"username": name, "password": guess}))
    };
    match kind {
        ONE_ADDRESS => sign_in("ada", "198.51.100.7"),
        CROWD => sign_in(&format!("user{}", number % 1000), &crowd),
        ACCESS_TOKENS => Request::get("/page").bearer(forged),
        REFRESH_TOKENS => {
            Request::post("/vestibule/refresh").json(&json!({"refresh_token": forged}))
        }
        other => panic!("no such flood: {other}"),
    }
}

fn known_device_signs_in(gateway: &Gateway, device: &str) -> bool {
    let answer = Request::post("/vestibule/login")
        .same_origin()
        .navigating()
        .header("Cookie", device)
        .form(&[("username", "ada"), ("password", support::PASSWORD)])
        .send(gateway);
    answer.status == 303 && !cookies_of(&answer).is_empty()
}

/// Gives the time that all but a hundredth took at most, in ms.
fn tell(name: &str, times: &[Duration]) -> f64 {
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{name:<16} p50 {:.2}  p90 {:.2}  p99 {:.2}  p99.9 {:.2}  most {:.2}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(1.0)
    );
    at(0.99)
}
