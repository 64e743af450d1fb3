//! Unmodified apps that others wrote learn who is asking, and cannot be told otherwise.

use crate::support::{Program, Request, Setup, browser_sign_in, sign_in};

const WHO_AM_I: &str = r#"<?xml version="1.0"?><propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>"#;

#[test]
fn a_file_server_sees_the_user_and_takes_uploads() {
    let app = Program::copyparty();
    let gateway = Setup::new().route("/", &app.url(), "signed-in", "").start();
    assert_eq!(
        Request::get("/?ls")
            .header("X-Forwarded-User", "ada")
            .send(&gateway)
            .status,
        401
    );

    let token = sign_in(&gateway, "ada").access;
    let listing = Request::get("/?ls").bearer(&token).send(&gateway);
    assert_eq!(
        (listing.status, listing.json()["acct"].as_str()),
        (200, Some("ada"))
    );

    let put = Request::new("PUT", "/notes.txt")
        .bearer(&token)
        .body("hello")
        .send(&gateway);
    assert!(matches!(put.status, 200 | 201), "{}", put.text());
    let file = Request::get("/notes.txt").bearer(&token).send(&gateway);
    assert_eq!(file.text(), "hello");
}

#[test]
fn a_file_server_sees_the_browser_user_and_believes_nobody_else() {
    let app = Program::copyparty();
    let gateway = Setup::new()
        .route("/", &app.url(), "optional", "")
        .user("bob", &[])
        .start();
    let cookies = browser_sign_in(&gateway, "bob");
    let who = |request: Request| request.send(&gateway).json()["acct"].clone();
    assert_eq!(who(Request::get("/?ls").header("Cookie", &cookies)), "bob");
    assert_eq!(who(Request::get("/?ls")), "*");
    for spelling in ["X-Forwarded-User", "x_forwarded_user", "X-FORWARDED_USER"] {
        assert_eq!(
            who(Request::get("/?ls").header(spelling, "ada")),
            "*",
            "{spelling}"
        );
        let both = Request::get("/?ls")
            .header("Cookie", &cookies)
            .header(spelling, "ada");
        assert_eq!(who(both), "bob", "{spelling}");
    }
}

#[test]
fn a_calendar_server_sees_the_user_in_the_header_of_its_choice() {
    let app = Program::radicale();
    let lines = "headers = { \"X-Remote-User\" = \"{user.name}\" }";
    let gateway = Setup::new()
        .route("/", &app.url(), "signed-in", lines)
        .user("bob", &[])
        .start();
    let ask = |path: &str, token: &str| {
        Request::new("PROPFIND", path)
            .bearer(token)
            .header("X-Remote-User", "eve")
            .header("Depth", "0")
            .header("Content-Type", "application/xml")
            .body(WHO_AM_I)
            .send(&gateway)
    };
    let ada = sign_in(&gateway, "ada").access;
    let answer = ask("/", &ada);
    assert_eq!(answer.status, 207, "{}", answer.text());
    assert!(
        answer.text().contains("<href>/ada/</href>"),
        "{}",
        answer.text()
    );

    let made = Request::new("MKCALENDAR", "/ada/tasks/")
        .bearer(&ada)
        .send(&gateway);
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(ask("/ada/tasks/", &ada).status, 207);
    let bob = sign_in(&gateway, "bob").access;
    assert_eq!(
        ask("/ada/tasks/", &bob).status,
        403,
        "the app's own rules hold"
    );
}
