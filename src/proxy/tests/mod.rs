//! Do requests and answers arrive as they should? Over real sockets, with apps scripted byte by byte.

mod heads_down;
mod heads_up;
mod sending;
mod tunnels;

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

use crate::authenticate::Cookies;
use crate::clock::Timestamp;
use crate::config::{AppAddress, HeaderSettings, RouteSettings, UpstreamSettings};
use crate::identity::{
    DisplayName, Email, GroupName, Identity, Known, Proof, SessionId, Template, UserId, UserName,
    Visitor,
};
use crate::policy::{
    Accepts, Decision, HostPattern, OwnPrefix, PathPrefix, Permit, Preflight, RevocationCheck,
    Route, RouteName, Routes, Rule, decide,
};
use crate::proxy::assertions::Assertions;
use crate::proxy::{Body, ForwardError, Forwarded, Forwarder, Passage, Upstreams};
use crate::request::{Connection, Origin, RequestFacts, Scheme, TrustedProxies};
use crate::session::SharedRing;
use crate::session::key_ring::samples;

const SECOND: Duration = Duration::from_secs(1);
const GET: &str = "GET / HTTP/1.1\r\nHost: app\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const NONE: [&str; 0] = [];

/// The address that visitors come from.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// A gateway in front of one app; the test plays visitor and app.
struct Bench {
    app: TcpListener,
    upstreams: Rc<Upstreams>,
    route: RouteSettings,
    settings: HeaderSettings,
    visitor: Visitor,
    trusted: TrustedProxies,
    strip_authorization: bool,
    without_body: bool,
}

impl Bench {
    async fn new() -> Self {
        let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let route = route(app.local_addr().unwrap().port());
        Self {
            app,
            upstreams: Upstreams::new(Arc::default()),
            route,
            settings: HeaderSettings {
                identity: true,
                assertion: true,
                forwarded: false,
                keep_underscores: false,
            },
            visitor: Visitor::Stranger,
            trusted: TrustedProxies::default(),
            strip_authorization: false,
            without_body: false,
        }
    }

    /// A visitor's connection. Errors of the gateway are answered with their names.
    fn visitor(&self) -> DuplexStream {
        let (visitor, gateway) = duplex(1024);
        let gate = Rc::new(self.gate());
        let service = service_fn(move |request| {
            let gate = Rc::clone(&gate);
            async move { Ok::<_, ForwardError>(gate.handle(request).await.unwrap_or_else(told)) }
        });
        spawn_local(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(gateway), service)
                .with_upgrades(),
        );
        visitor
    }

    /// The app's side of the next connection.
    async fn accept(&self) -> TcpStream {
        self.app.accept().await.unwrap().0
    }

    /// What the app receives when a visitor sends this.
    async fn received(&self, request: &str) -> String {
        let mut visitor = self.visitor();
        write(&mut visitor, request).await;
        read_head(&mut self.accept().await).await
    }

    /// What a visitor receives when the app answers this and closes.
    async fn answered(&self, request: &str, answer: &str) -> String {
        let mut visitor = self.visitor();
        write(&mut visitor, request).await;
        let mut app = self.accept().await;
        read_head(&mut app).await;
        write(&mut app, answer).await;
        drop(app);
        read_head(&mut visitor).await
    }

    fn gate(&self) -> Gate {
        let public = [Origin::parse("http://app").unwrap()];
        let assertions = Assertions::new(Arc::new(ring()), "http://app".to_owned());
        let routes = std::slice::from_ref(&self.route);
        let cookies = Cookies::new(&public);
        Gate {
            forwarder: Forwarder::with(routes, self.settings, 30 * SECOND, cookies, assertions),
            passage: Passage::new(&self.upstreams),
            rule: self.route.route.rule.clone(),
            visitor: self.visitor.clone(),
            trusted: self.trusted.clone(),
            strip_authorization: self.strip_authorization,
            without_body: self.without_body,
        }
    }
}

/// What comes before the proxy, in short.
struct Gate {
    forwarder: Forwarder,
    passage: Passage,
    rule: Rule,
    visitor: Visitor,
    trusted: TrustedProxies,
    strip_authorization: bool,
    without_body: bool,
}

