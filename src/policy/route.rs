//! What a route is: its name, its hosts, its paths, and who may pass.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::clock::Timestamp;
use crate::policy::Rule;
use crate::request::Host;
use crate::request::path::is_plain;

/// A route's place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub(super) usize);

impl RouteId {
    /// The place in [`Routes`](crate::policy::Routes) and in every table made from the same configuration.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// A route's name: the assertion's audience. Letters, digits, `.`, `_`, `-`, `/`, `:`; at most 128.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteName(Arc<str>);

/// The hosts a route serves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// No `host` in the configuration: the hosts of `public_url` and of the other routes.
    Ours,
    /// This host only. A pattern without port fits every port.
    Only(Host),
    /// `host = "*"`: any host.
    Any,
}

/// The start of a path, ending on a segment boundary: `/` or `/app`, without trailing slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPrefix(Box<str>);

/// The prefix of vestibule's own endpoints, such as `/vestibule`. Never `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPrefix(PathPrefix);

/// Which credentials a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts {
    /// `Authorization: Bearer`.
    pub header: bool,
    /// Our cookies.
    pub cookie: bool,
}

/// What happens to a CORS preflight on a protected route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preflight {
    /// Answered here with 204.
    Answer,
    /// Passed to the app without credentials or body.
    Forward,
}

/// How a route asks whether the session of an access token was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationCheck {
    /// In the memory of this process, which follows the store.
    Local,
    /// In the store, on every request.
    Strict,
    /// Not at all: the token is good until its own end.
    None,
}

/// A route as far as the decision needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What it is called.
    pub name: RouteName,
    /// Which hosts.
    pub host: HostPattern,
    /// Which paths.
    pub prefix: PathPrefix,
    /// Who may pass.
    pub rule: Rule,
    /// How they may prove who they are.
    pub accepts: Accepts,
    /// What happens to preflights.
    pub preflight: Preflight,
    /// Where revocations are looked for.
    pub revocation: RevocationCheck,
    /// Whoever signed in longer ago must sign in again.
    pub max_auth_age: Option<Duration>,
}

/// Why a route name, prefix or host, or a set of routes, is no good.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteError {
    /// A bad name.
    #[error("a route's name has 1 to 128 letters, digits or . _ - / :")]
    Name,
    /// A bad prefix.
    #[error(
        "a path starts with / and holds no %, \\, ;, ?, #, space, double slash, letter beyond a-z, or part that ends in a dot"
    )]
    Prefix,
    /// Our own prefix must not be the root.
    #[error("the prefix of vestibule's own pages cannot be /")]
    OwnPrefixIsRoot,
    /// A bad host.
    #[error("a host is a name or an address, with a port where it matters, or *")]
    Host,
    /// Two routes for the same host and path.
    #[error("routes {0} and {1} have the same host and path")]
    Twice(String, String),
    /// Two routes of the same name.
    #[error("two routes are called {0}")]
    NameTwice(String),
    /// A route under our own prefix.
    #[error("route {0} lies under the prefix of vestibule's own pages")]
    UnderOwnPrefix(String),
}

impl Route {
    /// How old a sign-in may be here, where one of that moment is older.
    pub fn asks_for_fresher(
        &self,
        authenticated_at: Timestamp,
        now: Timestamp,
    ) -> Option<Duration> {
        self.max_auth_age
            .filter(|max| now.since(authenticated_at) > *max)
    }
}

impl RouteName {
    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-/:".contains(&b);
        if (1..=128).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(RouteError::Name)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl HostPattern {
    /// Reads the `host` of a route: absent, `*`, or a host.
    pub fn parse(text: Option<&str>) -> Result<Self, RouteError> {
        match text {
            None => Ok(Self::Ours),
            Some("*") => Ok(Self::Any),
            Some(host) => Host::parse(host).map(Self::Only).ok_or(RouteError::Host),
        }
    }
}

impl PathPrefix {
    /// Checks a prefix; a trailing slash is dropped. Only plain paths are taken: another one would
    /// never match in all its readings.
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        if !text.starts_with('/') || !is_plain(text) {
            return Err(RouteError::Prefix);
        }
        let prefix = text.strip_suffix('/').filter(|rest| !rest.is_empty());
        Ok(Self(prefix.unwrap_or(text).into()))
    }

