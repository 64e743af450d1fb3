//! Cookies of a sign-in that do not come back: a page names the reason, and nobody goes round in circles.

use std::time::Duration;

use crate::support::{
    Gateway, Navigator, PASSWORD, Request, Setup, Upstream, browser_sign_in, wait_until,
};

const SOON: Duration = Duration::from_secs(60);
const APP: &str = "https://app.example.com";

fn by_https(upstream: &Upstream) -> Gateway {
    Setup::in_front_of(upstream).public_url(APP).start()
}

#[test]
fn who_signs_in_goes_on_over_one_look_at_the_cookies() {
    let upstream = Upstream::start();
    let gateway = by_https(&upstream);
    let mut browser = Navigator::default();
    let asked = browser.go(&gateway, APP, "/wiki?page=2");
    let page = asked.answer.text();
    assert!(
        page.contains(r#"name="check_cookies" value="true""#),
        "{page}"
    );
    let arrived = browser.sign_in(&gateway, APP, "ada", "/wiki?page=2#part");
    assert_eq!(arrived.answer.status, 200);
    let look = "/vestibule/login?return_to=%2Fwiki%3Fpage%3D2%23part&after=sign-in";
    assert_eq!(arrived.way, ["/vestibule/login", look, "/wiki?page=2#part"]);
    let again = browser.go(&gateway, APP, look);
    assert_eq!(again.answer.status, 200, "whoever is signed in goes on");
}

#[test]
fn a_browser_without_cookies_is_told_so_after_the_first_sign_in() {
    let upstream = Upstream::start();
    let gateway = by_https(&upstream);
    let mut browser = Navigator::without_cookies();
    let arrived = browser.sign_in(&gateway, APP, "ada", "/wiki");
    assert_eq!(arrived.answer.status, 400);
    let page = arrived.answer.text();
    assert!(page.contains("You are not signed in yet"), "{page}");
    assert!(page.contains("cookies_blocked") && page.contains("Allow cookies for this site"));
    let on = r#"href="/vestibule/login?return_to=%2Fwiki""#;
    assert!(page.contains(on), "the way to try again: {page}");
    assert_eq!(upstream.count(), 0);
    wait_until("the log", SOON, || {
        gateway
            .log()
            .contains("did not come back\",\"cause\":\"Blocked\"")
    });
}

#[test]
fn the_page_names_what_can_be_seen_of_the_reason() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "signed-in", "host = \"*\"")
        .public_url(APP)
        .start();
    let look = |host: &str, cookies: &str| {
        let mut request = Request::get("/vestibule/login?return_to=/x&after=sign-in")
            .navigating()
            .header("Host", host);
        if !cookies.is_empty() {
            request = request.header("Cookie", cookies);
        }
        let answer = request.send(&gateway);
        assert_eq!(answer.status, 400, "{host} {cookies}");
        answer.text()
    };
    let twice = "__Host-vestibule_access=a; __Host-vestibule_access=b";
    for (host, cookies, code) in [
        ("app.example.com", "", "cookies_blocked"),
        ("app.example.com", "theme=dark", "cookies_lost"),
        (
            "app.example.com",
            "__Host-vestibule_access=x",
            "sign_in_refused",
        ),
        (
            "app.example.com",
            "__Host-vestibule_refresh=x",
            "sign_in_refused",
        ),
        ("app.example.com", twice, "ambiguous_cookies"),
        ("10.0.0.5:8080", "", "https_needed"),
    ] {
        let page = look(host, cookies);
        assert!(page.contains(code), "{host} {cookies}: {page}");
    }
    let page = look("10.0.0.5:8080", "");
    let there = r#"href="https://app.example.com/vestibule/login?return_to=%2Fx""#;
    assert!(page.contains(there), "the way to https: {page}");
}

#[test]
fn an_address_that_nobody_has_configured_is_named() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .public_url("http://localhost:8080")
        .start();
    let answer = Request::get("/vestibule/login?after=sign-in")
        .navigating()
        .header("Host", "127.0.0.1:8080")
        .send(&gateway);
    assert!(
        answer.text().contains("unknown_address"),
        "{}",
        answer.text()
    );
    assert!(
        answer
            .text()
            .contains("http://localhost:8080/vestibule/login?return_to=%2F")
    );
}

