//! Signing in, as scripts and as browsers do it.

use serde_json::json;

use super::{Answer, Gateway, PASSWORD, Request};

/// What a script holds after signing in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    /// The session.
    pub session: String,
}

impl Tokens {
    /// Reads them from the answer of a sign-in or a refresh.
    #[track_caller]
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let told = answer.json();
        let text = |key: &str| told[key].as_str().map(str::to_owned);
        Self {
            access: text("access_token").expect("an access token"),
            refresh: text("refresh_token").expect("a refresh token"),
            session: text("session_id").expect("a session id"),
        }
    }
}

/// Signs in through JSON, with the password that all users of the tests have.
#[track_caller]
pub fn sign_in(gateway: &Gateway, name: &str) -> Tokens {
    let request = Request::post("/vestibule/login")
        .json(&json!({"username": name, "password": PASSWORD}))
        .send(gateway);
    Tokens::of(&request)
}

/// Exchanges a refresh token.
pub fn refresh(gateway: &Gateway, token: &str) -> Answer {
    Request::post("/vestibule/refresh")
        .json(&json!({"refresh_token": token}))
        .send(gateway)
}

/// Signs in through the form and gives the `Cookie` value that a browser would send from then on.
#[track_caller]
pub fn browser_sign_in(gateway: &Gateway, name: &str) -> String {
    let answer = Request::post("/vestibule/login")
        .same_origin()
        .navigating()
        .form(&[
            ("username", name),
            ("password", PASSWORD),
            ("return_to", "/"),
        ])
        .send(gateway);
    assert_eq!(answer.status, 303, "{}", answer.text());
    cookies_of(&answer)
}

/// The `Cookie` value that a browser makes of an answer's `Set-Cookie` fields.
pub fn cookies_of(answer: &Answer) -> String {
    let pairs: Vec<&str> = answer
        .head
        .all("set-cookie")
        .into_iter()
        .filter_map(|cookie| cookie.split(';').next())
        .collect();
    pairs.join("; ")
}

/// The token with one character of its signature changed, where every bit counts.
pub fn spoiled(token: &str) -> String {
    let (head, tail) = token.split_at(token.len() - 20);
    let other = if tail.starts_with('A') { "B" } else { "A" };
    format!("{head}{other}{}", &tail[1..])
}
