//! Signing in and out: the form, the JSON, where it leads, and what it does not tell.

use serde_json::json;

use crate::support::{Gateway, PASSWORD, Request, Tokens, Upstream, browser_sign_in, sign_in};

#[test]
fn unknown_name_and_wrong_password_get_the_same_answer() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let attempt = |name: &str, password: &str| {
        let answer = Request::post("/vestibule/login")
            .json(&json!({"username": name, "password": password}))
            .send(&gateway);
        (
            answer.status,
            answer.text(),
            answer.head.all("set-cookie").len(),
        )
    };
    let wrong = attempt("ada", "wrong");
    assert_eq!(wrong.0, 401);
    assert!(wrong.1.contains("invalid_credentials"), "{}", wrong.1);
    assert_eq!(attempt("nobody", PASSWORD), wrong);
    assert_eq!(attempt("", PASSWORD).0, wrong.0);
}

#[test]
fn each_sign_in_is_a_session_of_its_own() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let one = sign_in(&gateway, "ada");
    let answer = Request::post("/vestibule/login")
        .bearer(&one.access)
        .json(&json!({"username": "ADA ", "password": PASSWORD}))
        .send(&gateway);
    assert_ne!(Tokens::of(&answer).session, one.session);
}

#[test]
fn who_am_i_tells_the_user_and_the_session() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let answer = Request::get("/vestibule/session")
        .bearer(&tokens.access)
        .send(&gateway);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let told = answer.json();
    assert_eq!(told["user"]["name"], "ada");
    assert_eq!(told["user"]["display_name"], "Ada Lovelace");
    assert_eq!(told["user"]["email"], "ada@example.com");
    assert_eq!(told["user"]["groups"], json!(["engineers"]));
    assert_eq!(told["session"]["id"], tokens.session.as_str());
    assert_eq!(told["session"]["provider"], "local");
    for time in ["signed_in_at", "access_expires_at", "expires_at"] {
        assert!(
            told["session"][time]
                .as_str()
                .is_some_and(|at| at.ends_with('Z')),
            "{time}"
        );
    }
    let stranger = Request::get("/vestibule/session").send(&gateway);
    assert_eq!(
        (stranger.status, stranger.error().as_str()),
        (401, "missing_token")
    );
}

#[test]
fn a_long_address_is_not_carried_through_the_sign_in() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let long = format!("/wiki?{}", "%20".repeat(9000));
    let sent = Request::get(&long).navigating().send(&gateway);
    assert_eq!(sent.status, 303);
    let location = sent.header("location").unwrap_or_default();
    assert_eq!(location, "/vestibule/login?return_to=%2F");
}

#[test]
fn return_to_never_leaves_this_host() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    for evil in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "/\t/evil.example/",
        "javascript:alert(1)",
        "/vestibule/logout",
        "/%0d%0aSet-Cookie:x=1\r\nSet-Cookie: x=1",
        "",
    ] {
        let answer = Request::post("/vestibule/login")
            .same_origin()
            .navigating()
            .form(&[
                ("username", "ada"),
                ("password", PASSWORD),
                ("return_to", evil),
            ])
            .send(&gateway);
        assert_eq!(answer.status, 303, "{evil:?}");
        let location = answer.header("location").expect("a location");
        let own_path =
            location.starts_with('/') && !location.starts_with("//") && !location.contains('\\');
        assert!(
            own_path && !location.starts_with("/vestibule"),
            "{evil:?} leads to {location:?}"
        );
        assert_eq!(answer.head.all("set-cookie").len(), 3, "{evil:?}");
    }
}

