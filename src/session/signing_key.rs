//! A key that signs JWTs, with the one algorithm that it is for: named by its thumbprint where it has a
//! public half (RFC 7517, RFC 7518, RFC 7638, RFC 8037).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto};
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::session::key::KeyAlgorithm;

/// The least that an RSA modulus has, in bytes (RFC 7518 §3.3).
const LEAST_MODULUS: usize = 2048 / 8;
/// The least that an HMAC key has, in bytes (RFC 7518 §3.2).
const LEAST_SHARED: usize = 32;

/// Both halves of a key, ready for jsonwebtoken.
pub(super) struct SigningKey {
    kid: String,
    algorithm: KeyAlgorithm,
    jwt: Algorithm,
    private: EncodingKey,
    checks: DecodingKey,
    /// The members of the JWK that say what the public half is; none where there is no public half.
    public: Option<Value>,
}

/// Both halves as they are read from the secret.
type Halves = (EncodingKey, DecodingKey, Option<Value>);

impl SigningKey {
    /// The key of this secret, called `kid`; `None` if the secret is no key of this algorithm, or a
    /// weak one, or the public half has another name.
    pub(super) fn new(algorithm: KeyAlgorithm, kid: &str, secret: &[u8]) -> Option<Self> {
        install_crypto_provider();
        let (jwt, (private, checks, public)) = halves(algorithm, secret)?;
        let is_named_so = match &public {
            Some(public) => thumbprint(public) == kid,
            None => !kid.is_empty(),
        };
        let key = Self {
            kid: kid.to_owned(),
            algorithm,
            jwt,
            private,
            checks,
            public,
        };
        (is_named_so && key.works()).then_some(key)
    }

    /// The name of the key.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// `alg` of everything this key signs, and of nothing that it does not.
    pub(super) const fn algorithm(&self) -> &'static str {
        self.algorithm.as_str()
    }

    /// A JWT of this type with these claims.
    #[expect(
        clippy::expect_used,
        reason = "fails only for keys that do not parse or claims that are no JSON"
    )]
    pub(super) fn sign(&self, typ: &str, claims: &impl Serialize) -> String {
        let header = Header {
            typ: Some(typ.to_owned()),
            kid: Some(self.kid.clone()),
            ..Header::new(self.jwt)
        };
        jsonwebtoken::encode(&header, claims, &self.private)
            .expect("the key signed when it was made, and claims are plain structs")
    }

    /// Whether this key made this (base64url) signature over `signed`.
    pub(super) fn verifies(&self, signed: &str, signature: &str) -> bool {
        crypto::verify(signature, signed.as_bytes(), &self.checks, self.jwt).unwrap_or(false)
    }

    /// The public half as a JWK (RFC 7517 §4), where there is one.
    pub(super) fn to_jwk(&self) -> Option<Value> {
        let mut jwk = self.public.clone()?;
        let members = jwk.as_object_mut()?;
        for (name, value) in [
            ("kid", &*self.kid),
            ("use", "sig"),
            ("alg", self.algorithm()),
        ] {
            members.insert(name.to_owned(), value.into());
        }
        Some(jwk)
    }

    fn works(&self) -> bool {
        crypto::sign(b"", &self.private, self.jwt)
            .is_ok_and(|signature| self.verifies("", &signature))
    }
}

/// The name of a key with this secret: the thumbprint of its public half; `None` where it has none, or
/// the secret is no key of this algorithm.
pub(super) fn name_of(algorithm: KeyAlgorithm, secret: &[u8]) -> Option<String> {
    install_crypto_provider();
    let (_, (_, _, public)) = halves(algorithm, secret)?;
    public.as_ref().map(thumbprint)
}

/// Names jsonwebtoken's crypto library before its first use: left to itself it panics as soon as a
/// dependency switches on a second one.
fn install_crypto_provider() {
    // An error says that it was installed before.
    crypto::aws_lc::DEFAULT_PROVIDER.install_default().ok();
}

