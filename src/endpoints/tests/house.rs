//! A gateway over a store in memory, and requests sent to its endpoints as the gate sends them.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::endpoints::answer;
use crate::gateway::{Background, Gateway};
use crate::identity::password::HashPolicy;
use crate::identity::{PasswordHash, PasswordTerm, Secret, UserId, UserName};
use crate::request::{Connection, RequestFacts, Scheme};
use crate::store::NewUser;

pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answered {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn text(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_default().to_owned()
    }

    /// Status and error code.
    pub(super) fn refusal(&self) -> (u16, String) {
        (self.status.as_u16(), self.text("error"))
    }

    /// The cookies as a browser would send them back.
    pub(super) fn cookies(&self) -> String {
        let set = self.headers.get_all(SET_COOKIE).iter();
        let pairs = set.map(|field| field.to_str().unwrap().split(';').next().unwrap());
        pairs.collect::<Vec<_>>().join("; ")
    }
}

pub(super) async fn send(
    gateway: &Gateway,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answered {
    let (method, uri) = line.split_once(' ').unwrap();
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "app.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::from(body.to_owned()));
    let (parts, body) = request.body(body).unwrap().into_parts();
    let connection = Connection {
        peer: None,
        scheme: Scheme::Https,
    };
    let server = &gateway.config.server;
    let proxies = &server.trusted_proxies;
    let facts = RequestFacts::read(&parts, connection, proxies, &server.public_urls).unwrap();
    let rest = parts
        .uri
        .path()
        .strip_prefix("/vestibule")
        .unwrap()
        .to_owned();
    let reply = answer(gateway, &facts, &rest, Request::from_parts(parts, body)).await;
    let (parts, body) = reply.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answered {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

fn config() -> Config {
    let text = r#"
        [server]
        public_url = "https://app.example"

        [[routes]]
        upstream = "http://127.0.0.1:9"

        [storage]
        url = "memory:"
    "#;
    config::parse(text, Path::new("")).unwrap()
}

pub(super) async fn gateway() -> Gateway {
    let background = Background::new(Handle::current());
    let clock = Arc::new(SystemClock);
    let gateway = Gateway::build(config(), clock, background).await.unwrap();
    let added = gateway.directory.add_user(NewUser {
        id: UserId::from_bytes([1; 16]),
        name: UserName::parse("ada").unwrap(),
        display_name: None,
        email: None,
        groups: Vec::new(),
        password: PasswordHash::of(
            &Secret::new("correct horse".to_owned()),
            &HashPolicy::default(),
            &[7; 16],
        ),
        password_term: PasswordTerm::Lasting,
    });
    added.await.unwrap();
    gateway
}
