//! How does one line of the access log read? As JSON, or as NCSA combined.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderValue, Version};
use serde::Serialize;

use super::{AccessLog, Entry, GONE};
use crate::config::AccessFormat;
use crate::identity::SessionId;
use crate::observe::{Moment, shown, shown_if};
use crate::request::TraceId;

thread_local! {
    /// Lines are made here, so that a line costs no memory of its own.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A line is not kept in a larger buffer than this.
const KEPT: usize = 64 << 10;

/// Makes the line, with its line feed, and hands it on.
pub(super) fn write(entry: &Entry, log: &AccessLog, hand_on: impl FnOnce(&[u8])) {
    LINE.with_borrow_mut(|line| {
        line.clear();
        let told = Told::of(entry, log);
        match log.format {
            // Numbers and texts in a struct always serialise.
            AccessFormat::Json => drop(serde_json::to_writer(&mut *line, &told)),
            AccessFormat::Combined => told.combine(entry, line),
        }
        line.push(b'\n');
        hand_on(line);
        line.shrink_to(KEPT);
    });
}

/// What a line says, in the order of the JSON form.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(serialize_with = "shown")]
    time: Moment,
    log: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown_if")]
    trace_id: Option<TraceId>,
    client: Option<IpAddr>,
    user: Option<&'a str>,
    #[serde(serialize_with = "shown_if")]
    session_id: Option<SessionId>,
    route: Option<&'a str>,
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    protocol: &'static str,
    status: u16,
    bytes: u64,
    /// Whether all of the answer went out.
    complete: bool,
    duration_ms: f64,
    upstream_ms: Option<f64>,
    user_agent: Option<Cow<'a, str>>,
    referer: Option<&'a str>,
}

impl<'a> Told<'a> {
    fn of(entry: &'a Entry, log: &AccessLog) -> Self {
        let target = entry.target.as_ref();
        let visitor = entry.visitor.as_ref();
        Self {
            time: Moment(entry.at),
            log: "access",
            request_id: entry.id.as_str(),
            trace_id: entry.trace,
            client: entry.client,
            user: visitor.map(|(identity, _)| identity.name.as_str()),
            session_id: visitor.map(|(_, session)| *session),
            route: entry.route.as_ref().map(|name| name.as_str()),
            method: entry.method.as_str(),
            path: target.map_or("*", |target| target.path()),
            query: target
                .filter(|_| log.query)
                .and_then(|target| target.query()),
            protocol: protocol(entry.version),
            status: entry.status.map_or(GONE, |status| status.as_u16()),
            bytes: entry.bytes,
            complete: entry.complete,
            duration_ms: millis(entry.took),
            upstream_ms: entry.upstream.map(millis),
            user_agent: entry.user_agent.as_ref().map(text),
            referer: entry.referer.as_ref().and_then(origin),
        }
    }

    /// `client - user [time] "request" status bytes "referer" "user agent"`, then seconds, seconds of
    /// the app, route, session and request id, and the trace's id where there are traces.
    fn combine(&self, entry: &Entry, line: &mut Vec<u8>) {
        let mut out = Text(line);
        // A vector takes all that is written to it.
        let _ = write!(
            out,
            "{} - {} [{}] \"",
            OrDash(self.client),
            Escaped(self.user.unwrap_or("-")),
            NcsaTime(entry.at.millis()),
        );
        let _ = write!(out, "{} {}", self.method, Escaped(self.path));
        if let Some(query) = self.query {
            let _ = write!(out, "?{}", Escaped(query));
        }
        let _ = write!(
            out,
            " {}\" {} {} \"{}\" \"{}\" {:.6} {} {} {} {}",
            self.protocol,
            self.status,
            self.bytes,
            Escaped(self.referer.unwrap_or("-")),
            Escaped(self.user_agent.as_deref().unwrap_or("-")),
            self.duration_ms / 1000.0,
            OrDash(self.upstream_ms.map(|millis| millis / 1000.0)),
            self.route.unwrap_or("-"),
            OrDash(self.session_id),
            Escaped(self.request_id),
        );
        if let Some(trace) = self.trace_id {
            let _ = write!(out, " {trace}");
        }
    }
}

/// The site that led here; its path and query are the other site's business, and so is what stands
/// before an `@`.
fn origin(referer: &HeaderValue) -> Option<&str> {
    let url = referer.to_str().ok()?;
    let authority = url.find("://")? + 3;
    let end = url.get(authority..)?.find(['/', '?', '#']);
    let origin = url.get(..end.map_or(url.len(), |end| authority + end))?;
    (authority < origin.len() && !origin.contains('@')).then_some(origin)
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// Milliseconds, to the microsecond.
#[expect(
    clippy::cast_precision_loss,
    reason = "no request lasts for 2^53 microseconds"
)]
fn millis(span: Duration) -> f64 {
    span.as_micros() as f64 / 1000.0
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// Bytes that take text.
struct Text<'l>(&'l mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// `-` for what is missing.
struct OrDash<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for OrDash<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("-"),
        }
    }
}

