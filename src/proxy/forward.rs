//! One request to the app: headers up, send, answer, headers down.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{HeaderName, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use thiserror::Error;

use crate::authenticate::Cookies;
use crate::clock::Timestamp;
use crate::config::{Config, HeaderSettings, RouteSettings};
use crate::observe::metrics::Failure;
use crate::policy::{Permit, RouteId, Rule};
use crate::proxy::assertions::Assertions;
use crate::proxy::exchange::{self, Exchange, Patience};
use crate::proxy::forwarding::Way;
use crate::proxy::headers_up::{self, Stripping};
use crate::proxy::request_body::{CallersBody, RequestBody, Upload};
use crate::proxy::streams::Watched;
use crate::proxy::tunnel::{self, Handshake};
use crate::proxy::{Body, Passage, headers_down, hop_by_hop, identity};
use crate::request::RequestFacts;
use crate::session::SharedRing;

/// Why the app's answer could not be had. Nothing here tells the caller where the app is.
#[derive(Debug, Error)]
pub enum ForwardError {
    /// No connection, or it broke before an answer: 502.
    #[error("the app cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No connection or no answer in time: 504.
    #[error("the app did not answer in time")]
    TimedOut,
    /// The caller's body stopped coming: 408.
    #[error("the request body did not arrive in time")]
    BodyTimedOut,
    /// The caller's body broke off or is malformed: 400.
    #[error("the request body is incomplete or malformed")]
    BadBody(#[source] hyper::Error),
    /// An answer that is not HTTP, or a switch of protocols nobody asked for: 502.
    #[error("the app gave an answer that cannot be passed on: {0}")]
    BadAnswer(&'static str),
}

/// What goes with a permitted request.
pub struct Forwarded<'a, B = Incoming> {
    /// The leave to send it.
    pub permit: Permit,
    /// The request as it came.
    pub request: Request<B>,
    /// Its facts.
    pub facts: &'a RequestFacts,
    /// Take `Authorization` off: it held a token of ours.
    pub strip_authorization: bool,
    /// Send no body: a preflight.
    pub without_body: bool,
    /// The time of the request.
    pub now: Timestamp,
}

/// What all threads share of the way to the apps: header rules, templates, assertions.
pub struct Forwarder {
    apps: Vec<App>,
    settings: HeaderSettings,
    stripping: Arc<Stripping>,
    cookies: Cookies,
    /// In which header pages show us that they are ours, where they are asked for it.
    csrf_header: Option<HeaderName>,
    assertions: Assertions,
    body_timeout: Duration,
}

/// A route and what follows from it.
struct App {
    route: RouteSettings,
    /// Who may pass, for exchanges that last.
    rule: Arc<Rule>,
    /// `Host` for requests that came without one (HTTP/1.0).
    authority: Option<HeaderValue>,
}

impl Forwarder {
    /// Prepares everything that does not change from request to request.
    pub fn new(config: &Config, cookies: Cookies, ring: Arc<SharedRing>) -> Self {
        let forwarder = Self::with(
            &config.routes,
            config.headers,
            config.server.limits.body_timeout,
            cookies,
            Assertions::new(ring, config.tokens.issuer.clone()),
        );
        let asks = config.csrf.asks_for_token();
        Self {
            csrf_header: asks.then(|| config.csrf.header.clone()),
            ..forwarder
        }
    }

    /// The same, from only what it needs.
    pub(super) fn with(
        routes: &[RouteSettings],
        settings: HeaderSettings,
        body_timeout: Duration,
        cookies: Cookies,
        assertions: Assertions,
    ) -> Self {
        let templates = routes.iter().flat_map(|route| &route.headers);
        let stripping = Stripping::new(templates.map(|(name, _)| name), settings.keep_underscores);
        Self {
            apps: routes.iter().map(App::new).collect(),
            settings,
            stripping: Arc::new(stripping),
            cookies,
            csrf_header: None,
            assertions,
            body_timeout,
        }
    }

