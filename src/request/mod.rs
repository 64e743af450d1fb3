//! What a request says, before anybody judges it: facts read once, ambiguity refused. Pure.

pub mod connection;
pub mod facts;
pub mod host;
pub mod id;
pub mod language;
pub mod path;
pub mod reserved;
mod rewrite;
pub mod trace;
pub mod trust;
pub mod wants;
mod websocket;

pub use facts::{Ambiguous, Connection, Malformed, RequestFacts};
pub use host::{Host, Origin, Scheme};
pub use id::RequestId;
pub use language::{LanguageTag, Reader};
pub use path::{PathError, RequestPath};
pub use trace::{SpanId, Trace, TraceId, TraceParent};
pub use trust::TrustedProxies;
pub use wants::Wants;
