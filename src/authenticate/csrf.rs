//! May another site have sent what came with our cookies? The judge with the keys in hand, and the words
//! for whoever has to find out why.

use http::{HeaderName, StatusCode};

use crate::identity::{Secret, SessionId};
use crate::policy::{CsrfSettings, Sender, Sent, Suspicion, csrf};
use crate::reply::{Detail, Problem};
use crate::request::RequestFacts;
use crate::session::CsrfKey;

/// Judges what came with cookies, and makes what our own pages show.
#[derive(Clone, Debug)]
pub struct CsrfGuard {
    settings: CsrfSettings,
    key: CsrfKey,
    /// Which cookie holds the value of a session.
    cookie: Box<str>,
}

impl CsrfGuard {
    /// By these settings. `cookie` holds the value of a session.
    pub fn new(settings: CsrfSettings, key: CsrfKey, cookie: &str) -> Self {
        Self {
            settings,
            key,
            cookie: cookie.into(),
        }
    }

    /// Judges a request that lives by the cookies of one of these sessions; of none where it is a sign-in,
    /// or nothing in the cookies is authentic.
    ///
    /// # Errors
    /// Why another site may have sent it.
    pub fn judge(
        &self,
        sent: &Sent<'_>,
        facts: &RequestFacts,
        sessions: &[SessionId],
    ) -> Result<(), Suspicion> {
        let is_one_of_theirs = |value: &[u8]| {
            let mut sessions = sessions.iter();
            sessions.any(|session| self.key.proves(value, *session))
        };
        let proves = (!sessions.is_empty()).then_some(is_one_of_theirs);
        csrf::judge(sent, &self.settings, || facts.origin(), proves)
    }

    /// What pages of this session show; `None` where nobody asks for it.
    pub fn token(&self, session: SessionId) -> Option<Secret<String>> {
        let asks = self.settings.asks_for_token();
        asks.then(|| self.key.token(session))
    }

    /// The header in which it comes; `None` where nobody asks for it.
    pub fn header(&self) -> Option<&HeaderName> {
        let asks = self.settings.asks_for_token();
        asks.then_some(&self.settings.header)
    }

    /// 403 for a request that another site may have sent: what was seen, and what to do about it.
    pub fn problem(&self, suspicion: &Suspicion) -> Problem {
        let (seen, remedy) = (self.seen(suspicion), self.remedy(suspicion));
        let problem = Problem::new(
            StatusCode::FORBIDDEN,
            "csrf_rejected",
            format!(
                "The request seems to come from another site, and nothing was done: {seen}. {remedy}"
            ),
        );
        let problem = problem.varying_by("Sec-Fetch-Site, Origin");
        match suspicion {
            Suspicion::WrongToken => problem.about(Detail::OtherToken),
            _ => problem,
        }
    }

    /// What of the request spoke against it. Of what was sent, it holds parsed origins only.
    pub fn seen(&self, suspicion: &Suspicion) -> String {
        let header = &self.settings.header;
        match suspicion {
            Suspicion::Site(site, sender) => format!(
                "Sec-Fetch-Site is {site}, and Origin {}",
                named(sender, "which is not in csrf.trusted_origins")
            ),
            Suspicion::StrangeSite => "Sec-Fetch-Site has no value that is known".to_owned(),
            Suspicion::Origin(sender, own) => {
                let not = match own {
                    Some(own) => format!("which is neither {own} nor in csrf.trusted_origins"),
                    None => "which is not in csrf.trusted_origins".to_owned(),
                };
                format!("Origin {}", named(sender, &not))
            }
            Suspicion::Referer(sender) => format!(
                "Sec-Fetch-Site and Origin are missing, and Referer {}",
                named(sender, "which is not this site")
            ),
            Suspicion::Silence => "Sec-Fetch-Site, Origin and Referer are all missing".to_owned(),
            Suspicion::NoToken => format!("{header} is missing"),
            Suspicion::WrongToken => format!("{header} does not hold the value of this session"),
        }
    }

