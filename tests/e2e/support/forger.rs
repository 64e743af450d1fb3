//! A forger who holds the gateway's own keys: signs whatever header and claims a test wants, so that a
//! refusal shows that the claims were judged, not the signature.

use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use vestibule::clock::SteadyClock;
use vestibule::config::StorageSettings;
use vestibule::session::KeyPurpose;
use vestibule::store::seal::MasterKey;
use vestibule::store::{self, Opened};

use super::Gateway;

/// A key of the gateway, in the clear.
pub struct BareKey {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Its id.
    pub kid: String,
    /// The seed or key itself.
    pub secret: Vec<u8>,
}

/// Every key of this gateway, unsealed with its master key by the program's own code.
pub fn bare_keys(gateway: &Gateway) -> Vec<BareKey> {
    let master = gateway.file("vestibule.db.key");
    let master = MasterKey::load(&master).expect("the master key is there");
    in_store_of(gateway, async |store| {
        let set = store.directory.keys().await.expect("the store answers");
        let open = |sealed| {
            let material = master.open(sealed).expect("the master key fits");
            BareKey {
                purpose: material.key.purpose,
                kid: material.key.kid,
                secret: material.secret.expose().clone(),
            }
        };
        set.keys.iter().map(open).collect()
    })
}

fn in_store_of<T>(gateway: &Gateway, work: impl AsyncFnOnce(Opened) -> T) -> T {
    let settings = StorageSettings::Sqlite {
        path: gateway.file("vestibule.db"),
        master_key: gateway.file("vestibule.db.key"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let clock = Arc::new(SteadyClock::new());
        let opened = store::open(&settings, clock).await.expect("it opens");
        work(opened).await
    })
}

/// Signs what it is told. Starts from a real token, whose header and claims a test changes.
pub struct Forger {
    key: Ed25519KeyPair,
    header: Value,
    claims: Value,
}

impl Forger {
    /// With the key that signed this access token.
    pub fn of(gateway: &Gateway, access_token: &str) -> Self {
        let header = part(access_token, 0);
        let is_its_key =
            |key: &BareKey| key.purpose == KeyPurpose::AccessToken && header["kid"] == *key.kid;
        let mut keys = bare_keys(gateway).into_iter();
        let key = keys.find(is_its_key).expect("the key is in the store");
        let forger = Self::with_seed(&key.secret, access_token);
        let (message, _) = access_token.rsplit_once('.').expect("three parts");
        let same = sealed(message, forger.key.sign(message.as_bytes()).as_ref());
        assert_eq!(same, access_token, "it is the key that signed it");
        forger
    }

    /// With any key, which need not be the one of this token.
    pub fn with_seed(seed: &[u8], access_token: &str) -> Self {
        Self {
            key: key_of(seed),
            header: part(access_token, 0),
            claims: part(access_token, 1),
        }
    }

    /// The header of the real token.
    pub fn header(&self) -> Value {
        self.header.clone()
    }

    /// The claims of the real token.
    pub fn claims(&self) -> Value {
        self.claims.clone()
    }

    /// The real token with another header, well signed.
    pub fn with_header(&self, header: &Value) -> String {
        self.sign(header, &self.claims)
    }

    /// The real token with this member of the header replaced (`null`: left out), well signed.
    pub fn with_parameter(&self, name: &str, value: Value) -> String {
        self.with_header(&replaced(&self.header, name, value))
    }

    /// The real token with other claims, well signed.
    pub fn with_claims(&self, claims: &Value) -> String {
        self.sign(&self.header, claims)
    }

    /// The real token with this claim replaced (`null`: left out), well signed.
    pub fn with_claim(&self, name: &str, value: Value) -> String {
        self.with_claims(&replaced(&self.claims, name, value))
    }

    /// Header and claims of the real token, but claims written like this, well signed.
    pub fn with_claims_text(&self, claims: &str) -> String {
        self.sign_text(&self.header.to_string(), claims)
    }

    /// The same claims signed by another key of the same kind, under this header.
    pub fn with_another_key(&self, seed: [u8; 32], header: &Value) -> String {
        let message = message(&header.to_string(), &self.claims.to_string());
        sealed(&message, key_of(&seed).sign(message.as_bytes()).as_ref())
    }

    /// The same claims under this header, with an HMAC-SHA256 over them in place of a signature.
    pub fn with_mac(&self, key: &[u8], header: &Value) -> String {
        let message = message(&header.to_string(), &self.claims.to_string());
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        sealed(&message, hmac::sign(&key, message.as_bytes()).as_ref())
    }

    /// The same claims under this header, without any signature.
    pub fn unsigned(&self, header: &Value) -> String {
        message(&header.to_string(), &self.claims.to_string()) + "."
    }

    /// The public half of the key that signs.
    pub fn public_key(&self) -> Vec<u8> {
        self.key.public_key().as_ref().to_vec()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = message(header, claims);
        sealed(&message, self.key.sign(message.as_bytes()).as_ref())
    }
}

/// The public key that belongs to this seed.
pub fn public_key_of(seed: &[u8; 32]) -> Vec<u8> {
    key_of(seed).public_key().as_ref().to_vec()
}

/// What one of the parts of a token says.
#[track_caller]
pub fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn key_of(seed: &[u8]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed")
}

fn replaced(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.clone();
    let members = object.as_object_mut().expect("an object");
    match value {
        Value::Null => members.remove(name),
        value => members.insert(name.to_owned(), value),
    };
    object
}

fn message(header: &str, claims: &str) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{claims}")
}

fn sealed(message: &str, signature: &[u8]) -> String {
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}
