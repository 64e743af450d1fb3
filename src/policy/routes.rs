//! Which route is meant: the longest host + path prefix on which all readings of the path agree.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::policy::{HostPattern, OwnPrefix, Route, RouteError, RouteId};
use crate::request::{Host, RequestPath};

/// What was found for a host and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// One of our own endpoints; what comes after the prefix, such as `/login`.
    Own {
        /// The rest of the raw path after the prefix.
        rest: String,
    },
    /// This route, in all readings.
    Route(RouteId),
    /// No route: 404.
    Nowhere,
    /// The readings disagree: 400.
    Ambiguous,
    /// The host is none of ours: 421.
    Misdirected,
}

/// All routes, ready to be searched in a time that does not grow with their number.
#[derive(Clone, Debug)]
pub struct Routes {
    routes: Vec<Route>,
    own: OwnPrefix,
    /// The routes of named hosts, and every host of ours, by name.
    sites: HashMap<Box<str>, Site>,
    /// The routes without a host.
    ours: Prefixes,
    /// The routes of `host = "*"`.
    any: Prefixes,
    /// All loopback hosts are ours.
    loopback: bool,
    /// The length of the longest prefix, our own among them, in bytes.
    longest: usize,
    /// A prefix, our own among them, has a letter in upper case.
    has_upper_case: bool,
}

/// What is known of one host name; being here makes it ours.
#[derive(Clone, Debug, Default)]
struct Site {
    every_port: Option<Prefixes>,
    ports: HashMap<u16, Prefixes>,
}

/// The routes of one host by their prefix (without trailing slash, so that the root is empty).
#[derive(Clone, Debug, Default)]
struct Prefixes {
    exact: HashMap<Box<str>, RouteId>,
    /// The same in lower case.
    folded: HashMap<Box<str>, RouteId>,
}

/// Where one reading leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To our own endpoints.
    Own,
    /// To this route.
    Route(RouteId),
    /// To no route.
    Nowhere,
}

/// What a request may be looked up in: the routes of its host, most specific first.
#[derive(Clone, Copy)]
struct Scope<'a> {
    prefixes: [Option<&'a Prefixes>; 4],
    is_ours: bool,
}

impl Routes {
    /// Makes the table. `public_hosts` are the hosts of `public_url`. Where one of them is a loopback
    /// host, all loopback names and addresses are ours.
    pub fn new(
        routes: Vec<Route>,
        own: OwnPrefix,
        public_hosts: Vec<Host>,
    ) -> Result<Self, RouteError> {
        let has_upper_case = |text: &str| text.bytes().any(|b| b.is_ascii_uppercase());
        let mut made = Self {
            sites: HashMap::new(),
            ours: Prefixes::default(),
            any: Prefixes::default(),
            loopback: public_hosts.iter().any(Host::is_loopback),
            longest: own.as_str().len(),
            has_upper_case: has_upper_case(own.as_str()),
            own,
            routes: Vec::new(),
        };
        for host in &public_hosts {
            made.site(host);
        }
        let mut names = HashSet::new();
        for (place, route) in routes.iter().enumerate() {
            if !names.insert(&route.name) {
                return Err(RouteError::NameTwice(route.name.as_str().to_owned()));
            }
            if made.own.covers_in_any_case(route.prefix.stem()) {
                return Err(RouteError::UnderOwnPrefix(route.name.as_str().to_owned()));
            }
            made.longest = made.longest.max(route.prefix.stem().len());
            made.has_upper_case |= has_upper_case(route.prefix.stem());
            let same = match &route.host {
                HostPattern::Ours => made.ours.insert(route, RouteId(place)),
                HostPattern::Any => made.any.insert(route, RouteId(place)),
                HostPattern::Only(host) => made.site(host).insert(route, RouteId(place)),
            };
            if let Some(other) = same.and_then(|RouteId(other)| routes.get(other)) {
                let names = [&other.name, &route.name].map(|name| name.as_str().to_owned());
                let [first, second] = names;
                return Err(RouteError::Twice(first, second));
            }
        }
        made.routes = routes;
        Ok(made)
    }

