//! Where does a plain request go? To the same place by https, where the host is one of ours.

use http::header::LOCATION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::gate::cors::Sender;
use crate::gate::reading::facts;
use crate::gate::{Observed, answer, observed, refuse, without};
use crate::gateway::Gateway;
use crate::observe::metrics::Destination;
use crate::policy::HostPattern;
use crate::reply::{Reply, empty};
use crate::request::{Connection, Host, Origin, Scheme};

/// Answers a request on a listener that only redirects.
pub fn redirect(
    gateway: &Gateway,
    connection: Connection,
    request: Request<Incoming>,
) -> Response<Observed> {
    let (mut parts, body) = request.into_parts();
    let sender = Sender::of(gateway, &parts);
    let (id, mut noted) = observed::begin(gateway, connection, &mut parts, Destination::Redirect);
    let mut reply = match facts(gateway, &parts, connection, &mut noted) {
        Ok(facts) => {
            let target = parts.uri.path_and_query();
            let target = target.map_or("/", |target| target.as_str());
            let origin = facts.host.as_ref().and_then(|host| by_https(gateway, host));
            origin
                .and_then(|origin| moved(&origin, target))
                .unwrap_or_else(|| refuse(gateway, &facts, &answer::misdirected()))
        }
        Err(reply) => *reply,
    };
    sender.tell(reply.status(), reply.headers_mut());
    let awaits_leave = parts.headers.contains_key(http::header::EXPECT);
    observed::follow(without(body, awaits_leave, reply), &id, noted)
}

/// Method and body stay as they are (RFC 9110 §15.4.9).
fn moved(origin: &Origin, target: &str) -> Option<Reply> {
    let location = HeaderValue::try_from(format!("{origin}{target}")).ok()?;
    let mut reply = empty(StatusCode::PERMANENT_REDIRECT);
    reply.headers_mut().insert(LOCATION, location);
    Some(reply)
}

/// The https origin of a host that is ours: that of `public_url`, or the host of a route, at the port
/// of the first https `public_url`.
fn by_https(gateway: &Gateway, asked: &Host) -> Option<Origin> {
    let public = &gateway.config.server.public_urls;
    let mut by_https = public.iter().filter(|url| url.scheme == Scheme::Https);
    if let Some(url) = by_https.clone().find(|url| url.host.name() == asked.name()) {
        return Some(url.clone());
    }
    let port = by_https.next()?.host.port_or_default(Scheme::Https);
    let mut routes = gateway.config.routes.iter().map(|route| &route.route.host);
    let found = routes.find_map(|host| match host {
        HostPattern::Only(host) if host.name() == asked.name() => Some(host),
        HostPattern::Only(_) | HostPattern::Ours | HostPattern::Any => None,
    })?;
    let port = found.port().unwrap_or(port);
    let host = Host::parse(&format!("{}:{port}", found.name()))?;
    Some(Origin::new(Scheme::Https, host))
}
