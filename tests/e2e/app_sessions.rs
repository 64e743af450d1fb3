//! The apps' own session cookies: none that was given to one person is sent along as another.

use serde_json::json;

use crate::support::{Gateway, Navigator, PASSWORD, Request, Setup, Upstream};

const HOST: &str = "http://localhost";

fn start(upstream: &Upstream) -> Gateway {
    Setup::in_front_of(upstream)
        .route(
            "/shop",
            &upstream.url(),
            "signed-in",
            "session_cookies = [\"session\", \"PHPSESSID\", \"basket; Path=/shop/basket\"]",
        )
        .user("bob", &[])
        .start()
}

/// A browser whose user the apps have given cookies of their own.
fn used_by(gateway: &Gateway, name: &str) -> Navigator {
    let mut browser = Navigator::default();
    browser.sign_in(gateway, HOST, name, "/shop");
    for cookie in [
        "session=theirs; Path=/",
        "PHPSESSID=theirs; Path=/shop",
        "basket=theirs; Path=/shop/basket",
        "theme=dark; Path=/",
    ] {
        browser.take("http://localhost/shop", cookie);
    }
    assert_eq!(has_theirs(gateway, &mut browser), 3);
    browser
}

/// How many session cookies the app receives.
fn has_theirs(gateway: &Gateway, browser: &mut Navigator) -> usize {
    let cookies = browser.cookies_for("http://localhost/shop/basket");
    assert!(cookies.contains("theme=dark"), "others stay: {cookies}");
    let page = browser.go(gateway, HOST, "/shop/basket");
    assert_eq!(page.answer.is_ours(), !browser.keeps("access"));
    cookies.matches("=theirs").count()
}

#[test]
fn t_40_who_signs_out_takes_the_apps_sessions_along() {
    let upstream = Upstream::start();
    let gateway = start(&upstream);
    let mut browser = used_by(&gateway, "ada");
    browser.sign_out(&gateway, HOST);
    assert_eq!(has_theirs(&gateway, &mut browser), 0);
    let mut browser = used_by(&gateway, "ada");
    let session = browser.send(
        &gateway,
        HOST,
        "/vestibule/session",
        Request::get("/vestibule/session"),
    );
    let id = session.json()["session"]["id"].as_str().unwrap().to_owned();
    let target = format!("/vestibule/sessions/{id}");
    let end = Request::new("DELETE", &target).header("Origin", HOST);
    assert_eq!(browser.send(&gateway, HOST, &target, end).status, 204);
    assert_eq!(has_theirs(&gateway, &mut browser), 0);
}

#[test]
fn t_40_who_signs_in_as_somebody_else_gets_no_session_of_theirs() {
    let upstream = Upstream::start();
    let gateway = start(&upstream);
    // Ada is still signed in.
    let mut browser = used_by(&gateway, "ada");
    browser.sign_in(&gateway, HOST, "bob", "/shop");
    assert_eq!(has_theirs(&gateway, &mut browser), 0);
    assert_eq!(upstream.last().head.all("x-forwarded-user"), ["bob"]);
    // Her session was ended elsewhere, and nobody has signed out here.
    let mut browser = used_by(&gateway, "ada");
    gateway
        .command(&["session", "revoke", "--user", "ada"], "")
        .expect_success();
    browser.sign_in(&gateway, HOST, "bob", "/shop");
    assert_eq!(has_theirs(&gateway, &mut browser), 0);
    // Her cookies have gone with time, and nobody knows whose the others are.
    for name in ["ada", "bob"] {
        let mut browser = used_by(&gateway, "ada");
        for ours in ["vestibule_access", "vestibule_refresh"] {
            browser.take("http://localhost/", &format!("{ours}=; Max-Age=0; Path=/"));
        }
        browser.sign_in(&gateway, HOST, name, "/shop");
        assert_eq!(has_theirs(&gateway, &mut browser), 0, "{name}");
    }
}

#[test]
fn t_40_a_script_that_signs_a_browser_in_as_somebody_else_does_so_too() {
    let upstream = Upstream::start();
    let gateway = start(&upstream);
    for (delivery, left) in [("cookie", 0), ("hybrid", 0), ("token", 3)] {
        let mut browser = used_by(&gateway, "ada");
        let body = json!({"username": "bob", "password": PASSWORD, "delivery": delivery});
        let request = Request::post("/vestibule/login").json(&body);
        let answer = browser.send(&gateway, HOST, "/vestibule/login", request);
        assert_eq!(answer.status, 200);
        let cookies = browser.cookies_for("http://localhost/shop/basket");
        assert_eq!(cookies.matches("=theirs").count(), left, "{delivery}");
    }
}

#[test]
fn t_40_the_same_user_keeps_what_the_app_remembers() {
    let upstream = Upstream::start();
    let gateway = start(&upstream);
    let mut browser = used_by(&gateway, "ada");
    browser.sign_in(&gateway, HOST, "ada", "/shop");
    assert_eq!(has_theirs(&gateway, &mut browser), 3);
    gateway
        .command(&["session", "revoke", "--user", "ada"], "")
        .expect_success();
    browser.sign_in(&gateway, HOST, "ada", "/shop");
    assert_eq!(has_theirs(&gateway, &mut browser), 3);
}

#[test]
fn t_40_cookies_of_a_host_a_domain_and_a_prefix_are_deleted_as_they_were_set() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let gateway = Setup::new()
        .public_url("https://a.example.com")
        .route(
            "/",
            &url,
            "signed-in",
            "session_cookies = [\"__Host-sid\", \"sso; Domain=.example.com\"]",
        )
        .route(
            "/",
            &url,
            "signed-in",
            "host = \"b.example.com\"\nsession_cookies = [\"other\"]",
        )
        .start();
    let origin = "https://a.example.com";
    let mut browser = Navigator::default();
    browser.sign_in(&gateway, origin, "ada", "/");
    let at = "https://a.example.com/";
    browser.take(at, "__Host-sid=x; Path=/; Secure");
    browser.take(at, "sso=x; Path=/; Domain=example.com");
    browser.take(at, "other=x; Path=/");
    assert!(browser.keeps("__Host-sid") && browser.keeps("sso"));
    browser.sign_out(&gateway, origin);
    assert!(
        !browser.keeps("__Host-sid") && !browser.keeps("sso"),
        "{browser:?}"
    );
    assert!(browser.keeps("other"), "that is of an app at another host");
}

#[test]
fn a_session_cookie_must_be_an_apps() {
    let upstream = Upstream::start();
    for (name, said) in [
        ("__Host-vestibule_access", "vestibule's own"),
        ("a b", "is not the name of a cookie"),
    ] {
        let text = Setup::new()
            .route(
                "/",
                &upstream.url(),
                "anyone",
                &format!("session_cookies = [{name:?}]"),
            )
            .to_toml();
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        let done =
            crate::support::vestibule(folder.path(), &["check", "--config", "config.toml"], "");
        let told = done.err.contains("routes[0].session_cookies") && done.err.contains(said);
        assert!(done.code == Some(1) && told, "{}", done.err);
    }
}
