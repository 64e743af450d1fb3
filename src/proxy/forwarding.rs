//! What the app is told about the connection: `X-Forwarded-*`, `X-Real-IP`, `Forwarded` (RFC 7239).

use std::fmt::Write as _;
use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::request::{RequestFacts, Scheme};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What a request says about its way. Read before the same fields are stripped from it.
pub(super) struct Way {
    chain: Option<HeaderValue>,
    real_ip: Option<HeaderValue>,
    host: Option<HeaderValue>,
    scheme: Scheme,
    forwarded: Option<HeaderValue>,
}

impl Way {
    /// Reads it. A trusted proxy's chain is continued, anybody else's forgotten. `standard`: with
    /// `Forwarded`.
    pub(super) fn read(headers: &HeaderMap, facts: &RequestFacts, standard: bool) -> Self {
        let peer = facts.peer.map(|peer| peer.to_canonical());
        let client = facts.client.map(|client| client.to_canonical()).or(peer);
        let peer_value = peer.and_then(address);
        let real_ip = if client == peer {
            peer_value.clone()
        } else {
            client.and_then(address)
        };
        let before = |name| facts.peer_trusted.then(|| joined(headers, name)).flatten();
        let host = host(headers, facts);
        let forwarded = standard
            .then(|| element(host.as_ref(), peer, facts.scheme))
            .flatten();
        Self {
            chain: continued(before(&X_FORWARDED_FOR), peer_value),
            real_ip,
            host,
            scheme: facts.scheme,
            forwarded: forwarded.and_then(|own| continued(before(&header::FORWARDED), Some(own))),
        }
    }

    /// Says it to the app.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        let scheme = HeaderValue::from_static(self.scheme.as_str());
        headers.insert(X_FORWARDED_PROTO, scheme);
        for (name, value) in [
            (X_FORWARDED_FOR, self.chain),
            (X_FORWARDED_HOST, self.host),
            (X_REAL_IP, self.real_ip),
            (header::FORWARDED, self.forwarded),
        ] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }
}

/// The host asked for: as it came, or in the word of a trusted proxy.
fn host(headers: &HeaderMap, facts: &RequestFacts) -> Option<HeaderValue> {
    if facts.peer_trusted && headers.contains_key(X_FORWARDED_HOST) {
        let host = facts.host.as_ref()?;
        return HeaderValue::try_from(host.to_string()).ok();
    }
    headers.get(header::HOST).cloned()
}

/// By hand where that is easy: the general way of writing takes a thirtieth of a request.
fn address(address: IpAddr) -> Option<HeaderValue> {
    let IpAddr::V4(address) = address else {
        return HeaderValue::try_from(address.to_string()).ok();
    };
    let mut text = Vec::with_capacity("255.255.255.255".len());
    for octet in address.octets() {
        if !text.is_empty() {
            text.push(b'.');
        }
        if octet >= 100 {
            text.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            text.push(b'0' + octet / 10 % 10);
        }
        text.push(b'0' + octet % 10);
    }
    HeaderValue::try_from(text).ok()
}

/// All values of a list field as one.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let values: Vec<&[u8]> = headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
        .filter(|value| !value.is_empty())
        .collect();
    (!values.is_empty()).then(|| values.join(&b", "[..]))
}

fn continued(before: Option<Vec<u8>>, last: Option<HeaderValue>) -> Option<HeaderValue> {
    let Some(mut chain) = before else { return last };
    if let Some(last) = last {
        chain.extend_from_slice(b", ");
        chain.extend_from_slice(last.as_bytes());
    }
    HeaderValue::try_from(chain).ok()
}

/// Our own element of `Forwarded`: `for=192.0.2.1;host="app.example";proto=https`.
fn element(
    host: Option<&HeaderValue>,
    peer: Option<IpAddr>,
    scheme: Scheme,
) -> Option<HeaderValue> {
    let mut element = match peer {
        Some(IpAddr::V4(peer)) => format!("for={peer}"),
        Some(IpAddr::V6(peer)) => format!("for=\"[{peer}]\""),
        None => "for=unknown".to_owned(),
    };
    if let Some(host) = host.and_then(|host| host.to_str().ok()) {
        // Writing to a string does not fail.
        let _ = write!(element, ";host=\"{}\"", host.replace(['"', '\\'], ""));
    }
    let _ = write!(element, ";proto={}", scheme.as_str());
    HeaderValue::try_from(element).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_everybody_writes_them() {
        for text in [
            "0.0.0.0",
            "1.20.100.255",
            "109.9.10.99",
            "::1",
            "2001:db8::7",
        ] {
            let written = address(text.parse().unwrap()).unwrap();
            assert_eq!(written, text);
        }
    }
}
