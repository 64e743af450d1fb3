//! A page of another origin may read what vestibule answers itself, where its origin is configured. What
//! apps answer is theirs to tell.

use serde_json::json;

use crate::support::{
    Answer, Gateway, Jar, PASSWORD, Request, Setup, Upstream, browser_sign_in, sign_in,
};

const SPA: &str = "https://spa.example";
const OTHER: &str = "https://evil.example";

fn setup(upstream: &Upstream) -> Setup {
    Setup::in_front_of(upstream)
        .route("/ops", &upstream.url(), "{ groups = [\"ops\"] }", "")
        .route("/gone", "http://127.0.0.1:1", "signed-in", "")
        .route("/public", &upstream.url(), "anyone", "")
        .route(
            "/forward",
            &upstream.url(),
            "signed-in",
            "preflight = \"forward\"",
        )
        .section("[cors]\nallowed_origins = [\"https://spa.example\", \"http://localhost:5173\"]")
}

/// All that an answer says about CORS, by the last part of the fields' names.
fn told(answer: &Answer) -> Vec<String> {
    let names = [
        "allow-origin",
        "allow-credentials",
        "allow-methods",
        "allow-headers",
        "max-age",
    ];
    let fields = names.map(|name| {
        let values = answer.head.all(&format!("access-control-{name}"));
        values
            .into_iter()
            .map(move |value| format!("{name}: {value}"))
    });
    fields.into_iter().flatten().collect()
}

/// One answer of our own of every kind, asked for by a page of this origin.
fn our_own(gateway: &Gateway, token: &str, origin: Option<&str>) -> Vec<(u16, Answer)> {
    let requests = [
        (401, Request::get("/")),
        (401, Request::post("/")),
        (401, Request::get("/").bearer("a.b.c")),
        (403, Request::get("/ops").bearer(token)),
        (502, Request::get("/gone").bearer(token)),
        (400, Request::get("/a%2fb/../public").bearer(token)),
        (421, Request::get("/").header("Host", "elsewhere.example")),
        (
            400,
            Request::get("/").header("Authorization", "Bearer a, Bearer b"),
        ),
        (401, Request::get("/vestibule/session")),
        (200, Request::get("/vestibule/session").bearer(token)),
        (200, Request::get("/vestibule/sessions").bearer(token)),
        (200, Request::get("/vestibule/jwks.json")),
        (404, Request::get("/vestibule/nothing")),
        (405, Request::get("/vestibule/refresh")),
        (
            401,
            Request::post("/vestibule/refresh").json(&json!({"refresh_token": "x"})),
        ),
        (
            401,
            Request::post("/vestibule/login")
                .json(&json!({"username": "ada", "password": "wrong"})),
        ),
        (204, Request::post("/vestibule/logout").bearer(token)),
    ];
    let send = |(status, request): (u16, Request)| {
        let request = match origin {
            Some(origin) => request.header("Origin", origin),
            None => request,
        };
        (status, request.send(gateway))
    };
    requests.into_iter().map(send).collect()
}

#[test]
fn a_configured_origin_may_read_every_answer_of_our_own_and_no_other_may() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream).start();
    for origin in [
        Some(SPA),
        Some("http://localhost:5173"),
        Some(OTHER),
        Some("null"),
        None,
    ] {
        let token = sign_in(&gateway, "ada").access;
        for (index, (status, answer)) in our_own(&gateway, &token, origin).into_iter().enumerate() {
            let case = format!("{origin:?} {index}: {}", answer.text());
            assert_eq!((answer.status, answer.is_ours()), (status, true), "{case}");
            assert_eq!(answer.head.all("vary"), ["Origin"], "{case}");
            let exposed = answer.header("access-control-expose-headers");
            match origin.filter(|origin| ![OTHER, "null"].contains(origin)) {
                Some(origin) => {
                    let allowed = format!("allow-origin: {origin}");
                    assert_eq!(
                        told(&answer),
                        [&allowed, "allow-credentials: true"],
                        "{case}"
                    );
                    let exposed = exposed.unwrap();
                    for name in [
                        "WWW-Authenticate",
                        "Retry-After",
                        "X-Vestibule",
                        "X-Request-Id",
                    ] {
                        assert!(exposed.contains(name), "{case}");
                    }
                }
                None => assert_eq!((told(&answer).len(), exposed), (0, None), "{case}"),
            }
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn where_nothing_is_configured_nobody_is_told_anything() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let answer = Request::get("/").header("Origin", SPA).send(&gateway);
    assert_eq!((answer.status, told(&answer).len()), (401, 0));
    assert_eq!(answer.header("vary"), None);
}

#[test]
fn the_answers_of_apps_keep_their_own_words() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream).start();
    let token = sign_in(&gateway, "ada").access;
    for (path, request) in [
        ("/public", Request::get("/public/headers")),
        ("/", Request::get("/headers").bearer(&token)),
    ] {
        let answer = request.header("Origin", SPA).send(&gateway);
        assert_eq!((answer.status, answer.is_ours()), (200, false), "{path}");
        assert_eq!(told(&answer), [""; 0], "{path}");
        assert_eq!(answer.header("vary"), None, "{path}");
        assert_eq!(
            answer.header("access-control-expose-headers"),
            None,
            "{path}"
        );
    }
    let query = "Access-Control-Allow-Origin=*&Vary=Accept";
    let answer = Request::get(&format!("/headers?{query}"))
        .bearer(&token)
        .header("Origin", OTHER)
        .send(&gateway);
    assert_eq!(told(&answer), ["allow-origin: *"]);
    assert_eq!(answer.head.all("vary"), ["Accept"]);
}

