//! The facts of one request, read once; what could be read in two ways is refused here.

use std::net::IpAddr;

use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, AsHeaderName, EXPECT, HOST, ORIGIN, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{HeaderMap, Method, Version};
use thiserror::Error;

use crate::request::trust::is_nearby;
use crate::request::{
    Host, Origin, PathError, Reader, RequestId, RequestPath, Scheme, TrustedProxies, Wants,
    connection, websocket,
};

/// What is known about the connection a request came on.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The address of the other end; `None` for a unix socket.
    pub peer: Option<IpAddr>,
    /// Whether the connection itself is TLS.
    pub scheme: Scheme,
}

/// What everything after this looks at.
#[derive(Clone, Debug)]
pub struct RequestFacts {
    /// The host asked for, canonical; `None` only in HTTP/1.0 without Host.
    pub host: Option<Host>,
    /// http or https as the person's browser sees it: the connection's, or a trusted proxy's word.
    pub scheme: Scheme,
    /// The address of the person's machine, where it is known.
    pub client: Option<IpAddr>,
    /// The address of the other end of the connection.
    pub peer: Option<IpAddr>,
    /// Whether that other end is a trusted proxy.
    pub peer_trusted: bool,
    /// What the logs call the request: what `X-Request-Id` holds once the gate has settled it.
    pub id: Option<RequestId>,
    /// The path with all its readings.
    pub path: RequestPath,
    /// What kind of answer the caller can use.
    pub wants: Wants,
    /// Which language whoever looks at a page reads. The gate knows where that is kept.
    pub reader: Reader,
    /// A WebSocket handshake: GET, version 13, no body.
    pub is_websocket: bool,
    /// OPTIONS with Origin and Access-Control-Request-Method.
    pub is_preflight: bool,
}

/// Why a request is refused before any decision. The text tells the caller what to change.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Ambiguous {
    /// `OPTIONS *`, a second Host and the like: 400.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A method that is never forwarded, CONNECT or TRACE: 501.
    #[error("the method {0} is not forwarded")]
    Method(&'static str),
    /// A path that cannot be read, or in too many ways: 400.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// What is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// `Expect` asks for something else than we do.
    #[error("Expect may only be 100-continue")]
    Expectation,
    /// `Transfer-Encoding` is not `chunked` alone.
    #[error("Transfer-Encoding may only be chunked")]
    TransferCoding,
    /// `Connection` names a field that others need.
    #[error("Connection names a field that is not hop-by-hop")]
    Connection,
    /// `Host` cannot be read.
    #[error("Host is not a host")]
    Host,
    /// `Host` came twice, or is not text.
    #[error("Host may come only once, as text")]
    Hosts,
    /// There is no `Host`.
    #[error("a request of HTTP/1.1 needs a Host")]
    NoHost,
    /// The target names one host, and `Host` another.
    #[error("the target and Host name different hosts")]
    OtherHost,
    /// `OPTIONS *`.
    #[error("the target * is not forwarded")]
    Asterisk,
    /// The target cannot be read.
    #[error("the target must be a path, or an http or https address without user and password")]
    Target,
    /// `X-Forwarded-Host` cannot be read.
    #[error("X-Forwarded-Host must be one host")]
    ForwardedHost,
    /// `X-Forwarded-Proto` cannot be read.
    #[error("X-Forwarded-Proto must be one value, http or https")]
    ForwardedScheme,
    /// A handshake of a WebSocket that is nearly one.
    #[error("{0}")]
    Handshake(&'static str),
}

impl RequestFacts {
    /// Reads the facts of a request, or refuses what is ambiguous.
    pub fn read(
        request: &Parts,
        connection: Connection,
        trusted: &TrustedProxies,
        public: &[Origin],
    ) -> Result<Self, Ambiguous> {
        let headers = &request.headers;
        check_method(&request.method)?;
        check_fields(headers)?;
        let asked = read_host(request)?;
        let path = RequestPath::read(request.uri.path())?;
        let is_websocket = websocket::is_handshake(request).map_err(Malformed::Handshake)?;
        let peer_trusted = connection.peer.is_some_and(|peer| trusted.contains(peer));
        let (told_scheme, told_host) = if peer_trusted {
            (forwarded_scheme(headers)?, forwarded_host(headers)?)
        } else {
            (None, None)
        };
        let wants = Wants::read(&request.method, headers);
        let host = told_host.or(asked);
        let scheme =
            told_scheme.unwrap_or_else(|| outer_scheme(connection.scheme, host.as_ref(), public));
        Ok(Self {
            host: host.map(|host| Origin::new(scheme, host).host),
            scheme,
            client: trusted.client(connection.peer, headers),
            peer: connection.peer,
            peer_trusted,
            id: RequestId::read(headers),
            path,
            wants,
            reader: Reader::default(),
            is_websocket,
            is_preflight: request.method == Method::OPTIONS
                && headers.contains_key(ORIGIN)
                && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD),
        })
    }

    /// Whose failures these are: the client's, where that is known. Where it is not because somebody
    /// forwards whom nobody trusts, they are theirs, or a word in a header would make anybody nobody; but
    /// not where they are nearby, and may be a proxy that was not named, from which everybody comes.
    pub fn answerable(&self) -> Option<IpAddr> {
        let peer = self
            .peer
            .filter(|peer| !self.peer_trusted && !is_nearby(*peer));
        self.client.or(peer)
    }

    /// The request's own origin, as a browser would send it in `Origin`.
    pub fn origin(&self) -> Option<Origin> {
        let host = self.host.clone()?;
        Some(Origin::new(self.scheme, host))
    }
}

