//! TLS on listeners: who is served, what browsers are told, and how certificates change under way.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::support::{
    Gateway, Program, Request, Scrape, Setup, Upstream, curl, sign_in, vestibule, wait_until,
};

const SOON: Duration = Duration::from_secs(60);
const HSTS: &str = "strict-transport-security: max-age=31536000\r\n";

/// A certificate for localhost and its key, in files that a gateway reads.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(TempDir::new().unwrap());
        files.renew();
        files
    }

    /// Makes a new certificate in place of the old.
    fn renew(&self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(self.path("cert.pem"), made.cert.pem()).unwrap();
        fs::write(self.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn section(&self) -> String {
        let (cert, key) = (self.path("cert.pem"), self.path("key.pem"));
        format!("[server.tls]\ncert = {cert:?}\nkey = {key:?}\n")
    }

    /// A gateway that listens with it.
    fn before(&self, setup: Setup) -> Setup {
        setup
            .public_url("https://localhost")
            .also_listen("https://127.0.0.1:0")
            .section(&self.section())
    }

    /// What curl needs to come by `https://localhost`.
    fn curl(&self, gateway: &Gateway, arguments: &[&str]) -> String {
        let (cert, way) = (
            self.path("cert.pem"),
            format!("localhost:443:{}", secure(gateway)),
        );
        let arguments = [&["--cacert", &cert, "--connect-to", &way], arguments].concat();
        curl(&arguments).expect_success().out
    }
}

fn listening(gateway: &Gateway, before: &str) -> SocketAddr {
    let log = gateway.log();
    let (_, rest) = log.split_once(before).expect("it says where it listens");
    let end = rest.find([',', '\n', ' ', '"']).unwrap();
    rest[..end].parse().unwrap()
}

fn secure(gateway: &Gateway) -> SocketAddr {
    listening(gateway, "listening on https://")
}

type Tls = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// A TLS connection that takes this certificate only.
fn connect(address: SocketAddr, trusted: &CertificateDer<'static>) -> Tls {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    BufReader::new(StreamOwned::new(client, stream))
}

/// The status of a request on this connection; an error where the certificate is another.
fn status(tls: &mut Tls) -> std::io::Result<String> {
    let request = Request::get("/status/204").to_bytes();
    tls.get_mut().write_all(&request)?;
    let mut status = String::new();
    tls.read_line(&mut status)?;
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        tls.read_line(&mut line)?;
    }
    Ok(status)
}

fn open_to_all(upstream: &Upstream) -> Setup {
    Setup::new().route("/", &upstream.url(), "anyone", "")
}

#[test]
fn requests_come_in_over_tls_and_are_known_to() {
    let (upstream, files) = (Upstream::start(), Files::new());
    let gateway = files.before(Setup::in_front_of(&upstream)).start();
    let bearer = format!("Authorization: Bearer {}", sign_in(&gateway, "ada").access);
    for versions in [&["--tlsv1.3"][..], &["--tlsv1.2", "--tls-max", "1.2"]] {
        let arguments = [versions, &["-i", "-H", &bearer, "https://localhost/x"]].concat();
        let answer = files.curl(&gateway, &arguments);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains(HSTS), "{answer}");
        assert!(answer.contains("x-forwarded-proto: https"), "{answer}");
        assert!(answer.contains("x-forwarded-user: ada"), "{answer}");
    }
    let ours = files.curl(&gateway, &["-i", "https://localhost/x"]);
    assert!(ours.starts_with("HTTP/1.1 401"), "{ours}");
    assert!(ours.contains(HSTS), "our own answers say it, too: {ours}");
    let plain = Request::get("/x").send(&gateway);
    assert_eq!(plain.header("strict-transport-security"), None);
}

