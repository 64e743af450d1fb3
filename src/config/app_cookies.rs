//! `session_cookies` of a route: which cookies hold the app's own session?

use crate::request::Host;
use crate::request::reserved::is_reserved_cookie;

use super::problem::Complaint;
use super::read::Node;
use super::section::Section;
use super::value::text;

/// A cookie of an app, as far as a browser must be told to delete it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppCookie {
    /// Its name.
    pub name: Box<str>,
    /// The path that the app sets it for, where that is said.
    pub path: Option<Box<str>>,
    /// The domain that the app sets it for; `None`: the host alone.
    pub domain: Option<Box<str>>,
}

const FORM: &str = "write its name, and what the app sets it for where that is more than one host or \
                    less than the route: \"session; Path=/app; Domain=example.com\"";

pub(super) fn read(route: &mut Section<'_>) -> Vec<AppCookie> {
    route
        .list("session_cookies", &[], app_cookie)
        .unwrap_or_default()
}

/// Reads it as a `Set-Cookie` would have it, without a value (RFC 6265 §4.1.1).
fn app_cookie(node: &Node) -> Result<AppCookie, Complaint> {
    let text = text(node)?;
    let complain = |what: String| Complaint::new(what).hint(FORM);
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    if name.is_empty() || !name.bytes().all(is_of_a_token) {
        return Err(complain(format!("{name:?} is not the name of a cookie")));
    }
    if is_reserved_cookie(name.as_bytes()) {
        return Err(complain(format!("{name} is a cookie of vestibule's own")));
    }
    let mut cookie = AppCookie {
        name: name.into(),
        path: None,
        domain: None,
    };
    for part in parts {
        let (place, value) = match part.split_once('=') {
            Some((key, value)) if key.eq_ignore_ascii_case("path") && is_path(value) => {
                (&mut cookie.path, value.to_owned())
            }
            Some((key, value)) if key.eq_ignore_ascii_case("domain") => {
                let bare = value.strip_prefix('.').unwrap_or(value);
                let host = Host::parse(bare).filter(|host| host.port().is_none());
                let host = host.ok_or_else(|| complain(format!("{value:?} is not a domain")))?;
                (&mut cookie.domain, host.name().to_owned())
            }
            _ => return Err(complain(format!("{part:?} is not known here"))),
        };
        if place.replace(value.into()).is_some() {
            return Err(complain(format!("{part:?} comes after another")));
        }
    }
    Ok(cookie)
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A character of a token (RFC 9110 §5.6.2).
const fn is_of_a_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AppCookie, Complaint> {
        app_cookie(&Node::text(text))
    }

    #[test]
    fn a_cookie_is_named_with_what_the_app_sets_it_for() {
        for (text, name, path, domain) in [
            ("session", "session", None, None),
            ("__Host-sid", "__Host-sid", None, None),
            ("PHPSESSID; Path=/", "PHPSESSID", Some("/"), None),
            (
                " sid ;domain=.Example.com; PATH=/app/",
                "sid",
                Some("/app/"),
                Some("example.com"),
            ),
        ] {
            let cookie = read(text).unwrap();
            let told = (
                &*cookie.name,
                cookie.path.as_deref(),
                cookie.domain.as_deref(),
            );
            assert_eq!(told, (name, path, domain), "{text}");
        }
    }

    #[test]
    fn what_is_no_cookie_of_an_app_is_refused() {
        for text in [
            "",
            "a b",
            "a=b",
            "sitzung\u{e4}",
            "a,b",
            "a\r\nSet-Cookie: b=c",
            "__Host-vestibule_access",
            "__SECURE-vestibule_x",
            "vestibule_access_8080",
            "a; Path=app",
            "a; Path=/ b",
            "a; Domain=",
            "a; Domain=a b",
            "a; Domain=example.com:80",
            "a; Secure",
            "a; Path=/; Path=/b",
            "a;",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
