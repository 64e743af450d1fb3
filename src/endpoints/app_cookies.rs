//! Which cookies of apps are deleted because another person may come after this one?

use http::HeaderValue;

use crate::config::{AppCookie, RouteSettings};
use crate::gateway::Gateway;
use crate::identity::SessionId;
use crate::login::OpenSession;
use crate::policy::HostPattern;
use crate::request::{Host, RequestFacts, Scheme};
use crate::session::{Delivery, Tokens};

/// The `Set-Cookie` values that delete the session cookies of the apps at this host.
pub(super) fn cleared(gateway: &Gateway, facts: &RequestFacts) -> Vec<HeaderValue> {
    let host = facts.host.as_ref();
    let mut fields = Vec::new();
    for settings in &gateway.config.routes {
        let cookies = settings.session_cookies.iter();
        for cookie in cookies.filter(|cookie| is_known_at(cookie, settings, host)) {
            for path in paths(cookie, settings) {
                fields.push(deletion(cookie, &path, facts.scheme));
            }
        }
    }
    fields.sort_unstable();
    fields.dedup();
    let values = fields.into_iter();
    values
        .filter_map(|f| HeaderValue::try_from(f).ok())
        .collect()
}

/// The same after a sign-in with these tokens, unless the session that it replaced was of the same user:
/// what the app knows the browser by may have been given to somebody else.
pub(super) async fn cleared_for_another(
    gateway: &Gateway,
    facts: &RequestFacts,
    wanted: &OpenSession,
    tokens: &Tokens,
) -> Vec<HeaderValue> {
    let fields = match tokens.delivery {
        Delivery::Token => Vec::new(),
        Delivery::Cookie | Delivery::Hybrid => cleared(gateway, facts),
    };
    if fields.is_empty() || are_of_one(gateway, wanted.replaces, tokens.session).await {
        return Vec::new();
    }
    fields
}

/// Whether both sessions are known to be of the same user.
async fn are_of_one(gateway: &Gateway, before: Option<SessionId>, now: SessionId) -> bool {
    let Some(before) = before else {
        return false;
    };
    let users = (gateway.sessions.load(before), gateway.sessions.load(now));
    match (users.0.await, users.1.await) {
        (Ok(Some(before)), Ok(Some(now))) => before.row.user == now.row.user,
        _ => false,
    }
}

/// Whether a browser sends this cookie of a route's app to this host.
fn is_known_at(cookie: &AppCookie, settings: &RouteSettings, host: Option<&Host>) -> bool {
    let is_shared = cookie
        .domain
        .as_deref()
        .zip(host)
        .is_some_and(|(domain, host)| host.is_within(domain));
    match (&settings.route.host, host) {
        (HostPattern::Ours | HostPattern::Any, _) => true,
        (HostPattern::Only(only), Some(host)) => is_shared || only.name() == host.name(),
        (HostPattern::Only(_), None) => false,
    }
}

/// The paths that the app may have set it for. Without its being said: everything, or its route.
fn paths(cookie: &AppCookie, settings: &RouteSettings) -> Vec<String> {
    if let Some(path) = &cookie.path {
        return vec![path.to_string()];
    }
    let own = settings.route.prefix.as_str();
    let mut paths = vec!["/".to_owned()];
    if own != "/" {
        paths.extend([own.to_owned(), format!("{own}/")]);
    }
    paths
}

fn deletion(cookie: &AppCookie, path: &str, scheme: Scheme) -> String {
    let domain = cookie.domain.as_ref();
    let domain = domain.map_or_else(String::new, |domain| format!("; Domain={domain}"));
    // Without it, browsers leave cookies of the name __Host-… and __Secure-… alone.
    let secure = match scheme {
        Scheme::Https => "; Secure",
        Scheme::Http => "",
    };
    let name = &cookie.name;
    format!(
        "{name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path={path}{domain}{secure}"
    )
}
