//! Stopping: whoever was let in gets an answer, and the process ends well.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Gateway, Request, Setup, Upstream, sign_in, wait_until};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_request_under_way_is_answered_before_the_end() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::in_front_of(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let mut connection = gateway.connect();
    connection.send(Request::get("/slow").bearer(&token).to_bytes());
    upstream.wait_for(1);
    gateway.terminate();
    wait_until("the listener to close", SOON, || {
        std::net::TcpStream::connect(gateway.address()).is_err()
    });
    upstream.go_on();
    let answer = connection.answer();
    assert_eq!(answer.status, 200);
    assert!(answer.text().starts_with("GET /slow "));
    assert!(gateway.wait_for_exit(SOON).success());
}

#[test]
fn an_idle_gateway_ends_at_once_with_exit_code_0() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::in_front_of(&upstream);
    let mut idle = gateway.connect();
    idle.send(Request::get("/").to_bytes());
    assert_eq!(idle.answer().status, 401);
    let _silent = gateway.connect();
    gateway.terminate();
    assert!(gateway.wait_for_exit(Duration::from_secs(10)).success());
    idle.wait_for_end();
}

#[test]
fn stopping_under_load_loses_no_request_whose_head_was_read() {
    const CLIENTS: usize = 16;
    let upstream = Upstream::start();
    let mut gateway = Gateway::in_front_of(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let answered = AtomicUsize::new(0);
    let address = gateway.address();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                // Each request has a connection of its own, so that none is sent on one that is closing.
                while let Ok(stream) = std::net::TcpStream::connect(address) {
                    if !answer_is_whole(stream, &token) {
                        break;
                    }
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        wait_until("some load", SOON, || answered.load(Ordering::SeqCst) > 200);
        gateway.terminate();
        assert!(gateway.wait_for_exit(SOON).success());
    });
    let (reached, answered) = (upstream.count(), answered.load(Ordering::SeqCst));
    assert_eq!(
        answered, reached,
        "requests that reached the app and answers that came back"
    );
}

/// Whether a request on this connection got its whole answer. One that the system accepted for the
/// gateway and the gateway never saw ends without a byte.
fn answer_is_whole(stream: std::net::TcpStream, token: &str) -> bool {
    use std::io::{Read as _, Write as _};
    let mut stream = stream;
    let request = Request::get("/x")
        .bearer(token)
        .header("Connection", "close")
        .to_bytes();
    if stream.write_all(&request).is_err() {
        return false;
    }
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    if answer.is_empty() {
        return false;
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(ended.is_ok() && text.starts_with("HTTP/1.1 200 "), "{text}");
    assert!(
        text.contains("\r\n\r\nGET /x HTTP/1.1\r\n") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
    true
}

#[test]
fn what_is_still_open_at_the_drain_limit_is_cut_off() {
    let upstream = Upstream::start();
    let mut gateway = Setup::in_front_of(&upstream)
        .server("drain = \"1s\"")
        .start();
    let token = sign_in(&gateway, "ada").access;
    let mut connection = gateway.connect();
    connection.send(Request::get("/slow").bearer(&token).to_bytes());
    upstream.wait_for(1);
    gateway.terminate();
    gateway.wait_for_exit(Duration::from_secs(10));
    assert!(connection.answer_if_whole().is_none());
}

#[test]
fn readiness_goes_first() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::in_front_of(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let mut connection = gateway.connect();
    connection.send(Request::get("/slow").bearer(&token).to_bytes());
    upstream.wait_for(1);
    gateway.terminate();
    wait_until("readiness to go", SOON, || {
        let mut admin = gateway.connect_admin();
        admin.send(Request::get("/readyz").to_bytes());
        admin.answer().status == 503
    });
    let mut admin = gateway.connect_admin();
    admin.send(Request::get("/healthz").to_bytes());
    assert_eq!(admin.answer().status, 200, "it is alive to the end");
    upstream.go_on();
    assert_eq!(connection.answer().status, 200);
    assert!(gateway.wait_for_exit(SOON).success());
}
