//! An answer that vestibule makes itself: its body, its JSON form and the errors it can tell.

mod profile;

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderName, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

pub use profile::Profile;

/// An answer of our own, whole in memory.
pub type Reply = Response<Full<Bytes>>;

/// Marks every answer that vestibule makes itself, so that scripts can tell it from the app's.
pub const MARK: HeaderName = HeaderName::from_static("x-vestibule");

/// The challenge that names no error (RFC 6750 §3.1): where no token came, or another kind of proof.
pub const PLAIN_CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="vestibule""#);

/// Where a refusal found what it refuses, if its code alone does not say so: some profiles tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// The code says it all.
    #[default]
    None,
    /// In what `Authorization` holds.
    Header,
    /// In `Authorization`, which holds other schemes than Bearer.
    Scheme,
    /// In the cookies, which alone are taken here.
    Cookie,
    /// In a posted body, which may hold a refresh token.
    Body,
    /// In a token where only refresh tokens are taken.
    Refresh,
    /// In the value by which pages show that they are ours: it is another.
    OtherToken,
}

/// A refusal or failure as the caller is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// The code scripts look at, such as `missing_token`.
    pub code: &'static str,
    /// One sentence for people: what is wrong and what to do. Never holds a secret.
    pub description: Cow<'static, str>,
    /// What our pages call the description, where they have it in the reader's language.
    pub worded: Option<&'static str>,
    /// What the code does not say. Our own answers do not tell it.
    pub detail: Detail,
    /// The `WWW-Authenticate` challenge that goes with a 401.
    pub challenge: Option<HeaderValue>,
    /// Where to sign in, for callers that cannot be redirected.
    pub login_url: Option<String>,
    /// How long to wait before trying again.
    pub retry_after: Option<Duration>,
    /// The time that our words name, where it is not the one to wait.
    pub span: Option<Duration>,
    /// The methods that would have been allowed, for a 405.
    pub allow: Option<&'static str>,
    /// The headers on which the refusal depends.
    pub vary: Option<&'static str>,
    /// Where a person can go on; `None` is the start of the site.
    pub back: Option<String>,
    /// A person sent something that went nowhere: they are told, and how to send it again.
    pub unsent: bool,
}

impl Problem {
    /// A problem without challenge, login address, waiting time or methods.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            description: description.into(),
            worded: None,
            detail: Detail::None,
            challenge: None,
            login_url: None,
            retry_after: None,
            span: None,
            allow: None,
            vary: None,
            back: None,
            unsent: false,
        }
    }

    /// 400 `invalid_request`.
    pub fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// 503 `temporarily_unavailable`: try again in a second.
    pub fn unavailable(description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                description,
            )
        }
    }

    /// The same problem with this `WWW-Authenticate` challenge.
    pub fn challenged(mut self, challenge: HeaderValue) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// The same problem, which depends on these headers.
    pub fn varying_by(self, headers: &'static str) -> Self {
        Self {
            vary: Some(headers),
            ..self
        }
    }

    /// The same problem, whose description our pages have in every language under this name.
    pub fn worded(self, name: &'static str) -> Self {
        Self {
            worded: Some(name),
            ..self
        }
    }

    /// The same problem with this detail.
    pub fn about(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }

    /// The headers that belong to this problem whatever form its body takes.
    pub fn add_headers(&self, reply: &mut Reply) {
        let headers = reply.headers_mut();
        if let Some(challenge) = &self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge.clone());
        }
        if let Some(wait) = self.retry_after {
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(wait.as_secs().max(1)),
            );
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(vary) = self.vary {
            headers.append(header::VARY, HeaderValue::from_static(vary));
        }
    }

    /// This problem as JSON: `{"error": …, "error_description": …}`.
    pub fn to_json(&self) -> Reply {
        #[derive(Serialize)]
        struct Told<'a> {
            error: &'a str,
            error_description: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            login_url: Option<&'a str>,
        }
        let mut reply = json(
            self.status,
            &Told {
                error: self.code,
                error_description: &self.description,
                login_url: self.login_url.as_deref(),
            },
        );
        self.add_headers(&mut reply);
        reply
    }
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Reply {
    own(status, None, Bytes::new())
}

/// An answer whose body is `value` as JSON.
#[expect(
    clippy::expect_used,
    reason = "our answers are structs with string keys, which always serialise"
)]
pub fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(value).expect("our answers serialise");
    own(
        status,
        Some(HeaderValue::from_static("application/json")),
        body.into(),
    )
}

/// Keeps pages of other origins from loading an answer as an image, a script and the like.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// An answer of this type and body, marked as ours and not to be stored.
pub fn own(status: StatusCode, media_type: Option<HeaderValue>, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(MARK, HeaderValue::from_static("1"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    if let Some(media_type) = media_type {
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    reply
}

/// Sends the caller to an address of ours with a GET; to `/` where it cannot be written into a header.
pub fn go_to(address: &str) -> Reply {
    let location = HeaderValue::from_str(address);
    see_other(location.unwrap_or(HeaderValue::from_static("/")))
}

/// Sends the caller elsewhere with a GET (303, RFC 9110 §15.4.4).
pub fn see_other(location: HeaderValue) -> Reply {
    let mut reply = empty(StatusCode::SEE_OTHER);
    reply.headers_mut().insert(header::LOCATION, location);
    reply
}