impl Gate {
    async fn handle(&self, request: Request<Incoming>) -> Result<Response<Body>, ForwardError> {
        let (head, body) = request.into_parts();
        let connection = Connection {
            peer: Some(PEER),
            scheme: Scheme::Http,
        };
        let facts = RequestFacts::read(&head, connection, &self.trusted, &[]).unwrap();
        let forwarded = Forwarded {
            permit: self.permit(),
            request: Request::from_parts(head, body),
            facts: &facts,
            strip_authorization: self.strip_authorization,
            without_body: self.without_body,
            now: Timestamp::from_seconds(1_795_256_100),
        };
        self.forwarder.forward(&self.passage, forwarded).await
    }

    fn permit(&self) -> Permit {
        let own = OwnPrefix::parse("/vestibule").unwrap();
        let routes = Routes::new(vec![route(1).route], own, Vec::new()).unwrap();
        let (first, _) = routes.iter().next().unwrap();
        let asked = Route {
            rule: self.rule.clone(),
            ..route(1).route
        };
        match decide(
            first,
            &asked,
            self.visitor.clone(),
            Timestamp::from_millis(0),
        ) {
            Decision::Allow(permit) => permit,
            refused => panic!("{refused:?}"),
        }
    }
}

fn route(port: u16) -> RouteSettings {
    RouteSettings {
        route: Route {
            name: RouteName::parse("notes").unwrap(),
            host: HostPattern::Any,
            prefix: PathPrefix::parse("/").unwrap(),
            rule: Rule::Optional,
            accepts: Accepts {
                header: true,
                cookie: true,
            },
            preflight: Preflight::Answer,
            revocation: RevocationCheck::Local,
            max_auth_age: None,
        },
        upstream: UpstreamSettings {
            address: AppAddress::Network {
                host: "127.0.0.1".to_owned(),
                port,
            },
            connect_timeout: 5 * SECOND,
            response_timeout: 60 * SECOND,
        },
        headers: Vec::new(),
        host_header: None,
        session_cookies: Vec::new(),
        shared_cache: false,
        replay_posts: false,
    }
}

fn ada() -> Visitor {
    Visitor::Known(Known {
        identity: Arc::new(Identity::new(
            UserId::from_bytes([1; 16]),
            UserName::parse("ada").unwrap(),
            Some(DisplayName::parse("Ada Lovelace").unwrap()),
            Some(Email::parse("ada@example.com").unwrap()),
            vec![
                GroupName::parse("dev").unwrap(),
                GroupName::parse("ops").unwrap(),
            ],
        )),
        session: SessionId::from_bytes([2; 16]),
        authenticated_at: Timestamp::from_seconds(1_795_256_000),
        expires_at: Timestamp::from_seconds(1_795_256_300),
        session_epoch: 0,
        claims_epoch: 1,
        proof: Proof::Cookie,
    })
}

fn template(name: &'static str, text: &str) -> (HeaderName, Template) {
    (
        HeaderName::from_static(name),
        Template::parse(text).unwrap(),
    )
}

fn ring() -> SharedRing {
    SharedRing::new(samples::ring())
}

/// The error as a visitor of these tests sees it.
fn told(error: ForwardError) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let text = format!("{error:?}");
    let name = text.split(['(', ' ']).next().unwrap();
    let headers = response.headers_mut();
    headers.insert("error", name.parse().unwrap());
    response
}

/// Runs a test as a data thread runs: one thread, tasks that stay on it.
async fn on_a_data_thread<T>(test: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(test).await
}

/// Reads up to and with `end`.
async fn read_to(stream: &mut (impl AsyncReadExt + Unpin), end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        match stream.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&read)),
        }
    }
    String::from_utf8(read).unwrap()
}

async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    read_to(stream, "\r\n\r\n").await
}

async fn write(stream: &mut (impl AsyncWriteExt + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// The values of a field in a head, in order.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

/// A request with these fields.
fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: app\r\n{fields}\r\n")
}

/// An empty answer with these fields.
fn ok(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n")
}
