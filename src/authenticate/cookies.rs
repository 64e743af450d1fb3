//! Our cookies: their names, reading them, taking them out of forwarded requests, setting and clearing.

mod clearing;

use std::time::Duration;
use std::{fmt, str};

use http::header::{COOKIE, Entry};
use http::{HeaderMap, HeaderValue};

use crate::authenticate::CredentialError;
use crate::identity::Secret;
use crate::login::held_forms::KEPT_FOR;
use crate::login::{DeviceId, FormKey};
use crate::request::reserved::is_reserved_cookie;
use crate::request::{LanguageTag, Origin, Scheme};
use crate::session::{CsrfKey, Delivery, Tokens};
use crate::store::defences::DEVICE_KNOWN_FOR;

/// All cookies of a request together may have this many bytes.
const MOST_BYTES: usize = 16 * 1024;

/// How long a browser is told to keep the language that was chosen.
const LANGUAGE_KNOWN_FOR: Duration = Duration::from_hours(365 * 24);

/// The attributes of a cookie that is for one host, under https.
const ALONE: &str = "; Path=/; Secure; HttpOnly; SameSite=Lax";

/// The names and attributes of our cookies, which follow from `public_url`: `__Host-vestibule_access`,
/// `__Host-vestibule_refresh` and the like; without `__Host-` under plain http; with
/// `_PORT` at the end where the port is not the scheme's own, because cookies do not know ports. Where
/// the hosts of one domain share them, `__Secure-` stands in place of `__Host-`.
#[derive(Clone, Debug)]
pub struct Cookies {
    names: Names,
    attributes: Box<str>,
    /// Those of one host, which a browser may still hold from before they were shared.
    former: Option<Names>,
    /// What the value for scripts of our own pages is made with, where there is one.
    csrf_key: Option<CsrfKey>,
}

#[derive(Clone, Debug)]
struct Names {
    access: Box<str>,
    refresh: Box<str>,
    device: Box<str>,
    language: Box<str>,
    csrf: Box<str>,
    form: Box<str>,
}

/// The values of our cookies in one request. A value that is not text is given as the empty one,
/// which is no token either.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct CookiePair<'a> {
    /// The access cookie.
    pub access: Option<&'a str>,
    /// The refresh cookie.
    pub refresh: Option<&'a str>,
}

impl Cookies {
    /// The cookies under these public URLs (never empty; the first decides).
    pub fn new(public: &[Origin]) -> Self {
        public.first().map_or_else(
            || Self::named(Scheme::Https, None),
            |origin| Self::named(origin.scheme, origin.host.port()),
        )
    }

    /// The same, which all hosts of this domain share. Only under https.
    pub fn shared_in(self, domain: &str) -> Self {
        let shared = |name: &str| name.replacen("__Host-", "__Secure-", 1).into();
        Self {
            names: Names {
                access: shared(&self.names.access),
                refresh: shared(&self.names.refresh),
                device: shared(&self.names.device),
                language: shared(&self.names.language),
                csrf: shared(&self.names.csrf),
                form: shared(&self.names.form),
            },
            attributes: format!("; Domain={domain}{ALONE}").into(),
            former: Some(self.names),
            csrf_key: self.csrf_key,
        }
    }

    fn named(scheme: Scheme, port: Option<u16>) -> Self {
        let (prefix, attributes) = match scheme {
            Scheme::Https => ("__Host-", ALONE),
            Scheme::Http => ("", "; Path=/; HttpOnly; SameSite=Lax"),
        };
        let suffix = port
            .filter(|port| *port != scheme.default_port())
            .map_or_else(String::new, |port| format!("_{port}"));
        Self {
            names: Names {
                access: format!("{prefix}vestibule_access{suffix}").into(),
                refresh: format!("{prefix}vestibule_refresh{suffix}").into(),
                device: format!("{prefix}vestibule_device{suffix}").into(),
                language: format!("{prefix}vestibule_language{suffix}").into(),
                csrf: format!("{prefix}vestibule_csrf{suffix}").into(),
                form: format!("{prefix}vestibule_form{suffix}").into(),
            },
            attributes: attributes.into(),
            former: None,
            csrf_key: None,
        }
    }

    /// The same, which carry to scripts of our own pages what they must show.
    pub fn with_csrf(self, key: CsrfKey) -> Self {
        Self {
            csrf_key: Some(key),
            ..self
        }
    }

    /// The name of the cookie with that value. It is never read: what comes back in it proves nothing.
    pub fn csrf_name(&self) -> &str {
        &self.names.csrf
    }