#[test]
fn what_browsers_are_told_can_be_changed_and_turned_off() {
    let (upstream, files) = (Upstream::start(), Files::new());
    let own = "https://localhost/headers?strict-transport-security=max-age=0";
    for (hsts, told) in [
        ("", "max-age=0"),
        (
            "max-age=60; includeSubDomains",
            "max-age=60; includeSubDomains",
        ),
    ] {
        let gateway = files
            .before(open_to_all(&upstream))
            .server(&format!("hsts = {hsts:?}"))
            .start();
        let answer = files.curl(&gateway, &["-i", own]);
        let field = format!("strict-transport-security: {told}\r\n");
        assert!(answer.contains(&field), "{hsts}: {answer}");
    }
}

#[test]
fn plain_requests_are_sent_on_to_https_where_the_host_is_ours() {
    let (upstream, files) = (Upstream::start(), Files::new());
    let gateway = files
        .before(open_to_all(&upstream))
        .route(
            "/wiki",
            &upstream.url(),
            "anyone",
            "host = \"wiki.example\"",
        )
        .server("redirect_listen = \"127.0.0.1:0\"")
        .start();
    let address = listening(&gateway, "redirecting from http://");
    let ask = |request: Request| {
        let mut connection = crate::support::Connection::open(address);
        connection.send(request.to_bytes());
        connection.answer()
    };
    for (host, target, location) in [
        ("localhost", "/a//b?c=%20d", "https://localhost/a//b?c=%20d"),
        ("LOCALHOST:8080", "/", "https://localhost/"),
        (
            "wiki.example",
            "//evil.example/",
            "https://wiki.example//evil.example/",
        ),
    ] {
        let answer = ask(Request::get(target).header("Host", host));
        assert_eq!((answer.status, answer.is_ours()), (308, true), "{host}");
        assert_eq!(answer.header("location"), Some(location));
        assert_eq!(answer.header("strict-transport-security"), None);
    }
    let posted = ask(Request::post("/x").body("some body"));
    assert_eq!(posted.status, 308);
    for host in ["evil.example", "localhost.evil.example"] {
        let answer = ask(Request::get("/").header("Host", host));
        assert_eq!(answer.status, 421, "{host}");
        assert_eq!(answer.header("location"), None);
    }
    let bad = ask(Request::get("/").header("Host", "a b"));
    assert_eq!(bad.status, 400);
    assert_eq!(upstream.count(), 0);
    for (class, count) in [("3xx", 4.0), ("4xx", 3.0)] {
        let labels = format!("route=\"(redirect)\",class=\"{class}\",by=\"gateway\"");
        let series = format!("vestibule_requests_total{{{labels}}}");
        Scrape::wait_for(&gateway, &series, count);
    }
}

#[test]
fn a_new_certificate_serves_new_connections_and_the_old_ones_live_on() {
    let (upstream, files) = (Upstream::start(), Files::new());
    let first = files.renew();
    let gateway = files.before(open_to_all(&upstream)).start();
    let address = secure(&gateway);
    let mut old = connect(address, &first);
    assert!(status(&mut old).unwrap().starts_with("HTTP/1.1 204"));

    let second = files.renew();
    gateway.signal("HUP");
    wait_until("the second certificate", SOON, || {
        status(&mut connect(address, &second)).is_ok()
    });
    assert!(status(&mut connect(address, &first)).is_err());
    assert!(status(&mut old).unwrap().starts_with("HTTP/1.1 204"));

    // Nobody says that there is a third.
    let third = files.renew();
    wait_until("the third certificate", SOON, || {
        status(&mut connect(address, &third)).is_ok()
    });
    assert!(status(&mut old).unwrap().starts_with("HTTP/1.1 204"));

    fs::write(files.path("key.pem"), "not a key").unwrap();
    gateway.signal("HUP");
    wait_until("the reason", SOON, || {
        gateway.log().contains("there is no private key in")
    });
    assert!(gateway.log().contains("stays in use: server.tls.key: "));
    assert!(status(&mut connect(address, &third)).is_ok());
    assert!(status(&mut old).unwrap().starts_with("HTTP/1.1 204"));
}

