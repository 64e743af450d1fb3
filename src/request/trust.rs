//! Whose word about the client is believed: trusted proxies, and the chain behind them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Fields by which somebody in front of us speaks about the client.
static FORWARDING: [HeaderName; 5] = [
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
];

/// The networks whose `X-Forwarded-*` are believed. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether this address is a trusted proxy's (an IPv4-mapped IPv6 address counts as IPv4).
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client behind `peer`: the rightmost address of `X-Forwarded-For` that is not itself a
    /// trusted proxy's, or the leftmost where all are; `peer` where it is not trusted; `None` where
    /// nothing can be believed: a peer without address, a trusted one that does not say, or somebody
    /// who forwards while nobody is trusted.
    pub fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer?.to_canonical();
        if self.contains(peer) {
            self.walk_back(headers)
        } else if self.0.is_empty() && FORWARDING.iter().any(|name| headers.contains_key(name)) {
            None
        } else {
            Some(peer)
        }
    }

    fn walk_back(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = None;
        for field in headers.get_all("x-forwarded-for").iter().rev() {
            for hop in field.to_str().ok()?.rsplit(',') {
                let address = parse_hop(hop.trim())?;
                client = Some(address);
                if !self.contains(address) {
                    return client;
                }
            }
        }
        client
    }
}

/// Whether this machine or a network around it has the address, as a proxy in front of us often has: it
/// is nobody's on the internet.
pub(super) fn is_nearby(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            // Of providers' networks (RFC 6598), which overlays use, too.
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && second & 0xc0 == 64;
            address.is_loopback() || address.is_private() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// An address as proxies write it: alone, in brackets, or with the port the client used.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse()
        .ok()
        .or_else(|| bracketed().map(|address: Ipv6Addr| address.into()))
        .or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, fields: &[(&str, &str)]) -> Option<String> {
        let trusted = trusted.iter().map(|n| n.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        TrustedProxies::new(trusted)
            .client(peer.parse().ok(), &headers)
            .map(|address| address.to_string())
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_is_the_client() {
        let trusted = &["10.0.0.0/8", "fd00::/8"];
        for (chain, expected) in [
            ("198.51.100.7", Some("198.51.100.7")),
            ("1.1.1.1, 198.51.100.7", Some("198.51.100.7")),
            ("1.1.1.1, 198.51.100.7, 10.9.9.9", Some("198.51.100.7")),
            ("10.5.5.5, 10.6.6.6", Some("10.5.5.5")),
            ("198.51.100.7:4711", Some("198.51.100.7")),
            ("[2001:db8::1]:4711,fd00::2", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("::ffff:198.51.100.7", Some("198.51.100.7")),
            ("198.51.100.7, unknown", None),
            ("198.51.100.7,", None),
            ("", None),
        ] {
            let found = client(trusted, "10.0.0.1", &[("x-forwarded-for", chain)]);
            assert_eq!(found.as_deref(), expected, "{chain:?}");
        }
    }

    #[test]
    fn a_chain_may_come_in_several_fields() {
        let chain = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "198.51.100.7, 10.0.0.3"),
        ];
        let found = client(&["10.0.0.0/8"], "::ffff:10.0.0.1", &chain);
        assert_eq!(found.as_deref(), Some("198.51.100.7"));
    }

    #[test]
    fn the_word_of_a_stranger_is_not_believed() {
        let forged = [("x-forwarded-for", "127.0.0.1")];
        let found = client(&["10.0.0.0/8"], "198.51.100.7", &forged);
        assert_eq!(found.as_deref(), Some("198.51.100.7"));
    }

    #[test]
    fn the_client_is_unknown_where_nobody_can_be_believed() {
        for name in &FORWARDING {
            assert_eq!(
                client(&[], "198.51.100.7", &[(name.as_str(), "1.1.1.1")]),
                None,
                "{name}"
            );
        }
        assert_eq!(client(&[], "no address", &[]), None);
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[]), None);
        assert_eq!(
            client(&[], "198.51.100.7", &[]).as_deref(),
            Some("198.51.100.7")
        );
    }
}
