//! Access tokens: JWTs of minutes, checked without the store (RFC 9068, RFC 8725).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::identity::{
    DisplayName, Email, GroupName, Identity, Known, Proof, Secret, SessionId, UserId, UserName,
};
use crate::session::claim::{Audience, Seconds, present, uuid};
use crate::session::jws::{self, Jws};
use crate::session::{Delivery, KeyRing, refresh_token};

/// `typ` of an access token (RFC 9068 §2.1).
const TYPE: &str = "at+jwt";

/// The longest access token that is minted, in bytes: with its name it fits into a cookie.
const LONGEST_MINTED: usize = 3800;

/// What every access token of this installation says and must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// `iss`: the first public URL's origin.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// How long an access token lives.
    pub access_ttl: Duration,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// Whether tokens also say what front-ends look for that were written against Flask-JWT-Extended:
    /// `type`, `fresh`, `nbf`, `csrf`. Nothing here asks for these claims, but for `nbf`.
    pub flask_claims: bool,
}

/// The longest access token that is looked at, in bytes.
pub const LONGEST: usize = 8192;

/// What an accepted access token says. A fact that may be cached: whether it is live is asked anew.
#[derive(Clone, Debug)]
pub struct Claims {
    /// Who.
    pub identity: Arc<Identity>,
    /// Which session.
    pub session: SessionId,
    /// The refresh generation it was minted with (`rtg`).
    pub generation: u64,
    /// The user's session epoch (`ue`).
    pub session_epoch: u64,
    /// The user's claims epoch (`ce`).
    pub claims_epoch: u64,
    /// `auth_time`.
    pub authenticated_at: Timestamp,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `nbf`, where present.
    pub not_before: Option<Timestamp>,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `jti`.
    pub id: String,
}

/// What to put into a new access token.
#[derive(Clone, Debug)]
pub struct Mint<'a> {
    /// Who.
    pub identity: &'a Identity,
    /// Which session.
    pub session: SessionId,
    /// How its tokens are delivered: `client_id` is `api` for programs, else `browser`.
    pub delivery: Delivery,
    /// The current refresh generation.
    pub generation: u64,
    /// The user's session epoch.
    pub session_epoch: u64,
    /// The user's claims epoch.
    pub claims_epoch: u64,
    /// When the person proved who they are.
    pub authenticated_at: Timestamp,
    /// The instant from which the token counts.
    pub now: Timestamp,
    /// The session's absolute end: the token never outlives it.
    pub session_ends_at: Timestamp,
    /// `jti`: random.
    pub id: [u8; 16],
}

/// A new access token and when it ends.
#[derive(Clone, Debug)]
pub struct Minted {
    /// The compact JWS.
    pub text: Secret<String>,
    /// `exp`.
    pub expires_at: Timestamp,
}

/// Why a text is not an access token of ours. Callers are told less than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Broken form, header, signature or claims.
    Invalid,
    /// A refresh token, or a JWT of another type.
    WrongType,
    /// Authentic, and over.
    Expired,
}

/// Signs a new access token. `Err` where the claims are too large to be a cookie.
pub fn mint(what: &Mint<'_>, settings: &TokenSettings, ring: &KeyRing) -> Result<Minted, TooLarge> {
    // Rounded down to the second: a token never outlives its session.
    let expires_at = (what.now + settings.access_ttl).min(what.session_ends_at);
    let payload = Payload::new(what, settings, expires_at);
    let text = Secret::new(ring.access_key().sign(TYPE, &payload));
    let size = text.expose().len();
    if size > LONGEST_MINTED {
        return Err(TooLarge {
            size,
            limit: LONGEST_MINTED,
        });
    }
    Ok(Minted {
        text,
        expires_at: payload.exp.into(),
    })
}

/// The token would be too large for a cookie: the user has too many groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the access token would be {size} bytes long, the limit is {limit}: the user has too many or too long groups"
)]
pub struct TooLarge {
    /// How long it would be, in bytes.
    pub size: usize,
    /// How long it may be.
    pub limit: usize,
}

