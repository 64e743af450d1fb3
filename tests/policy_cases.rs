//! Do routes and rules, and what `vestibule explain` asks, decide as the files in `policy_cases/` say?
//! A new case needs no Rust.
//!
//! A file holds routes as in config.toml, and cases: a request and who sends it, then what is expected:
//! `"NAME: pass as ada"`, `"NAME: pass"` (the app is not told who asks), `"NAME: challenge"` or
//! `"NAME: deny"` with the name of a route, `"own /login"` for an endpoint of vestibule, or the status
//! `"400"`, `"404"` or `"421"`.

#[path = "policy_cases/who.rs"]
mod who;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::{Request, StatusCode, Uri, Version};
use serde::Deserialize;
use tokio::runtime::{Builder, Runtime};
use vestibule::clock::{SystemClock, Timestamp};
use vestibule::config;
use vestibule::gate::explain::{Explainer, Outcome as Explained};
use vestibule::gateway::Background;
use vestibule::identity::{GroupName, Proof, UserName};
use vestibule::policy::{
    Accepts, Decision, Found, HostPattern, OwnPrefix, PathPrefix, Preflight, RevocationCheck,
    Route, RouteName, Routes, Rule, decide,
};
use vestibule::request::{Connection, Host, RequestPath, Scheme};

