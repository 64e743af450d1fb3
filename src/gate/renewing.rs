//! A browser's session is renewed on its way to the app, and the new cookies ride on whatever answer
//! follows.

use std::time::Duration;

use http::Method;
use http::header::HeaderValue;
use http::request::Parts;
use tokio::time::timeout;

use super::{Judged, Manner, answer, conclude};
use crate::authenticate::{Credentials, Occasion, Outcome, RefreshError, Refreshed, Renewal};
use crate::clock::Timestamp;
use crate::endpoints::{self, Riding};
use crate::gate::notes::Notes;
use crate::gateway::Gateway;
use crate::identity::{Secret, Visitor};
use crate::observe::Source;
use crate::policy::{ReturnTo, Route, RouteId};
use crate::reply::see_other;
use crate::request::RequestFacts;
use crate::session::{RefreshToken, Verdict};

/// Whose access token is still good waits no longer for the next one.
const PATIENCE: Duration = Duration::from_millis(250);

/// A request that is decided after its session was renewed.
pub(super) struct Renewing {
    pub(super) route: RouteId,
    pub(super) presented: RefreshToken,
    /// Who is asking if nothing is renewed.
    pub(super) otherwise: Visitor,
    pub(super) manner: Manner,
}

/// What is done about the cookies of a request before it is decided, and who is asking if that is
/// nothing.
pub(super) enum Cookies {
    Decide(Visitor),
    Present(RefreshToken, Visitor),
}

/// Looks at the cookies that made this visitor.
pub(super) fn look(
    gateway: &Gateway,
    found: Credentials<'_>,
    visitor: Visitor,
    now: Timestamp,
) -> Cookies {
    match gateway.authenticator.renewal(found, &visitor, now) {
        Renewal::Leave => Cookies::Decide(visitor),
        Renewal::Nobody => Cookies::Decide(Visitor::Stranger),
        Renewal::Present(presented) => Cookies::Present(presented, visitor),
    }
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
    let presented_at = manner.now;
    let Some(outcome) = present(gateway, facts, presented, &otherwise).await else {
        let decided = conclude(gateway, facts, (id, route), parts, otherwise, manner, notes);
        return (decided, None);
    };
    let now = gateway.clock.now();
    let manner = Manner { now, ..manner };
    let visitor = match &*outcome {
        Ok(Refreshed::Tokens(tokens, _)) => {
            renewed(gateway, route, tokens.access.text.expose(), now)
        }
        Ok(Refreshed::Refused { judged, .. }) => {
            let verdict = judged.as_ref().map(|judged| judged.verdict);
            match (verdict, may_come_again(facts, parts)) {
                (Some(Verdict::Straggler { first: true }), true) => {
                    return (come_again(gateway, parts), None);
                }
                _ => as_it_came(gateway, route, parts, otherwise, now),
            }
        }
        Ok(Refreshed::NotOnTheWay | Refreshed::WrongType) => otherwise,
        Err(_) if matches!(otherwise, Visitor::Known(_)) => otherwise,
        Err(RefreshError::TooLarge(error)) => {
            return (Judged::Refuse(*endpoints::too_many_groups(error)), None);
        }
        Err(_) => Visitor::Unchecked,
    };
    let decided = conclude(gateway, facts, (id, route), parts, visitor, manner, notes);
    let riding = Riding {
        outcome,
        presented_at,
    };
    (decided, Some(riding))
}

/// The outcome of the exchange; `None` where whoever asks can do without and would wait too long.
async fn present(
    gateway: &Gateway,
    facts: &RequestFacts,
    presented: RefreshToken,
    otherwise: &Visitor,
) -> Option<Outcome> {
    let source = Source::of(facts);
    let refresher = &gateway.refresher;
    let exchange = refresher.present(presented, Occasion::OnTheWay, &source);
    match otherwise {
        Visitor::Known(_) => timeout(PATIENCE, exchange).await.ok(),
        Visitor::Stranger | Visitor::Refused(_) | Visitor::Unchecked => Some(exchange.await),
    }
}

/// Who is asking, by their new access token, which is checked like any other.
fn renewed(gateway: &Gateway, route: &Route, token: &str, now: Timestamp) -> Visitor {
    gateway.authenticator.renewed(token, route.revocation, now)
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
        let visitor = renewed(gateway, route, token.expose(), manner.now);
        conclude(gateway, facts, (id, route), parts, visitor, manner, notes)
    }
}
