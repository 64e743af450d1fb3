//! Proving who you are, and opening a session.

pub mod hashing;
pub mod local;
pub mod open;

pub use hashing::{Busy, Hasher};
pub use local::{LocalLogin, SignIn};
pub use open::{OpenSession, Opener};
