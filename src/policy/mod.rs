//! May they pass? Routes, rules and the one decision about each request. Pure.

pub mod astray;
pub mod cors;
pub mod csrf;
pub mod decide;
pub mod return_to;
pub mod route;
pub mod routes;
pub mod rule;
pub mod unmet;

pub use astray::{Astray, Came, Seen, astray};
pub use cors::AllowedOrigins;
pub use csrf::{CsrfMode, CsrfSettings, Sender, Sent, Suspicion, TrustedOrigins};
pub use decide::{Challenge, Decision, Permit, PreflightDecision, decide, decide_preflight};
pub use return_to::ReturnTo;
pub use route::{
    Accepts, HostPattern, OwnPrefix, PathPrefix, Preflight, RevocationCheck, Route, RouteError,
    RouteId, RouteName,
};
pub use routes::{Destination, Found, Routes};
pub use rule::Rule;
pub use unmet::{Unmet, unmet};
