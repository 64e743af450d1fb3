//! How are tokens handed out? In the body, as cookies, or one of each, as the session was opened.

use http::StatusCode;
use http::header::{HeaderValue, PRAGMA, SET_COOKIE};
use serde::Serialize;

use crate::authenticate::Cookies;
use crate::clock::Timestamp;
use crate::reply::{self, Reply};
use crate::session::{Delivery, Tokens};

/// RFC 6749 §5.1. What went into a cookie is not in the body.
#[derive(Serialize)]
struct HandedOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<&'a str>,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    refresh_expires_in: u64,
    session_id: String,
}

/// The answer to a sign-in or a refresh by a program.
pub(super) fn handed_out(tokens: &Tokens, cookies: &Cookies, now: Timestamp) -> Reply {
    let (access_in_body, refresh_in_body) = match tokens.delivery {
        Delivery::Token => (true, true),
        Delivery::Hybrid => (true, false),
        Delivery::Cookie => (false, false),
    };
    let told = HandedOut {
        token_type: access_in_body.then_some("Bearer"),
        access_token: access_in_body.then(|| tokens.access.text.expose().as_str()),
        expires_in: tokens.access.expires_at.since(now).as_secs(),
        refresh_token: refresh_in_body.then(|| tokens.refresh.expose().as_str()),
        refresh_expires_in: tokens.refresh_expires_at.since(now).as_secs(),
        session_id: tokens.session.to_string(),
    };
    let mut reply = reply::json(StatusCode::OK, &told);
    set_cookies(&mut reply, cookies.set(tokens));
    reply
        .headers_mut()
        .insert(PRAGMA, HeaderValue::from_static("no-cache"));
    reply
}

/// Adds `Set-Cookie` fields.
pub(super) fn set_cookies(reply: &mut Reply, cookies: impl IntoIterator<Item = HeaderValue>) {
    for cookie in cookies {
        reply.headers_mut().append(SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::identity::{Secret, SessionId};
    use crate::session::access_token::Minted;

    async fn answer(delivery: Delivery) -> (usize, String) {
        let tokens = Tokens {
            access: Minted {
                text: Secret::new("A".to_owned()),
                expires_at: Timestamp::from_seconds(1300),
            },
            refresh: Secret::new("R".to_owned()),
            refresh_expires_at: Timestamp::from_seconds(2000),
            session: SessionId::from_bytes([0; 16]),
            generation: 1,
            claims_epoch: 1,
            session_epoch: 0,
            delivery,
            remember: true,
            issued_at: Timestamp::from_seconds(1000),
        };
        let now = Timestamp::from_seconds(1001);
        let reply = handed_out(&tokens, &Cookies::new(&[]), now);
        let cookies = reply.headers().get_all(SET_COOKIE).iter().count();
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        (cookies, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn each_token_goes_to_one_place() {
        let rest = r#""session_id":"AAAAAAAAAAAAAAAAAAAAAA"}"#;
        let both = r#"{"token_type":"Bearer","access_token":"A","expires_in":299,"refresh_token":"R","refresh_expires_in":999,"#;
        let access = r#"{"token_type":"Bearer","access_token":"A","expires_in":299,"refresh_expires_in":999,"#;
        let none = r#"{"expires_in":299,"refresh_expires_in":999,"#;
        for (delivery, cookies, start) in [
            (Delivery::Token, 0, both),
            (Delivery::Hybrid, 1, access),
            (Delivery::Cookie, 2, none),
        ] {
            assert_eq!(answer(delivery).await, (cookies, format!("{start}{rest}")));
        }
    }
}
