//! `[[routes]]`: which host and path goes to which app, and who may pass.

use std::path::Path;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::identity::{GroupName, Template, UserName};
use crate::policy::{
    Accepts, HostPattern, OwnPrefix, PathPrefix, Preflight, RevocationCheck, Route, RouteName, Rule,
};
use crate::request::Host;

use super::app_cookies::{self, AppCookie};
use super::headers::HeaderSettings;
use super::problem::Complaint;
use super::read::Node;
use super::section::Section;
use super::templates;
use super::upstream::{self, UpstreamSettings};
use super::value::{choice, duration, flag, text};

/// One `[[routes]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSettings {
    /// What the decision needs.
    pub route: Route,
    /// Where the app is.
    pub upstream: UpstreamSettings,
    /// Headers for the app made from who is asking.
    pub headers: Vec<(HeaderName, Template)>,
    /// `Host` for the app instead of the one that came.
    pub host_header: Option<HeaderValue>,
    /// The app's own session cookies, which end with the session here.
    pub session_cookies: Vec<AppCookie>,
    /// Answers to signed-in requests may be kept by shared caches.
    pub shared_cache: bool,
    /// Forms that meet an ended session are kept until their senders have signed in again.
    pub replay_posts: bool,
}

/// All routes. `own` is the prefix of vestibule's own pages, where it is known. Relative paths start
/// at `folder`.
pub(super) fn read(
    root: &mut Section<'_>,
    folder: &Path,
    own: Option<&OwnPrefix>,
    headers: HeaderSettings,
    warnings: &mut Vec<String>,
) -> Vec<RouteSettings> {
    let mut routes = Vec::new();
    let mut places: Vec<Route> = Vec::new();
    let count = root.for_each("routes", |mut section| {
        let route = route(&mut section);
        if let Some(route) = &route {
            check_place(&mut section, route, own, &places);
            places.push(route.clone());
        }
        let upstream = upstream::read(&mut section, folder);
        let headers = templates::read(section.section("headers"), headers);
        let host_header = section.given("host_header", host_header);
        let session_cookies = app_cookies::read(&mut section);
        let shared_cache = section.option("shared_cache", false, flag);
        let replay_posts = replay_posts(&mut section, route.as_ref());
        section.finish();
        if let (Some(route), Some(upstream)) = (route, upstream) {
            routes.push(RouteSettings {
                route,
                upstream,
                headers,
                host_header,
                session_cookies,
                shared_cache,
                replay_posts,
            });
        }
    });
    if count == Some(0) {
        root.refuse(
            "routes",
            Complaint::new("there is no route").hint(
                "say where your app is: [[routes]] and, below it, upstream = \"http://127.0.0.1:3000\"",
            ),
        );
    }
    for RouteSettings { route, headers, .. } in &routes {
        if route.rule != Rule::Anyone && route.revocation == RevocationCheck::None {
            warnings.push(format!(
                "route {} never asks whether a session was ended: whoever signs out is let in until \
                 their access token ends",
                route.name.as_str()
            ));
        }
        if route.rule == Rule::Anyone && !headers.is_empty() {
            warnings.push(format!(
                "route {} sets headers, and its app is never told who is asking: allow is \"anyone\"",
                route.name.as_str()
            ));
        }
    }
    routes
}

/// What the decision needs. `None` where a problem was noted.
fn route(section: &mut Section<'_>) -> Option<Route> {
    let host = section.given("host", host);
    let prefix = section.parsed("path", "/", prefix);
    let name = section.given("name", name);
    let rule = rule(section);
    let accepts = accepts(section);
    let preflight = section.option(
        "preflight",
        Preflight::Answer,
        choice(&[
            ("answer", Preflight::Answer),
            ("forward", Preflight::Forward),
        ]),
    );
    let revocation = revocation(section);
    let max_auth_age = max_auth_age(section, rule.as_ref());
    let host = match host {
        None if section.was_given("host") => return None,
        None => HostPattern::Ours,
        Some(host) => host,
    };
    let prefix = prefix?;
    let name = match name {
        Some(name) => name,
        None => RouteName::parse(&default_name(&host, &prefix))
            .map_err(|error| section.refuse("name", Complaint::new(error.to_string())))
            .ok()?,
    };
    Some(Route {
        name,
        host,
        prefix,
        rule: rule?,
        accepts: accepts?,
        preflight,
        revocation,
        max_auth_age,
    })
}

/// Whether the route has its place and name for itself.
fn check_place(
    section: &mut Section<'_>,
    route: &Route,
    own: Option<&OwnPrefix>,
    others: &[Route],
) {
    if let Some(own) = own.filter(|own| lies_under(route.prefix.as_str(), own.as_str())) {
        let own = own.as_str();
        section.refuse(
            "path",
            Complaint::new(format!("{own} belongs to vestibule's own pages"))
                .hint("choose another path, or move the pages with server.prefix"),
        );
    }
    for other in others {
        if other.host == route.host && other.prefix == route.prefix {
            let twice = Complaint::new(format!(
                "route {} has the same host and path",
                other.name.as_str()
            ));
            section.refuse(
                "path",
                twice.hint("one of them would never be asked: remove it"),
            );
        } else if other.name == route.name {
            let twice = Complaint::new(format!("two routes are called {}", route.name.as_str()));
            section.refuse("name", twice.hint("give one of them a name of its own"));
        }
    }
}

/// Paths are judged in every letter case.
fn lies_under(path: &str, prefix: &str) -> bool {
    path.split_at_checked(prefix.len())
        .is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with('/'))
        })
}

