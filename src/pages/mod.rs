//! What people see: pages from templates built into the binary, and one style sheet.

mod problem;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{StatusCode, header::CACHE_CONTROL};
use minijinja::{Environment, Value, context};

use crate::policy::OwnPrefix;
use crate::reply::{self, Profile, Reply};

const STYLE: &str = include_str!("style.css");

const TEMPLATES: [(&str, &str); 5] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("login.html", include_str!("templates/login.html")),
    ("logout.html", include_str!("templates/logout.html")),
    ("signed_out.html", include_str!("templates/signed_out.html")),
    ("problem.html", include_str!("templates/problem.html")),
];

/// What a browser may do with our pages: no script, nothing from elsewhere, no framing.
const PAGE_HEADERS: [(HeaderName, &str); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; img-src 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
];

/// All pages, their templates parsed.
pub struct Pages {
    templates: Environment<'static>,
    style_name: String,
    profile: Profile,
}

/// What the sign-in page shows.
#[derive(Clone, Debug, Default)]
pub struct LoginPage<'a> {
    /// Where to go afterwards.
    pub return_to: &'a str,
    /// The name that was typed before.
    pub username: &'a str,
    /// What went wrong, in a sentence.
    pub message: Option<&'a str>,
    /// Somebody who is signed in does it again: how long they stay so is settled.
    pub again: bool,
    /// They want to stay signed in.
    pub remember: bool,
    /// They are to choose a new password, of at least so many characters.
    pub new_password: Option<usize>,
}

impl Pages {
    /// Pages whose links start with this prefix; programs are told of problems as this profile says.
    #[expect(
        clippy::expect_used,
        reason = "the templates are part of the program, and a test renders each of them"
    )]
    pub fn new(prefix: &OwnPrefix, profile: Profile) -> Self {
        let style_name = format!("{}.css", fingerprint(STYLE));
        let style = format!("{}/assets/{style_name}", prefix.as_str());
        let mut templates = Environment::new();
        for (name, source) in TEMPLATES {
            let added = templates.add_template(name, source);
            added.expect("our templates can be parsed");
        }
        templates.add_global("prefix", prefix.as_str());
        templates.add_global("style", style);
        Self {
            templates,
            style_name,
            profile,
        }
    }

    /// The sign-in form. 401 where it is shown again after a refusal.
    pub fn login(&self, status: StatusCode, page: &LoginPage<'_>) -> Reply {
        let values = context! {
            return_to => page.return_to,
            username => page.username,
            message => page.message,
            again => page.again,
            remember => page.remember,
            new_password => page.new_password,
        };
        self.page(status, "login.html", values)
    }

    /// The page that asks whether to sign out.
    pub fn logout(&self) -> Reply {
        self.page(StatusCode::OK, "logout.html", context! {})
    }

    /// The page after signing out.
    pub fn signed_out(&self) -> Reply {
        self.page(StatusCode::OK, "signed_out.html", context! {})
    }

    /// The file of this name under `assets/`. Its name changes with its content.
    pub fn asset(&self, name: &str) -> Option<Reply> {
        const FOREVER: HeaderValue =
            HeaderValue::from_static("public, max-age=31536000, immutable");
        (name == self.style_name).then(|| {
            let css = HeaderValue::from_static("text/css; charset=utf-8");
            let body = Bytes::from_static(STYLE.as_bytes());
            let mut reply = reply::own(StatusCode::OK, Some(css), body);
            reply.headers_mut().insert(CACHE_CONTROL, FOREVER);
            reply
        })
    }

    #[expect(
        clippy::expect_used,
        reason = "the templates are part of the program, and a test renders each of them"
    )]
    fn page(&self, status: StatusCode, template: &str, values: Value) -> Reply {
        let template = self.templates.get_template(template);
        let html = template
            .and_then(|template| template.render(values))
            .expect("our templates can be rendered");
        // A slash needs no escape. What somebody typed cannot look like one: its & is escaped.
        let html = html.replace("&#x2f;", "/");
        let media_type = HeaderValue::from_static("text/html; charset=utf-8");
        let mut reply = reply::own(status, Some(media_type), html.into());
        for (name, value) in PAGE_HEADERS {
            let value = HeaderValue::from_static(value);
            reply.headers_mut().insert(name, value);
        }
        reply
    }
}

/// The first 16 hexadecimal digits of the SHA-256 of a file.
fn fingerprint(content: &str) -> String {
    let digest = digest(&SHA256, content.as_bytes());
    let start = digest.as_ref().iter().take(8);
    start.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    pub(super) fn pages() -> Pages {
        Pages::new(&OwnPrefix::parse("/vestibule").unwrap(), Profile::default())
    }

    pub(super) async fn text(reply: Reply) -> String {
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_sign_in_page_keeps_what_was_typed_and_escapes_it() {
        let page = LoginPage {
            return_to: "/app?a=1&b=\"2\"",
            username: "<script>&#x2f;",
            message: Some("Wrong."),
            ..LoginPage::default()
        };
        let reply = pages().login(StatusCode::UNAUTHORIZED, &page);
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
        let html = text(reply).await;
        assert!(html.contains(r#"action="/vestibule/login""#), "{html}");
        assert!(html.contains("&lt;script&gt;&amp;#x2f;") && !html.contains("<script>"));
        assert!(html.contains("a=1&amp;b=&quot;2&quot;"));
        assert!(html.contains("Wrong."));
    }

    #[tokio::test]
    async fn pages_are_small_and_shut_in() {
        let pages = pages();
        let login = pages.login(StatusCode::OK, &LoginPage::default());
        for reply in [pages.logout(), pages.signed_out(), login] {
            let headers = reply.headers().clone();
            assert_eq!(headers["x-frame-options"], "DENY");
            assert_eq!(headers["cache-control"], "no-store");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            let policy = headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'self'"));
            let html = text(reply).await;
            assert!(html.len() + STYLE.len() < 12 * 1024);
            assert!(html.contains(&pages.style_name));
        }
    }

    #[tokio::test]
    async fn the_style_sheet_is_found_by_its_fingerprint_only() {
        let pages = pages();
        let reply = pages.asset(&pages.style_name).unwrap();
        assert_eq!(pages.style_name.len(), "0123456789abcdef.css".len());
        assert!(
            reply.headers()["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        assert!(pages.asset("style.css").is_none());
    }
}
