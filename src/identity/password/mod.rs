//! Passwords: which new ones are accepted, and what is kept of them.

mod argon2_phc;
mod hash;
mod known;
mod policy;
mod rules;
mod scheme;

pub use hash::{LONGEST_ATTEMPT, PasswordHash};
pub use policy::{Argon2Cost, HashPolicy};
pub use rules::{PasswordError, PasswordRules};
pub use scheme::{Scheme, Unsupported};
