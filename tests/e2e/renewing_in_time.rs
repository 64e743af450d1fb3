//! Sessions are renewed as time passes, with a clock that the test moves. The gateway runs in this
//! process.

use std::ops::Deref;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::expiry::{DAY, House, MINUTE};
use crate::support::{
    Answer, Connection, Jar, PASSWORD, Request, Upstream, cookies_of, wait_until,
};

/// A gateway with an audit log, and its time.
struct Home {
    house: House,
    folder: TempDir,
}

impl Deref for Home {
    type Target = House;

    fn deref(&self) -> &House {
        &self.house
    }
}

impl Home {
    fn in_front_of(upstream: &Upstream, sections: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://localhost\"\nadmin_listen = \"\"\n\
             [[routes]]\nupstream = \"{}\"\n[storage]\nurl = \"memory:\"\n\
             [observe.audit_log]\nto = \"{}\"\n{sections}",
            upstream.url(),
            folder.path().join("audit.log").display(),
        );
        let house = House::of(&text);
        Self { house, folder }
    }

    fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends the request of a browser with these cookies, which keeps what it is told to keep.
    fn visit(&self, jar: &mut Jar, request: Request) -> Answer {
        let answer = self.send(&jar.with(request));
        jar.take(&answer.head);
        answer
    }

    fn sign_in(&self) -> Jar {
        let form = [
            ("username", "ada"),
            ("password", PASSWORD),
            ("remember", "true"),
        ];
        let answer = self.send(&Request::post("/vestibule/login").same_origin().form(&form));
        assert_eq!(answer.status, 303, "{}", answer.text());
        Jar::of(&cookies_of(&answer))
    }

    /// Whether the store knows that the only session's refresh token was received.
    fn has_receipt(&self) -> bool {
        let server = self.server();
        let live = server.block_on(server.gateway().sessions.live(None));
        live.expect("the store answers")[0].confirmed_at.is_some()
    }

    /// How often this verdict is in the audit log.
    fn told(&self, verdict: &str) -> usize {
        let gateway = self.server().gateway();
        let sink = gateway.audit.sink().expect("there is a log");
        sink.flush();
        let text = std::fs::read_to_string(self.folder.path().join("audit.log"));
        let text = text.expect("the log is there");
        text.matches(&format!("\"verdict\":\"{verdict}\"")).count()
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn brings_cookies(answer: &Answer) -> bool {
    !answer.head.all("set-cookie").is_empty()
}

#[test]
fn t_27_t_28_fifty_requests_and_fifty_refreshes_with_one_expired_pair_take_one_step() {
    let upstream = Upstream::start();
    let house = Home::in_front_of(&upstream, "");
    let old = house.sign_in();
    house.pass(10 * MINUTE);
    let forwarded = old.with(Request::get("/"));
    let asked = old.with(Request::post("/vestibule/refresh").same_origin());
    let answers: Vec<Answer> = thread::scope(|scope| {
        let house = &house;
        let asking: Vec<_> = [&forwarded, &asked]
            .into_iter()
            .cycle()
            .take(100)
            .map(|request| scope.spawn(move || house.send(request)))
            .collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let mut refresh = Vec::new();
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut jar = Jar::default();
        jar.take(&answer.head);
        assert_eq!(jar.generation(), 2);
        refresh.push(jar.refresh().to_owned());
    }
    refresh.dedup();
    assert_eq!(refresh.len(), 1, "all hold the same refresh cookie");
    assert_eq!(upstream.count(), 50);
    assert_eq!(house.told("rotate"), 1);
}

#[test]
fn t_31_a_late_answer_never_overwrites_newer_cookies() {
    let upstream = Upstream::start();
    let house = Home::in_front_of(&upstream, "");
    let mut jar = house.sign_in();
    house.pass(10 * MINUTE);
    let mut slow = house.connect();
    slow.send(jar.with(Request::get("/slow")).to_bytes());
    upstream.wait_for(1);
    house.pass(10 * MINUTE);
    assert_eq!(house.visit(&mut jar, Request::get("/")).status, 200);
    assert_eq!(jar.generation(), 2, "the same successor again");
    house.pass(10 * MINUTE);
    assert_eq!(house.visit(&mut jar, Request::get("/")).status, 200);
    assert_eq!(jar.generation(), 3);
    upstream.go_on();
    let late = slow.answer();
    assert_eq!(late.status, 200);
    assert!(!brings_cookies(&late));
    house.pass(10 * MINUTE);
    assert_eq!(house.visit(&mut jar, Request::get("/")).status, 200);
    assert_eq!(jar.generation(), 4);
}

/// Who comes with a token two generations old after the grace is not the browser that holds the last one.
#[test]
fn t_24_a_reuse_ends_the_session_clears_the_cookies_and_is_told_once() {
    let upstream = Upstream::start();
    let house = Home::in_front_of(&upstream, "");
    let refresh = || Request::post("/vestibule/refresh").same_origin();
    let copied = house.sign_in();
    let mut jar = copied.clone();
    for _ in 0..2 {
        assert_eq!(house.visit(&mut jar, refresh()).status, 200);
        house.pass(31 * SECOND);
    }
    for thief in [copied.clone(), copied] {
        let mut thief = thief;
        let refused = house.visit(&mut thief, refresh());
        let told = (refused.status, refused.error());
        assert_eq!(told, (401, "invalid_grant".to_owned()));
        assert_eq!(refused.head.all("set-cookie").len(), 2);
        assert!(thief.is_signed_out(), "the cookies are cleared");
    }
    assert_eq!(house.told("reuse"), 1);
    let page = house.visit(&mut jar, Request::get("/"));
    assert_eq!(
        (page.status, page.error()),
        (401, "token_revoked".to_owned())
    );
    assert_eq!(house.visit(&mut jar, refresh()).error(), "invalid_grant");
    assert!(jar.is_signed_out());
    assert_eq!(upstream.count(), 0);
}

#[test]
fn an_app_slower_than_everything_still_delivers_the_cookies_if_none_are_newer() {
    let upstream = Upstream::start();
    let house = Home::in_front_of(&upstream, "");
    let mut jar = house.sign_in();
    house.pass(10 * MINUTE);
    let mut slow = house.connect();
    slow.send(jar.with(Request::get("/slow")).to_bytes());
    upstream.wait_for(1);
    house.pass(DAY);
    upstream.go_on();
    let late = slow.answer();
    assert!(brings_cookies(&late));
    jar.take(&late.head);
    assert_eq!(house.visit(&mut jar, Request::get("/")).status, 200);
    assert_eq!(jar.generation(), 3);
}

#[test]
fn a_browser_stays_signed_in_for_many_lives_of_its_access_cookie() {
    let upstream = Upstream::start();
    let tokens = "[tokens]\naccess_ttl = \"30s\"\nleeway = \"0s\"\n[sessions]\ngrace = \"10s\"";
    let house = Home::in_front_of(&upstream, tokens);
    let mut jar = house.sign_in();
    for round in 0..60 {
        house.pass((7 + 13 * (round % 5)) * SECOND);
        let page = house.visit(&mut jar, Request::get("/").navigating());
        assert_eq!(page.status, 200, "round {round}");
        let sent = house.visit(&mut jar, Request::post("/form").same_origin());
        assert_eq!(sent.status, 200, "round {round}");
    }
    assert!(jar.generation() > 30, "{}", jar.generation());
    assert_eq!(house.told("reuse"), 0);
    house.pass(15 * DAY);
    let page = house.visit(&mut jar, Request::get("/").navigating());
    assert_eq!(page.status, 303);
    assert!(!brings_cookies(&page), "forwarded requests clear nothing");
    let script = house.visit(&mut jar, Request::get("/"));
    assert_eq!(
        (script.status, script.error()),
        (401, "token_expired".to_owned())
    );
    let asked = Request::post("/vestibule/refresh").same_origin();
    assert_eq!(house.visit(&mut jar, asked).error(), "invalid_grant");
    assert!(jar.is_signed_out());
}

#[test]
fn an_access_cookie_that_ends_soon_is_renewed_before() {
    let upstream = Upstream::start();
    let house = Home::in_front_of(&upstream, "");
    let mut jar = house.sign_in();
    house.pass(4 * MINUTE - SECOND);
    assert!(!brings_cookies(&house.visit(&mut jar, Request::get("/"))));
    house.pass(SECOND);
    assert!(brings_cookies(&house.visit(&mut jar, Request::get("/"))));
    assert_eq!(jar.generation(), 2);
    assert!(!brings_cookies(&house.visit(&mut jar, Request::get("/"))));
    let hop = Request::post("/x").header("Sec-Fetch-Site", "cross-site");
    house.pass(4 * MINUTE);
    let refused = house.visit(&mut jar, hop);
    assert_eq!(refused.error(), "csrf_rejected");
    assert_eq!(house.told("rotate"), 1);
}

#[test]
fn cookies_of_two_sessions_renew_nothing() {
    let upstream = Upstream::start();
    let house = Home::in_front_of(&upstream, "");
    let [one, other] = [(), ()].map(|()| house.sign_in());
    house.pass(10 * MINUTE);
    let mixed = one.mixed_with(&other);
    let refused = house.send(&mixed.with(Request::get("/")));
    assert_eq!(
        (refused.status, refused.error()),
        (401, "missing_token".to_owned())
    );
    assert!(!brings_cookies(&refused));
    assert_eq!(house.told("rotate"), 0);
    for mut jar in [one, other] {
        assert_eq!(house.visit(&mut jar, Request::get("/")).status, 200);
    }
}

/// The browser has newer cookies by now, and sends them when it comes again.
#[test]
fn a_navigation_that_was_held_up_comes_again_once() {
    let upstream = Upstream::start();
    let house = Home::in_front_of(&upstream, "");
    let mut previous = house.sign_in();
    let mut current = previous.clone();
    house.pass(10 * MINUTE);
    house.visit(&mut current, Request::get("/"));
    house.pass(MINUTE);
    assert_eq!(house.visit(&mut current, Request::get("/")).status, 200);
    wait_until("the receipt to be noted", PATIENCE, || house.has_receipt());
    house.pass(MINUTE);
    let page = |jar: &mut Jar| house.visit(jar, Request::get("//evil.example/").navigating());
    let first = page(&mut previous);
    assert_eq!((first.status, first.header("location")), (303, Some("/")));
    let second = page(&mut previous);
    assert_eq!(second.status, 303);
    assert!(
        second
            .header("location")
            .unwrap()
            .starts_with("/vestibule/login")
    );
    assert!(!brings_cookies(&first) && !brings_cookies(&second));
    assert_eq!(house.visit(&mut current, Request::get("/")).status, 200);
}

/// A renewal of our own making shows nothing about what the browser has kept.
#[test]
fn a_lost_answer_costs_nothing_even_without_a_grace() {
    let upstream = Upstream::start();
    let sections = "[sessions]\ngrace = \"0s\"\nstraggler_window = \"0s\"";
    let house = Home::in_front_of(&upstream, sections);
    let mut jar = house.sign_in();
    house.pass(10 * MINUTE);
    // Receipts are noted behind the requests' backs: one of the next would meet it.
    for _ in 0..20 {
        let lost = house.send(&jar.with(Request::get("/")));
        assert_eq!(lost.status, 200, "{}", lost.text());
    }
    assert!(!house.has_receipt());
    assert_eq!(house.visit(&mut jar, Request::get("/")).status, 200);
    assert_eq!(jar.generation(), 2);
}
