//! Passwords: which new ones are accepted, and what is kept of them.

mod argon2;
mod bcrypt;
mod common;
mod fast;
mod hash;
mod known;
mod md5_crypt;
mod memory;
mod pbkdf2;
mod phpass;
mod policy;
mod recipe;
mod rules;
mod scheme;
mod scrypt;
mod sha_crypt;
mod term;
mod text;

#[cfg(test)]
mod made_by_others;
#[cfg(test)]
mod tests;

pub use hash::{LONGEST_ATTEMPT, PasswordHash};
pub use memory::HashMemory;
pub use policy::{Argon2Cost, HashPolicy, Pepper};
pub use rules::{DeniedPasswords, Owner, PasswordError, PasswordRules};
pub use scheme::{Scheme, Unsupported};
pub use term::PasswordTerm;
