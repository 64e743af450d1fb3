//! Requests that two programs could read in two ways are refused before anybody reads them.

use crate::support::{Gateway, Setup, Upstream};

fn open(upstream: &Upstream) -> Gateway {
    Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .start()
}

fn send(gateway: &Gateway, bytes: &str) -> u16 {
    let mut connection = gateway.connect();
    connection.send(bytes);
    connection.answer().status
}

#[test]
fn hosts_must_be_one_of_ours_and_only_one() {
    let upstream = Upstream::start();
    let gateway = open(&upstream);
    let cases = [
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        (
            "GET /vestibule/login HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            421,
        ),
        (
            "GET / HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n",
            421,
        ),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
            400,
        ),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: ada@localhost\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: localhost:port\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: localhost/x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: local host\r\n\r\n", 400),
        (
            "GET http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            400,
        ),
        (
            "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
            400,
        ),
        (
            "GET http://ada@localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
            400,
        ),
    ];
    for (request, status) in cases {
        assert_eq!(send(&gateway, request), status, "{request}");
    }
    assert_eq!(upstream.count(), 0);
    assert_eq!(
        send(
            &gateway,
            "GET http://localhost/x?y HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ),
        200
    );
    assert_eq!(
        upstream.last().head.target(),
        "/x?y",
        "the app receives the origin form"
    );
}

#[test]
fn methods_that_are_not_forwarded_are_refused() {
    let upstream = Upstream::start();
    let gateway = open(&upstream);
    for request in [
        "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "Trace / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "connect / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let status = send(&gateway, request);
        assert!(matches!(status, 400 | 405 | 501), "{status} for {request}");
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn unclear_framing_never_reaches_the_app() {
    let upstream = Upstream::start();
    let gateway = open(&upstream);
    for request in [
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +4\r\n\r\nbody",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\nbody",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\nbody",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "not HTTP at all\r\n\r\n",
    ] {
        let mut connection = gateway.connect();
        connection.send(request);
        if let Some(answer) = connection.answer_if_whole() {
            assert!(
                matches!(answer.status, 400 | 501 | 505),
                "{} for {request:?}",
                answer.status
            );
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_request_cannot_be_smuggled_behind_another() {
    let upstream = Upstream::start();
    let gateway = open(&upstream);
    let mut connection = gateway.connect();
    connection.send("POST /first HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let _ = connection.answer_if_whole();
    drop(connection);
    assert_eq!(
        send(&gateway, "GET /after HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        200
    );
    for received in upstream.received() {
        let framings = received.head.all("content-length").len()
            + received.head.all("transfer-encoding").len();
        assert!(
            framings <= 1,
            "{}",
            String::from_utf8_lossy(&received.head.raw)
        );
    }
}

#[test]
fn http_1_0_is_understood() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .route("/", &upstream.url(), "anyone", "host = \"other.localhost\"")
        .start();
    let mut connection = gateway.connect();
    connection.send("GET /old HTTP/1.0\r\n\r\n");
    assert_eq!(connection.answer().status, 200);
    connection.wait_for_end();
}
