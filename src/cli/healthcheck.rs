//! `vestibule healthcheck`: is the gateway of this configuration ready? For containers without a shell.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde::Deserialize;

use crate::cli::ask::{Question, ask, listener};
use crate::cli::output;

/// How long the whole question may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The body of a probe's answer.
#[derive(Deserialize)]
struct Health {
    status: String,
    reason: Option<String>,
}

/// Asks the admin listener; an error says why the gateway is not ready.
pub(super) fn run(admin_listen: Option<SocketAddr>) -> anyhow::Result<()> {
    is_ready(listener(admin_listen)?, PATIENCE)?;
    output::print("ready\n")?;
    Ok(())
}

fn is_ready(address: SocketAddr, patience: Duration) -> anyhow::Result<()> {
    let question = Question {
        method: "GET",
        path: "/readyz",
        token: None,
        patience,
    };
    let answer = ask(address, &question)
        .with_context(|| format!("not ready: http://{address}/readyz does not answer"))?;
    match answer.and_then(|answer| serde_json::from_slice(&answer.body).ok()) {
        Some(Health { status, .. }) if status == "ready" => Ok(()),
        Some(Health { status, reason }) => Err(anyhow!("not ready: {}", reason.unwrap_or(status))),
        None => Err(anyhow!(
            "not ready: what answers at http://{address}/readyz is not vestibule's admin listener"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
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
        let said = is_ready(address, patience).map_err(|error| format!("{error:#}"));
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
}