/// The cookies are for the gateway's own origin: the app decides who reads the rest.
#[test]
fn renewed_cookies_ride_on_what_the_app_lets_the_other_origin_read() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream).start();
    let jar = Jar::of(&browser_sign_in(&gateway, "ada")).without_access();
    let query =
        "Access-Control-Allow-Origin=https://spa.example&Access-Control-Allow-Credentials=true";
    let answer = jar
        .with(Request::get(&format!("/headers?{query}")))
        .header("Origin", SPA)
        .header("Sec-Fetch-Site", "same-site")
        .send(&gateway);
    assert_eq!((answer.status, answer.is_ours()), (200, false));
    assert_eq!(answer.head.all("set-cookie").len(), 2);
    assert_eq!(
        told(&answer),
        [
            "allow-origin: https://spa.example",
            "allow-credentials: true"
        ]
    );
}

fn preflight(path: &str, origin: &str) -> Request {
    Request::new("OPTIONS", path).header("Origin", origin)
}

const METHOD: &str = "Access-Control-Request-Method";
const FIELDS: &str = "Access-Control-Request-Headers";

#[test]
fn a_preflight_gets_what_it_asks_for_where_its_origin_is_configured() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream).start();
    for path in [
        "/",
        "/ops",
        "/vestibule/session",
        "/vestibule/refresh",
        "/vestibule/login",
    ] {
        let asked = preflight(path, SPA)
            .header(METHOD, "PUT")
            .header(FIELDS, "authorization,content-type");
        let answer = asked.send(&gateway);
        assert_eq!((answer.status, answer.is_ours()), (204, true), "{path}");
        assert_eq!(
            told(&answer),
            [
                "allow-origin: https://spa.example",
                "allow-credentials: true",
                "allow-methods: PUT",
                "allow-headers: authorization,content-type",
                "max-age: 600",
            ],
            "{path}"
        );
        assert_eq!(answer.head.all("vary"), ["Origin"], "{path}");
        let bare = preflight(path, OTHER)
            .header(METHOD, "PUT")
            .header(FIELDS, "authorization")
            .send(&gateway);
        assert_eq!((bare.status, told(&bare).len()), (204, 0), "{path}");
    }
    let simple = preflight("/", SPA).header(METHOD, "DELETE").send(&gateway);
    assert_eq!(simple.head.all("access-control-allow-headers"), [""; 0]);
    assert_eq!(
        simple.header("access-control-allow-methods"),
        Some("DELETE")
    );
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_preflight_that_asks_for_more_than_names_gets_nothing() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream).start();
    for fields in [
        &[(METHOD, "PUT, DELETE")][..],
        &[(METHOD, "PUT"), (METHOD, "GET")],
        &[(METHOD, "PUT"), (FIELDS, "a b")],
        &[(METHOD, "PUT"), (FIELDS, "a"), (FIELDS, "b")],
        &[(METHOD, "PUT"), (FIELDS, "a\"><script>")],
    ] {
        let odd = fields
            .iter()
            .fold(preflight("/", SPA), |request, (name, value)| {
                request.header(name, value)
            });
        let answer = odd.send(&gateway);
        assert_eq!(answer.status, 204, "{fields:?}");
        assert_eq!(
            told(&answer),
            [
                "allow-origin: https://spa.example",
                "allow-credentials: true"
            ],
            "{fields:?}: nothing is granted"
        );
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_preflight_that_the_app_is_to_answer_is_answered_by_it_alone() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream).start();
    let query = "Access-Control-Allow-Origin=https://else.example";
    let asked = preflight(&format!("/forward/headers?{query}"), SPA).header(METHOD, "PUT");
    let answer = asked.send(&gateway);
    assert_eq!((answer.status, answer.is_ours()), (200, false));
    assert_eq!(told(&answer), ["allow-origin: https://else.example"]);
}

#[test]
fn who_may_read_may_not_therefore_change_something_with_cookies() {
    let upstream = Upstream::start();
    let reading = setup(&upstream).start();
    let both = setup(&upstream)
        .section("[csrf]\ntrusted_origins = [\"https://spa.example\"]")
        .start();
    for (gateway, status, code) in [(&reading, 403, "csrf_rejected"), (&both, 200, "")] {
        let cookies = browser_sign_in(gateway, "ada");
        for path in ["/", "/vestibule/refresh"] {
            let answer = Request::post(path)
                .header("Cookie", &cookies)
                .header("Origin", SPA)
                .header("Sec-Fetch-Site", "same-site")
                .send(gateway);
            assert_eq!(answer.status, status, "{path}: {}", answer.text());
            if answer.is_ours() {
                let allowed = answer.header("access-control-allow-origin");
                assert_eq!(allowed, Some(SPA), "{path}: the page can tell why");
            }
            if !code.is_empty() {
                assert_eq!(answer.error(), code, "{path}");
            }
        }
    }
}

#[test]
fn an_origin_that_may_read_cannot_sign_a_browser_in_as_somebody_else() {
    let upstream = Upstream::start();
    let setup = Setup::in_front_of(&upstream);
    let gateway = setup
        .section("[cors]\nallowed_origins = [\"https://spa.example.com\"]")
        .start();
    for (origin, delivery, status) in [
        ("https://spa.example.com", "cookie", 403),
        ("https://spa.example.com", "hybrid", 403),
        ("https://spa.example.com", "token", 200),
        ("http://localhost", "cookie", 200),
    ] {
        let sign_in = json!({"username": "ada", "password": PASSWORD, "delivery": delivery});
        let answer = Request::post("/vestibule/login")
            .header("Origin", origin)
            .json(&sign_in)
            .send(&gateway);
        assert_eq!(answer.status, status, "{origin} {delivery}");
    }
}
