//! What browsers are told of who may read our own answers. The answers of apps are theirs: their CORS
//! fields pass as they are, and none is added.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap,
    HeaderValue, VARY,
};
use http::request::Parts;
use http::{Method, StatusCode};

use crate::gateway::Gateway;
use crate::policy::cors::Wish;

/// What a script cannot do without, beside what every script may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "WWW-Authenticate, Retry-After, Allow, X-Vestibule, X-Request-Id, Grpc-Status, Grpc-Message",
);

/// How long a browser remembers what a preflight was told: ten minutes, so that a change of the
/// configuration is soon felt.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// Who sent a request, and would read the answer.
pub(super) enum Sender {
    /// No other origin is configured: nobody is told anything.
    Own,
    /// Others are, and this is none of them.
    Unknown,
    /// A page of this origin, which is one of them; and what it asks leave for.
    Allowed(HeaderValue, Option<Wish>),
}

impl Sender {
    /// Who sent this request.
    pub(super) fn of(gateway: &Gateway, request: &Parts) -> Self {
        let allowed = &gateway.config.allowed_origins;
        if allowed.is_empty() {
            return Self::Own;
        }
        let Some(origin) = allowed.sender(&request.headers) else {
            return Self::Unknown;
        };
        let is_options = request.method == Method::OPTIONS;
        let wish = is_options.then(|| Wish::read(&request.headers)).flatten();
        Self::Allowed(origin.clone(), wish)
    }

    /// Tells it in the head of one of our own answers. What a preflight asks for is granted as it was
    /// asked: the origin is trusted to read, what it sends is still judged like any request.
    pub(super) fn tell(self, status: StatusCode, headers: &mut HeaderMap) {
        let (origin, wish) = match self {
            Self::Own => return,
            Self::Unknown => {
                headers.append(VARY, HeaderValue::from_static("Origin"));
                return;
            }
            Self::Allowed(origin, wish) => (origin, wish),
        };
        headers.append(VARY, HeaderValue::from_static("Origin"));
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let yes = HeaderValue::from_static("true");
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        match wish.filter(|_| status == StatusCode::NO_CONTENT) {
            Some(Wish { method, fields }) => {
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method);
                if let Some(fields) = fields {
                    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, fields);
                }
                headers.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED);
            }
            None => {
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            }
        }
    }
}
