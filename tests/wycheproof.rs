//! Does our verifier fall for signatures and tokens that Project Wycheproof made to fool verifiers?

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

#[path = "../fuzz/keys.rs"]
mod keys;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Value, json};
use vestibule::session::access_token::{TokenError, verify};
use vestibule::session::{KeyRing, TokenSettings};
use wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

/// A signature over a message, and what is to be thought of it.
struct Vector {
    name: String,
    key: DecodingKey,
    message: Vec<u8>,
    signature: Vec<u8>,
    expected: TestResult,
}

/// The layer below our tokens, asked as they ask it: the key fixes the algorithm. A line an algorithm.
#[test]
fn no_signature_that_wycheproof_calls_invalid_is_accepted() {
    crypto::aws_lc::DEFAULT_PROVIDER.install_default().ok();
    for (algorithm, vectors) in [
        (Algorithm::EdDSA, ed25519()),
        (Algorithm::ES256, p256()),
        (Algorithm::RS256, rsa_pkcs1()),
        (Algorithm::PS256, rsa_pss()),
        (Algorithm::HS256, hmac_sha256()),
    ] {
        let mut counts = BTreeMap::new();
        for vector in vectors {
            let signature = URL_SAFE_NO_PAD.encode(&vector.signature);
            let accepted = crypto::verify(&signature, &vector.message, &vector.key, algorithm);
            let accepted = accepted.unwrap_or(false);
            match vector.expected {
                TestResult::Valid => assert!(accepted, "{}", vector.name),
                TestResult::Invalid => assert!(!accepted, "{}", vector.name),
                TestResult::Acceptable => {}
            }
            *counts.entry(accepted).or_insert(0) += 1;
        }
        assert!(
            counts[&true] > 5 && counts[&false] > 40,
            "{algorithm:?}: {counts:?}"
        );
    }
}

fn ed25519() -> Vec<Vector> {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let groups = set.test_groups.into_iter();
    groups
        .flat_map(|group| {
            let public = group.key.pk.to_vec();
            group.tests.into_iter().map(move |test| Vector {
                name: format!("Ed25519 {}: {}", test.tc_id, test.comment),
                key: DecodingKey::from_ed_der(&public),
                message: test.msg.to_vec(),
                signature: test.sig.to_vec(),
                expected: test.result,
            })
        })
        .collect()
}

fn p256() -> Vec<Vector> {
    let name = ecdsa::TestName::EcdsaSecp256r1Sha256P1363;
    let groups = ecdsa::TestSet::load(name).unwrap().test_groups.into_iter();
    groups
        .flat_map(|group| {
            // The uncompressed point: 4, x, y.
            let (x, y) = group.key.key[1..].split_at(32);
            let [x, y] = [x, y].map(|half| URL_SAFE_NO_PAD.encode(half));
            group.tests.into_iter().map(move |test| Vector {
                name: format!("P-256 {}: {}", test.tc_id, test.comment),
                key: DecodingKey::from_ec_components(&x, &y).unwrap(),
                message: test.msg.to_vec(),
                signature: test.sig.to_vec(),
                expected: test.result,
            })
        })
        .collect()
}

fn rsa_pkcs1() -> Vec<Vector> {
    let name = rsa_pkcs1_verify::TestName::Rsa2048Sha256;
    let set = rsa_pkcs1_verify::TestSet::load(name).unwrap();
    let groups = set.test_groups.into_iter();
    groups
        .flat_map(|group| {
            let key = rsa_key(&group.key.n, &group.key.e);
            group.tests.into_iter().map(move |test| Vector {
                name: format!("RSA PKCS#1 {}: {}", test.tc_id, test.comment),
                key: key.clone(),
                message: test.msg.to_vec(),
                signature: test.sig.to_vec(),
                expected: test.result,
            })
        })
        .collect()
}

fn rsa_pss() -> Vec<Vector> {
    let name = rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen32;
    let set = rsa_pss_verify::TestSet::load(name).unwrap();
    let groups = set.test_groups.into_iter();
    groups
        .flat_map(|group| {
            let key = rsa_key(&group.key.n, &group.key.e);
            group.tests.into_iter().map(move |test| Vector {
                name: format!("RSA PSS {}: {}", test.tc_id, test.comment),
                key: key.clone(),
                message: test.msg.to_vec(),
                signature: test.sig.to_vec(),
                expected: test.result,
            })
        })
        .collect()
}

