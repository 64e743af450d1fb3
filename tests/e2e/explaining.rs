//! `vestibule explain` says beforehand what the gateway does.

use serde_json::{Value, json};

use crate::support::{Gateway, Request, Setup, Upstream, browser_sign_in, sign_in};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Stranger,
    Bearer(&'static str),
    Cookie(&'static str),
}

use Who::{Bearer, Cookie, Stranger};

const PAGE: (&str, &str) = ("Accept", "text/html");
const EVIL: (&str, &str) = ("X-Forwarded-User", "eve");
const TRACE: (&str, &str) = (
    "traceparent",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
);
const PREFLIGHT: &[(&str, &str)] = &[
    ("Origin", "http://other.example"),
    ("Access-Control-Request-Method", "PUT"),
    ("X-Custom", "1"),
];

fn gateway(upstream: &Upstream) -> Gateway {
    let url = upstream.url();
    let templates = r#"headers = { "X-App-User" = "{user.name}/{session.id}", "Authorization" = "Basic {basic user.name:hunter2}" }"#;
    Setup::new()
        .route("/", &url, "signed-in", "")
        .route("/public", &url, "anyone", "")
        .route("/optional", &url, "optional", "")
        .route("/ops", &url, "{ groups = [\"ops\"] }", "")
        .route("/browser", &url, "signed-in", "credentials = [\"cookie\"]")
        .route("/templates", &url, "signed-in", templates)
        .route("/api", &url, "signed-in", "preflight = \"forward\"")
        .section("[headers]\nforwarded = true")
        .section("[observe.traces]\notlp_endpoint = \"http://127.0.0.1:9\"\nsample = 0.0")
        .user("bob", &["--group", "ops", "--display-name", "Zoë"])
        .start()
}

/// What a request looks like, and who sends it.
type Case = (
    &'static str,
    &'static str,
    Who,
    &'static [(&'static str, &'static str)],
);

const CASES: &[Case] = &[
    ("GET", "/", Stranger, &[]),
    ("GET", "/a?b=c", Stranger, &[PAGE]),
    ("POST", "/", Stranger, &[PAGE]),
    ("GET", "/a//b?c=%20", Bearer("ada"), &[EVIL, ("X-Own", "1")]),
    ("GET", "/", Cookie("ada"), &[("Cookie", "app=1")]),
    ("DELETE", "/x", Bearer("bob"), &[]),
    ("DELETE", "/x", Cookie("bob"), &[]),
    (
        "DELETE",
        "/x",
        Cookie("bob"),
        &[("Origin", "http://localhost")],
    ),
    (
        "DELETE",
        "/x",
        Cookie("bob"),
        &[("Origin", "http://other.example")],
    ),
    ("GET", "/public", Stranger, &[EVIL]),
    ("GET", "/public", Stranger, &[TRACE, ("tracestate", "a=b")]),
    ("GET", "/public/x", Bearer("ada"), &[]),
    (
        "GET",
        "/public",
        Stranger,
        &[("Authorization", "Basic YTpi")],
    ),
    (
        "GET",
        "/public",
        Stranger,
        &[("Authorization", "Bearer the-apps-own")],
    ),
    (
        "GET",
        "/",
        Stranger,
        &[("Authorization", "Bearer the-apps-own")],
    ),
    (
        "GET",
        "/",
        Stranger,
        &[("Authorization", "Bearer a, Basic b")],
    ),
    ("GET", "/optional", Stranger, &[]),
    (
        "GET",
        "/optional",
        Bearer("bob"),
        &[("TE", "trailers"), ("Connection", "te")],
    ),
    ("GET", "/ops", Bearer("ada"), &[PAGE]),
    ("GET", "/ops", Bearer("bob"), &[("Expect", "100-continue")]),
    ("GET", "/ops", Stranger, &[("Expect", "more")]),
    ("GET", "/browser", Cookie("ada"), &[]),
    (
        "GET",
        "/browser",
        Stranger,
        &[("Authorization", "Bearer the-apps-own")],
    ),
    ("GET", "/templates", Bearer("bob"), &[("X-App-User", "eve")]),
    ("OPTIONS", "/x", Stranger, PREFLIGHT),
    ("OPTIONS", "/api", Stranger, PREFLIGHT),
    ("TRACE", "/", Stranger, &[]),
    ("GET", "/public/..%2fops", Stranger, &[]),
    ("GET", "/%61pi", Bearer("ada"), &[]),
    ("GET", "/%zz", Stranger, &[]),
    ("GET", "/OPS", Bearer("bob"), &[]),
    ("GET", "/x", Stranger, &[("Host", "other.example")]),
    ("GET", "/x", Stranger, &[("Host", "a b")]),
    ("GET", "/x", Bearer("ada"), &[("Host", "localhost:81")]),
    ("GET", "/", Stranger, &[("Connection", "x-forwarded-for")]),
];

fn explain(gateway: &Gateway, (method, target, who, fields): Case) -> Value {
    let fields: Vec<String> = fields.iter().map(|(n, v)| format!("{n}: {v}")).collect();
    let mut arguments = vec!["explain", method, target, "--json"];
    match who {
        Stranger => arguments.push("--as-stranger"),
        Bearer(name) => arguments.extend(["--as", name]),
        Cookie(name) => arguments.extend(["--as", name, "--cookie"]),
    }
    for field in &fields {
        arguments.extend(["--header", field]);
    }
    let told = gateway.command(&arguments, "").expect_success().out;
    serde_json::from_str(&told).unwrap()
}

/// The fields that the app received, as `explain` writes them.
fn received(upstream: &Upstream, route: &Value, sessions: &[String]) -> Vec<Value> {
    let head = String::from_utf8(upstream.last().head.raw).unwrap();
    let mut fields: Vec<(String, String)> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    for (name, value) in &mut fields {
        if name == "x-vestibule-assertion" {
            *value = format!("(signed JWT for route {route})");
        }
        if name == "x-request-id" || name == "traceparent" {
            *value = "(made for each request)".to_owned();
        }
        if name == "authorization" && value.starts_with("Basic Ym9iOmh") {
            *value = "(a secret of the route's template)".to_owned();
        }
        for session in sessions {
            *value = value.replace(session, "(session id)");
        }
    }
    fields.sort();
    let as_json = |(name, value)| json!({"name": name, "value": value});
    fields.into_iter().map(as_json).collect()
}

#[test]
fn explain_agrees_with_the_gateway() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let tokens = ["ada", "bob"].map(|name| (name, sign_in(&gateway, name)));
    let cookies = ["ada", "bob"].map(|name| (name, browser_sign_in(&gateway, name)));
    let sessions: Vec<String> = tokens.iter().map(|(_, t)| t.session.clone()).collect();
    for &case in CASES {
        let (method, target, who, fields) = case;
        let mut request = Request::new(method, target);
        for (name, value) in fields {
            request = request.header(name, value);
        }
        match who {
            Stranger => {}
            Bearer(name) => {
                let token = tokens.iter().find(|(other, _)| *other == name);
                request = request.bearer(&token.unwrap().1.access);
            }
            Cookie(name) => {
                let cookie = cookies.iter().find(|(other, _)| *other == name);
                request = request.header("Cookie", &cookie.unwrap().1);
            }
        }
        let before = upstream.count();
        let answer = request.send(&gateway);
        let told = explain(&gateway, case);
        let by_app = told["answer"]["by"] == "app";
        assert_eq!(by_app, upstream.count() > before, "{case:?}: {told:#}");
        if by_app {
            let seen = &told["to_app"];
            let route = &told["route"]["name"];
            let head = upstream.last().head;
            assert_eq!(seen["method"], head.method(), "{case:?}");
            assert_eq!(seen["target"], head.target(), "{case:?}");
            let fields = received(&upstream, route, &sessions);
            assert_eq!(seen["headers"], Value::Array(fields), "{case:?}");
        } else {
            assert_eq!(told["answer"]["status"], answer.status, "{case:?}");
            let location = told["answer"]["location"].as_str();
            assert_eq!(location, answer.header("location"), "{case:?}");
            if answer.header("content-type") == Some("application/json") {
                assert_eq!(told["answer"]["error"], answer.error(), "{case:?}");
            }
        }
    }
}

