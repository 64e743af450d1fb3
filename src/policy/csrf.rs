//! Did the person mean to send this? Judged for credentials that browsers send unasked: by
//! `Sec-Fetch-Site` (W3C Fetch Metadata), else by `Origin` (RFC 6454), else by `Referer`; and, where that
//! is asked for, by a value that only pages of ours can know (signed double submit).

use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER};

use crate::request::Origin;

/// Origins besides the request's own that may send state-changing requests (`csrf.trusted_origins`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedOrigins(pub Vec<Origin>);

/// `[csrf]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsrfSettings {
    /// By what it is judged.
    pub mode: CsrfMode,
    /// The header in which pages send the value of their session, where one is asked for.
    pub header: HeaderName,
    /// Who else may send.
    pub trusted_origins: TrustedOrigins,
}

/// By what a request that changes something is judged (`csrf.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CsrfMode {
    /// By what the browser says of where it comes from.
    #[default]
    FetchMetadata,
    /// By the value of its session, where nothing names somebody else.
    DoubleSubmit,
    /// By the value of its session, where something says that it comes from our pages.
    Both,
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// Its method.
    pub method: &'a Method,
    /// It asks for a tunnel, and a page cannot give it headers.
    pub is_websocket: bool,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The value of its session in a form of our own pages, which cannot give it headers either.
    pub in_form: Option<&'a str>,
}

/// Why it may not have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// `Sec-Fetch-Site` says `same-site` or `cross-site`, and `Origin` names nobody who is trusted.
    Site(&'static str, Sender),
    /// `Sec-Fetch-Site` comes twice or says what nobody knows.
    StrangeSite,
    /// `Origin` names neither the request's own, which is given where there is one, nor one who is
    /// trusted.
    Origin(Sender, Option<Origin>),
    /// `Referer` names another origin than the request's own.
    Referer(Sender),
    /// Nothing says where it comes from.
    Silence,
    /// The value of its session is missing.
    NoToken,
    /// It comes twice, or is another.
    WrongToken,
}

/// Whom `Origin` or `Referer` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// It is not there.
    Absent,
    /// It comes twice, is `null`, or no origin.
    Nobody,
    /// This one.
    Origin(Origin),
}

impl CsrfSettings {
    /// Whether sessions have a value for their pages.
    pub const fn asks_for_token(&self) -> bool {
        match self.mode {
            CsrfMode::FetchMetadata => false,
            CsrfMode::DoubleSubmit | CsrfMode::Both => true,
        }
    }
}

impl Suspicion {
    /// Whether it is about the value of the session.
    pub const fn is_about_token(&self) -> bool {
        matches!(self, Self::NoToken | Self::WrongToken)
    }
}

/// Whether requests of this method are safe (RFC 9110 §9.2.1).
pub fn changes_nothing(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}

/// Judges a request. `own` gives its own origin. `proves` says whether a value is that of the session
/// that asks; where there is no session, and for tunnels, where it comes from alone counts.
///
/// # Errors
/// Why another site may have sent it.
pub fn judge(
    sent: &Sent<'_>,
    settings: &CsrfSettings,
    own: impl FnOnce() -> Option<Origin>,
    proves: Option<impl FnOnce(&[u8]) -> bool>,
) -> Result<(), Suspicion> {
    if changes_nothing(sent.method) && !sent.is_websocket {
        return Ok(());
    }
    let proves = proves.filter(|_| settings.asks_for_token() && !sent.is_websocket);
    let from = comes_from_us(sent.headers, own, &settings.trusted_origins);
    match (from, proves) {
        // Whoever names somebody else is refused, whatever they show: others may have read it.
        (Err(Suspicion::Silence), Some(proves)) if settings.mode == CsrfMode::DoubleSubmit => {
            shows_token(sent, &settings.header, proves)
        }
        (Ok(()), Some(proves)) => shows_token(sent, &settings.header, proves),
        (from, _) => from,
    }
}

