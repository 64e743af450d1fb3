//! In whose words are programs told of refusals and failures? In ours, or in those of the library that
//! the front-end was written against: one table from our codes to its statuses and messages.

use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use serde::Serialize;

use super::{Detail, PLAIN_CHALLENGE, Problem, Reply, json};

/// Whose statuses, bodies and claims front-ends and programs know (`profile`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Our own.
    #[default]
    Vestibule,
    /// Those of Flask-JWT-Extended 4: `{"msg": …}`, 422 for what is no token, and so on.
    FlaskJwtExtended,
}

impl Profile {
    /// This problem for a program.
    pub fn tell(self, problem: &Problem) -> Reply {
        match self {
            Self::Vestibule => problem.to_json(),
            Self::FlaskJwtExtended => flask_reply(problem),
        }
    }

    /// The status of that.
    pub fn status(self, problem: &Problem) -> StatusCode {
        match self {
            Self::Vestibule => problem.status,
            Self::FlaskJwtExtended => flask(problem).0,
        }
    }
}

fn flask_reply(problem: &Problem) -> Reply {
    #[derive(Serialize)]
    struct Told<'a> {
        msg: &'a str,
    }
    let (status, msg) = flask(problem);
    let mut reply = json(status, &Told { msg });
    problem.add_headers(&mut reply);
    if status == StatusCode::UNAUTHORIZED && problem.challenge.is_none() {
        // No 401 without a challenge (RFC 9110 §15.5.2).
        reply
            .headers_mut()
            .insert(WWW_AUTHENTICATE, PLAIN_CHALLENGE);
    }
    reply
}

const NO_HEADER: &str = "Missing Authorization Header";
const NO_BEARER: &str =
    "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'";
const BAD_HEADER: &str = "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'";