fn check_method(method: &Method) -> Result<(), Ambiguous> {
    // Methods have one spelling, but not every app knows.
    ["CONNECT", "TRACE"]
        .into_iter()
        .find(|name| method.as_str().eq_ignore_ascii_case(name))
        .map_or(Ok(()), |name| Err(Ambiguous::Method(name)))
}

fn check_fields(headers: &HeaderMap) -> Result<(), Ambiguous> {
    let mut expectations = headers.get_all(EXPECT).iter();
    if !expectations.all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        Err(Ambiguous::Malformed(Malformed::Expectation))
    } else if !is_absent_or_chunked(headers) {
        Err(Ambiguous::Malformed(Malformed::TransferCoding))
    } else if connection::names_needed_field(headers) {
        Err(Ambiguous::Malformed(Malformed::Connection))
    } else {
        Ok(())
    }
}

/// hyper takes any list that ends in `chunked`, and undoes the last coding only: the app would get the
/// body in another form than it was sent in, and somebody before us may read the list otherwise.
fn is_absent_or_chunked(headers: &HeaderMap) -> bool {
    match only(headers, TRANSFER_ENCODING) {
        Ok(coding) => coding.is_none_or(|coding| coding.eq_ignore_ascii_case("chunked")),
        Err(()) => false,
    }
}

/// The host of `Host` and of the target, which must be the same (RFC 9112 §3.2).
fn read_host(request: &Parts) -> Result<Option<Host>, Ambiguous> {
    let asked = match only(&request.headers, HOST) {
        Ok(Some(value)) => Some(Host::parse(value).ok_or(Ambiguous::Malformed(Malformed::Host))?),
        Ok(None) => None,
        Err(()) => return Err(Ambiguous::Malformed(Malformed::Hosts)),
    };
    if asked.is_none() && request.version == Version::HTTP_11 {
        return Err(Ambiguous::Malformed(Malformed::NoHost));
    }
    let Some(named) = target_origin(request)? else {
        return Ok(asked);
    };
    match asked {
        Some(asked) if Origin::new(named.scheme, asked.clone()) != named => {
            Err(Ambiguous::Malformed(Malformed::OtherHost))
        }
        Some(asked) => Ok(Some(asked)),
        None => Ok(Some(named.host)),
    }
}

