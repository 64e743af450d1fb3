//! A request to an app is decided after its session was renewed.

use http::Method;
use http::header::HeaderValue;
use http::request::Parts;

use super::{Judged, Manner, answer, conclude};
use crate::authenticate::{Credentials, Refreshed};
use crate::clock::Timestamp;
use crate::endpoints::renewing::{self, Renewed, Riding};
use crate::gate::notes::Notes;
use crate::gateway::Gateway;
use crate::identity::{Secret, Visitor};
use crate::policy::{ReturnTo, Route, RouteId};
use crate::reply::see_other;
use crate::request::RequestFacts;
use crate::session::{RefreshToken, Verdict};

/// A request that is decided after its session was renewed.
pub(super) struct Renewing {
    pub(super) route: RouteId,
    pub(super) presented: RefreshToken,
    /// Who is asking if nothing is renewed.
    pub(super) otherwise: Visitor,
    pub(super) manner: Manner,
}

/// Presents the refresh cookie, then decides about the request.
pub(super) async fn renew(
    gateway: &Gateway,
    facts: &RequestFacts,
    parts: &Parts,
    renewing: Renewing,
    notes: &mut Notes,
) -> (Judged, Option<Riding>) {
    let Renewing {
        route: id,
        presented,
        otherwise,
        manner,
    } = renewing;
    let Some(route) = gateway.routes.route(id) else {
        return (Judged::Refuse(answer::nowhere()), None);
    };
    let before = (otherwise, manner.now);
    let renewed = renewing::renew(gateway, facts, presented, before, route.revocation).await;
    let Renewed {
        mut visitor,
        now,
        riding,
    } = match renewed {
        Ok(renewed) => renewed,
        Err(problem) => return (Judged::Refuse(*problem), None),
    };
    if let Some(Ok(Refreshed::Refused { judged, .. })) =
        riding.as_ref().map(|riding| &*riding.outcome)
    {
        let verdict = judged.as_ref().map(|judged| judged.verdict);
        if verdict == Some(Verdict::Straggler { first: true }) && may_come_again(facts, parts) {
            return (come_again(gateway, parts), None);
        }
        visitor = as_it_came(gateway, route, parts, visitor, now);
    }
    let manner = Manner { now, ..manner };
    let decided = conclude(gateway, facts, (id, route), parts, visitor, manner, notes);
    (decided, riding)
}

/// Who is asking where nothing was renewed: the session may have turned out to be over.
fn as_it_came(
    gateway: &Gateway,
    route: &Route,
    parts: &Parts,
    otherwise: Visitor,
    now: Timestamp,
) -> Visitor {
    match gateway.cookies.read(&parts.headers) {
        Ok(pair) => {
            let credentials = Credentials::Cookies(pair);
            gateway
                .authenticator
                .visitor(credentials, route.revocation, now)
        }
        Err(_) => otherwise,
    }
}

/// A navigation that was held up on its way: the browser has newer cookies by now.
fn may_come_again(facts: &RequestFacts, parts: &Parts) -> bool {
    facts.wants.redirect && matches!(parts.method, Method::GET | Method::HEAD)
}

fn come_again(gateway: &Gateway, parts: &Parts) -> Judged {
    let target = parts.uri.path_and_query();
    let target = target.map_or("/", |target| target.as_str());
    let target = ReturnTo::parse(target, &gateway.config.server.prefix);
    let location = HeaderValue::from_str(target.as_str());
    Judged::Reply(see_other(location.unwrap_or(HeaderValue::from_static("/"))))
}

impl Renewing {
    /// What would become of the request if its session were renewed with this access token.
    pub(super) fn if_renewed(
        self,
        gateway: &Gateway,
        facts: &RequestFacts,
        parts: &Parts,
        token: &Secret<String>,
        notes: &mut Notes,
    ) -> Judged {
        let (id, manner) = (self.route, self.manner);
        let Some(route) = gateway.routes.route(id) else {
            return Judged::Refuse(answer::nowhere());
        };
        let (check, now) = (route.revocation, manner.now);
        let visitor = gateway.authenticator.renewed(token.expose(), check, now);
        conclude(gateway, facts, (id, route), parts, visitor, manner, notes)
    }
}
