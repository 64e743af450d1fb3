//! A browser's session is renewed on its way, to an app or to a page of ours, and the new cookies ride on
//! whatever answer follows.

use std::time::Duration;

use http::Response;
use http::header::SET_COOKIE;
use tokio::time::timeout;

use super::too_many_groups;
use crate::authenticate::{Credentials, Occasion, Outcome, RefreshError, Refreshed, Renewal};
use crate::clock::Timestamp;
use crate::gateway::Gateway;
use crate::identity::Visitor;
use crate::observe::Source;
use crate::policy::RevocationCheck;
use crate::proxy;
use crate::reply::Problem;
use crate::request::RequestFacts;
use crate::session::RefreshToken;

/// Whose access token is still good waits no longer for the next one.
const PATIENCE: Duration = Duration::from_millis(250);

/// What is done about the cookies of a request before it is decided, and who is asking if that is
/// nothing.
pub enum Cookies {
    /// They are left as they are.
    Decide(Visitor),
    /// The refresh cookie is presented first.
    Present(RefreshToken, Visitor),
}

/// Who is asking after their refresh cookie was presented.
pub struct Renewed {
    /// By their new access token, which is checked like any other; as before, where there is none.
    pub visitor: Visitor,
    /// When that was told.
    pub now: Timestamp,
    /// What came of it; `None` where they can do without and would have waited too long.
    pub riding: Option<Riding>,
}

/// New cookies that wait for an answer.
pub struct Riding {
    /// What came of the refresh token.
    pub outcome: Outcome,
    /// When it was presented.
    pub presented_at: Timestamp,
}

/// Looks at the cookies that made this visitor.
pub fn look(
    gateway: &Gateway,
    found: Credentials<'_>,
    visitor: Visitor,
    now: Timestamp,
) -> Cookies {
    match gateway.authenticator.renewal(found, &visitor, now) {
        Renewal::Leave => Cookies::Decide(visitor),
        Renewal::Nobody => Cookies::Decide(Visitor::Stranger),
        Renewal::Present(presented) => Cookies::Present(presented, visitor),
    }
}

/// Presents a refresh cookie. `otherwise` is who is asking if nothing is renewed, as of `presented_at`.
/// A problem where they can get no token.
pub async fn renew(
    gateway: &Gateway,
    facts: &RequestFacts,
    presented: RefreshToken,
    (otherwise, presented_at): (Visitor, Timestamp),
    check: RevocationCheck,
) -> Result<Renewed, Box<Problem>> {
    let Some(outcome) = present(gateway, facts, presented, &otherwise).await else {
        return Ok(Renewed {
            visitor: otherwise,
            now: presented_at,
            riding: None,
        });
    };
    let now = gateway.clock.now();
    let visitor = match &*outcome {
        Ok(Refreshed::Tokens(tokens, _)) => {
            let token = tokens.access.text.expose();
            gateway.authenticator.renewed(token, check, now)
        }
        Ok(Refreshed::Refused { .. } | Refreshed::NotOnTheWay | Refreshed::WrongType) => otherwise,
        Err(_) if matches!(otherwise, Visitor::Known(_)) => otherwise,
        Err(RefreshError::TooLarge(error)) => return Err(too_many_groups(error)),
        Err(_) => Visitor::Unchecked,
    };
    let riding = Riding {
        outcome,
        presented_at,
    };
    Ok(Renewed {
        visitor,
        now,
        riding: Some(riding),
    })
}

/// The outcome of the exchange; `None` where whoever asks can do without and would wait too long.
async fn present(
    gateway: &Gateway,
    facts: &RequestFacts,
    presented: RefreshToken,
    otherwise: &Visitor,
) -> Option<Outcome> {
    let source = Source::of(facts);
    let refresher = &gateway.refresher;
    let exchange = refresher.present(presented, Occasion::OnTheWay, &source);
    match otherwise {
        Visitor::Known(_) => timeout(PATIENCE, exchange).await.ok(),
        Visitor::Stranger | Visitor::Refused(_) | Visitor::Unchecked => Some(exchange.await),
    }
}

impl Riding {
    /// Sets the cookies, unless newer ones are known by now or the session has ended: to be done when
    /// the head of the answer goes out, and not before.
    pub fn arrive<B>(&self, gateway: &Gateway, response: &mut Response<B>) {
        let Ok(Refreshed::Tokens(tokens, judged)) = &*self.outcome else {
            return;
        };
        let refresher = &gateway.refresher;
        if !refresher.may_set(tokens, &judged.user, self.presented_at) {
            return;
        }
        let headers = response.headers_mut();
        for cookie in gateway.cookies.set(tokens) {
            headers.append(SET_COOKIE, cookie);
        }
        proxy::forbid_storing(headers);
    }
}
