//! Whole configurations: what they become, and what is said about those that are wrong.

use std::path::Path;

use super::*;
use crate::policy::Rule;

const ROUTE: &str = "[[routes]]\nupstream = \"http://127.0.0.1:3000\"\n";

fn good(text: &str) -> Config {
    build(text, Path::new("config.toml"), []).unwrap_or_else(|error| panic!("{error}"))
}

fn report(text: &str, environment: &[(&str, &str)]) -> String {
    let environment = environment.iter().map(|(n, v)| (n.into(), v.into()));
    match build(text, Path::new("config.toml"), environment) {
        Ok(config) => panic!("nothing is wrong: {config:?}"),
        Err(error) => error.to_string(),
    }
}

/// The options that are complained about, each with its line or variable.
fn complaints(text: &str) -> Vec<String> {
    match build(text, Path::new("c"), []) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Wrong(problems)) => problems
            .iter()
            .map(|problem| match &problem.place {
                Place::File => problem.key.clone(),
                Place::Line(line) => format!("{line} {}", problem.key),
                Place::Environment(name) => name.clone(),
            })
            .collect(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_shipped_file_says_the_defaults() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let text = std::fs::read_to_string(shipped).unwrap();
    assert_eq!(good(&text), good(ROUTE));
    // Options behind a # are the ones without a default that can be written down.
    let shown: String = text
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|l| l.contains(" = ") || l.starts_with('['))
                .unwrap_or(line)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let shown = shown.replace("127.0.0.1:8080\"", "https://127.0.0.1:8080\"");
    let shown = good(&shown);
    assert!(shown.server.tls.is_some());
    assert_eq!(shown.server.threads, 4);
    assert_eq!(shown.tokens.audience, "https://app.example.com");
    assert!(shown.routes[0].host_header.is_some());
}

#[test]
fn one_route_is_enough() {
    let config = good(ROUTE);
    assert_eq!(
        config.server.listen,
        [Listen::Address("127.0.0.1:8080".parse().unwrap())]
    );
    assert_eq!(config.tokens.issuer, "http://localhost:8080");
    assert_eq!(config.tokens.audience, config.tokens.issuer);
    assert_eq!(config.routes[0].route.name.as_str(), "/");
    assert_eq!(config.routes[0].route.rule, Rule::SignedIn);
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    for (url, key, expected) in [
        ("sqlite:v.db", None, ("/etc/v/v.db", "/etc/v/v.db.key")),
        ("sqlite:v.db", Some("k"), ("/etc/v/v.db", "/etc/v/k")),
        ("sqlite:/var/v.db", Some("/k"), ("/var/v.db", "/k")),
        ("sqlite:///var/v.db", None, ("/var/v.db", "/var/v.db.key")),
        ("sqlite://v.db", None, ("/etc/v/v.db", "/etc/v/v.db.key")),
    ] {
        let key = key.map_or(String::new(), |key| format!("master_key_file = '{key}'"));
        let text = format!("{ROUTE}[storage]\nurl = '{url}'\n{key}");
        let (path, master_key) = (expected.0.into(), expected.1.into());
        assert_eq!(
            parse(&text, Path::new("/etc/v")).unwrap().storage,
            StorageSettings::Sqlite { path, master_key },
            "{url}"
        );
    }
}

