//! `profile = "flask-jwt-extended"`: what front-ends are told who were written against that library, row
//! by row beside the library itself.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::flask_beside::{Both, Held, ask, claims, get, text, told, unsigned};
use crate::support::{PASSWORD, Request, Setup, Upstream, browser_sign_in, cookies_of, spoiled};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const NO_BEARER: &str =
    "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'";

#[test]
fn fj_72_fj_73_what_is_missing_or_unreadable_is_told_as_the_library_tells_it() {
    let upstream = Upstream::start();
    let both = Both::start(&upstream);
    let plain = |path: &str| both.each(|_| Request::get(path));
    both.agree("FJ-03 no credential", &plain("/required"));
    both.agree("FJ-14 nobody on an optional route", &plain("/optional"));
    both.agree("FJ-25 no cookie", &plain("/cookies"));
    for value in [
        "Bearer T",
        "Basic dTpw",
        "Foo 1, Bar 2, Baz, 3",
        "Bearer",
        "Bearer T x",
        "Bearer ,,0",
        "Foo 1, Bearer, Baz",
        "Bearer T, Basic c",
        "Basic c, Bearer T",
        "Bearer T,",
        "Bearer T , ",
        ",",
    ] {
        both.agree(value, &both.authorization("/required", value));
        both.agree(value, &both.authorization("/optional", value));
    }
    let two = "Bearer T, Bearer T";
    both.agree(two, &both.authorization("/required", two));
    both.differ(
        "two tokens on an optional route",
        &both.authorization("/optional", two),
        (200, ""),
        (401, NO_BEARER),
        "whoever shows two is not nobody",
    );
    let twice = both.each(|held| get("/required", "Bearer a").bearer(&held.access));
    both.agree("T-18 two fields", &twice);
    both.differ(
        "T-18 two fields",
        &both.each(|held| get("/required", "Basic c").bearer(&held.access)),
        (200, ""),
        (401, NO_BEARER),
        "what comes twice is read by some in this order and by others in that",
    );
    both.differ(
        "T-17 bearer in lower case",
        &both.authorization("/required", "bearer T"),
        (401, NO_BEARER),
        (200, ""),
        "schemes have no case (RFC 9110 §11.1)",
    );
    both.differ(
        "FJ-71 OPTIONS",
        &both.each(|_| Request::new("OPTIONS", "/required")),
        (200, ""),
        (401, "Missing Authorization Header"),
        "only preflights need no sign-in: apps may do anything for OPTIONS",
    );
}

#[test]
fn bad_tokens_are_told_as_the_library_tells_them_and_never_what_is_wrong_with_a_signature() {
    let upstream = Upstream::start();
    let both = Both::start(&upstream);
    for path in ["/required", "/optional"] {
        both.agree("FJ-01", &both.bearer(path, |held| held.access.clone()));
        both.agree("FJ-33", &both.bearer(path, |held| held.expired.clone()));
        both.agree("FJ-44", &both.bearer(path, |held| held.ended.clone()));
        both.agree("FJ-04", &both.bearer(path, |held| held.refresh.clone()));
        both.agree("FJ-43", &both.bearer(path, |held| spoiled(&held.access)));
    }
    let other = |token: &str| both.each(|_| Request::get("/required").bearer(token));
    let forged = "Signature verification failed";
    let oracle = "what is wrong with a token that is not authentic is nobody's business";
    for (row, pair, theirs) in [
        ("FJ-32", other("foobarbaz"), "Not enough segments"),
        (
            "FJ-28",
            other("aaaaa.bbbbb.ccccc"),
            "Invalid header padding",
        ),
        (
            "T-01",
            both.bearer("/required", |held| unsigned(&held.access, "at+jwt")),
            "The specified alg value is not allowed",
        ),
    ] {
        both.differ(row, &pair, (422, theirs), (422, forged), oracle);
    }
    let body = |claims: Value| Request::post("/token").json(&json!({"claims": claims}));
    let made = |claims| text(&ask(&both.app, &body(claims)), "access_token");
    for (row, claims, theirs) in [
        ("FJ-29", json!({"sub": null}), "Subject must be a string"),
        ("FJ-35", json!({"sub": 7}), "Subject must be a string"),
        (
            "FJ-36",
            json!({"nbf": 4_000_000_000_u64}),
            "The token is not yet valid (nbf)",
        ),
    ] {
        both.differ(
            row,
            &other(&made(claims)),
            (422, theirs),
            (422, forged),
            oracle,
        );
    }
    let gone = Request::post("/token").json(&json!({"identity": "gone"}));
    let gone = text(&ask(&both.app, &gone), "access_token");
    let (theirs, _) = both.told(&other(&gone));
    let echoed = "Error loading the user gone".to_owned();
    assert_eq!(theirs, (401, Some(echoed)), "ours never tells a name");
}

#[test]
fn what_a_good_token_may_not_do_is_told_as_the_library_tells_it() {
    let upstream = Upstream::start();
    let both = Both::start(&upstream);
    both.agree("FJ-05", &both.bearer("/fresh", |held| held.access.clone()));
    both.agree("FJ-06", &both.bearer("/fresh", |held| held.stale.clone()));
    both.agree("FJ-08", &both.bearer("/fresh", |held| held.refresh.clone()));
    both.agree(
        "FJ-50",
        &both.bearer("/members", |held| held.access.clone()),
    );
    both.agree(
        "FJ-50 and expired",
        &both.bearer("/members", |held| held.expired.clone()),
    );
    let theirs = format!("access_token_cookie={}", both.theirs.access);
    let form = [("username", "ada"), ("password", PASSWORD)];
    let signed_in = Request::post("/vestibule/login").same_origin().form(&form);
    let ours = cookies_of(&both.house.send(&signed_in));
    let with = |method: &str| {
        let of = |cookies: &str| Request::new(method, "/cookies").header("Cookie", cookies);
        (of(&theirs), of(&ours))
    };
    both.agree("FJ-52 a cookie", &with("GET"));
    let (theirs, ours) = with("POST");
    both.agree("FJ-54 no proof", &(theirs.body(""), ours.body("")));
}