use crate::who::Who;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The hosts of `public_url`.
    #[serde(default = "app_example")]
    public_hosts: Vec<String>,
    routes: Vec<RouteText>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteText {
    name: String,
    host: Option<String>,
    path: String,
    allow: Allow,
    /// As in config.toml: `"15m"`.
    max_auth_age: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Allow {
    Word(AllowWord),
    Members(Members),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AllowWord {
    Anyone,
    Optional,
    SignedIn,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    #[serde(default)]
    groups: Vec<GroupName>,
    #[serde(default)]
    users: Vec<UserName>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Without it, the first public host; empty for a request without Host.
    host: Option<String>,
    path: String,
    #[serde(default)]
    who: Who,
    expect: String,
}

#[test]
fn every_case_is_decided_as_its_file_says() -> Outcome<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy_cases");
    let runtime = Builder::new_current_thread().build()?;
    let mut cases = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_name().unwrap_or_default().display().to_string();
        let file: File =
            toml::from_str(&fs::read_to_string(&path)?).map_err(|e| format!("{name}: {e}"))?;
        let routes = file.table().map_err(|e| format!("{name}: {e}"))?;
        let explainer = file.explainer(&runtime)?;
        for case in &file.cases {
            let told = file.decide(&routes, case)?;
            cases += 1;
            if told != case.expect {
                wrong.push(format!("{name}: {case}: {told}, not {}", case.expect));
            }
            for by in [Proof::Bearer, Proof::Cookie] {
                let explained = file.explain(&explainer, case, by)?;
                if explained != case.expect {
                    let expect = &case.expect;
                    wrong.push(format!(
                        "{name}: {case}: explained {explained}, not {expect}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(cases > 0, "there are no cases");
    Ok(())
}

impl File {
    fn table(&self) -> Outcome<Routes> {
        let routes: Outcome<Vec<Route>> = self.routes.iter().map(RouteText::route).collect();
        let hosts: Option<Vec<Host>> = self.public_hosts.iter().map(|h| Host::parse(h)).collect();
        let hosts = hosts.ok_or("a public host is not a host")?;
        Ok(Routes::new(
            routes?,
            OwnPrefix::parse("/vestibule")?,
            hosts,
        )?)
    }

    fn decide(&self, routes: &Routes, case: &Case) -> Outcome<String> {
        let host = case.host.as_ref().or(self.public_hosts.first());
        let host = host.and_then(|host| Host::parse(host));
        let Ok(path) = RequestPath::read(&case.path) else {
            return Ok("400".to_owned());
        };
        Ok(match routes.find(host.as_ref(), &path) {
            Found::Own { rest } => format!("own {rest}"),
            Found::Nowhere => "404".to_owned(),
            Found::Ambiguous => "400".to_owned(),
            Found::Misdirected => "421".to_owned(),
            Found::Route(id) => {
                let route = routes.route(id).ok_or("a route that is not there")?;
                let decision = match decide(id, route, case.who.visitor()?, NOW) {
                    Decision::Allow(permit) => match permit.known() {
                        Some(known) => format!("pass as {}", known.identity.name),
                        None => "pass".to_owned(),
                    },
                    Decision::Challenge(_) => "challenge".to_owned(),
                    Decision::Deny => "deny".to_owned(),
                    Decision::Unavailable => "unavailable".to_owned(),
                };
                format!("{}: {decision}", route.name.as_str())
            }
        })
    }
}

impl File {
    fn explainer(&self, runtime: &Runtime) -> Outcome<Explainer> {
        let urls: Vec<String> = self
            .public_hosts
            .iter()
            .map(|host| format!("https://{host}"))
            .collect();
        let mut text = format!("[server]\npublic_url = {urls:?}\n");
        for place in 0..self.routes.len() {
            text +=
                &format!("[[routes]]\npath = \"/{place}\"\nupstream = \"http://127.0.0.1:1\"\n");
        }
        let mut config = config::parse(&text, Path::new(""))?;
        for (settings, route) in config.routes.iter_mut().zip(&self.routes) {
            settings.route = route.route()?;
        }
        let background = Background::new(runtime.handle().clone());
        let explainer = Explainer::new(config, Arc::new(SystemClock), background);
        Ok(runtime.block_on(explainer)?)
    }

    fn explain(&self, explainer: &Explainer, case: &Case, by: Proof) -> Outcome<String> {
        // Whoever reads the target refuses what is none before anybody is asked.
        let Ok(target) = Uri::try_from(&case.path) else {
            return Ok("400".to_owned());
        };
        let mut request = Request::new(());
        *request.uri_mut() = target;
        match case.host.as_ref().or(self.public_hosts.first()) {
            Some(host) if !host.is_empty() => {
                request.headers_mut().insert(HOST, host.parse()?);
            }
            _ => *request.version_mut() = Version::HTTP_10,
        }
        let asker = case.who.asker(by, explainer, request.headers_mut())?;
        let (parts, ()) = request.into_parts();
        let connection = Connection {
            peer: None,
            scheme: Scheme::Https,
        };
        let explained = explainer.explain(parts, connection, &asker)?;
        let route = explained
            .route
            .and_then(|id| explainer.gateway().routes.route(id));
        let at = |told: &str| match route {
            Some(route) => format!("{}: {told}", route.name.as_str()),
            None => told.to_owned(),
        };
        Ok(match explained.outcome {
            Explained::Own { rest } => format!("own {rest}"),
            Explained::App { known, head } => {
                let name = known.map(|known| known.identity.name.to_string());
                let told = head.headers.get("x-forwarded-user");
                if told.map(|told| told.as_bytes()) != name.as_ref().map(|name| name.as_bytes()) {
                    return Ok(format!("the app is told {told:?}, not {name:?}"));
                }
                at(&name.map_or("pass".to_owned(), |name| format!("pass as {name}")))
            }
            Explained::Reply(reply) => at(reply.status().as_str()),
            Explained::Refuse(problem) => match problem.status {
                StatusCode::UNAUTHORIZED => at("challenge"),
                StatusCode::FORBIDDEN => at("deny"),
                status => at(status.as_str()),
            },
        })
    }
}

impl RouteText {
    fn route(&self) -> Outcome<Route> {
        Ok(Route {
            name: RouteName::parse(&self.name)?,
            host: HostPattern::parse(self.host.as_deref())?,
            prefix: PathPrefix::parse(&self.path)?,
            rule: match &self.allow {
                Allow::Word(AllowWord::Anyone) => Rule::Anyone,
                Allow::Word(AllowWord::Optional) => Rule::Optional,
                Allow::Word(AllowWord::SignedIn) => Rule::SignedIn,
                Allow::Members(members) => Rule::Members {
                    groups: members.groups.clone(),
                    users: members.users.clone(),
                },
            },
            accepts: Accepts {
                header: true,
                cookie: true,
            },
            preflight: Preflight::Answer,
            revocation: RevocationCheck::Local,
            max_auth_age: span(self.max_auth_age.as_ref())?,
        })
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{host}{} ", self.path)?,
            None => write!(f, "{} ", self.path)?,
        }
        match &self.who {
            Who::Stranger => f.write_str("by a stranger"),
            Who::User(known) => write!(f, "by {}", known.user),
            Who::Refused(_) => f.write_str("by somebody refused"),
        }
    }
}

fn span(text: Option<&String>) -> Outcome<Option<Duration>> {
    let read = |text: &String| config::parse_duration(text).ok_or("not a duration");
    Ok(text.map(read).transpose()?)
}

fn app_example() -> Vec<String> {
    vec!["app.example".to_owned()]
}
