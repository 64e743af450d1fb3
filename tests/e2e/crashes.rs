//! The gateway is killed while people refresh: is anybody signed out? Dying inside each step is tested
//! in tests/session_model.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::{Connection, Gateway, Request, Tokens, Upstream, refresh, sign_in};

const ROUNDS: usize = 12;
const PEOPLE: usize = 4;

/// Refreshes for as long as anybody answers, and keeps what came back whole.
fn refresh_on(address: std::net::SocketAddr, held: &mut Tokens, is_over: &AtomicBool) -> usize {
    let mut answers = 0;
    while !is_over.load(Ordering::Relaxed) && TcpStream::connect(address).is_ok() {
        let body = json!({"refresh_token": held.refresh});
        let mut connection = Connection::open(address);
        if !connection.try_send(Request::post("/vestibule/refresh").json(&body).to_bytes()) {
            break;
        }
        let Some(answer) = connection.answer_if_whole() else {
            break;
        };
        *held = Tokens::of(&answer);
        answers += 1;
    }
    answers
}

#[test]
fn t_33_a_gateway_that_is_killed_at_any_moment_signs_nobody_out() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::in_front_of(&upstream);
    let mut people: Vec<Tokens> = (0..PEOPLE).map(|_| sign_in(&gateway, "ada")).collect();
    for round in 0..ROUNDS {
        let (address, is_over) = (gateway.address(), AtomicBool::new(false));
        gateway = thread::scope(|scope| {
            let is_over = &is_over;
            for held in &mut people {
                scope.spawn(move || refresh_on(address, held, is_over));
            }
            // A little later in each round.
            thread::park_timeout(Duration::from_millis(3 * round as u64));
            let gateway = gateway.crash();
            is_over.store(true, Ordering::Relaxed);
            gateway
        });
        for held in &mut people {
            *held = Tokens::of(&refresh(&gateway, &held.refresh));
            let call = Request::get("/").bearer(&held.access).send(&gateway);
            assert_eq!(call.status, 200, "round {round}");
        }
    }
}