/// Checks form, type, key, signature, issuer and audience: everything that does not change with
/// time. The result may be cached.
pub fn verify(text: &str, settings: &TokenSettings, ring: &KeyRing) -> Result<Claims, TokenError> {
    if text.starts_with(refresh_token::PREFIX) {
        return Err(TokenError::WrongType);
    }
    if text.len() > LONGEST {
        return Err(TokenError::Invalid);
    }
    let jws = Jws::parse(text).ok_or(TokenError::Invalid)?;
    if !jws.header.typ.as_deref().is_some_and(is_access_type) {
        return Err(TokenError::WrongType);
    }
    let payload = authentic_payload(&jws, ring).ok_or(TokenError::Invalid)?;
    payload.into_claims(settings).ok_or(TokenError::Invalid)
}

/// Whether `text` says that it is an access token by a key that is not in the ring. Nothing else about
/// it is looked at.
pub fn names_unknown_key(text: &str, ring: &KeyRing) -> bool {
    let jws = Some(text).filter(|text| text.len() <= LONGEST);
    let jws = jws.and_then(Jws::parse).map(|jws| jws.header);
    jws.is_some_and(|header| {
        header.typ.as_deref().is_some_and(is_access_type)
            && ring.find_access_key(&header.kid).is_none()
    })
}

/// Whether `text` is an access token of ours by its shape alone: a JWT whose header says so.
pub fn looks_like_access_token(text: &str) -> bool {
    jws::type_by_shape(text).is_some_and(|typ| is_access_type(&typ))
}

/// The short and the full form of the media type, in any case (RFC 7515 §4.1.9).
fn is_access_type(typ: &str) -> bool {
    const PREFIX: &str = "application/";
    let short = match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        Some(_) | None => typ,
    };
    short.eq_ignore_ascii_case(TYPE)
}

/// The key decides the algorithm, not the token (RFC 8725 §3.1).
fn authentic_payload(jws: &Jws<'_>, ring: &KeyRing) -> Option<Payload> {
    let key = ring.find_access_key(&jws.header.kid)?;
    let authentic = jws.header.alg == key.algorithm() && key.verifies(jws.signed, jws.signature);
    authentic.then(|| jws.claims())?
}

impl TokenSettings {
    /// How long after a revocation an access token minted before it may still look good: its life,
    /// the leeway of both clocks, and a minute for requests under way.
    pub fn revocation_span(&self) -> Duration {
        self.access_ttl + 2 * self.leeway + Duration::from_secs(60)
    }
}

impl Claims {
    /// Judges the times of a verified token: `exp`, `nbf`, `iat` with leeway. It is live from
    /// `nbf` − leeway on, and no longer at `exp` + leeway (RFC 7519 §4.1.4).
    pub fn check_times(&self, now: Timestamp, settings: &TokenSettings) -> Result<(), TokenError> {
        let ahead = now + settings.leeway;
        if self.issued_at > ahead || self.not_before.is_some_and(|start| start > ahead) {
            Err(TokenError::Invalid)
        } else if now >= self.expires_at + settings.leeway {
            Err(TokenError::Expired)
        } else {
            Ok(())
        }
    }

    /// The visitor this token makes.
    pub fn to_known(&self, proof: Proof) -> Known {
        Known {
            identity: Arc::clone(&self.identity),
            session: self.session,
            authenticated_at: self.authenticated_at,
            expires_at: self.expires_at,
            session_epoch: self.session_epoch,
            claims_epoch: self.claims_epoch,
            proof,
        }
    }
}

/// The claims as they are written (RFC 9068 §2.2, and ours).
#[derive(Serialize, Deserialize)]
struct Payload {
    iss: String,
    aud: Audience,
    sub: String,
    iat: Seconds,
    exp: Seconds,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    nbf: Option<Seconds>,
    jti: String,
    client_id: String,
    sid: String,
    rtg: u64,
    auth_time: Seconds,
    ue: u64,
    ce: u64,
    preferred_username: UserName,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<GroupName>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    email: Option<Email>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    name: Option<DisplayName>,
    /// These three are what Flask-JWT-Extended writes beside the registered claims.
    #[serde(
        rename = "type",
        skip_deserializing,
        skip_serializing_if = "Option::is_none"
    )]
    kind: Option<&'static str>,
    /// Whether it is the token of a sign-in, and not of a refresh.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    fresh: Option<bool>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    csrf: Option<String>,
}

