//! WebSockets: a tunnel for whoever may pass, spoken by a client and a server that others wrote.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::{Gateway, Program, Request, Setup, Upstream, browser_sign_in, sign_in};

pub type Socket = WebSocketStream<TcpStream>;

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

pub async fn open(gateway: &Gateway, fields: &[(&'static str, &str)]) -> Result<Socket, Error> {
    open_at(gateway.address(), fields).await
}

pub async fn open_at(
    address: SocketAddr,
    fields: &[(&'static str, &str)],
) -> Result<Socket, Error> {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut request = "ws://localhost/chat".into_client_request().unwrap();
    for (name, value) in fields {
        request
            .headers_mut()
            .insert(*name, HeaderValue::from_str(value).unwrap());
    }
    client_async(request, stream)
        .await
        .map(|(socket, _)| socket)
}

async fn refused(gateway: &Gateway, fields: &[(&'static str, &str)]) -> u16 {
    match open(gateway, fields).await {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("no answer: {error}"),
        Ok(_) => panic!("the tunnel opened"),
    }
}

pub async fn next(socket: &mut Socket) -> Message {
    socket
        .next()
        .await
        .expect("the tunnel is open")
        .expect("a message comes")
}

fn handshake() -> Request {
    Request::get("/chat")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

#[test]
fn messages_go_both_ways_and_the_app_knows_who_speaks() {
    let app = Program::websocket_echo();
    let gateway = Setup::new().route("/", &app.url(), "signed-in", "").start();
    let bearer = format!("Bearer {}", sign_in(&gateway, "ada").access);
    block_on(async {
        let mut socket = open(&gateway, &[("authorization", &bearer)]).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::text("user=ada"));
        for size in [0, 1, 125, 126, 70_000, 1_000_000] {
            let message = Message::binary(vec![7_u8; size]);
            socket.send(message.clone()).await.unwrap();
            assert_eq!(next(&mut socket).await, message, "{size}");
        }
        socket.send(Message::text("愛")).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::text("愛"));
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    });
}

#[test]
fn a_stranger_gets_no_tunnel() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    block_on(async {
        assert_eq!(refused(&gateway, &[]).await, 401);
        assert_eq!(
            refused(&gateway, &[("authorization", "Bearer a.b.c")]).await,
            401
        );
    });
    assert_eq!(upstream.count(), 0);
}

#[test]
fn t_43_another_site_gets_no_tunnel_with_our_cookies() {
    let app = Program::websocket_echo();
    let gateway = Setup::new().route("/", &app.url(), "signed-in", "").start();
    let cookies = browser_sign_in(&gateway, "ada");
    block_on(async {
        let evil = [
            ("cookie", cookies.as_str()),
            ("origin", "https://evil.example"),
        ];
        assert_eq!(refused(&gateway, &evil).await, 403);
        assert_eq!(refused(&gateway, &[("cookie", &cookies)]).await, 403);
        let own = [("cookie", cookies.as_str()), ("origin", "http://localhost")];
        let mut socket = open(&gateway, &own).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::text("user=ada"));
    });
}

/// A page cannot give a handshake headers, so that no mode asks it for the value of its session.
#[test]
fn t_43_a_tunnel_is_judged_by_its_origin_in_every_mode() {
    let upstream = Upstream::start();
    for mode in ["fetch-metadata", "double-submit", "both"] {
        let gateway = Setup::in_front_of(&upstream)
            .section(&format!("[csrf]\nmode = \"{mode}\""))
            .start();
        let cookies = browser_sign_in(&gateway, "ada");
        let send = |origin| {
            let request = handshake().header("Cookie", &cookies);
            request.header("Origin", origin).send(&gateway).status
        };
        let before = upstream.count();
        assert_eq!(send("https://evil.example"), 403, "{mode}");
        assert_eq!(upstream.count(), before);
        assert_ne!(send("http://localhost"), 403, "{mode}");
        assert_eq!(upstream.count(), before + 1, "it reached the app");
    }
}

#[test]
fn what_is_no_handshake_opens_no_tunnel() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .start();
    let old = Request::get("/chat")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "8");
    let posted = handshake().to_bytes();
    let posted = String::from_utf8(posted)
        .unwrap()
        .replacen("GET", "POST", 1);
    let mut connection = gateway.connect();
    connection.send(posted);
    assert_ne!(connection.answer().status, 101);
    assert_ne!(old.send(&gateway).status, 101);
    let other = Request::get("/x")
        .header("Connection", "Upgrade")
        .header("Upgrade", "h2c")
        .send(&gateway);
    assert_eq!(other.status, 200);
    assert_eq!(upstream.last().head.all("upgrade"), [""; 0]);
}

#[test]
fn a_tunnel_counts_as_a_connection_until_it_ends() {
    let app = Program::websocket_echo();
    let gateway = Setup::new()
        .route("/", &app.url(), "anyone", "")
        .section("[server.limits]\nconnections = 1")
        .start();
    block_on(async {
        let tunnel = open(&gateway, &[]).await.unwrap();
        let mut other = TcpStream::connect(gateway.address()).await.unwrap();
        let request = Request::get("/vestibule/login").to_bytes();
        other.write_all(&request).await.unwrap();
        let mut begin = [0; 12];
        let waiting = timeout(Duration::from_millis(500), other.read_exact(&mut begin));
        assert!(waiting.await.is_err(), "there is no place for a second one");
        drop(tunnel);
        other.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
    });
}

#[test]
fn an_app_that_does_not_switch_is_answered_for() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "anyone", "")
        .start();
    let plain = handshake().send(&gateway);
    assert_eq!(plain.status, 200, "an app may decline");
    let mut wrong = gateway.connect();
    let request = String::from_utf8(handshake().to_bytes()).unwrap();
    wrong.send(request.replacen("/chat", "/bad-switch", 1));
    assert_eq!(
        wrong.answer().status,
        502,
        "a wrong Sec-WebSocket-Accept opens no tunnel"
    );
}
