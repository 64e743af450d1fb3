//! Who is asking? Credentials in headers and cookies, checked; and the refresh that renews them.

pub mod admin_token;
pub mod cookies;
pub mod credentials;
mod csrf;
mod pace;
mod receipt;
pub mod refresh;
pub mod refusal;
pub mod renew;
pub mod single_flight;
mod told;
pub mod verify;

pub use admin_token::{AdminToken, AdminTokenError, admin_token_to_show};
pub use cookies::Cookies;
pub use credentials::{CredentialError, Credentials, bearer, credentials, holds_ours, is_ours};
pub use csrf::CsrfGuard;
pub use receipt::Receipts;
pub use refresh::{Judged, Occasion, RefreshError, Refreshed, Refresher};
pub use refusal::{challenge_problem, credential_problem};
pub use renew::Renewal;
pub use single_flight::{Flights, Outcome, SharedRefresher};
pub use verify::{Authenticator, last_token_ends};
