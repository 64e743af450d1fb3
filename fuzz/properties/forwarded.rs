//! What a stranger says of host, scheme and address changes nothing; what a trusted proxy says is one host in one spelling, and an address of its chain.

use std::net::IpAddr;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};
use url::Url;
use vestibule::request::{Connection, Host, Origin, RequestFacts, Scheme, TrustedProxies};

/// What others say about who is asking whom.
const SAID: [&str; 5] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));

/// The first line is `Host`, the others are fields as they come on the wire.
pub(crate) fn check(data: &[u8]) -> bool {
    let mut lines = data.split(|b| *b == b'\n').take(40);
    let mut request = Request::new(());
    if let Ok(host) = HeaderValue::from_bytes(lines.next().unwrap_or_default()) {
        request.headers_mut().insert(HOST, host);
    }
    for (name, value) in lines.filter_map(field) {
        request.headers_mut().append(name, value);
    }
    let (parts, ()) = request.into_parts();
    a_stranger_changes_nothing(&parts);
    nobody_is_believed_where_nobody_is_trusted(&parts);
    a_proxy_is_understood(&parts)
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|b| *b == b':')?;
    let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
    let value = line.get(colon + 1..)?.trim_ascii();
    Some((name, HeaderValue::from_bytes(value).ok()?))
}

fn read(parts: &Parts, peer: IpAddr, trusted: &[&str]) -> Option<RequestFacts> {
    let networks = trusted.iter().filter_map(|network| network.parse().ok());
    let trusted = TrustedProxies::new(networks.collect());
    let public = [Origin::parse("https://app.example")?];
    let connection = Connection {
        peer: Some(peer),
        scheme: Scheme::Http,
    };
    RequestFacts::read(parts, connection, &trusted, &public).ok()
}

fn a_stranger_changes_nothing(parts: &Parts) {
    let mut silent = parts.clone();
    for name in SAID {
        silent.headers.remove(name);
    }
    let trusted = ["10.0.0.0/8"];
    let told = read(parts, STRANGER, &trusted);
    // A `Connection` that names what is gone may be refused in one of the two only.
    if let (Some(told), Some(silent)) = (&told, read(&silent, STRANGER, &trusted)) {
        assert_eq!(told.host, silent.host);
        assert_eq!(told.scheme, silent.scheme);
    }
    if let Some(told) = told {
        assert_eq!(told.client, Some(STRANGER));
        assert!(!told.peer_trusted);
    }
}

fn nobody_is_believed_where_nobody_is_trusted(parts: &Parts) {
    if let Some(told) = read(parts, STRANGER, &[]) {
        let says = SAID.iter().any(|name| parts.headers.contains_key(*name));
        assert_eq!(told.client, (!says).then_some(STRANGER));
    }
}

fn a_proxy_is_understood(parts: &Parts) -> bool {
    let Some(facts) = read(parts, PROXY, &["10.0.0.0/8", "fd00::/8"]) else {
        return false;
    };
    assert!(facts.peer_trusted);
    if let Some(client) = facts.client {
        assert!(names(parts, client), "{client} is in no chain");
    }
    if let Some(host) = &facts.host {
        has_one_spelling(host);
        let origin = facts.origin().expect("a host has an origin");
        assert_eq!(Origin::parse(&origin.to_string()), Some(origin));
    }
    facts.client.is_some()
}

/// Whether the chain of `X-Forwarded-For` has this address, with or without port and brackets.
fn names(parts: &Parts, client: IpAddr) -> bool {
    let fields = parts.headers.get_all("x-forwarded-for");
    let hops = fields.iter().filter_map(|field| field.to_str().ok());
    hops.flat_map(|field| field.split(',')).any(|hop| {
        let hop = hop.trim();
        let alone = hop.trim_start_matches('[').trim_end_matches(']');
        let before_port = hop.rsplit_once(':').map_or(hop, |(address, _)| address);
        let before_port = before_port.trim_start_matches('[').trim_end_matches(']');
        [alone, before_port].iter().any(|text| {
            let address = text.parse::<IpAddr>();
            address.is_ok_and(|address| address.to_canonical() == client)
        })
    })
}

/// Read again it is the same, and a browser that understands it understands the same.
fn has_one_spelling(host: &Host) {
    assert_eq!(Host::parse(&host.to_string()).as_ref(), Some(host));
    if let Ok(url) = Url::parse(&format!("http://{host}/")) {
        assert_eq!(url.host_str(), Some(host.name()));
        assert_eq!(url.port_or_known_default(), Some(host.port().unwrap_or(80)));
        assert!(url.username().is_empty() && url.path() == "/");
    }
}