fn rsa_key(modulus: &[u8], exponent: &[u8]) -> DecodingKey {
    let number = |bytes: &[u8]| {
        let leading = bytes.iter().take_while(|byte| **byte == 0).count();
        URL_SAFE_NO_PAD.encode(&bytes[leading..])
    };
    DecodingKey::from_rsa_components(&number(modulus), &number(exponent)).unwrap()
}

/// RFC 7518 §3.2 knows no shortened codes: to us they are all invalid.
fn hmac_sha256() -> Vec<Vector> {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let groups = set.test_groups.into_iter();
    groups
        .flat_map(|group| {
            let is_whole = group.tag_size == 256;
            group.tests.into_iter().map(move |test| Vector {
                name: format!("HMAC {}: {}", test.tc_id, test.comment),
                key: DecodingKey::from_secret(&test.key),
                message: test.msg.to_vec(),
                signature: test.tag.to_vec(),
                expected: if is_whole {
                    test.result
                } else {
                    TestResult::Invalid
                },
            })
        })
        .collect()
}

const SEED: [u8; 32] = [1; 32];

/// The key of an installation, as an attacker and a test see it.
struct House {
    ring: KeyRing,
    settings: TokenSettings,
    pair: Ed25519KeyPair,
    jwk: Value,
}

impl House {
    fn new() -> Self {
        let ring = keys::ring();
        let origin = "https://app.example".to_owned();
        Self {
            jwk: ring.jwks()["keys"][0].clone(),
            ring,
            settings: TokenSettings {
                issuer: origin.clone(),
                audience: origin,
                access_ttl: Duration::from_secs(300),
                leeway: Duration::from_secs(5),
                flask_claims: false,
            },
            pair: Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap(),
        }
    }

    fn header(&self) -> Value {
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": self.jwk["kid"]})
    }

    fn accepts(&self, token: &str) -> Result<(), TokenError> {
        verify(token, &self.settings, &self.ring).map(drop)
    }
}

fn payload() -> Value {
    json!({
        "iss": "https://app.example", "aud": "https://app.example",
        "sub": "AQEBAQEBAQEBAQEBAQEBAQ", "sid": "AgICAgICAgICAgICAgICAg",
        "iat": 1000, "exp": 1300, "auth_time": 900, "jti": "j", "client_id": "browser",
        "rtg": 7, "ue": 3, "ce": 4, "preferred_username": "ada",
    })
}

fn signed(pair: &Ed25519KeyPair, header: &Value, payload: &Value) -> [String; 3] {
    let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signature = pair.sign(format!("{header}.{payload}").as_bytes());
    [header, payload, URL_SAFE_NO_PAD.encode(signature)]
}

/// What Wycheproof's `json_web_signature` tests do to a good token, done to one of ours.
#[test]
fn no_token_that_wycheproof_would_have_changed_is_accepted() {
    let house = House::new();
    let [header, payload, signature] = signed(&house.pair, &house.header(), &payload());
    let good = format!("{header}.{payload}.{signature}");
    assert_eq!(house.accepts(&good), Ok(()));
    let other = |text: &str| match text.strip_prefix('e') {
        Some(rest) => format!("f{rest}"),
        None => format!("e{}", &text[1..]),
    };
    let none = URL_SAFE_NO_PAD
        .encode(json!({"alg": "none", "typ": "at+jwt", "kid": house.jwk["kid"]}).to_string());
    let serialised = json!({
        "payload": payload,
        "signatures": [{"protected": header, "header": {"unknown": "x"}, "signature": signature}],
    });
    for (name, token) in [
        (
            "modified signature",
            format!("{header}.{payload}.{}", other(&signature)),
        ),
        ("missing signature", format!("{header}.{payload}.")),
        (
            "missing signature and separator",
            format!("{header}.{payload}"),
        ),
        (
            "modified payload",
            format!("{header}.{}.{signature}", other(&payload)),
        ),
        ("missing payload", format!("{header}..{signature}")),
        (
            "missing payload and separator",
            format!("{header}.{signature}"),
        ),
        (
            "modified header",
            format!("{}.{payload}.{signature}", other(&header)),
        ),
        ("missing header", format!(".{payload}.{signature}")),
        (
            "missing header and separator",
            format!("{payload}.{signature}"),
        ),
        ("missing header and signature", format!(".{payload}.")),
        ("payload alone", payload.clone()),
        ("empty", String::new()),
        ("extra empty component", format!("{good}.")),
        ("extra component", format!("{good}.foo")),
        ("algorithm none, no signature", format!("{none}.{payload}.")),
        (
            "algorithm none, a signature",
            format!("{none}.{payload}.{signature}"),
        ),
        ("JSON serialisation", serialised.to_string()),
        ("padding", format!("{good}=")),
        ("white space", format!("{header} .{payload}.{signature}")),
    ] {
        assert!(house.accepts(&token).is_err(), "{name}");
    }
}