fn comes_from_us(
    headers: &HeaderMap,
    own: impl FnOnce() -> Option<Origin>,
    trusted: &TrustedOrigins,
) -> Result<(), Suspicion> {
    let site = match one(headers, "sec-fetch-site") {
        Field::Once(b"same-origin" | b"none") => return Ok(()),
        Field::Once(b"same-site") => "same-site",
        Field::Once(b"cross-site") => "cross-site",
        Field::Absent => return is_sent_from(headers, own(), trusted),
        Field::Once(_) | Field::Repeated => return Err(Suspicion::StrangeSite),
    };
    match one(headers, ORIGIN.as_str()).sender() {
        Sender::Origin(sender) if trusted.0.contains(&sender) => Ok(()),
        sender => Err(Suspicion::Site(site, sender)),
    }
}

/// For browsers without fetch metadata: `Origin`, and where that is missing, too, `Referer`.
fn is_sent_from(
    headers: &HeaderMap,
    own: Option<Origin>,
    trusted: &TrustedOrigins,
) -> Result<(), Suspicion> {
    match one(headers, ORIGIN.as_str()).sender() {
        Sender::Absent => match one(headers, REFERER.as_str()).sender() {
            Sender::Absent => Err(Suspicion::Silence),
            Sender::Origin(referer) if own.as_ref() == Some(&referer) => Ok(()),
            referer => Err(Suspicion::Referer(referer)),
        },
        Sender::Origin(sender) if own.as_ref() == Some(&sender) || trusted.0.contains(&sender) => {
            Ok(())
        }
        sender => Err(Suspicion::Origin(sender, own)),
    }
}

/// The header decides where it is there, else the form.
fn shows_token(
    sent: &Sent<'_>,
    header: &HeaderName,
    proves: impl FnOnce(&[u8]) -> bool,
) -> Result<(), Suspicion> {
    let shown = match (one(sent.headers, header.as_str()), sent.in_form) {
        (Field::Once(value), _) => value,
        (Field::Absent, Some(value)) => value.as_bytes(),
        (Field::Absent, None) => return Err(Suspicion::NoToken),
        (Field::Repeated, _) => return Err(Suspicion::WrongToken),
    };
    if proves(shown) {
        Ok(())
    } else {
        Err(Suspicion::WrongToken)
    }
}

/// A field that must not come twice.
#[derive(Clone, Copy)]
enum Field<'a> {
    Absent,
    Once(&'a [u8]),
    Repeated,
}

fn one<'a>(headers: &'a HeaderMap, name: &str) -> Field<'a> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    match (values.next(), values.next()) {
        (None, _) => Field::Absent,
        (Some(value), None) => Field::Once(value),
        (Some(_), Some(_)) => Field::Repeated,
    }
}

impl Field<'_> {
    fn sender(self) -> Sender {
        match self {
            Self::Absent => Sender::Absent,
            Self::Once(value) => origin_of(value).map_or(Sender::Nobody, Sender::Origin),
            Self::Repeated => Sender::Nobody,
        }
    }
}

