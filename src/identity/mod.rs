//! Who somebody is: users, visitors, names, secrets and password hashes. Pure.

pub mod names;
pub mod password;
pub mod secret;
pub mod template;
pub mod user;
pub mod visitor;

pub use names::{DisplayName, Email, GroupName, UserName};
pub use password::{PasswordHash, PasswordTerm};
pub use secret::Secret;
pub use template::{Template, TemplateError};
pub use user::{Identity, User, UserId};
pub use visitor::{Known, Proof, Reason, Refused, SessionId, Visitor};