#[test]
fn all_problems_are_told_at_once_with_line_and_hint() {
    let text = r#"
[server]
listn = "0.0.0.0:80"
public_url = ["https://app.example.com/wiki", "app.example.com"]
threads = "four"

[server.limits]
head_bytes = "1KiB"
head_timeout = 30

[[route]]

[[routes]]
path = "/vestibule/x"
upstream = "https://127.0.0.1"
allow = "everybody"

[[routes]]
[routes.headers]
Host = "x"
"#;
    assert_eq!(
        report(text, &[("VESTIBULE_TOKENS__ACCESS_TTL", "2h")]),
        r#"config.toml:3: server.listn: there is no such option
    did you mean `listen`?
config.toml:4: server.public_url: "app.example.com" does not start with http:// or https://
    write scheme and host, and a port where it matters, such as "https://app.example.com"
config.toml:4: server.public_url: "https://app.example.com/wiki" has a path
    write scheme and host, and a port where it matters, such as "https://app.example.com"
config.toml:5: server.threads: this is a text
    write a whole number, without quotes
config.toml:8: server.limits.head_bytes: "1KiB" is out of bounds
    allowed: 8KiB to 1024KiB
config.toml:9: server.limits.head_timeout: this is a number
    write a whole number and a unit in quotes, such as "500ms", "30s", "5m", "1h" or "14d"
config.toml:11: route: there is no such option
    did you mean `routes`?
config.toml:15: routes[0].upstream: https: is not supported by this version
    write "http://host:port", or "unix:" and the path of a socket
config.toml:16: routes[0].allow: "everybody" is no rule
    write "signed-in", "optional", "anyone" or { groups = ["ops"], users = ["ada"] }
config.toml:18: routes[1].upstream: it is missing
    say where the app is, such as upstream = "http://127.0.0.1:3000"
config.toml:20: routes[1].headers.Host: this header cannot be set: it belongs to the message itself
    choose another name
VESTIBULE_TOKENS__ACCESS_TTL: tokens.access_ttl: "2h" is out of bounds
    allowed: 30s to 1h
12 problems in config.toml and the environment"#
    );
}

/// The one complaint about each text, to which a good route is added.
fn assert_complaints(cases: &[(&str, &str)]) {
    for (text, complaint) in cases {
        let text = format!("{text}\n{ROUTE}");
        assert_eq!(complaints(&text), [*complaint], "{text}");
    }
}

#[test]
fn without_a_route_there_is_nothing_to_do() {
    for (text, complaint) in [
        ("", "routes"),
        ("routes = []", "1 routes"),
        ("routes = 3", "1 routes"),
    ] {
        assert_eq!(complaints(text), [complaint], "{text}");
    }
}

#[test]
fn wrong_server_options_are_refused() {
    assert_complaints(&[
        ("x = 1 1", "1 "),
        ("[server]\nlisten = []", "2 server.listen"),
        ("[server]\nlisten = 'localhost:80'", "2 server.listen"),
        ("[server]\nlisten = 'unix:'", "2 server.listen"),
        ("[server]\nlisten = 'unix:/run/'", "2 server.listen"),
        ("[server]\nlisten = 'unix:@name'", "2 server.listen"),
        (
            "[server]\nlisten = ['unix:/run/a', 'unix:///run/a']",
            "2 server.listen",
        ),
        (
            "[server]\nadmin_listen = 'unix:/x'",
            "2 server.admin_listen",
        ),
        (
            "[server]\nlisten = ['[::]:80', '[::]:80']",
            "2 server.listen",
        ),
        (
            "[server]\nadmin_listen = '127.0.0.1:8080'",
            "2 server.admin_listen",
        ),
        ("[server]\npublic_url = []", "2 server.public_url"),
        (
            "[server]\npublic_url = 'http://example.com'",
            "2 server.public_url",
        ),
        (
            "[server]\npublic_url = 'ftp://localhost'",
            "2 server.public_url",
        ),
        ("[server]\nprefix = '/'", "2 server.prefix"),
        (
            "[server]\ntrusted_proxies = '10.0.0.0/33'",
            "2 server.trusted_proxies",
        ),
        ("[server]\nthreads = 0", "2 server.threads"),
        ("[server]\ninsecure_http = 'yes'", "2 server.insecure_http"),
        ("server = 1", "1 server"),
        (
            "[server.limits]\nconnections = -1",
            "2 server.limits.connections",
        ),
        (
            "[server.limits]\nheader_fields = 1.5",
            "2 server.limits.header_fields",
        ),
    ]);
}