fn halves(algorithm: KeyAlgorithm, secret: &[u8]) -> Option<(Algorithm, Halves)> {
    match algorithm {
        KeyAlgorithm::EdDsa => Some((Algorithm::EdDSA, ed25519(secret)?)),
        KeyAlgorithm::Es256 => Some((Algorithm::ES256, p256(secret)?)),
        KeyAlgorithm::Rs256 => Some((Algorithm::RS256, rsa(secret)?)),
        KeyAlgorithm::Ps256 => Some((Algorithm::PS256, rsa(secret)?)),
        KeyAlgorithm::Hs256 => Some((Algorithm::HS256, shared(secret)?)),
        KeyAlgorithm::Mac | KeyAlgorithm::Hkdf => None,
    }
}

fn ed25519(seed: &[u8]) -> Option<Halves> {
    let seed: &[u8; 32] = seed.try_into().ok()?;
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
    let public = pair.public_key().as_ref();
    let jwk = json!({"crv": "Ed25519", "kty": "OKP", "x": URL_SAFE_NO_PAD.encode(public)});
    let private = EncodingKey::from_ed_der(&*pkcs8(seed));
    Some((private, DecodingKey::from_ed_der(public), Some(jwk)))
}

fn p256(pkcs8: &[u8]) -> Option<Halves> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
    // The uncompressed point: 4, x, y (SEC 1 §2.3.3).
    let point = pair.public_key().as_ref().strip_prefix(&[4])?;
    let (x, y) = point.split_at_checked(32)?;
    let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
    let checks = DecodingKey::from_ec_components(&x, &y).ok()?;
    let jwk = json!({"crv": "P-256", "kty": "EC", "x": x, "y": y});
    Some((EncodingKey::from_ec_der(pkcs8), checks, Some(jwk)))
}

fn rsa(pkcs8: &[u8]) -> Option<Halves> {
    let pair = RsaKeyPair::from_pkcs8(pkcs8).ok()?;
    let public = pair.public_key();
    let modulus = public.modulus().big_endian_without_leading_zero();
    if modulus.len() < LEAST_MODULUS {
        return None;
    }
    let exponent = public.exponent().big_endian_without_leading_zero();
    let [n, e] = [modulus, exponent].map(|part| URL_SAFE_NO_PAD.encode(part));
    let checks = DecodingKey::from_rsa_components(&n, &e).ok()?;
    // jsonwebtoken wants PKCS#1, which it finds in PKCS#8 only where that is PEM.
    let private = EncodingKey::from_rsa_pem(pem(pkcs8).as_bytes()).ok()?;
    let jwk = json!({"e": e, "kty": "RSA", "n": n});
    Some((private, checks, Some(jwk)))
}

fn shared(secret: &[u8]) -> Option<Halves> {
    let is_strong = secret.len() >= LEAST_SHARED;
    is_strong.then(|| {
        let checks = DecodingKey::from_secret(secret);
        (EncodingKey::from_secret(secret), checks, None)
    })
}

/// PKCS#8 as text (RFC 7468 §10).
fn pem(pkcs8: &[u8]) -> Zeroizing<String> {
    const LINE: usize = 64;
    let encoded = Zeroizing::new(STANDARD.encode(pkcs8));
    let mut pem = Zeroizing::new(String::with_capacity(encoded.len() * 2));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = &**encoded;
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(LINE).unwrap_or((rest, ""));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    pem
}

/// The seed as PKCS#8 v1, the one form that jsonwebtoken takes (RFC 8410 §7).
pub(super) fn pkcs8(seed: &[u8; 32]) -> Zeroizing<[u8; 48]> {
    const PREFIX: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let mut der = Zeroizing::new([0; 48]);
    let (prefix, rest) = der.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(&PREFIX);
    rest.copy_from_slice(seed);
    der
}

