//! What an answer loses and gains on its way to the visitor.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::config::AppAddress;
use crate::proxy::hop_by_hop::remove_where;
use crate::reply::MARK;
use crate::request::Origin;

/// `Alt-Svc` would send the visitor around us.
const ALT_SVC: HeaderName = header::ALT_SVC;

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// Takes off what only we may say.
pub(super) fn strip(headers: &mut HeaderMap) {
    headers.remove(MARK);
    headers.remove(ALT_SVC);
    keep_cookies(headers);
}

/// Takes out of `Clear-Site-Data` what would clear our cookies with the app's (W3C Clear Site Data §3.1):
/// no app signs people out by it. Browsers split the list at every comma, and so is it split here.
fn keep_cookies(headers: &mut HeaderMap) {
    if !headers.contains_key(CLEAR_SITE_DATA) {
        return;
    }
    let clears_cookies = |kind: &&[u8]| {
        [&b"\"cookies\""[..], b"\"*\""]
            .iter()
            .any(|all| kind.eq_ignore_ascii_case(all))
    };
    let values = headers.get_all(CLEAR_SITE_DATA).iter();
    let kinds = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let kept: Vec<&[u8]> = kinds
        .map(<[u8]>::trim_ascii)
        .filter(|kind| !kind.is_empty() && !clears_cookies(kind))
        .collect();
    let kept = HeaderValue::from_bytes(&kept.join(&b", "[..]));
    headers.remove(CLEAR_SITE_DATA);
    if let Some(kept) = kept.ok().filter(|kept| !kept.is_empty()) {
        headers.insert(CLEAR_SITE_DATA, kept);
    }
}

/// Drops the `Set-Cookie` values that would set one of ours, and says how many there were.
pub(super) fn drop_set_cookies(
    headers: &mut HeaderMap,
    is_ours: impl Fn(&HeaderValue) -> bool,
) -> usize {
    let values = headers.get_all(header::SET_COOKIE);
    let ours = values.iter().filter(|value| is_ours(value)).count();
    if ours > 0 {
        let kept: Vec<HeaderValue> = values
            .iter()
            .filter(|value| !is_ours(value))
            .cloned()
            .collect();
        headers.remove(header::SET_COOKIE);
        for value in kept {
            headers.append(header::SET_COOKIE, value);
        }
    }
    ours
}

/// Keeps what was made for a known visitor out of shared caches: `public` and `s-maxage` go,
/// `private` comes (RFC 9111 §5.2.2), and so go the fields that such caches heed instead.
pub(super) fn make_private(headers: &mut HeaderMap) {
    remove_where(headers, is_for_shared_caches);
    let mut values = headers.get_all(header::CACHE_CONTROL).iter();
    let private = match (values.next(), values.next()) {
        (None, _) => HeaderValue::from_static("private"),
        (Some(only), None) if is_private(only) => return,
        _ => {
            let kept: Vec<&[u8]> = headers
                .get_all(header::CACHE_CONTROL)
                .iter()
                .flat_map(|value| directives(value.as_bytes()))
                .filter(|directive| !is_about_sharing(directive))
                .chain([&b"private"[..]])
                .collect();
            HeaderValue::from_bytes(&kept.join(&b", "[..]))
                .unwrap_or(HeaderValue::from_static("private"))
        }
    };
    headers.insert(header::CACHE_CONTROL, private);
}

/// Keeps an answer that sets cookies of ours out of every cache, whatever it said (RFC 9111 §5.2.2.5).
pub fn forbid_storing(headers: &mut HeaderMap) {
    remove_where(headers, is_for_shared_caches);
    let no_store = HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, no_store);
}

/// Whether shared caches obey this field rather than `Cache-Control`: those of RFC 9213, and their
/// forerunners.
fn is_for_shared_caches(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "surrogate-control" | "x-accel-expires") || name.ends_with("cdn-cache-control")
}

fn is_private(value: &HeaderValue) -> bool {
    let mut private = false;
    for directive in directives(value.as_bytes()) {
        if directive.eq_ignore_ascii_case(b"private") {
            private = true;
        } else if is_about_sharing(directive) {
            return false;
        }
    }
    private
}

/// `public`, `s-maxage` and `private`, the last with or without field names.
fn is_about_sharing(directive: &[u8]) -> bool {
    let name = directive
        .split(|byte| *byte == b'=')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    [&b"public"[..], b"s-maxage", b"private"]
        .iter()
        .any(|sharing| name.eq_ignore_ascii_case(sharing))
}

/// The directives of a `Cache-Control` value: commas within quotes do not part them.
fn directives(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    value
        .split(move |byte| {
            quoted ^= *byte == b'"';
            *byte == b',' && !quoted
        })
        .map(<[u8]>::trim_ascii)
        .filter(|directive| !directive.is_empty())
}

/// Where `location` names the app's own address, the same place as the visitor knows it.
pub(super) fn relocate(
    headers: &mut HeaderMap,
    app: &AppAddress,
    visitors: impl FnOnce() -> Option<Origin>,
) {
    let Some(location) = headers.get(header::LOCATION) else {
        return;
    };
    let Some(rest) = location.to_str().ok().and_then(|url| rest_after(url, app)) else {
        return;
    };
    let Some(origin) = visitors() else { return };
    if let Ok(location) = HeaderValue::try_from(format!("{origin}{rest}")) {
        headers.insert(header::LOCATION, location);
    }
}

