//! A value of the session that only our own pages know, for those who ask for it (`csrf.mode`).

use crate::support::{
    Answer, Gateway, Jar, PASSWORD, Request, Setup, Upstream, browser_sign_in, cookies_of, sign_in,
};

const DOUBLE: &str = "mode = \"double-submit\"";
const BOTH: &str = "mode = \"both\"";
const HEADER: &str = "X-CSRF-Token";

fn setup(upstream: &Upstream, csrf: &str) -> Setup {
    Setup::in_front_of(upstream).section(&format!(
        "[csrf]\n{csrf}\n[observe.audit_log]\nto = \"audit.log\""
    ))
}

fn gateway(upstream: &Upstream, csrf: &str) -> Gateway {
    setup(upstream, csrf).start()
}

/// A browser that has signed in, and the value of its session.
fn signed_in(gateway: &Gateway) -> (String, String) {
    let cookies = browser_sign_in(gateway, "ada");
    let token = value(&Jar::of(&cookies));
    (cookies, token)
}

#[track_caller]
fn value(jar: &Jar) -> String {
    let value = jar.named("vestibule_csrf");
    value.expect("a value for pages").to_owned()
}

fn post(path: &str, cookies: &str) -> Request {
    Request::post(path).header("Cookie", cookies)
}

fn ours(request: Request) -> Request {
    request.header("Sec-Fetch-Site", "same-origin")
}

fn told(answer: &Answer) -> (u16, String) {
    (answer.status, answer.error())
}

fn refused() -> (u16, String) {
    (403, "csrf_rejected".to_owned())
}

#[test]
fn fj_55_fj_58_t_43_the_value_of_the_session_lets_changes_pass() {
    let upstream = Upstream::start();
    for (mode, header) in [
        (DOUBLE, HEADER),
        (BOTH, HEADER),
        (
            "mode = \"double-submit\"\nheader = \"X-XSRF-Token\"",
            "x-xsrf-token",
        ),
    ] {
        let gateway = gateway(&upstream, mode);
        let (cookies, token) = signed_in(&gateway);
        for method in ["POST", "PUT", "PATCH", "DELETE", "PURGE"] {
            let request = || {
                ours(
                    Request::new(method, "/")
                        .body("x")
                        .header("Cookie", &cookies),
                )
            };
            let before = upstream.count();
            let without = request().send(&gateway);
            assert_eq!(told(&without), refused(), "{mode} {method}");
            assert_eq!(upstream.count(), before);
            let with = request().header(header, &token).send(&gateway);
            assert_eq!(with.status, 200, "{mode} {method}: {}", with.text());
        }
        let reading = Request::get("/").header("Cookie", &cookies).send(&gateway);
        assert_eq!(reading.status, 200, "reading needs none");
        let bearer = sign_in(&gateway, "ada").access;
        let bearer = Request::post("/").bearer(&bearer).send(&gateway);
        assert_eq!(bearer.status, 200, "nor does a Bearer token");
    }
}

/// Every pair of what the browser says and the value, in each mode that asks for one.
#[test]
fn fj_55_fj_56_t_43_each_mode_asks_for_what_it_says() {
    let upstream = Upstream::start();
    let sites = [
        (Some(("Sec-Fetch-Site", "same-origin")), true),
        (Some(("Sec-Fetch-Site", "none")), true),
        (Some(("Sec-Fetch-Site", "same-site")), false),
        (Some(("Sec-Fetch-Site", "cross-site")), false),
        (Some(("Origin", "http://localhost")), true),
        (Some(("Origin", "https://evil.example")), false),
        (Some(("Origin", "null")), false),
        (None, false),
    ];
    for (mode, asks_where) in [(DOUBLE, false), (BOTH, true)] {
        let gateway = gateway(&upstream, mode);
        let (cookies, token) = signed_in(&gateway);
        for (site, is_ours) in sites {
            for (shown, is_right) in [(Some(&*token), true), (Some("wrong"), false), (None, false)]
            {
                let mut request = post("/", &cookies);
                if let Some((name, value)) = site {
                    request = request.header(name, value);
                }
                if let Some(shown) = shown {
                    request = request.header(HEADER, shown);
                }
                let is_silent = site.is_none() && !asks_where;
                let passes = is_right && (is_ours || is_silent);
                let status = request.send(&gateway).status;
                let expected = if passes { 200 } else { 403 };
                assert_eq!(status, expected, "{mode} {site:?} {is_right}");
            }
        }
    }
}

