//! The endpoints over a store in memory, called as the gate calls them.

mod house;

use http::StatusCode;
use http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};

use self::house::{Answered, gateway, send};
use crate::gateway::Gateway;

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const SAME_ORIGIN: (&str, &str) = ("sec-fetch-site", "same-origin");
const PAGE: (&str, &str) = ("accept", "text/html");
const ADA: &str = r#"{"username":"ada","password":"correct horse"}"#;

async fn signed_in(gateway: &Gateway) -> Answered {
    let answered = send(gateway, "POST /vestibule/login", &[JSON], ADA).await;
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.body);
    answered
}

async fn browser(gateway: &Gateway) -> String {
    let body = "username=ada&password=correct+horse&remember=on&return_to=/app?x=1";
    let answered = send(gateway, "POST /vestibule/login", &[FORM, SAME_ORIGIN], body).await;
    assert_eq!(answered.status, StatusCode::SEE_OTHER, "{}", answered.body);
    assert_eq!(answered.headers["location"], "/app?x=1");
    answered.cookies()
}

#[tokio::test]
async fn a_program_signs_in_asks_refreshes_and_signs_out() {
    let gateway = gateway().await;
    let tokens = signed_in(&gateway).await;
    assert_eq!(tokens.text("token_type"), "Bearer");
    assert_eq!(tokens.headers["cache-control"], "no-store");
    let bearer = format!("Bearer {}", tokens.text("access_token"));
    let bearer = ("authorization", &*bearer);

    let me = send(&gateway, "GET /vestibule/session", &[bearer], "").await;
    assert_eq!(me.json()["user"]["name"], "ada", "{}", me.body);
    assert_eq!(me.json()["session"]["id"], tokens.json()["session_id"]);

    let shown = format!(r#"{{"refresh_token":"{}"}}"#, tokens.text("refresh_token"));
    let next = send(&gateway, "POST /vestibule/refresh", &[JSON], &shown).await;
    assert_ne!(next.text("refresh_token"), tokens.text("refresh_token"));
    assert_eq!(next.headers["pragma"], "no-cache");

    let out = send(&gateway, "POST /vestibule/logout", &[bearer], "").await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    let over = send(&gateway, "GET /vestibule/session", &[bearer], "").await;
    assert_eq!(over.refusal(), (401, "token_revoked".to_owned()));
    let again = send(&gateway, "POST /vestibule/logout", &[bearer], "").await;
    assert_eq!(again.status, StatusCode::NO_CONTENT);
    let shown = format!("refresh_token={}", next.text("refresh_token"));
    let refused = send(&gateway, "POST /vestibule/refresh", &[FORM], &shown).await;
    assert_eq!(refused.refusal(), (401, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn a_browser_signs_in_and_out_with_cookies() {
    let gateway = gateway().await;
    let jar = browser(&gateway).await;
    assert!(
        jar.starts_with("__Host-vestibule_refresh=vrt1_"),
        "refresh cookie first"
    );
    let cookie = ("cookie", &*jar);

    let page = send(
        &gateway,
        "GET /vestibule/login?return_to=/app",
        &[cookie, PAGE],
        "",
    )
    .await;
    assert_eq!(page.headers["location"], "/app");
    let asks = send(&gateway, "GET /vestibule/logout", &[cookie, PAGE], "").await;
    assert!(asks.body.contains("Sign out?"));

    let foreign = ("sec-fetch-site", "cross-site");
    for line in ["POST /vestibule/logout", "POST /vestibule/refresh"] {
        let refused = send(&gateway, line, &[cookie, foreign], "").await;
        assert_eq!(
            refused.refusal(),
            (403, "csrf_rejected".to_owned()),
            "{line}"
        );
    }
    let refreshed = send(
        &gateway,
        "POST /vestibule/refresh",
        &[cookie, SAME_ORIGIN],
        "",
    )
    .await;
    assert!(refreshed.json().get("access_token").is_none());
    assert!(refreshed.cookies().contains("__Host-vestibule_access="));

    let out = send(
        &gateway,
        "POST /vestibule/logout",
        &[cookie, SAME_ORIGIN, FORM],
        "",
    )
    .await;
    assert_eq!(out.headers["location"], "/vestibule/logout");
    assert_eq!(
        out.cookies(),
        "__Host-vestibule_refresh=; __Host-vestibule_access="
    );
    let said = send(&gateway, "GET /vestibule/logout", &[PAGE], "").await;
    assert!(said.body.contains("You are signed out"));
    let over = send(&gateway, "GET /vestibule/session", &[cookie], "").await;
    assert_eq!(over.refusal(), (401, "token_revoked".to_owned()));
}

#[tokio::test]
async fn signing_in_again_in_the_same_browser_replaces_the_session() {
    let gateway = gateway().await;
    let old = browser(&gateway).await;
    let body = r#"{"username":"ada","password":"correct horse","delivery":"cookie"}"#;
    let again = [JSON, ("cookie", &*old)];
    send(&gateway, "POST /vestibule/login", &again, body).await;
    let refused = [("cookie", &*old), SAME_ORIGIN];
    let refused = send(&gateway, "POST /vestibule/refresh", &refused, "").await;
    assert_eq!(refused.refusal(), (401, "invalid_grant".to_owned()));
    // The answer may come after that of the sign-in, whose cookies have the same names.
    assert_eq!(refused.cookies(), "");
}

#[tokio::test]
async fn a_refused_sign_in_tells_nothing() {
    let gateway = gateway().await;
    for body in [
        r#"{"username":"ada","password":"wrong"}"#,
        r#"{"username":"eve","password":"correct horse"}"#,
        r#"{"username":"","password":""}"#,
    ] {
        let refused = send(&gateway, "POST /vestibule/login", &[JSON], body).await;
        assert_eq!(refused.refusal(), (401, "invalid_credentials".to_owned()));
        assert!(refused.headers.contains_key("www-authenticate"));
    }
    let form = "username=eve&password=x&return_to=//evil.example";
    let page = send(
        &gateway,
        "POST /vestibule/login",
        &[FORM, SAME_ORIGIN],
        form,
    )
    .await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.body.contains(r#"value="eve""#) && !page.body.contains("evil"));
    assert!(!page.headers.contains_key(SET_COOKIE));
}

/// Method and address, headers, body; status and code of the answer.
type Bad = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    u16,
    &'static str,
);

const TWICE: &[(&str, &str)] = &[("authorization", "Bearer a"), ("authorization", "Bearer b")];
const TWO: &str = r#"{"refresh_token":"b"}"#;
const BAD: &[Bad] = &[
    ("GET /vestibule/nothing", &[], "", 404, "not_found"),
    ("GET /vestibule/assets/x.css", &[], "", 404, "not_found"),
    ("PUT /vestibule/login", &[], "", 405, "method_not_allowed"),
    ("GET /vestibule/refresh", &[], "", 405, "method_not_allowed"),
    (
        "POST /vestibule/session",
        &[],
        "",
        405,
        "method_not_allowed",
    ),
    (
        "POST /vestibule/login",
        &[],
        ADA,
        415,
        "unsupported_media_type",
    ),
    (
        "POST /vestibule/login",
        &[JSON],
        "{",
        400,
        "invalid_request",
    ),
    (
        "POST /vestibule/login",
        &[JSON],
        "{}",
        400,
        "invalid_request",
    ),
    (
        "POST /vestibule/login",
        &[FORM],
        "username=a&password=b",
        403,
        "csrf_rejected",
    ),
    ("POST /vestibule/refresh", &[], "", 401, "missing_token"),
    (
        "POST /vestibule/refresh",
        &[JSON],
        TWO,
        401,
        "invalid_grant",
    ),
    (
        "POST /vestibule/refresh",
        &[JSON, ("authorization", "Bearer a")],
        TWO,
        400,
        "ambiguous_credentials",
    ),
    (
        "POST /vestibule/logout",
        &[("authorization", "Bearer a.b.c")],
        "",
        401,
        "invalid_token",
    ),
    ("GET /vestibule/session", &[], "", 401, "missing_token"),
    ("GET /vestibule/sessions", &[], "", 401, "missing_token"),
    (
        "POST /vestibule/sessions",
        &[],
        "",
        405,
        "method_not_allowed",
    ),
    ("DELETE /vestibule/sessions", &[], "", 401, "missing_token"),
    ("GET /vestibule/account", &[], "", 401, "missing_token"),
    (
        "POST /vestibule/account",
        &[],
        "",
        405,
        "method_not_allowed",
    ),
    ("POST /vestibule/account/end", &[], "", 401, "missing_token"),
    (
        "POST /vestibule/account/end-others",
        &[],
        "",
        401,
        "missing_token",
    ),
    (
        "GET /vestibule/account/end",
        &[],
        "",
        405,
        "method_not_allowed",
    ),
    ("GET /vestibule/account/x", &[], "", 404, "not_found"),
    (
        "DELETE /vestibule/sessions/x",
        &[],
        "",
        401,
        "missing_token",
    ),
    (
        "GET /vestibule/sessions/x",
        &[],
        "",
        405,
        "method_not_allowed",
    ),
    (
        "GET /vestibule/password",
        &[],
        "",
        405,
        "method_not_allowed",
    ),
    ("POST /vestibule/password", &[], "", 401, "missing_token"),
    (
        "GET /vestibule/session",
        TWICE,
        "",
        400,
        "ambiguous_credentials",
    ),
];

#[tokio::test]
async fn bad_requests_get_clear_answers() {
    let gateway = gateway().await;
    for (line, headers, body, status, code) in BAD {
        let answered = send(&gateway, line, headers, body).await;
        assert_eq!(answered.refusal(), (*status, (*code).to_owned()), "{line}");
        assert_eq!(answered.headers["x-vestibule"], "1");
    }
    let nothing = send(&gateway, "POST /vestibule/logout", &[], "").await;
    assert_eq!(nothing.status, StatusCode::NO_CONTENT);
    let put = send(&gateway, "PUT /vestibule/login", &[], "").await;
    assert_eq!(put.headers["allow"], "GET, HEAD, POST");
}

#[tokio::test]
async fn an_access_token_does_not_refresh() {
    let gateway = gateway().await;
    let tokens = signed_in(&gateway).await;
    let bearer = format!("Bearer {}", tokens.text("access_token"));
    let bearer = ("authorization", &*bearer);
    let refused = send(&gateway, "POST /vestibule/refresh", &[bearer], "").await;
    assert_eq!(refused.refusal(), (401, "wrong_token_type".to_owned()));
}

#[tokio::test]
async fn a_changed_password_keeps_the_delivery_of_the_session() {
    let gateway = gateway().await;
    let body = r#"{"username":"ada","password":"correct horse","delivery":"hybrid"}"#;
    let tokens = send(&gateway, "POST /vestibule/login", &[JSON], body).await;
    let bearer = format!("Bearer {}", tokens.text("access_token"));
    let bearer = ("authorization", &*bearer);
    let body = r#"{"current_password":"correct horse","new_password":"battery staple"}"#;
    let changed = send(&gateway, "POST /vestibule/password", &[bearer, JSON], body).await;
    assert_eq!(changed.json()["session_id"], tokens.json()["session_id"]);
    assert!(changed.json().get("refresh_token").is_none());
    let jar = changed.cookies();
    assert!(jar.starts_with("__Host-vestibule_refresh=vrt1_"), "{jar}");
    let over = send(&gateway, "GET /vestibule/session", &[bearer], "").await;
    assert_eq!(over.refusal(), (401, "token_revoked".to_owned()));
    let cookie = [("cookie", &*jar), SAME_ORIGIN];
    let next = send(&gateway, "POST /vestibule/refresh", &cookie, "").await;
    assert_eq!(next.json()["session_id"], tokens.json()["session_id"]);
}

#[tokio::test]
async fn public_files_may_be_kept_and_nothing_else() {
    let gateway = gateway().await;
    let keys = send(&gateway, "GET /vestibule/jwks.json", &[], "").await;
    assert_eq!(keys.headers["cache-control"], "public, max-age=300");
    assert!(keys.json()["keys"].is_array());
    let page = send(&gateway, "GET /vestibule/login", &[PAGE], "").await;
    assert_eq!(page.headers["cache-control"], "no-store");
    let style = page.body.split("href=\"").nth(1).unwrap();
    let style = style.split('"').next().unwrap();
    let style = send(&gateway, &format!("GET {style}"), &[], "").await;
    assert_eq!(style.headers[CONTENT_TYPE], "text/css; charset=utf-8");
}

#[tokio::test]
async fn cookies_that_cannot_be_read_are_cleared_by_the_sign_in_page() {
    let gateway = gateway().await;
    let twice = "__Host-vestibule_access=a; __Host-vestibule_access=b";
    let headers = [(COOKIE.as_str(), twice), PAGE];
    let page = send(&gateway, "GET /vestibule/login", &headers, "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.headers.get_all(SET_COOKIE).iter().count(), 2);
}