    /// Finds the one destination on which all readings of the path agree.
    pub fn find(&self, host: Option<&Host>, path: &RequestPath) -> Found {
        let scope = self.scope(host);
        if !scope.is_ours && self.any.exact.is_empty() {
            return Found::Misdirected;
        }
        let mut destinations = path
            .readings()
            .flat_map(|reading| self.destinations(scope, reading));
        let first = destinations.next().unwrap_or(Destination::Nowhere);
        if destinations.any(|other| other != first) {
            return Found::Ambiguous;
        }
        match first {
            Destination::Own => Found::Own {
                rest: self.own.strip(path.raw()).unwrap_or_default().to_owned(),
            },
            Destination::Route(id) => Found::Route(id),
            Destination::Nowhere if scope.is_ours => Found::Nowhere,
            Destination::Nowhere => Found::Misdirected,
        }
    }

    /// Where each reading of a path leads, for apps that do not care about the case of letters, too:
    /// all that [`find`](Self::find) compares.
    pub fn readings<'a>(
        &self,
        host: Option<&Host>,
        path: &'a RequestPath,
    ) -> Vec<(&'a str, Vec<Destination>)> {
        let scope = self.scope(host);
        path.readings()
            .map(|reading| (reading, self.destinations(scope, reading).collect()))
            .collect()
    }

    /// The route of this id.
    pub fn route(&self, id: RouteId) -> Option<&Route> {
        self.routes.get(id.0)
    }

    /// All routes in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = (RouteId, &Route)> {
        self.routes.iter().enumerate().map(|(i, r)| (RouteId(i), r))
    }

    /// The routes of exactly this host pattern, made ours if it was not.
    fn site(&mut self, host: &Host) -> &mut Prefixes {
        let site = self.sites.entry(host.name().into()).or_default();
        match host.port() {
            Some(port) => site.ports.entry(port).or_default(),
            None => site.every_port.get_or_insert_default(),
        }
    }

    fn scope(&self, host: Option<&Host>) -> Scope<'_> {
        let Some(host) = host else {
            return Scope {
                prefixes: [Some(&self.ours), Some(&self.any), None, None],
                is_ours: true,
            };
        };
        let site = self.sites.get(host.name());
        let this_port = site
            .zip(host.port())
            .and_then(|(site, port)| site.ports.get(&port));
        let every_port = site.and_then(|site| site.every_port.as_ref());
        let is_ours =
            this_port.is_some() || every_port.is_some() || (self.loopback && host.is_loopback());
        let ours = is_ours.then_some(&self.ours);
        Scope {
            prefixes: [this_port, every_port, ours, Some(&self.any)],
            is_ours,
        }
    }

    /// Where a reading leads as it is, and for an app that does not care about the case of letters.
    fn destinations(&self, scope: Scope<'_>, path: &str) -> impl Iterator<Item = Destination> {
        // Letters beyond ASCII may become shorter or longer: a prefix reaches elsewhere then.
        let folded = if path.is_ascii() {
            self.folded(self.decisive(path))
        } else {
            self.folded(path)
        };
        let folded = folded.map(|path| {
            let path = self.decisive(&path);
            if self.own.covers_in_any_case(path) {
                Destination::Own
            } else {
                scope.longest(path, |prefixes| &prefixes.folded)
            }
        });
        let path = self.decisive(path);
        let exact = if self.own.strip(path).is_some() {
            Destination::Own
        } else {
            scope.longest(path, |prefixes| &prefixes.exact)
        };
        std::iter::once(exact).chain(folded)
    }

    /// The path in lower case; `None` where that makes no difference.
    fn folded<'a>(&self, path: &'a str) -> Option<Cow<'a, str>> {
        if !path.is_ascii() {
            Some(path.chars().flat_map(folded_letter).collect())
        } else if path.bytes().any(|b| b.is_ascii_uppercase()) {
            Some(Cow::Owned(path.to_ascii_lowercase()))
        } else {
            self.has_upper_case.then_some(Cow::Borrowed(path))
        }
    }

    /// The whole segments of a path that a prefix can reach.
    fn decisive<'a>(&self, path: &'a str) -> &'a str {
        let reach = path.as_bytes().get(..=self.longest);
        reach
            .and_then(|bytes| bytes.iter().rposition(|byte| *byte == b'/'))
            .and_then(|end| path.get(..end))
            .unwrap_or(path)
    }
}

