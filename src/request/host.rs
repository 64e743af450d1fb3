//! Which host was asked for: canonical, so that one host has one spelling.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// http or https.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

/// A host name or address, lower case, without trailing dot, with its port where given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    name: Box<str>,
    port: Option<u16>,
}

/// Scheme, host and port (RFC 6454); the port is left out where it is the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// http or https.
    pub scheme: Scheme,
    /// Host and port.
    pub host: Host,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Reads `http` or `https`, in any case (RFC 9110 §4.2.3).
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|scheme| scheme.as_str().eq_ignore_ascii_case(text))
    }

    /// 80 or 443.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Host {
    /// Reads `name`, `name:port`, `1.2.3.4:80` or `[::1]:80`. `None` for anything else: userinfo,
    /// an empty name, a bad port, characters that hosts do not have.
    pub fn parse(authority: &str) -> Option<Self> {
        let (name, port) = split_port(authority)?;
        let name = if name.starts_with('[') {
            canonical_ipv6(name)?
        } else {
            canonical_name(name)?
        };
        Some(Self {
            name: name.into(),
            port,
        })
    }

    /// The name or address without the port.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, where one was written.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// `localhost`, `*.localhost`, 127.0.0.0/8 or ::1.
    pub fn is_loopback(&self) -> bool {
        let name = &*self.name;
        if let Some(address) = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
            address.parse().is_ok_and(|a: Ipv6Addr| a.is_loopback())
        } else {
            name == "localhost"
                || name.ends_with(".localhost")
                || name.parse().is_ok_and(|a: Ipv4Addr| a.is_loopback())
        }
    }

    /// Whether this is an address and not a name.
    pub fn is_address(&self) -> bool {
        self.name.starts_with('[') || self.name.parse::<Ipv4Addr>().is_ok()
    }

    /// Whether this is the domain itself, or a name below it (RFC 6265 §5.1.3).
    pub fn is_within(&self, domain: &str) -> bool {
        self.name
            .strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || (rest.ends_with('.') && !self.is_address()))
    }

    /// The port that is meant where this host is reached by this scheme.
    pub fn port_or_default(&self, scheme: Scheme) -> u16 {
        self.port.unwrap_or(scheme.default_port())
    }
}

impl Origin {
    /// Reads the value of an `Origin` header, or a URL's origin part. `None` for `null` and anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = Scheme::parse(scheme)?;
        Some(Self::new(scheme, Host::parse(authority)?))
    }

    /// The origin of this host by this scheme, in its one spelling.
    pub fn new(scheme: Scheme, mut host: Host) -> Self {
        if host.port == Some(scheme.default_port()) {
            host.port = None;
        }
        Self { scheme, host }
    }
}

/// Splits `host:port`; the port is digits only, and not 0.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let name_ends = authority.rfind(']').unwrap_or(0);
    let Some(colon) = authority.rfind(':').filter(|colon| *colon > name_ends) else {
        return Some((authority, None));
    };
    let (name, port) = authority.split_at_checked(colon)?;
    let digits = port.strip_prefix(':')?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let port = digits.parse().ok().filter(|port| *port != 0)?;
    Some((name, Some(port)))
}

/// As browsers write it (WHATWG URL): an IPv4 address within is hexadecimal, too.
fn canonical_ipv6(name: &str) -> Option<String> {
    let address: Ipv6Addr = name.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
    Some(url::Host::<&str>::Ipv6(address).to_string())
}

/// A name in lower case, without the dot of the root. What ends in a number is an IPv4 address in its
/// usual form or nothing (WHATWG URL), so that no address has two spellings.
fn canonical_name(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let last = name.rsplit('.').next()?;
    let is_number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    let fits = name.len() <= 253
        && name.split('.').all(is_label)
        && (!is_number || name.parse::<Ipv4Addr>().is_ok());
    fits.then_some(name)
}

/// Letters, digits, `-`, and `_`, which many inner networks use.
fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_one_spelling() {
        for (written, canonical) in [
            ("App.Example", "app.example"),
            ("app.example.", "app.example"),
            ("app.example:8080", "app.example:8080"),
            ("APP.example.:080", "app.example:80"),
            ("my_app", "my_app"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("[0:0:0:0:0:0:0:1]", "[::1]"),
            ("[2001:DB8::A]", "[2001:db8::a]"),
            ("0xyz.example", "0xyz.example"),
        ] {
            let host = Host::parse(written).map(|h| h.to_string());
            assert_eq!(host.as_deref(), Some(canonical), "{written}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in [
            "",
            ".",
            "..",
            ":80",
            "a:",
            "a:b",
            "a:+80",
            "a:0",
            "a:65536",
            "a:80:80",
            "u@a",
            "a b",
            "a/b",
            "a..b",
            ".a",
            "a,b",
            "a%2e",
            "ä.example",
            "::1",
            "[::1",
            "::1]",
            "[::1]x",
            "[::1]80",
            "[a]",
            "[::1%25eth0]",
            "1.2.3",
            "1.2.3.256",
            "0x7f.1",
            "1.2.3.4.5",
            "127.1",
            "0X7F000001",
            "0x7f000001",
            "a:80@b",
            "a\tb",
            "a#b",
            "a?b",
            "[127.0.0.1]",
        ] {
            assert_eq!(Host::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Host::parse(&"a.".repeat(200)), None);
    }

    #[test]
    fn loopback_is_told_by_name_and_address() {
        for yes in [
            "localhost",
            "app.localhost:80",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]:8080",
        ] {
            assert!(Host::parse(yes).unwrap().is_loopback(), "{yes}");
        }
        for no in [
            "localhost.example",
            "notlocalhost",
            "128.0.0.1",
            "[::2]",
            "127.0.0.1.example",
        ] {
            assert!(!Host::parse(no).unwrap().is_loopback(), "{no}");
        }
    }

    #[test]
    fn an_origin_leaves_out_the_port_of_its_scheme() {
        for (written, canonical) in [
            ("https://app.example", "https://app.example"),
            ("https://app.example:443", "https://app.example"),
            ("http://App.Example:80", "http://app.example"),
            ("http://app.example:443", "http://app.example:443"),
            ("HTTP://[::1]:8080", "http://[::1]:8080"),
        ] {
            let origin = Origin::parse(written).map(|o| o.to_string());
            assert_eq!(origin.as_deref(), Some(canonical), "{written}");
        }
        for bad in [
            "",
            "null",
            "app.example",
            "https://",
            "ftp://a",
            "https://a/",
            "https://a?b",
            "https://u@a",
            "https:/a",
            "https://a https://b",
            "*",
        ] {
            assert_eq!(Origin::parse(bad), None, "{bad:?}");
        }
    }
}
