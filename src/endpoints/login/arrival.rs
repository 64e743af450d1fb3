//! Did the cookies of a sign-in come back? Asked right after the form, so that nobody signs in again and
//! again without a word.

use http::header::{COOKIE, HeaderValue, ORIGIN};
use http::{HeaderMap, StatusCode};

use super::{COOKIES_ALONE, TWICE, go_on};
use crate::authenticate::{CredentialError, Credentials, Renewal, credential_problem, credentials};
use crate::endpoints::Answer;
use crate::endpoints::handed_out::set_cookies;
use crate::gateway::Gateway;
use crate::identity::Visitor;
use crate::policy::{Astray, Came, HostPattern, ReturnTo, RevocationCheck, Seen, astray};
use crate::reply::{self, Problem, Reply};
use crate::request::{Origin, RequestFacts, Scheme};

/// What the address of the sign-in page says when its form was sent and was right.
const SIGNED_IN: (&str, &str) = ("after", "sign-in");

/// Why somebody was sent to the sign-in page.
pub(super) enum Arrival {
    /// To sign in.
    Asked,
    /// They have signed in.
    SignedIn,
    /// A cookie of ours came twice where they want to go.
    Twice,
}

impl Arrival {
    /// Reads it from the query of the page's address.
    pub(super) fn of(query: &str) -> Self {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs
            .find_map(|(name, value)| match (&*name, &*value) {
                pair if pair == SIGNED_IN => Some(Self::SignedIn),
                pair if pair == TWICE => Some(Self::Twice),
                _ => None,
            })
            .unwrap_or(Self::Asked)
    }
}

/// Sends somebody who has signed in to where it is seen whether their cookies come back.
pub(super) fn check(gateway: &Gateway, return_to: &ReturnTo) -> Reply {
    let (name, value) = SIGNED_IN;
    let address = format!("{}&{name}={value}", sign_in_at("", gateway, return_to));
    reply::go_to(&address)
}

/// Where they have come back, the person goes on; else they are told why not.
pub(super) fn look(
    gateway: &Gateway,
    facts: &RequestFacts,
    headers: &HeaderMap,
    return_to: &ReturnTo,
) -> Answer {
    let profile = gateway.config.profile;
    let came = match credentials(headers, COOKIES_ALONE, &gateway.cookies, profile) {
        Ok(found) if is_good(gateway, found) => return Ok(go_on(return_to)),
        Ok(Credentials::None) if !headers.contains_key(COOKIE) => Came::Nothing,
        Ok(Credentials::None) => Came::Others,
        Ok(Credentials::Cookies(_) | Credentials::Bearer(_)) => Came::Refused,
        Err(CredentialError::Ambiguous(_)) => {
            return Ok(twice(gateway, facts, return_to, gateway.cookies.clear()));
        }
        Err(error) => return Err(Box::new(credential_problem(error))),
    };
    let asked = facts.origin();
    let cause = astray(Seen {
        asked: asked.as_ref(),
        is_ours: asked.as_ref().is_none_or(|asked| is_ours(gateway, asked)),
        is_plain: facts.scheme == Scheme::Http && !headers.contains_key("sec-fetch-site"),
        secure: gateway.cookies.are_secure(),
        domain: gateway.config.cookies.domain.as_deref(),
        came,
    });
    tracing::info!(?cause, "the cookies of a sign-in did not come back");
    Err(Box::new(problem(cause, gateway, asked.as_ref(), return_to)))
}

/// Whether the way on leads on. A refresh cookie alone is renewed there.
fn is_good(gateway: &Gateway, found: Credentials<'_>) -> bool {
    let now = gateway.clock.now();
    let authenticator = &gateway.authenticator;
    let visitor = authenticator.visitor(found, RevocationCheck::Local, now);
    match visitor {
        Visitor::Known(_) | Visitor::Unchecked => true,
        Visitor::Stranger | Visitor::Refused(_) => matches!(
            authenticator.renewal(found, &visitor, now),
            Renewal::Present(_)
        ),
    }
}

fn is_ours(gateway: &Gateway, asked: &Origin) -> bool {
    let mut routes = gateway.config.routes.iter();
    gateway.config.server.public_urls.contains(asked)
        || routes.any(|settings| match &settings.route.host {
            HostPattern::Only(host) => host.name() == asked.host.name(),
            HostPattern::Ours | HostPattern::Any => false,
        })
}

