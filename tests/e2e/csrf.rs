//! Did the person mean to send this? Cookies come unasked, so another site must not be able to use them.

use serde_json::json;

use crate::support::{Gateway, PASSWORD, Request, Setup, Upstream, browser_sign_in, sign_in};

/// What a browser says about where a request came from, and whether it may change something.
const CASES: &[(&[(&str, &str)], bool)] = &[
    (&[("Sec-Fetch-Site", "same-origin")], true),
    (&[("Sec-Fetch-Site", "none")], true),
    (&[("Sec-Fetch-Site", "same-site")], false),
    (&[("Sec-Fetch-Site", "cross-site")], false),
    (&[("Sec-Fetch-Site", "something-new")], false),
    (
        &[
            ("Sec-Fetch-Site", "cross-site"),
            ("Origin", "http://localhost"),
        ],
        false,
    ),
    (
        &[
            ("Sec-Fetch-Site", "cross-site"),
            ("Origin", "https://trusted.example"),
        ],
        true,
    ),
    (
        &[
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "https://trusted.example"),
        ],
        true,
    ),
    (
        &[
            ("Sec-Fetch-Site", "cross-site"),
            ("Origin", "https://evil.example"),
        ],
        false,
    ),
    (&[("Origin", "http://localhost")], true),
    (&[("Origin", "https://trusted.example")], true),
    (&[("Origin", "https://localhost")], false),
    (&[("Origin", "http://localhost:81")], false),
    (&[("Origin", "http://localhost.evil.example")], false),
    (&[("Origin", "null")], false),
    (
        &[("Origin", "null"), ("Referer", "http://localhost/page")],
        false,
    ),
    (&[("Referer", "http://localhost/page")], true),
    (
        &[("Referer", "https://evil.example/http://localhost/")],
        false,
    ),
    (&[("Referer", "not a URL")], false),
    (&[], false),
];

fn with(request: Request, fields: &[(&str, &str)]) -> Request {
    fields.iter().fold(request, |request, (name, value)| {
        request.header(name, value)
    })
}

fn gateway(upstream: &Upstream) -> Gateway {
    Setup::in_front_of(upstream)
        .route("/optional", &upstream.url(), "optional", "")
        .route("/public", &upstream.url(), "anyone", "")
        .section("[csrf]\ntrusted_origins = [\"https://trusted.example\"]")
        .start()
}

#[test]
fn fj_54_fj_62_t_43_a_cookie_request_that_changes_something_must_come_from_our_pages() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    for path in ["/", "/optional"] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "PURGE"] {
            for (fields, passes) in CASES {
                let count = upstream.count();
                let request = Request::new(method, path)
                    .body("x")
                    .header("Cookie", &cookies);
                let answer = with(request, fields).send(&gateway);
                if *passes {
                    assert_eq!(answer.status, 200, "{method} {path} {fields:?}");
                    assert_eq!(upstream.count(), count + 1);
                } else {
                    let told = (answer.status, answer.error());
                    assert_eq!(
                        told,
                        (403, "csrf_rejected".to_owned()),
                        "{method} {path} {fields:?}"
                    );
                    assert_eq!(upstream.count(), count, "{method} {path} {fields:?}");
                }
            }
        }
    }
}

#[test]
fn reading_is_allowed_from_anywhere() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    for (fields, _) in CASES {
        let answer = with(Request::get("/").header("Cookie", &cookies), fields).send(&gateway);
        assert_eq!(answer.status, 200, "{fields:?}");
    }
}

#[test]
fn a_bearer_token_is_never_sent_unasked() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    let token = sign_in(&gateway, "ada").access;
    for (fields, _) in CASES {
        let request = Request::post("/").bearer(&token).header("Cookie", &cookies);
        assert_eq!(
            with(request, fields).send(&gateway).status,
            200,
            "{fields:?}"
        );
    }
}

#[test]
fn fj_61_t_43_strangers_and_public_routes_have_nothing_to_forge() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    let evil = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "https://evil.example"),
    ];
    let stranger = with(Request::post("/optional"), &evil).send(&gateway);
    assert_eq!(stranger.status, 200);
    let public = with(Request::post("/public").header("Cookie", &cookies), &evil).send(&gateway);
    assert_eq!(public.status, 200);
    assert_eq!(upstream.last().head.all("x-forwarded-user"), [""; 0]);
}

