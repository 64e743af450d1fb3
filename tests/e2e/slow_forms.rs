//! Forms that come slowly: whoever sends them holds few of the places where forms are read, and not for
//! long, and everybody else's are kept meanwhile.

use std::time::{Duration, Instant};

use crate::held_forms::{ended, typed};
use crate::support::{Connection, Gateway, Jar, Request, Setup, Upstream};

/// The longest form that is kept, and the longest waited for.
const LONG: usize = 1024 * 1024;
const SHORT: usize = 20;
const PEOPLE: [&str; 4] = ["ada", "bob", "eve", "zoe"];

fn gateway(upstream: &Upstream) -> Gateway {
    let setup = Setup::in_front_of(upstream)
        .server("trusted_proxies = [\"127.0.0.0/8\"]")
        .route("/kept", &upstream.url(), "signed-in", "replay_posts = true");
    let people = PEOPLE.iter().skip(1);
    people
        .fold(setup, |setup, name| setup.user(name, &[]))
        .start()
}

fn from(address: &str, request: Request) -> Request {
    request.header("X-Forwarded-For", address)
}

/// Sends the head of a form of this length and keeps its body back. Some where the gateway reads the
/// body now: then it gives leave to send it.
fn slow(gateway: &Gateway, jar: &Jar, address: &str, length: usize) -> Option<Connection> {
    let form = typed().body("x".repeat(length));
    let request = from(address, jar.with(form)).header("Expect", "100-continue");
    let request = String::from_utf8(request.to_bytes()).expect("the request is text");
    let (head, _) = request.split_once("\r\n\r\n").expect("it has a body");
    let mut connection = gateway.connect();
    connection.send(format!("{head}\r\n\r\n"));
    let status = connection.head().target().to_owned();
    match &*status {
        "100" => Some(connection),
        "401" => None,
        other => panic!("{other}"),
    }
}

fn is_kept(gateway: &Gateway, jar: &Jar, address: &str) -> bool {
    from(address, jar.with(typed())).send(gateway).status == 303
}

#[test]
fn slow_readers_with_a_dead_cookie_leave_places_for_everybody_else() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let [ada, bob] = ["ada", "bob"].map(|name| ended(&gateway, name));
    let addresses = (1..=20).map(|number| format!("192.0.2.{number}"));
    let slow: Vec<_> = addresses
        .filter_map(|address| slow(&gateway, &ada, &address, LONG))
        .collect();
    assert!((1..=4).contains(&slow.len()), "{}", slow.len());
    assert!(!is_kept(&gateway, &ada, "192.0.2.99"));
    assert!(is_kept(&gateway, &bob, "192.0.2.1"));
    drop(slow);
}

#[test]
fn slow_readers_at_one_address_leave_places_for_all_others() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let people = PEOPLE.map(|name| ended(&gateway, name));
    let [.., last] = &people;
    let mut held = Vec::new();
    for _ in 0..8 {
        let neighbours = people.iter().take(3).zip(1..);
        held.extend(neighbours.filter_map(|(jar, number)| {
            let address = format!("2001:db8:1:2::{number}");
            slow(&gateway, jar, &address, LONG)
        }));
    }
    assert!((1..=4).contains(&held.len()), "{}", held.len());
    assert!(!is_kept(&gateway, last, "2001:db8:1:2::99"));
    assert!(is_kept(&gateway, last, "2001:db8:1:3::1"));
}

#[test]
fn a_form_that_comes_slowly_gives_up_its_place() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let ada = ended(&gateway, "ada");
    let begun = Instant::now();
    let mut held = Vec::new();
    while let Some(connection) = slow(&gateway, &ada, "192.0.2.1", SHORT) {
        held.push(connection);
    }
    for mut connection in held {
        let answer = connection.answer();
        assert_eq!(answer.status, 401);
        assert!(answer.text().contains("was not sent"));
    }
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(30), "{waited:?}");
    assert!(is_kept(&gateway, &ada, "192.0.2.1"));
}