/// Tells of a cookie that came twice, where there is nothing else to say, and clears what others may
/// have set on the way there.
pub(super) fn twice(
    gateway: &Gateway,
    facts: &RequestFacts,
    return_to: &ReturnTo,
    cleared: Vec<HeaderValue>,
) -> Reply {
    let problem = Problem {
        login_url: Some(sign_in_at("", gateway, return_to)),
        ..told(gateway, StatusCode::BAD_REQUEST, "ambiguous_cookies")
    };
    let mut reply = gateway.pages.problem(&problem, facts.wants, &facts.reader);
    set_cookies(&mut reply, cleared);
    set_cookies(&mut reply, along(gateway, return_to));
    reply
}

/// Clears what others may have set for the paths that lead there.
pub(super) fn along(gateway: &Gateway, return_to: &ReturnTo) -> Vec<HeaderValue> {
    let path = return_to.as_str().split(['?', '#']).next();
    gateway.cookies.clear_along(path.unwrap_or_default())
}

/// What is wrong where a form of our own page came by another scheme than the one that is configured.
pub(super) fn wrong_scheme(
    gateway: &Gateway,
    facts: &RequestFacts,
    headers: &HeaderMap,
) -> Option<Box<Problem>> {
    let own = facts.origin().filter(|_| facts.wants.page)?;
    let sender = Origin::parse(headers.get(ORIGIN)?.to_str().ok()?)?;
    if sender.host.name() != own.host.name() || sender.scheme == own.scheme {
        return None;
    }
    let root = ReturnTo::parse("/", &gateway.config.server.prefix);
    let problem = match sender.scheme {
        Scheme::Http => problem(Astray::PlainHttp, gateway, Some(&sender), &root),
        Scheme::Https => told(gateway, StatusCode::FORBIDDEN, "plain_public_url"),
    };
    let status = StatusCode::FORBIDDEN;
    Some(Box::new(Problem { status, ..problem }))
}

/// What a person is told, and whoever runs the site.
fn problem(
    cause: Astray,
    gateway: &Gateway,
    asked: Option<&Origin>,
    return_to: &ReturnTo,
) -> Problem {
    let public = &gateway.config.server.public_urls;
    let elsewhere = match cause {
        Astray::Refused | Astray::Blocked | Astray::Lost => None,
        Astray::PlainHttp => {
            let mut by_https = public.iter().filter(|url| url.scheme == Scheme::Https);
            let same = |url: &&Origin| asked.is_some_and(|a| a.host.name() == url.host.name());
            by_https.clone().find(same).or_else(|| by_https.next())
        }
        Astray::OutsideDomain | Astray::UnknownAddress => public.first(),
    };
    let origin = elsewhere.map_or_else(String::new, Origin::to_string);
    Problem {
        login_url: Some(sign_in_at(&origin, gateway, return_to)),
        ..told(gateway, StatusCode::BAD_REQUEST, code(cause))
    }
}

/// The address of the sign-in page, at this origin or here, from which one goes on to `return_to`.
fn sign_in_at(origin: &str, gateway: &Gateway, return_to: &ReturnTo) -> String {
    let page = gateway
        .config
        .server
        .prefix
        .sign_in_page(return_to.as_str());
    format!("{origin}{page}")
}

/// A problem of which the pages have all the words.
fn told(gateway: &Gateway, status: StatusCode, code: &'static str) -> Problem {
    Problem::new(status, code, gateway.pages.in_english(code))
}

const fn code(cause: Astray) -> &'static str {
    match cause {
        Astray::Refused => "sign_in_refused",
        Astray::PlainHttp => "https_needed",
        Astray::OutsideDomain => "outside_domain",
        Astray::UnknownAddress => "unknown_address",
        Astray::Blocked => "cookies_blocked",
        Astray::Lost => "cookies_lost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PagesSettings;
    use crate::pages::Pages;
    use crate::policy::OwnPrefix;
    use crate::reply::Profile;

    #[test]
    fn every_cause_is_told_in_words_that_the_pages_have() {
        let prefix = OwnPrefix::parse("/vestibule").unwrap();
        let pages = Pages::new(&prefix, Profile::default(), &PagesSettings::default()).unwrap();
        for (cause, told) in [
            (Astray::Refused, "the clocks of its machines differ"),
            (
                Astray::PlainHttp,
                "Open it with https:// and sign in there.",
            ),
            (Astray::OutsideDomain, "this host is not in cookies.domain"),
            (Astray::UnknownAddress, "must be in server.public_url"),
            (Astray::Blocked, "a proxy may take Set-Cookie or Cookie off"),
            (Astray::Lost, "sends only others"),
        ] {
            let words = pages.in_english(code(cause));
            assert!(words.contains(told) && !words.contains('\n'), "{words}");
        }
    }
}
