//! How an explanation is told: in aligned lines for people, as JSON for programs.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, LOCATION};
use http::request::Parts;
use serde::Serialize;

use crate::cli::output::columns;
use crate::cli::{check, reason};
use crate::config::RouteSettings;
use crate::gate::explain::{Asker, Explanation, LIVE, Outcome, SessionState};
use crate::gateway::Gateway;
use crate::identity::Proof;
use crate::policy::{Destination, RouteId};
use crate::request::{RequestFacts, Scheme};

const ASSERTION: &str = "x-vestibule-assertion";

/// An explanation in words.
#[derive(Serialize)]
pub(super) struct Told {
    request: Asked,
    asked_by: Option<User>,
    route: Option<Route>,
    decision: &'static str,
    reason: String,
    answer: Answer,
    to_app: Option<Seen>,
}

/// The request as it was read.
#[derive(Serialize)]
struct Asked {
    method: String,
    target: String,
    host: Option<String>,
    scheme: Option<&'static str>,
    client: Option<String>,
    readings: Vec<Reading>,
}

/// One way to read the path, and where it leads: to one place, or to another one for apps that
/// ignore the case of letters.
#[derive(Serialize)]
struct Reading {
    path: String,
    leads_to: Vec<String>,
}

#[derive(Serialize)]
struct User {
    name: String,
    groups: Vec<String>,
    by: Option<&'static str>,
    session: &'static str,
    password_change_due: bool,
}

#[derive(Serialize)]
struct Route {
    name: String,
    host: Option<String>,
    path: String,
    allow: String,
    upstream: String,
}

/// What the caller would get. The status of an app's answer, and of our own endpoints', is theirs.
#[derive(Serialize, Default)]
struct Answer {
    by: &'static str,
    status: Option<u16>,
    error: Option<&'static str>,
    description: Option<String>,
    location: Option<String>,
}

/// What the app would see.
#[derive(Serialize)]
struct Seen {
    method: String,
    target: String,
    headers: Vec<Field>,
}

#[derive(Serialize)]
struct Field {
    name: String,
    value: String,
}

impl Told {
    /// Puts it into words.
    pub(super) fn new(
        gateway: &Gateway,
        parts: &Parts,
        asker: &Asker,
        explanation: &Explanation,
    ) -> Self {
        let settings = explanation.route.and_then(|id| settings(gateway, id));
        let outcome = &explanation.outcome;
        Self {
            request: Asked::new(gateway, parts, explanation.facts.as_ref()),
            asked_by: User::new(asker, explanation.proof),
            route: settings.map(Route::new),
            decision: reason::decision(outcome),
            reason: reason::reason(asker, explanation, settings.map(|s| &s.route)),
            answer: Answer::of(outcome),
            to_app: match outcome {
                Outcome::App { head, .. } => Some(Seen::new(head, settings)),
                Outcome::Own { .. } | Outcome::Reply(_) | Outcome::Refuse(_) => None,
            },
        }
    }

    /// For people.
    pub(super) fn to_text(&self) -> String {
        let mut rows = Vec::new();
        self.request.add_to(&mut rows);
        let asked_by = self.asked_by.as_ref();
        rows.push(row(
            "asked by",
            asked_by.map_or("a stranger".to_owned(), User::to_text),
        ));
        match &self.route {
            Some(route) => {
                rows.push(row("route", route.to_text()));
                rows.push(row("rule", route.allow.clone()));
            }
            None => rows.push(row("route", "none".to_owned())),
        }
        rows.push(row(
            "decision",
            format!("{}: {}", self.decision, self.reason),
        ));
        self.answer.add_to(&mut rows);
        if let Some(seen) = &self.to_app {
            rows.push(row(
                "to the app",
                format!("{} {}", seen.method, seen.target),
            ));
            let fields = seen.headers.iter();
            rows.extend(fields.map(|field| row("", format!("{}: {}", field.name, field.value))));
        }
        columns("", &rows)
    }
}

impl Asked {
    fn new(gateway: &Gateway, parts: &Parts, facts: Option<&RequestFacts>) -> Self {
        Self {
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            host: facts
                .and_then(|facts| facts.host.as_ref())
                .map(ToString::to_string),
            scheme: facts.map(|facts| facts.scheme).map(Scheme::as_str),
            client: facts
                .and_then(|facts| facts.client)
                .map(|client| client.to_string()),
            readings: facts.map_or_else(Vec::new, |facts| readings(gateway, facts)),
        }
    }

    fn add_to(&self, rows: &mut Vec<[String; 2]>) {
        rows.push(row("request", format!("{} {}", self.method, self.target)));
        if let (Some(host), Some(scheme)) = (&self.host, self.scheme) {
            rows.push(row("host", format!("{host} ({scheme})")));
        }
        if let Some(client) = &self.client {
            rows.push(row("client", client.clone()));
        }
        if let [_, _, ..] = self.readings.as_slice() {
            for (place, reading) in self.readings.iter().enumerate() {
                let label = if place == 0 { "read as" } else { "" };
                rows.push(row(label, reading.to_text()));
            }
        }
    }
}

impl Reading {
    fn to_text(&self) -> String {
        let leads_to = self.leads_to.join(", in lower case to ");
        format!("{}, which leads to {leads_to}", self.path)
    }
}