    /// Whether a browser keeps them under https only.
    pub fn are_secure(&self) -> bool {
        self.attributes.contains("; Secure")
    }

    /// Reads ours from all `Cookie` fields together, by their exact names (RFC 6265 §4.2.1, without
    /// quoting). One of ours twice is refused: a browser cannot have set both.
    pub fn read<'a>(&self, headers: &'a HeaderMap) -> Result<CookiePair<'a>, CredentialError> {
        let mut pair = CookiePair::default();
        let mut bytes = 0;
        for field in headers.get_all(COOKIE) {
            bytes += field.len();
            if bytes > MOST_BYTES {
                return Err(CredentialError::TooLarge);
            }
            for (name, value) in field.as_bytes().split(|b| *b == b';').filter_map(parts) {
                let place = if name == self.names.access.as_bytes() {
                    &mut pair.access
                } else if name == self.names.refresh.as_bytes() {
                    &mut pair.refresh
                } else {
                    continue;
                };
                if place.replace(str::from_utf8(value).unwrap_or("")).is_some() {
                    return Err(CredentialError::Ambiguous("the same cookie came twice"));
                }
            }
        }
        Ok(pair)
    }

    /// What the browser is known by, where it says so once.
    pub fn device(&self, headers: &HeaderMap) -> Option<DeviceId> {
        DeviceId::parse(only(headers, &self.names.device)?)
    }

    /// What opens the forms that are kept for the browser, where it says so once.
    pub fn form_key(&self, headers: &HeaderMap) -> Option<FormKey> {
        FormKey::parse(only(headers, &self.names.form)?)
    }

    /// The `Set-Cookie` value that gives the browser the key of a form, for as long as that is kept.
    pub fn set_form_key(&self, key: &FormKey) -> HeaderValue {
        self.cookie(&self.names.form, &key.text(), Some(KEPT_FOR.as_secs()))
    }

    /// The `Set-Cookie` value by which the browser is known from now on. Signing out leaves it.
    pub fn set_device(&self, device: &DeviceId) -> HeaderValue {
        let seconds = DEVICE_KNOWN_FOR.as_secs();
        self.cookie(&self.names.device, &device.text(), Some(seconds))
    }

    /// The name of the cookie that keeps in which language pages are shown.
    pub fn language_name(&self) -> &str {
        &self.names.language
    }

    /// The `Set-Cookie` value by which pages are shown in this language from now on.
    pub fn set_language(&self, language: &LanguageTag) -> HeaderValue {
        let seconds = LANGUAGE_KNOWN_FOR.as_secs();
        let (name, attributes) = (&self.names.language, &self.attributes);
        field(format!("{name}={language}; Max-Age={seconds}{attributes}"))
    }

    /// Takes ours out of the `Cookie` fields and leaves all others byte for byte as they came.
    pub fn strip(&self, headers: &mut HeaderMap) {
        if !headers.get_all(COOKIE).iter().any(holds_ours) {
            return;
        }
        let Entry::Occupied(fields) = headers.entry(COOKIE) else {
            return;
        };
        let (name, fields) = fields.remove_entry_mult();
        let kept: Vec<HeaderValue> = fields.filter_map(without_ours).collect();
        for field in kept {
            headers.append(&name, field);
        }
    }

    /// The `Cookie` value of a browser that holds this access token and nothing else of ours.
    pub fn sent_with(&self, access: &str) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("{}={access}", self.names.access)).ok()
    }

    /// The `Cookie` value of a browser that holds both of ours.
    pub fn sent_with_both(&self, access: &str, refresh: &str) -> Option<HeaderValue> {
        let (own, other) = (&self.names.access, &self.names.refresh);
        HeaderValue::try_from(format!("{other}={refresh}; {own}={access}")).ok()
    }

    /// Whether an app's `Set-Cookie` value would set one of ours: then it is dropped.
    pub fn would_be_set_by(&self, set_cookie: &HeaderValue) -> bool {
        let pair = set_cookie.as_bytes().split(|b| *b == b';').next();
        pair.is_some_and(is_ours)
    }

    /// The `Set-Cookie` values that hand these tokens out, refresh cookie first: a client that is cut
    /// off between the two can still renew. `hybrid` sets the refresh cookie only, `token` none.
    pub fn set(&self, tokens: &Tokens) -> Vec<HeaderValue> {
        let keep = |ends| tokens.remember.then_some(ends);
        let refresh = |ends| self.cookie(&self.names.refresh, &tokens.refresh, keep(ends));
        let access = |ends| self.cookie(&self.names.access, &tokens.access.text, keep(ends));
        let refresh_ends = tokens.refresh_expires_at.since(tokens.issued_at).as_secs();
        let access_ends = tokens.access.expires_at.since(tokens.issued_at).as_secs();
        let mut cookies = match tokens.delivery {
            Delivery::Token => return Vec::new(),
            Delivery::Hybrid => vec![refresh(refresh_ends)],
            Delivery::Cookie => vec![refresh(refresh_ends), access(access_ends)],
        };
        if let Some(key) = &self.csrf_key {
            let token = key.token(tokens.session);
            let span = keep(refresh_ends);
            let attributes = readable(&self.attributes);
            cookies.push(written(&self.names.csrf, &token, span, &attributes));
        }
        cookies
    }

    fn cookie(&self, name: &str, token: &Secret<String>, seconds: Option<u64>) -> HeaderValue {
        written(name, token, seconds, &self.attributes)
    }
}

