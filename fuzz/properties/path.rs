//! Whatever way an app reads a path that was let through, it leads to the route that was judged.

use http::uri::PathAndQuery;
use vestibule::policy::{
    Accepts, Destination, Found, HostPattern, OwnPrefix, PathPrefix, Preflight, RevocationCheck,
    Route, RouteName, Routes, Rule,
};
use vestibule::request::{Host, RequestPath};

/// The routes of the table, by place, and our own pages.
const PREFIXES: [&str; 5] = ["/", "/public", "/admin", "/kiosk", "/vestibule"];
const OWN: &str = PREFIXES[4];

/// The bytes are the target of a request line.
pub(crate) fn check(data: &[u8]) -> bool {
    let Ok(target) = PathAndQuery::try_from(data) else {
        return false;
    };
    let raw = target.path();
    let Ok(path) = RequestPath::read(raw) else {
        return false;
    };
    assert_eq!(path.raw(), raw, "the app gets it byte for byte");
    let (host, routes) = (Host::parse("app.example"), routes());
    let found = routes.find(host.as_ref(), &path);
    let places = routes.readings(host.as_ref(), &path);
    let mut destinations = places.iter().flat_map(|(_, places)| places);
    let promised = match found {
        Found::Route(id) => {
            assert!(destinations.all(|place| *place == Destination::Route(id)));
            PREFIXES[id.index()]
        }
        Found::Own { rest } => {
            assert!(destinations.all(|place| *place == Destination::Own));
            assert!(raw.ends_with(&rest));
            OWN
        }
        Found::Ambiguous => {
            let first = destinations.next();
            assert!(destinations.any(|place| Some(place) != first));
            return false;
        }
        found => panic!("one route has all paths: {found:?}"),
    };
    for (app, seen) in apps::readings(raw) {
        assert_eq!(
            literal(&seen),
            Some(promised),
            "{raw} as {app} reads it: {seen}"
        );
    }
    true
}

fn routes() -> Routes {
    let route = |prefix: &str| Route {
        name: RouteName::parse(&format!("a{prefix}")).expect("a name"),
        host: HostPattern::Ours,
        prefix: PathPrefix::parse(prefix).expect("a prefix"),
        rule: Rule::SignedIn,
        accepts: Accepts {
            header: true,
            cookie: true,
        },
        preflight: Preflight::Answer,
        revocation: RevocationCheck::Local,
        max_auth_age: None,
    };
    let own = OwnPrefix::parse(OWN).expect("a prefix");
    let hosts = Host::parse("app.example").into_iter().collect();
    let routes = PREFIXES[..4].iter().map(|prefix| route(prefix)).collect();
    Routes::new(routes, own, hosts).expect("a table")
}

/// The prefix a path leads to when it is taken literally: the longest that fits.
fn literal(path: &str) -> Option<&'static str> {
    let fits = |prefix: &&str| {
        let rest = path.strip_prefix(prefix.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let fitting = PREFIXES.into_iter().filter(fits);
    fitting.max_by_key(|prefix| prefix.len())
}

/// What apps are known to do with a path, each in its own order; written without vestibule's own code.
mod apps {
    use percent_encoding::percent_decode_str;
    use url::Url;

    pub(super) fn readings(raw: &str) -> Vec<(&'static str, String)> {
        let (decoded, resolved) = (decode(raw), resolve(raw));
        vec![
            ("literal", raw.to_owned()),
            ("decode", decoded.clone()),
            ("resolve", resolved.clone()),
            ("decode, resolve", resolve(&decoded)),
            ("resolve, decode", decode(&resolved)),
            ("decode twice, resolve", resolve(&decode(&decoded))),
            ("resolve between", decode(&resolve(&decoded))),
            ("merge, resolve", resolve(&merge(raw))),
            ("resolve, merge", merge(&resolved)),
            ("decode, merge, resolve", resolve(&merge(&decoded))),
            ("backslashes", resolve(&decoded.replace('\\', "/"))),
            ("servlet", servlet(raw)),
            ("whatwg", whatwg(raw)),
            ("whatwg, decode", decode(&whatwg(raw))),
            ("whatwg, decode, resolve", resolve(&decode(&whatwg(raw)))),
            ("windows", windows(raw)),
            ("windows decoding twice", windows(&decoded)),
            ("c", c(raw)),
            ("twice", decode(&whatwg(&decoded))),
            ("lower case", decoded.to_lowercase()),
            ("upper case", decoded.to_uppercase().to_lowercase()),
        ]
    }

    fn decode(path: &str) -> String {
        percent_decode_str(path).decode_utf8_lossy().into_owned()
    }

    fn resolve(path: &str) -> String {
        let mut out: Vec<&str> = Vec::new();
        for part in path.split('/').skip(1) {
            match part {
                ".." => drop(out.pop()),
                "." => {}
                part => out.push(part),
            }
        }
        format!("/{}", out.join("/"))
    }

    fn merge(path: &str) -> String {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        format!("/{}", parts.join("/"))
    }

    /// The Servlet way: parameters off, decode, resolve.
    fn servlet(path: &str) -> String {
        let parts: Vec<&str> = path
            .split('/')
            .map(|part| part.split(';').next().unwrap_or_default())
            .collect();
        merge(&resolve(&decode(&parts.join("/"))))
    }

    /// The WHATWG way: backslashes, `%2e` and dot segments, `//host` off.
    fn whatwg(path: &str) -> String {
        let base = Url::parse("http://base.invalid/").expect("a URL");
        base.join(path)
            .map_or_else(|_| path.to_owned(), |url| url.path().to_owned())
    }

    fn windows(path: &str) -> String {
        let path = decode(path).replace('\\', "/");
        let keep = |part: &str| match part.trim_end_matches(' ') {
            dots @ ("." | "..") => dots.to_owned(),
            part => part.trim_end_matches(['.', ' ']).to_owned(),
        };
        let parts: Vec<String> = path.split('/').map(keep).collect();
        resolve(&merge(&parts.join("/"))).to_lowercase()
    }

    /// C: ends at the first NUL.
    fn c(path: &str) -> String {
        resolve(decode(path).split('\0').next().unwrap_or_default())
    }
}
