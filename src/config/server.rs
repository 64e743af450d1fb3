//! `[server]`: where requests come in and what people type to get there.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;

use crate::policy::OwnPrefix;
use crate::request::{Origin, Scheme, TrustedProxies};

use super::admin::{self, AdminSettings};
use super::hsts::hsts;
use super::limits::{self, Limits};
use super::listen::{self, Listen, address};
use super::problem::Complaint;
use super::read::Node;
use super::section::Section;
use super::tls::{self, TlsSettings};
use super::value::{duration, flag, number, text};

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Where requests come in.
    pub listen: Vec<Listen>,
    /// The certificate of `https://` listeners; always there where there is one.
    pub tls: Option<TlsSettings>,
    /// `Strict-Transport-Security` on every answer over TLS; `None`: off.
    pub hsts: Option<HeaderValue>,
    /// Where requests come in that are only sent on to https.
    pub redirect_listen: Vec<SocketAddr>,
    /// The permissions of unix sockets.
    pub socket_mode: u32,
    /// What people type; never empty; the first is the issuer.
    pub public_urls: Vec<Origin>,
    /// Health and the admin API; `None`: off.
    pub admin_listen: Option<SocketAddr>,
    /// The admin API.
    pub admin: AdminSettings,
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
    let admin_listen = listeners.as_ref().and_then(|listeners| listeners.admin);
    let admin = admin::read(&mut section, folder, admin_listen, warnings);
    let socket_mode = section.option("socket_mode", 0o660, listen::mode);
    let tls = tls::read(section.section("tls"), folder);
    let hsts = section.parsed("hsts", "max-age=31536000", hsts);
    let public_urls = public_urls(&mut section, warnings);
    if let (Some(listeners), Some(public_urls)) = (&listeners, &public_urls) {
        check_tls(&mut section, listeners, tls.as_ref(), public_urls, warnings);
    }
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
    let listeners = listeners?;
    Some(ServerSettings {
        listen: listeners.listen,
        tls,
        hsts: hsts?,
        redirect_listen: listeners.redirect,
        socket_mode,
        public_urls: public_urls?,
        admin_listen,
        admin: admin?,
        prefix: prefix?,
        trusted_proxies: trusted_proxies?,
        threads,
        drain,
        limits,
    })
}

/// What listens.
struct Listeners {
    listen: Vec<Listen>,
    redirect: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
}

/// `None` where a problem was noted.
fn listeners(section: &mut Section<'_>, folder: &Path) -> Option<Listeners> {
    let listen = section.list("listen", &["127.0.0.1:8080"], |node| {
        listen::listen(node, folder)
    });
    let redirect = section.list("redirect_listen", &[], address);
    let admin = section.parsed("admin_listen", "127.0.0.1:9180", |node| match text(node)? {
        "" => Ok(None),
        _ => address(node).map(Some),
    });
    let (listen, redirect, admin) = (listen?, redirect?, admin?);
    if listen.is_empty() {
        section.refuse("listen", listen::none_given());
    }
    let mut taken: Vec<Listen> = Vec::new();
    let named = listen.iter().map(|listen| ("listen", listen.clone()));
    let redirects = redirect.iter().map(|address| ("redirect_listen", *address));
    let admins = admin.iter().map(|address| ("admin_listen", *address));
    let plain = redirects
        .chain(admins)
        .map(|(option, address)| (option, Listen::Address(address)));
    for (option, listen) in named.chain(plain) {
        if taken.iter().any(|other| listen.collides_with(other)) {
            let twice = Complaint::new(format!("{listen} is taken by another listener"));
            section.refuse(option, twice.hint("give each of them a port of its own"));
        }
        taken.push(listen);
    }
    Some(Listeners {
        listen,
        redirect,
        admin,
    })
}

/// The certificate fits what listens. Where it does not, a problem or a warning is noted.
fn check_tls(
    section: &mut Section<'_>,
    listeners: &Listeners,
    tls: Option<&TlsSettings>,
    public_urls: &[Origin],
    warnings: &mut Vec<String>,
) {
    let is_tls = |listen: &Listen| matches!(listen, Listen::Tls(_));
    let has_tls = listeners.listen.iter().any(is_tls);
    let is_https = |url: &Origin| url.scheme == Scheme::Https;
    if has_tls && !section.was_given("tls") {
        let missing = Complaint::new("a listener with https:// needs a certificate");
        let hint = "name it: [server.tls] and, below it, cert = \"cert.pem\" and key = \"key.pem\"";
        section.refuse("listen", missing.hint(hint));
    } else if tls.is_some() && !has_tls {
        let unused = Complaint::new("no listener uses this certificate");
        section.refuse(
            "tls",
            unused.hint("write https:// before an address in server.listen"),
        );
    }
    if !public_urls.iter().any(is_https) {
        if !listeners.redirect.is_empty() {
            let nowhere = Complaint::new("there is no https address to redirect to");
            section.refuse(
                "redirect_listen",
                nowhere.hint("give server.public_url with https://"),
            );
        }
        if has_tls {
            warnings.push(
                "server.listen has https:// and no server.public_url does: cookies are not kept to https"
                    .to_owned(),
            );
        }
    }
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
