//! Somebody guesses passwords: how long they wait, whom that holds up, and whom it does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::admin_api::{TOKEN, call};
use crate::expiry::House;
use crate::support::{
    Answer, Connection, Gateway, PASSWORD, Request, Scrape, Setup, Tokens, Upstream,
    browser_sign_in, cookies_of, sign_in, spoiled, wait_until,
};

const MINUTE: Duration = Duration::from_secs(60);

/// A gateway whose clock stands still, behind a proxy that is believed.
pub fn house(upstream: &Upstream, login: &str) -> House {
    House::of(&format!(
        "[server]\nlisten = '127.0.0.1:0'\npublic_url = 'http://localhost'\nadmin_listen = ''\n\
         trusted_proxies = ['127.0.0.1']\n[[routes]]\nupstream = '{}'\n\
         [storage]\nurl = 'memory:'\n[login]\nmin_duration = '0s'\n{login}",
        upstream.url()
    ))
}

fn attempt(name: &str, password: &str) -> Request {
    Request::post("/vestibule/login").json(&json!({"username": name, "password": password}))
}

/// A guess from this address.
fn guess_from(house: &House, address: &str, name: &str) -> (u16, Option<u64>) {
    let request = attempt(name, "wrong").header("X-Forwarded-For", address);
    let answer = house.send(&request);
    (answer.status, wait_of(&answer))
}

pub fn wait_of(answer: &Answer) -> Option<u64> {
    Some(answer.header("retry-after")?.parse().unwrap())
}

#[test]
fn five_guesses_are_free_and_then_the_waits_grow_for_names_of_somebody_and_of_nobody() {
    let upstream = Upstream::start();
    let house = house(&upstream, "address_failures = 1000");
    for (pass, status, wait) in [
        (0, 401, None),
        (0, 401, None),
        (0, 401, None),
        (0, 401, None),
        (0, 401, None),
        (0, 429, Some(1)),
        (1, 401, None),
        (1, 429, Some(1)),
        (1, 401, None),
        (0, 429, Some(4)),
    ] {
        house.pass(Duration::from_secs(pass));
        let answers = ["ada", "nobody", "not a name"].map(|name| {
            let request = attempt(name, "wrong").header("X-Forwarded-For", "192.0.2.1");
            let answer = house.send(&request);
            assert_eq!((answer.status, wait_of(&answer)), (status, wait), "{name}");
            let raw = String::from_utf8_lossy(&answer.head.raw).into_owned();
            let told = |line: &&str| {
                let line = line.to_ascii_lowercase();
                !line.starts_with("date:") && !line.starts_with("x-request-id:")
            };
            let head: Vec<String> = raw.lines().filter(told).map(str::to_owned).collect();
            (head, answer.text())
        });
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0], answers[2]);
    }
    let right = attempt("ada", PASSWORD);
    let waiting = house.send(&right.clone().header("X-Forwarded-For", "192.0.2.77"));
    assert_eq!(
        (waiting.status, waiting.error().as_str()),
        (429, "too_many_attempts")
    );
    let elsewhere = house.send(&right.clone().header("X-Forwarded-For", "192.0.3.1"));
    assert_eq!(elsewhere.status, 200);
    house.pass(Duration::from_secs(4));
    let waited = house.send(&right.header("X-Forwarded-For", "192.0.2.1"));
    assert_eq!(waited.status, 200);
    for _ in 0..5 {
        assert_eq!(
            guess_from(&house, "192.0.2.1", "ada").0,
            401,
            "all forgotten"
        );
    }
}

#[test]
fn the_page_says_how_long_and_keeps_the_name() {
    let upstream = Upstream::start();
    let house = house(&upstream, "free_failures = 1");
    let form = [
        ("username", "ada"),
        ("password", "wrong"),
        ("return_to", "/wiki"),
    ];
    let request = Request::post("/vestibule/login").same_origin().navigating();
    let request = request.form(&form);
    assert_eq!(house.send(&request).status, 401);
    let page = house.send(&request);
    assert_eq!((page.status, wait_of(&page)), (429, Some(1)));
    let html = page.text();
    for held in [
        "Too many attempts. Please wait 1 second.",
        "value=\"ada\"",
        "value=\"/wiki\"",
    ] {
        assert!(html.contains(held), "{html}");
    }
}

#[test]
fn an_address_may_fail_so_often_over_all_accounts() {
    let upstream = Upstream::start();
    let house = house(&upstream, "address_failures = 3");
    for (address, neighbour, stranger) in [
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
    ] {
        for name in ["a", "b", "c"] {
            assert_eq!(guess_from(&house, address, name), (401, None));
        }
        assert_eq!(guess_from(&house, neighbour, "d"), (429, Some(6)));
        assert_eq!(guess_from(&house, stranger, "e"), (401, None));
        house.pass(Duration::from_secs(6));
        assert_eq!(guess_from(&house, neighbour, "d"), (401, None));
    }
}

