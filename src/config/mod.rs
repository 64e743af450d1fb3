//! config.toml: one file a section, all problems reported at once.

mod admin;
mod app_cookies;
mod cookies;
mod cors;
mod csrf;
mod hashing;
mod headers;
mod hsts;
mod limits;
mod listen;
mod login;
mod observe;
mod pages;
mod passwords;
mod problem;
mod profile;
mod read;
mod routes;
mod section;
mod server;
mod sessions;
mod storage;
mod takeover;
mod templates;
mod tls;
mod tokens;
mod traces;
mod upstream;
mod value;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::identity::password::PasswordRules;
use crate::policy::{AllowedOrigins, CsrfSettings, Routes};
use crate::reply::Profile;
use crate::session::{KeySettings, SessionSettings, Staleness, TokenSettings};

pub use admin::AdminSettings;
pub use app_cookies::AppCookie;
pub use cookies::CookieSettings;
pub use hashing::HashSettings;
pub use headers::HeaderSettings;
pub use limits::Limits;
pub use listen::Listen;
pub use login::LoginSettings;
pub use observe::{
    AccessFormat, AccessLogSettings, LogFormat, LogLevel, LogTarget, ObserveSettings,
};
pub use pages::{Color, Logo, PagesSettings};
pub use problem::{Complaint, Place, Problem, Problems};
pub use routes::RouteSettings;
pub use server::ServerSettings;
pub use storage::StorageSettings;
pub use takeover::Changes;
pub use tls::TlsSettings;
pub use traces::TraceSettings;
pub use upstream::{AppAddress, UpstreamSettings};
pub use value::parse_duration;
pub(crate) use value::written;

use section::Section;

/// The whole configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `profile`: whose answers programs know.
    pub profile: Profile,
    /// `[server]`.
    pub server: ServerSettings,
    /// `[[routes]]`, in the order of the file.
    pub routes: Vec<RouteSettings>,
    /// `[storage]`.
    pub storage: StorageSettings,
    /// `[tokens]`.
    pub tokens: TokenSettings,
    /// `[tokens]`: what they are signed with, and for how long.
    pub keys: KeySettings,
    /// `[sessions]`.
    pub sessions: SessionSettings,
    /// `[sessions]`: how long the store may be silent about what was ended.
    pub staleness: Staleness,
    /// `[login]`.
    pub login: LoginSettings,
    /// `[passwords]`.
    pub passwords: PasswordRules,
    /// `[passwords]`: how they are hashed.
    pub hashing: HashSettings,
    /// `[cookies]`.
    pub cookies: CookieSettings,
    /// `[csrf]`.
    pub csrf: CsrfSettings,
    /// `[cors]`.
    pub allowed_origins: AllowedOrigins,
    /// `[headers]`.
    pub headers: HeaderSettings,
    /// `[pages]`.
    pub pages: PagesSettings,
    /// `[observe]`.
    pub observe: ObserveSettings,
    /// What is allowed and should be thought about: told at start and by `check`.
    pub warnings: Vec<String>,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file is not there.
    #[error("there is no file {0}: `--config FILE` names another, and `vestibule demo` needs none")]
    Missing(PathBuf),
    /// The file is there and cannot be read.
    #[error("{file} cannot be read")]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file, or what the environment adds to it, is wrong.
    #[error("{0}")]
    Wrong(Problems),
}

/// Reads the file and lays the environment over it: `VESTIBULE_SERVER__LISTEN` is `server.listen`.
/// Relative paths start at the folder of the file.
///
/// # Errors
/// When the file cannot be read, and with all problems when any option is wrong.
pub fn load(
    file: &Path,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|source| {
        let file = file.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => ConfigError::Missing(file),
            _ => ConfigError::Unreadable { file, source },
        }
    })?;
    build(&text, file, environment)
}

/// Reads the text of a `config.toml`. Relative paths start at `folder`.
///
/// # Errors
/// With all problems when any option is wrong.
pub fn parse(text: &str, folder: &Path) -> Result<Config, ConfigError> {
    build(text, &folder.join("config.toml"), [])
}

fn build(
    text: &str,
    file: &Path,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    let mut problems = Vec::new();
    let mut config = None;
    match read::read(text, environment, &mut problems) {
        Ok(table) => {
            let folder = file.parent().unwrap_or(Path::new(""));
            config = settings(Section::root(table, &mut problems), folder);
        }
        Err(problem) => problems.push(problem),
    }
    if problems.is_empty() {
        problems.extend(config.as_ref().and_then(conflict));
    }
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        Some(_) | None => {
            let file = file.display().to_string();
            Err(ConfigError::Wrong(Problems::new(file, problems)))
        }
    }
}

/// The settings of all sections. Where something is wrong, a problem was noted.
fn settings(mut root: Section<'_>, folder: &Path) -> Option<Config> {
    let mut warnings = Vec::new();
    let profile = profile::read(&mut root);
    let server = server::read(root.section("server"), folder, &mut warnings);
    let storage = storage::read(root.section("storage"), folder, &mut warnings);
    let (tokens, keys) = tokens::read(
        root.section("tokens"),
        server.as_ref(),
        profile,
        &mut warnings,
    );
    let (sessions, staleness) = sessions::read(
        root.section("sessions"),
        tokens.access_ttl,
        profile,
        &mut warnings,
    );
    let login = login::read(root.section("login"), &mut warnings);
    let (passwords, hashing) = passwords::read(root.section("passwords"), server.as_ref(), folder);
    let cookies = cookies::read(
        root.section("cookies"),
        server.as_ref().map(|server| &*server.public_urls),
        &mut warnings,
    );
    let csrf = csrf::read(root.section("csrf"), &mut warnings);
    let allowed_origins = cors::read(root.section("cors"), &mut warnings);
    let headers = headers::read(root.section("headers"));
    let pages = pages::read(root.section("pages"), folder);
    let observe = observe::read(root.section("observe"), folder);
    let own = server.as_ref().map(|server| &server.prefix);
    let routes = routes::read(&mut root, folder, own, headers, &mut warnings);
    root.finish();
    cookies::check_routes(&cookies, &routes, &mut warnings);
    let server = server?;
    admin::check_routes(server.admin_listen, &routes, &mut warnings);
    Some(Config {
        profile,
        server,
        routes,
        storage: storage?,
        tokens,
        keys: KeySettings {
            longest_session: sessions.absolute_ttl,
            ..keys
        },
        sessions,
        staleness,
        login,
        passwords,
        hashing,
        cookies,
        csrf,
        allowed_origins,
        headers,
        pages,
        observe: observe?,
        warnings,
    })
}

/// What only the sections together find: `check` promises that `serve` will start.
fn conflict(config: &Config) -> Option<Problem> {
    let routes = config.routes.iter().map(|r| r.route.clone()).collect();
    let hosts = config.server.public_urls.iter().map(|url| url.host.clone());
    let error = Routes::new(routes, config.server.prefix.clone(), hosts.collect()).err();
    let replays = config.routes.iter().any(|route| route.replay_posts);
    let complaint = match error {
        Some(error) => Complaint::new(error.to_string()),
        None if replays && config.csrf.asks_for_token() => Complaint::new(
            "replay_posts is for forms, and csrf.mode asks for a header",
        )
        .hint("forms of pages can send no headers: leave replay_posts out, or csrf.mode as it is"),
        None => return None,
    };
    Some(Problem {
        place: Place::File,
        key: "routes".to_owned(),
        complaint,
    })
}

#[cfg(test)]
mod tests;
