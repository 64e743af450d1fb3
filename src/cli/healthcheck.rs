//! `vestibule healthcheck`: is the gateway of this configuration ready? For containers without a shell.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;

use crate::cli::output;

/// How long the whole question may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// More than any answer of a probe has, in bytes.
const LONGEST_ANSWER: usize = 16 * 1024;

/// The body of a probe's answer.
#[derive(Deserialize)]
struct Health {
    status: String,
    reason: Option<String>,
}

/// Asks the admin listener; an error says why the gateway is not ready.
pub(super) fn run(admin_listen: Option<SocketAddr>) -> anyhow::Result<()> {
    let Some(listener) = admin_listen else {
        bail!("server.admin_listen is off, so that nobody can be asked: set it to an address");
    };
    if listener.port() == 0 {
        bail!(
            "server.admin_listen has port 0, which is another at each start: give it a fixed port"
        );
    }
    ask(reachable(listener), PATIENCE)?;
    output::print("ready\n")?;
    Ok(())
}

/// Where a listener is reached from the same machine.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

fn ask(address: SocketAddr, patience: Duration) -> anyhow::Result<()> {
    let answer = exchange(address, patience)
        .with_context(|| format!("not ready: http://{address}/readyz does not answer"))?;
    match read(&answer) {
        Some(Health { status, .. }) if status == "ready" => Ok(()),
        Some(Health { status, reason }) => Err(anyhow!("not ready: {}", reason.unwrap_or(status))),
        None => Err(anyhow!(
            "not ready: what answers at http://{address}/readyz is not vestibule's admin listener"
        )),
    }
}

/// The bytes of the answer, or why none came in time.
fn exchange(address: SocketAddr, patience: Duration) -> anyhow::Result<Vec<u8>> {
    let begun = Instant::now();
    let left = || {
        let left = patience.saturating_sub(begun.elapsed());
        if left.is_zero() {
            bail!("no answer within {} s", patience.as_secs_f32());
        }
        Ok(left)
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while answer.len() < LONGEST_ANSWER {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(piece.get(..length).unwrap_or_default()),
            // The time-out of a read.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(answer)
}

/// The last line of an answer is its body.
fn read(answer: &[u8]) -> Option<Health> {
    let text = str::from_utf8(answer).ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    serde_json::from_str(body).ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// What is said about a listener that answers so.
    fn said(answer: &'static str, patience: Duration) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            stream.write_all(answer.as_bytes()).unwrap();
            if answer.is_empty() {
                let _ = is_done.recv();
            }
        });
        let said = ask(address, patience).map_err(|error| format!("{error:#}"));
        drop(done);
        server.join().unwrap();
        said
    }

    #[test]
    fn only_a_ready_gateway_is_ready() {
        let ready = "HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ready\"}";
        assert_eq!(said(ready, PATIENCE), Ok(()));
        let stopping = "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"status\":\"not_ready\",\"reason\":\"the process is stopping\"}";
        let why = said(stopping, PATIENCE).unwrap_err();
        assert_eq!(why, "not ready: the process is stopping");
        for foreign in ["HTTP/1.1 200 OK\r\n\r\nhello", "220 mail\r\n"] {
            let why = said(foreign, PATIENCE).unwrap_err();
            assert!(why.contains("is not vestibule's admin listener"), "{why}");
        }
    }

    #[test]
    fn a_silent_listener_is_not_waited_for_for_ever() {
        let why = said("", Duration::from_millis(50)).unwrap_err();
        assert!(why.contains("no answer within 0.05 s"), "{why}");
    }

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_the_loopback_one() {
        for (listener, asked) in [
            ("0.0.0.0:9180", "127.0.0.1:9180"),
            ("[::]:9180", "[::1]:9180"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable(listener.parse().unwrap()), asked.parse().unwrap());
        }
    }

    #[test]
    fn a_listener_that_cannot_be_known_is_named() {
        for (listener, named) in [(None, "is off"), (Some("127.0.0.1:0"), "port 0")] {
            let listener = listener.map(|text| text.parse().unwrap());
            let why = run(listener).unwrap_err().to_string();
            assert!(why.contains("server.admin_listen"), "{why}");
            assert!(why.contains(named), "{why}");
        }
    }
}
