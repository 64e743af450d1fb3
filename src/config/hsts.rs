//! `server.hsts`: how long browsers are to come by https only (RFC 6797).

use http::HeaderValue;

use super::problem::Complaint;
use super::read::Node;
use super::value::text;

/// The value of `Strict-Transport-Security`; `None` where it is turned off.
pub(super) fn hsts(node: &Node) -> Result<Option<HeaderValue>, Complaint> {
    const FORM: &str = "write \"max-age=31536000\", with \"; includeSubDomains\" or \"; preload\" where you mean it, or \"\" to turn it off";
    let written = text(node)?;
    if written.is_empty() {
        return Ok(None);
    }
    let directives = || written.split(';').map(str::trim);
    let ages = directives().filter(|directive| is_age(directive)).count();
    let are_known = directives().all(|directive| {
        let is = |known: &str| directive.eq_ignore_ascii_case(known);
        is_age(directive) || is("includeSubDomains") || is("preload")
    });
    HeaderValue::from_str(written)
        .ok()
        .filter(|_| ages == 1 && are_known)
        .map(Some)
        .ok_or_else(|| {
            Complaint::new(format!(
                "{written:?} is no value of Strict-Transport-Security"
            ))
            .hint(FORM)
        })
}

fn is_age(directive: &str) -> bool {
    directive.split_once('=').is_some_and(|(name, seconds)| {
        name.eq_ignore_ascii_case("max-age")
            && !seconds.is_empty()
            && seconds.bytes().all(|byte| byte.is_ascii_digit())
    })
}