/// A key in the token, or our public key taken for a shared secret, makes no token either.
#[test]
fn no_token_brings_its_own_key() {
    let house = House::new();
    let attacker = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let x = URL_SAFE_NO_PAD.encode(attacker.public_key());
    let mut embedded = house.header();
    embedded["jwk"] = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": house.jwk["kid"]});
    let foreign = signed(&attacker, &embedded, &payload()).join(".");
    assert!(house.accepts(&foreign).is_err());
    let own = signed(&house.pair, &embedded, &payload()).join(".");
    assert!(house.accepts(&own).is_err());

    let public = house.pair.public_key().as_ref();
    for secret in [
        public,
        house.jwk["x"].as_str().unwrap().as_bytes(),
        house.jwk.to_string().as_bytes(),
    ] {
        for alg in ["HS256", "EdDSA"] {
            let mut header = house.header();
            header["alg"] = json!(alg);
            let [header, payload, _] = signed(&house.pair, &header, &payload());
            let message = format!("{header}.{payload}");
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let code = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
            let accepted = house.accepts(&format!("{message}.{code}"));
            assert!(accepted.is_err(), "{alg}");
        }
    }
}

/// Each good signature has one spelling: S beyond the order of the group is refused.
#[test]
fn t_16_a_signature_with_a_number_that_is_too_large_is_refused() {
    let house = House::new();
    let [header, payload, signature] = signed(&house.pair, &house.header(), &payload());
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (point, mut number) = (&signature[..32], signature[32..].to_vec());
    for _ in 0..7 {
        number = plus_order(&number);
        let twisted = URL_SAFE_NO_PAD.encode([point, &number].concat());
        let token = format!("{header}.{payload}.{twisted}");
        assert_eq!(house.accepts(&token), Err(TokenError::Invalid));
    }
}

/// S + L (RFC 8032 §5.1.7): the same number to a careless verifier.
fn plus_order(number: &[u8]) -> Vec<u8> {
    let mut order = [0_u8; 32];
    order[..16].copy_from_slice(&[
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14,
    ]);
    order[31] = 0x10;
    let mut carry = 0;
    let sum = std::iter::zip(number, order).map(|(a, b)| {
        let sum = u16::from(*a) + u16::from(b) + carry;
        carry = sum >> 8;
        sum.to_le_bytes()[0]
    });
    sum.collect()
}

/// The points of small order in all their encodings: as R, with every small S, they sign nothing for
/// our key; as a key of the attacker they are in no ring.
#[test]
fn t_16_points_of_small_order_sign_nothing() {
    let house = House::new();
    let [header, payload, _] = signed(&house.pair, &house.header(), &payload());
    for point in small_order() {
        for number in [0, 1, 2, 8] {
            let mut signature = [0_u8; 64];
            signature[..32].copy_from_slice(&point);
            signature[32] = number;
            let signature = URL_SAFE_NO_PAD.encode(signature);
            let token = format!("{header}.{payload}.{signature}");
            let told = house.accepts(&token);
            assert_eq!(told, Err(TokenError::Invalid), "{point:x?}");
        }
        let mut header = house.header();
        let x = URL_SAFE_NO_PAD.encode(point);
        header["jwk"] = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
        let zero = URL_SAFE_NO_PAD.encode([&point[..], &[0; 32]].concat());
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let token = format!("{header}.{payload}.{zero}");
        let told = house.accepts(&token);
        assert_eq!(told, Err(TokenError::Invalid), "{point:x?}");
    }
}

/// The order of these points divides 8. Each y with both signs, also where it is written beyond the
/// field's prime.
fn small_order() -> Vec<[u8; 32]> {
    let hex = |text: &str| -> [u8; 32] {
        let byte = |place| u8::from_str_radix(&text[place * 2..place * 2 + 2], 16).unwrap();
        std::array::from_fn(byte)
    };
    let ys = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let both = |y: [u8; 32]| {
        let mut other = y;
        other[31] |= 0x80;
        [y, other]
    };
    ys.map(hex).into_iter().flat_map(both).collect()
}