/// What Flask-JWT-Extended says to refusals about tokens; the rest keeps its status and gets its
/// sentence as the message. That library tells apart what is wrong with a token that is not authentic;
/// here one message stands for all of it, so that nobody can feel their way to a good one.
fn flask(problem: &Problem) -> (StatusCode, &str) {
    const INVALID: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    const STRANGER: StatusCode = StatusCode::UNAUTHORIZED;
    match (problem.code, problem.detail) {
        ("missing_token", Detail::Scheme) | ("ambiguous_credentials", Detail::Header) => {
            (STRANGER, NO_BEARER)
        }
        ("missing_token", Detail::Cookie) => (STRANGER, r#"Missing cookie "access_token_cookie""#),
        ("missing_token", Detail::Body) => {
            (STRANGER, r#"Missing "refresh_token" key in json data."#)
        }
        ("missing_token", _) => (STRANGER, NO_HEADER),
        ("invalid_request", Detail::Header) => (INVALID, BAD_HEADER),
        ("invalid_token", _) => (INVALID, "Signature verification failed"),
        ("wrong_token_type", Detail::Refresh) => (INVALID, "Only refresh tokens are allowed"),
        ("wrong_token_type", _) => (INVALID, "Only non-refresh tokens are allowed"),
        ("token_expired", _) => (STRANGER, "Token has expired"),
        ("token_revoked" | "invalid_grant", _) => (STRANGER, "Token has been revoked"),
        ("reauthentication_required", _) => (STRANGER, "Fresh token required"),
        ("forbidden", _) => (StatusCode::BAD_REQUEST, "User claims verification failed"),
        ("csrf_rejected", Detail::OtherToken) => {
            (STRANGER, "CSRF double submit tokens do not match")
        }
        ("csrf_rejected", _) => (STRANGER, "Missing CSRF token"),
        ("unsupported_media_type", Detail::Body) => {
            (STRANGER, "Invalid content-type. Must be application/json.")
        }
        _ => (problem.status, &problem.description),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn problem(status: u16, code: &'static str, detail: Detail) -> Problem {
        Problem::new(StatusCode::from_u16(status).unwrap(), code, "As it is.").about(detail)
    }

    /// Every code with every detail that makes a difference.
    const TABLE: [(u16, &str, Detail, u16, &str); 28] = [
        (401, "missing_token", Detail::None, 401, NO_HEADER),
        (401, "missing_token", Detail::Header, 401, NO_HEADER),
        (401, "missing_token", Detail::Refresh, 401, NO_HEADER),
        (401, "missing_token", Detail::Scheme, 401, NO_BEARER),
        (
            401,
            "missing_token",
            Detail::Cookie,
            401,
            "Missing cookie \"access_token_cookie\"",
        ),
        (
            401,
            "missing_token",
            Detail::Body,
            401,
            "Missing \"refresh_token\" key in json data.",
        ),
        (400, "ambiguous_credentials", Detail::Header, 401, NO_BEARER),
        (400, "ambiguous_credentials", Detail::None, 400, "As it is."),
        (400, "invalid_request", Detail::Header, 422, BAD_HEADER),
        (400, "invalid_request", Detail::None, 400, "As it is."),
        (431, "invalid_request", Detail::None, 431, "As it is."),
        (
            401,
            "invalid_token",
            Detail::None,
            422,
            "Signature verification failed",
        ),
        (
            401,
            "wrong_token_type",
            Detail::None,
            422,
            "Only non-refresh tokens are allowed",
        ),
        (
            401,
            "wrong_token_type",
            Detail::Refresh,
            422,
            "Only refresh tokens are allowed",
        ),
        (401, "token_expired", Detail::None, 401, "Token has expired"),
        (
            401,
            "token_revoked",
            Detail::None,
            401,
            "Token has been revoked",
        ),
        (
            401,
            "invalid_grant",
            Detail::None,
            401,
            "Token has been revoked",
        ),
        (
            401,
            "reauthentication_required",
            Detail::None,
            401,
            "Fresh token required",
        ),
        (401, "invalid_credentials", Detail::None, 401, "As it is."),
        (
            403,
            "forbidden",
            Detail::None,
            400,
            "User claims verification failed",
        ),
        (
            403,
            "csrf_rejected",
            Detail::None,
            401,
            "Missing CSRF token",
        ),
        (
            403,
            "csrf_rejected",
            Detail::OtherToken,
            401,
            "CSRF double submit tokens do not match",
        ),
        (
            415,
            "unsupported_media_type",
            Detail::Body,
            401,
            "Invalid content-type. Must be application/json.",
        ),
        (
            415,
            "unsupported_media_type",
            Detail::None,
            415,
            "As it is.",
        ),
        (429, "too_many_attempts", Detail::None, 429, "As it is."),
        (404, "not_found", Detail::None, 404, "As it is."),
        (
            503,
            "temporarily_unavailable",
            Detail::None,
            503,
            "As it is.",
        ),
        (504, "upstream_timeout", Detail::None, 504, "As it is."),
    ];

    async fn body(reply: Reply) -> serde_json::Value {
        let bytes = reply.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn the_whole_table_is_told_in_the_words_of_flask_jwt_extended() {
        for (status, code, detail, told, msg) in TABLE {
            let problem = problem(status, code, detail);
            let profile = Profile::FlaskJwtExtended;
            assert_eq!(profile.status(&problem), told, "{code} {detail:?}");
            let reply = profile.tell(&problem);
            assert_eq!(reply.status(), told, "{code} {detail:?}");
            let is_challenged = reply.headers().contains_key(WWW_AUTHENTICATE);
            assert_eq!(is_challenged, told == 401, "{code} {detail:?}");
            let expected = serde_json::json!({ "msg": msg });
            assert_eq!(body(reply).await, expected, "{code} {detail:?}");
        }
    }

    #[tokio::test]
    async fn our_own_words_are_told_whatever_the_detail() {
        for (status, code, detail, _, _) in TABLE {
            let problem = problem(status, code, detail);
            assert_eq!(Profile::Vestibule.status(&problem), status);
            let reply = Profile::Vestibule.tell(&problem);
            assert_eq!(reply.status(), status);
            assert_eq!(body(reply).await["error"], code);
        }
    }

    #[test]
    fn what_belongs_to_a_problem_goes_with_it() {
        let told = Profile::FlaskJwtExtended.tell(&Problem::unavailable("Later."));
        assert_eq!(told.headers()["retry-after"], "1");
        let revoked = problem(401, "token_revoked", Detail::None);
        let challenge = http::HeaderValue::from_static("Bearer error=\"invalid_token\"");
        let told = Profile::FlaskJwtExtended.tell(&revoked.challenged(challenge.clone()));
        assert_eq!(told.headers()[WWW_AUTHENTICATE], challenge);
    }
}