impl Payload {
    fn new(what: &Mint<'_>, settings: &TokenSettings, expires_at: Timestamp) -> Self {
        let identity = what.identity;
        Self {
            iss: settings.issuer.clone(),
            aud: Audience::One(settings.audience.clone()),
            sub: identity.id.as_str().to_owned(),
            iat: what.now.into(),
            exp: expires_at.into(),
            nbf: settings.flask_claims.then_some(what.now.into()),
            jti: URL_SAFE_NO_PAD.encode(what.id),
            client_id: client_id(what.delivery).to_owned(),
            sid: what.session.to_string(),
            rtg: what.generation,
            auth_time: what.authenticated_at.into(),
            ue: what.session_epoch,
            ce: what.claims_epoch,
            preferred_username: identity.name.clone(),
            groups: identity.groups.clone(),
            email: identity.email.clone(),
            name: identity.display_name.clone(),
            kind: settings.flask_claims.then_some("access"),
            fresh: settings.flask_claims.then_some(what.generation == 1),
            csrf: settings.flask_claims.then(|| uuid(what.id)),
        }
    }

    /// The claims, if they are ours and make sense.
    fn into_claims(self, settings: &TokenSettings) -> Option<Claims> {
        let (issued_at, expires_at) = (self.iat.into(), self.exp.into());
        let longest = settings.access_ttl.saturating_add(settings.leeway);
        if self.iss != settings.issuer
            || !self.aud.names(&settings.audience)
            || expires_at > issued_at + longest
            || self.jti.is_empty()
        {
            return None;
        }
        let identity = Identity::new(
            UserId::parse(&self.sub)?,
            self.preferred_username,
            self.name,
            self.email,
            self.groups,
        );
        Some(Claims {
            identity: Arc::new(identity),
            session: SessionId::parse(&self.sid)?,
            generation: self.rtg,
            session_epoch: self.ue,
            claims_epoch: self.ce,
            authenticated_at: self.auth_time.into(),
            issued_at,
            not_before: self.nbf.map(Timestamp::from),
            expires_at,
            id: self.jti,
        })
    }
}