fn say(gateway: &Gateway, arguments: &[&str]) -> String {
    let arguments = [&["explain"], arguments].concat();
    gateway.command(&arguments, "").expect_success().out
}

#[test]
fn people_are_told_what_the_app_would_see() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let url = upstream.url();
    let passed = say(
        &gateway,
        &["GET", "http://localhost/templates", "--as", "bob"],
    );
    for part in [
        "request     GET /templates\n",
        "asked by    bob (in ops), by Bearer token\n",
        "rule        signed-in\n",
        "decision    pass: the app is told that bob is asking\n",
        "answer      the app's\n",
        "to the app  GET /templates\n",
        "            authorization: (a secret of the route's template)\n",
        "            x-app-user: bob/(session id)\n",
        "            x-vestibule-assertion: (signed JWT for route \"/templates\")\n",
        &format!("route       /templates (every host of this gateway, path /templates) to {url}\n"),
    ] {
        assert!(passed.contains(part), "{part} is not in\n{passed}");
    }
    assert!(
        !passed.contains("hunter2") && !passed.contains("eyJ"),
        "{passed}"
    );
}

#[test]
fn people_are_told_why_a_request_does_not_pass() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    for (arguments, parts) in [
        (
            &["GET", "/ops", "--as", "ada"][..],
            &[
                "deny: the rule names neither ada nor a group of theirs",
                "403 forbidden",
            ][..],
        ),
        (
            &["GET", "/x", "--header", "Accept: text/html"],
            &[
                "challenge: ",
                "303",
                "location: /vestibule/login?return_to=%2Fx",
            ],
        ),
        (
            &["GET", "/public/..%2fops"],
            &[
                "refuse: the readings of the path lead to different places",
                "/public/..%2fops, which leads to route /public\n",
                "/ops, which leads to route /ops\n",
            ],
        ),
        (&["GET", "/Public"], &["400 invalid_request"]),
        (
            &["GET", "http://other.example/"],
            &[
                "neither in server.public_url nor the host of a route",
                "421",
            ],
        ),
        (
            &["GET", "/x", "--as", "ada", "--expired"],
            &[
                "challenge: the access token has expired",
                "401 token_expired",
            ],
        ),
        (
            &["GET", "/browser", "--as", "ada"],
            &["ada (in engineers), by cookie", "pass: "],
        ),
        (
            &["GET", "/vestibule/login"],
            &["own: vestibule's own endpoint \"/login\"", "the endpoint's"],
        ),
    ] {
        let said = say(&gateway, arguments);
        for part in parts {
            assert!(said.contains(part), "{part} is not in\n{said}");
        }
    }
    gateway
        .command(&["user", "disable", "bob"], "")
        .expect_success();
    let disabled = say(&gateway, &["GET", "/x", "--as", "bob"]);
    assert!(disabled.contains("401 token_revoked"), "{disabled}");
}

