//! The access log: one line for every answer, written when its last byte has gone.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{REFERER, USER_AGENT};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Version};

use crate::clock::Timestamp;
use crate::config::{AccessFormat, AccessLogSettings};
use crate::identity::{Identity, SessionId};
use crate::observe::{OpenError, Sink};
use crate::policy::RouteName;
use crate::request::RequestId;

mod line;

/// What stands for a status where the caller was gone before there was one.
const GONE: u16 = 499;

/// Where the lines go, and how they are written.
pub struct AccessLog {
    sink: Sink,
    format: AccessFormat,
    query: bool,
}

impl AccessLog {
    /// Opens the log.
    pub fn open(settings: &AccessLogSettings) -> Result<Self, OpenError> {
        Ok(Self {
            sink: Sink::open("access", "observe.access_log.to", &settings.to)?,
            format: settings.format,
            query: settings.query,
        })
    }

    /// Its way to the file.
    pub const fn sink(&self) -> &Sink {
        &self.sink
    }
}

/// What is told about one request, gathered on its way. Its line is written when it is dropped, so
/// that there is one line whatever ends the request.
pub struct Entry {
    log: Arc<AccessLog>,
    at: Timestamp,
    id: RequestId,
    method: Method,
    target: Option<PathAndQuery>,
    version: Version,
    user_agent: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    /// The address of the person's machine, where it is known.
    pub client: Option<IpAddr>,
    /// The route that was found.
    pub route: Option<RouteName>,
    /// Who asked, and in which session, where an access token said so.
    pub visitor: Option<(Arc<Identity>, SessionId)>,
    /// How long it all took.
    pub took: Duration,
    /// How long the head of the app's answer took.
    pub upstream: Option<Duration>,
    /// The answer's status; `None` until there is one.
    pub status: Option<StatusCode>,
    /// How much of the answer's body went out.
    pub bytes: u64,
    /// Whether that is all of it.
    pub complete: bool,
}

impl Entry {
    /// Begins with what the request itself says.
    pub fn begin(log: &Arc<AccessLog>, at: Timestamp, request: &Parts, id: RequestId) -> Self {
        Self {
            log: Arc::clone(log),
            at,
            id,
            method: request.method.clone(),
            target: request.uri.path_and_query().cloned(),
            version: request.version,
            user_agent: request.headers.get(USER_AGENT).cloned(),
            referer: request.headers.get(REFERER).cloned(),
            client: None,
            route: None,
            visitor: None,
            took: Duration::ZERO,
            upstream: None,
            status: None,
            bytes: 0,
            complete: false,
        }
    }

    /// Whether the answer has no body because nobody asked for one.
    pub fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        line::write(self, |line| self.log.sink.push(line));
    }
}
