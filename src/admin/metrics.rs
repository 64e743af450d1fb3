//! `GET /metrics`: what is counted, in the format that the scraper reads.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::Full;

use crate::gateway::Gateway;
use crate::observe::metrics::classic::classic;
use crate::reply::{Problem, Reply};

const OPEN_METRICS: &str = "application/openmetrics-text";

/// All metrics as they stand.
pub(super) fn show(gateway: &Gateway, headers: &HeaderMap) -> Reply {
    let tokens = &gateway.metrics.tokens;
    tokens.held(
        gateway.authenticator.remembered(),
        gateway.revocations.held(),
        gateway.revocations.lag(gateway.clock.now()),
    );
    let Ok(text) = gateway.metrics.open_metrics() else {
        return Problem::unavailable("the metrics could not be written").to_json();
    };
    let (text, media_type) = if reads_open_metrics(headers) {
        let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        (text, media_type)
    } else {
        (classic(&text), "text/plain; version=0.0.4; charset=utf-8")
    };
    let mut reply = Reply::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = StatusCode::OK;
    let media_type = HeaderValue::from_static(media_type);
    reply.headers_mut().insert(CONTENT_TYPE, media_type);
    reply
}

/// Whether the scraper names the format. One that takes anything gets what all scrapers read.
fn reads_open_metrics(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(ACCEPT).into_iter();
    let mut ranges = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','));
    ranges.any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().unwrap_or_default();
        named.eq_ignore_ascii_case(OPEN_METRICS)
            && !parts.any(|part| {
                let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
                weight.is_some_and(|weight| weight.parse() == Ok(0.0_f32))
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_those_who_ask_for_it() {
        for (accept, expected) in [
            (None, false),
            (Some("*/*"), false),
            (Some("text/plain;version=0.0.4"), false),
            (Some("application/openmetrics-text"), true),
            (
                Some(
                    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ),
                true,
            ),
            (
                Some("text/plain, Application/OpenMetrics-Text; q=0.2"),
                true,
            ),
            (
                Some("text/plain, application/openmetrics-text; q=0.0"),
                false,
            ),
            (Some("application/openmetrics-textual"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(reads_open_metrics(&headers), expected, "{accept:?}");
        }
    }
}
