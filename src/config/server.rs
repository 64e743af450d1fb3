//! `[server]`: where requests come in and what people type to get there.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

use ipnet::IpNet;

use crate::policy::OwnPrefix;
use crate::request::{Origin, Scheme, TrustedProxies};

use super::limits::{self, Limits};
use super::listen::{self, Listen, address};
use super::problem::Complaint;
use super::read::Node;
use super::section::Section;
use super::value::{duration, flag, number, text};

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Where requests come in.
    pub listen: Vec<Listen>,
    /// The permissions of unix sockets.
    pub socket_mode: u32,
    /// What people type; never empty; the first is the issuer.
    pub public_urls: Vec<Origin>,
    /// Health; `None`: off.
    pub admin_listen: Option<SocketAddr>,
    /// Where vestibule's own endpoints are.
    pub prefix: OwnPrefix,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: TrustedProxies,
    /// Data threads.
    pub threads: usize,
    /// How long a stop waits for what is under way.
    pub drain: Duration,
    /// Limits on connections and requests.
    pub limits: Limits,
}

/// Relative paths start at `folder`. `None` where a problem was noted.
pub(super) fn read(
    mut section: Section<'_>,
    folder: &Path,
    warnings: &mut Vec<String>,
) -> Option<ServerSettings> {
    let listeners = listeners(&mut section, folder);
    let socket_mode = section.option("socket_mode", 0o660, listen::mode);
    let public_urls = public_urls(&mut section, warnings);
    let prefix = section.parsed("prefix", "/vestibule", prefix);
    let trusted_proxies = trusted_proxies(&mut section, warnings);
    let cores = available_parallelism().map_or(1, usize::from);
    let threads = section.option("threads", cores, number(1..=1024));
    let drain = section.option(
        "drain",
        Duration::from_secs(25),
        duration(Duration::ZERO..=Duration::from_hours(1)),
    );
    let limits = limits::read(section.section("limits"));
    section.finish();
    let (listen, admin_listen) = listeners?;
    Some(ServerSettings {
        listen,
        socket_mode,
        public_urls: public_urls?,
        admin_listen,
        prefix: prefix?,
        trusted_proxies: trusted_proxies?,
        threads,
        drain,
        limits,
    })
}

/// Public and admin listeners. `None` where a problem was noted.
fn listeners(
    section: &mut Section<'_>,
    folder: &Path,
) -> Option<(Vec<Listen>, Option<SocketAddr>)> {
    let listen = section.list("listen", &["127.0.0.1:8080"], |node| {
        listen::listen(node, folder)
    });
    let admin = section.parsed("admin_listen", "127.0.0.1:9180", |node| match text(node)? {
        "" => Ok(None),
        _ => address(node).map(Some),
    });
    let (listen, admin) = (listen?, admin?);
    if listen.is_empty() {
        section.refuse("listen", listen::none_given());
    }
    // Port 0 asks the system for any free port: two of them do not collide.
    let mut fixed = listen.iter().filter(|listen| !listen.is_any_port());
    while let Some(listen) = fixed.next() {
        if fixed.clone().any(|other| other == listen) {
            section.refuse("listen", Complaint::new(format!("{listen} is here twice")));
        }
        if admin.is_some_and(|admin| *listen == Listen::Address(admin)) {
            let taken = Complaint::new("this address is in server.listen, too");
            section.refuse("admin_listen", taken.hint("give it a port of its own"));
        }
    }
    Some((listen, admin))
}

/// The public URLs, never empty. `None` where a problem was noted.
fn public_urls(section: &mut Section<'_>, warnings: &mut Vec<String>) -> Option<Vec<Origin>> {
    let insecure = section.option("insecure_http", false, flag);
    let urls = section.list("public_url", &["http://localhost:8080"], origin)?;
    if urls.is_empty() {
        section.refuse("public_url", Complaint::new("the list is empty").hint(URL));
    }
    for url in &urls {
        if url.scheme == Scheme::Https || url.host.is_loopback() {
            continue;
        }
        if insecure {
            warnings.push(format!(
                "server.public_url {url} is plain http: passwords and cookies can be read and changed on the way"
            ));
        } else {
            let reason =
                format!("{url} is plain http: passwords and cookies could be read on the way");
            section.refuse(
                "public_url",
                Complaint::new(reason).hint(
                    "write https:// and put TLS in front, or set server.insecure_http = true if nobody can listen in",
                ),
            );
        }
    }
    Some(urls)
}

const URL: &str =
    "write scheme and host, and a port where it matters, such as \"https://app.example.com\"";

/// Scheme, host and port; a slash at the end is let pass.
pub(super) fn origin(node: &Node) -> Result<Origin, Complaint> {
    let url = text(node)?;
    let bare = url.strip_suffix('/').unwrap_or(url);
    let scheme = bare
        .split_once("://")
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    let rest = bare.split_once("://").map_or("", |(_, rest)| rest);
    match scheme.as_deref() {
        Some("http" | "https") if rest.contains(['/', '?', '#']) => {
            Err(Complaint::new(format!("{url:?} has a path")).hint(URL))
        }
        Some("http" | "https") => Origin::parse(bare)
            .ok_or_else(|| Complaint::new(format!("{url:?} is not a URL")).hint(URL)),
        Some(_) | None => Err(Complaint::new(format!(
            "{url:?} does not start with http:// or https://"
        ))
        .hint(URL)),
    }
}

fn prefix(node: &Node) -> Result<OwnPrefix, Complaint> {
    OwnPrefix::parse(text(node)?).map_err(|error| {
        Complaint::new(error.to_string()).hint("write a path such as \"/vestibule\"")
    })
}

fn trusted_proxies(
    section: &mut Section<'_>,
    warnings: &mut Vec<String>,
) -> Option<TrustedProxies> {
    let networks = section.list("trusted_proxies", &[], network)?;
    for network in networks.iter().filter(|network| network.prefix_len() == 0) {
        warnings.push(format!(
            "server.trusted_proxies holds {network}: everybody can say where they come from"
        ));
    }
    Some(TrustedProxies::new(networks))
}

fn network(node: &Node) -> Result<IpNet, Complaint> {
    let text = text(node)?;
    let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(single).ok_or_else(|| {
        Complaint::new(format!("{text:?} is not a network"))
            .hint("write an address or a network, such as \"10.0.0.7\" or \"10.0.0.0/8\"")
    })
}