/// Text that ends neither its quotes nor its line: `\"`, `\\`, and `\xhh` for what is not visible
/// ASCII, as Apache does it.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                b' '..=b'~' => f.write_char(char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

/// `21/Nov/2026:10:15:00 +0000`.
struct NcsaTime(i64);

impl fmt::Display for NcsaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        write!(f, "{}", moment.strftime("%d/%b/%Y:%H:%M:%S +0000"))
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, StatusCode};

    use std::time::Instant;

    use super::*;
    use crate::clock::Timestamp;
    use crate::config::{AccessLogSettings, LogTarget};
    use crate::policy::RouteName;
    use crate::request::trace::Share;
    use crate::request::{RequestId, Trace, TraceParent};

    /// The line of a request with these headers.
    fn line(format: AccessFormat, query: bool, headers: &[(&str, &[u8])]) -> String {
        let settings = AccessLogSettings {
            to: LogTarget::File("/dev/null".into()),
            format,
            query,
        };
        let log = AccessLog::open(&settings).unwrap();
        let mut request = Request::builder().uri("/a%20b?secret=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let at = Timestamp::from_millis(1_795_255_200_123);
        let mut entry = Entry::begin(
            None,
            (at, Instant::now()),
            &parts,
            RequestId::from_bytes([0; 16]),
        );
        let told = TraceParent::read(&parts.headers);
        entry.trace = told.map(|told| Trace::join(Some(told), [1; 32], Share::ALL).id);
        entry.client = "198.51.100.7".parse().ok();
        entry.route = RouteName::parse("app").ok();
        entry.status = Some(StatusCode::OK);
        entry.bytes = 42;
        entry.complete = true;
        entry.upstream = Some(Duration::from_micros(1500));
        let mut line = String::new();
        write(&entry, &log, |bytes| {
            line = String::from_utf8(bytes.to_vec()).unwrap();
        });
        line
    }

    #[test]
    fn a_line_of_json_tells_all_but_the_query() {
        let headers: &[(&str, &[u8])] = &[
            ("user-agent", b"cu\"rl"),
            ("referer", b"https://other.example/path?token=1"),
        ];
        let line = line(AccessFormat::Json, false, headers);
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        for (field, value) in [
            ("time", "2026-11-21T10:00:00.123Z"),
            ("log", "access"),
            ("request_id", "AAAAAAAAAAAAAAAAAAAAAA"),
            ("client", "198.51.100.7"),
            ("route", "app"),
            ("method", "GET"),
            ("path", "/a%20b"),
            ("protocol", "HTTP/1.1"),
            ("user_agent", "cu\"rl"),
            ("referer", "https://other.example"),
        ] {
            assert_eq!(told[field], value, "{field}");
        }
        assert_eq!((&told["status"], &told["bytes"]), (&200.into(), &42.into()));
        assert_eq!(told["upstream_ms"], 1.5);
        assert!(told["user"].is_null() && told["session_id"].is_null());
        assert!(!line.contains("secret") && !line.contains("token"));
    }

    #[test]
    fn a_combined_line_has_our_fields_at_its_end_and_cannot_be_broken_up() {
        let headers: &[(&str, &[u8])] = &[("user-agent", b"a\" 200 \\ \xc3\xa4\t")];
        let line = line(AccessFormat::Combined, true, headers);
        let start = "198.51.100.7 - - [21/Nov/2026:10:00:00 +0000] \"GET /a%20b?secret=1 HTTP/1.1\" \
                     200 42 \"-\" \"a\\\" 200 \\\\ \\xc3\\xa4\\x09\" 0.0";
        assert!(line.starts_with(start), "{line}");
        let end = " 0.0015 app - AAAAAAAAAAAAAAAAAAAAAA\n";
        assert!(line.ends_with(end), "{line}");
    }

    #[test]
    fn a_line_names_its_trace_where_there_are_traces() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let parent = format!("00-{id}-00f067aa0ba902b7-00");
        let headers: &[(&str, &[u8])] = &[("traceparent", parent.as_bytes())];
        let json: serde_json::Value =
            serde_json::from_str(&line(AccessFormat::Json, false, headers)).unwrap();
        assert_eq!(json["trace_id"], id);
        let combined = line(AccessFormat::Combined, false, headers);
        assert!(
            combined.ends_with(&format!(" AAAAAAAAAAAAAAAAAAAAAA {id}\n")),
            "{combined}"
        );
        let without = line(AccessFormat::Json, false, &[]);
        assert!(!without.contains("trace_id"), "{without}");
    }

    #[test]
    fn a_referer_is_reduced_to_its_site() {
        for (referer, expected) in [
            ("https://a.example", Some("https://a.example")),
            (
                "https://a.example:8443/x?y#z",
                Some("https://a.example:8443"),
            ),
            ("https://a.example?y", Some("https://a.example")),
            ("https://user:password@a.example/", None),
            ("about:blank", None),
            ("/x", None),
        ] {
            let field = HeaderValue::from_static(referer);
            assert_eq!(origin(&field), expected, "{referer}");
        }
    }
}
