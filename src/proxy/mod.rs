//! Carries a permitted request to the app and the answer back.

pub mod body;
pub mod forward;
pub mod pool;
pub mod streams;

mod assertions;
mod connect;
mod cut;
mod exchange;
mod forwarding;
mod frames;
mod headers_down;
mod headers_up;
mod hop_by_hop;
mod identity;
mod relay;
mod request_body;
mod tunnel;

pub use body::Body;
pub use cut::Passage;
pub use forward::{ForwardError, Forwarded, Forwarder};
pub use headers_down::forbid_storing;
pub use pool::Upstreams;
pub use request_body::CallersBody;
pub use tunnel::Place;

#[cfg(test)]
mod tests;
