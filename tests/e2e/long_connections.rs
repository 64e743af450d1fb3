//! Tunnels, event streams and long bodies end with their session, within a second, and only then.

use std::thread;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{
    Connection, Gateway, PASSWORD, Program, Request, Scrape, Setup, Tokens, Upstream,
    browser_sign_in, curl, refresh, sign_in, wait_until,
};
use crate::websocket::{Socket, block_on, next, open};

/// How long a stream may outlive the end of its session: what this process ended, and what another did.
const HERE: Duration = Duration::from_millis(1200);
const ELSEWHERE: Duration = Duration::from_millis(2200);

pub const PATIENCE: Duration = Duration::from_secs(60);

/// An echo for WebSockets at `/chat`, and an app for all else.
pub struct Apps {
    echo: Program,
    upstream: Upstream,
}

impl Apps {
    pub fn start() -> Self {
        Self {
            echo: Program::websocket_echo(),
            upstream: Upstream::start(),
        }
    }

    pub fn setup(&self) -> Setup {
        Setup::in_front_of(&self.upstream)
            .route("/chat", &self.echo.url(), "signed-in", "")
            .user("eve", &[])
            .section("[observe]\naccess_log.to = \"access.log\"")
    }
}

/// What somebody has open.
pub struct Open {
    pub socket: Socket,
    events: Connection,
}

impl Open {
    pub async fn of(gateway: &Gateway, token: &str) -> Self {
        let bearer = format!("Bearer {token}");
        let fields = [("authorization", bearer.as_str())];
        let mut socket = open(gateway, &fields).await.unwrap();
        assert!(next(&mut socket).await.is_text());
        Self {
            socket,
            events: events(gateway.connect(), token),
        }
    }

    /// Asserts that both go on.
    async fn goes_on(&mut self) {
        assert_echoes(&mut self.socket).await;
        assert!(self.events.is_open());
    }

    /// Asserts that both end this soon after `begun`, as they should.
    pub async fn ends(mut self, begun: Instant, ceiling: Duration, what: &str) {
        assert_closed(&mut self.socket).await;
        let socket = begun.elapsed();
        let rest = self.events.rest();
        let events = begun.elapsed();
        eprintln!("{what}: the WebSocket ended after {socket:?}, the events after {events:?}");
        assert!(socket < ceiling && events < ceiling, "{what}");
        assert!(
            !rest.ends_with(b"0\r\n\r\n"),
            "they are not whole: {rest:?}"
        );
    }
}

fn events(mut connection: Connection, token: &str) -> Connection {
    connection.send(Request::get("/sse").bearer(token).to_bytes());
    assert_eq!(connection.head().target(), "200");
    while connection.line().trim_end() != "data: one" {}
    connection
}

pub async fn assert_echoes(socket: &mut Socket) {
    socket.send(Message::text("still here?")).await.unwrap();
    assert_eq!(next(socket).await, Message::text("still here?"));
}

/// Asserts that the next thing that comes is the close frame of an ended session, and then nothing.
pub async fn assert_closed(socket: &mut Socket) {
    match next(socket).await {
        Message::Close(Some(frame)) => {
            assert_eq!(frame.code, CloseCode::Policy);
            assert_eq!(frame.reason.as_str(), "session ended");
        }
        other => panic!("{other:?}"),
    }
    while let Some(Ok(_)) = socket.next().await {}
}

pub fn sign_out(gateway: &Gateway, tokens: &Tokens) {
    let request = Request::post("/vestibule/logout").bearer(&tokens.access);
    assert_eq!(request.send(gateway).status, 204);
}

/// Ends a session and waits until its own stream has ended: on the only thread, the others were looked
/// at, too.
fn wait_for_a_look(gateway: &Gateway) {
    let witness = sign_in(gateway, "eve");
    let mut stream = events(gateway.connect(), &witness.access);
    sign_out(gateway, &witness);
    stream.wait_for_end();
}

