//! Assertions: short JWTs that tell an app, verifiably, who is asking.

use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::identity::{GroupName, Known};
use crate::session::KeyRing;

/// How long an assertion lives.
pub const LIFETIME: Duration = Duration::from_secs(60);

/// `typ` of an assertion: no access token and no assertion passes for the other (RFC 8725 §3.11).
pub const TYPE: &str = "vestibule-assertion+jwt";

/// Signs `{iss, aud, sub, sid, preferred_username, groups, iat, exp}` with
/// `typ: vestibule-assertion+jwt`.
pub fn mint(known: &Known, issuer: &str, audience: &str, now: Timestamp, ring: &KeyRing) -> String {
    let identity = &known.identity;
    let payload = Payload {
        iss: issuer,
        aud: audience,
        sub: identity.id.as_str(),
        sid: &known.session.to_string(),
        preferred_username: identity.name.as_str(),
        groups: identity.groups.iter().map(GroupName::as_str).collect(),
        iat: now.seconds(),
        exp: (now + LIFETIME).seconds(),
    };
    ring.assertion_key().sign(TYPE, &payload)
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    sid: &'a str,
    preferred_username: &'a str,
    groups: Vec<&'a str>,
    iat: i64,
    exp: i64,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;
    use crate::identity::{Identity, Proof, SessionId, UserId, UserName};
    use crate::session::key_ring::samples;
    use crate::session::{TokenError, TokenSettings, access_token};

    fn ring() -> KeyRing {
        samples::ring()
    }

    fn assertion(ring: &KeyRing) -> String {
        let known = Known {
            identity: Arc::new(Identity::new(
                UserId::from_bytes([1; 16]),
                UserName::parse("ada").unwrap(),
                None,
                None,
                vec![GroupName::parse("ops").unwrap()],
            )),
            session: SessionId::from_bytes([2; 16]),
            authenticated_at: Timestamp::from_seconds(900),
            expires_at: Timestamp::from_seconds(1010),
            session_epoch: 0,
            claims_epoch: 1,
            proof: Proof::Bearer,
        };
        let now = Timestamp::from_millis(1_000_900);
        mint(&known, "https://app.example", "wiki", now, ring)
    }

    fn segment(token: &str, index: usize) -> Value {
        let encoded = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
    }

    #[test]
    fn an_assertion_says_who_asks_and_which_route_it_is_for() {
        let ring = ring();
        let token = assertion(&ring);
        assert_eq!(
            segment(&token, 0),
            json!({"alg": "EdDSA", "typ": TYPE, "kid": ring.assertion_key().kid()})
        );
        assert_eq!(
            segment(&token, 1),
            json!({
                "iss": "https://app.example", "aud": "wiki",
                "sub": "AQEBAQEBAQEBAQEBAQEBAQ", "sid": "AgICAgICAgICAgICAgICAg",
                "preferred_username": "ada", "groups": ["ops"],
                "iat": 1000, "exp": 1060,
            })
        );
        let (signed, signature) = token.rsplit_once('.').unwrap();
        assert!(ring.assertion_key().verifies(signed, signature));
    }

    #[test]
    fn an_assertion_is_no_access_token() {
        let settings = TokenSettings {
            issuer: "https://app.example".to_owned(),
            audience: "wiki".to_owned(),
            access_ttl: Duration::from_secs(300),
            leeway: Duration::from_secs(5),
            flask_claims: false,
        };
        let ring = ring();
        let error = access_token::verify(&assertion(&ring), &settings, &ring).unwrap_err();
        assert_eq!(error, TokenError::WrongType);
    }
}
