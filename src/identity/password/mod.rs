//! Passwords: which new ones are accepted, and what is kept of them.

mod hash;
mod rules;

pub use hash::{LONGEST_ATTEMPT, PasswordHash};
pub use rules::{PasswordError, PasswordRules};
