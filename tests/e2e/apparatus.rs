//! Do the tests' own tools do what the tests believe? Without a gateway in between.

use std::net::SocketAddr;

use crate::support::{Answer, Connection, PATTERN_LENGTH, Program, Request, Upstream, pattern};

fn ask(address: SocketAddr, request: &Request) -> Answer {
    let mut connection = Connection::open(address);
    connection.send(request.to_bytes());
    connection.answer()
}

#[test]
fn the_app_answers_what_it_received_byte_for_byte() {
    let upstream = Upstream::start();
    let mut connection = Connection::open(upstream.address());
    for bytes in [
        "GET /a%20b?c=%zz HTTP/1.1\r\nhOsT: x\r\nX-Two:   1\r\nX-Two: 2\r\n\r\n",
        "POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody",
        "POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n",
    ] {
        connection.send(bytes);
        assert_eq!(connection.answer().text(), bytes);
    }
    assert_eq!((upstream.count(), upstream.connections()), (3, 1));
    assert_eq!(upstream.last().body.data, b"body");
    assert_eq!(upstream.last().body.trailer("x-sum"), ["1"]);
}

#[test]
fn long_bodies_are_told_from_spoiled_ones() {
    let upstream = Upstream::start();
    let mut connection = Connection::open(upstream.address());
    connection.send(Request::get("/big?bytes=1000001").to_bytes());
    let answer = connection.long_answer();
    assert_eq!(
        (answer.body.length, answer.body.is_pattern),
        (1_000_001, true)
    );
    for (spoiled, intact) in [(None, true), (Some(PATTERN_LENGTH + 7), false)] {
        let mut body = pattern().repeat(3);
        if let Some(at) = spoiled {
            body[at] ^= 1;
        }
        connection.send(Request::post("/sink").body(body).to_bytes());
        let told = connection.answer().json();
        assert_eq!(told["bytes"], 3 * PATTERN_LENGTH);
        assert_eq!(told["intact"], intact);
    }
}

#[test]
fn held_answers_wait_for_the_test() {
    let upstream = Upstream::start();
    let mut connection = Connection::open(upstream.address());
    connection.send(Request::get("/sse").to_bytes());
    connection.head();
    connection.line();
    assert_eq!(connection.line(), "data: one\n");
    upstream.go_on();
    let mut lines = std::iter::repeat_with(|| connection.line());
    assert!(lines.any(|line| line == "data: two\n"));
}

#[test]
fn the_file_server_takes_the_word_of_whoever_asks() {
    let app = Program::copyparty();
    let listing = Request::get("/?ls");
    assert_eq!(ask(app.address(), &listing).json()["acct"], "*");
    let known = listing
        .header("X-Forwarded-User", "ada")
        .header("X-Forwarded-For", "127.0.0.1");
    assert_eq!(ask(app.address(), &known).json()["acct"], "ada");
    let put = Request::new("PUT", "/notes.txt").body("hello");
    assert_eq!(ask(app.address(), &put).status, 401);
    let put = put.header("X-Forwarded-User", "ada");
    assert!(matches!(ask(app.address(), &put).status, 200 | 201));
}

#[test]
fn the_calendar_server_takes_the_word_of_whoever_asks() {
    let app = Program::radicale();
    let who = r#"<?xml version="1.0"?><propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>"#;
    let request = Request::new("PROPFIND", "/").header("Depth", "0").body(who);
    let known = ask(
        app.address(),
        &request.clone().header("X-Remote-User", "ada"),
    );
    assert_eq!(known.status, 207);
    assert!(
        known.text().contains("<href>/ada/</href>"),
        "{}",
        known.text()
    );
    let stranger = ask(app.address(), &request);
    assert!(!stranger.text().contains("/ada/"), "{}", stranger.text());
    let made = Request::new("MKCALENDAR", "/ada/tasks/").header("X-Remote-User", "ada");
    assert_eq!(ask(app.address(), &made).status, 201);
}

#[test]
fn the_websocket_server_speaks_first() {
    let app = Program::websocket_echo();
    let mut connection = Connection::open(app.address());
    let handshake = Request::get("/")
        .header("X-Forwarded-User", "ada")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    connection.send(handshake.to_bytes());
    let head = connection.head();
    assert!(head.start.contains(" 101 "), "{}", head.start);
    assert_eq!(
        head.first("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(connection.exactly(10), b"\x81\x08user=ada");
}
