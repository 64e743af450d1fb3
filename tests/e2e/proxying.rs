//! Carrying requests and answers: what is passed on, what is not, and what happens when the app fails.

use std::time::Duration;

use crate::support::{Gateway, Request, Setup, Upstream, sign_in, wait_until};

/// Everything open, so that a test is about the proxy alone.
fn open(upstream: &Upstream) -> Gateway {
    Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .start()
}

#[test]
fn hop_by_hop_headers_stop_here_in_both_directions() {
    let upstream = Upstream::start();
    let gateway = open(&upstream);
    let query = "Keep-Alive=timeout%3D5&X-Hop=1&Connection=X-Hop&X-End=1&Alt-Svc=h2&X-Vestibule=1&Proxy-Authenticate=x";
    let answer = Request::get(&format!("/headers?{query}"))
        .header("Connection", "X-Mine, keep-alive")
        .header("X-Mine", "1")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("Proxy-Authorization", "Basic abc")
        .header("TE", "trailers, deflate")
        .header("Upgrade", "h2c")
        .header("X-To-App", "yes")
        .send(&gateway);
    assert_eq!(answer.status, 200);
    let head = upstream.last().head;
    for name in [
        "x-mine",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "upgrade",
    ] {
        assert_eq!(head.all(name), [""; 0], "{name} to the app");
    }
    assert!(
        matches!(head.first("te"), None | Some("trailers")),
        "{:?}",
        head.first("te")
    );
    assert_eq!(head.all("x-to-app"), ["yes"]);
    for name in ["keep-alive", "x-hop", "alt-svc", "x-vestibule"] {
        assert_eq!(answer.head.all(name), [""; 0], "{name} to the visitor");
    }
    assert_eq!(answer.header("x-end"), Some("1"));
}

#[test]
fn methods_and_bodies_arrive_as_they_were_sent() {
    let upstream = Upstream::start();
    let gateway = open(&upstream);
    for method in [
        "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY", "x-own",
    ] {
        let answer = Request::new(method, "/m?q")
            .body("the body\r\n\0\u{7f}")
            .send(&gateway);
        assert_eq!(answer.status, 200, "{method}");
        let received = upstream.last();
        assert_eq!(received.head.start, format!("{method} /m?q HTTP/1.1"));
        assert_eq!(received.body.data, b"the body\r\n\0\x7f", "{method}");
        assert!(
            answer
                .text()
                .starts_with(&format!("{method} /m?q HTTP/1.1\r\n")),
            "{method}"
        );
    }
}

#[test]
fn answers_without_a_body_have_none() {
    let upstream = Upstream::start();
    let gateway = open(&upstream);
    let mut connection = gateway.connect();
    for status in [204, 304, 200, 404, 500] {
        connection.send(Request::get(&format!("/status/{status}")).to_bytes());
        let answer = connection.answer();
        assert_eq!((answer.status, answer.body.length), (status, 0));
        assert_eq!(answer.header("etag"), Some("\"1\""));
        assert_eq!(answer.head.all("transfer-encoding"), [""; 0], "{status}");
    }
    connection.send(Request::new("HEAD", "/x").to_bytes());
    let head = connection.head();
    assert!(head.start.contains(" 200 "));
    assert!(
        head.first("content-length")
            .is_some_and(|length| length != "0")
    );
    connection.send(Request::get("/after").to_bytes());
    assert!(
        connection.answer().text().starts_with("GET /after "),
        "HEAD had no body"
    );
}

#[test]
fn expect_continue_is_answered_here_after_the_decision() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).start();
    let expecting = |request: Request| {
        request
            .header("Expect", "100-continue")
            .header("Content-Length", "4")
    };
    let mut stranger = gateway.connect();
    stranger.send(expecting(Request::new("POST", "/x")).to_bytes());
    assert_eq!(stranger.answer().status, 401, "no body is asked for");

    let token = sign_in(&gateway, "ada").access;
    let mut connection = gateway.connect();
    connection.send(expecting(Request::new("POST", "/x").bearer(&token)).to_bytes());
    assert!(connection.head().start.contains(" 100 "));
    connection.send("body");
    assert_eq!(connection.answer().status, 200);
    let received = upstream.last();
    assert_eq!(received.head.all("expect"), [""; 0]);
    assert_eq!(received.body.data, b"body");
    assert_eq!(upstream.count(), 1);
}

#[test]
fn chunked_bodies_and_trailers_pass_both_ways() {
    let upstream = Upstream::start();
    let gateway = open(&upstream);
    let mut connection = gateway.connect();
    connection.send(
        "POST /up HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n",
    );
    assert_eq!(connection.answer().status, 200);
    let received = upstream.last();
    assert_eq!(received.body.data, b"hello world");
    assert_eq!(received.body.trailer("x-sum"), ["11"]);

    connection.send(
        Request::get("/trailers")
            .header("TE", "trailers")
            .to_bytes(),
    );
    let answer = connection.answer();
    assert_eq!(answer.text(), "body");
    assert_eq!(answer.body.trailer("x-checksum"), ["abc"]);
}