#[test]
fn a_sign_out_ends_the_streams_of_its_session_and_no_other() {
    let apps = Apps::start();
    let gateway = apps.setup().start();
    let [out, other] = [(), ()].map(|()| sign_in(&gateway, "ada"));
    let eve = sign_in(&gateway, "eve");
    block_on(async {
        let ended = Open::of(&gateway, &out.access).await;
        let mut others = [
            Open::of(&gateway, &other.access).await,
            Open::of(&gateway, &eve.access).await,
        ];
        assert_eq!(Scrape::of(&gateway).get("vestibule_tunnels_open"), 3.0);
        sign_out(&gateway, &out);
        ended.ends(Instant::now(), HERE, "sign-out").await;
        for open in &mut others {
            open.goes_on().await;
        }
        Scrape::wait_for(&gateway, "vestibule_tunnels_open", 2.0);
        // From another device.
        let path = format!("/vestibule/sessions/{}", other.session);
        let this = sign_in(&gateway, "ada");
        let end = Request::new("DELETE", &path).bearer(&this.access);
        assert_eq!(end.send(&gateway).status, 204);
        let [other, mut eve] = others;
        other.ends(Instant::now(), HERE, "another device").await;
        eve.goes_on().await;
        // Everywhere.
        let mut open = Open::of(&gateway, &this.access).await;
        open.goes_on().await;
        let out = Request::post("/vestibule/logout")
            .bearer(&this.access)
            .json(&json!({"everywhere": true}));
        assert_eq!(out.send(&gateway).status, 204);
        open.ends(Instant::now(), HERE, "everywhere").await;
        eve.goes_on().await;
    });
    let ended = |line: &&serde_json::Value| {
        line["path"] == "/sse" && line["user"] == "ada" && line["complete"] == false
    };
    wait_until("three lines of events that broke off", PATIENCE, || {
        gateway.lines("access.log", 1).iter().filter(ended).count() == 3
    });
}

#[test]
fn a_browsers_streams_end_with_its_session() {
    let apps = Apps::start();
    let gateway = apps.setup().start();
    let cookies = browser_sign_in(&gateway, "ada");
    block_on(async {
        let fields = [("cookie", cookies.as_str()), ("origin", "http://localhost")];
        let mut socket = open(&gateway, &fields).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::text("user=ada"));
        let url = format!("{}/sse", gateway.url());
        let field = format!("Cookie: {cookies}");
        let reader = thread::spawn(move || curl(&["--no-buffer", "-H", &field, &url]));
        apps.upstream.wait_for(1);
        let out = Request::post("/vestibule/logout").same_origin();
        let out = out.header("Cookie", &cookies).send(&gateway);
        assert!(out.status < 400, "{}", out.text());
        assert_closed(&mut socket).await;
        let read = reader.join().unwrap();
        // "Transferred a partial file".
        assert_eq!(read.code, Some(18), "{read:?}");
        assert_eq!(read.out, "data: one\n\n");
    });
}

#[test]
fn commands_end_streams_and_strangers_keep_theirs() {
    let apps = Apps::start();
    let open_to_all = apps.setup().route("/open", &apps.echo.url(), "anyone", "");
    let gateway = open_to_all.start();
    block_on(async {
        let stream = tokio::net::TcpStream::connect(gateway.address()).await;
        let address = "ws://localhost/open";
        let (mut stranger, _) = tokio_tungstenite::client_async(address, stream.unwrap())
            .await
            .unwrap();
        assert!(next(&mut stranger).await.is_text());
        let [one, kept] = [(), ()].map(|()| sign_in(&gateway, "ada"));
        let ended = Open::of(&gateway, &one.access).await;
        let mut kept = Open::of(&gateway, &kept.access).await;
        let eve = sign_in(&gateway, "eve");
        let mut eve = Open::of(&gateway, &eve.access).await;

        let revoke = ["session", "revoke", &one.session];
        gateway.command(&revoke, "").expect_success();
        ended
            .ends(Instant::now(), ELSEWHERE, "session revoke")
            .await;
        kept.goes_on().await;
        let disable = ["user", "disable", "ada"];
        gateway.command(&disable, "").expect_success();
        kept.ends(Instant::now(), ELSEWHERE, "user disable").await;
        eve.goes_on().await;
        let all = ["session", "revoke", "--all", "--yes"];
        gateway.command(&all, "").expect_success();
        eve.ends(Instant::now(), ELSEWHERE, "session revoke --all")
            .await;
        assert_echoes(&mut stranger).await;
    });
}