#[test]
fn people_are_told_that_a_password_must_be_changed() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    gateway
        .command(&["user", "set", "ada", "--must-change-password"], "")
        .expect_success();
    let due = say(&gateway, &["GET", "/x", "--as", "ada"]);
    assert!(due.contains("who must choose a new password"), "{due}");
}

#[test]
fn what_cannot_be_explained_is_said() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let bearer = format!("Authorization: Bearer {token}");
    let cookie = format!("Cookie: vestibule_access={token}");
    for (arguments, code, said) in [
        (
            &["GET", "/", "--as", "nobody"][..],
            1,
            "no user is called nobody",
        ),
        (
            &["GET", "/", "--header", &bearer],
            1,
            "name its user with --as",
        ),
        (
            &["GET", "/", "--header", &cookie],
            1,
            "name its user with --as",
        ),
        (&["GET", "/a b"], 2, "percent-encoded"),
        (&["GET", "localhost/x"], 2, "http://HOST/PATH"),
        (&["G T", "/"], 2, "no method"),
        (&["GET", "/", "--header", "Accept"], 2, "NAME: VALUE"),
        (&["GET", "/", "--cookie"], 2, "--as"),
    ] {
        let arguments = [&["explain"], arguments].concat();
        let finished = gateway.command(&arguments, "");
        assert_eq!(finished.code, Some(code), "{arguments:?}");
        assert!(finished.err.contains(said), "{}", finished.err);
        assert!(!finished.err.contains(&token), "{}", finished.err);
    }
}
