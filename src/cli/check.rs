//! `vestibule check`: what the configuration says, when nothing is wrong with it.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use crate::authenticate::AdminToken;
use crate::cli::output;
use crate::config::{Config, LogTarget, RouteSettings, ServerSettings, StorageSettings, written};
use crate::pages::Pages;
use crate::policy::{HostPattern, Route, Rule};
use crate::server::check_certificate;

/// Prints a summary of a good configuration. One that is not was refused before, but for the files of
/// the certificate, the admin token and the pages, which are tried out here.
pub(super) fn run(config: &Config, file: &Path) -> anyhow::Result<()> {
    let server = &config.server;
    let certificate = server.tls.as_ref().map(check_certificate);
    let token = server.admin.token_file.as_deref().map(AdminToken::load);
    let pages = Pages::new(&server.prefix, config.profile, &config.pages);
    let warnings = pages.as_ref().map_or(&[][..], Pages::warnings).to_vec();
    let wrong: Vec<String> = [
        pages.err().map(anyhow::Error::from),
        certificate.and_then(Result::err).map(anyhow::Error::from),
        token.and_then(Result::err).map(anyhow::Error::from),
    ]
    .into_iter()
    .flatten()
    .map(|error| format!("{error:#}"))
    .collect();
    if !wrong.is_empty() {
        return Err(anyhow!(wrong.join("\n")));
    }
    let summary = summary(config, &warnings);
    output::print(&format!("{} is good\n\n{summary}", file.display()))?;
    Ok(())
}

/// The options whose files would lie in a folder that is not there: only a warning, because systemd
/// makes folders when it starts a service.
fn missing_folders(config: &Config) -> Vec<String> {
    let database = match &config.storage {
        StorageSettings::Sqlite { path, .. } => Some(path),
        StorageSettings::Memory => None,
    };
    let observe = &config.observe;
    let access = observe.access_log.as_ref().map(|access| &access.to);
    [
        ("storage.url", database),
        ("observe.access_log.to", log_file(access)),
        ("observe.audit_log.to", log_file(observe.audit_log.as_ref())),
    ]
    .into_iter()
    .filter_map(|(option, file)| {
        let folder = file?.parent()?;
        let is_here = folder.as_os_str().is_empty();
        let is_missing = || fs::metadata(folder).is_err_and(|e| e.kind() == ErrorKind::NotFound);
        let missing = || format!("{option}: there is no folder {}", folder.display());
        (!is_here && is_missing()).then(missing)
    })
    .collect()
}

fn summary(config: &Config, of_pages: &[String]) -> String {
    let server = &config.server;
    let mut facts = vec![row("listens on", output::joined(&server.listen))];
    if !server.redirect_listen.is_empty() {
        let redirects = output::joined(&server.redirect_listen);
        facts.push(row("redirects", format!("{redirects} to https")));
    }
    facts.extend([
        row("people type", output::joined(&server.public_urls)),
        row("admin at", admin(server)),
        row("storage", storage(&config.storage)),
    ]);
    let mut routes = vec![["ROUTE", "HOST", "PATH", "ALLOW", "UPSTREAM"].map(str::to_owned)];
    routes.extend(config.routes.iter().map(route));
    let mut text = output::columns("  ", &facts);
    text.push('\n');
    text.push_str(&output::columns("  ", &routes));
    let missing = missing_folders(config);
    for warning in config.warnings.iter().chain(of_pages).chain(&missing) {
        let _ = write!(text, "\nwarning: {warning}\n");
    }
    text
}

fn log_file(target: Option<&LogTarget>) -> Option<&PathBuf> {
    match target? {
        LogTarget::File(path) => Some(path),
        LogTarget::Stdout | LogTarget::Stderr => None,
    }
}

fn admin(server: &ServerSettings) -> String {
    let Some(address) = server.admin_listen else {
        return "nowhere: server.admin_listen is off".to_owned();
    };
    let api = match &server.admin.token_file {
        Some(_) => ", admin API",
        None => "; no admin API without server.admin_token_file",
    };
    format!("{address}: health, metrics{api}")
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
        allow(route),
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

/// Who may pass, in a few words.
pub(super) fn allow(route: &Route) -> String {
    let rule = rule(&route.rule);
    match route.max_auth_age {
        None => rule,
        Some(max) => format!("{rule}, within {} of sign-in", written(max)),
    }
}

fn rule(rule: &Rule) -> String {
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
            public_url = ["http://app.example.com", "https://app.example.com"]
            redirect_listen = "127.0.0.1:80"
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
        let summary = summary(&config, &[]);
        for part in [
            "  listens on   127.0.0.1:8080\n",
            "  redirects    127.0.0.1:80 to https\n",
            "  people type  http://app.example.com, https://app.example.com\n",
            "  admin at     nowhere: server.admin_listen is off\n",
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
