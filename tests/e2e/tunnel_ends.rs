//! How a tunnel ends with its session: when its time has come, and what is said last.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Instant;

use futures_util::SinkExt as _;
use tokio_tungstenite::tungstenite::Message;
use vestibule::identity::{GroupName, UserName};
use vestibule::store::{ChangeUser, UserChange};

use crate::expiry::{DAY, House};
use crate::long_connections::{Apps, Open, PATIENCE, assert_closed, assert_echoes, sign_out};
use crate::support::{Program, Request, Setup, Tokens, sign_in};
use crate::websocket::{Socket, block_on, next, open_at};

/// The clock is moved; the tunnels are real.
#[test]
fn a_stream_ends_with_an_idle_session_and_in_any_case_at_its_last_end() {
    let echo = Program::websocket_echo();
    let house = house(&echo, "\"signed-in\"");
    block_on(async {
        let idle = house.sign_in();
        let mut busy = house.sign_in();
        let mut idle_socket = socket_in(&house, &idle).await;
        let mut busy_socket = socket_in(&house, &busy).await;
        house.pass(13 * DAY);
        // A message is no activity of the session, and a refresh elsewhere is.
        assert_echoes(&mut idle_socket).await;
        busy = Tokens::of(&house.refresh(&busy));
        house.pass(2 * DAY);
        assert_closed(&mut idle_socket).await;
        assert_echoes(&mut busy_socket).await;
        house.pass(11 * DAY);
        Tokens::of(&house.refresh(&busy));
        house.pass(3 * DAY);
        assert_echoes(&mut busy_socket).await;
        house.pass(DAY);
        let begun = Instant::now();
        assert_closed(&mut busy_socket).await;
        eprintln!(
            "the last end: the WebSocket ended after {:?}",
            begun.elapsed()
        );
    });
}

#[test]
fn a_stream_ends_when_the_users_groups_do_not_pass_any_more() {
    let echo = Program::websocket_echo();
    let house = house(&echo, "{ groups = [\"ops\"] }");
    let set_groups = |groups: &[&str]| {
        let change = UserChange {
            groups: Some(
                groups
                    .iter()
                    .map(|name| GroupName::parse(name).unwrap())
                    .collect(),
            ),
            ..UserChange::default()
        };
        let directory = &house.server().gateway().directory;
        let changing = directory.change_user(UserName::parse("ada").unwrap(), change);
        let changed = house.server().block_on(changing).unwrap();
        assert!(matches!(changed, ChangeUser::Changed(_)));
    };
    set_groups(&["ops", "dev"]);
    let tokens = house.sign_in();
    // The token still tells of the group, so that the tunnel opens; a second later the store is asked.
    set_groups(&["dev"]);
    block_on(async {
        let mut socket = socket_in(&house, &tokens).await;
        assert_closed(&mut socket).await;
    });
}

fn house(echo: &Program, allow: &str) -> House {
    House::of(&format!(
        "[server]\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://localhost\"\nadmin_listen = \"\"\n\
         [[routes]]\nupstream = \"{}\"\nallow = {allow}\n[storage]\nurl = \"memory:\"\n",
        echo.url()
    ))
}

async fn socket_in(house: &House, tokens: &Tokens) -> Socket {
    let bearer = format!("Bearer {}", tokens.access);
    let fields = [("authorization", bearer.as_str())];
    let mut socket = open_at(house.address, &fields).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("user=ada"));
    socket
}

#[test]
fn large_messages_arrive_whole_while_the_sessions_of_others_end() {
    const ROUNDS: usize = 8;
    let apps = Apps::start();
    let gateway = apps.setup().start();
    let kept = sign_in(&gateway, "ada");
    block_on(async {
        let Open { mut socket, .. } = Open::of(&gateway, &kept.access).await;
        for round in 0..ROUNDS {
            let other = sign_in(&gateway, "ada");
            let ended = Open::of(&gateway, &other.access).await;
            sign_out(&gateway, &other);
            let byte = u8::try_from(round).unwrap();
            let message = Message::binary(vec![byte; 1 << 20]);
            socket.send(message.clone()).await.unwrap();
            assert!(next(&mut socket).await == message, "round {round}");
            ended
                .ends(Instant::now(), PATIENCE, "beside large messages")
                .await;
        }
    });
}

/// An app that accepts one handshake and then says and hears exactly what the test wants.
fn switched(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 2 {
        line.clear();
    }
    let mut stream = reader.into_inner();
    // The acceptance of RFC 6455 §1.3.
    stream
        .write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )
        .unwrap();
    stream
}

#[test]
fn in_the_middle_of_a_frame_nothing_is_said_and_the_connection_is_dropped() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gateway = Setup::new().route("/", &url, "signed-in", "").start();
    // A whole frame, and half of one that announces 256 bytes.
    let (whole, half) = (b"\x82\x02ok", b"\x82\x7e\x01\x00half");
    for (down_is_whole, up_is_whole) in [(true, false), (false, true), (false, false)] {
        let tokens = sign_in(&gateway, "ada");
        let mut visitor = gateway.connect();
        let handshake = Request::get("/chat")
            .bearer(&tokens.access)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        visitor.send(handshake.to_bytes());
        let mut app = switched(&listener);
        assert_eq!(visitor.head().target(), "101");
        let frame = |is_whole| if is_whole { &whole[..] } else { &half[..] };
        app.write_all(frame(down_is_whole)).unwrap();
        visitor.send(frame(up_is_whole));
        assert_eq!(
            visitor.exactly(frame(down_is_whole).len()),
            frame(down_is_whole)
        );
        let mut heard = vec![0; frame(up_is_whole).len()];
        app.read_exact(&mut heard).unwrap();
        sign_out(&gateway, &tokens);
        let to_visitor = visitor.rest();
        let mut to_app = Vec::new();
        // Dropped with bytes on the way, it may be reset.
        let _ = app.read_to_end(&mut to_app);
        let goodbye = b"\x03\xf0session ended";
        if down_is_whole {
            assert_eq!(to_visitor, [b"\x88\x0f", &goodbye[..]].concat());
        } else {
            assert_eq!(to_visitor, b"");
        }
        if up_is_whole {
            let (head, masked) = to_app.split_at(6);
            assert_eq!(head[..2], [0x88, 0x8f]);
            let told = masked.iter().zip(head[2..].iter().cycle());
            let told: Vec<u8> = told.map(|(byte, mask)| byte ^ mask).collect();
            assert_eq!(told, goodbye);
        } else {
            assert_eq!(to_app, b"");
        }
    }
}