fn written(
    name: &str,
    value: &Secret<String>,
    seconds: Option<u64>,
    attributes: &str,
) -> HeaderValue {
    let value = value.expose();
    let mut field = match seconds {
        Some(seconds) => field(format!("{name}={value}; Max-Age={seconds}{attributes}")),
        None => field(format!("{name}={value}{attributes}")),
    };
    field.set_sensitive(true);
    field
}

/// Shows which cookies came, and nothing of them.
impl fmt::Debug for CookiePair<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookiePair")
            .field("access", &self.access.map(|_| "***"))
            .field("refresh", &self.refresh.map(|_| "***"))
            .finish()
    }
}

/// Name and value of one cookie, split at the first `=`. Quotes stay: no token has any.
fn parts(cookie: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut halves = cookie.splitn(2, |b| *b == b'=');
    Some((halves.next()?.trim_ascii(), halves.next()?.trim_ascii()))
}

/// The value of the cookie of this name, where it came once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = headers.get_all(COOKIE).iter();
    let cookies = fields.flat_map(|field| field.as_bytes().split(|b| *b == b';'));
    let mut values = cookies
        .filter_map(parts)
        .filter(|(other, _)| *other == name.as_bytes())
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => str::from_utf8(value).ok(),
        _ => None,
    }
}

fn holds_ours(field: &HeaderValue) -> bool {
    field.as_bytes().split(|b| *b == b';').any(is_ours)
}

/// Whether the name of this cookie is reserved. A cookie without name counts by its value, because
/// browsers send it back as the value alone.
fn is_ours(cookie: &[u8]) -> bool {
    let start = cookie
        .iter()
        .position(|b| !matches!(b, b' ' | b'\t' | b'='))
        .and_then(|start| cookie.get(start..))
        .unwrap_or_default();
    is_reserved_cookie(start)
}

/// The field without our cookies; `None` where nothing remains.
fn without_ours(field: HeaderValue) -> Option<HeaderValue> {
    if !holds_ours(&field) {
        return Some(field);
    }
    let kept: Vec<&[u8]> = field
        .as_bytes()
        .split(|b| *b == b';')
        .filter(|cookie| !is_ours(cookie))
        .collect();
    let kept = kept.join(&b';');
    let kept = kept.trim_ascii_start();
    (!kept.is_empty())
        .then(|| HeaderValue::from_bytes(kept).ok())
        .flatten()
}

/// The same for what scripts of our own pages read.
fn readable(attributes: &str) -> String {
    attributes.replace("; HttpOnly", "")
}