/// SHA-256 of the members that make the public half, in the order of their names (RFC 7638 §3), which
/// is the order in which serde_json keeps and writes them.
fn thumbprint(public: &Value) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, public.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    fn decoded(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    fn key(algorithm: KeyAlgorithm, secret: &[u8]) -> SigningKey {
        let kid = name_of(algorithm, secret).unwrap();
        SigningKey::new(algorithm, &kid, secret).unwrap()
    }

    /// The key of RFC 8037 appendix A.1.
    fn rfc_8037() -> SigningKey {
        let seed = decoded("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
        key(KeyAlgorithm::EdDsa, &seed)
    }

    #[test]
    fn the_public_key_and_its_thumbprint_are_those_of_rfc_8037() {
        let key = rfc_8037();
        let jwk = key.to_jwk().unwrap();
        assert_eq!(jwk["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn the_thumbprint_of_an_rsa_key_is_that_of_rfc_7638() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let public = json!({"e": "AQAB", "kty": "RSA", "n": n});
        let expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(thumbprint(&public), expected);
    }

    #[test]
    fn the_signature_is_that_of_rfc_8037() {
        let signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert!(rfc_8037().verifies(signed, signature));
        assert!(!rfc_8037().verifies("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5", signature));
        assert!(!rfc_8037().verifies(signed, ""));
    }

    #[test]
    fn a_jwk_shows_the_public_half_only() {
        let p256 = random::p256_private_key();
        let rsa = random::rsa_private_key();
        for (key, expected) in [
            (rfc_8037(), vec!["alg", "crv", "kid", "kty", "use", "x"]),
            (
                key(KeyAlgorithm::Es256, &p256),
                vec!["alg", "crv", "kid", "kty", "use", "x", "y"],
            ),
            (
                key(KeyAlgorithm::Ps256, &rsa),
                vec!["alg", "e", "kid", "kty", "n", "use"],
            ),
        ] {
            let jwk = key.to_jwk().unwrap();
            let mut names: Vec<&String> = jwk.as_object().unwrap().keys().collect();
            names.sort_unstable();
            assert_eq!(names, expected);
        }
        let shared = SigningKey::new(KeyAlgorithm::Hs256, "h", &[1; 32]).unwrap();
        assert!(shared.to_jwk().is_none());
        assert_eq!(name_of(KeyAlgorithm::Hs256, &[1; 32]), None);
    }

    #[test]
    fn a_key_signs_with_its_own_algorithm_and_checks_no_other() {
        let rsa = random::rsa_private_key();
        let all = [
            rfc_8037(),
            key(KeyAlgorithm::Es256, &random::p256_private_key()),
            key(KeyAlgorithm::Rs256, &rsa),
            key(KeyAlgorithm::Ps256, &rsa),
            SigningKey::new(KeyAlgorithm::Hs256, "h", &[1; 32]).unwrap(),
        ];
        for (at, key) in all.iter().enumerate() {
            let token = key.sign("t", &json!({}));
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let header = decoded(signed.split_once('.').unwrap().0);
            let header: Value = serde_json::from_slice(&header).unwrap();
            assert_eq!(header["alg"], key.algorithm());
            assert_eq!(header["kid"], key.kid());
            for (other_at, other) in all.iter().enumerate() {
                let checks = other.verifies(signed, signature);
                assert_eq!(checks, at == other_at, "{at} {other_at}");
            }
        }
    }

    #[test]
    fn what_is_weak_or_no_key_or_named_otherwise_is_refused() {
        let p256 = random::p256_private_key();
        for (algorithm, kid, secret) in [
            (KeyAlgorithm::EdDsa, "x", &[1; 32][..]),
            (KeyAlgorithm::EdDsa, "x", &[1; 31]),
            (KeyAlgorithm::Es256, "x", &p256),
            (KeyAlgorithm::Rs256, "x", &p256),
            (KeyAlgorithm::Hs256, "x", &[1; 31]),
            (KeyAlgorithm::Hs256, "", &[1; 32]),
            (KeyAlgorithm::Mac, "x", &[1; 32]),
        ] {
            let refused = SigningKey::new(algorithm, kid, secret).is_none();
            assert!(refused, "{algorithm:?} {kid:?}");
        }
    }
}
