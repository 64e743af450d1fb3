//! An Ed25519 key that signs JWTs (RFC 8037): made of a seed, named by its thumbprint.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto};
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::identity::Secret;

/// `alg` of everything these keys sign (RFC 8037 §3.1).
pub(super) const ALGORITHM: &str = "EdDSA";

/// Both halves of a key, ready for jsonwebtoken.
pub(super) struct SigningKey {
    kid: String,
    x: String,
    private: EncodingKey,
    public: DecodingKey,
}

impl SigningKey {
    /// The key of this seed; `None` if the crypto library refuses it.
    pub(super) fn from_seed(seed: &Secret<[u8; 32]>) -> Option<Self> {
        install_crypto_provider();
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).ok()?;
        let public = pair.public_key().as_ref();
        let x = URL_SAFE_NO_PAD.encode(public);
        let key = Self {
            kid: thumbprint(&x),
            x,
            private: EncodingKey::from_ed_der(&*pkcs8(seed)),
            public: DecodingKey::from_ed_der(public),
        };
        key.works().then_some(key)
    }

    /// The RFC 7638 thumbprint of the public key.
    pub(super) fn kid(&self) -> &str {
        &self.kid
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
            ..Header::new(Algorithm::EdDSA)
        };
        jsonwebtoken::encode(&header, claims, &self.private)
            .expect("the key signed when it was made, and claims are plain structs")
    }

    /// Whether this key made this (base64url) signature over `signed`.
    pub(super) fn verifies(&self, signed: &str, signature: &str) -> bool {
        crypto::verify(signature, signed.as_bytes(), &self.public, Algorithm::EdDSA)
            .unwrap_or(false)
    }

    /// The public half as a JWK (RFC 7517 §4, RFC 8037 §2).
    pub(super) fn to_jwk(&self) -> Value {
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": self.x,
            "kid": self.kid,
            "use": "sig",
            "alg": ALGORITHM,
        })
    }

    fn works(&self) -> bool {
        crypto::sign(b"", &self.private, Algorithm::EdDSA)
            .is_ok_and(|signature| self.verifies("", &signature))
    }
}

/// Names jsonwebtoken's crypto library before its first use: left to itself it panics as soon as a
/// dependency switches on a second one.
fn install_crypto_provider() {
    // An error says that it was installed before.
    crypto::aws_lc::DEFAULT_PROVIDER.install_default().ok();
}

/// The seed as PKCS#8 v1, the one form that jsonwebtoken takes (RFC 8410 §7).
pub(super) fn pkcs8(seed: &Secret<[u8; 32]>) -> Zeroizing<[u8; 48]> {
    const PREFIX: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let mut der = Zeroizing::new([0; 48]);
    let (prefix, rest) = der.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(&PREFIX);
    rest.copy_from_slice(seed.expose());
    der
}

fn thumbprint(x: &str) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8037 appendix A.1.
    fn rfc_8037() -> SigningKey {
        let seed = URL_SAFE_NO_PAD
            .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
            .unwrap();
        SigningKey::from_seed(&Secret::new(seed.try_into().unwrap())).unwrap()
    }

    #[test]
    fn the_public_key_and_its_thumbprint_are_those_of_rfc_8037() {
        let key = rfc_8037();
        assert_eq!(key.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
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
        let jwk = rfc_8037().to_jwk();
        let names: Vec<&str> = jwk
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"]);
    }
}