#[expect(
    clippy::expect_used,
    reason = "names, attributes and tokens are visible ASCII"
)]
fn field(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("our cookies are visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::identity::SessionId;
    use crate::session::access_token::Minted;

    fn https() -> Cookies {
        Cookies::named(Scheme::Https, None)
    }

    fn request(fields: &[&[u8]]) -> HeaderMap {
        fields
            .iter()
            .map(|field| (COOKIE, HeaderValue::from_bytes(field).unwrap()))
            .collect()
    }

    fn stripped(fields: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut headers = request(fields);
        https().strip(&mut headers);
        let left = headers.get_all(COOKIE).iter();
        left.map(|field| field.as_bytes().to_vec()).collect()
    }

    fn tokens(delivery: Delivery, remember: bool) -> Tokens {
        Tokens {
            access: Minted {
                text: Secret::new("A".to_owned()),
                expires_at: Timestamp::from_seconds(1300),
            },
            refresh: Secret::new("R".to_owned()),
            refresh_expires_at: Timestamp::from_seconds(2000),
            session: SessionId::from_bytes([0; 16]),
            generation: 1,
            claims_epoch: 1,
            session_epoch: 0,
            delivery,
            remember,
            issued_at: Timestamp::from_seconds(1000),
        }
    }

    #[test]
    fn the_names_follow_from_scheme_and_port() {
        for (scheme, port, access) in [
            (Scheme::Https, None, "__Host-vestibule_access"),
            (Scheme::Https, Some(443), "__Host-vestibule_access"),
            (Scheme::Https, Some(8443), "__Host-vestibule_access_8443"),
            (Scheme::Http, None, "vestibule_access"),
            (Scheme::Http, Some(8080), "vestibule_access_8080"),
        ] {
            assert_eq!(&*Cookies::named(scheme, port).names.access, access);
        }
    }

    #[test]
    fn all_hosts_of_a_domain_share_cookies_of_another_prefix() {
        let shared = Cookies::named(Scheme::Https, Some(8443)).shared_in("b.example");
        assert!(shared.are_secure() && !Cookies::named(Scheme::Http, None).are_secure());
        let set = shared.set(&tokens(Delivery::Cookie, false));
        let set: Vec<&str> = set.iter().map(|field| field.to_str().unwrap()).collect();
        let attributes = "; Domain=b.example; Path=/; Secure; HttpOnly; SameSite=Lax";
        assert_eq!(
            set,
            [
                format!("__Secure-vestibule_refresh_8443=R{attributes}"),
                format!("__Secure-vestibule_access_8443=A{attributes}"),
            ]
        );
        let cleared = shared.clear();
        let of = |start: &str, end: &str| {
            let texts = cleared.iter().map(|field| field.to_str().unwrap());
            texts
                .filter(|text| text.starts_with(start) && text.ends_with(end))
                .count()
        };
        assert_eq!((cleared.len(), of("__Secure-", attributes)), (6, 2));
        assert_eq!(of("__Secure-", &format!("GMT{ALONE}")), 2);
        assert_eq!(of("__Host-", &format!("GMT{ALONE}")), 2);
    }

    #[test]
    fn what_is_left_from_before_is_cleared_where_it_came() {
        let headers = request(&[
            b"__Host-vestibule_access=a; b=c",
            b"__Host-vestibule_device=d",
        ]);
        assert!(https().clear_former(&headers).is_empty());
        let cleared = https().shared_in("b.example").clear_former(&headers);
        let names = cleared
            .iter()
            .map(|field| field.to_str().unwrap().split('=').next());
        let names: Vec<&str> = names.flatten().collect();
        assert_eq!(
            names,
            ["__Host-vestibule_access", "__Host-vestibule_device"]
        );
    }

    #[test]
    fn what_others_set_along_a_path_is_cleared_and_nothing_of_ours() {
        let paths_of = |cookies: Cookies, path| {
            let cleared = cookies.clear_along(path);
            let texts = cleared.iter().map(|field| field.to_str().unwrap());
            let paths = texts.map(|text| text.split("; Path=").nth(1).unwrap());
            let mut paths: Vec<String> = paths
                .map(|rest| rest.split(';').next().unwrap().to_owned())
                .collect();
            let count = paths.len();
            paths.dedup();
            (paths.join(" "), count)
        };
        for (path, paths) in [
            ("/", ""),
            ("//", ""),
            ("/a", "/a /a/"),
            ("/a/", "/a /a/"),
            ("/a/b/c/d", "/a /a/ /a/b /a/b/ /a/b/c /a/b/c/"),
            ("/a;b/c", ""),
        ] {
            let (cleared, count) = paths_of(https(), path);
            assert_eq!(cleared, paths, "{path}");
            let (_, shared) = paths_of(https().shared_in("b.example"), path);
            assert_eq!(shared, 2 * count, "{path}");
        }
    }

    #[test]
    fn ours_are_read_from_all_fields_together() {
        let headers = request(&[
            b"a=1;__Host-vestibule_access \t=  tok=en\t; b=\xff",
            b"__Host-vestibule_refresh=r",
        ]);
        let pair = https().read(&headers).unwrap();
        assert_eq!(pair.access, Some("tok=en"));
        assert_eq!(pair.refresh, Some("r"));
    }

    #[test]
    fn names_are_read_exactly_and_quotes_stay() {
        for (field, access) in [
            ("__host-vestibule_access=x", None),
            ("__Host-vestibule_accesss=x", None),
            ("__Host-vestibule_access", None),
            ("=__Host-vestibule_access=x", None),
            ("$Version=1; __Host-vestibule_access=\"x\"", Some("\"x\"")),
            ("__Host-vestibule_access=", Some("")),
        ] {
            let headers = request(&[field.as_bytes()]);
            assert_eq!(https().read(&headers).unwrap().access, access, "{field}");
        }
        let headers = request(&[b"__Host-vestibule_access=\xff"]);
        assert_eq!(https().read(&headers).unwrap().access, Some(""));
    }

    #[test]
    fn the_same_cookie_twice_is_ambiguous() {
        let twice: [&[&[u8]]; 2] = [
            &[b"__Host-vestibule_access=a; __Host-vestibule_access=a"],
            &[b"__Host-vestibule_refresh=a", b"__Host-vestibule_refresh=b"],
        ];
        for fields in twice {
            let read = https().read(&request(fields)).unwrap_err();
            assert!(matches!(read, CredentialError::Ambiguous(_)));
        }
    }

    #[test]
    fn more_than_16_kib_are_too_large() {
        let half = vec![b'x'; MOST_BYTES / 2];
        let headers = request(&[&half, &half]);
        assert_eq!(https().read(&headers), Ok(CookiePair::default()));
        let headers = request(&[&half, &half, b"x"]);
        assert_eq!(https().read(&headers), Err(CredentialError::TooLarge));
    }

    #[test]
    fn the_app_sees_all_cookies_but_ours_byte_for_byte() {
        let cases: [(&[u8], &[u8]); 6] = [
            (b"a=1;  b=\xff;c", b"a=1;  b=\xff;c"),
            (b"a=1; __Host-vestibule_access=x; b=2", b"a=1; b=2"),
            (b"__HOST-VESTIBULE_access=x;b=2 ", b"b=2 "),
            (b"a=\"1\"; =__Host-vestibule_refresh=x", b"a=\"1\""),
            (
                b"vestibule_access_8080=x; my_vestibule_access=1",
                b"my_vestibule_access=1",
            ),
            (b"__Host-vestibule; a==", b"__Host-vestibule; a=="),
        ];
        for (before, after) in cases {
            assert_eq!(stripped(&[before]), [after], "{}", before.escape_ascii());
        }
    }

    #[test]
    fn a_field_with_nothing_left_is_dropped() {
        assert!(stripped(&[b" __Host-vestibule_access=x; __Host-vestibule_refresh"]).is_empty());
        assert_eq!(
            stripped(&[b"__Host-vestibule_access=x", b"b=2", b"c"]),
            [&b"b=2"[..], b"c"]
        );
    }

    #[test]
    fn an_app_cannot_set_ours() {
        for (set_cookie, ours) in [
            ("__Host-vestibule_access=x; Path=/", true),
            (" __hOST-vestibule_anything = x", true),
            ("__Secure-vestibule_access=x", true),
            ("vestibule_refresh_8080=x", true),
            ("=__Host-vestibule_access=x", true),
            ("__Host-vestibule_access", true),
            ("session=__Host-vestibule_access", false),
            ("vestibule=x; vestibule_access=x", false),
            ("", false),
        ] {
            let value = HeaderValue::from_static(set_cookie);
            assert_eq!(https().would_be_set_by(&value), ours, "{set_cookie}");
        }
    }

    #[test]
    fn cookies_last_as_long_as_their_tokens_where_the_person_is_remembered() {
        assert_eq!(
            https().set(&tokens(Delivery::Cookie, true)),
            [
                "__Host-vestibule_refresh=R; Max-Age=1000; Path=/; Secure; HttpOnly; SameSite=Lax",
                "__Host-vestibule_access=A; Max-Age=300; Path=/; Secure; HttpOnly; SameSite=Lax",
            ]
        );
        let plain = Cookies::named(Scheme::Http, Some(8080));
        assert_eq!(
            plain.set(&tokens(Delivery::Hybrid, false)),
            ["vestibule_refresh_8080=R; Path=/; HttpOnly; SameSite=Lax"]
        );
        assert!(https().set(&tokens(Delivery::Token, true)).is_empty());
    }

    #[test]
    fn clearing_repeats_the_attributes() {
        assert_eq!(
            https().clear()[1],
            "__Host-vestibule_access=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; \
             Path=/; Secure; HttpOnly; SameSite=Lax"
        );
    }
}
