//! Bad input: every wrong request has a clear answer, and the gateway goes on.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Gateway, PASSWORD, Request, Setup, Upstream, sign_in};

fn send(gateway: &Gateway, bytes: impl AsRef<[u8]>) -> u16 {
    let mut connection = gateway.connect();
    connection.send(bytes);
    connection.answer().status
}

#[test]
fn a_wrong_method_on_our_endpoints_names_the_right_ones() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let cases = [
        ("DELETE", "/vestibule/login", "POST"),
        ("GET", "/vestibule/refresh", "POST"),
        ("PUT", "/vestibule/logout", "POST"),
        ("POST", "/vestibule/session", "GET"),
        ("POST", "/vestibule/jwks.json", "GET"),
    ];
    for (method, path, right) in cases {
        let answer = Request::new(method, path)
            .same_origin()
            .body("")
            .send(&gateway);
        assert_eq!(
            (answer.status, answer.is_ours()),
            (405, true),
            "{method} {path}"
        );
        let allow = answer.header("allow").expect("an Allow field");
        assert!(
            allow.split(", ").any(|method| method == right),
            "{path}: {allow}"
        );
    }
    for path in [
        "/vestibule",
        "/vestibule/",
        "/vestibule/nothing",
        "/vestibule/login/x/y",
        "/vestibule/verify",
    ] {
        let answer = Request::get(path).send(&gateway);
        assert_eq!((answer.status, answer.is_ours()), (404, true), "{path}");
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_wrong_media_type_is_refused() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let body = json!({"username": "ada", "password": PASSWORD}).to_string();
    for kind in [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "nonsense",
        "application/jsonp",
    ] {
        let answer = Request::post("/vestibule/login")
            .same_origin()
            .header("Content-Type", kind)
            .body(body.as_str())
            .send(&gateway);
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (415, "unsupported_media_type"),
            "{kind}"
        );
    }
    let missing = Request::post("/vestibule/login")
        .same_origin()
        .body(body.as_str())
        .send(&gateway);
    assert_eq!(missing.status, 415);
    for kind in [
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
    ] {
        let answer = Request::post("/vestibule/login")
            .header("Content-Type", kind)
            .body(body.as_str())
            .send(&gateway);
        assert_eq!(answer.status, 200, "{kind}");
    }
}

#[test]
fn a_wrong_body_is_a_bad_request() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let bodies = [
        "",
        "{",
        "[]",
        "null",
        "\"ada\"",
        "{}",
        r#"{"username": "ada"}"#,
        r#"{"username": 1, "password": "x"}"#,
        r#"{"username": "ada", "password": null}"#,
        r#"{"username": "ada", "password": "x", "delivery": "pigeon"}"#,
        "{\"username\": \"ada\", \"password\": \"\u{0}\"}",
    ];
    for body in bodies {
        let answer = Request::post("/vestibule/login")
            .header("Content-Type", "application/json")
            .body(body)
            .send(&gateway);
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_request"),
            "{body}"
        );
    }
    let not_utf8 = Request::post("/vestibule/login")
        .header("Content-Type", "application/json")
        .body([b'"', 0xff, b'"']);
    assert_eq!(not_utf8.send(&gateway).status, 400);
    let refresh = Request::post("/vestibule/refresh")
        .header("Content-Type", "application/json")
        .body("{");
    assert_eq!(refresh.send(&gateway).status, 400);
    let form = Request::post("/vestibule/login")
        .same_origin()
        .form(&[("username", "ada")])
        .send(&gateway);
    assert!(matches!(form.status, 400 | 401), "{}", form.status);
}