/// What follows the authority in `url`, if its authority is the app's.
fn rest_after<'a>(url: &'a str, app: &AppAddress) -> Option<&'a str> {
    let AppAddress::Network {
        host: app,
        port: apps,
    } = app
    else {
        return None;
    };
    let (scheme, rest) = url.split_at_checked("http://".len())?;
    if !scheme.eq_ignore_ascii_case("http://") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, 80),
    };
    (bare(host).eq_ignore_ascii_case(bare(app)) && port == *apps).then_some(rest)
}

/// An IPv6 address without its brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// Makes the announced length the one that is sent: a repeated or listed one is told once.
pub(super) fn settle_length(headers: &mut HeaderMap, length: Option<u64>) {
    let mut told = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = told.next() else { return };
    let settled = match length {
        // Chunked: whatever was announced beside it does not count (RFC 9112 §6.3).
        None => None,
        Some(_) if told.next().is_none() && first.as_bytes().iter().all(u8::is_ascii_digit) => {
            return;
        }
        Some(length) => Some(HeaderValue::from(length)),
    };
    match settled {
        Some(length) => headers.insert(header::CONTENT_LENGTH, length),
        None => headers.remove(header::CONTENT_LENGTH),
    };
}

/// The length the headers announce.
pub(super) fn told_length(headers: &HeaderMap) -> Option<u64> {
    let told = headers.get(header::CONTENT_LENGTH)?;
    told.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_a_known_visitor_gets_stays_out_of_shared_caches() {
        for (before, after) in [
            (&[][..], "private"),
            (&["private"][..], "private"),
            (&["max-age=0, Private"][..], "max-age=0, Private"),
            (&["no-store"][..], "no-store, private"),
            (&["public, max-age=60"][..], "max-age=60, private"),
            (
                &["max-age=60 , S-MaxAge=600,public"][..],
                "max-age=60, private",
            ),
            (&["public", "max-age=60"][..], "max-age=60, private"),
            (
                &["private=\"set-cookie, x\", no-cache"][..],
                "no-cache, private",
            ),
            (
                &["no-cache=\"a, public\", public"][..],
                "no-cache=\"a, public\", private",
            ),
            (&["s-maxage=1, private"][..], "private"),
        ] {
            let mut headers = with(header::CACHE_CONTROL, before);
            make_private(&mut headers);
            let all: Vec<_> = headers.get_all(header::CACHE_CONTROL).iter().collect();
            assert_eq!(all, [after], "{before:?}");
        }
    }

    #[test]
    fn an_app_cannot_set_our_cookies() {
        let mut headers = with(header::SET_COOKIE, &["a=1", "ours=2", "b=3", "ours=4"]);
        let dropped = drop_set_cookies(&mut headers, |value| value.as_bytes().starts_with(b"ours"));
        assert_eq!(dropped, 2);
        let left: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(left, ["a=1", "b=3"]);
        assert_eq!(drop_set_cookies(&mut headers, |_| false), 0);
    }

    fn app(host: &str, port: u16) -> AppAddress {
        let host = host.to_owned();
        AppAddress::Network { host, port }
    }

    #[test]
    fn a_location_is_the_apps_own_where_scheme_host_and_port_fit() {
        for (url, host, port, rest) in [
            ("http://app:8080/x?y#z", "app", 8080, Some("/x?y#z")),
            ("HTTP://APP:8080", "app", 8080, Some("")),
            ("http://app/x", "app", 80, Some("/x")),
            ("http://[::1]:8080/x", "::1", 8080, Some("/x")),
            ("http://[::1]/x", "[::1]", 80, Some("/x")),
            ("http://app:8081/x", "app", 8080, None),
            ("https://app:8080/x", "app", 8080, None),
            ("http://app:8080@evil/x", "app", 8080, None),
            ("http://app.evil:8080/x", "app", 8080, None),
            ("http://app:8080.evil/x", "app", 8080, None),
            ("/x", "app", 8080, None),
            ("//app:8080/x", "app", 8080, None),
            ("", "app", 8080, None),
        ] {
            assert_eq!(rest_after(url, &app(host, port)), rest, "{url}");
        }
    }

    #[test]
    fn a_length_is_told_once_and_never_beside_chunks() {
        for (told, length, after) in [
            (&["5"][..], Some(5), Some("5")),
            (&["5", "5"][..], Some(5), Some("5")),
            (&["5, 5"][..], Some(5), Some("5")),
            (&["5"][..], None, None),
            (&[][..], Some(5), None),
        ] {
            let mut headers = with(header::CONTENT_LENGTH, told);
            settle_length(&mut headers, length);
            let all: Vec<_> = headers.get_all(header::CONTENT_LENGTH).iter().collect();
            assert_eq!(all, after.into_iter().collect::<Vec<_>>(), "{told:?}");
        }
    }
}
