//! A browser's session goes on by itself: whatever request comes without a good access cookie is
//! renewed and forwarded in one go.

use std::thread;
use std::time::Duration;

use crate::support::{
    Answer, Gateway, Head, Jar, PASSWORD, Program, Request, Scrape, Setup, Upstream,
    browser_sign_in, cookies_of, wait_until,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// `/` is for the signed-in, `/ops` for others, `/gone` leads nowhere.
pub fn house(upstream: &Upstream) -> Setup {
    let url = upstream.url();
    Setup::in_front_of(upstream)
        .route("/ops", &url, "{ groups = [\"ops\"] }", "")
        .route("/gone", "http://127.0.0.1:1", "signed-in", "")
        .route("/shared", &url, "signed-in", "shared_cache = true")
        .route("/strict", &url, "signed-in", "revocation = \"strict\"")
        .route("/optional", &url, "optional", "")
        .route("/open", &url, "anyone", "")
        .section(
            "[observe.audit_log]\nto = \"audit.log\"\n[observe.access_log]\nto = \"access.log\"",
        )
}

pub fn jar(gateway: &Gateway) -> Jar {
    Jar::of(&browser_sign_in(gateway, "ada"))
}

/// The verdicts of all refreshes in the audit log, once there are so many.
pub fn verdicts(gateway: &Gateway, count: usize) -> Vec<String> {
    let mut verdicts = Vec::new();
    wait_until("the refreshes in the log", PATIENCE, || {
        verdicts = told(gateway);
        verdicts.len() >= count
    });
    verdicts
}

fn told(gateway: &Gateway) -> Vec<String> {
    let lines = gateway.lines("audit.log", 0);
    let refreshes = lines.iter().filter(|line| line["event"] == "refreshed");
    refreshes
        .map(|line| line["verdict"].as_str().unwrap().to_owned())
        .collect()
}

/// How often a session was read from the store.
pub fn loads(gateway: &Gateway) -> f64 {
    let series = "vestibule_store_operation_duration_seconds_count{operation=\"load\"}";
    Scrape::of(gateway).get(series)
}

/// The new cookies that an answer brings, refresh cookie first, and nothing that a cache might keep.
#[track_caller]
pub fn renewed(answer: &Head) -> Jar {
    let ours: Vec<&str> = answer
        .all("set-cookie")
        .into_iter()
        .filter(|cookie| cookie.starts_with("vestibule_"))
        .collect();
    assert_eq!(ours.len(), 2, "{}", String::from_utf8_lossy(&answer.raw));
    assert!(ours[0].starts_with("vestibule_refresh="), "{ours:?}");
    assert!(ours[1].starts_with("vestibule_access="), "{ours:?}");
    assert_eq!(answer.all("cache-control"), ["no-store"]);
    let mut jar = Jar::default();
    jar.take(answer);
    jar
}

#[track_caller]
pub fn assert_unchanged(answer: &Answer) {
    let ours = answer.head.all("set-cookie");
    assert!(ours.is_empty(), "{} {ours:?}", answer.status);
}

#[test]
fn a_request_without_access_cookie_is_renewed_and_forwarded_in_one_go() {
    let upstream = Upstream::start();
    let gateway = house(&upstream).start();
    let old = jar(&gateway);
    let answer = old.without_access().with(Request::get("/x")).send(&gateway);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = upstream.last();
    assert_eq!(seen.head.all("x-forwarded-user"), ["ada"]);
    assert_eq!(seen.head.all("cookie"), [""; 0]);
    assert!(!answer.text().contains("vrt1_"));
    let new = renewed(&answer.head);
    assert_eq!((old.generation(), new.generation()), (1, 2));
    let next = new.with(Request::get("/y")).send(&gateway);
    assert_eq!(next.status, 200);
    assert_unchanged(&next);
    assert_eq!(verdicts(&gateway, 1), ["rotate"]);
    let lines = gateway.lines("access.log", 3);
    let line = lines.iter().find(|line| line["path"] == "/x").unwrap();
    assert_eq!(
        (&line["user"], &line["route"]),
        (&"ada".into(), &"/".into())
    );
    assert!(line["session_id"].is_string(), "{line}");
}

fn websocket() -> Request {
    Request::get("/chat")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .same_origin()
}

#[test]
fn new_cookies_ride_on_the_answer_that_opens_a_tunnel() {
    let app = Program::websocket_echo();
    let gateway = Setup::new().route("/", &app.url(), "signed-in", "").start();
    let old = jar(&gateway).without_access();
    let from_elsewhere = Request::get("/chat").header("Sec-Fetch-Site", "cross-site");
    let elsewhere = old.with(from_elsewhere.header("Upgrade", "websocket"));
    assert_ne!(elsewhere.send(&gateway).status, 101);
    let mut tunnel = gateway.connect();
    tunnel.send(old.with(websocket()).to_bytes());
    let head = tunnel.head();
    assert_eq!(head.target(), "101");
    assert_eq!(renewed(&head).generation(), 2);
}

#[test]
fn new_cookies_ride_on_whatever_answer_follows() {
    let upstream = Upstream::start();
    let gateway = house(&upstream).start();
    let old = jar(&gateway).without_access();
    for (request, status) in [
        (Request::get("/"), 200),
        (Request::get("/status/204"), 204),
        (Request::get("/status/302"), 302),
        (Request::get("/status/304"), 304),
        (Request::get("/status/404"), 404),
        (Request::get("/status/500"), 500),
        (Request::post("/").same_origin().body("a body"), 200),
        (Request::new("PUT", "/").same_origin().body("another"), 200),
        (Request::get("/strict"), 200),
        (Request::get("/optional"), 200),
        (Request::get("/ops"), 403),
        (Request::get("/gone"), 502),
        (Request::get("/hang-up"), 502),
        (websocket(), 200),
    ] {
        let answer = old.with(request.clone()).send(&gateway);
        assert_eq!(answer.status, status, "{request:?}");
        assert_eq!(renewed(&answer.head).generation(), 2, "{request:?}");
    }
    let mut head = gateway.connect();
    head.send(old.with(Request::new("HEAD", "/")).to_bytes());
    assert_eq!(renewed(&head.head()).generation(), 2);
    let posted: Vec<_> = upstream
        .received()
        .into_iter()
        .filter(|received| received.head.method() == "POST")
        .collect();
    assert_eq!(posted[0].body.data, b"a body");
    assert_eq!(verdicts(&gateway, 1), ["rotate"]);
}

#[test]
fn what_an_app_lets_caches_keep_is_kept_by_none() {
    let upstream = Upstream::start();
    let gateway = house(&upstream).start();
    let old = jar(&gateway).without_access();
    for path in ["/headers", "/shared/headers"] {
        let target = format!(
            "{path}?Cache-Control=public%2C+max-age%3D60%2C+s-maxage%3D600&CDN-Cache-Control=max-age%3D60&Set-Cookie=theme%3Ddark"
        );
        let answer = old.with(Request::get(&target)).send(&gateway);
        renewed(&answer.head);
        assert_eq!(answer.header("cdn-cache-control"), None, "{path}");
        assert!(answer.head.all("set-cookie").contains(&"theme=dark"));
    }
}

#[test]
fn a_burst_of_requests_and_refreshes_takes_one_step() {
    let upstream = Upstream::start();
    let gateway = house(&upstream).start();
    let old = jar(&gateway).without_access();
    let forwarded = old.with(Request::get("/"));
    let asked = old.with(Request::post("/vestibule/refresh").same_origin());
    let answers: Vec<Answer> = thread::scope(|scope| {
        let gateway = &gateway;
        let asking: Vec<_> = [&forwarded, &asked]
            .into_iter()
            .cycle()
            .take(100)
            .map(|request| scope.spawn(move || request.send(gateway)))
            .collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let mut pairs: Vec<Jar> = Vec::new();
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
        pairs.push(renewed(&answer.head));
    }
    assert!(
        pairs
            .iter()
            .all(|pair| pair.refresh() == pairs[0].refresh())
    );
    assert_eq!(pairs[0].generation(), 2);
    assert_eq!(upstream.count(), 50);
    let told = verdicts(&gateway, 1);
    assert_eq!(told.iter().filter(|told| *told == "rotate").count(), 1);
    assert!(
        told.iter()
            .all(|told| told == "rotate" || told == "redeliver")
    );
}

#[test]
fn a_browser_that_hangs_up_leaves_one_step_and_its_line_behind() {
    let upstream = Upstream::start();
    let gateway = house(&upstream).start();
    let old = jar(&gateway).without_access();
    let database = rusqlite::Connection::open(gateway.file("vestibule.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut leaving = gateway.connect();
    leaving.send(old.with(Request::get("/")).to_bytes());
    wait_until("the exchange to begin", PATIENCE, || loads(&gateway) > 0.0);
    drop(leaving);
    database.execute_batch("COMMIT").unwrap();
    assert_eq!(verdicts(&gateway, 1), ["rotate"]);
    assert_eq!(upstream.count(), 0);
    let answer = old.with(Request::get("/")).send(&gateway);
    assert_eq!(answer.status, 200);
    assert_eq!(renewed(&answer.head).generation(), 2);
    assert_eq!(verdicts(&gateway, 1), ["rotate"]);
}

#[test]
fn who_signs_out_while_the_app_works_gets_no_cookies_back() {
    let upstream = Upstream::start();
    let gateway = house(&upstream).start();
    let old = jar(&gateway).without_access();
    let mut slow = gateway.connect();
    slow.send(old.with(Request::get("/slow")).to_bytes());
    upstream.wait_for(1);
    let out = old.with(Request::post("/vestibule/logout").same_origin());
    assert_eq!(out.send(&gateway).status, 204);
    upstream.go_on();
    let late = slow.answer();
    assert_eq!(late.status, 200);
    assert_unchanged(&late);
    let after = old.with(Request::get("/").navigating()).send(&gateway);
    assert_eq!(after.status, 303, "to the sign-in page");
    assert_unchanged(&after);
}

#[test]
fn who_signs_in_anew_while_the_app_works_keeps_the_new_cookies() {
    let upstream = Upstream::start();
    let gateway = house(&upstream).start();
    let old = jar(&gateway).without_access();
    let mut slow = gateway.connect();
    slow.send(old.with(Request::get("/slow")).to_bytes());
    upstream.wait_for(1);
    let form = [("username", "ada"), ("password", PASSWORD)];
    let again = Request::post("/vestibule/login").same_origin().form(&form);
    let again = old.with(again).send(&gateway);
    assert_eq!(again.status, 303, "{}", again.text());
    upstream.go_on();
    assert_unchanged(&slow.answer());
    let new = Jar::of(&cookies_of(&again)).without_access();
    assert_eq!(new.with(Request::get("/")).send(&gateway).status, 200);
}

#[test]
fn t_35_a_store_that_fails_costs_nobody_their_cookies() {
    let upstream = Upstream::start();
    let gateway = house(&upstream).start();
    let whole = jar(&gateway);
    let old = whole.without_access();
    let database = rusqlite::Connection::open(gateway.file("vestibule.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    for request in [
        Request::get("/"),
        Request::get("/optional"),
        Request::get("/").navigating(),
    ] {
        let answer = old.with(request).send(&gateway);
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
        assert_unchanged(&answer);
    }
    assert_eq!(old.with(Request::get("/open")).send(&gateway).status, 200);
    assert_eq!(whole.with(Request::get("/")).send(&gateway).status, 200);
    assert_eq!(upstream.count(), 2);
    database.execute_batch("COMMIT").unwrap();
    let answer = old.with(Request::get("/")).send(&gateway);
    assert_eq!(answer.status, 200);
    assert_eq!(renewed(&answer.head).generation(), 2);
}
