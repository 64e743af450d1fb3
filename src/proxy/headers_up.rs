//! What a request loses on its way to the app: everything that speaks for somebody else.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::proxy::hop_by_hop;
use crate::request::connection::has_token;
use crate::request::reserved::is_reserved;
use crate::session::csrf_token::looks_like_csrf_token;

/// Which names are removed from every request, on every route, public ones too.
pub(super) struct Stripping {
    /// The names of all routes' templates, each in its plain spelling.
    templates: Vec<Vec<u8>>,
    /// Names with `_` stay.
    keep_underscores: bool,
}

impl Stripping {
    /// The rules for these templates' names.
    pub(super) fn new<'a>(
        templates: impl Iterator<Item = &'a HeaderName>,
        keep_underscores: bool,
    ) -> Self {
        let mut templates: Vec<Vec<u8>> = templates
            .filter(|name| !is_reserved(name.as_str()))
            .map(|name| plain(name.as_str()).collect())
            .collect();
        templates.sort_unstable();
        templates.dedup();
        Self {
            templates,
            keep_underscores,
        }
    }

    /// Takes off what concerns the connection only and what only we may say.
    pub(super) fn strip(&self, headers: &mut HeaderMap) {
        hop_by_hop::remove_named(headers);
        hop_by_hop::remove_where(headers, |name| {
            hop_by_hop::is_hop_by_hop(name) || *name == header::EXPECT || self.removes(name)
        });
    }

    /// The same for trailers, which must not change the message either.
    pub(super) fn strip_trailers(&self, trailers: &mut HeaderMap) {
        hop_by_hop::remove_where(trailers, |name| {
            hop_by_hop::is_unfit_for_trailers(name) || self.removes(name)
        });
    }

    fn removes(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        is_reserved(name)
            || (!self.keep_underscores && name.contains('_'))
            || self.templates.iter().any(|template| spells(name, template))
    }
}

/// Whether an app may take `name` for the template's name.
fn spells(name: &str, template: &[u8]) -> bool {
    name.len() == template.len() && plain(name).eq(template.iter().copied())
}

/// CGI and WSGI servers make environment variables of names: case is lost, and so is the difference
/// between all characters but letters and digits.
fn plain(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|byte| {
        if byte.is_ascii_alphanumeric() {
            byte.to_ascii_lowercase()
        } else {
            b'_'
        }
    })
}

/// Takes off what pages show us. An app may know another value by the same name: that stays.
pub(super) fn drop_csrf_token(headers: &mut HeaderMap, name: &HeaderName) {
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    if values.any(looks_like_csrf_token) {
        headers.remove(name);
    }
}

/// Whether the caller takes trailers, which only `TE` says (RFC 9110 §10.1.4).
pub(super) fn takes_trailers(headers: &HeaderMap) -> bool {
    has_token(headers, header::TE, "trailers")
}

/// Says to the app that trailers are taken.
pub(super) fn ask_for_trailers(headers: &mut HeaderMap) {
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
}

/// Asks the app to switch to WebSocket.
pub(super) fn ask_for_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// Takes off what a preflight never has: a body, credentials of any kind, another method.
pub(super) fn reduce_to_preflight(headers: &mut HeaderMap) {
    for name in [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ] {
        headers.remove(name);
    }
    for name in [
        header::AUTHORIZATION,
        header::COOKIE,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::TRAILER,
    ] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripping(templates: &[&'static str], keep_underscores: bool) -> Stripping {
        let names: Vec<HeaderName> = templates
            .iter()
            .map(|name| HeaderName::from_static(name))
            .collect();
        Stripping::new(names.iter(), keep_underscores)
    }

    fn left(rules: &Stripping, names: &[&'static str]) -> Vec<String> {
        let mut headers: HeaderMap = names
            .iter()
            .map(|name| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static("evil"),
                )
            })
            .collect();
        rules.strip(&mut headers);
        headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn identity_is_removed_in_every_spelling() {
        let rules = stripping(&[], true);
        for name in [
            "x-forwarded-user",
            "x_forwarded_user",
            "x-forwarded_user",
            "x.forwarded~user",
            "x-forwarded-for",
            "forwarded",
            "remote-user",
            "remote_user",
            "x-real-ip",
            "x-vestibule-assertion",
            "x_vestibule-anything",
        ] {
            assert_eq!(left(&rules, &[name]), [""; 0], "{name}");
        }
    }

    #[test]
    fn templates_are_removed_in_every_spelling_on_every_route() {
        let rules = stripping(&["x-app-user", "authorization"], true);
        for name in ["x-app-user", "x_app_user", "x!app.user", "authorization"] {
            assert_eq!(left(&rules, &[name]), [""; 0], "{name}");
        }
        assert_eq!(
            left(&rules, &["x-app-user2", "xapp-user", "y-app-user"]).len(),
            3
        );
    }

    #[test]
    fn names_with_underscores_go_unless_they_are_kept() {
        assert_eq!(
            left(&stripping(&[], false), &["my_own", "my-own"]),
            ["my-own"]
        );
        assert_eq!(left(&stripping(&[], true), &["my_own"]), ["my_own"]);
    }

    #[test]
    fn everything_else_stays_with_all_its_values() {
        let mut headers = HeaderMap::new();
        for crumb in ["a=1", "b=2"] {
            headers.append(header::COOKIE, HeaderValue::from_static(crumb));
        }
        headers.append(header::EXPECT, HeaderValue::from_static("100-continue"));
        headers.append(header::ACCEPT, HeaderValue::from_static("*/*"));
        headers.append(header::CONNECTION, HeaderValue::from_static("keep-alive"));
        stripping(&[], false).strip(&mut headers);
        assert_eq!(headers.len(), 3);
        assert_eq!(headers.get_all(header::COOKIE).iter().count(), 2);
    }

    #[test]
    fn trailers_cannot_say_who_is_asking_nor_change_the_message() {
        let mut trailers = HeaderMap::new();
        for name in [
            "x-forwarded-user",
            "remote_user",
            "x-app-user",
            "content-length",
            "transfer-encoding",
            "host",
            "cookie",
            "authorization",
            "x-checksum",
        ] {
            trailers.insert(name, HeaderValue::from_static("1"));
        }
        stripping(&["x-app-user"], false).strip_trailers(&mut trailers);
        assert_eq!(trailers.keys().collect::<Vec<_>>(), ["x-checksum"]);
    }

    #[test]
    fn trailers_are_taken_where_te_says_so() {
        for (value, takes) in [
            ("trailers", true),
            ("gzip, Trailers", true),
            ("gzip", false),
            ("trailers-not", false),
        ] {
            let headers = HeaderMap::from_iter([(header::TE, HeaderValue::from_static(value))]);
            assert_eq!(takes_trailers(&headers), takes, "{value}");
        }
    }
}