/// Host and path, in the letters that names have: `app.example.com/`, `/wiki`.
fn default_name(host: &HostPattern, prefix: &PathPrefix) -> String {
    let host = match host {
        HostPattern::Ours => String::new(),
        HostPattern::Only(host) => host.to_string(),
        HostPattern::Any => "any-host".to_owned(),
    };
    let place = host + prefix.as_str();
    place
        .chars()
        .filter(|c| !matches!(c, '[' | ']'))
        .map(|c| match c {
            '.' | '_' | '-' | '/' | ':' => c,
            c if c.is_ascii_alphanumeric() => c,
            _ => '-',
        })
        .take(128)
        .collect()
}

fn rule(section: &mut Section<'_>) -> Option<Rule> {
    if section.holds_table("allow") {
        return members(section);
    }
    section.parsed("allow", "signed-in", |node| match text(node) {
        Ok("signed-in") => Ok(Rule::SignedIn),
        Ok("optional") => Ok(Rule::Optional),
        Ok("anyone") => Ok(Rule::Anyone),
        Ok(other) => Err(Complaint::new(format!("{other:?} is no rule")).hint(RULES)),
        Err(wrong) => Err(wrong.hint(RULES)),
    })
}

const RULES: &str =
    "write \"signed-in\", \"optional\", \"anyone\" or { groups = [\"ops\"], users = [\"ada\"] }";

fn members(section: &mut Section<'_>) -> Option<Rule> {
    let mut allow = section.section("allow");
    let groups = allow.list("groups", &[], |node| {
        GroupName::parse(text(node)?)
            .map_err(|error| Complaint::new(format!("this is not the name of a group: {error}")))
    });
    let users = allow.list("users", &[], |node| {
        UserName::parse(text(node)?)
            .map_err(|error| Complaint::new(format!("this is not the name of a user: {error}")))
    });
    allow.finish();
    let (groups, users) = (groups?, users?);
    if groups.is_empty() && users.is_empty() {
        section.refuse("allow", Complaint::new("it names nobody").hint(RULES));
    }
    Some(Rule::Members { groups, users })
}

fn accepts(section: &mut Section<'_>) -> Option<Accepts> {
    let is_header = choice(&[("header", true), ("cookie", false)]);
    let ways = section.list("credentials", &["header", "cookie"], is_header)?;
    if ways.is_empty() {
        section.refuse(
            "credentials",
            Complaint::new("there is no way left to sign in")
                .hint("write [\"header\", \"cookie\"] or one of them"),
        );
    }
    Some(Accepts {
        header: ways.contains(&true),
        cookie: ways.contains(&false),
    })
}

fn revocation(section: &mut Section<'_>) -> RevocationCheck {
    section.option(
        "revocation",
        RevocationCheck::Local,
        choice(&[
            ("local", RevocationCheck::Local),
            ("strict", RevocationCheck::Strict),
            ("none", RevocationCheck::None),
        ]),
    )
}

fn max_auth_age(section: &mut Section<'_>, rule: Option<&Rule>) -> Option<Duration> {
    let (second, year) = (Duration::from_secs(1), Duration::from_hours(24 * 365));
    let max_auth_age = section.given("max_auth_age", duration(second..=year));
    if max_auth_age.is_some() && rule == Some(&Rule::Anyone) {
        section.refuse(
            "max_auth_age",
            Complaint::new("the route is for anyone: nobody is asked to sign in")
                .hint("leave it out, or say who may pass with allow = \"signed-in\""),
        );
    }
    max_auth_age
}

fn replay_posts(section: &mut Section<'_>, route: Option<&Route>) -> bool {
    let replay_posts = section.option("replay_posts", false, flag);
    let complaint = match route {
        Some(route) if matches!(route.rule, Rule::Anyone | Rule::Optional) => {
            Complaint::new("the route never asks anybody to sign in: no form is held up")
                .hint("leave it out, or say who may pass with allow = \"signed-in\"")
        }
        Some(route) if !route.accepts.cookie => {
            Complaint::new("the route takes no cookies: no form of a browser gets through")
                .hint("leave it out, or add \"cookie\" to credentials")
        }
        Some(_) | None => return replay_posts,
    };
    if replay_posts {
        section.refuse("replay_posts", complaint);
    }
    replay_posts
}

fn host(node: &Node) -> Result<HostPattern, Complaint> {
    let host = HostPattern::parse(Some(text(node)?)).map_err(|error| {
        Complaint::new(error.to_string()).hint("leave it out for the hosts of server.public_url")
    })?;
    // Requests are looked up without it: the route, and its rule, would never be asked.
    let is_left_out = |host: &Host| matches!(host.port(), Some(80 | 443));
    if matches!(&host, HostPattern::Only(host) if is_left_out(host)) {
        return Err(
            Complaint::new("this port is not part of what people type").hint(
                "leave it out: a host without port fits every port that has no route of its own",
            ),
        );
    }
    Ok(host)
}

fn prefix(node: &Node) -> Result<PathPrefix, Complaint> {
    PathPrefix::parse(text(node)?).map_err(|error| {
        Complaint::new(error.to_string()).hint("write it as people see it, such as \"/wiki\"")
    })
}

fn name(node: &Node) -> Result<RouteName, Complaint> {
    RouteName::parse(text(node)?).map_err(|error| {
        Complaint::new(error.to_string()).hint("leave it out for one made from host and path")
    })
}

fn host_header(node: &Node) -> Result<HeaderValue, Complaint> {
    let text = text(node)?;
    let host = Host::parse(text).and_then(|host| HeaderValue::try_from(host.to_string()).ok());
    host.ok_or_else(|| {
        Complaint::new(format!("{text:?} is not a host"))
            .hint("write a name, with a port where it matters, such as \"app.internal\"")
    })
}