    /// Sends the request and gives the app's answer as it begins. Where the app is told who asks, all of
    /// it ends with the session.
    pub async fn forward<B: Into<CallersBody>>(
        &self,
        passage: &Passage,
        mut forwarded: Forwarded<'_, B>,
    ) -> Result<Response<Body>, ForwardError> {
        let app = self.app(forwarded.permit.route());
        self.prepare_head(app, &mut forwarded);
        let handshake = handshake(&mut forwarded);
        let visit = Visit::of(&forwarded);
        let Forwarded {
            permit,
            request,
            without_body,
            ..
        } = forwarded;
        let watched = permit.into_known();
        let watched = watched.map(|known| passage.watch(known, &app.rule));
        let request = request.map(Into::into);
        let (request, upload) = self.with_body(request, without_body, watched.as_ref());
        let patience = Patience {
            app: app.route.upstream.response_timeout,
            caller: self.body_timeout,
        };
        let pool = passage.upstreams.pool(&app.route.upstream);
        let (response, mut exchange) = exchange::send(pool, request, upload, patience).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return self.open_tunnel(app, response, handshake, (passage, watched));
        }
        exchange.watched = watched;
        Ok(self.pass_on(app, response, exchange, &visit))
    }

    #[expect(
        clippy::expect_used,
        reason = "permits name routes of the configuration this was made from"
    )]
    fn app(&self, route: RouteId) -> &App {
        self.apps
            .get(route.index())
            .expect("a permit's route is one of ours")
    }

    /// The head that the app would see, with nothing sent.
    pub fn head(&self, mut forwarded: Forwarded<'_, ()>) -> Parts {
        let app = self.app(forwarded.permit.route());
        self.prepare_head(app, &mut forwarded);
        forwarded.request.into_parts().0
    }

    /// Makes the request's head what the app is to see.
    fn prepare_head<B>(&self, app: &App, forwarded: &mut Forwarded<'_, B>) {
        let request = &mut forwarded.request;
        make_origin_form(request.uri_mut());
        *request.version_mut() = Version::HTTP_11;
        let headers = request.headers_mut();
        let way = Way::read(headers, forwarded.facts, self.settings.forwarded);
        let trailers = headers_up::takes_trailers(headers);
        self.stripping.strip(headers);
        self.cookies.strip(headers);
        if forwarded.strip_authorization {
            headers.remove(header::AUTHORIZATION);
        }
        if let Some(name) = &self.csrf_header {
            headers_up::drop_csrf_token(headers, name);
        }
        app.set_host(headers);
        way.write(headers);
        if let Some(known) = forwarded.permit.known() {
            let route = (forwarded.permit.route(), &app.route);
            let (settings, now) = (self.settings, forwarded.now);
            identity::inject(headers, known, settings, route, &self.assertions, now);
        }
        if forwarded.facts.is_websocket {
            headers_up::ask_for_websocket(headers);
        } else if trailers {
            headers_up::ask_for_trailers(headers);
        }
        if forwarded.without_body {
            headers_up::reduce_to_preflight(headers);
        }
    }

    /// The request with its body in a form that can be sent, and what follows the body's way.
    fn with_body(
        &self,
        request: Request<CallersBody>,
        without_body: bool,
        watched: Option<&Watched>,
    ) -> (Request<RequestBody>, Option<Rc<Upload>>) {
        let (mut head, body) = request.into_parts();
        if without_body {
            return (Request::from_parts(head, RequestBody::Empty), None);
        }
        let incoming = match body {
            CallersBody::Coming(incoming) => incoming,
            CallersBody::Whole(bytes) => {
                let body = RequestBody::Whole(bytes.into());
                return (Request::from_parts(head, body), None);
            }
        };
        let (body, upload) = RequestBody::new(incoming, &self.stripping, watched);
        if upload.is_some() && body.size_hint().exact().is_none() {
            // hyper would send no body of unknown length with a GET unless told to.
            let chunked = HeaderValue::from_static("chunked");
            head.headers.insert(header::TRANSFER_ENCODING, chunked);
        }
        (Request::from_parts(head, body), upload)
    }

    /// Makes the app's answer what the visitor is to see.
    fn pass_on(
        &self,
        app: &App,
        mut response: Response<Incoming>,
        exchange: Exchange,
        visit: &Visit<'_>,
    ) -> Response<Body> {
        *response.version_mut() = Version::HTTP_11;
        let status = response.status();
        let length = response.body().size_hint().exact();
        let headers = response.headers_mut();
        let bodiless =
            visit.is_head || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        if !bodiless {
            headers_down::settle_length(headers, length);
        }
        hop_by_hop::remove(headers);
        self.strip_down(app, headers);
        if visit.is_known && !app.route.shared_cache {
            headers_down::make_private(headers);
        }
        headers_down::relocate(headers, &app.route.upstream.address, || {
            visit.facts.origin()
        });
        let described = (status == StatusCode::NOT_MODIFIED && !visit.is_head)
            .then(|| headers_down::told_length(headers))
            .flatten();
        response.map(|body| {
            let body = Body::app(body, exchange);
            described.map_or(body, Body::Described)
        })
    }

    fn strip_down(&self, app: &App, headers: &mut HeaderMap) {
        headers_down::strip(headers);
        let dropped =
            headers_down::drop_set_cookies(headers, |value| self.cookies.would_be_set_by(value));
        if dropped > 0 {
            tracing::warn!(
                route = app.route.route.name.as_str(),
                dropped,
                "the app tried to set a cookie of vestibule's"
            );
        }
    }

    /// Answers the visitor's handshake as the app did, and carries what follows.
    fn open_tunnel(
        &self,
        app: &App,
        mut response: Response<Incoming>,
        handshake: Option<Handshake>,
        (passage, watched): (&Passage, Option<Watched>),
    ) -> Result<Response<Body>, ForwardError> {
        let Some(Handshake {
            key,
            visitor,
            place,
        }) = handshake
        else {
            return Err(ForwardError::BadAnswer("it switches protocols unasked"));
        };
        tunnel::check_acceptance(response.headers(), &key).map_err(ForwardError::BadAnswer)?;
        let to_app = hyper::upgrade::on(&mut response);
        let tunnels = &passage.upstreams.tunnels;
        tunnels.carry(visitor, to_app, place, watched);
        let headers = response.headers_mut();
        hop_by_hop::remove(headers);
        self.strip_down(app, headers);
        headers_up::ask_for_websocket(headers);
        Ok(response.map(|_| Body::empty()))
    }
}

