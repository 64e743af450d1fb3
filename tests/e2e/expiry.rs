//! Time passes: what ends when, with a clock that the test moves. The gateway runs in this process.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::json;
use vestibule::clock::{Clock, Timestamp};
use vestibule::identity::password::HashPolicy;
use vestibule::identity::{PasswordHash, PasswordTerm, Secret, SessionId, UserId, UserName};
use vestibule::server::{self, Address, Running};
use vestibule::store::NewUser;
use vestibule::{config, random};

use crate::support::{Answer, Connection, PASSWORD, Request, Tokens, Upstream, wait_until};

/// A clock that stands still until it is moved.
pub struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

/// A gateway over a store in memory, and its time.
pub struct House {
    clock: Arc<TestClock>,
    server: Option<Running>,
    pub address: SocketAddr,
}

impl House {
    pub fn in_front_of(upstream: &Upstream) -> Self {
        let text = format!(
            r#"
            [server]
            listen = "127.0.0.1:0"
            public_url = "http://localhost"
            admin_listen = ""

            [[routes]]
            upstream = "{}"

            [[routes]]
            path = "/optional"
            upstream = "{}"
            allow = "optional"

            [[routes]]
            path = "/money"
            upstream = "{}"
            max_auth_age = "15m"

            [[routes]]
            path = "/shop"
            upstream = "{}"
            allow = "optional"
            max_auth_age = "15m"

            [storage]
            url = "memory:"

            [login]
            min_duration = "0s"
            "#,
            upstream.url(),
            upstream.url(),
            upstream.url(),
            upstream.url()
        );
        Self::of(&text)
    }

    /// With this configuration.
    pub fn of(text: &str) -> Self {
        let config = config::parse(text, Path::new(".")).expect("a good configuration");
        let clock = Arc::new(TestClock(AtomicI64::new(1_800_000_000)));
        let server = server::start(config, clock.clone(), None).expect("it starts");
        let added = server.gateway().directory.add_user(NewUser {
            id: UserId::from_bytes(random::bytes()),
            name: UserName::parse("ada").expect("a name"),
            display_name: None,
            email: None,
            groups: Vec::new(),
            password: PasswordHash::of(
                &Secret::new(PASSWORD.to_owned()),
                &HashPolicy::default(),
                &random::bytes(),
            ),
            password_term: PasswordTerm::Lasting,
        });
        server.block_on(added).expect("the user is added");
        let Address::Http(address) = server.addresses()[0] else {
            panic!("it listens on a port");
        };
        Self {
            address,
            clock,
            server: Some(server),
        }
    }

    /// Moves the clock.
    pub fn pass(&self, time: Duration) {
        let seconds = i64::try_from(time.as_secs()).expect("a short time");
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
        // It hears from the store twice a second, whatever the clock says.
        let gateway = self.server().gateway();
        wait_until("the gateway to hear from its store", MINUTE, || {
            !gateway.is_stale()
        });
    }

    pub fn server(&self) -> &Running {
        self.server.as_ref().expect("it runs")
    }

    /// Calls the app with this token until the store knows that its refresh token was received.
    pub fn prove(&self, tokens: &Tokens) {
        let server = self.server.as_ref().expect("it runs");
        let id = SessionId::parse(&tokens.session).expect("an id");
        assert_eq!(self.call(tokens).status, 200);
        wait_until("the receipt to be noted", MINUTE, || {
            let loaded = server.gateway().sessions.load(id);
            let loaded = server.block_on(loaded).expect("the store answers");
            loaded.expect("it is there").row.confirmed_at.is_some()
        });
    }

    /// Gives ada a password that is good for so long.
    pub fn set_temporary_password(&self, password: &str, lasts: Duration) {
        let until = self.clock.now() + lasts;
        let term = PasswordTerm::Temporary { until };
        let hash = PasswordHash::of(
            &Secret::new(password.to_owned()),
            &HashPolicy::default(),
            &random::bytes(),
        );
        let ada = UserName::parse("ada").expect("a name");
        let server = self.server();
        let set = server.gateway().directory.set_password(ada, hash, term);
        server.block_on(set).expect("the store answers");
    }

    pub fn send(&self, request: &Request) -> Answer {
        let mut connection = Connection::open(self.address);
        connection.send(request.to_bytes());
        connection.answer()
    }

    pub fn sign_in(&self) -> Tokens {
        let body = json!({"username": "ada", "password": PASSWORD});
        Tokens::of(&self.send(&Request::post("/vestibule/login").json(&body)))
    }

