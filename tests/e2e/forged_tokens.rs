//! Tokens signed with the gateway's own key that say the wrong thing, and tokens signed with anything else.

use std::net::TcpListener;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{Answer, Forger, Gateway, Request, Setup, Upstream, public_key_of, sign_in};

const INVALID: &str = "invalid_token";
const WRONG_TYPE: &str = "wrong_token_type";
const EXPIRED: &str = "token_expired";

/// A gateway, one of its access tokens, and the forger.
struct Bench {
    upstream: Upstream,
    gateway: Gateway,
    token: String,
    forger: Forger,
}

impl Bench {
    fn new() -> Self {
        Self::with_leeway("5s")
    }

    fn with_leeway(leeway: &str) -> Self {
        let upstream = Upstream::start();
        let gateway = Setup::in_front_of(&upstream)
            .route("/optional", &upstream.url(), "optional", "")
            .section(&format!("[tokens]\nleeway = \"{leeway}\""))
            .start();
        let token = sign_in(&gateway, "ada").access;
        let forger = Forger::of(&gateway, &token);
        Self {
            upstream,
            gateway,
            token,
            forger,
        }
    }

    /// With this claim replaced and everything else as it was.
    fn claim(&self, name: &str, value: Value) -> String {
        self.forger.with_claim(name, value)
    }

    /// With this member of the header replaced and everything else as it was.
    fn parameter(&self, name: &str, value: Value) -> String {
        self.forger.with_parameter(name, value)
    }

    /// Reaches the app, who is told of the user.
    #[track_caller]
    fn passes(&self, row: &str, token: &str) {
        let before = self.upstream.count();
        let answer = Request::get("/").bearer(token).send(&self.gateway);
        assert_eq!(answer.status, 200, "{row}: {}", answer.text());
        assert_eq!(self.upstream.count(), before + 1, "{row}");
        let told = self.upstream.last();
        assert_eq!(told.head.all("x-forwarded-user"), ["ada"], "{row}");
    }

    /// Every one of these is refused, as Bearer on a route for the signed-in and on one for everybody,
    /// and as the access cookie. Nothing reaches the app, and whoever is refused with the same code
    /// reads the same answer, byte for byte. Afterwards the real token passes.
    #[track_caller]
    fn refuses(&self, rows: &[(&str, String, &str)]) {
        let before = self.upstream.count();
        for (row, token, error) in rows {
            let reference = self.refusal_of_its_kind(error);
            let bearer = Request::get("/").bearer(token).send(&self.gateway);
            assert_same(row, &bearer, &reference);
            let optional = Request::get("/optional").bearer(token);
            let optional = optional.send(&self.gateway);
            assert_eq!(
                (optional.status, &*optional.error()),
                (401, *error),
                "{row}"
            );
            let cookie = Request::get("/").header("Cookie", &format!("vestibule_access={token}"));
            let cookie = cookie.send(&self.gateway);
            assert_eq!((cookie.status, &*cookie.error()), (401, *error), "{row}");
            assert_eq!(cookie.head.all("set-cookie"), [""; 0], "{row}");
        }
        assert_eq!(self.upstream.count(), before, "nothing reached the app");
        self.passes("the real token, afterwards", &self.token);
    }

    /// What the plainest token is told that is refused with this code.
    fn refusal_of_its_kind(&self, error: &str) -> Answer {
        let token = match error {
            EXPIRED => self.claims_at(-1000, -700),
            WRONG_TYPE => "vrt1_".to_owned(),
            _ => "nonsense".to_owned(),
        };
        let answer = Request::get("/").bearer(&token).send(&self.gateway);
        assert_eq!((answer.status, &*answer.error()), (401, error));
        answer
    }

    /// Issued and over so many seconds from now.
    fn claims_at(&self, issued: i64, over: i64) -> String {
        let mut claims = self.forger.claims();
        claims["iat"] = json!(now() + issued);
        claims["exp"] = json!(now() + over);
        self.forger.with_claims(&claims)
    }
}