/// The origin that a target in absolute form names; `None` for a plain path.
fn target_origin(request: &Parts) -> Result<Option<Origin>, Ambiguous> {
    let uri = &request.uri;
    if uri.path() == "*" {
        return Err(Ambiguous::Malformed(Malformed::Asterisk));
    }
    let Some(authority) = uri.authority() else {
        return Ok(None);
    };
    let scheme = uri.scheme_str().and_then(Scheme::parse);
    let host = Host::parse(authority.as_str());
    match (scheme, host) {
        (Some(scheme), Some(host)) => Ok(Some(Origin::new(scheme, host))),
        _ => Err(Ambiguous::Malformed(Malformed::Target)),
    }
}

/// The scheme the browser sees where no proxy tells: TLS is TLS; on a plain connection somebody may
/// have taken it off before us, as `public_url` shows.
fn outer_scheme(connection: Scheme, host: Option<&Host>, public: &[Origin]) -> Scheme {
    let (Scheme::Http, Some(host)) = (connection, host) else {
        return connection;
    };
    let is_meant = |origin: &&Origin| {
        origin.host.name() == host.name()
            && origin.host.port_or_default(origin.scheme) == host.port_or_default(origin.scheme)
    };
    let mut schemes = public.iter().filter(is_meant).map(|origin| origin.scheme);
    let first = schemes.next().unwrap_or(connection);
    if schemes.any(|scheme| scheme == connection) {
        connection
    } else {
        first
    }
}

fn forwarded_host(headers: &HeaderMap) -> Result<Option<Host>, Ambiguous> {
    match only(headers, "x-forwarded-host") {
        Ok(None) => Ok(None),
        Ok(Some(value)) if let Some(host) = Host::parse(value) => Ok(Some(host)),
        _ => Err(Ambiguous::Malformed(Malformed::ForwardedHost)),
    }
}

/// Some proxies write the WebSocket's scheme for a handshake.
fn forwarded_scheme(headers: &HeaderMap) -> Result<Option<Scheme>, Ambiguous> {
    let value = match only(headers, "x-forwarded-proto") {
        Ok(None) => return Ok(None),
        Ok(Some(value)) => value,
        Err(()) => "",
    };
    let scheme = match value {
        _ if value.eq_ignore_ascii_case("ws") => Some(Scheme::Http),
        _ if value.eq_ignore_ascii_case("wss") => Some(Scheme::Https),
        _ => Scheme::parse(value),
    };
    scheme
        .map(Some)
        .ok_or(Ambiguous::Malformed(Malformed::ForwardedScheme))
}