    pub fn call(&self, tokens: &Tokens) -> Answer {
        self.send(&Request::get("/").bearer(&tokens.access))
    }

    pub fn refresh(&self, tokens: &Tokens) -> Answer {
        let body = json!({"refresh_token": tokens.refresh});
        self.send(&Request::post("/vestibule/refresh").json(&body))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }
}

pub const MINUTE: Duration = Duration::from_secs(60);
pub const DAY: Duration = Duration::from_secs(86_400);

pub fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.error())
}

#[test]
fn fj_16_fj_33_an_expired_token_never_reaches_the_app() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let tokens = house.sign_in();
    assert_eq!(house.call(&tokens).status, 200);
    house.pass(5 * MINUTE);
    assert_eq!(house.call(&tokens).status, 200, "within the leeway");
    house.pass(Duration::from_secs(5));
    let expired = house.call(&tokens);
    assert_eq!(refusal(&expired), (401, "token_expired".to_owned()));
    let optional = house.send(&Request::get("/optional").bearer(&tokens.access));
    assert_eq!(refusal(&optional), (401, "token_expired".to_owned()));
    assert_eq!(upstream.count(), 2);
}

#[test]
fn an_expired_token_is_replaced_by_a_refresh() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let tokens = house.sign_in();
    house.pass(10 * MINUTE);
    let next = Tokens::of(&house.refresh(&tokens));
    assert_eq!(next.session, tokens.session);
    assert_ne!(next.refresh, tokens.refresh);
    assert_eq!(house.call(&next).status, 200);
}

#[test]
fn a_lost_answer_gets_the_same_successor_days_later() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let tokens = house.sign_in();
    let lost = Tokens::of(&house.refresh(&tokens));
    house.pass(3 * DAY);
    let again = Tokens::of(&house.refresh(&tokens));
    assert_eq!(again.refresh, lost.refresh);
}

#[test]
fn a_replaced_token_whose_successor_was_used_ends_the_session() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let first = house.sign_in();
    let second = Tokens::of(&house.refresh(&first));
    house.pass(MINUTE);
    let third = Tokens::of(&house.refresh(&second));
    house.pass(MINUTE);
    let reused = house.refresh(&first);
    assert_eq!(refusal(&reused), (401, "invalid_grant".to_owned()));
    assert_eq!(
        refusal(&house.call(&third)),
        (401, "token_revoked".to_owned())
    );
    let dead = house.refresh(&third);
    assert_eq!(refusal(&dead), (401, "invalid_grant".to_owned()));
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_session_ends_when_it_is_idle_and_in_any_case_after_its_time() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let idle = house.sign_in();
    let mut busy = house.sign_in();
    for _ in 0..2 {
        house.pass(13 * DAY);
        busy = Tokens::of(&house.refresh(&busy));
    }
    let over = house.refresh(&idle);
    assert_eq!(refusal(&over), (401, "invalid_grant".to_owned()));
    house.pass(4 * DAY);
    let over = house.refresh(&busy);
    assert_eq!(refusal(&over), (401, "invalid_grant".to_owned()));
}

#[test]
fn fj_48_t_49_whatever_was_ours_signs_out_even_if_it_is_over() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let out = |token: &str| {
        let request = Request::post("/vestibule/logout").bearer(token);
        house.send(&request).status
    };
    let old = house.sign_in();
    house.pass(10 * MINUTE);
    let [access, refresh] = [(); 2].map(|()| house.sign_in());
    assert_eq!(out(&old.access), 204, "expired");
    assert_eq!(out(&old.access), 204, "expired and over");
    assert_eq!(out(&access.access), 204);
    assert_eq!(out(&access.refresh), 204, "over");
    assert_eq!(out(&refresh.refresh), 204);
    assert_eq!(out("vrt1_garbage"), 401);
    assert_eq!(out("garbage"), 401);
    let none = house.send(&Request::post("/vestibule/logout"));
    assert_eq!(none.status, 204);
    for ended in [&old, &access, &refresh] {
        assert_eq!(house.refresh(ended).error(), "invalid_grant");
        assert_eq!(house.call(ended).status, 401);
    }
    house.pass(DAY);
    for ended in [&old, &access, &refresh] {
        assert_eq!(house.refresh(ended).error(), "invalid_grant", "a day later");
    }
    assert_eq!(upstream.count(), 0);
}