#[test]
fn fj_59_t_43_our_own_endpoints_are_judged_alike() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    let credentials = [("username", "ada"), ("password", PASSWORD)];
    for (fields, passes) in CASES {
        let form =
            with(Request::post("/vestibule/login").form(&credentials), fields).send(&gateway);
        assert_eq!(
            form.status == 303,
            *passes,
            "form {fields:?}: {}",
            form.status
        );
        assert_eq!(
            form.status == 403,
            !*passes,
            "form {fields:?}: {}",
            form.status
        );
        let refresh = with(
            Request::post("/vestibule/refresh").header("Cookie", &cookies),
            fields,
        );
        assert_eq!(
            refresh.send(&gateway).status,
            if *passes { 200 } else { 403 },
            "refresh {fields:?}"
        );
        if !*passes {
            let logout = with(
                Request::post("/vestibule/logout").header("Cookie", &cookies),
                fields,
            );
            assert_eq!(logout.send(&gateway).status, 403, "logout {fields:?}");
        }
    }
    let alive = Request::get("/").header("Cookie", &cookies).send(&gateway);
    assert_eq!(alive.status, 200, "nobody was signed out");
}

#[test]
fn t_43_a_json_sign_in_is_safe_by_its_media_type() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let answer = Request::post("/vestibule/login")
        .json(&json!({"username": "ada", "password": PASSWORD}))
        .send(&gateway);
    assert_eq!(answer.status, 200);
    let cookies = browser_sign_in(&gateway, "ada");
    for path in ["login", "refresh", "logout"] {
        let disguised = Request::post(&format!("/vestibule/{path}"))
            .header("Content-Type", "text/plain")
            .header("Origin", "https://evil.example")
            .header("Cookie", &cookies)
            .body(json!({"username": "ada", "password": PASSWORD}).to_string())
            .send(&gateway);
        assert_eq!(
            disguised.status, 415,
            "{path}: a form of another site cannot send JSON"
        );
        assert_eq!(disguised.head.all("set-cookie"), [""; 0]);
    }
    let alive = Request::get("/").header("Cookie", &cookies).send(&gateway);
    assert_eq!(alive.status, 200, "nobody was signed out");
}

/// Every pair that there is, with and without a value that other gateways would take for a proof.
#[test]
fn t_43_every_pair_of_site_and_origin_has_one_verdict() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    let own = Some("http://localhost");
    let trusted = Some("https://trusted.example");
    let other = Some("https://evil.example");
    let null = Some("null");
    let all = [own, trusted, other, null, None];
    let pairs: [(Option<&str>, &[Option<&str>]); 5] = [
        (Some("same-origin"), &all),
        (Some("none"), &all),
        (Some("same-site"), &[trusted]),
        (Some("cross-site"), &[trusted]),
        (None, &[own, trusted]),
    ];
    for (site, passing) in pairs {
        for origin in all {
            for proof in [None, Some("right"), Some("wrong")] {
                let mut request = Request::post("/").header("Cookie", &cookies);
                for (name, value) in [
                    ("Sec-Fetch-Site", site),
                    ("Origin", origin),
                    ("X-CSRF-Token", proof),
                ] {
                    if let Some(value) = value {
                        request = request.header(name, value);
                    }
                }
                let before = upstream.count();
                let passes = passing.contains(&origin);
                let status = request.send(&gateway).status;
                let expected = if passes { 200 } else { 403 };
                assert_eq!(status, expected, "T-43 {site:?} {origin:?} {proof:?}");
                assert_eq!(upstream.count(), before + usize::from(passes));
            }
        }
    }
}