impl Prefixes {
    /// Adds a route, or gives the one that is already there.
    fn insert(&mut self, route: &Route, id: RouteId) -> Option<RouteId> {
        let prefix = route.prefix.stem();
        self.exact.insert(prefix.into(), id);
        self.folded.insert(prefix.to_ascii_lowercase().into(), id)
    }
}

impl<'a> Scope<'a> {
    /// The longest prefix on the most specific host that has one.
    fn longest(
        &self,
        path: &str,
        table: impl Fn(&'a Prefixes) -> &'a HashMap<Box<str>, RouteId>,
    ) -> Destination {
        self.prefixes
            .iter()
            .flatten()
            .map(|prefixes| table(prefixes))
            .filter(|table| !table.is_empty())
            .find_map(|table| starts(path).find_map(|start| table.get(start).copied()))
            .map_or(Destination::Nowhere, Destination::Route)
    }
}

/// A letter as it is after any change of case, in lower case. Prefixes are ASCII, but the sign for
/// kelvin, the long s, ligatures, the German sharp s and the i of Turkish, dotted or not, become ASCII.
fn folded_letter(letter: char) -> impl Iterator<Item = char> {
    let letter = if letter == '\u{130}' { 'i' } else { letter };
    letter.to_uppercase().flat_map(char::to_lowercase)
}

/// A path and all its beginnings that end before a slash, the longest first.
fn starts(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |start| {
        start.rsplit_once('/').map(|(before, _)| before)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Accepts, PathPrefix, Preflight, RevocationCheck, RouteName, Rule};

    /// Routes written as `host path`, `- path` for none; named by their place.
    fn routes(written: &[&str]) -> Vec<Route> {
        let route = |(place, text): (usize, &&str)| {
            let (host, path) = text.split_once(' ').unwrap();
            Route {
                name: RouteName::parse(&place.to_string()).unwrap(),
                host: HostPattern::parse((host != "-").then_some(host)).unwrap(),
                prefix: PathPrefix::parse(path).unwrap(),
                rule: Rule::SignedIn,
                accepts: Accepts {
                    header: true,
                    cookie: true,
                },
                preflight: Preflight::Answer,
                revocation: RevocationCheck::Local,
                max_auth_age: None,
            }
        };
        written.iter().enumerate().map(route).collect()
    }

    fn table(written: &[&str], public: &[&str]) -> Result<Routes, RouteError> {
        let public = public.iter().map(|h| Host::parse(h).unwrap()).collect();
        let own = OwnPrefix::parse("/vestibule").unwrap();
        Routes::new(routes(written), own, public)
    }

    fn find(routes: &Routes, host: &str, path: &str) -> Found {
        let host = (host != "-").then(|| Host::parse(host).unwrap());
        routes.find(host.as_ref(), &RequestPath::read(path).unwrap())
    }

    fn own(rest: &str) -> Found {
        let rest = rest.to_owned();
        Found::Own { rest }
    }

    fn route(place: usize) -> Found {
        Found::Route(RouteId(place))
    }

    #[test]
    fn the_longest_prefix_on_a_segment_boundary_wins() {
        let routes = table(&["- /", "- /app", "- /app/admin"], &["a"]).unwrap();
        for (path, place) in [
            ("/", 0),
            ("/x", 0),
            ("/app", 1),
            ("/app/", 1),
            ("/apple", 0),
            ("/app/x/admin", 1),
            ("/app/admin", 2),
            ("/app/admin/", 2),
            ("/app/admin/users/1", 2),
            ("/app/administrator", 1),
            ("/static/App.JS", 0),
        ] {
            assert_eq!(find(&routes, "a", path), route(place), "{path}");
        }
    }

    #[test]
    fn no_route_is_nowhere() {
        let routes = table(&["- /app"], &["a"]).unwrap();
        assert_eq!(find(&routes, "a", "/"), Found::Nowhere);
        assert_eq!(find(&routes, "a", "/appl"), Found::Nowhere);
        let empty = table(&[], &["a"]).unwrap();
        assert_eq!(find(&empty, "a", "/x"), Found::Nowhere);
        assert_eq!(find(&empty, "a", "/vestibule/x"), own("/x"));
    }

    #[test]
    fn the_most_specific_host_that_has_the_path_wins() {
        let written = ["b:81 /x", "b /x", "b /y", "- /x", "- /z", "* /x", "* /w"];
        let routes = table(&written, &["a"]).unwrap();
        for (host, path, found) in [
            ("b:81", "/x", route(0)),
            ("b:80", "/x", route(1)),
            ("b", "/x", route(1)),
            ("b:81", "/y", route(2)),
            ("b", "/z", route(4)),
            ("a", "/x", route(3)),
            ("a:99", "/x", route(3)),
            ("a", "/w", route(6)),
            ("other", "/x", route(5)),
            ("other", "/z", Found::Misdirected),
            ("a", "/none", Found::Nowhere),
            ("-", "/x", route(3)),
            ("-", "/w", route(6)),
            ("-", "/y", Found::Nowhere),
            ("other", "/vestibule/login", own("/login")),
        ] {
            assert_eq!(find(&routes, host, path), found, "{host} {path}");
        }
    }

    #[test]
    fn a_host_that_is_none_of_ours_is_misdirected() {
        let routes = table(&["- /", "b:81 /b"], &["a:8080"]).unwrap();
        for host in ["c", "a", "a:8081", "b", "b:80", "127.0.0.1", "localhost"] {
            assert_eq!(find(&routes, host, "/"), Found::Misdirected, "{host}");
            let login = find(&routes, host, "/vestibule/login");
            assert_eq!(login, Found::Misdirected, "{host}");
        }
        for host in ["a:8080", "b:81", "-"] {
            assert_eq!(find(&routes, host, "/"), route(0), "{host}");
            assert_eq!(
                find(&routes, host, "/vestibule/login"),
                own("/login"),
                "{host}"
            );
        }
    }

    #[test]
    fn one_loopback_host_makes_all_of_them_ours() {
        let routes = table(&["- /"], &["localhost:8080"]).unwrap();
        for host in ["localhost", "127.0.0.1:9", "[::1]:8080", "app.localhost"] {
            assert_eq!(find(&routes, host, "/"), route(0), "{host}");
        }
        assert_eq!(find(&routes, "localhost.example", "/"), Found::Misdirected);
    }

    #[test]
    fn readings_must_agree() {
        let routes = table(&["- /", "- /public", "- /admin"], &["a"]).unwrap();
        for (path, found) in [
            ("/@scope%2fname", route(0)),
            ("/100%25", route(0)),
            ("/a//b", route(0)),
            ("/public/a%20b;v=1", route(1)),
            ("/public/../public/x", route(1)),
            ("/public//x", route(1)),
            ("/Publications", route(0)),
            ("/public/..%2fadmin", Found::Ambiguous),
            ("/public/%2e%2e/admin", Found::Ambiguous),
            ("/public/%252e%252e/admin", Found::Ambiguous),
            ("/public/..%5cadmin", Found::Ambiguous),
            ("/public/..%255cadmin", Found::Ambiguous),
            ("/public/..;/admin", Found::Ambiguous),
            ("/public/..;x=y/admin", Found::Ambiguous),
            ("/public/.%2e;x/admin", Found::Ambiguous),
            ("/public/..%00/admin", Found::Ambiguous),
            ("/public/..%20/admin", Found::Ambiguous),
            ("/public/.../admin", Found::Ambiguous),
            ("/public/.%0a./admin", Found::Ambiguous),
            ("/public/x%2fy/%2e%2e/%2e%2e/z", Found::Ambiguous),
            ("/public/100%25%252f..%252f..%252fadmin", Found::Ambiguous),
            ("/%61dmin", Found::Ambiguous),
            ("/%2561dmin", Found::Ambiguous),
            ("//admin", Found::Ambiguous),
            ("//host/admin", Found::Ambiguous),
            ("/%5c/admin", Found::Ambiguous),
            ("/./admin", Found::Ambiguous),
            ("/admin;x", Found::Ambiguous),
            ("/admin%3bx", Found::Ambiguous),
            ("/admin%3fx", Found::Ambiguous),
            ("/admin%23x", Found::Ambiguous),
            ("/admin%00x", Found::Ambiguous),
            ("/admin%01", Found::Ambiguous),
            ("/admin.", Found::Ambiguous),
            ("/admin%20", Found::Ambiguous),
            ("/Admin", Found::Ambiguous),
            ("/ADMIN/x", Found::Ambiguous),
        ] {
            assert_eq!(find(&routes, "a", path), found, "{path}");
        }
    }

    #[test]
    fn our_own_prefix_is_judged_in_every_reading() {
        let routes = table(&["- /"], &["a"]).unwrap();
        for (path, found) in [
            ("/vestibule", own("")),
            ("/vestibule/", own("/")),
            ("/vestibule/login", own("/login")),
            ("/vestibule/%6cogin", own("/%6cogin")),
            ("/vestibule/x/../login", own("/x/../login")),
            ("/vestibules", route(0)),
            ("/Vestibule/login", Found::Ambiguous),
            ("/x/..%2fvestibule/login", Found::Ambiguous),
            ("//vestibule/login", Found::Ambiguous),
            ("/vestibule/../x", Found::Ambiguous),
            ("/%76estibule/login", Found::Ambiguous),
        ] {
            assert_eq!(find(&routes, "a", path), found, "{path}");
        }
    }

    #[test]
    fn a_prefix_in_upper_case_is_found_as_it_is_written() {
        let routes = table(&["- /", "- /Radicale"], &["a"]).unwrap();
        assert_eq!(find(&routes, "a", "/Radicale/x"), route(1));
        assert_eq!(find(&routes, "a", "/radicale/x"), Found::Ambiguous);
        assert_eq!(find(&routes, "a", "/x"), route(0));
    }

    #[test]
    fn letters_that_are_ascii_in_another_case_count_as_such() {
        let routes = table(&["- /", "- /kiosk", "- /Kasse", "- /office"], &["a"]).unwrap();
        for (path, found) in [
            ("/%E2%84%AAiosk", Found::Ambiguous),
            ("/%E2%84%AAIO%C5%BF%E2%84%AA/x", Found::Ambiguous),
            ("/k%C4%B1osk", Found::Ambiguous),
            ("/k%C4%B0osk/x", Found::Ambiguous),
            ("/%E2%84%AAasse", Found::Ambiguous),
            ("/ve%C5%BFtibule/login", Found::Ambiguous),
            ("/ve%EF%AC%86ibule", Found::Ambiguous),
            ("/Ka%C3%9Fe", Found::Ambiguous),
            ("/o%EF%AC%83ce/x", Found::Ambiguous),
            ("/%E2%84%AA/%C3%84rger/%E6%84%9B", route(0)),
            ("/kiosk/%E2%84%AA", route(1)),
        ] {
            assert_eq!(find(&routes, "a", path), found, "{path}");
        }
    }

    #[test]
    fn a_table_that_could_not_decide_is_refused() {
        let twice = |a: usize, b: usize| RouteError::Twice(a.to_string(), b.to_string());
        let under = || RouteError::UnderOwnPrefix("0".to_owned());
        for (written, error) in [
            (&["- /x", "- /y", "- /x/"][..], twice(0, 2)),
            (&["- /", "- /"], twice(0, 1)),
            (&["- /x", "- /X"], twice(0, 1)),
            (&["b /x", "B. /x"], twice(0, 1)),
            (&["* /x", "* /x"], twice(0, 1)),
            (&["- /vestibule"], under()),
            (&["b /Vestibule/x"], under()),
        ] {
            assert_eq!(table(written, &[]).map(drop), Err(error), "{written:?}");
        }
        let mut same = routes(&["- /x", "- /y"]);
        same[1].name = same[0].name.clone();
        let own = OwnPrefix::parse("/vestibule").unwrap();
        let made = Routes::new(same, own, Vec::new()).map(drop);
        assert_eq!(made, Err(RouteError::NameTwice("0".to_owned())));
        assert!(table(&["- /x", "b /x", "b:81 /x", "* /x"], &[]).is_ok());
    }
}