/// The value of a field that may come once; an error where it comes again or is not text.
fn only(headers: &HeaderMap, name: impl AsHeaderName) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(drop),
        (Some(_), Some(_)) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const PROXY: &str = "10.0.0.1";
    const STRANGER: &str = "198.51.100.7";

    fn read_from(peer: &str, head: &str) -> Result<RequestFacts, Ambiguous> {
        let mut lines = head.lines();
        let mut first = lines.next().unwrap().split(' ');
        let mut request = Request::builder()
            .method(first.next().unwrap())
            .uri(first.next().unwrap())
            .version(match first.next() {
                Some("1.0") => Version::HTTP_10,
                _ => Version::HTTP_11,
            });
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let connection = Connection {
            peer: peer.parse().ok(),
            scheme: Scheme::Http,
        };
        let trusted = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let public = [
            Origin::parse("https://app.example").unwrap(),
            Origin::parse("http://localhost:8080").unwrap(),
        ];
        let (parts, ()) = request.body(()).unwrap().into_parts();
        RequestFacts::read(&parts, connection, &trusted, &public)
    }

    fn read(head: &str) -> Result<RequestFacts, Ambiguous> {
        read_from(STRANGER, head)
    }

    #[test]
    fn a_forwarding_header_makes_nobody_unanswerable() {
        let plain = read("GET /\nhost: app.example").unwrap();
        let mut forwarded = HeaderMap::new();
        forwarded.insert("x-forwarded-for", "1.1.1.1".parse().unwrap());
        for (trusted, peer, expected) in [
            ("", "198.51.100.7", Some("198.51.100.7")),
            ("", "2001:db8::7", Some("2001:db8::7")),
            ("", "::ffff:198.51.100.7", Some("::ffff:198.51.100.7")),
            ("10.0.0.0/8", "198.51.100.7", Some("198.51.100.7")),
            ("10.0.0.0/8", "10.0.0.1", Some("1.1.1.1")),
            ("", "10.0.0.1", None),
            ("", "127.0.0.1", None),
            ("", "::ffff:127.0.0.1", None),
            ("", "172.17.0.1", None),
            ("", "100.127.255.255", None),
            ("", "100.128.0.0", Some("100.128.0.0")),
            ("", "169.254.1.1", None),
            ("", "::1", None),
            ("", "fd00::1", None),
            ("", "fe80::1", None),
            ("", "a unix socket", None),
        ] {
            let networks = trusted.parse().into_iter().collect();
            let trusted = TrustedProxies::new(networks);
            let peer: Option<IpAddr> = peer.parse().ok();
            let facts = RequestFacts {
                client: trusted.client(peer, &forwarded),
                peer,
                peer_trusted: peer.is_some_and(|peer| trusted.contains(peer)),
                ..plain.clone()
            };
            let expected: Option<IpAddr> = expected.and_then(|address| address.parse().ok());
            assert_eq!(facts.answerable(), expected, "{peer:?}");
            let silent = trusted.client(peer, &HeaderMap::new());
            let facts = RequestFacts {
                client: silent,
                ..facts
            };
            if !facts.peer_trusted {
                let canonical = peer.map(|peer| peer.to_canonical());
                assert_eq!(
                    facts.answerable(),
                    canonical,
                    "who forwards nothing is the client"
                );
            }
        }
        // A proxy that does not say who asks is not the one.
        let silent = read_from("10.0.0.1", "GET /\nhost: app.example").unwrap();
        assert_eq!((silent.client, silent.answerable()), (None, None));
    }

    #[test]
    fn the_facts_of_a_plain_request() {
        let facts = read("GET /a?b=c\nhost: App.Example\naccept: text/html").unwrap();
        assert_eq!(facts.host, Host::parse("app.example"));
        assert_eq!(facts.path.raw(), "/a");
        assert_eq!(facts.client, STRANGER.parse().ok());
        assert!(facts.wants.redirect && !facts.is_websocket && !facts.is_preflight);
    }

    #[test]
    fn methods_that_are_not_for_apps_are_refused() {
        for method in ["CONNECT", "TRACE"] {
            let refused = read(&format!("{method} /\nhost: a")).map(drop);
            assert!(matches!(refused, Err(Ambiguous::Method(_))), "{method}");
        }
        assert!(read("OPTIONS *\nhost: a").is_err());
        assert!(read("GET app.example:80\nhost: app.example:80").is_err());
    }

    #[test]
    fn the_host_is_asked_for_exactly_once() {
        for head in [
            "GET /",
            "GET /\nhost: a\nhost: a",
            "GET / 1.0\nhost: a\nhost: b",
            "GET /\nhost: a b",
            "GET /\nhost: u@a",
            "GET http://b/\nhost: a",
            "GET http://a:81/\nhost: a",
            "GET https://a/\nhost: a:80",
            "GET http://u@a/\nhost: a",
            "GET ftp://a/\nhost: a",
            "GET http://a/",
        ] {
            assert!(
                matches!(read(head), Err(Ambiguous::Malformed(_))),
                "{head:?}"
            );
        }
        for (head, host) in [
            ("GET / 1.0", None),
            ("GET http://a/ 1.0", Some("a")),
            ("GET http://a:80/x\nhost: A.", Some("a")),
            ("GET /\nhost: [::1]:8080", Some("[::1]:8080")),
            ("GET /\nhost: app.example:443", Some("app.example")),
        ] {
            assert_eq!(
                read(head).unwrap().host,
                host.and_then(Host::parse),
                "{head:?}"
            );
        }
    }

    #[test]
    fn a_path_that_cannot_be_read_is_refused() {
        for (path, error) in [
            ("/%zz", PathError::BadEscape),
            ("/%", PathError::BadEscape),
            ("/%c0%af", PathError::NotUtf8),
        ] {
            let refused = read(&format!("GET {path}\nhost: a")).map(drop);
            assert_eq!(refused, Err(Ambiguous::Path(error)), "{path}");
        }
    }

    #[test]
    fn the_scheme_is_the_one_the_browser_sees() {
        for (peer, head, origin) in [
            (STRANGER, "host: app.example", "https://app.example"),
            (STRANGER, "host: app.example:443", "https://app.example"),
            (
                STRANGER,
                "host: app.example:8443",
                "http://app.example:8443",
            ),
            (STRANGER, "host: localhost:8080", "http://localhost:8080"),
            (STRANGER, "host: other.example", "http://other.example"),
            (
                STRANGER,
                "host: other.example\nx-forwarded-proto: https",
                "http://other.example",
            ),
            (
                STRANGER,
                "host: other.example\nx-forwarded-host: app.example",
                "http://other.example",
            ),
            (
                PROXY,
                "host: inner\nx-forwarded-proto: https",
                "https://inner",
            ),
            (
                PROXY,
                "host: inner\nx-forwarded-proto: wss",
                "https://inner",
            ),
            (
                PROXY,
                "host: inner\nx-forwarded-host: app.example",
                "https://app.example",
            ),
            (
                PROXY,
                "host: app.example\nx-forwarded-proto: http",
                "http://app.example",
            ),
        ] {
            let facts = read_from(peer, &format!("GET /\n{head}")).unwrap();
            assert_eq!(facts.origin(), Origin::parse(origin), "{peer} {head:?}");
            assert_eq!(facts.peer_trusted, peer == PROXY);
        }
    }

    #[test]
    fn a_trusted_proxy_that_contradicts_itself_is_refused() {
        for head in [
            "x-forwarded-proto: https, http",
            "x-forwarded-proto: https\nx-forwarded-proto: https",
            "x-forwarded-proto: gopher",
            "x-forwarded-host: a, b",
            "x-forwarded-host: a\nx-forwarded-host: a",
        ] {
            let head = format!("GET /\nhost: inner\n{head}");
            assert!(read_from(PROXY, &head).is_err(), "{head:?}");
            assert!(read_from(STRANGER, &head).is_ok(), "{head:?}");
        }
    }

    #[test]
    fn a_preflight_has_both_of_its_fields() {
        let both = "host: a\norigin: https://b\naccess-control-request-method: PUT";
        assert!(read(&format!("OPTIONS /\n{both}")).unwrap().is_preflight);
        assert!(!read(&format!("GET /\n{both}")).unwrap().is_preflight);
        assert!(
            !read("OPTIONS /\nhost: a\norigin: https://b")
                .unwrap()
                .is_preflight
        );
    }

    #[test]
    fn fields_that_would_mislead_the_app_or_us_are_refused() {
        assert!(read("GET /\nhost: a\nexpect: 100-Continue").is_ok());
        assert!(read("GET /\nhost: a\nexpect: coffee").is_err());
        assert!(read("GET /\nhost: a\nconnection: x-forwarded-user").is_err());
        assert!(read("GET /\nhost: a\nupgrade: websocket").is_err());
        assert!(read("GET /\nhost: a\nupgrade: h2c\nconnection: upgrade").is_ok());
    }
}
