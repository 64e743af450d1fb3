//! Who may pass a route.

use crate::identity::{GroupName, UserName};

/// The `allow` of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Public: everybody, and the app is not told who.
    Anyone,
    /// Everybody; the app is told who if they are signed in.
    Optional,
    /// Whoever is signed in.
    SignedIn,
    /// Whoever is signed in and is one of these users or in one of these groups.
    Members {
        /// Any of these groups.
        groups: Vec<GroupName>,
        /// Or any of these users.
        users: Vec<UserName>,
    },
}
