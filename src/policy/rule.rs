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

impl Rule {
    /// Whether strangers are turned away.
    pub const fn is_protected(&self) -> bool {
        match self {
            Self::SignedIn | Self::Members { .. } => true,
            Self::Anyone | Self::Optional => false,
        }
    }

    /// Whether somebody passes who is signed in, has this name and is in these groups.
    pub fn admits(&self, name: &UserName, groups: &[GroupName]) -> bool {
        match self {
            Self::Anyone | Self::Optional | Self::SignedIn => true,
            Self::Members {
                groups: any_of,
                users,
            } => users.contains(name) || any_of.iter().any(|group| groups.contains(group)),
        }
    }
}