/// RFC 9068 wants a client: there are two kinds, told apart by who keeps the refresh token.
const fn client_id(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Cookie | Delivery::Hybrid => "browser",
        Delivery::Token => "api",
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, EncodingKey, crypto};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::session::key_ring::samples;
    use crate::session::signing_key::pkcs8;

    const SEED: [u8; 32] = [1; 32];
    const NOW: Timestamp = Timestamp::from_millis(1_000_900);

    fn ring() -> KeyRing {
        samples::ring()
    }

    fn settings() -> TokenSettings {
        TokenSettings {
            issuer: "https://app.example".to_owned(),
            audience: "https://app.example".to_owned(),
            access_ttl: Duration::from_secs(300),
            leeway: Duration::from_secs(5),
            flask_claims: false,
        }
    }

    fn ada(groups: &[&str]) -> Identity {
        Identity::new(
            UserId::from_bytes([1; 16]),
            UserName::parse("ada").unwrap(),
            Some(DisplayName::parse("Ada 愛").unwrap()),
            Some(Email::parse("ada@example.com").unwrap()),
            groups
                .iter()
                .map(|g| GroupName::parse(g).unwrap())
                .collect(),
        )
    }

    fn order(identity: &Identity) -> Mint<'_> {
        Mint {
            identity,
            session: SessionId::from_bytes([2; 16]),
            delivery: Delivery::Cookie,
            generation: 7,
            session_epoch: 3,
            claims_epoch: 4,
            authenticated_at: Timestamp::from_seconds(900),
            now: NOW,
            session_ends_at: Timestamp::from_seconds(9000),
            id: [5; 16],
        }
    }

    fn minted() -> String {
        let identity = ada(&["dev", "ops"]);
        let minted = mint(&order(&identity), &settings(), &ring()).unwrap();
        minted.text.expose().clone()
    }

    fn part(token: &str, index: usize) -> Value {
        let encoded = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
    }

    /// A token with a good signature over any header and payload.
    fn signed(header: &str, payload: &str) -> String {
        let key = EncodingKey::from_ed_der(&*pkcs8(&SEED));
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let signature = crypto::sign(message.as_bytes(), &key, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    }

    fn header() -> Value {
        part(&minted(), 0)
    }

    fn payload() -> Value {
        part(&minted(), 1)
    }

    fn refusal(token: &str) -> Option<TokenError> {
        verify(token, &settings(), &ring()).err()
    }

    /// What becomes of a well-signed token whose header has this member instead (null: without).
    fn refusal_with_header(name: &str, value: Value) -> Option<TokenError> {
        let mut header = header();
        replace(&mut header, name, value);
        refusal(&signed(&header.to_string(), &payload().to_string()))
    }

    /// What becomes of a well-signed token that has this claim instead (null: without).
    fn refusal_with_claim(name: &str, value: Value) -> Option<TokenError> {
        let mut payload = payload();
        replace(&mut payload, name, value);
        refusal(&signed(&header().to_string(), &payload.to_string()))
    }

    fn replace(object: &mut Value, name: &str, value: Value) {
        let members = object.as_object_mut().unwrap();
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.to_owned(), value),
        };
    }

    #[test]
    fn front_ends_find_the_claims_of_flask_jwt_extended_where_they_are_asked_for() {
        const NAMES: [&str; 4] = ["type", "fresh", "nbf", "csrf"];
        assert!(NAMES.iter().all(|name| payload()[name].is_null()));
        let settings = TokenSettings {
            flask_claims: true,
            ..settings()
        };
        let identity = ada(&[]);
        for (generation, fresh) in [(1, true), (2, false)] {
            let what = Mint {
                generation,
                ..order(&identity)
            };
            let minted = mint(&what, &settings, &ring()).unwrap();
            let told = NAMES.map(|name| part(minted.text.expose(), 1)[name].clone());
            let csrf = json!("05050505-0505-4505-8505-050505050505");
            assert_eq!(told, [json!("access"), json!(fresh), json!(1000), csrf]);
            let claims = verify(minted.text.expose(), &settings, &ring()).unwrap();
            assert_eq!(claims.not_before, Some(Timestamp::from_seconds(1000)));
            claims.check_times(NOW, &settings).unwrap();
        }
        // Sessions live on when the profile changes.
        assert!(verify(&minted(), &settings, &ring()).is_ok());
    }

    #[test]
    fn a_minted_token_says_exactly_what_it_should() {
        assert_eq!(
            header(),
            json!({"alg": "EdDSA", "typ": "at+jwt", "kid": ring().access_key().kid()})
        );
        assert_eq!(
            payload(),
            json!({
                "iss": "https://app.example", "aud": "https://app.example",
                "sub": "AQEBAQEBAQEBAQEBAQEBAQ", "sid": "AgICAgICAgICAgICAgICAg",
                "iat": 1000, "exp": 1300, "auth_time": 900,
                "jti": "BQUFBQUFBQUFBQUFBQUFBQ", "client_id": "browser",
                "rtg": 7, "ue": 3, "ce": 4,
                "preferred_username": "ada", "groups": ["dev", "ops"],
                "email": "ada@example.com", "name": "Ada 愛",
            })
        );
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let mut identity = ada(&[]);
        identity.email = None;
        identity.display_name = None;
        let minted = mint(&order(&identity), &settings(), &ring()).unwrap();
        let payload = part(minted.text.expose(), 1);
        for name in ["groups", "email", "name", "nbf"] {
            assert_eq!(payload.get(name), None, "{name}");
        }
        let claims = verify(minted.text.expose(), &settings(), &ring()).unwrap();
        assert_eq!(claims.identity.groups, []);
    }

    #[test]
    fn the_client_tells_browsers_from_programs() {
        let identity = ada(&[]);
        for (delivery, client) in [
            (Delivery::Cookie, "browser"),
            (Delivery::Hybrid, "browser"),
            (Delivery::Token, "api"),
        ] {
            let what = Mint {
                delivery,
                ..order(&identity)
            };
            let minted = mint(&what, &settings(), &ring()).unwrap();
            assert_eq!(part(minted.text.expose(), 1)["client_id"], client);
        }
    }

    #[test]
    fn a_token_never_outlives_its_session() {
        let identity = ada(&[]);
        for (end, expires) in [(1_500_000, 1300), (1_300_500, 1300), (1_200_999, 1200)] {
            let what = Mint {
                session_ends_at: Timestamp::from_millis(end),
                ..order(&identity)
            };
            let minted = mint(&what, &settings(), &ring()).unwrap();
            assert_eq!(minted.expires_at, Timestamp::from_seconds(expires));
            assert_eq!(part(minted.text.expose(), 1)["exp"], expires);
        }
    }

    #[test]
    fn too_many_groups_make_no_token() {
        let names: Vec<String> = (0..100).map(|i| format!("{i:032}")).collect();
        let groups: Vec<&str> = names.iter().map(String::as_str).collect();
        let error = mint(&order(&ada(&groups)), &settings(), &ring()).unwrap_err();
        assert_eq!(error.limit, 3800);
        assert!(error.size > 3800);
        assert!(mint(&order(&ada(&groups[..50])), &settings(), &ring()).is_ok());
    }

    #[test]
    fn a_minted_token_is_read_back() {
        let claims = verify(&minted(), &settings(), &ring()).unwrap();
        assert_eq!(*claims.identity, ada(&["dev", "ops"]));
        assert_eq!(claims.session, SessionId::from_bytes([2; 16]));
        assert_eq!((claims.generation, claims.session_epoch), (7, 3));
        assert_eq!(claims.claims_epoch, 4);
        assert_eq!(claims.authenticated_at, Timestamp::from_seconds(900));
        assert_eq!(claims.issued_at, Timestamp::from_seconds(1000));
        assert_eq!(claims.expires_at, Timestamp::from_seconds(1300));
        assert_eq!(claims.check_times(NOW, &settings()), Ok(()));
    }

    #[test]
    fn only_an_access_token_by_another_key_names_an_unknown_one() {
        let with = |name: &str, value: Value| {
            let mut header = header();
            header[name] = value;
            signed(&header.to_string(), &payload().to_string())
        };
        let ring = ring();
        let assertion = ring.assertion_key().kid();
        for (text, names) in [
            (minted(), false),
            (with("alg", json!("none")), false),
            (with("kid", json!("another")), true),
            (with("kid", json!(assertion)), true),
            (with("kid", json!("")), false),
            (with("kid", json!("another")) + &"A".repeat(LONGEST), false),
            (String::new(), false),
            ("vrt1_AAAA".to_owned(), false),
        ] {
            assert_eq!(names_unknown_key(&text, &ring), names, "{text}");
        }
        let mut other = header();
        other["kid"] = json!("another");
        other["typ"] = json!("JWT");
        let other = signed(&other.to_string(), &payload().to_string());
        assert!(!names_unknown_key(&other, &ring));
    }

    #[test]
    fn the_header_decides_nothing() {
        for (name, value) in [
            ("alg", json!("none")),
            ("alg", json!("None")),
            ("alg", json!("HS256")),
            ("alg", json!("ES256")),
            ("alg", json!("EDDSA")),
            ("alg", json!(["EdDSA"])),
            ("alg", Value::Null),
            ("kid", json!("../../dev/null")),
            ("kid", json!("unknown")),
            ("kid", json!(ring().assertion_key().kid())),
            ("kid", Value::Null),
            ("jku", json!("https://evil.example/keys")),
            ("jwk", ring().access_key().to_jwk().unwrap()),
            ("crit", json!(["exp"])),
            ("b64", json!(false)),
            ("zip", json!("DEF")),
            ("cty", json!("JWT")),
        ] {
            let refusal = refusal_with_header(name, value.clone());
            assert_eq!(refusal, Some(TokenError::Invalid), "{name}: {value}");
        }
        assert_eq!(refusal_with_header("new", json!([{}])), None);
    }

    #[test]
    fn only_access_tokens_are_access_tokens() {
        for (typ, expected) in [
            (json!("at+jwt"), None),
            (json!("AT+JWT"), None),
            (json!("application/at+jwt"), None),
            (json!("Application/At+Jwt"), None),
            (json!("JWT"), Some(TokenError::WrongType)),
            (json!("rt+jwt"), Some(TokenError::WrongType)),
            (json!("at+jwt "), Some(TokenError::WrongType)),
            (json!("text/at+jwt"), Some(TokenError::WrongType)),
            (json!("application/"), Some(TokenError::WrongType)),
            (json!("愛愛愛愛愛愛愛愛"), Some(TokenError::WrongType)),
            (Value::Null, Some(TokenError::WrongType)),
            (json!(1), Some(TokenError::Invalid)),
        ] {
            assert_eq!(refusal_with_header("typ", typ.clone()), expected, "{typ}");
        }
        let token = refresh_token::RefreshToken::first(SessionId::from_bytes([2; 16]), [7; 32]);
        let text = token.to_text(&ring());
        assert_eq!(refusal(text.expose()), Some(TokenError::WrongType));
    }

    #[test]
    fn a_mac_made_with_the_public_key_is_no_signature() {
        let jwk = ring().access_key().to_jwk().unwrap();
        let x = jwk["x"].as_str().unwrap();
        for secret in [x.as_bytes(), &URL_SAFE_NO_PAD.decode(x).unwrap()] {
            for alg in ["HS256", "EdDSA"] {
                let mut header = header();
                header["alg"] = json!(alg);
                let message = format!(
                    "{}.{}",
                    URL_SAFE_NO_PAD.encode(header.to_string()),
                    URL_SAFE_NO_PAD.encode(payload().to_string())
                );
                let key = EncodingKey::from_secret(secret);
                let mac = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
                let token = format!("{message}.{mac}");
                assert_eq!(refusal(&token), Some(TokenError::Invalid), "{alg}");
            }
        }
    }

    #[test]
    fn other_signatures_are_refused() {
        let token = minted();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let mut tests = vec![Vec::new(), vec![0; 64], signature[..63].to_vec()];
        tests.push([&signature[..], &[0]].concat());
        // The identity point as R, and zero as S.
        tests.push([&[1u8][..], &[0; 63]].concat());
        tests.push([&signature[..32], &plus_order(&signature[32..])].concat());
        for signature in tests {
            let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(&signature));
            assert_eq!(refusal(&token), Some(TokenError::Invalid), "{signature:?}");
        }
    }

    /// S + L (RFC 8032 §5.1.7): the same number to a careless verifier.
    fn plus_order(s: &[u8]) -> Vec<u8> {
        let mut order = [0u8; 32];
        order[..16].copy_from_slice(&[
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14,
        ]);
        order[31] = 0x10;
        let mut carry = 0;
        let sum = std::iter::zip(s, order).map(|(a, b)| {
            let sum = u16::from(*a) + u16::from(b) + carry;
            carry = sum >> 8;
            sum.to_le_bytes()[0]
        });
        sum.collect()
    }

    #[test]
    fn other_forms_are_refused() {
        let token = minted();
        let payload_too_long = json!({"x": "x".repeat(6200)}).to_string();
        let long = signed(&header().to_string(), &payload_too_long);
        assert!(long.len() > LONGEST);
        for text in [
            "",
            "foobarbaz",
            "aaaaa.bbbbb.ccccc",
            &format!("{token}="),
            &format!("{token}\n"),
            &format!(" {token}"),
            &format!("{token}.e30.e30"),
            &token.replace('.', ".."),
            &".".repeat(100_000),
            &long,
        ] {
            assert_eq!(refusal(text), Some(TokenError::Invalid), "{text}");
        }
    }

    #[test]
    fn claims_that_are_not_ours_are_refused() {
        for (name, value) in [
            ("iss", Value::Null),
            ("iss", json!("https://other.example")),
            ("iss", json!(["https://app.example"])),
            ("aud", Value::Null),
            ("aud", json!("https://other.example")),
            ("aud", json!(["https://other.example"])),
            ("aud", json!([])),
            ("aud", json!(["https://app.example", 1])),
            ("sub", Value::Null),
            ("sub", json!("")),
            ("sub", json!(1)),
            ("sub", json!(["AQEBAQEBAQEBAQEBAQEBAQ"])),
            ("sub", json!("ada")),
            ("exp", Value::Null),
            ("exp", json!("1300")),
            ("exp", json!(1300.0)),
            ("exp", json!(-1)),
            ("exp", json!(253_402_300_800_i64)),
            ("exp", json!(1_u64 << 63)),
            ("exp", json!(1306)),
            ("exp", json!(315_360_000)),
            ("iat", Value::Null),
            ("iat", json!("1000")),
            ("iat", json!(1000.5)),
            ("iat", json!(994)),
            ("nbf", json!("1000")),
            ("nbf", json!(1000.5)),
            ("nbf", json!(-1)),
            ("jti", Value::Null),
            ("jti", json!("")),
            ("client_id", Value::Null),
            ("sid", Value::Null),
            ("sid", json!("short")),
            ("rtg", json!(-1)),
            ("ue", Value::Null),
            ("ce", json!("4")),
            ("auth_time", Value::Null),
            ("preferred_username", json!("a\r\nb")),
            ("groups", json!("ops")),
            ("groups", json!(["ops", "a,b"])),
            ("email", json!("ada")),
            ("name", json!("a\nb")),
        ] {
            let refusal = refusal_with_claim(name, value.clone());
            assert_eq!(refusal, Some(TokenError::Invalid), "{name}: {value}");
        }
    }

    #[test]
    fn other_spellings_of_the_same_claims_are_accepted() {
        for (name, value) in [
            (
                "aud",
                json!(["https://other.example", "https://app.example"]),
            ),
            ("exp", json!(1305)),
            ("nbf", json!(1000)),
            ("new", json!({"a": [1, {"b": null}]})),
        ] {
            assert_eq!(
                refusal_with_claim(name, value.clone()),
                None,
                "{name}: {value}"
            );
        }
    }

    /// JSON that `Value` cannot write.
    #[test]
    fn twisted_json_is_refused() {
        let good = payload().to_string();
        let inside = good.strip_suffix('}').unwrap();
        let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
        for (payload, expected) in [
            (good.clone(), None),
            (format!(r#"{inside},"new":{deep}}}"#), None),
            (
                format!(r#"{inside},"exp":1300}}"#),
                Some(TokenError::Invalid),
            ),
            (
                format!(r#"{inside},"a":1,"a":1}}"#),
                Some(TokenError::Invalid),
            ),
            (
                format!(r#"{inside},"nbf":null}}"#),
                Some(TokenError::Invalid),
            ),
            (
                format!(r#"{inside},"aud":{deep}}}"#),
                Some(TokenError::Invalid),
            ),
            (
                format!(r#"{inside},"new":{}"#, "[".repeat(4000)),
                Some(TokenError::Invalid),
            ),
            (good.replace("1300", "1e400"), Some(TokenError::Invalid)),
            (good.replace("1300", "13e2"), Some(TokenError::Invalid)),
            (good.replace("1300", "null"), Some(TokenError::Invalid)),
            (good.replace("1300", "01300"), Some(TokenError::Invalid)),
            (format!("[{good}]"), Some(TokenError::Invalid)),
            (format!("{good}x"), Some(TokenError::Invalid)),
            ("null".to_owned(), Some(TokenError::Invalid)),
            (String::new(), Some(TokenError::Invalid)),
        ] {
            let token = signed(&header().to_string(), &payload);
            assert!(token.len() <= LONGEST, "{}", token.len());
            assert_eq!(refusal(&token), expected, "{payload}");
        }
    }

    /// The leeway is 5 seconds.
    #[test]
    fn a_token_is_live_from_its_start_to_its_end_with_leeway() {
        let at = Timestamp::from_millis;
        let claims = Claims {
            not_before: Some(at(1_002_000)),
            ..verify(&minted(), &settings(), &ring()).unwrap()
        };
        for (now, expected) in [
            (996_999, Err(TokenError::Invalid)),
            (997_000, Ok(())),
            (1_300_000, Ok(())),
            (1_304_000, Ok(())),
            (1_304_999, Ok(())),
            (1_305_000, Err(TokenError::Expired)),
            (1_306_000, Err(TokenError::Expired)),
            (i64::MAX, Err(TokenError::Expired)),
        ] {
            assert_eq!(claims.check_times(at(now), &settings()), expected, "{now}");
        }
        let claims = Claims {
            not_before: None,
            ..claims
        };
        for (now, expected) in [(994_999, Err(TokenError::Invalid)), (995_000, Ok(()))] {
            assert_eq!(claims.check_times(at(now), &settings()), expected, "{now}");
        }
    }

    #[test]
    fn access_tokens_are_known_by_their_shape() {
        let forged = signed(r#"{"typ":"AT+JWT","alg":"none"}"#, "not even JSON");
        for (text, expected) in [
            (minted(), true),
            (forged, true),
            (signed(r#"{"typ":"JWT","alg":"EdDSA"}"#, "{}"), false),
            (signed(r#"{"alg":"EdDSA"}"#, "{}"), false),
            (minted().split('.').next().unwrap().to_owned(), false),
            ("vrt1_AAAA".to_owned(), false),
            ("a.b.c".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(looks_like_access_token(&text), expected, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn a_changed_letter_is_noticed(index: prop::sample::Index, letter in "[A-Za-z0-9._-]") {
            let token = minted();
            let index = index.index(token.len());
            let changed = format!("{}{letter}{}", &token[..index], &token[index + 1..]);
            prop_assert_eq!(refusal(&changed).is_none(), changed == token);
        }

        #[test]
        fn any_text_is_read_without_panic(text in r"[eyJ0.{}\[\]A-Za-z]{0,200}|.*") {
            prop_assert!(refusal(&text).is_some());
            looks_like_access_token(&text);
        }
    }
}
