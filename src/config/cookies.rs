//! `[cookies]`: one sign-in for a host, or for all hosts of a domain?

use crate::policy::{HostPattern, Rule};
use crate::request::{Host, Origin, Scheme};

use super::problem::Complaint;
use super::read::Node;
use super::routes::RouteSettings;
use super::section::Section;
use super::value::text;

/// `[cookies]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CookieSettings {
    /// The domain whose hosts share one sign-in; `None`: each host has its own.
    pub domain: Option<Box<str>>,
}

const DOMAIN: &str = "write a domain of your own that all hosts of server.public_url are in, such as \
                      \"example.com\", or \"\" for a sign-in at each host";

/// `public`: the public URLs, where they are known.
pub(super) fn read(
    mut section: Section<'_>,
    public: Option<&[Origin]>,
    warnings: &mut Vec<String>,
) -> CookieSettings {
    let domain = section.parsed("domain", "", domain).flatten();
    if let Some(domain) = &domain {
        for url in public.unwrap_or_default() {
            if let Some(reason) = unfit(domain, url) {
                section.refuse("domain", Complaint::new(reason).hint(DOMAIN));
            }
        }
        warnings.push(format!(
            "cookies.domain is {domain}: every host of it receives the cookies of a sign-in and can \
             replace them; leave it out if one of these hosts is not to be trusted with all others"
        ));
    }
    section.finish();
    CookieSettings { domain }
}

/// Why a sign-in at this URL cannot be for the whole domain. Without TLS, anybody on the way could set
/// such cookies: `__Secure-` is the one prefix that is left, and browsers take it under https only.
fn unfit(domain: &str, url: &Origin) -> Option<String> {
    if url.scheme == Scheme::Http {
        Some(format!("{url} is plain http, and such cookies need https"))
    } else if !url.host.is_within(domain) {
        Some(format!("{url} is not in {domain}"))
    } else {
        None
    }
}

/// Names what the domain does not reach.
pub(super) fn check_routes(
    cookies: &CookieSettings,
    routes: &[RouteSettings],
    warnings: &mut Vec<String>,
) {
    let Some(domain) = &cookies.domain else {
        return;
    };
    for RouteSettings {
        route,
        session_cookies,
        ..
    } in routes
    {
        let name = route.name.as_str();
        let takes_cookies = route.accepts.cookie && route.rule != Rule::Anyone;
        match &route.host {
            HostPattern::Only(host) if takes_cookies && !host.is_within(domain) => {
                warnings.push(format!(
                    "route {name}: its host {host} is not in the cookies.domain {domain}: no browser can sign in there"
                ));
            }
            HostPattern::Any if takes_cookies => warnings.push(format!(
                "route {name} serves any host: no browser can sign in at those that are not in the cookies.domain {domain}"
            )),
            HostPattern::Only(_) | HostPattern::Any | HostPattern::Ours => {}
        }
        if session_cookies.iter().any(|cookie| cookie.domain.is_none()) {
            warnings.push(format!(
                "route {name}: its session_cookies are deleted at the host where somebody signs in or out, \
                 and stay at the other hosts of the cookies.domain {domain}"
            ));
        }
    }
}

fn domain(node: &Node) -> Result<Option<Box<str>>, Complaint> {
    let text = text(node)?;
    if text.is_empty() {
        return Ok(None);
    }
    let complain = |what: &str| Complaint::new(format!("{text:?} {what}")).hint(DOMAIN);
    let host = Host::parse(text).filter(|host| host.port().is_none() && !text.starts_with('.'));
    let host = host.ok_or_else(|| complain("is not a domain"))?;
    if host.is_address() {
        Err(complain("is an address: only names can be shared"))
    } else if !host.name().contains('.') || is_registry(host.name()) {
        Err(complain(
            "belongs to everybody: browsers keep no cookie for it",
        ))
    } else {
        Ok(Some(host.name().into()))
    }
}

