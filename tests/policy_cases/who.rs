//! Who sends the request of a case: as a visitor of the rules, and as an asker of `vestibule explain`.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};
use serde::Deserialize;
use vestibule::clock::Timestamp;
use vestibule::gate::explain::{Asker, Explainer, SessionState};
use vestibule::identity::{
    GroupName, Identity, Known, PasswordTerm, Proof, Reason, Refused, SessionId, User, UserId,
    UserName, Visitor,
};

use crate::{NOW, Outcome, span};

#[derive(Default, Deserialize)]
#[serde(untagged)]
pub(crate) enum Who {
    #[default]
    Stranger,
    User(KnownText),
    Refused(RefusedText),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownText {
    pub(crate) user: UserName,
    #[serde(default)]
    pub(crate) groups: Vec<GroupName>,
    /// Such as `"20m"`; without it, just now.
    pub(crate) signed_in_ago: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefusedText {
    pub(crate) refused: ReasonWord,
    pub(crate) by: ProofWord,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReasonWord {
    Invalid,
    Expired,
    Revoked,
    WrongType,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProofWord {
    Bearer,
    Cookie,
}

impl Who {
    pub(crate) fn visitor(&self) -> Outcome<Visitor> {
        Ok(match self {
            Self::Stranger => Visitor::Stranger,
            Self::User(KnownText {
                user,
                groups,
                signed_in_ago,
            }) => {
                let ago = span(signed_in_ago.as_ref())?.unwrap_or_default();
                let id = UserId::from_bytes([0; 16]);
                let identity = Identity::new(id, user.clone(), None, None, groups.clone());
                Visitor::Known(Known {
                    identity: Arc::new(identity),
                    session: SessionId::from_bytes([0; 16]),
                    authenticated_at: NOW - ago,
                    expires_at: NOW + Duration::from_secs(300),
                    session_epoch: 0,
                    claims_epoch: 0,
                    proof: Proof::Cookie,
                })
            }
            Self::Refused(RefusedText { refused, by }) => Visitor::Refused(Refused {
                reason: match refused {
                    ReasonWord::Invalid => Reason::Invalid,
                    ReasonWord::Expired => Reason::Expired,
                    ReasonWord::Revoked => Reason::Revoked,
                    ReasonWord::WrongType => Reason::WrongType,
                },
                proof: match by {
                    ProofWord::Bearer => Proof::Bearer,
                    ProofWord::Cookie => Proof::Cookie,
                },
            }),
        })
    }
}

impl Who {
    /// The same for a whole request: where no token is made for it, one is put into its headers.
    pub(crate) fn asker(
        &self,
        by: Proof,
        explainer: &Explainer,
        headers: &mut HeaderMap,
    ) -> Outcome<Asker> {
        let user = |name: &UserName, groups: &[GroupName], proof, session, ago| Asker::User {
            user: Box::new(User {
                id: UserId::from_bytes([0; 16]),
                name: name.clone(),
                display_name: None,
                email: None,
                groups: groups.to_vec(),
                disabled: false,
                password_term: PasswordTerm::Lasting,
                session_epoch: 0,
                claims_epoch: 0,
                created_at: Timestamp::from_seconds(0),
            }),
            proof: Some(proof),
            session,
            signed_in_ago: ago,
        };
        let (refused, by) = match self {
            Self::Stranger => return Ok(Asker::Stranger),
            Self::User(KnownText {
                user: name,
                groups,
                signed_in_ago,
            }) => {
                let ago = span(signed_in_ago.as_ref())?.unwrap_or_default();
                return Ok(user(name, groups, by, SessionState::Live, ago));
            }
            Self::Refused(RefusedText { refused, by }) => (refused, by),
        };
        let proof = match by {
            ProofWord::Bearer => Proof::Bearer,
            ProofWord::Cookie => Proof::Cookie,
        };
        let token = match refused {
            ReasonWord::Invalid => "not.a.token",
            ReasonWord::WrongType => "vrt1_refresh",
            ReasonWord::Expired | ReasonWord::Revoked => {
                // The session of an expired cookie is renewed as long as it lives.
                let session = match (refused, proof) {
                    (ReasonWord::Expired, Proof::Bearer) => SessionState::Expired,
                    _ => SessionState::Ended,
                };
                let ago = Duration::ZERO;
                return Ok(user(&UserName::parse("eve")?, &[], proof, session, ago));
            }
        };
        match proof {
            Proof::Bearer => headers.insert(AUTHORIZATION, format!("Bearer {token}").parse()?),
            Proof::Cookie => {
                let value = explainer.gateway().cookies.sent_with(token);
                headers.insert(COOKIE, value.ok_or("a token that fits no cookie")?)
            }
        };
        Ok(Asker::Stranger)
    }
}
