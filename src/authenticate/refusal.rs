//! How is a credential that is no good told to the caller? (RFC 6750 §3)

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::authenticate::CredentialError;
use crate::identity::{Reason, Refused};
use crate::policy::{Accepts, Challenge};
use crate::reply::{Detail, Problem};

pub use crate::reply::PLAIN_CHALLENGE;

/// 401 for a request that needs a sign-in. `login_url` is told to callers that cannot be redirected.
pub fn challenge_problem(challenge: Challenge, login_url: Option<String>) -> Problem {
    let problem = match challenge {
        Challenge::Missing => missing_token(),
        Challenge::Refused(Refused { reason, .. }) => refused_token(reason),
        Challenge::TooOld { max_age, .. } => too_old(max_age),
    };
    Problem {
        login_url,
        ..problem
    }
}

/// 401 `missing_token`.
pub fn missing_token() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "missing_token",
        "Sign in first: the request carries no token.",
    )
    .challenged(PLAIN_CHALLENGE)
}

/// What a request without one of our tokens showed instead, where these credentials are accepted.
pub fn absence(headers: &HeaderMap, accepts: Accepts) -> Detail {
    let is_blank = |field: &HeaderValue| field.as_bytes().iter().all(|b| b" \t,".contains(b));
    if !accepts.header {
        Detail::Cookie
    } else if headers.get(AUTHORIZATION).is_none_or(is_blank) {
        Detail::None
    } else {
        Detail::Scheme
    }
}

/// 401 for a sign-in that was too long ago (RFC 9470 §3).
fn too_old(max_age: Duration) -> Problem {
    let challenge = format!(
        r#"Bearer realm="vestibule", error="insufficient_user_authentication", error_description="the sign-in was too long ago", max_age="{}""#,
        max_age.as_secs()
    );
    let problem = Problem::new(
        StatusCode::UNAUTHORIZED,
        "reauthentication_required",
        "You signed in too long ago for this. Sign in again.",
    );
    problem.challenged(HeaderValue::try_from(challenge).unwrap_or(PLAIN_CHALLENGE))
}

/// 401 for a token that is no good. All broken and forged tokens get the same words.
pub fn refused_token(reason: Reason) -> Problem {
    let (code, description, challenge) = match reason {
        Reason::Invalid => (
            "invalid_token",
            "The token is not valid here. Sign in again.",
            r#"Bearer realm="vestibule", error="invalid_token", error_description="the token is not valid""#,
        ),
        Reason::Expired => (
            "token_expired",
            "The token has expired. Refresh it or sign in again.",
            r#"Bearer realm="vestibule", error="invalid_token", error_description="the token has expired""#,
        ),
        Reason::Revoked => (
            "token_revoked",
            "The session of this token was ended. Sign in again.",
            r#"Bearer realm="vestibule", error="invalid_token", error_description="the token was revoked""#,
        ),
        Reason::WrongType => (
            "wrong_token_type",
            "This kind of token cannot be used here.",
            r#"Bearer realm="vestibule", error="invalid_token", error_description="the token is of the wrong type""#,
        ),
    };
    Problem::new(StatusCode::UNAUTHORIZED, code, description)
        .challenged(HeaderValue::from_static(challenge))
}

/// 400 or 431 for credentials that can be read in two ways or not at all.
pub fn credential_problem(error: CredentialError) -> Problem {
    match error {
        CredentialError::Ambiguous(what) => ambiguous(what),
        CredentialError::Several(what) => ambiguous(what).about(Detail::Header),
        CredentialError::Malformed(what) => {
            Problem::invalid_request(format!("The credential cannot be read: {what}."))
                .about(Detail::Header)
        }
        CredentialError::TooLarge => Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "invalid_request",
            "The cookies are larger than 16 KiB together.",
        )
        .worded("cookies_too_large"),
    }
}

fn ambiguous(what: &str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "ambiguous_credentials",
        format!("Send one credential: {what}."),
    )
}

/// 503 for a good access token where the store has not said for too long what was ended.
pub fn unchecked_problem() -> Problem {
    Problem::unavailable(
        "Whether you are still signed in cannot be told at the moment. Please try again.",
    )
    .worded("sign_in_unchecked")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Proof;

    fn challenge_of(problem: &Problem) -> &str {
        problem.challenge.as_ref().unwrap().to_str().unwrap()
    }

    #[test]
    fn a_missing_token_is_challenged_without_an_error() {
        let problem = challenge_problem(Challenge::Missing, Some("/vestibule/login".into()));
        assert_eq!(problem.status, StatusCode::UNAUTHORIZED);
        assert_eq!(challenge_of(&problem), r#"Bearer realm="vestibule""#);
        assert_eq!(problem.login_url.as_deref(), Some("/vestibule/login"));
    }

    #[test]
    fn each_reason_has_its_code_and_the_one_error_of_rfc_6750() {
        for (reason, code) in [
            (Reason::Invalid, "invalid_token"),
            (Reason::Expired, "token_expired"),
            (Reason::Revoked, "token_revoked"),
            (Reason::WrongType, "wrong_token_type"),
        ] {
            let proof = Proof::Bearer;
            let refused = Challenge::Refused(Refused { reason, proof });
            let problem = challenge_problem(refused, None);
            assert_eq!(problem.code, code);
            assert!(
                challenge_of(&problem).contains(r#"error="invalid_token", error_description=""#)
            );
        }
    }

    #[test]
    fn what_came_instead_of_a_token_is_known() {
        let of = |header, value: Option<&'static str>| {
            let value = value.map(|value| (AUTHORIZATION, HeaderValue::from_static(value)));
            let accepts = Accepts {
                header,
                cookie: true,
            };
            absence(&HeaderMap::from_iter(value), accepts)
        };
        assert_eq!(of(true, None), Detail::None);
        assert_eq!(of(true, Some(" ,")), Detail::None);
        assert_eq!(of(true, Some("Basic c")), Detail::Scheme);
        assert_eq!(of(false, None), Detail::Cookie);
        assert_eq!(of(false, Some("Bearer t")), Detail::Cookie);
    }

    #[test]
    fn unreadable_credentials_are_the_callers_mistake() {
        for (error, status, code) in [
            (
                CredentialError::Ambiguous("x"),
                400,
                "ambiguous_credentials",
            ),
            (CredentialError::Several("x"), 400, "ambiguous_credentials"),
            (CredentialError::Malformed("x"), 400, "invalid_request"),
            (CredentialError::TooLarge, 431, "invalid_request"),
        ] {
            let problem = credential_problem(error);
            assert_eq!((problem.status.as_u16(), problem.code), (status, code));
        }
    }
}
