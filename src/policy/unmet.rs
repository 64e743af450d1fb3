//! Which names in the rules of routes belong to nobody?

use std::collections::HashSet;
use std::fmt;

use crate::identity::{GroupName, User, UserName};
use crate::policy::{Route, RouteName, Rule};

/// A name in a route's rule that lets nobody pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet<'r> {
    /// Nobody is in this group.
    Group(&'r RouteName, &'r GroupName),
    /// Nobody is called so.
    User(&'r RouteName, &'r UserName),
}

/// All of them, in the order of the routes: misspelt, or not added yet.
pub fn unmet<'r>(routes: impl IntoIterator<Item = &'r Route>, users: &[User]) -> Vec<Unmet<'r>> {
    let names: HashSet<&UserName> = users.iter().map(|user| &user.name).collect();
    let groups: HashSet<&GroupName> = users.iter().flat_map(|user| &user.groups).collect();
    let mut found = Vec::new();
    for route in routes {
        let (in_groups, called) = match &route.rule {
            Rule::Members { groups, users } => (groups.as_slice(), users.as_slice()),
            Rule::Anyone | Rule::Optional | Rule::SignedIn => continue,
        };
        let empty = in_groups.iter().filter(|group| !groups.contains(group));
        found.extend(empty.map(|group| Unmet::Group(&route.name, group)));
        let unknown = called.iter().filter(|name| !names.contains(name));
        found.extend(unknown.map(|name| Unmet::User(&route.name, name)));
    }
    found
}

impl fmt::Display for Unmet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(route, group) => {
                let route = route.as_str();
                write!(
                    f,
                    "route {route} lets the group {group} pass, and nobody is in it"
                )
            }
            Self::User(route, name) => {
                let route = route.as_str();
                write!(
                    f,
                    "route {route} lets the user {name} pass, and nobody is called so"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::identity::{PasswordTerm, UserId};
    use crate::policy::{Accepts, HostPattern, PathPrefix, Preflight, RevocationCheck};

    fn route(rule: Rule) -> Route {
        Route {
            name: RouteName::parse("app").unwrap(),
            host: HostPattern::Ours,
            prefix: PathPrefix::parse("/").unwrap(),
            rule,
            accepts: Accepts {
                header: true,
                cookie: true,
            },
            preflight: Preflight::Answer,
            revocation: RevocationCheck::Local,
            max_auth_age: None,
        }
    }

    fn members(groups: &[&str], users: &[&str]) -> Rule {
        let group = |name: &&str| GroupName::parse(name).unwrap();
        let user = |name: &&str| UserName::parse(name).unwrap();
        Rule::Members {
            groups: groups.iter().map(group).collect(),
            users: users.iter().map(user).collect(),
        }
    }

    #[test]
    fn names_that_belong_to_nobody_are_found() {
        let ada = User {
            id: UserId::from_bytes([1; 16]),
            name: UserName::parse("ada").unwrap(),
            display_name: None,
            email: None,
            groups: vec![GroupName::parse("ops").unwrap()],
            disabled: true,
            password_term: PasswordTerm::Lasting,
            session_epoch: 1,
            claims_epoch: 1,
            created_at: Timestamp::from_seconds(0),
        };
        for (rule, said) in [
            (Rule::Anyone, ""),
            (Rule::Optional, ""),
            (Rule::SignedIn, ""),
            (members(&["ops"], &["ada"]), ""),
            (
                members(&["ops", "Ops"], &[]),
                "route app lets the group Ops pass, and nobody is in it",
            ),
            (
                members(&[], &["eda", "ada"]),
                "route app lets the user eda pass, and nobody is called so",
            ),
        ] {
            let routes = [route(rule)];
            let found = unmet(&routes, std::slice::from_ref(&ada));
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found.join("\n"), said);
        }
    }
}
