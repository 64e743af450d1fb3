//! For operators and orchestrators: is the process alive, should it get requests, how does it fare, and
//! what can be done about users, sessions and keys?

mod administrator;
mod api;
pub mod import;
mod keys;
mod metrics;
mod reload;
mod sessions;
mod users;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body::Body;
use serde::Serialize;

use crate::gateway::Gateway;
use crate::reply::{Problem, Reply, json};

pub use administrator::{AdminError, Administrator};
pub use keys::KeyFacts;
pub use reload::{Reload, Reloaded, Reloads};
pub use sessions::{EndedSession, LiveSession, SessionFacts};
pub use users::{Newcomer, Standing, TemporaryPassword, UserFacts};

/// The answer of a probe.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// Answers a request on the admin listener. `client` is the other end of the connection.
pub async fn answer<B>(
    gateway: &Arc<Gateway>,
    reloads: &Reloads,
    client: IpAddr,
    request: Request<B>,
) -> Reply
where
    B: Body<Data = Bytes> + Unpin,
{
    if api::is_meant(request.uri().path()) {
        return api::answer(gateway, reloads, client, request).await;
    }
    match (request.uri().path(), request.method()) {
        ("/healthz", &(Method::GET | Method::HEAD)) => told(StatusCode::OK, "alive", None),
        ("/readyz", &(Method::GET | Method::HEAD)) => readiness(gateway).await,
        ("/metrics", &(Method::GET | Method::HEAD)) => metrics::show(gateway, request.headers()),
        ("/healthz" | "/readyz" | "/metrics", _) => wrong_method(),
        _ => Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "The admin listener has /healthz, /readyz, /metrics and /api/v1.",
        )
        .to_json(),
    }
}

/// Ready: not stopping, and the store answers and has told lately what was ended. Keys and revocations were loaded before the admin
/// listener was opened.
async fn readiness(gateway: &Gateway) -> Reply {
    if gateway.readiness.is_stopping() {
        return told(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_ready",
            Some("the process is stopping"),
        );
    }
    if gateway.is_stale() {
        return told(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_ready",
            Some("the store has not told for too long what was ended"),
        );
    }
    match gateway.sessions.ping().await {
        Ok(()) => told(StatusCode::OK, "ready", None),
        Err(error) => {
            tracing::warn!(%error, "the store does not answer");
            told(
                StatusCode::SERVICE_UNAVAILABLE,
                "not_ready",
                Some("the store does not answer"),
            )
        }
    }
}

fn wrong_method() -> Reply {
    Problem {
        allow: Some("GET, HEAD"),
        ..Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this is asked with GET",
        )
    }
    .to_json()
}

fn told(status: StatusCode, word: &'static str, reason: Option<&'static str>) -> Reply {
    json(
        status,
        &Health {
            status: word,
            reason,
        },
    )
}
