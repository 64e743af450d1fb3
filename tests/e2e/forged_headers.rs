//! Tokens that name another algorithm, type or key in their header, and tokens signed with anything else.

use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::forged_tokens::{Bench, INVALID, WRONG_TYPE};
use crate::support::{Request, Scrape, bare_keys, public_key_of};

#[test]
fn t_01_a_token_that_names_no_algorithm_or_has_no_signature_is_refused() {
    let bench = Bench::new();
    let mut rows = Vec::new();
    for algorithm in [
        json!("none"),
        json!("None"),
        json!("nOnE"),
        json!("NONE"),
        json!(""),
        json!(["EdDSA"]),
        json!(["none"]),
        json!(1),
        json!({}),
    ] {
        let mut header = bench.forger.header();
        header["alg"] = algorithm;
        let told = format!("T-01 {header}");
        rows.push((told.clone() + " unsigned", bench.forger.unsigned(&header)));
        rows.push((told + " signed", bench.forger.with_header(&header)));
    }
    rows.push(("T-01 no alg".into(), bench.parameter("alg", Value::Null)));
    let mut header = bench.forger.header();
    header["alg"] = Value::Null;
    rows.push(("T-01 alg null".into(), bench.forger.with_header(&header)));
    let header = bench.forger.header();
    let unsigned = bench.forger.unsigned(&header);
    let two_parts = unsigned.trim_end_matches('.').to_owned();
    rows.push(("T-01 empty signature".into(), unsigned));
    rows.push(("T-01 no signature".into(), two_parts));
    let rows: Vec<_> = rows
        .iter()
        .map(|(row, token)| (&**row, token.clone(), INVALID))
        .collect();
    bench.refuses(&rows);
}

/// A verifier that took the algorithm from the token would check an HMAC with bytes that everybody has.
#[test]
fn t_02_the_public_key_is_no_hmac_key() {
    let bench = Bench::new();
    let public = bench.forger.public_key();
    // RFC 8410 §4: the DER of an Ed25519 public key is this and the 32 bytes.
    let der = [&[48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0], &*public].concat();
    let body = STANDARD.encode(&der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----");
    let set = Request::get("/vestibule/jwks.json").send(&bench.gateway);
    let jwk = set.json()["keys"][0].to_string();
    let x = URL_SAFE_NO_PAD.encode(&public);
    let set = set.text();
    let keys = [
        &*public,
        &*der,
        pem.as_bytes(),
        &*format!("{pem}\n").into_bytes(),
        jwk.as_bytes(),
        set.as_bytes(),
        x.as_bytes(),
        b"",
    ]
    .map(<[u8]>::to_vec);
    let mut rows = Vec::new();
    for key in &keys {
        for algorithm in ["HS256", "EdDSA"] {
            let mut header = bench.forger.header();
            header["alg"] = json!(algorithm);
            rows.push(("T-02", bench.forger.with_mac(key, &header), INVALID));
        }
    }
    bench.refuses(&rows);
}

/// The key that verifies is the one in the store, whatever key a token brings along or points to.
/// What a header names is looked for among the keys in memory, and nowhere else.
#[test]
fn t_04_a_key_id_is_a_name_among_ours_or_no_good() {
    let bench = Bench::new();
    let keys = "vestibule_store_operation_duration_seconds_count{operation=\"keys\"}";
    let read = || Scrape::of(&bench.gateway).get(keys);
    let before = read();
    let own = bench.forger.header()["kid"].clone();
    let own = own.as_str().expect("a text");
    let (first, rest) = own.split_at(1);
    let mut ids = [
        "",
        "unknown",
        "../../dev/null",
        "/etc/passwd",
        "' OR 1=1 --",
        "'; DROP TABLE keys; --",
        "a\0b",
        "1",
        "\u{a0}",
    ]
    .map(str::to_owned)
    .to_vec();
    ids.extend([
        "k".repeat(5000),
        format!("{own}\0"),
        format!(" {own}"),
        rest.to_owned(),
        first.to_owned(),
    ]);
    let others = bare_keys(&bench.gateway).into_iter();
    ids.extend(others.map(|key| key.kid).filter(|kid| *kid != own));
    let ids = ids.into_iter().map(Value::String);
    let strange = [json!([own]), json!(1), json!({"kid": own}), Value::Null];
    let tokens = ids.chain(strange).map(|id| bench.parameter("kid", id));
    let rows: Vec<_> = tokens.map(|token| ("T-04", token, INVALID)).collect();
    bench.refuses(&rows);
    assert_eq!(read(), before, "a key id asks the store");
}

#[test]
fn t_06_a_token_brings_no_key_of_its_own_and_nothing_is_fetched() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.set_nonblocking(true).expect("it is set");
    let url = format!("http://{}/keys", listener.local_addr().expect("bound"));
    let seed = [7; 32];
    let x = URL_SAFE_NO_PAD.encode(public_key_of(&seed));
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "alg": "EdDSA"});
    let chain = json!([STANDARD.encode([48; 64])]);
    let mut rows = Vec::new();
    for (name, value) in [
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("jwk", jwk),
        ("x5c", chain),
    ] {
        let header = {
            let mut header = bench.forger.header();
            header[name] = value;
            header
        };
        let mut named = header.clone();
        named["kid"] = json!("evil");
        rows.push(("T-06 own signature", bench.forger.with_header(&header)));
        for header in [&header, &named] {
            let forged = bench.forger.with_another_key(seed, header);
            rows.push(("T-06 matching signature", forged));
        }
    }
    let another = bench.forger.with_another_key(seed, &bench.forger.header());
    rows.push(("T-06 another key under a known name", another));
    let rows: Vec<_> = rows.into_iter().map(|(row, t)| (row, t, INVALID)).collect();
    bench.refuses(&rows);
    assert!(listener.accept().is_err(), "nobody asked for a key");
}

