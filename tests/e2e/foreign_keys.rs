//! Well-signed tokens that are none: by the keys of another installation, or by ours used in another way.

use serde_json::{Value, json};

use crate::support::{
    Answer, BareKey, Forger, Gateway, Request, Setup, Upstream, bare_keys, browser_sign_in, part,
    refresh, sign_in,
};

const SIGNED: [&str; 4] = ["EdDSA", "ES256", "RS256", "PS256"];

/// The route for the signed-in, and one that takes strangers, too.
fn gateway(upstream: &Upstream, algorithm: &str) -> Gateway {
    Setup::in_front_of(upstream)
        .route("/optional", &upstream.url(), "optional", "")
        .section(&format!("[tokens]\nalgorithm = \"{algorithm}\""))
        .start()
}

fn ask(gateway: &Gateway, path: &str, token: &str) -> Answer {
    Request::get(path).bearer(token).send(gateway)
}

#[track_caller]
fn is_refused(gateway: &Gateway, what: &str, token: &str) {
    for path in ["/", "/optional", "/vestibule/session"] {
        let answer = ask(gateway, path, token);
        let told = (answer.status, answer.error());
        assert_eq!(told, (401, "invalid_token".to_owned()), "{what} at {path}");
    }
}

/// The key with which this token was made.
fn key_of(gateway: &Gateway, token: &str) -> BareKey {
    let kid = part(token, 0)["kid"].clone();
    let mut keys = bare_keys(gateway).into_iter();
    let key = keys.find(|key| kid == *key.kid);
    key.expect("the key is in the store")
}

fn naming(header: &Value, algorithm: &str, kid: &str) -> Value {
    let mut header = header.clone();
    header["alg"] = json!(algorithm);
    header["kid"] = json!(kid);
    header
}

#[test]
fn fj_34_fj_42_a_code_is_no_signature_where_tokens_are_signed() {
    for algorithm in SIGNED {
        let upstream = Upstream::start();
        let gateway = gateway(&upstream, algorithm);
        let good = sign_in(&gateway, "ada").access;
        let key = key_of(&gateway, &good);
        let forger = Forger::with_seed(&[9; 32], &good);
        for (what, secret) in [
            ("our private key as the secret", &key.secret[..]),
            (
                "a secret of theirs",
                b"a secret that is long enough, not ours",
            ),
            ("the key's id as the secret", key.kid.as_bytes()),
        ] {
            for named in ["HS256", algorithm] {
                let header = naming(&forger.header(), named, &key.kid);
                is_refused(&gateway, what, &forger.with_mac(secret, &header));
            }
        }
        assert_eq!(upstream.count(), 0);
        assert_eq!(ask(&gateway, "/", &good).status, 200);
    }
}

#[test]
fn fj_42_a_signature_is_no_code_where_tokens_have_codes() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "HS256");
    let good = sign_in(&gateway, "ada").access;
    let key = key_of(&gateway, &good);
    let seed: [u8; 32] = key.secret[..].try_into().expect("32 bytes");
    for seed in [seed, [9; 32]] {
        let forger = Forger::with_seed(&seed, &good);
        for named in SIGNED.into_iter().chain(["HS256"]) {
            let header = naming(&forger.header(), named, &key.kid);
            is_refused(&gateway, named, &forger.with_header(&header));
        }
    }
    assert_eq!(upstream.count(), 0);
    let forger = Forger::with_seed(&seed, &good);
    let same = forger.with_mac(&key.secret, &forger.header());
    assert_eq!(ask(&gateway, "/", &same).status, 200, "the secret is ours");
}

/// Both have the same address, so that nothing but the key tells them apart.
#[test]
fn fj_43_what_another_installation_made_is_no_good_here() {
    for (here, there) in [("EdDSA", "EdDSA"), ("EdDSA", "HS256"), ("HS256", "ES256")] {
        let upstream = Upstream::start();
        let [ours, theirs] = [here, there].map(|algorithm| gateway(&upstream, algorithm));
        let good = sign_in(&ours, "ada");
        let foreign = sign_in(&theirs, "ada");
        is_refused(&ours, "their token", &foreign.access);
        let kid = part(&good.access, 0)["kid"].clone();
        let key = key_of(&theirs, &foreign.access);
        if let Ok(seed) = <[u8; 32]>::try_from(&key.secret[..]) {
            let forger = Forger::with_seed(&seed, &foreign.access);
            let header = naming(&forger.header(), there, kid.as_str().expect("a text"));
            is_refused(&ours, "under our id", &forger.with_header(&header));
            let mac = forger.with_mac(&seed, &header);
            is_refused(&ours, "with a code, under our id", &mac);
        }
        let refused = refresh(&ours, &foreign.refresh);
        let told = (refused.status, refused.error());
        assert_eq!(told, (401, "invalid_grant".to_owned()));
        let cookies = browser_sign_in(&theirs, "ada");
        let strange = Request::get("/").header("Cookie", &cookies).send(&ours);
        assert_eq!(strange.status, 401);
        assert_eq!(upstream.count(), 0);
        assert_eq!(ask(&ours, "/", &good.access).status, 200);
        assert_eq!(refresh(&ours, &good.refresh).status, 200);
        assert_eq!(refresh(&theirs, &foreign.refresh).status, 200);
    }
}
