//! One question to the admin listener of a running gateway, for commands that need nothing more.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::bail;
use zeroize::Zeroizing;

use crate::identity::Secret;

/// More than any answer that a command reads has, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// What is asked.
pub(super) struct Question<'q> {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Goes into `Authorization: Bearer`.
    pub(super) token: Option<&'q Secret<String>>,
    /// How long asking and answering may take.
    pub(super) patience: Duration,
}

/// What was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// The address at which the admin listener of a configuration is reached from the same machine.
pub(super) fn listener(admin_listen: Option<SocketAddr>) -> anyhow::Result<SocketAddr> {
    let Some(listener) = admin_listen else {
        bail!("server.admin_listen is off, so that nobody can be asked: set it to an address");
    };
    if listener.port() == 0 {
        bail!(
            "server.admin_listen has port 0, which is another at each start: give it a fixed port"
        );
    }
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, listener.port()))
}

/// Asks. `Ok(None)`: what answers does not speak HTTP.
pub(super) fn ask(address: SocketAddr, question: &Question<'_>) -> anyhow::Result<Option<Answer>> {
    let begun = Instant::now();
    let left = || {
        let left = question.patience.saturating_sub(begun.elapsed());
        if left.is_zero() {
            bail!("no answer within {} s", question.patience.as_secs_f32());
        }
        Ok(left)
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(question.head(address).as_bytes())?;
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
    Ok(read(&answer))
}

impl Question<'_> {
    fn head(&self, address: SocketAddr) -> Zeroizing<String> {
        let Self {
            method,
            path,
            token,
            ..
        } = self;
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n"
        );
        if let Some(token) = token {
            head.push_str(&format!("Authorization: Bearer {}\r\n", token.expose()));
        }
        head.push_str("\r\n");
        head.into()
    }
}

/// The connection was closed after it: what comes behind the head is the body.
fn read(answer: &[u8]) -> Option<Answer> {
    let text = str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer {
        status,
        body: body.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_the_loopback_one() {
        for (named, asked) in [
            ("0.0.0.0:9180", "127.0.0.1:9180"),
            ("[::]:9180", "[::1]:9180"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            let asked: SocketAddr = asked.parse().unwrap();
            assert_eq!(listener(named.parse().ok()).unwrap(), asked);
        }
    }

    #[test]
    fn a_listener_that_cannot_be_known_is_named() {
        for (named, why) in [(None, "is off"), (Some("127.0.0.1:0"), "port 0")] {
            let named = named.map(|text| text.parse().unwrap());
            let said = listener(named).unwrap_err().to_string();
            assert!(said.contains("server.admin_listen"), "{said}");
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn an_answer_is_a_status_and_a_body() {
        for (answer, status, body) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
            ("HTTP/1.1 422 X\r\na: b\r\n\r\n{\"a\":1}", 422, "{\"a\":1}"),
        ] {
            let read = read(answer.as_bytes()).unwrap();
            assert_eq!(
                (read.status, read.body.as_slice()),
                (status, body.as_bytes())
            );
        }
        for foreign in [
            "",
            "220 mail\r\n\r\n",
            "HTTP/1.1 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\n",
        ] {
            assert!(read(foreign.as_bytes()).is_none(), "{foreign}");
        }
    }
}