    /// What a path begins with before the next slash: as [`Self::as_str`], but empty for the root.
    pub(super) fn stem(&self) -> &str {
        if &*self.0 == "/" { "" } else { &self.0 }
    }

    /// The prefix.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl OwnPrefix {
    /// Checks a prefix for our own endpoints.
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        let prefix = PathPrefix::parse(text)?;
        if prefix.as_str() == "/" {
            return Err(RouteError::OwnPrefixIsRoot);
        }
        Ok(Self(prefix))
    }

    /// The address of the sign-in page from which one goes on to `return_to`.
    pub fn sign_in_page(&self, return_to: &str) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", return_to)
            .finish();
        format!("{}/login?{query}", self.as_str())
    }

    /// What comes after the prefix, such as `/login` or nothing; `None` for a path not under it.
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(self.as_str())
            .filter(|rest| starts_segment(rest))
    }

    /// Whether a path is under the prefix for an app that does not care about the case of letters.
    pub fn covers_in_any_case(&self, path: &str) -> bool {
        path.split_at_checked(self.as_str().len())
            .is_some_and(|(start, rest)| {
                start.eq_ignore_ascii_case(self.as_str()) && starts_segment(rest)
            })
    }

    /// The prefix, such as `/vestibule`.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

fn starts_segment(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_an_audience_and_a_label() {
        for good in ["app", "app.example/admin", "a:8080/x_y-z", &"x".repeat(128)] {
            assert_eq!(RouteName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "ä", "a\"b", &"x".repeat(129)] {
            assert_eq!(RouteName::parse(bad), Err(RouteError::Name), "{bad:?}");
        }
    }

    #[test]
    fn a_prefix_ends_on_a_segment() {
        for (text, prefix) in [
            ("/", "/"),
            ("/app", "/app"),
            ("/app/", "/app"),
            ("/.well-known/x", "/.well-known/x"),
            ("/~ada/v1.2", "/~ada/v1.2"),
        ] {
            assert_eq!(PathPrefix::parse(text).unwrap().as_str(), prefix);
        }
    }

    #[test]
    fn a_prefix_has_one_reading() {
        for bad in [
            "", "app", "//", "/a//b", "/a//", "/a%2fb", "/a;b", "/a?b", "/a#b", "/a b", "/a\\b",
            "/..", "/a/./b", "/a.", "/ä", "*", "/a\n",
        ] {
            assert_eq!(PathPrefix::parse(bad), Err(RouteError::Prefix), "{bad:?}");
        }
    }

    #[test]
    fn our_own_prefix_is_not_the_root() {
        assert_eq!(OwnPrefix::parse("/"), Err(RouteError::OwnPrefixIsRoot));
        let own = OwnPrefix::parse("/vestibule/").unwrap();
        for (path, rest) in [
            ("/vestibule", Some("")),
            ("/vestibule/", Some("/")),
            ("/vestibule/login", Some("/login")),
            ("/vestibules", None),
            ("/Vestibule", None),
            ("/", None),
        ] {
            assert_eq!(own.strip(path), rest, "{path}");
        }
        assert!(own.covers_in_any_case("/VESTIBULE/x"));
        assert!(!own.covers_in_any_case("/VESTIBULEx"));
        assert!(!own.covers_in_any_case("/"));
    }

    #[test]
    fn a_host_pattern_is_absent_a_star_or_a_host() {
        assert_eq!(HostPattern::parse(None), Ok(HostPattern::Ours));
        assert_eq!(HostPattern::parse(Some("*")), Ok(HostPattern::Any));
        let app = Host::parse("app.example:81").unwrap();
        assert_eq!(
            HostPattern::parse(Some("App.example:81")),
            Ok(HostPattern::Only(app))
        );
        for bad in ["", "*.example", "https://app.example", "app.example/x"] {
            assert_eq!(
                HostPattern::parse(Some(bad)),
                Err(RouteError::Host),
                "{bad}"
            );
        }
    }
}
