//! Who the app is told is asking: identity headers, the route's templates, the assertion.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::Timestamp;
use crate::config::{HeaderSettings, RouteSettings};
use crate::identity::Known;
use crate::identity::user::IdentityHeaders;
use crate::policy::RouteId;
use crate::proxy::assertions::Assertions;

const USER: HeaderName = HeaderName::from_static("x-forwarded-user");
const PREFERRED_USERNAME: HeaderName = HeaderName::from_static("x-forwarded-preferred-username");
const EMAIL: HeaderName = HeaderName::from_static("x-forwarded-email");
const NAME: HeaderName = HeaderName::from_static("x-forwarded-name");
const GROUPS: HeaderName = HeaderName::from_static("x-forwarded-groups");
const ASSERTION: HeaderName = HeaderName::from_static("x-vestibule-assertion");

/// Puts in what the settings and the route say about a known visitor. Whatever of the kind the
/// caller sent must be gone before.
pub(super) fn inject(
    headers: &mut HeaderMap,
    known: &Known,
    settings: HeaderSettings,
    (id, route): (RouteId, &RouteSettings),
    assertions: &Assertions,
    now: Timestamp,
) {
    if settings.identity {
        inject_identity(headers, &known.identity.headers);
    }
    if settings.assertion {
        let assertion = assertions.assertion(known, id, &route.route.name, now);
        insert(headers, ASSERTION, assertion);
    }
    for (name, template) in &route.headers {
        insert(headers, name.clone(), template.render(known));
    }
}

fn inject_identity(headers: &mut HeaderMap, identity: &IdentityHeaders) {
    headers.insert(USER, identity.name.clone());
    headers.insert(PREFERRED_USERNAME, identity.name.clone());
    insert(headers, EMAIL, identity.email.clone());
    insert(headers, NAME, identity.display_name.clone());
    insert(headers, GROUPS, identity.groups.clone());
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}
