//! Passwords tried by a roundabout way: with a new one beside, within a session, on somebody else's
//! device. Does the way learn more, or count less, than a sign-in?

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::expiry::House;
use crate::guessing::{house, wait_of};
use crate::passwords::{NEW, attempt, form, refusal, temporary};
use crate::support::{
    Answer, Gateway, PASSWORD, Request, Setup, Tokens, Upstream, cookies_of, sign_in, wait_until,
};

const MINUTE: Duration = Duration::from_secs(60);
const AUDIT: &str = "[observe]\naudit_log.to = \"audit.log\"\n";

/// What an answer says beside its date and its request.
fn told(answer: &Answer, name: &str) -> (Vec<String>, String) {
    let head = String::from_utf8_lossy(&answer.head.raw).into_owned();
    let lines = head.lines().filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("date:") && !line.starts_with("x-request-id:")
    });
    let text = answer.text().replace(name, "NAME");
    (lines.map(str::to_owned).collect(), text)
}

#[test]
fn a_guess_with_a_new_password_counts_like_any_other() {
    let upstream = Upstream::start();
    let house = house(&upstream, "");
    let guess = |password, new| house.send(&attempt("ada", password, new)).status;
    for new in [Some(NEW), Some("short"), Some("wrong"), None, Some(NEW)] {
        assert_eq!(guess("wrong", new), 401, "{new:?}");
    }
    for new in [Some(NEW), Some("short"), None] {
        for password in ["wrong", PASSWORD] {
            assert_eq!(guess(password, new), 429, "{new:?}");
        }
    }
    house.pass(Duration::from_secs(1));
    assert_eq!(guess(PASSWORD, None), 200, "nothing was changed");
}

/// Nobody finds out in silence that a password is right.
#[test]
fn who_gives_the_right_password_and_gets_no_session_is_written_down() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).section(AUDIT).start();
    let known = || {
        let lines = gateway.lines("audit.log", 0).into_iter();
        let of_ada = lines.filter(|line| {
            line["event"] == "password_change_required" && line["user_name"] == "ada"
        });
        of_ada.count()
    };
    for (number, bad) in ["short", "password", PASSWORD].into_iter().enumerate() {
        let refused = attempt("ada", PASSWORD, Some(bad)).send(&gateway);
        assert_eq!(refusal(&refused), (400, "invalid_request".to_owned()));
        wait_until("the event", MINUTE, || known() == number + 1);
    }
    assert_eq!(
        attempt("ada", "wrong", Some("short")).send(&gateway).status,
        401
    );
    assert_eq!(known(), 3);
}

#[test]
fn a_device_spares_nobody_but_those_who_were_signed_in_on_it() {
    let upstream = Upstream::start();
    let login = "min_duration = '0s'\nfree_failures = 10\nlock_after = 10\naddress_failures = 1000";
    let setup = Setup::in_front_of(&upstream).login(login);
    let gateway = setup.user("bob", &[]).start();
    let enter = |name: &str, cookie: &str| {
        let request = form(&[
            ("username", name),
            ("password", PASSWORD),
            ("return_to", "/"),
        ]);
        request.header("Cookie", cookie).send(&gateway)
    };
    let device = |name: &str, cookie: &str| {
        let answer = enter(name, cookie);
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookies = cookies_of(&answer);
        let device = cookies.split("; ").find(|cookie| cookie.contains("device"));
        device.expect("a device cookie").to_owned()
    };
    let lock = |name: &str| {
        for _ in 0..10 {
            assert_eq!(attempt(name, "wrong", None).send(&gateway).status, 401);
        }
        assert_eq!(attempt(name, PASSWORD, None).send(&gateway).status, 429);
    };
    let of_ada = device("ada", "a=1");
    let of_bob = device("bob", "a=1");
    // On the device of another, one becomes known by a name of one's own.
    let of_both = device("bob", &of_ada);
    assert_ne!(of_both, of_ada);
    lock("ada");
    for other in [&of_bob, &of_both] {
        assert_eq!(enter("ada", other).status, 429);
        assert_eq!(enter("nobody", other).status, 401, "still strangers");
    }
    assert_eq!(enter("ada", &of_ada).status, 303);

    gateway
        .command(&["user", "unlock", "ada"], "")
        .expect_success();
    gateway
        .command(&["user", "remove", "ada", "--yes"], "")
        .expect_success();
    let password = format!("{PASSWORD}\n");
    gateway
        .command(&["user", "add", "ada"], &password)
        .expect_success();
    wait_until("the lock to be lifted", MINUTE, || {
        attempt("ada", PASSWORD, None).send(&gateway).status == 200
    });
    lock("ada");
    assert_eq!(enter("ada", &of_ada).status, 429, "that was another ada");
}

