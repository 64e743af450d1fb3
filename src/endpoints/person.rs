//! Who asks for a page of their own? A browser's session is renewed on the way, as on the way to an app.

use http::header::{HeaderMap, HeaderValue};

use super::forged::{Cookied, refuse_forged};
use super::renewing::{self, Cookies, Renewed, Riding};
use super::{ALL_CREDENTIALS, Answer, sign_in_problem};
use crate::authenticate::{CredentialError, Credentials, credential_problem, credentials};
use crate::gateway::Gateway;
use crate::identity::{Known, Proof, Refused, Visitor};
use crate::policy::{RevocationCheck, Sent};
use crate::reply::{Problem, see_other};
use crate::request::RequestFacts;

/// Somebody who is signed in, and what the answer to them must bring.
pub(super) struct Person {
    pub(super) known: Known,
    pub(super) riding: Option<Riding>,
}

/// The person, or the answer to whoever is nobody: a navigation is sent to the sign-in page and comes
/// back to `page`. What changes something must not have been sent by another site: that is judged
/// before anything is renewed.
pub(super) async fn person(
    gateway: &Gateway,
    facts: &RequestFacts,
    sent: &Sent<'_>,
    page: &str,
) -> Result<Person, Answer> {
    let headers = sent.headers;
    let profile = gateway.config.profile;
    let found = match credentials(headers, ALL_CREDENTIALS, &gateway.cookies, profile) {
        Ok(found) => found,
        // A person, with cookies that somebody else set: the sign-in page clears them.
        Err(CredentialError::Ambiguous(_)) if facts.wants.redirect => {
            return Err(sign_in(gateway, facts, headers, Visitor::Stranger, page));
        }
        Err(error) => return Err(Err(Box::new(credential_problem(error)))),
    };
    let (visitor, riding) = renewed(gateway, facts, sent, found).await.map_err(Err)?;
    match visitor {
        Visitor::Known(known) => Ok(Person { known, riding }),
        nobody => Err(sign_in(gateway, facts, headers, nobody, page)),
    }
}

/// Who is asking; where their access cookie is no good any more, their refresh cookie is asked.
async fn renewed(
    gateway: &Gateway,
    facts: &RequestFacts,
    sent: &Sent<'_>,
    found: Credentials<'_>,
) -> Result<(Visitor, Option<Riding>), Box<Problem>> {
    let (check, now) = (RevocationCheck::Local, gateway.clock.now());
    let visitor = gateway.authenticator.visitor(found, check, now);
    let cookies = renewing::look(gateway, found, visitor, now);
    if let Credentials::Cookies(_) = found {
        let (session, known) = match &cookies {
            Cookies::Decide(Visitor::Known(known)) | Cookies::Present(_, Visitor::Known(known)) => {
                (Some(known.session), Some(known))
            }
            Cookies::Present(presented, _) => (Some(presented.session), None),
            Cookies::Decide(_) => (None, None),
        };
        let sessions = session.as_slice();
        refuse_forged(gateway, facts, sent, Cookied { sessions, known })?;
    }
    let (presented, otherwise) = match cookies {
        Cookies::Decide(visitor) | Cookies::Present(_, visitor @ Visitor::Known(_)) => {
            return Ok((visitor, None));
        }
        Cookies::Present(presented, otherwise) => (presented, otherwise),
    };
    let renewed = renewing::renew(gateway, facts, presented, (otherwise, now), check);
    let Renewed {
        visitor, riding, ..
    } = renewed.await?;
    Ok((visitor, riding))
}

/// A navigation goes to the sign-in page; everybody else is told. Whoever sent a Bearer token is a
/// program and is told what is wrong with it.
fn sign_in(
    gateway: &Gateway,
    facts: &RequestFacts,
    headers: &HeaderMap,
    nobody: Visitor,
    page: &str,
) -> Answer {
    let login_url = gateway.config.server.prefix.sign_in_page(page);
    let by_cookie = match nobody {
        Visitor::Refused(Refused { proof, .. }) => proof == Proof::Cookie,
        Visitor::Stranger => true,
        Visitor::Known(_) | Visitor::Unchecked => false,
    };
    match HeaderValue::from_str(&login_url) {
        Ok(location) if by_cookie && facts.wants.redirect => Ok(see_other(location)),
        _ => Err(sign_in_problem(headers, nobody, login_url)),
    }
}