#[test]
fn a_body_over_64_kib_is_refused_before_it_is_read() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let long = format!(
        "{{\"username\": \"ada\", \"password\": \"{}\"}}",
        "x".repeat(70_000)
    );
    for path in [
        "/vestibule/login",
        "/vestibule/refresh",
        "/vestibule/logout",
    ] {
        let announced = Request::post(path)
            .same_origin()
            .header("Content-Type", "application/json")
            .body(long.as_str());
        let mut connection = gateway.connect();
        connection.try_send(announced.to_bytes());
        assert_eq!(connection.answer().status, 413, "{path}");

        let mut chunked = gateway.connect();
        chunked.send(format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"));
        for _ in 0..20 {
            chunked.try_send(format!("2000\r\n{}\r\n", "x".repeat(0x2000)));
        }
        assert_eq!(chunked.answer().status, 413, "{path} in chunks");
    }
    let fits = format!(
        "{{\"username\": \"ada\", \"password\": \"wrong\", \"device\": \"{}\"}}",
        "x".repeat(60)
    );
    let answer = Request::post("/vestibule/login")
        .header("Content-Type", "application/json")
        .body(fits)
        .send(&gateway);
    assert_eq!(answer.status, 401);
}

#[test]
fn a_body_that_nobody_wants_does_not_cost_the_answer_nor_the_connection() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    for (path, status) in [
        ("/", 401),
        ("/%zz", 400),
        ("/vestibule/refresh/x", 404),
        ("/vestibule/login", 415),
    ] {
        let mut connection = gateway.connect();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n");
        for _ in 0..2 {
            connection.send(&head);
            assert_eq!(connection.answer().status, status, "{path}");
            connection.send("GET /smuggled HTTP/1.1\r\n".repeat(900).split_at(20_000).0);
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_body_that_is_too_much_to_read_for_nothing_closes_the_connection() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    for field in [
        "Content-Length: 10000000",
        "Content-Length: 5\r\nExpect: 100-continue",
    ] {
        let mut connection = gateway.connect();
        connection.send(format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\n{field}\r\n\r\n"
        ));
        let answer = connection.answer();
        assert_eq!(answer.status, 401, "{field}");
        assert_eq!(answer.header("connection"), Some("close"), "{field}");
        connection.wait_for_end();
    }
    let mut slow = gateway.connect();
    slow.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n");
    let mut endless = gateway.connect();
    endless.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    while endless.try_send(&chunk) {}
    let begun = Instant::now();
    slow.wait_for_end();
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .section("[server.limits]\nhead_bytes = \"16KiB\"\nheader_fields = 50")
        .start();
    let long = Request::get("/").header("X-Long", &"x".repeat(20_000));
    let mut connection = gateway.connect();
    connection.try_send(long.to_bytes());
    assert_eq!(connection.answer().status, 431);
    let many = (0..60).fold(Request::get("/"), |request, n| {
        request.header(&format!("X-{n}"), "1")
    });
    assert_eq!(many.send(&gateway).status, 431);
    let fine = (0..40).fold(Request::get("/"), |request, n| {
        request.header(&format!("X-{n}"), "1")
    });
    assert_eq!(fine.send(&gateway).status, 401);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_silent_connection_is_closed_in_time() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .section("[server.limits]\nhead_timeout = \"1s\"\nbody_timeout = \"1s\"")
        .start();
    for beginning in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: loc"] {
        let begun = Instant::now();
        let mut connection = gateway.connect();
        connection.send(beginning);
        connection.wait_for_end();
        assert!(
            begun.elapsed() >= Duration::from_millis(900),
            "{beginning:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(10), "{beginning:?}");
    }
    let mut slow_body = gateway.connect();
    slow_body.send("POST /vestibule/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{");
    assert_eq!(slow_body.answer().status, 408);
    assert_eq!(
        send(&gateway, Request::get("/").to_bytes()),
        401,
        "others are served"
    );
}

#[test]
fn the_gateway_lives_through_noise() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let mut state = 1_u32;
    for length in 0..200_usize {
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(length * 7)
        .collect();
        let mut connection = gateway.connect();
        connection.try_send(noise);
    }
    let token = sign_in(&gateway, "ada").access;
    assert_eq!(Request::get("/").bearer(&token).send(&gateway).status, 200);
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}
