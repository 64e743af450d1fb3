//! Proving who you are, opening a session, changing a password.

pub mod defence;
pub mod hashing;
pub mod held_forms;
pub mod local;
pub mod open;
pub mod password_change;
mod threads;

pub use defence::{Caller, Defence, DeviceId, Marker};
pub use hashing::{Busy, Hasher};
pub use held_forms::{FormHead, FormId, FormKey, HeldForms};
pub use local::{LocalLogin, SignIn};
pub use open::{OpenSession, OpenedSession, Opener};
pub use password_change::{PasswordChange, PasswordChanger};