/// Whether anybody may register names right below this one, by the usual names of such places under the
/// two-letter domains of countries. Browsers know of more: they refuse the cookies then, and the sign-in
/// page says so.
fn is_registry(name: &str) -> bool {
    const USUAL: [&str; 8] = ["ac", "co", "com", "edu", "gov", "mil", "net", "org"];
    const JAPANESE: [&str; 6] = ["ad", "ed", "go", "gr", "lg", "ne"];
    match name.split_once('.') {
        Some(("or", "jp")) => true,
        Some((second, "jp")) if JAPANESE.contains(&second) => true,
        Some((second, top)) => top.len() == 2 && USUAL.contains(&second),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, parse};

    fn config(public: &str, domain: &str, route: &str) -> Result<Config, String> {
        let text = format!(
            "server.public_url = {public}\ncookies.domain = '{domain}'\n[[routes]]\nupstream = 'http://127.0.0.1:3000'\n{route}"
        );
        parse(&text, Path::new("")).map_err(|error| error.to_string())
    }

    fn warnings(route: &str) -> Vec<String> {
        let config = config("'https://a.example.com'", "example.com", route).unwrap();
        config.warnings.into_iter().skip(1).collect()
    }

    #[test]
    fn a_domain_of_ones_own_that_holds_all_public_urls_is_taken_with_a_warning() {
        for (public, domain) in [
            ("'https://a.example.com'", "example.com"),
            ("'https://example.com:8443'", "Example.COM"),
            ("['https://a.b.co.uk', 'https://b.co.uk']", "b.co.uk"),
            ("'https://a.x.go.jp'", "x.go.jp"),
        ] {
            let config = config(public, domain, "").unwrap();
            let lower = domain.to_lowercase();
            assert_eq!(config.cookies.domain.as_deref(), Some(&*lower));
            assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
            assert!(config.warnings[0].contains("can replace them"));
        }
        let without = config("'http://localhost'", "", "").unwrap();
        assert_eq!((without.cookies.domain, without.warnings.len()), (None, 0));
    }

    #[test]
    fn what_browsers_would_not_keep_is_refused() {
        let app = "'https://a.example.com'";
        for (public, domain, said) in [
            (app, "com", "belongs to everybody"),
            (app, "co.uk", "belongs to everybody"),
            (app, "or.jp", "belongs to everybody"),
            (app, "localhost", "belongs to everybody"),
            (app, "10.0.0.1", "is an address"),
            (app, "[::1]", "is an address"),
            (app, ".example.com", "is not a domain"),
            (app, "example.com:443", "is not a domain"),
            (app, "https://example.com", "is not a domain"),
            (app, "example.com; Path=/", "is not a domain"),
            (
                app,
                "other.com",
                "https://a.example.com is not in other.com",
            ),
            (app, "xample.com", "is not in xample.com"),
            (app, "b.a.example.com", "is not in b.a.example.com"),
            (
                "['https://example.com', 'https://example.net']",
                "example.com",
                "https://example.net is not in",
            ),
            ("'http://a.localhost:8080'", "a.localhost", "is plain http"),
        ] {
            let error = config(public, domain, "").unwrap_err();
            assert!(error.contains("cookies.domain: "), "{domain}: {error}");
            assert!(error.contains(said), "{domain}: {error}");
        }
    }

    #[test]
    fn hosts_that_the_domain_does_not_reach_are_named() {
        for (route, said) in [
            ("host = 'wiki.other.com'", "wiki.other.com is not in"),
            ("host = '*'", "serves any host"),
            ("session_cookies = ['sid']", "stay at the other hosts"),
        ] {
            let warnings = warnings(route);
            assert!(
                warnings.iter().any(|warning| warning.contains(said)),
                "{warnings:?}"
            );
        }
        for route in [
            "host = 'wiki.example.com'",
            "host = 'wiki.other.com'\nallow = 'anyone'",
            "host = 'wiki.other.com'\ncredentials = ['header']",
            "session_cookies = ['sid; Domain=example.com']",
        ] {
            assert!(warnings(route).is_empty(), "{route}");
        }
    }
}