#[test]
fn a_locked_account_lets_its_owner_in_on_a_device_that_is_known() {
    let upstream = Upstream::start();
    let house = house(&upstream, "lock_after = 10\nfree_failures = 5");
    let form = [
        ("username", "ada"),
        ("password", PASSWORD),
        ("return_to", "/"),
    ];
    let request = Request::post("/vestibule/login").same_origin().form(&form);
    let signed_in = house.send(&request.clone().header("X-Forwarded-For", "198.51.100.1"));
    assert_eq!(signed_in.status, 303);
    let cookies = cookies_of(&signed_in);
    let device = cookies
        .split("; ")
        .find(|cookie| cookie.starts_with("vestibule_device="));
    let device = device.expect("a device cookie");
    for network in 0..10 {
        let address = format!("203.0.{network}.1");
        assert_eq!(guess_from(&house, &address, "ada"), (401, None));
    }
    assert_eq!(
        guess_from(&house, "203.0.113.9", "ada"),
        (429, Some(86_400))
    );
    let from = |cookie: &str| {
        let request = request.clone().header("X-Forwarded-For", "198.51.100.1");
        house.send(&request.header("Cookie", cookie)).status
    };
    assert_eq!(from("unrelated=1"), 429);
    assert_eq!(
        from("vestibule_device=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        429
    );
    assert_eq!(from(&format!("{device}; {device}")), 429);
    assert_eq!(from(device), 303);
    assert_eq!(from(device), 303);
    house.pass(Duration::from_secs(86_400));
    assert_eq!(from("unrelated=1"), 303);
}

#[test]
fn changing_a_password_asks_for_the_current_one_as_rarely() {
    let upstream = Upstream::start();
    let house = house(&upstream, "");
    let tokens = house.sign_in();
    let change = |current: &str| {
        let body = json!({"current_password": current, "new_password": "a new password of mine"});
        let request = Request::post("/vestibule/password").bearer(&tokens.access);
        house.send(&request.json(&body))
    };
    for _ in 0..5 {
        assert_eq!(change("wrong").status, 401);
    }
    let waiting = change(PASSWORD);
    assert_eq!(
        (waiting.status, waiting.error().as_str()),
        (429, "too_many_attempts")
    );
    assert_eq!(house.send(&attempt("ada", PASSWORD)).status, 429);
    house.pass(Duration::from_secs(1));
    assert_eq!(change(PASSWORD).status, 200);
}

#[test]
fn a_session_is_refreshed_sixty_times_a_minute_at_most() {
    let upstream = Upstream::start();
    let house = house(&upstream, "[sessions]\ngrace = '0s'");
    let mut tokens = house.sign_in();
    for _ in 0..60 {
        tokens = Tokens::of(&house.refresh(&tokens));
    }
    let refused = house.refresh(&tokens);
    assert_eq!(
        (refused.status, refused.error().as_str()),
        (429, "too_many_attempts")
    );
    assert_eq!(wait_of(&refused), Some(1));
    house.pass(Duration::from_secs(1));
    assert_eq!(house.refresh(&tokens).status, 200);
}

#[test]
fn a_lock_outlives_a_restart_and_an_administrator_lifts_it() {
    let upstream = Upstream::start();
    let login = "min_duration = '0s'\nfree_failures = 10\nlock_after = 10";
    let setup = Setup::in_front_of(&upstream).login(login);
    let audit = "[observe.audit_log]\nto = 'audit.log'";
    let mut gateway = setup.section(audit).admin_token(TOKEN).start();
    let is_locked = |gateway: &Gateway| {
        let answer = attempt("ada", PASSWORD).send(gateway);
        assert!([200, 429].contains(&answer.status), "{}", answer.text());
        answer.status == 429
    };
    for unlock_by_command in [true, false] {
        for _ in 0..10 {
            assert_eq!(attempt("ada", "wrong").send(&gateway).status, 401);
        }
        assert!(is_locked(&gateway));
        gateway = gateway.restart();
        assert!(is_locked(&gateway));
        let shown = gateway
            .command(&["user", "show", "ada"], "")
            .expect_success();
        assert!(shown.out.contains("locked until 20"), "{}", shown.out);
        if unlock_by_command {
            gateway
                .command(&["user", "unlock", "ada"], "")
                .expect_success();
            wait_until("the gateway to hear of it", MINUTE, || !is_locked(&gateway));
        } else {
            let user = call(&gateway, "GET", "/users/ada", None).json();
            assert!(user["locked_until"].is_string(), "{user}");
            let unlocked = call(&gateway, "POST", "/users/ada/unlock", None);
            assert_eq!(unlocked.status, 200, "{}", unlocked.text());
            assert!(unlocked.json()["locked_until"].is_null());
            assert!(!is_locked(&gateway));
        }
        let shown = gateway
            .command(&["user", "show", "ada"], "")
            .expect_success();
        assert!(shown.out.contains("active"), "{}", shown.out);
    }
    let events = gateway.lines("audit.log", 1);
    let told = |event: &str| events.iter().filter(|line| line["event"] == event).count();
    assert_eq!(told("account_locked"), 2);
    assert_eq!(told("sign_ins_throttled"), 2);
    assert_eq!(told("user_unlocked"), 2);
    let strangers = call(&gateway, "POST", "/users/nobody/unlock", None);
    assert_eq!(strangers.status, 404);
}

#[test]
fn a_lock_outlives_a_new_master_key_and_is_lifted_after_it() {
    let upstream = Upstream::start();
    let login = "min_duration = '0s'\nfree_failures = 10\nlock_after = 10";
    let mut gateway = Setup::in_front_of(&upstream).login(login).start();
    let is_locked = |gateway: &Gateway| attempt("ada", PASSWORD).send(gateway).status == 429;
    let reseal = |gateway: &Gateway| {
        let resealed = gateway.command(&["key", "reseal"], "");
        resealed.expect_success();
    };
    for restarts in [true, false] {
        for _ in 0..10 {
            assert_eq!(attempt("ada", "wrong").send(&gateway).status, 401);
        }
        assert!(is_locked(&gateway));
        wait_until("the lock to be kept", MINUTE, || {
            let shown = gateway.command(&["user", "show", "ada"], "");
            shown.expect_success().out.contains("locked until 20")
        });
        reseal(&gateway);
        if restarts {
            gateway = gateway.restart();
        }
        assert!(is_locked(&gateway));
        let unlocked = gateway.command(&["user", "unlock", "ada"], "");
        unlocked.expect_success();
        wait_until("the gateway to hear of it", MINUTE, || !is_locked(&gateway));
    }
}

#[test]
fn t_39_a_refusal_comes_no_sooner_than_it_may() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).login("").start();
    for name in ["ada", "nobody"] {
        let begun = Instant::now();
        assert_eq!(attempt(name, "wrong").send(&gateway).status, 401);
        assert!(begun.elapsed() >= Duration::from_millis(400));
    }
}

