//! The words of a refusal: from the outcome of each step to what the caller is told.

use std::error::Error as _;

use http::header::REFERER;
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use crate::authenticate::refusal;
use crate::endpoints::TWICE;
use crate::policy::{Accepts, Challenge, OwnPrefix, ReturnTo};
use crate::proxy::ForwardError;
use crate::reply::{Problem, Reply, see_other};
use crate::request::{Ambiguous, Malformed, Origin, PathError, RequestFacts};

/// How a sign-in is asked for.
pub(super) enum Challenged {
    /// The browser goes to the sign-in page.
    Elsewhere(Reply),
    /// The caller is told.
    Here(Problem),
}

/// A navigation is sent to the sign-in page and comes back to `target`; everybody else is told.
/// Whoever sent a Bearer token is a program and is told what is wrong with it; where the route takes
/// no cookies, signing in with a browser would lead back here for ever.
pub(super) fn challenge(
    challenge: Challenge,
    accepts: Accepts,
    facts: &RequestFacts,
    prefix: &OwnPrefix,
    target: &str,
) -> Challenged {
    let target = ReturnTo::parse(target, prefix);
    let login_url = prefix.sign_in_page(target.as_str());
    if facts.wants.redirect
        && challenge.is_for_a_browser()
        && accepts.cookie
        && let Ok(location) = HeaderValue::from_str(&login_url)
    {
        return Challenged::Elsewhere(see_other(location));
    }
    Challenged::Here(refusal::challenge_problem(challenge, Some(login_url)))
}

/// Where whoever signs in is to come back to: where they were going, or from a frame to the page around
/// it, because they sign in in its place.
pub(super) fn target<'a>(facts: &RequestFacts, request: &'a Parts) -> &'a str {
    let around = facts.wants.frame.then(|| own_referer(facts, request));
    around.flatten().unwrap_or_else(|| {
        let target = request.uri.path_and_query();
        target.map_or("/", |target| target.as_str())
    })
}

/// Path and query of `Referer`, where it is of the request's own origin.
fn own_referer<'a>(facts: &RequestFacts, request: &'a Parts) -> Option<&'a str> {
    let referer = request.headers.get(REFERER)?.to_str().ok()?;
    let authority = referer.find("://")? + "://".len();
    let path = authority + referer.get(authority..)?.find('/')?;
    let (origin, path) = referer.split_at_checked(path)?;
    (Origin::parse(origin)? == facts.origin()?).then_some(path)
}

/// Sends a person of whose cookies one came twice to the sign-in page, which says so.
pub(super) fn sort_out(prefix: &OwnPrefix, target: &str) -> Option<Reply> {
    let target = ReturnTo::parse(target, prefix);
    let (name, value) = TWICE;
    let address = format!("{}&{name}={value}", prefix.sign_in_page(target.as_str()));
    HeaderValue::try_from(address).ok().map(see_other)
}

pub(super) fn ambiguous(why: &Ambiguous) -> Problem {
    match why {
        Ambiguous::Malformed(what) => Problem {
            worded: malformed(*what),
            ..Problem::invalid_request(why.to_string())
        },
        Ambiguous::Path(error) => {
            Problem::invalid_request(why.to_string()).worded(unreadable(*error))
        }
        Ambiguous::Method(_) => Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "method_not_allowed",
            why.to_string(),
        )
        .worded("method_not_forwarded"),
    }
}

/// `None` where nobody looks at a page.
const fn malformed(what: Malformed) -> Option<&'static str> {
    Some(match what {
        Malformed::Expectation => "expect",
        Malformed::TransferCoding => "transfer_encoding",
        Malformed::Connection => "connection",
        Malformed::Host => "host",
        Malformed::Hosts => "hosts",
        Malformed::NoHost => "no_host",
        Malformed::OtherHost => "other_host",
        Malformed::Asterisk => "asterisk",
        Malformed::Target => "target",
        Malformed::ForwardedHost => "forwarded_host",
        Malformed::ForwardedScheme => "forwarded_proto",
        Malformed::Handshake(_) => return None,
    })
}

const fn unreadable(error: PathError) -> &'static str {
    match error {
        PathError::NotAbsolute => "path_start",
        PathError::BadEscape => "path_escape",
        PathError::NotUtf8 => "path_not_utf8",
        PathError::TooManyReadings => "path_readings",
    }
}

pub(super) fn ambiguous_path() -> Problem {
    Problem::invalid_request(
        "The path can be read in more than one way, and the readings lead to different places.",
    )
    .worded("path_ambiguous")
}

pub(super) fn nowhere() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "Nothing is served under this address.",
    )
}

pub(super) fn misdirected() -> Problem {
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "misdirected_request",
        "This host is not served here: it is neither in public_url nor the host of a route.",
    )
    .worded("host_not_served")
}

pub(super) fn denied() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        "You are signed in, but you may not see this.",
    )
}

pub(super) fn failed(error: &ForwardError) -> Problem {
    match error {
        ForwardError::Unreachable(_) | ForwardError::BadAnswer(_) => Problem::new(
            StatusCode::BAD_GATEWAY,
            "upstream_unreachable",
            "The app behind this address cannot be reached. Try again in a moment.",
        ),
        ForwardError::TimedOut => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "upstream_timeout",
            "The app behind this address did not answer in time. Try again in a moment.",
        ),
        ForwardError::BodyTimedOut => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "The request body did not arrive in time.",
        ),
        ForwardError::BadBody(_) => {
            Problem::invalid_request("The request body is incomplete or malformed.").worded("body")
        }
    }
}

/// The one place where a failed forward is logged.
pub(super) fn log_failure(route: &str, error: &ForwardError) {
    let cause = error.source().map(tracing::field::display);
    tracing::warn!(route, cause, "{error}");
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::config::PagesSettings;
    use crate::pages::Pages;
    use crate::reply::Profile;
    use crate::request::{Reader, Wants};

    #[tokio::test]
    async fn what_is_wrong_with_a_request_is_told_in_the_readers_language() {
        let prefix = OwnPrefix::parse("/vestibule").unwrap();
        let pages = Pages::new(&prefix, Profile::default(), &PagesSettings::default()).unwrap();
        let headers = http::HeaderMap::from_iter([(
            http::header::ACCEPT_LANGUAGE,
            HeaderValue::from_static("ja"),
        )]);
        let reader = Reader::read(&headers, "");
        let wants = Wants {
            page: true,
            frame: false,
            redirect: false,
            grpc: None,
        };
        let malformed = [
            Malformed::Expectation,
            Malformed::TransferCoding,
            Malformed::Connection,
            Malformed::Host,
            Malformed::Hosts,
            Malformed::NoHost,
            Malformed::OtherHost,
            Malformed::Asterisk,
            Malformed::Target,
            Malformed::ForwardedHost,
            Malformed::ForwardedScheme,
        ];
        let unreadable = [
            PathError::NotAbsolute,
            PathError::BadEscape,
            PathError::NotUtf8,
            PathError::TooManyReadings,
        ];
        let malformed = malformed.map(Ambiguous::Malformed).into_iter();
        let unreadable = unreadable.map(Ambiguous::Path).into_iter();
        for why in malformed
            .chain(unreadable)
            .chain([Ambiguous::Method("TRACE")])
        {
            let reply = pages.problem(&ambiguous(&why), wants, &reader);
            let html = reply.into_body().collect().await.unwrap().to_bytes();
            let html = String::from_utf8(html.to_vec()).unwrap();
            assert!(!html.contains("lang=\"en\""), "{why:?}: {html}");
        }
    }
}
