//! The gateway is killed while people refresh: is anybody signed out? Dying inside each step is tested
//! in tests/session_model.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::{Connection, Request, Setup, Tokens, Upstream, refresh, sign_in, wait_until};

const ROUNDS: usize = 20;
const PEOPLE: usize = 4;

/// Refreshes for as long as anybody answers, and keeps what came back whole.
fn refresh_on(address: SocketAddr, held: &mut Tokens, answers: &AtomicUsize) {
    while let Some(mut connection) = Connection::try_open(address) {
        let body = json!({"refresh_token": held.refresh});
        if !connection.try_send(Request::post("/vestibule/refresh").json(&body).to_bytes()) {
            return;
        }
        let Some(answer) = connection.answer_if_whole() else {
            return;
        };
        *held = Tokens::of(&answer);
        answers.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn t_33_a_gateway_that_is_killed_at_any_moment_signs_nobody_out() {
    let upstream = Upstream::start();
    // Without a grace every refresh is a rotation.
    let setup = Setup::in_front_of(&upstream).section("[sessions]\ngrace = \"0s\"");
    let mut gateway = setup.start();
    let mut people: Vec<Tokens> = (0..PEOPLE).map(|_| sign_in(&gateway, "ada")).collect();
    for round in 0..ROUNDS {
        let (address, answers) = (gateway.address(), AtomicUsize::new(0));
        gateway = thread::scope(|scope| {
            let answers = &answers;
            for held in &mut people {
                scope.spawn(move || refresh_on(address, held, answers));
            }
            wait_until("people to be at it", Duration::from_secs(60), || {
                answers.load(Ordering::Relaxed) > round
            });
            gateway.kill();
            gateway
        });
        gateway = gateway.start_again();
        for held in &mut people {
            *held = Tokens::of(&refresh(&gateway, &held.refresh));
            let call = Request::get("/").bearer(&held.access).send(&gateway);
            assert_eq!(call.status, 200, "round {round}");
        }
    }
}