#[test]
fn refreshing_is_told_as_the_library_tells_it() {
    let upstream = Upstream::start();
    let both = Both::start(&upstream);
    let by_header = |token: fn(&Held) -> &str| {
        let post = |path: &str, held| Request::post(path).bearer(token(held));
        (
            post("/refresh-by-header", &both.theirs),
            post("/vestibule/refresh", &both.ours),
        )
    };
    both.agree("FJ-12", &by_header(|held| &held.refresh));
    both.agree("FJ-09", &by_header(|held| &held.stale));
    both.agree("FJ-10", &by_header(|held| &held.access));
    both.agree("FJ-46", &by_header(|held| &held.ended_refresh));
    let nothing = (
        Request::post("/refresh-by-header"),
        Request::post("/vestibule/refresh"),
    );
    both.agree("FJ-11", &nothing);
    both.agree("no key", &both.refresh_by_json(|_| json!({})));
    let good = |held: &Held| json!({"refresh_token": held.refresh});
    both.agree("FJ-12", &both.refresh_by_json(good));
    let ended = |held: &Held| json!({"refresh_token": held.ended_refresh});
    both.agree("FJ-46", &both.refresh_by_json(ended));
    let other_type = |path: &str| {
        let post = Request::post(path).header("Content-Type", "text/plain");
        post.body("refresh_token")
    };
    let other_type = (
        other_type("/refresh-by-json"),
        other_type("/vestibule/refresh"),
    );
    both.agree("FJ-78", &other_type);
    both.differ(
        "no token at all",
        &both.refresh_by_json(|_| json!({"refresh_token": "foobarbaz"})),
        (422, "Not enough segments"),
        (401, "Token has been revoked"),
        "refresh tokens that are no good have one answer, whatever is wrong with them",
    );
    let wrong = json!({"username": "ada", "password": "wrong horse"});
    both.differ(
        "a wrong password",
        &both.each(|_| Request::post("/vestibule/login").json(&wrong)),
        (401, "Bad username or password"),
        (401, "The name or the password is wrong."),
        "each app of the library has its own words",
    );
    both.house.pass(31 * DAY);
    let late = json!({"refresh_token": both.ours.refresh});
    let late = both
        .house
        .send(&Request::post("/vestibule/refresh").json(&late));
    let revoked = (401, Some("Token has been revoked".to_owned()));
    assert_eq!(told(&late), revoked, "over is over, for whatever reason");
}

#[test]
fn access_tokens_say_what_those_of_the_library_say() {
    let upstream = Upstream::start();
    let both = Both::start(&upstream);
    for (theirs, ours, fresh) in [
        (&both.theirs.access, &both.ours.access, true),
        (&both.theirs.stale, &both.ours.stale, false),
    ] {
        let (theirs, ours) = (claims(theirs), claims(ours));
        for (name, value) in theirs.as_object().expect("claims") {
            let same_kind = std::mem::discriminant(value) == std::mem::discriminant(&ours[name]);
            assert!(same_kind, "{name}: {value} there, {} here", ours[name]);
        }
        for name in ["type", "fresh"] {
            assert_eq!(ours[name], theirs[name], "{name}");
        }
        assert_eq!(ours["fresh"], fresh);
        assert_eq!(ours["nbf"], ours["iat"]);
        assert_eq!(
            ours["csrf"].as_str().map(str::len),
            theirs["csrf"].as_str().map(str::len)
        );
        for claims in [&ours, &theirs] {
            let life = claims["exp"].as_i64().zip(claims["iat"].as_i64());
            assert_eq!(life.map(|(exp, iat)| exp - iat), Some(15 * 60));
        }
    }
}

#[test]
fn people_get_pages_and_everybody_else_gets_msg() {
    let upstream = Upstream::start();
    let setup = Setup::new()
        .route("/app", &upstream.url(), "signed-in", "")
        .route("/members", &upstream.url(), "{ groups = [\"nobody\"] }", "");
    let gateway = setup.start();
    assert_eq!(Request::get("/app").send(&gateway).error(), "missing_token");
    let profiled = format!("profile = \"flask-jwt-extended\"\n{}", setup.to_toml());
    fs::write(gateway.file("config.toml"), profiled).expect("it is writable");
    gateway.reload();
    let navigation = Request::get("/app").navigating().send(&gateway);
    assert_eq!(navigation.status, 303, "to the sign-in page");
    let cookies = browser_sign_in(&gateway, "ada");
    let page = Request::get("/members").navigating();
    let page = page.header("Cookie", &cookies).send(&gateway);
    assert_eq!(page.status, 403);
    assert!(page.text().contains("<html"), "{}", page.text());
    for (path, status, msg) in [
        ("/app", 401, "Missing Authorization Header"),
        ("/vestibule/session", 401, "Missing Authorization Header"),
        ("/nowhere", 404, "Nothing is served under this address."),
    ] {
        let answer = Request::get(path).send(&gateway);
        assert_eq!(answer.json(), json!({ "msg": msg }));
        assert_eq!(answer.status, status, "{path}");
        let challenge = answer.header("www-authenticate").is_some();
        assert_eq!(challenge, status == 401, "{path}");
    }
    let from_environment = setup.environment("VESTIBULE__PROFILE", "flask-jwt-extended");
    let told = Request::get("/app").send(&from_environment.start()).json();
    assert_eq!(told["msg"], "Missing Authorization Header");
}