/// The origin of an address, whatever path follows; `None` for `null` and the like.
fn origin_of(value: &[u8]) -> Option<Origin> {
    let address = std::str::from_utf8(value).ok()?;
    let authority = address.find("://")? + "://".len();
    let length = address.get(authority..)?.find(['/', '?', '#']);
    let end = length.map_or(address.len(), |length| authority + length);
    Origin::parse(address.get(..end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

    fn settings(mode: CsrfMode) -> CsrfSettings {
        CsrfSettings {
            mode,
            header: TOKEN,
            trusted_origins: TrustedOrigins(vec![origin("https://friend.example")]),
        }
    }

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap()
    }

    /// Judged where the session's value is `right`.
    fn judged(
        (mode, form): (CsrfMode, Option<&str>),
        method: Method,
        is_websocket: bool,
        fields: &[(&'static str, &str)],
    ) -> Result<(), Suspicion> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let sent = Sent {
            method: &method,
            is_websocket,
            headers: &headers,
            in_form: form,
        };
        let own = || Some(origin("https://app.example"));
        let proves = |value: &[u8]| value == b"right";
        judge(&sent, &settings(mode), own, Some(proves))
    }

    fn passes(method: Method, is_websocket: bool, fields: &[(&'static str, &str)]) -> bool {
        judged(
            (CsrfMode::FetchMetadata, None),
            method,
            is_websocket,
            fields,
        )
        .is_ok()
    }

    #[test]
    fn reading_is_always_meant() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
            assert!(passes(method, false, &[("sec-fetch-site", "cross-site")]));
        }
    }

    #[test]
    fn a_tunnel_and_every_other_method_are_judged() {
        assert!(!passes(
            Method::GET,
            true,
            &[("origin", "https://evil.example")]
        ));
        assert!(passes(
            Method::GET,
            true,
            &[("origin", "https://app.example")]
        ));
        for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get", "X"] {
            let method: Method = method.parse().unwrap();
            assert!(!passes(method, false, &[]));
        }
    }

    #[test]
    fn our_own_pages_and_trusted_ones_may_send() {
        const APP: (&str, &str) = ("origin", "https://app.example");
        const FRIEND: (&str, &str) = ("origin", "https://friend.example");
        for fields in [
            &[("sec-fetch-site", "same-origin")][..],
            &[("sec-fetch-site", "same-origin"), APP],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-site"), FRIEND],
            &[("sec-fetch-site", "cross-site"), FRIEND],
            &[APP],
            &[FRIEND],
            &[("origin", "https://app.example:443")],
            &[("referer", "https://app.example/a?b=https://evil.example")],
            &[("referer", "https://app.example")],
        ] {
            assert!(passes(Method::POST, false, fields), "{fields:?}");
        }
    }

    #[test]
    fn nobody_else_may() {
        const SAME_SITE: (&str, &str) = ("sec-fetch-site", "same-site");
        for fields in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[SAME_SITE],
            &[SAME_SITE, ("origin", "https://other.app.example")],
            &[
                SAME_SITE,
                ("origin", "https://friend.example"),
                ("origin", "https://a.example"),
            ],
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[("sec-fetch-site", "Same-Origin")],
            &[("sec-fetch-site", "")],
            &[("origin", "null")],
            &[("origin", "null"), ("referer", "https://app.example/")],
            &[("origin", "http://app.example")],
            &[("origin", "https://app.example:8443")],
            &[("origin", "https://app.example.evil.example")],
            &[
                ("origin", "https://app.example"),
                ("origin", "https://app.example"),
            ],
            &[("referer", "https://evil.example/https://app.example/")],
            &[("referer", "https://app.example@evil.example/")],
            &[("referer", "https://app.example\\@evil.example/")],
            &[("referer", "/a")],
            &[("referer", "https://friend.example/")],
        ] {
            assert!(!passes(Method::POST, false, fields), "{fields:?}");
        }
    }

    #[test]
    fn without_an_origin_of_its_own_a_request_matches_none() {
        let mut headers = HeaderMap::new();
        let judge = |headers: &HeaderMap| {
            let sent = Sent {
                method: &Method::POST,
                is_websocket: false,
                headers,
                in_form: None,
            };
            let settings = settings(CsrfMode::FetchMetadata);
            judge(&sent, &settings, || None, None::<fn(&[u8]) -> bool>)
        };
        assert_eq!(judge(&headers), Err(Suspicion::Silence));
        headers.insert("referer", HeaderValue::from_static("not an address"));
        let suspicion = Suspicion::Referer(Sender::Nobody);
        assert_eq!(judge(&headers), Err(suspicion));
    }

    #[test]
    fn what_was_seen_is_told() {
        let evil = || Sender::Origin(origin("https://evil.example"));
        let own = || Some(origin("https://app.example"));
        const EVIL: (&str, &str) = ("origin", "https://EVIL.example:443");
        for (fields, suspicion) in [
            (&[][..], Suspicion::Silence),
            (&[EVIL], Suspicion::Origin(evil(), own())),
            (
                &[("origin", "null")],
                Suspicion::Origin(Sender::Nobody, own()),
            ),
            (
                &[("referer", "https://evil.example/a")],
                Suspicion::Referer(evil()),
            ),
            (
                &[("sec-fetch-site", "cross-site"), EVIL],
                Suspicion::Site("cross-site", evil()),
            ),
            (
                &[("sec-fetch-site", "same-site")],
                Suspicion::Site("same-site", Sender::Absent),
            ),
            (&[("sec-fetch-site", "new")], Suspicion::StrangeSite),
        ] {
            let mode = (CsrfMode::FetchMetadata, None);
            let told = judged(mode, Method::POST, false, fields);
            assert_eq!(told, Err(suspicion), "{fields:?}");
        }
    }

    #[test]
    fn each_mode_asks_for_what_it_says() {
        const OURS: (&str, &str) = ("sec-fetch-site", "same-origin");
        const ANOTHER: (&str, &str) = ("sec-fetch-site", "cross-site");
        const RIGHT: (&str, &str) = ("x-csrf-token", "right");
        const WRONG: (&str, &str) = ("x-csrf-token", "wrong");
        let modes = [
            CsrfMode::FetchMetadata,
            CsrfMode::DoubleSubmit,
            CsrfMode::Both,
        ];
        for (fields, form, expected) in [
            (&[][..], None, ["silence", "none", "silence"]),
            (&[OURS], None, ["good", "none", "none"]),
            (&[OURS, RIGHT], None, ["good", "good", "good"]),
            (&[OURS, WRONG], None, ["good", "wrong", "wrong"]),
            (&[OURS, RIGHT, RIGHT], None, ["good", "wrong", "wrong"]),
            (&[OURS], Some("right"), ["good", "good", "good"]),
            (&[OURS], Some("wrong"), ["good", "wrong", "wrong"]),
            (&[OURS, WRONG], Some("right"), ["good", "wrong", "wrong"]),
            (&[RIGHT], None, ["silence", "good", "silence"]),
            (&[ANOTHER, RIGHT], None, ["site", "site", "site"]),
        ] {
            let told = modes.map(
                |mode| match judged((mode, form), Method::POST, false, fields) {
                    Ok(()) => "good",
                    Err(Suspicion::Silence) => "silence",
                    Err(Suspicion::NoToken) => "none",
                    Err(Suspicion::WrongToken) => "wrong",
                    Err(_) => "site",
                },
            );
            assert_eq!(told, expected, "{fields:?} {form:?}");
        }
    }

    #[test]
    fn reading_and_tunnels_need_no_value() {
        for mode in [CsrfMode::DoubleSubmit, CsrfMode::Both] {
            let judged =
                |is_websocket, fields| judged((mode, None), Method::GET, is_websocket, fields);
            assert!(judged(false, &[]).is_ok());
            assert!(judged(true, &[("origin", "https://app.example")]).is_ok());
            let evil = [
                ("origin", "https://evil.example"),
                ("x-csrf-token", "right"),
            ];
            assert!(judged(true, &evil).is_err());
        }
    }

    #[test]
    fn where_there_is_no_session_where_it_comes_from_counts() {
        for mode in [CsrfMode::DoubleSubmit, CsrfMode::Both] {
            for (site, passes) in [("same-origin", true), ("cross-site", false)] {
                let mut headers = HeaderMap::new();
                headers.insert("sec-fetch-site", HeaderValue::from_static(site));
                let sent = Sent {
                    method: &Method::POST,
                    is_websocket: false,
                    headers: &headers,
                    in_form: None,
                };
                let told = judge(&sent, &settings(mode), || None, None::<fn(&[u8]) -> bool>);
                assert_eq!(told.is_ok(), passes);
            }
        }
    }
}
