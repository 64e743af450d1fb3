//! WebSocket tunnels: opened only on the right answer, counted, and ended together.

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::spawn_local;

use crate::observe::metrics::OpenConnection;
use crate::proxy::relay::Relay;
use crate::proxy::streams::Watched;

/// What is appended to a handshake's key before it is hashed (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A place among the connections that may be open at once. A request that may become a tunnel brings
/// it as an extension, because the tunnel outlives what the server knows as the connection.
#[derive(Clone)]
pub struct Place(pub Arc<(OwnedSemaphorePermit, OpenConnection)>);

/// A handshake that was sent to the app.
pub(super) struct Handshake {
    /// `Sec-WebSocket-Key`.
    pub(super) key: HeaderValue,
    /// The visitor's side of the tunnel, once the handshake was answered.
    pub(super) visitor: OnUpgrade,
    /// The place that the tunnel keeps.
    pub(super) place: Option<Place>,
}

/// The open tunnels of one data thread.
pub(super) struct Tunnels {
    open: Cell<usize>,
    /// The open tunnels of all threads.
    counted: Gauge,
    ended: watch::Sender<bool>,
}

/// A tunnel that counts as open until this is dropped.
struct Counted(Rc<Tunnels>);

impl Tunnels {
    pub(super) fn new(counted: Gauge) -> Rc<Self> {
        Rc::new(Self {
            open: Cell::new(0),
            counted,
            ended: watch::Sender::new(false),
        })
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.open.get()
    }

    /// Ends those that are open and those that would still open.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Carries bytes both ways until one side is done and the other had time to be, one breaks, or
    /// all are ended, or the session of `watched` is. `place` is given back then.
    pub(super) fn carry(
        self: &Rc<Self>,
        visitor: OnUpgrade,
        app: OnUpgrade,
        place: Option<Place>,
        watched: Option<Watched>,
    ) {
        let counted = Counted::new(self);
        let mut ended = self.ended.subscribe();
        spawn_local(async move {
            let _kept = (counted, place);
            tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => {}
                result = carry(visitor, app, watched.as_ref()) => if let Err(error) = result {
                    tracing::debug!(error = &*error as &dyn Error, "a tunnel broke");
                }
            }
        });
    }
}

impl Counted {
    fn new(tunnels: &Rc<Tunnels>) -> Self {
        tunnels.open.set(tunnels.open.get() + 1);
        tunnels.counted.inc();
        Self(Rc::clone(tunnels))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
        self.0.counted.dec();
    }
}

/// Connects both sides once they are there, and ends with the session.
async fn carry(
    visitor: OnUpgrade,
    app: OnUpgrade,
    watched: Option<&Watched>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let cut = watched.map(Watched::hand_over);
    let (visitor, app) = tokio::try_join!(visitor, app)?;
    let mut relay = Relay::new(TokioIo::new(visitor), TokioIo::new(app));
    let Some(cut) = cut else {
        return Ok(relay.carry().await?);
    };
    tokio::select! {
        biased;
        () = cut.made() => {}
        carried = relay.carry() => return Ok(carried?),
    }
    relay.end().await;
    Ok(())
}

/// Whether a 101 with these headers accepts the handshake of this key (RFC 6455 §4.1).
pub(super) fn check_acceptance(headers: &HeaderMap, key: &HeaderValue) -> Result<(), &'static str> {
    let to_websocket = headers
        .get(header::UPGRADE)
        .is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !to_websocket {
        return Err("it switches to another protocol than WebSocket");
    }
    match headers.get(header::SEC_WEBSOCKET_ACCEPT) {
        Some(accept) if accept.as_bytes() == acceptance_of(key).as_bytes() => Ok(()),
        _ => Err("its Sec-WebSocket-Accept does not fit the handshake"),
    }
}

fn acceptance_of(key: &HeaderValue) -> String {
    let text = [key.as_bytes(), GUID].concat();
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_acceptance_opens_a_tunnel() {
        // The key and acceptance of RFC 6455 §1.3.
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        let right = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        for (upgrade, accept, opens) in [
            ("websocket", right, true),
            ("WebSocket", right, true),
            ("h2c", right, false),
            ("websocket, h2c", right, false),
            ("websocket", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=", false),
            ("websocket", "", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::UPGRADE, HeaderValue::from_static(upgrade));
            headers.insert(
                header::SEC_WEBSOCKET_ACCEPT,
                HeaderValue::from_static(accept),
            );
            assert_eq!(
                check_acceptance(&headers, &key).is_ok(),
                opens,
                "{upgrade} {accept}"
            );
        }
        assert!(check_acceptance(&HeaderMap::new(), &key).is_err());
    }
}
