//! Is a browser's session to be renewed before its request is decided? A table over both cookies.

use std::time::Duration;

use crate::authenticate::cookies::CookiePair;
use crate::authenticate::{Authenticator, Credentials};
use crate::clock::Timestamp;
use crate::identity::{Proof, SessionId, Visitor};
use crate::session::{RefreshToken, TokenSettings};

/// What an access cookie is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// None came.
    Missing,
    /// It is no good; of which session it was, where it is authentic.
    Useless(Option<SessionId>),
    /// It is good and ends soon.
    Ending(SessionId),
}

/// What is to become of a request's cookies.
#[derive(Debug)]
pub enum Renewal {
    /// The access cookie, or none, decides.
    Leave,
    /// This refresh token is to be presented first.
    Present(RefreshToken),
    /// The cookies are of two sessions, and neither is good: nobody is asking.
    Nobody,
}

/// | access cookie | refresh cookie of the same session | of another session |
/// |---|---|---|
/// | none, or not authentic | renew | |
/// | authentic and over or ended | renew | nobody |
/// | good, ends soon | renew | leave |
///
/// All else is left as it is: a good access cookie, a refresh cookie that is not authentic or of a
/// session that is known to have ended, a Bearer token.
fn judge(access: Access, refresh: RefreshToken) -> Renewal {
    match access {
        Access::Useless(Some(session)) if session != refresh.session => Renewal::Nobody,
        Access::Ending(session) if session != refresh.session => Renewal::Leave,
        Access::Missing | Access::Useless(_) | Access::Ending(_) => Renewal::Present(refresh),
    }
}

/// How long before its end an access cookie is renewed: the last fifth of its life, a minute at most.
fn ahead(settings: &TokenSettings) -> Duration {
    (settings.access_ttl / 5).min(Duration::from_mins(1))
}

impl Authenticator {
    /// What is to become of the cookies that made this visitor.
    pub fn renewal(
        &self,
        credentials: Credentials<'_>,
        visitor: &Visitor,
        now: Timestamp,
    ) -> Renewal {
        let Credentials::Cookies(CookiePair {
            access,
            refresh: Some(refresh),
        }) = credentials
        else {
            return Renewal::Leave;
        };
        let access = match visitor {
            Visitor::Known(known) => {
                let ends_soon = known.expires_at <= now + ahead(self.settings());
                if known.proof != Proof::Cookie || !ends_soon {
                    return Renewal::Leave;
                }
                Access::Ending(known.session)
            }
            Visitor::Unchecked => return Renewal::Leave,
            Visitor::Stranger => Access::Missing,
            Visitor::Refused(_) => Access::Useless(self.session_of(access)),
        };
        match RefreshToken::parse(refresh, &self.ring().now()) {
            Ok(refresh) if self.revocations().name(refresh.session) => match judge(access, refresh)
            {
                Renewal::Present(_) => Renewal::Leave,
                settled => settled,
            },
            Ok(refresh) => judge(access, refresh),
            Err(_) => Renewal::Leave,
        }
    }

    /// The session of an authentic access token, live or over.
    fn session_of(&self, access: Option<&str>) -> Option<SessionId> {
        let claims = self.authentic(access?).ok()?;
        Some(claims.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_when_a_refresh_cookie_is_presented() {
        let [own, other] = [1, 2].map(|byte| SessionId::from_bytes([byte; 16]));
        for (access, expected) in [
            (Access::Missing, "renew"),
            (Access::Useless(None), "renew"),
            (Access::Useless(Some(own)), "renew"),
            (Access::Useless(Some(other)), "nobody"),
            (Access::Ending(own), "renew"),
            (Access::Ending(other), "leave"),
        ] {
            let told = match judge(access, RefreshToken::first(own, [7; 32])) {
                Renewal::Leave => "leave",
                Renewal::Present(presented) if presented.session == own => "renew",
                Renewal::Present(_) => "another token",
                Renewal::Nobody => "nobody",
            };
            assert_eq!(told, expected, "{access:?}");
        }
    }

    #[test]
    fn short_lives_are_not_renewed_all_the_time() {
        for (access_ttl, expected) in [(30, 6), (300, 60), (3600, 60)] {
            let settings = TokenSettings {
                issuer: String::new(),
                audience: String::new(),
                access_ttl: Duration::from_secs(access_ttl),
                leeway: Duration::ZERO,
                flask_claims: false,
            };
            assert_eq!(ahead(&settings), Duration::from_secs(expected));
        }
    }
}