#[test]
fn t_07_other_forms_of_a_jose_message_are_refused() {
    let bench = Bench::new();
    let parts: Vec<&str> = bench.token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("three parts");
    };
    let mut rows = Vec::new();
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ] {
        rows.push(bench.parameter(name, value));
    }
    let nested = json!(bench.token).to_string();
    rows.push(bench.forger.with_claims_text(&nested));
    rows.push(bench.forger.with_claims_text(&bench.token));
    let jwe = URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A256GCM","typ":"at+jwt"}"#);
    rows.push(format!(
        "{jwe}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"
    ));
    rows.push(format!(
        "{header}.{claims}.{signature}.{claims}.{signature}"
    ));
    rows.push(format!("{header}..{signature}"));
    let rows: Vec<_> = rows.into_iter().map(|t| ("T-07", t, INVALID)).collect();
    bench.refuses(&rows);
    let before = bench.upstream.count();
    let flattened = json!({"protected": header, "payload": claims, "signature": signature});
    let signed = json!({"protected": header, "signature": signature});
    let general = json!({"payload": claims, "signatures": [signed]});
    for json in [flattened.to_string(), general.to_string()] {
        let answer = Request::get("/").bearer(&json).send(&bench.gateway);
        assert_eq!(answer.status, 400, "T-07: no token has a comma");
        let cookie = format!("vestibule_access={json}");
        let answer = Request::get("/").header("Cookie", &cookie);
        assert_eq!(answer.send(&bench.gateway).error(), INVALID, "T-07");
    }
    assert_eq!(bench.upstream.count(), before);
}

#[test]
fn fj_39_t_08_only_an_access_token_is_one() {
    let bench = Bench::new();
    let mut rows = Vec::new();
    for typ in [
        "JWT",
        "rt+jwt",
        "at",
        "app",
        "access",
        "",
        "at+jwt ",
        "text/at+jwt",
    ] {
        rows.push(("FJ-39 T-08", bench.parameter("typ", json!(typ)), WRONG_TYPE));
    }
    let assertion = bench.parameter("typ", json!("vestibule-assertion+jwt"));
    rows.push(("FJ-39 an assertion", assertion, WRONG_TYPE));
    let absent = bench.parameter("typ", Value::Null);
    rows.push(("T-08 no typ", absent, WRONG_TYPE));
    rows.push(("T-08 typ 1", bench.parameter("typ", json!(1)), INVALID));
    bench.refuses(&rows);
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/AT+jwt",
    ] {
        bench.passes(typ, &bench.parameter("typ", json!(typ)));
    }
    // A claim of that name, which other programs write, says nothing here.
    bench.passes("FJ-39 type", &bench.claim("type", json!("refresh")));
}

#[test]
fn fj_40_what_a_header_says_beyond_what_is_known_is_ignored() {
    let bench = Bench::new();
    for (name, value) in [
        ("new", json!({"a": [1, null]})),
        ("foo", json!("bar")),
        ("x5t", json!("AAAA")),
    ] {
        bench.passes("FJ-40", &bench.parameter(name, value));
    }
    let critical = {
        let mut header = bench.forger.header();
        header["foo"] = json!("bar");
        header["crit"] = json!(["foo"]);
        bench.forger.with_header(&header)
    };
    bench.refuses(&[("FJ-40 critical", critical, INVALID)]);
}