#[test]
fn a_form_that_came_by_the_wrong_scheme_is_told_which_is_right() {
    let upstream = Upstream::start();
    for (public, sender, code) in [
        (APP, "http://app.example.com", "https_needed"),
        ("http://localhost", "https://localhost", "plain_public_url"),
    ] {
        let gateway = Setup::in_front_of(&upstream).public_url(public).start();
        let (_, host) = public.split_once("://").unwrap();
        let form = Request::post("/vestibule/login")
            .header("Host", host)
            .header("Origin", sender)
            .form(&[("username", "ada"), ("password", PASSWORD)]);
        let told = form.clone().navigating().send(&gateway);
        assert_eq!(told.status, 403);
        assert!(told.text().contains(code), "{}", told.text());
        assert_eq!(told.head.all("set-cookie"), [""; 0]);
        assert_eq!(form.send(&gateway).error(), "csrf_rejected", "for programs");
    }
}

#[test]
fn a_look_at_the_cookies_leads_to_no_other_site() {
    let upstream = Upstream::start();
    let gateway = by_https(&upstream);
    for evil in [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "/vestibule/logout",
    ] {
        let mut browser = Navigator::default();
        let arrived = browser.sign_in(&gateway, APP, "ada", evil);
        assert_eq!(arrived.way.last().map(String::as_str), Some("/"), "{evil}");
    }
}

#[test]
fn a_second_cookie_for_the_path_of_an_app_is_cleared_and_told_of() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).start();
    let origin = "http://localhost";
    let mut browser = Navigator::default();
    browser.sign_in(&gateway, origin, "ada", "/");
    browser.take("http://localhost/", "vestibule_access=tossed; Path=/wiki");
    let told = browser.go(&gateway, origin, "/wiki/edit");
    assert_eq!(told.answer.status, 400);
    assert_eq!(told.way.len(), 2, "no circle: {:?}", told.way);
    let page = told.answer.text();
    assert!(page.contains("ambiguous_cookies"), "{page}");
    let on = r#"href="/vestibule/login?return_to=%2Fwiki%2Fedit""#;
    assert!(page.contains(on), "{page}");
    let on = browser.go(
        &gateway,
        origin,
        "/vestibule/login?return_to=%2Fwiki%2Fedit",
    );
    assert_eq!(
        (on.answer.status, on.way.len()),
        (200, 2),
        "still signed in"
    );
    assert_eq!(upstream.last().head.all("x-forwarded-user"), ["ada"]);
}

#[test]
fn the_sign_in_page_clears_nothing_because_its_address_says_so() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).start();
    let origin = "http://localhost";
    let mut browser = Navigator::default();
    browser.sign_in(&gateway, origin, "ada", "/");
    browser.go(
        &gateway,
        origin,
        "/vestibule/login?return_to=%2F&after=twice",
    );
    browser.go(
        &gateway,
        origin,
        "/vestibule/login?return_to=%2Fa&after=twice",
    );
    assert_eq!(
        browser.go(&gateway, origin, "/").way,
        ["/"],
        "still signed in"
    );
}

/// The store knows of an end that this process has not heard of: it looks once a second.
#[test]
fn a_route_that_asks_the_store_sends_nobody_in_circles() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "signed-in", "revocation = \"strict\"")
        .start();
    for _ in 0..3 {
        let cookies = browser_sign_in(&gateway, "ada");
        let ended = gateway.command(&["session", "revoke", "--user", "ada"], "");
        ended.expect_success();
        let mut rounds = 0;
        wait_until("the sign-in page", SOON, || {
            rounds += 1;
            let page = Request::get("/x").navigating().header("Cookie", &cookies);
            let sent = page.send(&gateway);
            assert_eq!(sent.status, 303, "the store says that it is over");
            let login = sent.header("location").unwrap();
            let form = Request::get(login).navigating().header("Cookie", &cookies);
            form.send(&gateway).status == 200
        });
        assert_eq!(rounds, 1, "the form comes at once");
    }
}

/// A token in a header counts nothing where only cookies are taken.
#[test]
fn a_header_that_the_route_does_not_take_sends_nobody_in_circles() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route(
            "/",
            &upstream.url(),
            "signed-in",
            "credentials = [\"cookie\"]",
        )
        .start();
    let token = crate::support::sign_in(&gateway, "ada").access;
    let sent = Request::get("/x")
        .navigating()
        .bearer(&token)
        .send(&gateway);
    assert_eq!(sent.status, 303);
    let login = sent.header("location").unwrap();
    let form = Request::get(login)
        .navigating()
        .bearer(&token)
        .send(&gateway);
    assert_eq!(form.status, 200);
}