/// Status, fields and body are the same, but for the fields that tell one answer from another.
#[track_caller]
fn assert_same(row: &str, answer: &Answer, reference: &Answer) {
    assert_eq!(answer.status, reference.status, "{row}: {}", answer.text());
    assert_eq!(answer.text(), reference.text(), "{row}");
    let challenge = |answer: &Answer| answer.header("www-authenticate").map(str::to_owned);
    assert_eq!(challenge(answer), challenge(reference), "{row}");
    assert!(answer.is_ours(), "{row}");
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_secs()).expect("before the year 9999")
}

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
fn fj_29_fj_35_fj_37_fj_38_a_token_without_a_claim_or_with_a_strange_one_is_refused() {
    let bench = Bench::new();
    let mut rows = Vec::new();
    rows.push(("FJ-29 no sub", bench.claim("sub", Value::Null), INVALID));
    for sub in [
        json!(1),
        json!({"id": "ada"}),
        json!(["ada"]),
        json!(false),
        json!(""),
        json!("ada"),
        json!("a\r\nX-Forwarded-User: eve"),
    ] {
        rows.push(("FJ-35 sub", bench.claim("sub", sub), INVALID));
    }
    rows.push(("FJ-37 no exp", bench.claim("exp", Value::Null), INVALID));
    for name in [
        "jti",
        "sid",
        "ue",
        "ce",
        "rtg",
        "iat",
        "auth_time",
        "client_id",
    ] {
        rows.push(("FJ-38 missing", bench.claim(name, Value::Null), INVALID));
    }
    for (name, value) in [
        ("jti", json!("")),
        ("jti", json!(1)),
        ("sid", json!("short")),
        ("sid", json!(["a"])),
        ("ue", json!("0")),
        ("ue", json!(-1)),
        ("preferred_username", json!("eve\r\nX-Forwarded-User: ada")),
        ("groups", json!("ops")),
        ("groups", json!(["ops,admin"])),
        ("email", json!("nobody")),
    ] {
        rows.push(("FJ-38 strange", bench.claim(name, value), INVALID));
    }
    bench.refuses(&rows);
}

#[test]
fn fj_30_fj_31_a_token_for_or_from_somebody_else_is_refused() {
    let bench = Bench::new();
    let mut rows = Vec::new();
    let own = bench.forger.claims()["aud"].clone();
    for aud in [
        Value::Null,
        json!("https://other.example"),
        json!(["https://other.example", "http://localhost.other.example"]),
        json!([]),
        json!("http://localhost/"),
        json!("HTTP://LOCALHOST"),
        json!([[own]]),
    ] {
        rows.push(("FJ-30", bench.claim("aud", aud), INVALID));
    }
    for iss in [
        Value::Null,
        json!("https://other.example"),
        json!("http://localhost/"),
        json!(["http://localhost"]),
        json!(""),
    ] {
        rows.push(("FJ-31", bench.claim("iss", iss), INVALID));
    }
    bench.refuses(&rows);
    let several = json!(["https://other.example", own]);
    bench.passes("FJ-30 a list with us", &bench.claim("aud", several));
}

#[test]
fn fj_33_t_09_a_token_is_good_until_its_end_and_the_leeway_and_its_end_is_a_whole_number() {
    let bench = Bench::with_leeway("60s");
    let over = |seconds| bench.claims_at(-300, seconds);
    bench.passes("T-09 over, within the leeway", &over(-20));
    let mut rows = vec![
        ("FJ-33", over(-61), EXPIRED),
        ("T-09 one second past the leeway", over(-61), EXPIRED),
        (
            "FJ-33 a day ago",
            bench.claims_at(-86_700, -86_400),
            EXPIRED,
        ),
    ];
    let real = bench.forger.claims()["exp"].to_string();
    let claims = bench.forger.claims().to_string();
    for exp in [
        format!("\"{real}\""),
        format!("{real}.0"),
        format!("{real}.5"),
        format!("{real}e0"),
        format!("-{real}"),
        "9223372036854775808".to_owned(),
        "18446744073709551616".to_owned(),
        "1e400".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        format!("[{real}]"),
    ] {
        let text = claims.replace(&format!("\"exp\":{real}"), &format!("\"exp\":{exp}"));
        assert_ne!(text, claims);
        rows.push(("T-09", bench.forger.with_claims_text(&text), INVALID));
    }
    rows.push(("T-09 no exp", bench.claim("exp", Value::Null), INVALID));
    let twice = claims.replacen('{', &format!("{{\"exp\":{real},"), 1);
    rows.push(("T-09 two", bench.forger.with_claims_text(&twice), INVALID));
    bench.refuses(&rows);
}

#[test]
fn fj_36_t_10_a_token_from_the_future_or_of_years_is_refused() {
    let strict = Bench::new();
    let soon = strict.claim("nbf", json!(now() + 30));
    let long = strict.claim("exp", json!(now() + 10 * 365 * 86_400));
    let longer = strict.claims_at(-60, 245);
    let too_long = strict.claims_at(-60, 300);
    strict.refuses(&[
        ("FJ-36 nbf in 30 s", soon, INVALID),
        ("T-10 nbf", strict.claim("nbf", json!(now() + 15)), INVALID),
        ("T-10 nbf text", strict.claim("nbf", json!("0")), INVALID),
        ("T-10 iat in an hour", strict.claims_at(3600, 3900), INVALID),
        ("T-10 ten years", long, INVALID),
        ("T-10 a minute more than tokens live", too_long, INVALID),
    ]);
    strict.passes("T-10 what a token may live, and the leeway", &longer);
    strict.passes("nbf that has come", &strict.claim("nbf", json!(now())));
    let lenient = Bench::with_leeway("60s");
    let soon = lenient.claim("nbf", json!(now() + 30));
    lenient.passes("FJ-36 within the leeway", &soon);
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