#[test]
fn a_changed_password_ends_the_streams_of_all_other_sessions() {
    let apps = Apps::start();
    let gateway = apps.setup().server("threads = 1").start();
    let [own, other] = [(), ()].map(|()| sign_in(&gateway, "ada"));
    block_on(async {
        let mut own_streams = Open::of(&gateway, &own.access).await;
        let other = Open::of(&gateway, &other.access).await;
        let change = Request::post("/vestibule/password")
            .bearer(&own.access)
            .json(&json!({
                "current_password": PASSWORD,
                "new_password": "another battery staple",
            }));
        assert_eq!(change.send(&gateway).status, 200);
        other.ends(Instant::now(), HERE, "password change").await;
        wait_for_a_look(&gateway);
        own_streams.goes_on().await;
    });
}

#[test]
fn renewals_and_reloads_leave_streams_alone() {
    let apps = Apps::start();
    let gateway = apps.setup().server("threads = 1").start();
    let mut tokens = sign_in(&gateway, "ada");
    block_on(async {
        let mut open = Open::of(&gateway, &tokens.access).await;
        for _ in 0..2 {
            tokens = Tokens::of(&refresh(&gateway, &tokens.refresh));
            wait_for_a_look(&gateway);
            open.goes_on().await;
        }
        let setup = apps.setup().server("threads = 1");
        gateway.configure(&setup.route("/new", &apps.upstream.url(), "anyone", ""));
        gateway.reload();
        wait_for_a_look(&gateway);
        open.goes_on().await;
        sign_out(&gateway, &tokens);
        open.ends(Instant::now(), HERE, "after a reload").await;
    });
}

#[test]
fn long_bodies_end_though_nobody_reads_or_sends() {
    let upstream = Upstream::start();
    let setup = Setup::in_front_of(&upstream).section("[observe]\naccess_log.to = \"access.log\"");
    let gateway = setup.start();
    let tokens = sign_in(&gateway, "ada");
    let mut download = gateway.connect();
    let big = Request::get("/big?bytes=1000000000").bearer(&tokens.access);
    download.send(big.to_bytes());
    assert_eq!(download.head().target(), "200");
    let mut upload = gateway.connect();
    let sink = Request::new("PUT", "/sink")
        .bearer(&tokens.access)
        .header("Content-Length", "1000000");
    upload.send(sink.to_bytes());
    upload.send("the first of it");
    let mut waiting = gateway.connect();
    waiting.send(Request::get("/slow").bearer(&tokens.access).to_bytes());
    upstream.wait_for(3);
    sign_out(&gateway, &tokens);
    let begun = Instant::now();
    upload.wait_for_end();
    waiting.wait_for_end();
    let ended = |line: &&serde_json::Value| {
        let path = line["path"].as_str().unwrap();
        ["/big", "/sink", "/slow"].contains(&path) && line["complete"] == false
    };
    wait_until("three lines of what broke off", PATIENCE, || {
        gateway.lines("access.log", 1).iter().filter(ended).count() == 3
    });
    let took = begun.elapsed();
    eprintln!("long bodies: ended after {took:?}");
    assert!(took < HERE);
    download.wait_for_end();
    Scrape::wait_for(&gateway, "vestibule_requests_in_flight", 0.0);
}