/// What the way back needs to know of the request.
struct Visit<'a> {
    is_head: bool,
    is_known: bool,
    facts: &'a RequestFacts,
}

impl<'a> Visit<'a> {
    fn of<B>(forwarded: &Forwarded<'a, B>) -> Self {
        Self {
            is_head: forwarded.request.method() == Method::HEAD,
            is_known: forwarded.permit.known().is_some(),
            facts: forwarded.facts,
        }
    }
}

impl App {
    fn new(route: &RouteSettings) -> Self {
        let authority = route.upstream.address.authority();
        Self {
            route: route.clone(),
            rule: Arc::new(route.route.rule.clone()),
            authority: HeaderValue::try_from(authority).ok(),
        }
    }

    fn set_host(&self, headers: &mut HeaderMap) {
        let host = match &self.route.host_header {
            Some(host) => Some(host),
            None if headers.contains_key(header::HOST) => None,
            None => self.authority.as_ref(),
        };
        if let Some(host) = host {
            headers.insert(header::HOST, host.clone());
        }
    }
}

impl ForwardError {
    /// What it is counted as.
    pub const fn failure(&self) -> Failure {
        match self {
            Self::Unreachable(_) => Failure::Unreachable,
            Self::TimedOut => Failure::TimedOut,
            Self::BodyTimedOut => Failure::BodyTimedOut,
            Self::BadBody(_) => Failure::BadBody,
            Self::BadAnswer(_) => Failure::BadAnswer,
        }
    }

    /// The app cannot be reached because of `source`.
    pub(super) fn unreachable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unreachable(source.into())
    }
}

/// What must be kept of a WebSocket handshake to judge its answer.
fn handshake<B>(forwarded: &mut Forwarded<'_, B>) -> Option<Handshake> {
    if !forwarded.facts.is_websocket {
        return None;
    }
    let key = forwarded
        .request
        .headers()
        .get(header::SEC_WEBSOCKET_KEY)?
        .clone();
    let visitor = hyper::upgrade::on(&mut forwarded.request);
    let place = forwarded.request.extensions_mut().remove();
    Some(Handshake {
        key,
        visitor,
        place,
    })
}

/// Leaves path and query, byte for byte as they came.
fn make_origin_form(uri: &mut Uri) {
    if uri.scheme().is_none() && uri.authority().is_none() {
        return;
    }
    if let Some(path_and_query) = uri.path_and_query() {
        *uri = Uri::from(path_and_query.clone());
    }
}
