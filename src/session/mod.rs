//! The life of a session: its row, its refresh generations, its tokens and keys. Pure.

pub mod access_token;
pub mod assertion;
mod claim;
pub mod csrf_token;
pub mod issue;
pub mod judge;
mod jws;
pub mod key;
pub mod key_life;
pub mod key_plan;
pub mod key_ring;
pub mod refresh_token;
pub mod revocations;
pub mod seed;
mod signing_key;
pub mod state;

pub use access_token::{Claims, TokenError, TokenSettings};
pub use csrf_token::CsrfKey;
pub use issue::{Tokens, issue};
pub use judge::{Verdict, judge};
pub use key::{Key, KeyAlgorithm, KeyMaterial, KeyPurpose};
pub use key_life::{KeySettings, KeyState};
pub use key_ring::{KeyRing, SharedRing};
pub use refresh_token::{RefreshToken, TokenHash};
pub use revocations::{OnStale, Revocations, Staleness};
pub use seed::Seed;
pub use state::{Delivery, RevokeReason, SessionRow, SessionSettings};
