//! Staying signed in or not: cookies that outlive the browser's closing, and cookies that do not.

use serde_json::json;

use crate::support::{Answer, Gateway, PASSWORD, Request, Upstream, cookies_of};

const DAY: u64 = 86_400;

/// What the refresh says about the lifetime of each cookie it sets, by name.
fn lifetimes(answer: &Answer) -> Vec<(String, Option<u64>)> {
    let cookies = answer.head.all("set-cookie");
    let lifetime = |cookie: &str| {
        let attribute = |name: &str| {
            let mut attributes = cookie.split("; ").skip(1);
            attributes.find_map(|a| a.strip_prefix(name).map(str::to_owned))
        };
        assert_eq!(attribute("Expires="), None, "{cookie}");
        let seconds = attribute("Max-Age=").map(|text| text.parse().unwrap());
        // It ends at a whole second.
        let seconds = seconds.map(|seconds: u64| seconds.div_ceil(10) * 10);
        (cookie.split('=').next().unwrap().to_owned(), seconds)
    };
    let of_session = cookies
        .into_iter()
        .filter(|cookie| !cookie.starts_with("vestibule_device="));
    of_session.map(lifetime).collect()
}

fn sign_in(gateway: &Gateway, delivery: &str, remember: Option<bool>) -> Answer {
    let mut body = json!({"username": "ada", "password": PASSWORD, "delivery": delivery});
    if let Some(remember) = remember {
        body["remember"] = json!(remember);
    }
    let answer = Request::post("/vestibule/login").json(&body).send(gateway);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

fn refresh(gateway: &Gateway, cookies: &str) -> Answer {
    let answer = Request::post("/vestibule/refresh")
        .same_origin()
        .header("Cookie", cookies)
        .send(gateway);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

#[test]
fn what_was_chosen_at_sign_in_holds_for_every_refresh_and_after_a_restart() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::in_front_of(&upstream);
    let (refresh_cookie, access_cookie) = ("vestibule_refresh", "vestibule_access");
    let mut signed_in = Vec::new();
    for (delivery, remember, expected) in [
        (
            "cookie",
            Some(true),
            vec![(refresh_cookie, Some(14 * DAY)), (access_cookie, Some(300))],
        ),
        (
            "cookie",
            Some(false),
            vec![(refresh_cookie, None), (access_cookie, None)],
        ),
        (
            "cookie",
            None,
            vec![(refresh_cookie, None), (access_cookie, None)],
        ),
        ("hybrid", Some(true), vec![(refresh_cookie, Some(14 * DAY))]),
        ("hybrid", None, vec![(refresh_cookie, None)]),
        ("token", Some(true), vec![]),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, seconds)| (name.to_owned(), seconds))
            .collect();
        let answer = sign_in(&gateway, delivery, remember);
        assert_eq!(lifetimes(&answer), expected, "{delivery} {remember:?}");
        if delivery != "token" {
            signed_in.push((cookies_of(&answer), expected));
        }
    }
    for (cookies, expected) in &mut signed_in {
        let answer = refresh(&gateway, cookies);
        assert_eq!(lifetimes(&answer), *expected);
        *cookies = cookies_of(&answer);
    }
    gateway = gateway.restart();
    for (cookies, expected) in &signed_in {
        assert_eq!(lifetimes(&refresh(&gateway, cookies)), *expected);
    }
}

#[test]
fn the_sign_in_page_asks_with_a_labelled_box_and_no_script() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let page = Request::get("/vestibule/login").navigating().send(&gateway);
    let html = page.text();
    let label = html.split("<label class=\"check\">").nth(1).unwrap();
    let label = label.split("</label>").next().unwrap();
    let (input, words) = label.split_once('>').unwrap();
    assert_eq!(
        input,
        "<input type=\"checkbox\" name=\"remember\" value=\"true\""
    );
    assert_eq!(words.trim(), "Keep me signed in on this device");
    assert!(!html.contains("<script"), "{html}");
}

#[test]
fn remember_is_a_yes_or_a_no() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let body = json!({"username": "ada", "password": PASSWORD, "remember": "always"});
    let refused = Request::post("/vestibule/login").json(&body).send(&gateway);
    assert_eq!(
        (refused.status, refused.error()),
        (400, "invalid_request".to_owned())
    );
}