/// `eve` is nobody.
#[test]
fn who_has_to_wait_is_told_the_same_whosever_name_it_is() {
    let upstream = Upstream::start();
    for profile in ["vestibule", "flask-jwt-extended"] {
        let house = House::of(&format!(
            "profile = '{profile}'\n[server]\nlisten = '127.0.0.1:0'\n\
             public_url = 'http://localhost'\nadmin_listen = ''\n\
             [[routes]]\nupstream = '{}'\n[storage]\nurl = 'memory:'\n\
             [login]\nmin_duration = '0s'\nfree_failures = 3\naddress_failures = 1000",
            upstream.url()
        ));
        for status in [401, 401, 401, 429] {
            let kinds: [&dyn Fn(&str) -> Request; 3] = [
                &|name| attempt(name, "wrong", None),
                &|name| attempt(name, "wrong", Some(NEW)),
                &|name| form(&[("username", name), ("password", "wrong")]),
            ];
            // One failure of each account at a time: what waits is asked in every way.
            let kinds = if status == 429 {
                &kinds[..]
            } else {
                &kinds[..1]
            };
            for kind in kinds {
                let [ada, eve] = ["ada", "eve"].map(|name| {
                    let answer = house.send(&kind(name));
                    assert_eq!(answer.status, status, "{profile}: {}", answer.text());
                    assert_eq!(wait_of(&answer), (status == 429).then_some(1));
                    told(&answer, name)
                });
                assert_eq!(ada, eve, "{profile}");
            }
        }
    }
}

#[test]
fn a_temporary_password_is_good_for_one_even_if_two_come_at_once() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let first = temporary(&gateway);
    let password = temporary(&gateway);
    let replaced = attempt("ada", &first, Some(NEW)).send(&gateway);
    assert_eq!(refusal(&replaced), (401, "invalid_credentials".to_owned()));
    let new = |number: usize| format!("the phrase of number {number}");
    let outcomes: Vec<(usize, Answer)> = thread::scope(|scope| {
        let tries = (0..4).map(|number| {
            let request = attempt("ada", &password, Some(&new(number)));
            let gateway = &gateway;
            scope.spawn(move || (number, request.send(gateway)))
        });
        let tries: Vec<_> = tries.collect();
        let outcomes = tries.into_iter().map(|one| one.join().expect("an answer"));
        outcomes.collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = outcomes
        .iter()
        .partition(|(_, answer)| answer.status == 200);
    assert_eq!(won.len(), 1);
    for (_, answer) in lost {
        assert_eq!(refusal(answer), (401, "invalid_credentials".to_owned()));
    }
    let (number, answer) = won[0];
    let tokens = Tokens::of(answer);
    let app = Request::get("/").bearer(&tokens.access).send(&gateway);
    assert_eq!(app.status, 200);
    for other in 0..4 {
        let status = attempt("ada", &new(other), None).send(&gateway).status;
        assert_eq!(status == 200, other == *number, "{other}: {status}");
    }
    let used = attempt("ada", &password, None).send(&gateway);
    assert_eq!(refusal(&used), (401, "invalid_credentials".to_owned()));
}

/// Within a session, a guess says no more and counts no less.
#[test]
fn a_session_is_no_place_to_guess_the_password_in() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).section(AUDIT).start();
    let tokens = sign_in(&gateway, "ada");
    let change = |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        let request = Request::post("/vestibule/password").bearer(&tokens.access);
        request.json(&body).send(&gateway)
    };
    // A new one that is refused is refused before anything is looked at.
    let [wrong, right] = ["wrong", PASSWORD].map(|current| change(current, "short"));
    assert_eq!(refusal(&wrong), (400, "invalid_request".to_owned()));
    assert_eq!(wrong.text(), right.text());
    for _ in 0..5 {
        assert_eq!(change("wrong", NEW).status, 401);
    }
    for current in ["wrong", PASSWORD] {
        assert_eq!(change(current, NEW).status, 429);
    }
    let refused = || {
        let lines = gateway.lines("audit.log", 0).into_iter();
        lines
            .filter(|line| line["event"] == "sign_in_refused")
            .count()
    };
    wait_until("the events", MINUTE, || refused() == 5);
}
