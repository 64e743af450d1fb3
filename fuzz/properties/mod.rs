//! What must hold of whatever arrives at an entry, one file an entry: asked by the fuzz targets and by `tests/properties.rs`.
//!
//! Each `check` takes bytes that nobody vouches for, panics where its sentence does not hold, and
//! returns whether the entry took them, so that the tests see whether both outcomes were reached.

pub(crate) mod authorization;
pub(crate) mod claims;
pub(crate) mod configuration;
pub(crate) mod cookies;
pub(crate) mod forwarded;
pub(crate) mod import;
pub(crate) mod password_hash;
pub(crate) mod path;
pub(crate) mod refresh_token;
pub(crate) mod return_to;
pub(crate) mod sign_in;