#[test]
fn a_refused_form_shows_the_page_again_with_the_name() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let attempt = |name: &str| {
        Request::post("/vestibule/login")
            .same_origin()
            .navigating()
            .form(&[
                ("username", name),
                ("password", "wrong"),
                ("return_to", "/wiki"),
            ])
            .send(&gateway)
    };
    let refused = attempt("ada");
    assert_eq!(refused.status, 401);
    let page = refused.text();
    assert!(
        page.contains("<form")
            && page.contains("value=\"ada\"")
            && page.contains("value=\"/wiki\""),
        "{page}"
    );
    assert!(!page.contains("wrong\""), "the password is not shown");
    assert_eq!(refused.head.all("set-cookie"), [""; 0]);
    let unknown = attempt("nobody").text().replace("nobody", "ada");
    assert_eq!(unknown, refused.text());
    let escaped = attempt("\"><script>alert(1)</script>").text();
    assert!(!escaped.contains("<script>alert"), "{escaped}");
}

#[test]
fn the_sign_in_page_is_locked_down() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let page = Request::get("/vestibule/login?return_to=/wiki")
        .navigating()
        .send(&gateway);
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"))
    );
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let cookies = browser_sign_in(&gateway, "ada");
    let signed_in = Request::get("/vestibule/login?return_to=/wiki")
        .navigating()
        .header("Cookie", &cookies)
        .send(&gateway);
    assert_eq!(
        (signed_in.status, signed_in.header("location")),
        (303, Some("/wiki"))
    );
}

#[test]
fn delivery_says_where_the_tokens_go() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let cases = [
        ("token", true, true, 0),
        ("cookie", false, false, 3),
        ("hybrid", true, false, 2),
    ];
    for (delivery, access, refresh, cookies) in cases {
        let answer = Request::post("/vestibule/login")
            .same_origin()
            .json(&json!({"username": "ada", "password": PASSWORD, "delivery": delivery}))
            .send(&gateway);
        assert_eq!(answer.status, 200, "{delivery}");
        let told = answer.json();
        assert_eq!(told.get("access_token").is_some(), access, "{delivery}");
        assert_eq!(told.get("refresh_token").is_some(), refresh, "{delivery}");
        assert_eq!(answer.head.all("set-cookie").len(), cookies, "{delivery}");
    }
}

#[test]
fn asking_to_sign_out_by_get_changes_nothing() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    let page = Request::get("/vestibule/logout")
        .navigating()
        .header("Cookie", &cookies)
        .send(&gateway);
    assert_eq!(page.status, 200);
    assert!(page.text().contains("<form"));
    assert_eq!(
        Request::get("/")
            .header("Cookie", &cookies)
            .send(&gateway)
            .status,
        200
    );
}

#[test]
fn t_49_signing_out_clears_the_cookies_whatever_they_hold() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let live = browser_sign_in(&gateway, "ada");
    let (refresh, access) = live.split_once("; ").expect("two cookies");
    let other = browser_sign_in(&gateway, "ada");
    let (other, _) = other.split_once("; ").expect("two cookies");
    for (what, cookies, status) in [
        ("both", &*live, 204),
        ("both, revoked", &live, 204),
        ("the access cookie, revoked", access, 204),
        ("the refresh cookie, revoked", refresh, 204),
        ("the refresh cookie alone", other, 204),
        ("garbage", "vestibule_access=garbage", 401),
        ("no value", "vestibule_refresh=", 401),
    ] {
        let out = Request::post("/vestibule/logout")
            .same_origin()
            .header("Cookie", cookies)
            .send(&gateway);
        assert_eq!(out.status, status, "{what}");
        let cleared = out.head.all("set-cookie");
        let all = cleared.iter().all(|cookie| cookie.contains("Max-Age=0"));
        assert!(cleared.len() == 2 && all, "{what}: {cleared:?}");
    }
    let none = Request::post("/vestibule/logout")
        .same_origin()
        .send(&gateway);
    assert_eq!((none.status, none.head.all("set-cookie").len()), (204, 0));
    for ended in [refresh, other] {
        let token = ended.split_once('=').expect("a value").1;
        let refused = crate::support::refresh(&gateway, token);
        assert_eq!(refused.error(), "invalid_grant");
    }
}