#[test]
fn fj_56_a_value_that_is_not_that_of_the_session_proves_nothing() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, BOTH);
    let (cookies, token) = signed_in(&gateway);
    let (_, of_another) = signed_in(&gateway);
    assert_ne!(token, of_another);
    let (code, nonce) = token.split_once('.').unwrap();
    let reversed: String = code.chars().rev().collect();
    for wrong in [
        "",
        &of_another,
        &format!("{reversed}.{nonce}"),
        &format!("{token}A"),
        &format!("\"{token}\""),
        &token.to_uppercase(),
    ] {
        let answer = ours(post("/", &cookies))
            .header(HEADER, wrong)
            .send(&gateway);
        assert_eq!(told(&answer), refused(), "{wrong}");
        // Whoever can plant a cookie cannot make its value count.
        let planted = format!("{cookies}; vestibule_csrf={wrong}").replace(&token, wrong);
        let answer = ours(post("/", &planted))
            .header(HEADER, wrong)
            .send(&gateway);
        assert_eq!(told(&answer), refused(), "planted {wrong}");
    }
    let twice = ours(post("/", &cookies))
        .header(HEADER, &token)
        .header(HEADER, &token);
    assert_eq!(told(&twice.send(&gateway)), refused());
    // The cookie is a way for the value to the page, and is not looked at.
    let kept: Vec<&str> = cookies
        .split("; ")
        .filter(|c| !c.starts_with("vestibule_csrf"))
        .collect();
    let without = ours(post("/", &kept.join("; "))).header(HEADER, &token);
    assert_eq!(without.send(&gateway).status, 200);
}

#[test]
fn fj_59_t_43_a_field_counts_in_our_own_forms_only() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, BOTH);
    let (cookies, token) = signed_in(&gateway);
    let to_app = ours(post("/", &cookies)).form(&[("csrf_token", &token)]);
    assert_eq!(told(&to_app.send(&gateway)), refused());

    let page = Request::get("/vestibule/logout")
        .header("Cookie", &cookies)
        .send(&gateway);
    let field = format!("<input type=\"hidden\" name=\"csrf_token\" value=\"{token}\">");
    assert!(page.text().contains(&field), "{}", page.text());
    let out = |fields: &[(&str, &str)]| {
        ours(post("/vestibule/logout", &cookies))
            .form(fields)
            .send(&gateway)
    };
    for fields in [&[][..], &[("csrf_token", "wrong")]] {
        assert_eq!(told(&out(fields)), refused());
    }
    let done = out(&[("csrf_token", &token)]);
    assert_eq!(
        (done.status, done.header("location")),
        (303, Some("/vestibule/logout"))
    );
    let over = Request::get("/").header("Cookie", &cookies).send(&gateway);
    assert_eq!(over.status, 401);
}

#[test]
fn fj_55_t_43_our_own_endpoints_ask_for_it_but_the_sign_in_does_not() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, DOUBLE);
    let (cookies, token) = signed_in(&gateway);
    let change = [
        ("current_password", PASSWORD),
        ("new_password", "another correct horse"),
    ];
    for request in [
        ours(post("/vestibule/refresh", &cookies)),
        ours(post("/vestibule/logout", &cookies)),
        ours(post("/vestibule/password", &cookies)).form(&change),
        ours(Request::new(
            "DELETE",
            "/vestibule/sessions/AAAAAAAAAAAAAAAAAAAAAA",
        ))
        .header("Cookie", &cookies),
    ] {
        assert_eq!(told(&request.send(&gateway)), refused(), "{request:?}");
    }
    let whoami = Request::get("/vestibule/session")
        .header("Cookie", &cookies)
        .send(&gateway);
    assert_eq!(whoami.json()["csrf_token"], *token);
    let refreshed = post("/vestibule/refresh", &cookies)
        .header(HEADER, &token)
        .send(&gateway);
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    let fields = [&change[..], &[("csrf_token", &*token)]].concat();
    let changed = post("/vestibule/password", &cookies_of(&refreshed)).form(&fields);
    assert_eq!(changed.send(&gateway).status, 200);
    let foreign = Request::post("/vestibule/login")
        .header("Sec-Fetch-Site", "cross-site")
        .form(&[("username", "ada"), ("password", PASSWORD)]);
    assert_eq!(told(&foreign.send(&gateway)), refused());
}

