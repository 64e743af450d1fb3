//! `vestibule check`: what the configuration says, when nothing is wrong with it.

use std::fmt::Write as _;
use std::path::Path;

use crate::authenticate::AdminToken;
use crate::cli::output;
use crate::config::{Config, RouteSettings, StorageSettings};
use crate::policy::{HostPattern, Rule};
use crate::server::check_certificate;

/// Prints a summary of a good configuration. One that is not was refused before, but for the files of
/// the certificate and the admin token, which are read here.
pub(super) fn run(config: &Config, file: &Path) -> anyhow::Result<()> {
    if let Some(tls) = &config.server.tls {
        check_certificate(tls)?;
    }
    if let Some(token) = &config.server.admin.token_file {
        AdminToken::load(token)?;
    }
    let summary = summary(config);
    output::print(&format!("{} is good\n\n{summary}", file.display()))?;
    Ok(())
}

fn summary(config: &Config) -> String {
    let server = &config.server;
    let facts = [
        row("listens on", output::joined(&server.listen)),
        row("people type", output::joined(&server.public_urls)),
        row(
            "health at",
            server
                .admin_listen
                .map_or("nowhere: admin_listen is off".to_owned(), |a| a.to_string()),
        ),
        row("storage", storage(&config.storage)),
    ];
    let mut routes = vec![["ROUTE", "HOST", "PATH", "ALLOW", "UPSTREAM"].map(str::to_owned)];
    routes.extend(config.routes.iter().map(route));
    let mut text = output::columns("  ", &facts);
    text.push('\n');
    text.push_str(&output::columns("  ", &routes));
    for warning in &config.warnings {
        let _ = write!(text, "\nwarning: {warning}\n");
    }
    text
}

fn row(name: &str, value: String) -> [String; 2] {
    [name.to_owned(), value]
}

fn route(settings: &RouteSettings) -> [String; 5] {
    let route = &settings.route;
    [
        route.name.as_str().to_owned(),
        host(&route.host).unwrap_or_else(|| "-".to_owned()),
        route.prefix.as_str().to_owned(),
        rule(&route.rule),
        settings.upstream.to_string(),
    ]
}

/// The host of a route as the configuration says it; `None` where it says none.
pub(super) fn host(pattern: &HostPattern) -> Option<String> {
    match pattern {
        HostPattern::Ours => None,
        HostPattern::Only(host) => Some(host.to_string()),
        HostPattern::Any => Some("*".to_owned()),
    }
}

/// A rule in a few words.
pub(super) fn rule(rule: &Rule) -> String {
    match rule {
        Rule::Anyone => "anyone".to_owned(),
        Rule::Optional => "optional".to_owned(),
        Rule::SignedIn => "signed-in".to_owned(),
        Rule::Members { groups, users } => {
            let groups = groups.iter().map(|group| format!("group {group}"));
            let users = users.iter().map(|user| format!("user {user}"));
            groups.chain(users).collect::<Vec<_>>().join(", ")
        }
    }
}

fn storage(storage: &StorageSettings) -> String {
    match storage {
        StorageSettings::Sqlite { master_key, .. } => {
            format!(
                "{storage}, its secrets sealed with {}",
                master_key.display()
            )
        }
        StorageSettings::Memory => "memory: (nothing outlives the process)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn a_good_configuration_is_summed_up() {
        let text = r#"
            [server]
            public_url = "http://app.example.com"
            insecure_http = true
            admin_listen = ""

            [[routes]]
            upstream = "http://127.0.0.1:3000"

            [[routes]]
            host = "wiki.example.com"
            path = "/edit"
            upstream = "http://[::1]:4000"
            allow = { groups = ["ops"], users = ["ada"] }
        "#;
        let config = config::parse(text, Path::new("/etc")).unwrap();
        let summary = summary(&config);
        for part in [
            "  listens on   127.0.0.1:8080\n",
            "  people type  http://app.example.com\n",
            "  health at    nowhere: admin_listen is off\n",
            "sqlite:/etc/vestibule.db, its secrets sealed with /etc/vestibule.db.key\n",
            "ROUTE                  HOST              PATH   ALLOW",
            "/                      -                 /      signed-in            http://127.0.0.1:3000\n",
            "wiki.example.com/edit  wiki.example.com  /edit  group ops, user ada  http://[::1]:4000\n",
            "\nwarning: server.public_url http://app.example.com is plain http",
        ] {
            assert!(summary.contains(part), "{part} is not in\n{summary}");
        }
    }
}