#[test]
fn interim_answers_are_dropped_and_old_answers_understood() {
    let upstream = Upstream::start();
    let gateway = open(&upstream);
    let answer = Request::get("/early-hints").send(&gateway);
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    let answer = Request::get("/until-close").send(&gateway);
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "until the end")
    );
}

#[test]
fn connections_are_used_again_on_both_sides() {
    let upstream = Upstream::start();
    let gateway = open(&upstream);
    let mut connection = gateway.connect();
    for number in 0..50 {
        connection.send(Request::get(&format!("/{number}")).to_bytes());
        assert_eq!(connection.answer().status, 200);
    }
    assert_eq!(upstream.count(), 50);
    assert!(
        upstream.connections() <= 2,
        "{} connections",
        upstream.connections()
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start();
    let gateway = open(&upstream);
    let mut connection = gateway.connect();
    let all: Vec<u8> = (0..10)
        .flat_map(|n| Request::get(&format!("/{n}")).to_bytes())
        .collect();
    connection.send(all);
    for number in 0..10 {
        assert!(
            connection
                .answer()
                .text()
                .starts_with(&format!("GET /{number} "))
        );
    }
}

#[test]
fn location_is_rewritten_only_where_it_names_the_app() {
    let upstream = Upstream::start();
    let gateway = open(&upstream);
    let cases = [
        (
            format!("{}/next", upstream.url()),
            "http://localhost/next".to_owned(),
        ),
        ("/next".to_owned(), "/next".to_owned()),
        (
            "https://elsewhere.example/".to_owned(),
            "https://elsewhere.example/".to_owned(),
        ),
    ];
    for (told, expected) in cases {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("Location", &told)
            .finish();
        let answer = Request::get(&format!("/headers?{query}")).send(&gateway);
        let location = answer.header("location").expect("a location");
        let relative = expected
            .strip_prefix("http://localhost")
            .unwrap_or(&expected);
        assert!(
            location == expected || location == relative,
            "{told} became {location}"
        );
    }
}

#[test]
fn the_host_goes_as_it_came_unless_the_route_says_otherwise() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .route(
            "/other",
            &upstream.url(),
            "anyone",
            "host_header = \"app.internal\"",
        )
        .start();
    Request::get("/")
        .header("Host", "localhost:1234")
        .send(&gateway);
    assert_eq!(upstream.last().head.all("host"), ["localhost:1234"]);
    Request::get("/other")
        .header("Host", "localhost:1234")
        .send(&gateway);
    let head = upstream.last().head;
    assert_eq!(head.all("host"), ["app.internal"]);
    assert_eq!(head.all("x-forwarded-host"), ["localhost:1234"]);
}

#[test]
fn fj_71_preflights_are_answered_here_or_passed_without_identity() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .route(
            "/cors",
            &upstream.url(),
            "signed-in",
            "preflight = \"forward\"",
        )
        .route(
            "/fresh",
            &upstream.url(),
            "signed-in",
            "max_auth_age = \"15m\"",
        )
        .start();
    let preflight = |path: &str| {
        Request::new("OPTIONS", path)
            .header("Origin", "https://spa.example")
            .header("Access-Control-Request-Method", "PUT")
            .header("Authorization", "Bearer a.b.c")
            .header("Cookie", "app_session=1")
            .header("X-HTTP-Method-Override", "DELETE")
            .send(&gateway)
    };
    let answered = preflight("/");
    assert_eq!((answered.status, answered.is_ours()), (204, true));
    assert_eq!(
        answered.head.all("access-control-allow-origin"),
        [""; 0],
        "no origin is configured"
    );
    for path in ["/fresh", "/vestibule/refresh"] {
        let answered = preflight(path);
        assert_eq!((answered.status, answered.is_ours()), (204, true), "{path}");
    }
    assert_eq!(upstream.count(), 0);
    assert_eq!(preflight("/cors").status, 200);
    let head = upstream.last().head;
    assert_eq!(head.all("x-forwarded-user"), [""; 0]);
    for credential in ["authorization", "cookie", "x-http-method-override"] {
        assert_eq!(head.all(credential), [""; 0], "{credential}");
    }
    for path in ["/", "/fresh", "/cors"] {
        let plain = Request::new("OPTIONS", path).send(&gateway);
        assert_eq!(plain.status, 401, "{path}: OPTIONS alone is no preflight");
    }
    assert_eq!(upstream.count(), 1);
}

#[test]
fn many_at_once_get_their_own_answers() {
    let upstream = Upstream::start();
    let gateway = open(&upstream);
    std::thread::scope(|scope| {
        for worker in 0..16 {
            let gateway = &gateway;
            scope.spawn(move || {
                let mut connection = gateway.connect();
                for number in 0..50 {
                    let body = format!("{worker}/{number}");
                    connection.send(
                        Request::post(&format!("/{body}"))
                            .body(body.as_str())
                            .to_bytes(),
                    );
                    assert!(connection.answer().text().ends_with(&body));
                }
            });
        }
    });
    wait_until("all requests to be counted", Duration::from_secs(5), || {
        upstream.count() == 800
    });
}