#[test]
fn fj_63_to_fj_66_the_cookie_for_pages_goes_with_the_others() {
    let upstream = Upstream::start();
    for (url, host, name, secure) in [
        ("http://localhost", "localhost", "vestibule_csrf", ""),
        (
            "http://localhost:8081",
            "localhost:8081",
            "vestibule_csrf_8081",
            "",
        ),
        (
            "https://app.example",
            "app.example",
            "__Host-vestibule_csrf",
            "; Secure",
        ),
        (
            "https://app.example:8443",
            "app.example:8443",
            "__Host-vestibule_csrf_8443",
            "; Secure",
        ),
    ] {
        let gateway = setup(&upstream, BOTH).public_url(url).start();
        let answer = ours(Request::post("/vestibule/login"))
            .header("Host", host)
            .form(&[
                ("username", "ada"),
                ("password", PASSWORD),
                ("remember", "true"),
            ])
            .send(&gateway);
        let set = answer.head.all("set-cookie");
        assert_eq!(set.len(), 4, "{set:?}");
        let (pair, attributes) = set[2].split_once("; ").unwrap();
        let token = pair.strip_prefix(&format!("{name}=")).expect(name);
        assert_eq!(token.len(), 66);
        let age = set[0]
            .split("; ")
            .find(|part| part.starts_with("Max-Age="))
            .unwrap();
        assert_eq!(attributes, format!("{age}; Path=/{secure}; SameSite=Lax"));

        let out = ours(post("/vestibule/logout", &cookies_of(&answer)))
            .header("Host", host)
            .header(HEADER, token)
            .send(&gateway);
        let cleared = out.head.all("set-cookie");
        let expected = format!(
            "{name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/{secure}; SameSite=Lax"
        );
        assert!(cleared.contains(&&*expected), "{cleared:?}");
    }
    let plain = Gateway::in_front_of(&upstream);
    let cookies = browser_sign_in(&plain, "ada");
    assert_eq!(Jar::of(&cookies).named("vestibule_csrf"), None);
    let whoami = Request::get("/vestibule/session")
        .header("Cookie", &cookies)
        .send(&plain);
    assert!(whoami.json().get("csrf_token").is_none());
}

#[test]
fn a_session_keeps_its_value_through_refreshes_renewals_and_restarts() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, BOTH);
    let mut jar = Jar::of(&browser_sign_in(&gateway, "ada"));
    let token = value(&jar);
    let refresh = ours(jar.with(Request::post("/vestibule/refresh"))).header(HEADER, &token);
    let refreshed = refresh.send(&gateway);
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    jar.take(&refreshed.head);
    assert_eq!(value(&jar), token);

    let request = || ours(jar.without_access().with(Request::post("/")));
    assert_eq!(told(&request().send(&gateway)), refused());
    let renewed = request().header(HEADER, &token).send(&gateway);
    assert_eq!(renewed.status, 200);
    let mut renewed_jar = Jar::default();
    renewed_jar.take(&renewed.head);
    assert_eq!(value(&renewed_jar), token);

    jar.take(&renewed.head);
    let gateway = gateway.restart();
    let again = ours(jar.with(Request::post("/"))).header(HEADER, &token);
    assert_eq!(again.send(&gateway).status, 200);
}

#[test]
fn the_app_sees_neither_the_cookie_nor_our_value_and_keeps_its_own() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, DOUBLE);
    let (cookies, token) = signed_in(&gateway);
    let answer = post("/", &format!("{cookies}; theirs=1"))
        .header(HEADER, &token)
        .send(&gateway);
    assert_eq!(answer.status, 200);
    let head = upstream.last().head;
    assert_eq!(head.all("x-csrf-token"), [""; 0]);
    assert_eq!(head.all("cookie"), ["theirs=1"]);
    let reading = Request::get("/")
        .header("Cookie", &cookies)
        .header(HEADER, "of.the.app");
    assert_eq!(reading.send(&gateway).status, 200);
    assert_eq!(upstream.last().head.all("x-csrf-token"), ["of.the.app"]);
}

#[test]
fn fj_55_fj_56_t_43_a_missing_value_and_another_one_are_told_apart_for_whoever_looks() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, BOTH);
    let (cookies, _) = signed_in(&gateway);
    let without = ours(post("/", &cookies)).send(&gateway);
    let text = without.json()["error_description"].to_string();
    assert!(text.contains("x-csrf-token is missing"), "{text}");
    assert!(text.contains("the cookie vestibule_csrf holds"), "{text}");
    let wrong = ours(post("/", &cookies))
        .header(HEADER, "wrong")
        .send(&gateway);
    let text = wrong.json()["error_description"].to_string();
    assert!(
        text.contains("does not hold the value of this session"),
        "{text}"
    );
    let lines = gateway.lines("audit.log", 5);
    let denied: Vec<_> = lines
        .iter()
        .filter(|line| line["event"] == "denied")
        .collect();
    assert_eq!(denied.len(), 2, "{lines:?}");
    for line in denied {
        assert_eq!(line["reason"], "csrf_token");
        assert_eq!(line["user_name"], "ada");
        assert!(line["seen"].as_str().unwrap().starts_with("x-csrf-token "));
    }
}

/// It asks as the app's pages do, unless it is told to show something else.
#[test]
fn explain_shows_the_value_as_pages_do() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, BOTH);
    let explain = |header| {
        let question = [
            "explain", "POST", "/", "--as", "ada", "--cookie", "--header",
        ];
        gateway
            .command(&[&question[..], &[header]].concat(), "")
            .out
    };
    let passed = explain("Sec-Fetch-Site: same-origin");
    assert!(
        passed.contains("pass: ") && !passed.contains("x-csrf-token"),
        "{passed}"
    );
    let wrong = explain("X-CSRF-Token: wrong");
    assert!(
        wrong.contains("Sec-Fetch-Site, Origin and Referer are all missing"),
        "{wrong}"
    );
}