#[test]
fn t_44_a_flood_of_sign_ins_and_of_bad_tokens_leaves_forwarding_and_the_owner_unharmed() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let cookies = browser_sign_in(&gateway, "ada");
    let device = cookies.split("; ").find(|cookie| cookie.contains("device"));
    let device = device.expect("a device cookie");
    let is_over = AtomicBool::new(false);
    let flood = |request: &(dyn Fn(usize) -> Request + Sync), expected: &[u16]| {
        let mut connection = Connection::open(gateway.address());
        let mut number = 0;
        while !is_over.load(Ordering::Relaxed) {
            connection.send(request(number).to_bytes());
            let status = connection.answer().status;
            assert!(expected.contains(&status), "{status}");
            number += 1;
        }
        number
    };
    let refresh = json!({"refresh_token": spoiled(&tokens.refresh)});
    let signed_by_another = spoiled(&tokens.access);
    thread::scope(|scope| {
        let refused = &[401, 429, 503];
        let mut floods = Vec::new();
        for _ in 0..8 {
            floods.push(scope.spawn(|| flood(&|_| attempt("ada", "wrong"), refused)));
            let unknown = |number| attempt(&format!("{number}{}", "x".repeat(200)), "wrong");
            floods.push(scope.spawn(move || flood(&unknown, refused)));
        }
        floods.push(scope.spawn(|| flood(&|_| Request::get("/").bearer("a.b.c"), &[401])));
        let badly_signed = |_| Request::get("/").bearer(&signed_by_another);
        floods.push(scope.spawn(move || flood(&badly_signed, &[401])));
        let fabricated = move |_| Request::post("/vestibule/refresh").json(&refresh);
        floods.push(scope.spawn(move || flood(&fabricated, &[401])));

        let loads = "vestibule_store_operation_duration_seconds_count{operation=\"load\"}";
        let before = Scrape::of(&gateway).get(loads);
        for _ in 0..300 {
            let answer = Request::get("/").bearer(&tokens.access).send(&gateway);
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        assert_eq!(
            Scrape::of(&gateway).get(loads),
            before,
            "forged tokens ask the store"
        );
        let form = [
            ("username", "ada"),
            ("password", PASSWORD),
            ("return_to", "/"),
        ];
        let owner = Request::post("/vestibule/login").same_origin().form(&form);
        assert_eq!(owner.header("Cookie", device).send(&gateway).status, 303);
        is_over.store(true, Ordering::Relaxed);
        for flood in floods {
            assert!(flood.join().expect("every answer was expected") > 0);
        }
    });
    let peak = gateway.peak_memory_kib();
    assert!(peak < 512 * 1024, "{peak} KiB");
}
