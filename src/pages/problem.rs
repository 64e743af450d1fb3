//! In which form is a problem told: a page, JSON, or a gRPC status?

use http::StatusCode;
use http::header::HeaderValue;
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

impl Pages {
    /// A problem as the caller can use it: a page, JSON, or a gRPC status. The one place that
    /// decides the form of an error.
    pub fn problem(&self, problem: &Problem, wants: Wants, reader: &Reader) -> Reply {
        if wants.grpc {
            grpc(problem)
        } else if wants.page {
            self.problem_page(problem, reader)
        } else {
            self.profile.tell(problem)
        }
    }

    fn problem_page(&self, problem: &Problem, reader: &Reader) -> Reply {
        let words = self
            .language(reader)
            .map(|language| words(problem, language));
        let (title, text) = words.unwrap_or_default();
        let tells_more = TOLD_IN_DETAIL.contains(&problem.code);
        let values = context! {
            title => title,
            text => text,
            detail => tells_more.then_some(&*problem.description),
            login_url => problem.login_url.as_deref(),
            status => problem.status.as_u16(),
            code => problem.code,
        };
        let mut reply = self.page(reader, problem.status, "problem.html", &values);
        problem.add_headers(&mut reply);
        reply
    }
}

/// Title and text.
fn words(problem: &Problem, language: &Language) -> (String, String) {
    let time = problem.retry_after.unwrap_or_default();
    let time = in_words(time, language);
    let say = |what: &str| {
        let key = format!("problems.{}.{what}", problem.code);
        language.say(&key, &[("time", &time)])
    };
    (say("title"), say("text"))
}

/// A gRPC answer without messages ("Trailers-Only"): its status goes in the headers.
fn grpc(problem: &Problem) -> Reply {
    /// Percent-Encoded of the gRPC protocol: all but visible ASCII, space and percent sign.
    const MESSAGE: &AsciiSet = &CONTROLS.add(b'%');
    let media_type = HeaderValue::from_static("application/grpc");
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

/// UNAUTHENTICATED, PERMISSION_DENIED, INVALID_ARGUMENT, UNAVAILABLE, DEADLINE_EXCEEDED, INTERNAL.
fn grpc_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "16",
        StatusCode::FORBIDDEN => "7",
        StatusCode::BAD_REQUEST => "3",
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => "14",
        StatusCode::GATEWAY_TIMEOUT => "4",
        _ => "13",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::tests::{pages, text};

    fn wants(page: bool, grpc: bool) -> Wants {
        Wants {
            page,
            redirect: page,
            grpc,
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
        let reply = pages().problem(&stranger(), wants(true, false), &Reader::default());
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
    async fn a_program_gets_json() {
        let reply = pages().problem(&stranger(), wants(false, false), &Reader::default());
        assert_eq!(reply.headers()["content-type"], "application/json");
        assert!(text(reply).await.contains(r#""error":"missing_token""#));
    }

    #[tokio::test]
    async fn a_grpc_caller_gets_a_status_in_headers() {
        let reply = pages().problem(&stranger(), wants(true, true), &Reader::default());
        assert_eq!(reply.status(), StatusCode::OK);
        assert_eq!(reply.headers()["content-type"], "application/grpc");
        assert_eq!(reply.headers()["grpc-status"], "16");
        assert_eq!(reply.headers()["grpc-message"], "Sign in <b>first</b>.");
        let problem = Problem::unavailable("größer 5%");
        let reply = pages().problem(&problem, wants(false, true), &Reader::default());
        assert_eq!(reply.headers()["grpc-status"], "14");
        assert_eq!(reply.headers()["grpc-message"], "gr%C3%B6%C3%9Fer 5%25");
        assert!(text(reply).await.is_empty());
    }
}
