//! In which form is a problem told: a page, JSON, or a gRPC status?

use std::sync::Arc;

use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, X_FRAME_OPTIONS};
use minijinja::context;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Pages;
use super::languages::Language;
use super::message::in_words;
use crate::reply::{self, Problem, Reply};
use crate::request::{Reader, Wants};

/// Codes of which the description says more than our words do.
const TOLD_IN_DETAIL: [&str; 4] = [
    "invalid_request",
    "method_not_allowed",
    "misdirected_request",
    "temporarily_unavailable",
];

/// What our pages are asked for by.
const CARRIED: [&str; 3] = ["after", "form", "return_to"];

/// What differs from other pages in a frame. The last one lets it show in pages that ask it of all
/// their frames.
const FRAME_HEADERS: [(HeaderName, &str); 3] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'none'; base-uri 'none'; \
         frame-ancestors 'self'",
    ),
    (X_FRAME_OPTIONS, "SAMEORIGIN"),
    (
        HeaderName::from_static("cross-origin-embedder-policy"),
        "require-corp",
    ),
];

impl Pages {
    /// A problem as the caller can use it: a page, JSON, or a gRPC status. The one place that
    /// decides the form of an error.
    pub fn problem(&self, problem: &Problem, wants: Wants, reader: &Reader) -> Reply {
        if let Some(media_type) = wants.grpc {
            grpc(problem, media_type)
        } else if wants.page {
            self.problem_in(problem, wants, reader, "problem.html")
        } else if wants.frame {
            self.framed_problem(problem, wants, reader)
        } else {
            self.profile.tell(problem)
        }
    }

    /// What our words say about a problem of this code, in English and in one line: to describe it to
    /// those who are told no words.
    pub fn in_english(&self, code: &str) -> String {
        let said = |english: &Arc<Language>| english.say(&format!("problems.{code}.text"), &[]);
        let said = self.languages.iter().next().map(said);
        said.unwrap_or_default().replace('\n', " ")
    }

    /// What a frame shows of a problem: a page of the same origin may show it, because it does nothing
    /// but tell, and link to the sign-in page, which takes the place of the whole page around it.
    fn framed_problem(&self, problem: &Problem, wants: Wants, reader: &Reader) -> Reply {
        let mut reply = self.problem_in(problem, wants, reader, "framed.html");
        for (name, value) in FRAME_HEADERS {
            let value = HeaderValue::from_static(value);
            reply.headers_mut().insert(name, value);
        }
        reply
    }

    fn problem_in(
        &self,
        problem: &Problem,
        wants: Wants,
        reader: &Reader,
        template: &str,
    ) -> Reply {
        let words = self
            .language(reader)
            .map(|language| words(problem, language));
        let (title, text) = words.unwrap_or_default();
        let is_csrf = problem.code == "csrf_rejected";
        let tells_more = is_csrf || TOLD_IN_DETAIL.contains(&problem.code);
        let language = self.language(reader);
        let worded = language.and_then(|language| detail(problem, language));
        let values = context! {
            title => title,
            text => text,
            detail_in_english => worded.is_none(),
            detail => tells_more.then(|| worded.unwrap_or_else(|| problem.description.to_string())),
            back => is_csrf.then(|| problem.back.as_deref().unwrap_or("/")),
            login_url => problem.login_url.as_deref(),
            unsent => problem.unsent,
            status => problem.status.as_u16(),
            code => problem.code,
            may_reload => wants.redirect && problem.status.is_server_error(),
            languages => reader.asked().map(|_| self.offered.clone()),
            carried => reader.asked().map(carried),
        };
        let mut reply = self.page(reader, problem.status, template, &values);
        problem.add_headers(&mut reply);
        reply
    }
}

/// What of a query says which page it is, each once. The choice of a language takes it along.
fn carried(query: &str) -> Vec<(String, String)> {
    let first =
        |name: &&str| form_urlencoded::parse(query.as_bytes()).find(|pair| pair.0 == **name);
    let pairs = CARRIED.iter().filter_map(first);
    pairs
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

/// Title and text.
fn words(problem: &Problem, language: &Language) -> (String, String) {
    let time = problem.span.or(problem.retry_after);
    let time = in_words(time.unwrap_or_default(), language);
    let say = |what: &str| {
        let key = format!("problems.{}.{what}", problem.code);
        language.say(&key, &[("time", &time)])
    };
    (say("title"), say("text"))
}

/// The description; `None` where it is in English only.
fn detail(problem: &Problem, language: &Language) -> Option<String> {
    let key = format!("details.{}", problem.worded?);
    language.words(&key)?;
    let allow = problem.allow.unwrap_or_default();
    Some(language.say(&key, &[("allow", allow)]))
}

/// A gRPC answer without messages ("Trailers-Only"): its status goes in the headers, where gRPC-Web
/// finds it, too.
fn grpc(problem: &Problem, media_type: &'static str) -> Reply {
    /// Percent-Encoded of the gRPC protocol: all but visible ASCII, space and percent sign.
    const MESSAGE: &AsciiSet = &CONTROLS.add(b'%');
    let media_type = HeaderValue::from_static(media_type);
    let mut reply = reply::own(StatusCode::OK, Some(media_type), bytes::Bytes::new());
    let headers = reply.headers_mut();
    headers.insert(
        "grpc-status",
        HeaderValue::from_static(grpc_status(problem.status)),
    );
    let message = utf8_percent_encode(&problem.description, MESSAGE).to_string();
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert("grpc-message", message);
    }
    reply
}