#[test]
fn a_websocket_over_tls_is_one_tunnel() {
    let (app, files) = (Program::websocket_echo(), Files::new());
    let trusted = files.renew();
    let gateway = files
        .before(Setup::new().route("/", &app.url(), "signed-in", ""))
        .start();
    let bearer = format!("Bearer {}", sign_in(&gateway, "ada").access);
    let mut request = "wss://localhost/chat".into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", bearer.parse().unwrap());
    let stream = connect(secure(&gateway), &trusted).into_inner();
    let (mut socket, _) = tungstenite::client(request, stream).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("user=ada"));
    for size in [0, 125, 70_000, 1_000_000] {
        let message = Message::binary(vec![7_u8; size]);
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message, "{size}");
    }
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
}

#[test]
fn who_does_not_shake_hands_is_not_waited_for() {
    let (upstream, files) = (Upstream::start(), Files::new());
    let mut gateway = files
        .before(open_to_all(&upstream))
        .section("[server.limits]\nhead_timeout = \"1s\"")
        .start();
    let mut plain = TcpStream::connect(secure(&gateway)).unwrap();
    plain.set_read_timeout(Some(SOON)).unwrap();
    plain.write_all(&Request::get("/").to_bytes()).unwrap();
    let mut answer = Vec::new();
    // The end may come as a reset: the request was not read.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    let mut silent = TcpStream::connect(secure(&gateway)).unwrap();
    silent.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
    Scrape::wait_for(&gateway, "vestibule_tls_handshakes_failed_total", 2.0);
    let _still_silent = TcpStream::connect(secure(&gateway)).unwrap();
    gateway.terminate();
    assert!(gateway.wait_for_exit(Duration::from_secs(20)).success());
}

#[test]
fn check_and_serve_say_what_is_wrong_with_a_certificate() {
    let (files, other) = (Files::new(), Files::new());
    let upstream = Upstream::start();
    let text = files.before(open_to_all(&upstream)).to_toml();
    fs::write(files.path("config.toml"), text).unwrap();
    let folder = Path::new(&files.path("")).to_owned();
    let run = |command: &str| vestibule(&folder, &[command, "--config", "config.toml"], "");
    run("check").expect_success();
    let refuses = |said: &str| {
        for command in ["check", "serve"] {
            let finished = run(command);
            assert_eq!(finished.code, Some(1), "{command}");
            assert!(finished.err.contains(said), "{said}\n{}", finished.err);
        }
    };
    fs::copy(other.path("key.pem"), files.path("key.pem")).unwrap();
    refuses("does not fit the certificate");
    fs::write(files.path("key.pem"), "").unwrap();
    refuses("server.tls.key: there is no private key in");
    fs::copy(files.path("config.toml"), files.path("cert.pem")).unwrap();
    refuses("server.tls.cert: there is no certificate in");
    fs::remove_file(files.path("cert.pem")).unwrap();
    refuses("cert.pem cannot be read: No such file or directory");
}

#[test]
fn spans_go_by_https_to_a_collector_whose_certificate_is_good() {
    let upstream = Upstream::start();
    let collector = Program::otlp_receiver();
    let files = Files::new();
    let front = Setup::new().route("/", &collector.url(), "anyone", "");
    let front = files.before(front).start();
    let port = secure(&front).port();
    let setup = Setup::in_front_of(&upstream).section(&format!(
        "[observe.traces]\notlp_endpoint = \"https://localhost:{port}\"\n"
    ));
    let trusting = setup
        .clone()
        .environment("SSL_CERT_FILE", &files.path("cert.pem"))
        .start();
    Request::get("/trusted").send(&trusting);
    wait_until("the span", SOON, || !collector.spans().is_empty());
    let wary = setup.start();
    Request::get("/untrusted").send(&wary);
    wait_until("the complaint", SOON, || {
        wary.log().contains("invalid peer certificate")
    });
    assert_eq!(collector.spans().len(), 1);
}
