//! The decision: may this visitor pass this route?

use std::time::Duration;

use crate::clock::Timestamp;
use crate::identity::{Known, Proof, Refused, Visitor};
use crate::policy::{Preflight, Route, RouteId, Rule};

/// What is to become of a request.
#[derive(Debug)]
pub enum Decision {
    /// It goes to the app.
    Allow(Permit),
    /// Whoever asks must sign in (again).
    Challenge(Challenge),
    /// Known, and not allowed here.
    Deny,
    /// Whether they may pass cannot be told at the moment.
    Unavailable,
}

/// Why a sign-in is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// No credential came.
    Missing,
    /// A credential came and is no good.
    Refused(Refused),
    /// They are signed in and allowed, and signed in too long ago.
    TooOld {
        /// How old a sign-in may be here.
        max_age: Duration,
        /// How their credential came.
        proof: Proof,
    },
}

impl Challenge {
    /// Whether signing in with a browser helps: whoever sent a Bearer token is a program.
    pub fn is_for_a_browser(self) -> bool {
        match self {
            Self::Missing => true,
            Self::Refused(Refused { proof, .. }) | Self::TooOld { proof, .. } => {
                proof == Proof::Cookie
            }
        }
    }
}

/// Leave to send one request to the app. Only [`decide`] makes one.
#[derive(Debug)]
pub struct Permit {
    route: RouteId,
    known: Option<Known>,
}

impl Permit {
    /// The route it was given for.
    pub const fn route(&self) -> RouteId {
        self.route
    }

    /// Who the app is told is asking; `None` on public routes and for strangers.
    pub const fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }

    /// The same, when the rest has served.
    pub fn into_known(self) -> Option<Known> {
        self.known
    }
}

/// Decides:
///
/// | | stranger | known | refused cookie | refused Bearer | unchecked |
/// |---|---|---|---|---|---|
/// | anyone | pass | pass, unnamed | pass | challenge | pass, unnamed |
/// | optional | pass | pass, named | pass | challenge | unavailable |
/// | signed-in | challenge | pass, named | challenge | challenge | unavailable |
/// | members | challenge | pass, named; others: deny | challenge | challenge | unavailable |
///
/// Whoever would pass named is challenged where the route asks for a fresher sign-in than theirs.
pub fn decide(id: RouteId, route: &Route, visitor: Visitor, now: Timestamp) -> Decision {
    let allow = |known| Decision::Allow(Permit { route: id, known });
    let allow_named = |known: Known| match route.asks_for_fresher(known.authenticated_at, now) {
        None => allow(Some(known)),
        Some(max_age) => Decision::Challenge(Challenge::TooOld {
            max_age,
            proof: known.proof,
        }),
    };
    match (&route.rule, visitor) {
        (Rule::Anyone, Visitor::Known(_) | Visitor::Unchecked) => allow(None),
        (Rule::Optional | Rule::SignedIn | Rule::Members { .. }, Visitor::Unchecked) => {
            Decision::Unavailable
        }
        (Rule::Optional | Rule::SignedIn, Visitor::Known(known)) => allow_named(known),
        (Rule::Members { .. }, Visitor::Known(known)) => {
            if route
                .rule
                .admits(&known.identity.name, &known.identity.groups)
            {
                allow_named(known)
            } else {
                Decision::Deny
            }
        }
        (Rule::Anyone | Rule::Optional, Visitor::Stranger) => allow(None),
        (Rule::SignedIn | Rule::Members { .. }, Visitor::Stranger) => {
            Decision::Challenge(Challenge::Missing)
        }
        (Rule::Anyone | Rule::Optional, Visitor::Refused(refused)) => match refused.proof {
            Proof::Cookie => allow(None),
            Proof::Bearer => Decision::Challenge(Challenge::Refused(refused)),
        },
        (Rule::SignedIn | Rule::Members { .. }, Visitor::Refused(refused)) => {
            Decision::Challenge(Challenge::Refused(refused))
        }
    }
}

/// What is to become of a CORS preflight on a protected route; public routes decide as usual.
#[derive(Debug)]
pub enum PreflightDecision {
    /// Answered here with 204.
    Answer,
    /// Goes to the app, without credentials or body.
    Forward(Permit),
}

