//! Who is connected, who could not be understood, and how many tunnels are open?

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::observe::metrics::Family;

/// The handles.
pub struct Connections {
    accepted: Counter,
    open: Gauge,
    /// How many may be open at once.
    pub limit: Gauge,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: Counter,
    /// WebSocket tunnels that are open.
    pub tunnels: Gauge,
    malformed: Counter,
    too_large: Counter,
}

/// Why a request was answered before it could be read: it has no route, path or method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedHead {
    /// It is not HTTP: 400.
    Malformed,
    /// Its target or its header fields are too large: 414 or 431.
    TooLarge,
}

/// A connection that counts as open until this is dropped.
pub struct OpenConnection(Gauge);

impl Connections {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let (accepted, handshakes_failed) = (Counter::default(), Counter::default());
        registry.register(
            "connections_accepted",
            "Connections of visitors that were accepted",
            accepted.clone(),
        );
        registry.register(
            "tls_handshakes_failed",
            "TLS handshakes of visitors that failed or took too long",
            handshakes_failed.clone(),
        );
        let mut gauge = |name, help| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let open = gauge(
            "connections_open",
            "Connections of visitors that are open, those that became tunnels among them",
        );
        let limit = gauge(
            "connections_limit",
            "Connections of visitors that may be open at once",
        );
        let tunnels = gauge("tunnels_open", "WebSocket tunnels that are open");
        let refused = Family::<Counter, 1>::new(
            registry,
            "refused_heads",
            "Requests whose head could not be read, by reason",
            ["reason"],
        );
        Self {
            accepted,
            open,
            limit,
            handshakes_failed,
            tunnels,
            malformed: refused.with(["malformed"]),
            too_large: refused.with(["too_large"]),
        }
    }

    /// A visitor has connected.
    pub fn open(&self) -> OpenConnection {
        self.accepted.inc();
        self.open.inc();
        OpenConnection(self.open.clone())
    }

    /// A head could not be read.
    pub fn refused(&self, why: RefusedHead) {
        match why {
            RefusedHead::Malformed => self.malformed.inc(),
            RefusedHead::TooLarge => self.too_large.inc(),
        };
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