/// UNAUTHENTICATED, PERMISSION_DENIED, INVALID_ARGUMENT, UNIMPLEMENTED, RESOURCE_EXHAUSTED, UNAVAILABLE,
/// DEADLINE_EXCEEDED, INTERNAL.
fn grpc_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "16",
        StatusCode::FORBIDDEN => "7",
        StatusCode::BAD_REQUEST => "3",
        StatusCode::NOT_FOUND => "12",
        StatusCode::TOO_MANY_REQUESTS => "8",
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => "14",
        StatusCode::GATEWAY_TIMEOUT => "4",
        _ => "13",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::tests::{pages, text};

    const JSON: Wants = Wants {
        page: false,
        frame: false,
        redirect: false,
        grpc: None,
    };
    const PAGE: Wants = Wants { page: true, ..JSON };
    const FRAME: Wants = Wants {
        frame: true,
        ..JSON
    };

    fn grpc_as(media_type: &'static str) -> Wants {
        Wants {
            grpc: Some(media_type),
            ..JSON
        }
    }

    fn stranger() -> Problem {
        Problem {
            login_url: Some("/vestibule/login?return_to=%2F".to_owned()),
            ..Problem::new(
                StatusCode::UNAUTHORIZED,
                "missing_token",
                "Sign in <b>first</b>.",
            )
        }
        .challenged(HeaderValue::from_static("Bearer realm=\"vestibule\""))
    }

    #[tokio::test]
    async fn a_person_gets_a_page_with_the_way_out() {
        let reply = pages().problem(&stranger(), PAGE, &Reader::default());
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            reply.headers()["www-authenticate"],
            "Bearer realm=\"vestibule\""
        );
        assert_eq!(reply.headers()["x-frame-options"], "DENY");
        let html = text(reply).await;
        assert!(html.contains("Please sign in") && html.contains("missing_token"));
        assert!(html.contains("login?return_to=%2F") && !html.contains("<b>"));
    }

    #[tokio::test]
    async fn a_frame_gets_a_page_that_leads_out_of_it() {
        let reply = pages().problem(&stranger(), FRAME, &Reader::default());
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
        let headers = reply.headers().clone();
        assert!(headers.contains_key("www-authenticate"));
        assert_eq!(headers["x-frame-options"], "SAMEORIGIN");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'self'") && policy.contains("form-action 'none'"));
        let html = text(reply).await;
        assert!(html.contains(r#"href="/vestibule/login?return_to=%2F" target="_top""#));
        assert_eq!(html.matches("<a ").count(), 1, "{html}");
        assert!(!html.contains("<form") && !html.contains("<b>"), "{html}");
        let forbidden = Problem::new(StatusCode::FORBIDDEN, "forbidden", "Not for you.");
        let html = text(pages().problem(&forbidden, FRAME, &Reader::default())).await;
        assert_eq!(html.matches("<a ").count(), 0, "{html}");
    }

    #[tokio::test]
    async fn whoever_may_not_pass_is_shown_where_they_can_go() {
        let forbidden = Problem::new(StatusCode::FORBIDDEN, "forbidden", "Not for you.");
        let html = text(pages().problem(&forbidden, PAGE, &Reader::default())).await;
        for link in ["/vestibule/account", "/vestibule/logout"] {
            assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
        }
    }

    #[tokio::test]
    async fn a_detail_is_told_in_the_readers_language_where_it_is_no_free_text() {
        let japanese = crate::pages::tests::reader("ja");
        let not_here = Problem {
            allow: Some("GET, HEAD"),
            ..Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "No.")
        };
        let worded = not_here.clone().worded("other_methods");
        let unknown = not_here.clone().worded("no_words_for_it");
        let told = "<p class=\"quiet\">このアドレスで使えるメソッドはGET, HEADだけです。</p>";
        let free = "<p class=\"quiet\" lang=\"en\">No.</p>";
        for (problem, told) in [(worded, told), (not_here, free), (unknown, free)] {
            let html = text(pages().problem(&problem, PAGE, &japanese)).await;
            assert!(html.contains(told), "{html}");
        }
    }

    #[tokio::test]
    async fn what_may_pass_can_be_tried_again_where_that_repeats_nothing() {
        let gone = Problem::unavailable("Later.");
        for (problem, redirect, offered) in [
            (&gone, true, true),
            (&gone, false, false),
            (&stranger(), true, false),
        ] {
            let wants = Wants { redirect, ..PAGE };
            let html = text(pages().problem(problem, wants, &Reader::default())).await;
            assert_eq!(
                html.contains("<a class=\"button\" href=\"\">Try again</a>"),
                offered
            );
        }
    }

    #[tokio::test]
    async fn a_program_gets_json() {
        let reply = pages().problem(&stranger(), JSON, &Reader::default());
        assert_eq!(reply.headers()["content-type"], "application/json");
        assert!(text(reply).await.contains(r#""error":"missing_token""#));
    }

    #[tokio::test]
    async fn a_grpc_caller_gets_a_status_in_headers() {
        let reply = pages().problem(&stranger(), grpc_as("application/grpc"), &Reader::default());
        assert_eq!(reply.status(), StatusCode::OK);
        assert_eq!(reply.headers()["content-type"], "application/grpc");
        assert_eq!(reply.headers()["grpc-status"], "16");
        assert_eq!(reply.headers()["grpc-message"], "Sign in <b>first</b>.");
        let problem = Problem::unavailable("größer 5%");
        let reply = pages().problem(
            &problem,
            grpc_as("application/grpc-web+proto"),
            &Reader::default(),
        );
        assert_eq!(
            reply.headers()["content-type"],
            "application/grpc-web+proto"
        );
        assert_eq!(reply.headers()["grpc-status"], "14");
        assert_eq!(reply.headers()["grpc-message"], "gr%C3%B6%C3%9Fer 5%25");
        assert!(text(reply).await.is_empty());
    }
}