/// Decides about a CORS preflight: no identity is ever sent with one.
pub fn decide_preflight(route: RouteId, preflight: Preflight) -> PreflightDecision {
    match preflight {
        Preflight::Answer => PreflightDecision::Answer,
        Preflight::Forward => PreflightDecision::Forward(Permit { route, known: None }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::identity::{GroupName, Identity, Reason, SessionId, UserId, UserName};
    use crate::policy::{Accepts, HostPattern, PathPrefix, RevocationCheck, RouteName};

    const ROUTE: RouteId = RouteId(3);

    /// A route with this rule, for sign-ins of at most so many seconds ago.
    fn route(rule: &Rule, max_auth_age: Option<u64>) -> Route {
        Route {
            name: RouteName::parse("app").unwrap(),
            host: HostPattern::Ours,
            prefix: PathPrefix::parse("/").unwrap(),
            rule: rule.clone(),
            accepts: Accepts {
                header: true,
                cookie: true,
            },
            preflight: Preflight::Answer,
            revocation: RevocationCheck::Local,
            max_auth_age: max_auth_age.map(Duration::from_secs),
        }
    }

    fn known(name: &str, groups: &[&str]) -> Visitor {
        let groups = groups
            .iter()
            .map(|g| GroupName::parse(g).unwrap())
            .collect();
        let name = UserName::parse(name).unwrap();
        let identity = Identity::new(UserId::from_bytes([1; 16]), name, None, None, groups);
        Visitor::Known(Known {
            identity: Arc::new(identity),
            session: SessionId::from_bytes([2; 16]),
            authenticated_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(1),
            session_epoch: 0,
            claims_epoch: 0,
            proof: Proof::Bearer,
        })
    }

    fn refused(proof: Proof) -> Visitor {
        let reason = Reason::WrongType;
        Visitor::Refused(Refused { reason, proof })
    }

    fn members(groups: &[&str], users: &[&str]) -> Rule {
        Rule::Members {
            groups: groups
                .iter()
                .map(|g| GroupName::parse(g).unwrap())
                .collect(),
            users: users.iter().map(|u| UserName::parse(u).unwrap()).collect(),
        }
    }

    fn told(rule: &Rule, visitor: Visitor) -> String {
        told_at(&route(rule, None), visitor, 0)
    }

    fn told_at(route: &Route, visitor: Visitor, seconds: i64) -> String {
        match decide(ROUTE, route, visitor, Timestamp::from_seconds(seconds)) {
            Decision::Allow(permit) => {
                assert_eq!(permit.route(), ROUTE);
                let name = permit
                    .known()
                    .map_or("nobody", |k| k.identity.name.as_str());
                format!("pass as {name}")
            }
            Decision::Challenge(Challenge::Missing) => "missing".to_owned(),
            Decision::Challenge(Challenge::Refused(_)) => "refused".to_owned(),
            Decision::Challenge(Challenge::TooOld { max_age, proof }) => {
                format!("{proof:?} older than {} s", max_age.as_secs())
            }
            Decision::Deny => "deny".to_owned(),
            Decision::Unavailable => "unavailable".to_owned(),
        }
    }

    #[test]
    fn every_rule_meets_every_visitor() {
        let rules = [
            (
                Rule::Anyone,
                [
                    "pass as nobody",
                    "pass as nobody",
                    "pass as nobody",
                    "refused",
                ],
            ),
            (
                Rule::Optional,
                ["pass as nobody", "pass as ada", "pass as nobody", "refused"],
            ),
            (
                Rule::SignedIn,
                ["missing", "pass as ada", "refused", "refused"],
            ),
            (
                members(&["ops"], &[]),
                ["missing", "pass as ada", "refused", "refused"],
            ),
            (
                members(&[], &["ada"]),
                ["missing", "pass as ada", "refused", "refused"],
            ),
            (
                members(&["Ops"], &["bob"]),
                ["missing", "deny", "refused", "refused"],
            ),
            (members(&[], &[]), ["missing", "deny", "refused", "refused"]),
        ];
        for (rule, expected) in rules {
            let visitors = [
                Visitor::Stranger,
                known("ada", &["dev", "ops"]),
                refused(Proof::Cookie),
                refused(Proof::Bearer),
            ];
            for (visitor, expected) in visitors.into_iter().zip(expected) {
                let told = told(&rule, visitor.clone());
                assert_eq!(told, expected, "{rule:?} {visitor:?}");
            }
        }
    }

    #[test]
    fn whoever_cannot_be_checked_passes_only_where_nobody_is_named() {
        for (rule, expected) in [
            (Rule::Anyone, "pass as nobody"),
            (Rule::Optional, "unavailable"),
            (Rule::SignedIn, "unavailable"),
            (members(&[], &["ada"]), "unavailable"),
        ] {
            assert_eq!(told(&rule, Visitor::Unchecked), expected, "{rule:?}");
        }
    }

    #[test]
    fn fj_07_a_sign_in_is_fresh_until_its_last_moment() {
        let members = members(&["ops"], &[]);
        let others = self::members(&["dev"], &[]);
        let pass = "pass as ada";
        let old = "Bearer older than 900 s";
        for (rule, ages) in [
            (Rule::Anyone, ["pass as nobody"; 3]),
            (Rule::Optional, [pass, pass, old]),
            (Rule::SignedIn, [pass, pass, old]),
            (members, [pass, pass, old]),
            (others, ["deny"; 3]),
        ] {
            let route = route(&rule, Some(900));
            for (seconds, expected) in [-5, 900, 901].into_iter().zip(ages) {
                let told = told_at(&route, known("ada", &["ops"]), seconds);
                assert_eq!(told, expected, "{rule:?} at {seconds}");
            }
        }
    }

    #[test]
    fn fj_08_what_is_wrong_with_a_token_is_told_before_its_age() {
        let route = route(&Rule::SignedIn, Some(900));
        assert_eq!(told_at(&route, refused(Proof::Bearer), 901), "refused");
        assert_eq!(told_at(&route, Visitor::Stranger, 901), "missing");
        assert_eq!(told_at(&route, Visitor::Unchecked, 901), "unavailable");
    }

    #[test]
    fn a_preflight_never_carries_who_asks() {
        let answered = decide_preflight(ROUTE, Preflight::Answer);
        assert!(matches!(answered, PreflightDecision::Answer));
        match decide_preflight(ROUTE, Preflight::Forward) {
            PreflightDecision::Forward(permit) => {
                assert_eq!(permit.route(), ROUTE);
                assert!(permit.known().is_none());
            }
            PreflightDecision::Answer => panic!("it is to be forwarded"),
        }
    }
}
