//! Behind a good signature, too, only a token that says what ours say is accepted, and only while it lives; without one, none is.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use vestibule::authenticate::is_ours;
use vestibule::session::access_token::{self, Claims, LONGEST};
use vestibule::session::{KeyRing, TokenSettings};

const SEED: [u8; 32] = [1; 32];
const ISSUER: &str = "https://app.example";
const TTL: Duration = Duration::from_secs(300);
const LEEWAY: Duration = Duration::from_secs(5);

/// What a header never holds: a key, or the place of one, or another form.
const NEVER: [&str; 8] = ["crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "cty"];

struct House {
    ring: KeyRing,
    settings: TokenSettings,
    pair: Ed25519KeyPair,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| House {
    ring: crate::keys::ring(),
    settings: TokenSettings {
        issuer: ISSUER.to_owned(),
        audience: ISSUER.to_owned(),
        access_ttl: TTL,
        leeway: LEEWAY,
        flask_claims: false,
    },
    pair: Ed25519KeyPair::from_seed_unchecked(&SEED).expect("a key"),
});

/// The first line is the header, the rest the payload: both are signed by the key of this installation.
/// A single line is a whole token that somebody else made.
pub(crate) fn check(data: &[u8]) -> bool {
    let Some(end) = data.iter().position(|b| *b == b'\n') else {
        return str::from_utf8(data).is_ok_and(only_our_signature_counts);
    };
    let (header, payload) = (&data[..end], &data[end + 1..]);
    let token = signed(header, payload);
    let Ok(claims) = access_token::verify(&token, &HOUSE.settings, &HOUSE.ring) else {
        return false;
    };
    assert!(token.len() <= LONGEST);
    assert!(is_ours(&token), "accepted, but an app might be given it");
    says_what_ours_say(header, payload, &claims);
    lives_its_time(&claims);
    another_signature_is_refused(&token);
    true
}

fn only_our_signature_counts(text: &str) -> bool {
    if access_token::verify(text, &HOUSE.settings, &HOUSE.ring).is_err() {
        return false;
    }
    let (message, signature) = text.rsplit_once('.').expect("three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let key = UnparsedPublicKey::new(&ED25519, HOUSE.pair.public_key().as_ref());
    key.verify(message.as_bytes(), &signature)
        .expect("what was accepted is signed");
    true
}

fn signed(header: &[u8], payload: &[u8]) -> String {
    let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = format!("{header}.{payload}");
    let signature = HOUSE.pair.sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Deserialize)]
struct Payload {
    iss: String,
    aud: Value,
    sub: String,
    sid: String,
    jti: String,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
}

fn says_what_ours_say(header: &[u8], payload: &[u8], claims: &Claims) {
    let names: BTreeMap<String, IgnoredAny> = serde_json::from_slice(header).expect("an object");
    assert!(NEVER.iter().all(|name| !names.contains_key(*name)));
    let header: Header = serde_json::from_slice(header).expect("a header");
    let typ = header.typ.to_ascii_lowercase();
    assert_eq!(typ.strip_prefix("application/").unwrap_or(&typ), "at+jwt");
    let known = &HOUSE.ring.jwks()["keys"][0];
    assert_eq!(known["alg"], *header.alg);
    assert_eq!(known["kid"], *header.kid);

    let said: Payload = serde_json::from_slice(payload).expect("claims");
    assert_eq!(said.iss, ISSUER);
    let audience = said.aud.as_array().map_or(&[][..], Vec::as_slice);
    assert!(said.aud == ISSUER || audience.iter().any(|one| one == ISSUER));
    assert_eq!(said.sub, claims.identity.id.as_str());
    assert_eq!(said.sid, claims.session.to_string());
    assert!(!said.jti.is_empty() && said.jti == claims.id);
    assert_eq!(said.iat, claims.issued_at.seconds());
    assert_eq!(said.exp, claims.expires_at.seconds());
    assert_eq!(said.nbf, claims.not_before.map(|start| start.seconds()));
    assert!(said.iat >= 0 && said.exp <= said.iat.saturating_add(305));
    becomes_headers(claims);
}

/// Names, groups and addresses reach apps as header values and lists with commas.
fn becomes_headers(claims: &Claims) {
    let who = &claims.identity;
    let groups = who.groups.iter().map(|group| group.as_str());
    let email = who.email.iter().map(|email| email.as_str());
    for text in groups.chain(email).chain([who.name.as_str()]) {
        assert!(!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b','));
        HeaderValue::from_str(text).expect("a header value");
    }
    let name = who.display_name.iter().map(|name| name.as_str());
    assert!(name.flat_map(str::chars).all(|c| !c.is_control()));
}

fn lives_its_time(claims: &Claims) {
    let second = Duration::from_secs(1);
    let is_live = |now| claims.check_times(now, &HOUSE.settings).is_ok();
    assert!(!is_live(claims.expires_at + LEEWAY));
    assert!(!is_live(claims.issued_at - LEEWAY - second));
    if let Some(start) = claims.not_before {
        assert!(!is_live(start - LEEWAY - second));
    }
}

fn another_signature_is_refused(token: &str) {
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let mut signature = URL_SAFE_NO_PAD.decode(signature).expect("ours");
    let place = token.len() % signature.len();
    signature[place] ^= 1;
    let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert!(access_token::verify(&forged, &HOUSE.settings, &HOUSE.ring).is_err());
}