    fn remedy(&self, suspicion: &Suspicion) -> String {
        const OTHERS: &str = "Send it from this site's own pages or with a Bearer token, or add the \
                              other site to csrf.trusted_origins.";
        match suspicion {
            Suspicion::NoToken | Suspicion::WrongToken => format!(
                "This site's own pages send there what the cookie {} holds (csrf.mode); programs \
                 send a Bearer token.",
                self.cookie
            ),
            Suspicion::Silence => {
                "Browsers say where a request comes from; programs send Origin, or \
                                   a Bearer token."
                    .to_owned()
            }
            Suspicion::Origin(Sender::Origin(sender), Some(own))
                if sender.host.name() == own.host.name() =>
            {
                "If both are this site, say how people reach it: in server.public_url, or in \
                 server.trusted_proxies where a proxy ends TLS."
                    .to_owned()
            }
            Suspicion::Site(..)
            | Suspicion::StrangeSite
            | Suspicion::Origin(..)
            | Suspicion::Referer(_) => OTHERS.to_owned(),
        }
    }
}

fn named(sender: &Sender, not: &str) -> String {
    match sender {
        Sender::Absent => "is missing".to_owned(),
        Sender::Nobody => "names no site".to_owned(),
        Sender::Origin(origin) => format!("is {origin}, {not}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{CsrfMode, TrustedOrigins};
    use crate::request::Origin;

    fn guard(mode: CsrfMode) -> CsrfGuard {
        let settings = CsrfSettings {
            mode,
            header: HeaderName::from_static("x-csrf-token"),
            trusted_origins: TrustedOrigins::default(),
        };
        let key = CsrfKey::new(&Secret::new([1; 32]));
        CsrfGuard::new(settings, key, "__Host-vestibule_csrf")
    }

    #[test]
    fn each_refusal_says_what_was_seen_and_what_to_do() {
        let origin = |text| Sender::Origin(Origin::parse(text).unwrap());
        let own = || Origin::parse("http://app.example");
        let evil = || origin("https://evil.example");
        for (suspicion, seen, remedy) in [
            (
                Suspicion::Site("cross-site", evil()),
                "Sec-Fetch-Site is cross-site, and Origin is https://evil.example, which is not in \
                 csrf.trusted_origins. ",
                "add the other site to csrf.trusted_origins.",
            ),
            (
                Suspicion::Site("same-site", Sender::Absent),
                "Sec-Fetch-Site is same-site, and Origin is missing. ",
                "csrf.trusted_origins.",
            ),
            (
                Suspicion::Origin(evil(), own()),
                "Origin is https://evil.example, which is neither http://app.example nor in \
                 csrf.trusted_origins. ",
                "csrf.trusted_origins.",
            ),
            (
                Suspicion::Origin(origin("https://app.example"), own()),
                "Origin is https://app.example, which is neither http://app.example",
                "server.trusted_proxies where a proxy ends TLS.",
            ),
            (
                Suspicion::Origin(Sender::Nobody, None),
                "Origin names no site. ",
                "csrf.trusted_origins.",
            ),
            (
                Suspicion::Referer(evil()),
                "Referer is https://evil.example, which is not this site. ",
                "csrf.trusted_origins.",
            ),
            (
                Suspicion::Silence,
                "are all missing. ",
                "programs send Origin",
            ),
            (
                Suspicion::NoToken,
                "x-csrf-token is missing. ",
                "the cookie __Host-vestibule_csrf holds",
            ),
            (
                Suspicion::WrongToken,
                "x-csrf-token does not hold the value of this session. ",
                "csrf.mode",
            ),
        ] {
            let problem = guard(CsrfMode::Both).problem(&suspicion);
            let told = &*problem.description;
            assert!(told.contains(seen) && told.contains(remedy), "{told}");
            assert_eq!(problem.code, "csrf_rejected");
            assert_eq!(problem.vary, Some("Sec-Fetch-Site, Origin"));
        }
    }

    #[test]
    fn a_session_has_a_value_only_where_one_is_asked_for() {
        let session = SessionId::from_bytes([2; 16]);
        for (mode, is_asked) in [
            (CsrfMode::FetchMetadata, false),
            (CsrfMode::DoubleSubmit, true),
            (CsrfMode::Both, true),
        ] {
            let guard = guard(mode);
            assert_eq!(guard.token(session).is_some(), is_asked);
            assert_eq!(guard.header().is_some(), is_asked);
        }
    }
}