#[test]
fn other_wrong_options_are_refused() {
    assert_complaints(&[
        ("[storage]\nurl = 'postgres://x'", "2 storage.url"),
        ("[storage]\nurl = 'redis://x'", "2 storage.url"),
        ("[storage]\nurl = 'vestibule.db'", "2 storage.url"),
        ("[storage]\nurl = 'sqlite:'", "2 storage.url"),
        ("[storage]\nurl = 'sqlite::memory:'", "2 storage.url"),
        (
            "[storage]\nmaster_key_file = ''",
            "2 storage.master_key_file",
        ),
        ("[tokens]\naccess_ttl = '29s'", "2 tokens.access_ttl"),
        ("[tokens]\nleeway = '61s'", "2 tokens.leeway"),
        ("[tokens]\naudience = ''", "2 tokens.audience"),
        ("[sessions]\nidle_ttl = '31d'", "2 sessions.idle_ttl"),
        ("[sessions]\ngrace = '61s'", "2 sessions.grace"),
        ("[tokens]\naccess_ttl = '30s'", "sessions.grace"),
        ("[csrf]\ntrusted_origins = 'null'", "2 csrf.trusted_origins"),
        ("[headers]\nunderscores = 'pass'", "2 headers.underscores"),
        ("[accounts]", "1 accounts"),
    ]);
}

#[test]
fn wrong_routes_are_refused() {
    for (line, key) in [
        ("name = 'a b'", "name"),
        ("host = 'a b'", "host"),
        ("host = 'a:443'", "host"),
        ("host = '[::1]:80'", "host"),
        ("path = 'wiki'", "path"),
        ("path = '/vestibule'", "path"),
        ("path = '/Vestibule/login'", "path"),
        ("upstream = 'http://h/path'", "upstream"),
        ("upstream = 'unix:'", "upstream"),
        ("upstream = ['http://h:1']", "upstream"),
        ("upstream = 'h:80'", "upstream"),
        ("upstream = 'http://'", "upstream"),
        ("allow = true", "allow"),
        ("allow = {}", "allow"),
        ("allow = { groups = [], users = [] }", "allow"),
        ("allow = { groups = ['a b'] }", "allow.groups"),
        (
            "allow = { networks = ['::/0'], users = 'ada' }",
            "allow.networks",
        ),
        ("credentials = []", "credentials"),
        ("credentials = 'basic'", "credentials"),
        ("preflight = 'yes'", "preflight"),
        (
            "headers = { 'X-Forwarded-User' = '{user.name}' }",
            "headers.X-Forwarded-User",
        ),
        ("headers = { Remote-User = '{who}' }", "headers.Remote-User"),
        (
            "headers = { Remote-User = 'a', remote-user = 'b' }",
            "headers.remote-user",
        ),
        ("headers = ['Remote-User']", "headers"),
        ("host_header = 'a/b'", "host_header"),
        ("shared_cache = 1", "shared_cache"),
        ("replay_posts = 1", "replay_posts"),
        ("connect_timeout = '1ms'", "connect_timeout"),
        ("response_timeout = '1y'", "response_timeout"),
        ("timeout = '1s'", "timeout"),
    ] {
        let upstream = match line.starts_with("upstream") {
            true => "",
            false => "upstream = 'http://h:1'\n",
        };
        let text = format!("[[routes]]\n{line}\n{upstream}");
        assert_eq!(complaints(&text), [format!("2 routes[0].{key}")], "{line}");
    }
}

#[test]
fn routes_must_differ() {
    let second = "[[routes]]\nhost = 'a.example'\nupstream = 'http://h:1'\npath = '/x'\n";
    for (third, complaint) in [
        ("host = 'a.example'\npath = '/x/'", "8 routes[1].path"),
        (
            "host = 'a.example'\nname = 'a.example/x'",
            "8 routes[1].name",
        ),
    ] {
        let text = format!("{second}[[routes]]\nupstream = 'http://h:1'\n{third}");
        assert_eq!(complaints(&text), [complaint], "{third}");
    }
    let other_host = format!("{second}[[routes]]\nupstream = 'http://h:1'\npath = '/x'");
    assert_eq!(complaints(&other_host), [""; 0]);
}