impl User {
    fn new(asker: &Asker, proof: Option<Proof>) -> Option<Self> {
        let Asker::User { user, session, .. } = asker else {
            return None;
        };
        Some(Self {
            name: user.name.to_string(),
            groups: user.groups.iter().map(ToString::to_string).collect(),
            by: proof.map(|proof| match proof {
                Proof::Bearer => "bearer",
                Proof::Cookie => "cookie",
            }),
            session: match session {
                SessionState::Live => "live",
                SessionState::Expired => "expired",
                SessionState::Ended => "ended",
            },
            password_change_due: user.password_term.is_change_due(),
        })
    }

    fn to_text(&self) -> String {
        let groups = match self.groups.as_slice() {
            [] => "in no group".to_owned(),
            groups => format!("in {}", groups.join(", ")),
        };
        let proof = match self.by {
            Some("cookie") => ", by cookie",
            Some(_) => ", by Bearer token",
            None => "",
        };
        let session = match self.session {
            "expired" => ", whose access token has expired",
            "ended" => ", who is disabled, so that no session lives",
            _ => "",
        };
        let password = match self.password_change_due {
            true => ", who must choose a new password at the next sign-in",
            false => "",
        };
        format!("{} ({groups}){proof}{session}{password}", self.name)
    }
}

impl Route {
    fn new(settings: &RouteSettings) -> Self {
        let route = &settings.route;
        Self {
            name: route.name.as_str().to_owned(),
            host: check::host(&route.host),
            path: route.prefix.as_str().to_owned(),
            allow: check::allow(route),
            upstream: settings.upstream.to_string(),
        }
    }

    fn to_text(&self) -> String {
        let host = match self.host.as_deref() {
            None => "every host of this gateway".to_owned(),
            Some("*") => "any host".to_owned(),
            Some(host) => host.to_owned(),
        };
        format!(
            "{} ({host}, path {}) to {}",
            self.name, self.path, self.upstream
        )
    }
}

impl Answer {
    fn of(outcome: &Outcome) -> Self {
        let by = |by| Self {
            by,
            ..Self::default()
        };
        match outcome {
            Outcome::App { .. } => by("app"),
            Outcome::Own { .. } => by("vestibule"),
            Outcome::Reply(reply) => Self {
                status: Some(reply.status().as_u16()),
                location: location(reply.headers()),
                ..by("vestibule")
            },
            Outcome::Refuse(problem) => Self {
                status: Some(problem.status.as_u16()),
                error: Some(problem.code),
                description: Some(problem.description.to_string()),
                ..by("vestibule")
            },
        }
    }

    fn add_to(&self, rows: &mut Vec<[String; 2]>) {
        let Some(status) = self.status else {
            let whose = if self.by == "app" {
                "the app's"
            } else {
                "the endpoint's"
            };
            rows.push(row("answer", whose.to_owned()));
            return;
        };
        let error = self.error.map_or_else(String::new, |e| format!(" {e}"));
        rows.push(row("answer", format!("{status}{error}")));
        if let Some(location) = &self.location {
            rows.push(row("", format!("location: {location}")));
        }
        if let Some(description) = &self.description {
            rows.push(row("", description.clone()));
        }
    }
}

impl Seen {
    fn new(head: &Parts, route: Option<&RouteSettings>) -> Self {
        let value = |name: &HeaderName, value: &HeaderValue| {
            if name.as_str() == ASSERTION {
                let route = route.map_or("", |route| route.route.name.as_str());
                return format!("(signed JWT for route \"{route}\")");
            }
            if value.is_sensitive() {
                return "(a secret of the route's template)".to_owned();
            }
            let text = String::from_utf8_lossy(value.as_bytes());
            text.replace(&LIVE.to_string(), "(session id)")
        };
        let mut headers: Vec<Field> = head
            .headers
            .iter()
            .map(|(name, field)| Field {
                name: name.to_string(),
                value: value(name, field),
            })
            .collect();
        headers.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            method: head.method.to_string(),
            target: head.uri.to_string(),
            headers,
        }
    }
}

fn settings(gateway: &Gateway, id: RouteId) -> Option<&RouteSettings> {
    gateway.config.routes.get(id.index())
}

fn readings(gateway: &Gateway, facts: &RequestFacts) -> Vec<Reading> {
    let name = |destination: &Destination| match destination {
        Destination::Own => "vestibule itself".to_owned(),
        Destination::Route(id) => settings(gateway, *id).map_or_else(String::new, |settings| {
            format!("route {}", settings.route.name.as_str())
        }),
        Destination::Nowhere => "no route".to_owned(),
    };
    let found = gateway.routes.readings(facts.host.as_ref(), &facts.path);
    found
        .into_iter()
        .map(|(path, destinations)| {
            let mut leads_to: Vec<String> = destinations.iter().map(name).collect();
            leads_to.dedup();
            Reading {
                path: path.to_owned(),
                leads_to,
            }
        })
        .collect()
}

fn location(headers: &HeaderMap) -> Option<String> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    Some(location.to_owned())
}

fn row(label: &str, text: String) -> [String; 2] {
    [label.to_owned(), text]
}
