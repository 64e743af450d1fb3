//! Tokens that are signed with the gateway's own key and claim the wrong thing.

use serde_json::{Value, json};
use vestibule::clock::{Clock as _, SystemClock};

use crate::support::{Answer, Forger, Gateway, Request, Setup, Upstream, sign_in};

pub const INVALID: &str = "invalid_token";
pub const WRONG_TYPE: &str = "wrong_token_type";
const EXPIRED: &str = "token_expired";

/// A gateway, one of its access tokens, and the forger.
pub struct Bench {
    pub upstream: Upstream,
    pub gateway: Gateway,
    pub token: String,
    pub forger: Forger,
}

impl Bench {
    pub fn new() -> Self {
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
    pub fn claim(&self, name: &str, value: Value) -> String {
        self.forger.with_claim(name, value)
    }

    /// With this member of the header replaced and everything else as it was.
    pub fn parameter(&self, name: &str, value: Value) -> String {
        self.forger.with_parameter(name, value)
    }

    /// Reaches the app, who is told of the user.
    #[track_caller]
    pub fn passes(&self, row: &str, token: &str) {
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
    pub fn refuses(&self, rows: &[(&str, String, &str)]) {
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
    SystemClock.now().seconds()
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