#[test]
fn what_is_allowed_and_unwise_is_a_warning() {
    for (text, warning) in [
        (
            "[server]\ninsecure_http = true\npublic_url = 'http://example.com'",
            "server.public_url http://example.com is plain http",
        ),
        (
            "[server]\ntrusted_proxies = '0.0.0.0/0'",
            "server.trusted_proxies holds 0.0.0.0/0",
        ),
        ("[sessions]\ngrace = '31s'", "sessions.grace is 31s"),
        (
            "[storage]\nurl = 'memory:'\nmaster_key_file = 'k'",
            "storage.master_key_file is not used",
        ),
        (
            "[[routes]]\nupstream = 'http://h:1'\npath = '/p'\nallow = 'anyone'\nheaders = { A = 'b' }",
            "route /p sets headers",
        ),
        (
            "[[routes]]\nupstream = 'http://localhost:9180'\npath = '/p'",
            "route /p leads to server.admin_listen 127.0.0.1:9180",
        ),
        (
            "[server]\nadmin_listen = '0.0.0.0:80'\n[[routes]]\nupstream = 'http://127.0.0.1'\npath = '/p'",
            "route /p leads to server.admin_listen 0.0.0.0:80",
        ),
    ] {
        let warnings = good(&format!("{text}\n{ROUTE}")).warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with(warning), "{warnings:?}");
    }
}

#[test]
fn every_option_can_come_from_the_environment() {
    let environment = [
        ("VESTIBULE_ROUTES__0__UPSTREAM", "http://app:3000"),
        ("VESTIBULE_ROUTES__0__ALLOW", "{ groups = [\"ops\"] }"),
        ("VESTIBULE_SERVER__THREADS", "3"),
        ("VESTIBULE_SERVER__ADMIN_LISTEN", ""),
        ("VESTIBULE_SERVER__LIMITS__HEAD_TIMEOUT", "9s"),
        ("VESTIBULE_CONFIG", "elsewhere.toml"),
    ];
    let environment = environment.map(|(name, value)| (name.into(), value.into()));
    let config = build("", Path::new("config.toml"), environment).unwrap();
    assert_eq!(config.routes[0].upstream.to_string(), "http://app:3000");
    assert!(matches!(config.routes[0].route.rule, Rule::Members { .. }));
    assert_eq!(config.server.threads, 3);
    assert_eq!(config.server.admin_listen, None);
    assert_eq!(config.server.limits.head_timeout.as_secs(), 9);
}

#[test]
fn problems_with_the_environment_name_the_variable() {
    let report = report(
        ROUTE,
        &[
            ("VESTIBULE_SERVER__LISTN", "x"),
            ("VESTIBULE_SERVER__LISTEN", "80"),
            ("VESTIBULE_ROUTES__7__PATH", "/"),
        ],
    );
    assert_eq!(
        report,
        "VESTIBULE_ROUTES__7__PATH: routes[7].path: there is no number 7\n    \
         entries are numbered from 0; the next new one is 1\n\
         VESTIBULE_SERVER__LISTEN: server.listen: this is a number\n    \
         write an address and a port, such as \"127.0.0.1:8080\", with https:// before it for TLS, \
         or \"unix:\" and the path of a socket\n\
         VESTIBULE_SERVER__LISTN: server.listn: there is no such option\n    \
         did you mean `listen`?\n\
         3 problems in the environment"
    );
}

#[test]
fn a_file_that_is_not_there_is_told_apart() {
    let missing = load(Path::new("/nowhere/config.toml"), []).unwrap_err();
    assert!(matches!(missing, ConfigError::Missing(_)), "{missing}");
    let unreadable = load(Path::new("/"), []).unwrap_err();
    assert!(
        matches!(unreadable, ConfigError::Unreadable { .. }),
        "{unreadable}"
    );
}
