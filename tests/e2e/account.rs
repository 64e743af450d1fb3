//! The account page: people see where they are signed in, end sessions and change their password, with
//! nothing but links and forms.

use std::time::Duration;

use serde_json::json;

use crate::expiry::{House, MINUTE};
use crate::renewing::{assert_unchanged, house, renewed, verdicts};
use crate::support::{
    Answer, Gateway, Jar, PASSWORD, Request, Setup, Tokens, Upstream, browser_sign_in, cookies_of,
    sign_in,
};

pub const OTHER: &str = "another long enough phrase";
const SIGN_IN: &str = "/vestibule/login?return_to=%2Fvestibule%2Faccount";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// A browser in which ada signed in.
pub fn browser(gateway: &Gateway) -> Jar {
    Jar::of(&browser_sign_in(gateway, "ada"))
}

fn show() -> Request {
    Request::get("/vestibule/account").navigating()
}

/// A form of the page, sent by itself.
pub fn form(address: &str, fields: &[(&str, &str)]) -> Request {
    let form = Request::post(address).same_origin().navigating();
    form.form(fields)
}

pub fn end(session: &str) -> Request {
    form("/vestibule/account/end", &[("session", session)])
}

pub fn end_others() -> Request {
    form("/vestibule/account/end-others", &[])
}

pub fn change(current: &str, new: &str) -> Request {
    let fields = [("current_password", current), ("new_password", new)];
    form("/vestibule/password", &fields)
}

/// The page, which must come.
#[track_caller]
pub fn page(gateway: &Gateway, jar: &Jar) -> String {
    let answer = jar.with(show()).send(gateway);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// What the page says above all, once a form has led back to it.
#[track_caller]
pub fn said(gateway: &Gateway, jar: &mut Jar, answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text());
    jar.take(&answer.head);
    let location = answer.header("location").expect("an address");
    assert!(location.starts_with("/vestibule/account?done="));
    let page = jar.with(Request::get(location).navigating()).send(gateway);
    let html = page.text();
    let notice = html.split("role=\"status\">").nth(1).expect("a notice");
    notice.split('<').next().unwrap().to_owned()
}

/// The sessions that the page offers to end, in its order.
pub fn offered(html: &str) -> Vec<&str> {
    let buttons = html.split("name=\"session\" value=\"").skip(1);
    buttons
        .map(|rest| rest.split('"').next().unwrap())
        .collect()
}

/// What the app's route answers to this browser.
pub fn visit(gateway: &Gateway, jar: &Jar) -> u16 {
    jar.with(Request::get("/")).send(gateway).status
}

#[test]
fn people_see_who_they_are_and_where_they_are_signed_in() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).user("eve", &[]).start();
    let set = ["user", "set", "ada", "--display-name", "Ada <b>", "--email"];
    let set: Vec<&str> = set.into_iter().chain(["ada@example.com"]).collect();
    gateway.command(&set, "").expect_success();
    let eve = sign_in(&gateway, "eve");
    let laptop = json!({"username": "ada", "password": PASSWORD, "device": "<i>\"lap\" & top"});
    let laptop = Request::post("/vestibule/login").json(&laptop);
    let laptop = laptop.header("User-Agent", "<script>/1").send(&gateway);
    let laptop = Tokens::of(&laptop);
    let fields = [("username", "ada"), ("password", PASSWORD)];
    let firefox = form("/vestibule/login", &fields).header("User-Agent", FIREFOX);
    let jar = Jar::of(&cookies_of(&firefox.send(&gateway)));

    let html = page(&gateway, &jar);
    for held in [
        "<title>Your account</title>",
        "<dd>Ada &lt;b&gt;</dd>",
        "<dd>ada</dd>",
        "<dd>ada@example.com</dd>",
        ">Firefox on Linux <span class=\"mark\">this one</span></h3>",
        ">&lt;i&gt;&quot;lap&quot; &amp; top</h3>",
        "<dd>127.0.0.1</dd>",
        ">just now</time>",
        " UTC</time>",
        ">in 14 days</time>",
        "Z\">",
        "action=\"/vestibule/logout\"",
    ] {
        assert!(html.contains(held), "{held}: {html}");
    }
    assert!(!html.contains("<script") && !html.contains("<i>"), "{html}");
    assert!(!html.contains(&eve.session));
    assert_eq!(offered(&html), [&*laptop.session], "never this one");
    let this = html.find("Firefox on Linux").unwrap();
    assert!(this < html.find("lap&quot;").unwrap(), "this one first");
}

#[test]
fn the_page_speaks_japanese_and_keeps_the_language() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let jar = browser(&gateway);
    let japanese = jar.with(show()).header("Accept-Language", "ja");
    let html = japanese.send(&gateway).text();
    assert!(html.contains("<html lang=\"ja\">") && html.contains("サインイン中の端末"));
    assert!(
        html.contains("たった今") && html.contains("（UTC）"),
        "{html}"
    );
    let wrong = jar.with(change("wrong", OTHER));
    let wrong = wrong.header("Accept-Language", "ja").send(&gateway).text();
    assert!(wrong.contains("現在のパスワードが違います。"), "{wrong}");
    let leads = "<form method=\"get\" action=\"/vestibule/account\"";
    assert!(
        wrong.contains(leads),
        "what chooses a language is no form of ours"
    );
}

