//! Bodies stream: a gigabyte passes through little memory, and an event arrives before the answer ends.

use crate::support::{
    Connection, Gateway, PATTERN_LENGTH, Request, Setup, Upstream, pattern, sign_in,
};

const GIGABYTE: u64 = 1 << 30;

/// The most the gateway may have had in memory, in KiB.
const CEILING: u64 = 64 * 1024;

fn assert_memory_is_small(gateway: &Gateway) {
    let peak = gateway.peak_memory_kib();
    eprintln!("the gateway took {peak} KiB at most");
    assert!(peak < CEILING, "the gateway took {peak} KiB");
}

#[test]
fn a_gigabyte_comes_down_through_little_memory() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let mut connection = gateway.connect();
    connection.send(
        Request::get(&format!("/big?bytes={GIGABYTE}"))
            .bearer(&token)
            .to_bytes(),
    );
    let answer = connection.long_answer();
    assert_eq!((answer.status, answer.body.length), (200, GIGABYTE));
    assert!(answer.body.is_pattern, "it came as it was sent");
    assert_memory_is_small(&gateway);
}

#[test]
fn a_gigabyte_goes_up_through_little_memory() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let mut connection = gateway.connect();
    let request = Request::new("PUT", "/sink")
        .bearer(&token)
        .header("Content-Length", &GIGABYTE.to_string());
    connection.send(request.to_bytes());
    for _ in 0..GIGABYTE / PATTERN_LENGTH as u64 {
        connection.send(pattern());
    }
    let answer = connection.answer();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["bytes"], GIGABYTE);
    assert_eq!(answer.json()["intact"], true, "it came as it was sent");
    assert_memory_is_small(&gateway);
}

#[test]
fn a_chunked_upload_streams_as_well() {
    const CHUNKS: u64 = 1024;
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .start();
    let mut connection = gateway.connect();
    connection.send("POST /sink HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..CHUNKS {
        connection.send(format!("{PATTERN_LENGTH:x}\r\n"));
        connection.send(pattern());
        connection.send("\r\n");
    }
    connection.send("0\r\n\r\n");
    let answer = connection.answer();
    assert_eq!(answer.json()["bytes"], CHUNKS * PATTERN_LENGTH as u64);
    assert_eq!(answer.json()["intact"], true);
    assert_memory_is_small(&gateway);
}

#[test]
fn a_slow_reader_holds_the_app_back_and_not_the_gateway() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .start();
    let mut readers: Vec<_> = (0..8).map(|_| gateway.connect()).collect();
    let bytes = 256 * 1024 * 1024_u64;
    for reader in &mut readers {
        reader.send(Request::get(&format!("/big?bytes={bytes}")).to_bytes());
        assert_eq!(
            reader.head().first("content-length"),
            Some(bytes.to_string().as_str())
        );
    }
    upstream.wait_for(8);
    let mut other = gateway.connect();
    for number in 0..200 {
        other.send(Request::get(&format!("/{number}")).to_bytes());
        assert_eq!(other.answer().status, 200, "others are served meanwhile");
    }
    assert_memory_is_small(&gateway);
}

#[test]
fn an_event_arrives_before_the_answer_ends() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let mut connection = gateway.connect();
    let request = Request::get("/sse")
        .bearer(&token)
        .header("Accept", "text/event-stream");
    connection.send(request.to_bytes());
    let head = connection.head();
    assert_eq!(head.first("content-type"), Some("text/event-stream"));
    let read_event = |connection: &mut Connection, event: &str| {
        while connection.line().trim_end() != event {}
    };
    read_event(&mut connection, "data: one");
    upstream.go_on();
    read_event(&mut connection, "data: two");
}

#[test]
fn parts_of_an_upload_arrive_before_it_ends() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .start();
    let mut connection = gateway.connect();
    connection.send("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nfirst");
    upstream.wait_for(1);
    assert!(
        upstream.received().is_empty(),
        "the app has the head and waits for the rest"
    );
    connection.send("-half");
    assert_eq!(connection.answer().status, 200);
    assert_eq!(upstream.last().body.data, b"first-half");
}
