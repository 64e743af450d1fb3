//! `POST /vestibule/refresh`: the next pair of tokens for a refresh token.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body::Body;

use super::body::Media;
use super::forged::{Cookied, refuse_forged, sent};
use super::handed_out::{handed_out, set_cookies};
use super::too_many::too_many_attempts;
use super::{
    ALL_CREDENTIALS, Answer, about_body, login_url, not_at_the_moment, read, too_many_groups,
};
use crate::authenticate::credentials::bearer;
use crate::authenticate::refusal::{absence, missing_token, refused_token};
use crate::authenticate::{CredentialError, RefreshError, Refreshed, credential_problem};
use crate::gateway::Gateway;
use crate::identity::Reason;
use crate::observe::Source;
use crate::reply::{Detail, Problem};
use crate::request::RequestFacts;
use crate::session::RefreshToken;

/// Exchanges the refresh token, in the delivery that its session was opened with.
pub(super) async fn refresh<B>(
    gateway: &Gateway,
    facts: &RequestFacts,
    request: Request<B>,
) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
{
    let (parts, fields) = read(gateway, request).await;
    let mut fields = fields.map_err(about_body)?;
    fields.only(&["refresh_token"])?;
    let in_body = fields.text("refresh_token")?;
    let presented = presented(gateway, &parts.headers, in_body.as_deref());
    let presented = presented.map_err(credential_problem)?;
    let Some(token) = presented.token else {
        return Err(Box::new(Problem {
            login_url: Some(login_url(gateway)),
            ..missing(&parts.headers, fields.media())
        }));
    };
    if presented.by_cookie_only {
        let session = RefreshToken::parse(token, &gateway.ring.now()).ok();
        let session = session.map(|token| token.session);
        let cookied = Cookied {
            sessions: session.as_slice(),
            known: None,
        };
        let sent = sent(facts, &parts.method, &parts.headers, None);
        refuse_forged(gateway, facts, &sent, cookied)?;
    }
    let outcome = gateway.refresher.refresh(token, &Source::of(facts)).await;
    match &*outcome {
        Ok(Refreshed::Tokens(tokens, _)) => {
            let now = gateway.clock.now();
            Ok(handed_out(tokens, &gateway.cookies, now))
        }
        Ok(Refreshed::Refused { clear, .. }) => {
            let mut reply = gateway
                .pages
                .problem(&invalid_grant(), facts.wants, &facts.reader);
            if *clear && presented.cookie {
                set_cookies(&mut reply, gateway.cookies.clear());
            }
            Ok(reply)
        }
        Ok(Refreshed::WrongType) => Err(Box::new(
            refused_token(Reason::WrongType).about(Detail::Refresh),
        )),
        Err(RefreshError::TooOften(wait)) => Err(Box::new(too_many_attempts(*wait))),
        Err(RefreshError::TooLarge(error)) => Err(too_many_groups(error)),
        // The failure itself was logged where it happened, once for all who waited.
        Ok(Refreshed::NotOnTheWay) | Err(_) => Err(not_at_the_moment()),
    }
}

/// 401 for a request that shows no refresh token anywhere.
fn missing(headers: &HeaderMap, media: Option<Media>) -> Problem {
    missing_token().about(match media {
        Some(Media::Json) => Detail::Body,
        Some(Media::Form) | None => absence(headers, ALL_CREDENTIALS),
    })
}

/// Where the refresh token came from.
struct Presented<'a> {
    token: Option<&'a str>,
    /// A refresh cookie came.
    cookie: bool,
    /// Nothing but the cookie showed the token: a browser may have sent it unasked.
    by_cookie_only: bool,
}

/// The one token in body, header and cookie; the same one several times is one.
fn presented<'a>(
    gateway: &Gateway,
    headers: &'a HeaderMap,
    in_body: Option<&'a str>,
) -> Result<Presented<'a>, CredentialError> {
    let cookie = gateway.cookies.read(headers)?.refresh;
    one_of(in_body, bearer(headers, gateway.config.profile)?, cookie)
}

fn one_of<'a>(
    in_body: Option<&'a str>,
    in_header: Option<&'a str>,
    in_cookie: Option<&'a str>,
) -> Result<Presented<'a>, CredentialError> {
    let mut tokens = [in_body, in_header, in_cookie].into_iter().flatten();
    let token = tokens.next();
    if tokens.any(|other| Some(other) != token) {
        return Err(CredentialError::Ambiguous(
            "body, Authorization header and cookie hold different tokens",
        ));
    }
    Ok(Presented {
        token,
        cookie: in_cookie.is_some(),
        by_cookie_only: in_body.or(in_header).is_none(),
    })
}

fn invalid_grant() -> Problem {
    Problem {
        status: StatusCode::UNAUTHORIZED,
        code: "invalid_grant",
        description: "The refresh token is not valid any more. Sign in again.".into(),
        ..refused_token(Reason::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_may_come_several_times_but_not_two() {
        let (a, b) = (Some("a"), Some("b"));
        for (places, token, by_cookie_only) in [
            ([None, None, a], a, true),
            ([a, None, a], a, false),
            ([a, a, a], a, false),
            ([None, b, None], b, false),
            ([None, None, None], None, true),
        ] {
            let [body, header, cookie] = places;
            let presented = one_of(body, header, cookie).unwrap();
            assert_eq!(presented.token, token);
            assert_eq!(presented.by_cookie_only, by_cookie_only);
        }
        for [body, header, cookie] in [[a, b, None], [a, None, b], [None, a, b], [a, a, b]] {
            assert!(one_of(body, header, cookie).is_err());
        }
    }
}