#[test]
fn a_stranger_signs_in_and_comes_back() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let stranger = show().send(&gateway);
    assert_eq!(
        (stranger.status, stranger.header("location")),
        (303, Some(SIGN_IN))
    );
    let fields = [
        ("username", "ada"),
        ("password", PASSWORD),
        ("return_to", "/vestibule/account"),
    ];
    let back = form("/vestibule/login", &fields).send(&gateway);
    assert_eq!(back.header("location"), Some("/vestibule/account"));
    page(&gateway, &Jar::of(&cookies_of(&back)));
    for request in [show(), end("x"), end_others(), change(PASSWORD, OTHER)] {
        let ruined = request.header("Authorization", "Bearer a.b.c");
        assert_eq!(ruined.send(&gateway).status, 401, "a program is told");
    }
    let program = Request::get("/vestibule/account").send(&gateway);
    assert_eq!(program.error(), "missing_token");
    assert_eq!(program.json()["login_url"], SIGN_IN);
    for request in [end("x"), end_others(), change(PASSWORD, OTHER)] {
        let told = request.send(&gateway);
        let href = "href=\"/vestibule/login?return_to=%2Fvestibule%2Faccount\"";
        assert_eq!(told.status, 401);
        assert!(told.text().contains(href), "{}", told.text());
    }
    let twice = show().header("Cookie", "vestibule_access=a; vestibule_access=b");
    assert_eq!(twice.send(&gateway).header("location"), Some(SIGN_IN));
}

#[test]
fn the_page_and_its_forms_renew_the_session_on_the_way() {
    let upstream = Upstream::start();
    let gateway = house(&upstream).start();
    let mut jar = browser(&gateway);
    let other = sign_in(&gateway, "ada");
    let shown = jar.without_access().with(show()).send(&gateway);
    assert_eq!(shown.status, 200, "{}", shown.text());
    assert_eq!(renewed(&shown.head).generation(), 2);
    jar.take(&shown.head);
    assert_unchanged(&jar.with(show()).send(&gateway));

    let ended = jar.without_access().with(end(&other.session));
    let ended = ended.send(&gateway);
    renewed(&ended.head);
    assert_eq!(said(&gateway, &mut jar, &ended), "The session is ended.");
    let wrong = jar.without_access().with(change("wrong", OTHER));
    let wrong = wrong.send(&gateway);
    let before = renewed(&wrong.head).generation();
    assert_eq!(wrong.status, 401);
    jar.take(&wrong.head);
    let changed = jar.without_access().with(change(PASSWORD, OTHER));
    let changed = changed.send(&gateway);
    let next = renewed(&changed.head).generation();
    assert!(next > before, "one pair, the newest: {next}");
    said(&gateway, &mut jar, &changed);
    assert_eq!(visit(&gateway, &jar), 200);
    assert_eq!(verdicts(&gateway, 1)[0], "rotate");

    let own = jar.with(Request::get("/vestibule/sessions")).send(&gateway);
    let own = own.json()["sessions"][0]["id"].clone();
    let out = jar.without_access().with(end(own.as_str().unwrap()));
    let out = out.send(&gateway);
    jar.take(&out.head);
    assert!(
        jar.is_signed_out(),
        "what is renewed does not come after it"
    );
}

#[test]
fn whose_session_is_over_or_not_in_cookies_is_sent_to_the_sign_in_page() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let [jar, other] = [(), ()].map(|()| browser(&gateway));
    let body = json!({"username": "ada", "password": PASSWORD, "delivery": "hybrid"});
    let hybrid = Request::post("/vestibule/login").json(&body).send(&gateway);
    let hybrid = Jar::of(&cookies_of(&hybrid));
    let revoke = ["session", "revoke", "--user", "ada"];
    let sent = |jar: &Jar| {
        let answer = jar.with(show()).send(&gateway);
        assert_unchanged(&answer);
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some(SIGN_IN))
        );
    };
    sent(&hybrid);
    let garbage = Jar::of("vestibule_refresh=vrt1_garbage");
    sent(&garbage);
    gateway.command(&revoke, "").expect_success();
    sent(&jar.without_access());
    sent(&jar.without_access());
    sent(&other.without_access());
}

#[test]
fn times_are_told_as_people_tell_them() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let tokens = house.sign_in();
    let shown = |tokens: &Tokens| {
        let request = show().bearer(&tokens.access);
        house.send(&request).text()
    };
    house.pass(2 * MINUTE);
    let html = shown(&tokens);
    assert!(html.contains(">2 minutes ago</time>"), "{html}");
    assert!(html.contains("2027-01-15 08:00 UTC</time>"), "{html}");
    house.pass(Duration::from_hours(50));
    let next = Tokens::of(&house.refresh(&tokens));
    let html = shown(&next);
    assert!(html.contains(">just now</time>") && html.contains("2027-01-15 08:00 UTC"));
}
