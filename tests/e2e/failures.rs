//! When the app or the visitor fails: who is told what, and that nobody else notices.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    Answer, Gateway, PASSWORD, Request, Scrape, Setup, Upstream, browser_sign_in,
};

/// Everything open, so that a test is about the failure alone.
fn open_to(url: &str) -> Gateway {
    Setup::new()
        .route("/", url, "anyone", "response_timeout = \"1s\"")
        .start()
}

#[test]
fn an_app_that_is_down_is_a_bad_gateway() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let gateway = open_to(&format!("http://{nobody}"));
    let answer = Request::get("/x").send(&gateway);
    assert_eq!(problem(&answer), (502, "upstream_unreachable".to_owned()));
    assert!(
        !answer.text().contains(&nobody.port().to_string()),
        "{}",
        answer.text()
    );
    let page = Request::get("/x").navigating().send(&gateway);
    assert_eq!(page.status, 502);
    assert!(
        page.header("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"))
    );
    assert!(page.text().contains("<html"), "{}", page.text());
}

#[test]
fn an_app_that_breaks_off_is_a_bad_gateway() {
    let upstream = Upstream::start();
    let gateway = open_to(&upstream.url());
    for path in ["/hang-up", "/garbage"] {
        let answer = Request::post(path)
            .body("not to be sent twice")
            .send(&gateway);
        assert_eq!(
            problem(&answer),
            (502, "upstream_unreachable".to_owned()),
            "{path}"
        );
    }
    assert_eq!(upstream.count(), 2, "a POST is never sent again");
    let mut connection = gateway.connect();
    connection.send(Request::get("/partial").to_bytes());
    assert!(
        connection.answer_if_whole().is_none(),
        "half an answer must not look whole"
    );
    assert_eq!(Request::get("/fine").send(&gateway).status, 200);
}

#[test]
fn an_app_that_is_too_slow_is_a_gateway_timeout() {
    let upstream = Upstream::start();
    let gateway = open_to(&upstream.url());
    let begun = Instant::now();
    let answer = Request::get("/slow").send(&gateway);
    assert_eq!(problem(&answer), (504, "upstream_timeout".to_owned()));
    assert!(begun.elapsed() >= Duration::from_millis(900));
    assert_eq!(upstream.count(), 1);
    upstream.go_on();
    assert_eq!(Request::get("/fine").send(&gateway).status, 200);
}

#[test]
fn an_early_answer_to_a_long_upload_is_passed_on() {
    let upstream = Upstream::start();
    let gateway = open_to(&upstream.url());
    let mut connection = gateway.connect();
    connection
        .send("POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\nstart");
    let answer = connection.answer();
    assert_eq!((answer.status, answer.text().as_str()), (403, "early"));
}

#[test]
fn a_visitor_who_hangs_up_early_harms_nobody() {
    let upstream = Upstream::start();
    let gateway = open_to(&upstream.url());
    for _ in 0..20 {
        let mut connection = gateway.connect();
        connection.send("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf");
        drop(connection);
        let mut connection = gateway.connect();
        connection.send(Request::get("/slow").to_bytes());
        drop(connection);
    }
    upstream.go_on();
    let mut connection = gateway.connect();
    for number in 0..20 {
        connection.send(Request::get(&format!("/{number}")).to_bytes());
        assert!(
            connection
                .answer()
                .text()
                .starts_with(&format!("GET /{number} "))
        );
    }
}

#[test]
fn a_connection_the_app_closed_while_idle_is_not_a_failure() {
    let upstream = Upstream::start();
    let gateway = open_to(&upstream.url());
    for number in 0..10 {
        // The app closes behind this answer without saying so.
        assert_eq!(Request::get("/until-close").send(&gateway).status, 200);
        let answer = Request::get(&format!("/{number}")).send(&gateway);
        assert_eq!(answer.status, 200);
    }
}

/// As a backup tool may. What needs no writing goes on; nothing else is answered as if it were over.
#[test]
fn a_database_that_is_held_by_somebody_costs_nobody_a_session() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    let post = |path: &str| {
        let request = Request::post(path).same_origin().header("Cookie", &cookies);
        request.send(&gateway)
    };
    let database = rusqlite::Connection::open(gateway.file("vestibule.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let login = || {
        let body = json!({"username": "ada", "password": PASSWORD});
        Request::post("/vestibule/login").json(&body).send(&gateway)
    };
    thread::scope(|scope| {
        let mut asking = vec![scope.spawn(login)];
        asking.extend((0..8).map(|_| scope.spawn(|| post("/vestibule/refresh"))));
        asking.push(scope.spawn(|| post("/vestibule/logout")));
        for asked in asking {
            let answer = asked.join().unwrap();
            assert_eq!(
                problem(&answer),
                (503, "temporarily_unavailable".to_owned())
            );
            assert!(answer.header("retry-after").is_some());
            assert_eq!(answer.head.all("set-cookie"), [""; 0]);
        }
    });
    let failed = |operation: &str| {
        let series = format!("vestibule_store_errors_total{{operation=\"{operation}\"}}");
        Scrape::of(&gateway).get(&series)
    };
    assert_eq!((failed("open"), failed("load")), (1.0, 0.0));
    let call = || Request::get("/").header("Cookie", &cookies).send(&gateway);
    assert_eq!(call().status, 200);
    database.execute_batch("COMMIT").unwrap();
    assert_eq!(login().status, 200);
    assert_eq!(post("/vestibule/refresh").status, 200);
    assert_eq!(post("/vestibule/logout").status, 204);
    assert_eq!(call().error(), "token_revoked");
}

fn problem(answer: &Answer) -> (u16, String) {
    assert!(answer.is_ours(), "{}", answer.head.start);
    (answer.status, answer.error())
}
