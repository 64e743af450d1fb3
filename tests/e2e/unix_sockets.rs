//! Unix sockets: requests come in on them, apps are reached by them, and their files are kept in order.

use std::fs;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Gateway, Request, Setup, Upstream, curl, sign_in};

const SOON: Duration = Duration::from_secs(30);

/// curl through a unix socket: the answer's body.
fn through(socket: &Path, arguments: &[&str]) -> String {
    let socket = socket.to_str().unwrap();
    let arguments = [&["--unix-socket", socket], arguments].concat();
    curl(&arguments).expect_success().out
}

/// An app on a unix socket: whatever comes is carried to `app` and back.
fn carry(listener: UnixListener, app: SocketAddr) {
    thread::spawn(move || {
        for from in listener.incoming().map_while(Result::ok) {
            let to = TcpStream::connect(app).unwrap();
            let (mut up, mut to_app) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let (mut down, mut from_app) = (from, to);
            thread::spawn(move || {
                // Either side may go away first.
                let _ = io::copy(&mut up, &mut to_app);
                let _ = to_app.shutdown(Shutdown::Write);
            });
            thread::spawn(move || {
                let _ = io::copy(&mut from_app, &mut down);
                let _ = down.shutdown(Shutdown::Both);
            });
        }
    });
}

fn on_a_socket(upstream: &Upstream) -> Gateway {
    Setup::in_front_of(upstream)
        .also_listen("unix:vestibule.sock")
        .server("trusted_proxies = [\"0.0.0.0/0\", \"::/0\"]")
        .start()
}

#[test]
fn requests_come_in_on_a_unix_socket_beside_the_port() {
    let upstream = Upstream::start();
    let gateway = on_a_socket(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let socket = gateway.file("vestibule.sock");
    let bearer = format!("Authorization: Bearer {token}");
    let answer = through(&socket, &["-H", &bearer, "http://localhost/x?y"]);
    assert!(answer.starts_with("GET /x?y HTTP/1.1\r\n"), "{answer}");
    assert!(answer.contains("x-forwarded-user: ada"), "{answer}");
    let unsigned = through(&socket, &["-i", "http://localhost/x"]);
    assert!(unsigned.starts_with("HTTP/1.1 401"), "{unsigned}");
    let foreign = through(&socket, &["-i", "http://foreign.example/x"]);
    assert!(foreign.starts_with("HTTP/1.1 421"), "{foreign}");
    assert_eq!(Request::get("/x").bearer(&token).send(&gateway).status, 200);
}

#[test]
fn whoever_comes_by_a_unix_socket_has_no_address_and_no_trust() {
    let upstream = Upstream::start();
    let gateway = on_a_socket(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let bearer = format!("Authorization: Bearer {token}");
    let forged = [
        "-H",
        &bearer,
        "-H",
        "X-Forwarded-For: 198.51.100.7",
        "-H",
        "X-Forwarded-Proto: https",
        "http://localhost/",
    ];
    through(&gateway.file("vestibule.sock"), &forged);
    let seen = upstream.last().head;
    assert_eq!(seen.first("x-forwarded-for"), None);
    assert_eq!(seen.first("x-real-ip"), None);
    assert_eq!(seen.first("x-forwarded-proto"), Some("http"));
}

#[test]
fn the_socket_has_its_mode_and_goes_when_the_gateway_stops() {
    let upstream = Upstream::start();
    let mut gateway = Setup::in_front_of(&upstream)
        .also_listen("unix:open.sock")
        .server("socket_mode = \"0606\"")
        .start();
    let socket = gateway.file("open.sock");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o606);
    gateway.terminate();
    assert!(gateway.wait_for_exit(SOON).success());
    assert!(!socket.exists());
}

#[test]
fn the_socket_of_a_dead_process_is_replaced_and_that_of_a_living_one_is_not() {
    let upstream = Upstream::start();
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("v.sock");
    drop(UnixListener::bind(&socket).unwrap());
    assert!(UnixStream::connect(&socket).is_err(), "it is stale");
    let gateway = Setup::in_front_of(&upstream)
        .also_listen(&format!("unix:{}", socket.display()))
        .start();
    assert!(through(&socket, &["-i", "http://localhost/"]).starts_with("HTTP/1.1 401"));
    let second = gateway.command(&["serve"], "");
    assert_eq!(second.code, Some(1));
    assert!(
        second.err.contains("server.listen: cannot listen on unix:")
            && second.err.contains("somebody listens there already"),
        "{}",
        second.err
    );
    assert!(through(&socket, &["-i", "http://localhost/"]).starts_with("HTTP/1.1 401"));
}

#[test]
fn an_app_on_a_unix_socket_is_reached_as_any_other() {
    let upstream = Upstream::start();
    let folder = TempDir::new().unwrap();
    let app = folder.path().join("app.sock");
    carry(UnixListener::bind(&app).unwrap(), upstream.address());
    let gateway = Setup::new()
        .route("/", &format!("unix:{}", app.display()), "signed-in", "")
        .start();
    let token = sign_in(&gateway, "ada").access;
    let mut connection = gateway.connect();
    for number in 0..20 {
        let request = Request::post(&format!("/{number}")).bearer(&token);
        connection.send(request.body("some body").to_bytes());
        let answer = connection.answer();
        assert_eq!(answer.status, 200);
        assert!(answer.text().ends_with("\r\n\r\nsome body"));
    }
    assert_eq!(upstream.last().head.first("host"), Some("localhost"));
    assert_eq!(upstream.connections(), 1, "connections are kept");
}

#[test]
fn an_app_whose_socket_is_not_there_is_502() {
    let gateway = Setup::new()
        .route("/", "unix:nobody.sock", "anyone", "")
        .start();
    let answer = Request::get("/").send(&gateway);
    assert_eq!((answer.status, answer.is_ours()), (502, true));
    assert!(!answer.text().contains("nobody.sock"));
}
