//! `GET /vestibule/jwks.json`: the public keys of access tokens and assertions.

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};

use crate::gateway::Gateway;
use crate::reply::{self, Reply};

/// The keys; to be asked for again after five minutes.
pub(super) fn show(gateway: &Gateway) -> Reply {
    let mut reply = reply::json(StatusCode::OK, &gateway.ring.now().jwks());
    let kept = HeaderValue::from_static("public, max-age=300");
    reply.headers_mut().insert(CACHE_CONTROL, kept);
    reply
}