/// The sign-in has no session yet: its line says what was seen, and no user.
#[test]
fn the_refusal_is_written_down_with_what_was_seen() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .section("[observe.audit_log]\nto = \"audit.log\"")
        .start();
    let cookies = browser_sign_in(&gateway, "ada");
    let evil = ("Origin", "https://evil.example/\"<b>");
    let evil = [("Sec-Fetch-Site", "cross-site"), evil];
    for path in ["/", "/vestibule/logout"] {
        let request = with(Request::post(path).header("Cookie", &cookies), &evil);
        assert_eq!(request.send(&gateway).status, 403, "{path}");
    }
    let form = with(Request::post("/vestibule/login"), &evil).form(&[("username", "ada")]);
    assert_eq!(form.send(&gateway).status, 403);
    let lines = gateway.lines("audit.log", 5);
    let denied: Vec<_> = lines
        .iter()
        .filter(|line| line["event"] == "denied")
        .collect();
    // Anybody can send a sign-in as often as they like.
    let [to_app, sign_out] = denied[..] else {
        panic!("{lines:?}");
    };
    for line in [to_app, sign_out] {
        assert_eq!(line["reason"], "cross_site");
        let seen = "Sec-Fetch-Site is cross-site, and Origin is https://evil.example, which is not \
                    in csrf.trusted_origins";
        assert_eq!(line["seen"], seen);
    }
    assert_eq!(to_app["user_name"], "ada");
    assert_eq!(to_app["session_id"], sign_out["session_id"]);
    assert_eq!(sign_out["route"], "(own)");
}

#[test]
fn t_43_a_person_is_told_what_happened_and_gets_back() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/wiki", &upstream.url(), "signed-in", "")
        .start();
    let cookies = browser_sign_in(&gateway, "ada");
    let evil = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "https://evil.example"),
    ];
    for (path, back) in [("/wiki/save", "/wiki"), ("/vestibule/logout", "/")] {
        let request = Request::post(path).header("Cookie", &cookies).navigating();
        let answer = with(request, &evil).send(&gateway);
        assert_eq!(answer.status, 403);
        assert_eq!(answer.header("vary"), Some("Sec-Fetch-Site, Origin"));
        let page = answer.text();
        for expected in [
            "This request was stopped",
            "nothing was done",
            &format!("href=\"{back}\""),
            "Origin is https://evil.example",
        ] {
            assert!(page.contains(expected), "{expected}: {page}");
        }
    }
}

/// What a stranger wrote into a header is shown as a parsed origin, or not at all.
#[test]
fn nothing_that_was_sent_comes_back_but_an_origin() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    let long = format!("https://{}.example", "a".repeat(300));
    for field in [
        ("Origin", "https://<script>.example"),
        ("Origin", &*long),
        ("Origin", "https://me:secret@evil.example"),
        ("Sec-Fetch-Site", "<script>"),
        ("Referer", "https://evil.example/secret?token=secret"),
        ("Referer", "secret"),
    ] {
        let request = Request::post("/").header("Cookie", &cookies);
        for request in [request.clone(), request.navigating()] {
            let answer = with(request, &[field]).send(&gateway);
            let text = answer.text();
            assert_eq!(answer.status, 403, "{field:?}");
            for sent in ["<script", "aaaa", "secret"] {
                assert!(!text.contains(sent), "{field:?}: {text}");
            }
        }
    }
}

/// The commonest mistake: a proxy ends TLS, and nobody told us.
#[test]
fn the_refusal_names_the_remedy() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    for (field, remedy) in [
        (("Origin", "https://localhost"), "server.trusted_proxies"),
        (("Origin", "http://localhost:81"), "server.public_url"),
        (("Origin", "https://evil.example"), "csrf.trusted_origins"),
        (("Sec-Fetch-Site", "same-site"), "csrf.trusted_origins"),
    ] {
        let request = Request::post("/").header("Cookie", &cookies);
        let answer = with(request, &[field]).send(&gateway);
        let text = answer.json()["error_description"].to_string();
        assert!(text.contains(remedy), "{field:?}: {text}");
    }
}

#[test]
fn a_request_from_nowhere_is_told_what_to_say() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let cookies = browser_sign_in(&gateway, "ada");
    let answer = Request::post("/").header("Cookie", &cookies).send(&gateway);
    let text = answer.json()["error_description"]
        .as_str()
        .expect("a sentence")
        .to_owned();
    assert!(
        text.contains("Origin") || text.contains("trusted_origins"),
        "{text}"
    );
}
