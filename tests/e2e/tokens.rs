//! Access and refresh tokens: which ones pass, what the others are told, and that they never get further.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::support::{Answer, Gateway, Request, Setup, Upstream, part, refresh, sign_in, spoiled};

fn call(gateway: &Gateway, token: &str) -> Answer {
    Request::get("/x").bearer(token).send(gateway)
}

fn logout(gateway: &Gateway, token: &str) -> Answer {
    Request::post("/vestibule/logout")
        .bearer(token)
        .send(gateway)
}

fn with_part(token: &str, part: usize, value: &Value) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts[part] = URL_SAFE_NO_PAD.encode(value.to_string());
    parts.join(".")
}

#[test]
fn fj_01_fj_02_a_signed_in_call_reaches_the_app() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let answer = call(&gateway, &tokens.access);
    assert_eq!(answer.status, 200);
    assert!(!answer.is_ours());
    let received = upstream.last();
    assert_eq!(received.head.target(), "/x");
    assert_eq!(received.head.all("authorization"), [""; 0]);
    assert_eq!(received.head.all("x-forwarded-user"), ["ada"]);
}

#[test]
fn fj_03_a_request_without_a_token_never_reaches_the_app() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let answer = Request::get("/deep?q=1").send(&gateway);
    assert_eq!(answer.status, 401);
    assert!(answer.is_ours());
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer realm=\"vestibule\"")
    );
    assert_eq!(answer.error(), "missing_token");
    let login_url = answer.json()["login_url"]
        .as_str()
        .expect("an address")
        .to_owned();
    assert!(
        login_url.contains("/vestibule/login?return_to=%2Fdeep%3Fq%3D1"),
        "{login_url}"
    );
    assert_eq!(upstream.count(), 0);
}

#[test]
fn fj_04_fj_28_fj_32_a_bad_token_never_reaches_the_app() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let other_gateway = Gateway::in_front_of(&upstream);
    let foreign = sign_in(&other_gateway, "ada");
    let header = json!({"alg": "none", "typ": "at+jwt"});
    let mut promoted = part(&tokens.access, 1);
    promoted["groups"] = json!(["ops"]);
    let unsigned = with_part(&tokens.access, 0, &header);
    let bare = unsigned.rsplit_once('.').expect("three parts").0.to_owned() + ".";
    let cases = [
        ("nonsense", "aaaaa.bbbbb.ccccc".to_owned(), "invalid_token"),
        ("one part", "foobarbaz".to_owned(), "invalid_token"),
        (
            "a changed signature",
            spoiled(&tokens.access),
            "invalid_token",
        ),
        (
            "changed claims",
            with_part(&tokens.access, 1, &promoted),
            "invalid_token",
        ),
        ("algorithm none", unsigned, "invalid_token"),
        ("no signature", bare, "invalid_token"),
        ("another gateway's token", foreign.access, "invalid_token"),
        ("a very long token", "a".repeat(20_000), "invalid_token"),
        ("the refresh token", tokens.refresh, "wrong_token_type"),
        (
            "a spoiled refresh token",
            format!("vrt1_{}", "A".repeat(98)),
            "wrong_token_type",
        ),
    ];
    for (what, token, error) in cases {
        let answer = call(&gateway, &token);
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (401, error),
            "{what}"
        );
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(
            challenge.starts_with("Bearer ") && challenge.contains("invalid_token"),
            "{what}: {challenge}"
        );
        assert!(!answer.text().contains(&token), "{what}");
    }
    assert_eq!(upstream.count(), 0);
    assert_eq!(call(&gateway, &tokens.access).status, 200);
}

#[test]
fn fj_44_to_fj_46_a_revoked_token_never_reaches_the_app() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let other = sign_in(&gateway, "ada");
    assert_eq!(call(&gateway, &tokens.access).status, 200);
    assert_eq!(logout(&gateway, &tokens.access).status, 204);
    let answer = call(&gateway, &tokens.access);
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (401, "token_revoked")
    );
    assert_eq!(upstream.count(), 1);
    assert_eq!(refresh(&gateway, &tokens.refresh).error(), "invalid_grant");
    assert_eq!(
        logout(&gateway, &tokens.access).status,
        204,
        "it is over already"
    );
    assert_eq!(
        call(&gateway, &other.access).status,
        200,
        "the other session lives"
    );
}

#[test]
fn fj_13_the_refresh_token_signs_out_as_well_as_the_access_token() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let out = || Request::post("/vestibule/logout");
    let [one, two, three] = [(); 3].map(|()| sign_in(&gateway, "ada"));
    for (way, tokens) in [
        (out().json(&json!({"refresh_token": one.refresh})), &one),
        (out().bearer(&two.refresh), &two),
        (out().bearer(&three.access), &three),
    ] {
        assert_eq!(way.send(&gateway).status, 204);
        assert_eq!(call(&gateway, &tokens.access).error(), "token_revoked");
        assert_eq!(refresh(&gateway, &tokens.refresh).error(), "invalid_grant");
    }
    assert_eq!(upstream.count(), 0);
    let foreign = logout(&gateway, "never-ours");
    assert_eq!(foreign.status, 401);
}

#[test]
fn fj_19_fj_22_fj_24_fj_72_fj_73_an_unclear_authorization_is_a_bad_request() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "optional", "")
        .start();
    let token = sign_in(&gateway, "ada").access;
    for unclear in [
        "Bearer".to_owned(),
        "Bearer ,,0".to_owned(),
        "Foo 1, Bearer, Baz".to_owned(),
        format!("Bearer {token}, "),
        format!("Bearer {token}, Basic abc"),
        format!("Basic abc, Bearer {token}"),
        format!("Bearer {token} {token}"),
    ] {
        let answer = Request::get("/")
            .header("Authorization", &unclear)
            .send(&gateway);
        assert_eq!(answer.status, 400, "{unclear}");
        assert!(!answer.text().contains(&token));
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn fj_14_fj_15_an_optional_route_takes_strangers_but_no_bad_tokens() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "optional", "")
        .start();
    assert_eq!(Request::get("/").send(&gateway).status, 200);
    assert_eq!(upstream.last().head.all("x-forwarded-user"), [""; 0]);
    assert_eq!(call(&gateway, "aaaaa.bbbbb.ccccc").status, 401);
    assert_eq!(upstream.count(), 1);
    let token = sign_in(&gateway, "ada").access;
    assert_eq!(call(&gateway, &token).status, 200);
    assert_eq!(upstream.last().head.all("x-forwarded-user"), ["ada"]);
}

#[test]
fn other_schemes_and_foreign_tokens_of_a_public_app_pass() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "optional", "")
        .route("/public", &upstream.url(), "anyone", "")
        .route(
            "/own",
            &upstream.url(),
            "optional",
            "credentials = [\"cookie\"]",
        )
        .start();
    let cases = [
        ("/", "Basic YWRhOnNlY3JldA=="),
        ("/", "Digest username=\"ada\""),
        ("/public", "Bearer an-api-key-of-the-app"),
        ("/own", "Bearer an-api-key-of-the-app"),
    ];
    for (path, value) in cases {
        let answer = Request::get(path)
            .header("Authorization", value)
            .send(&gateway);
        assert_eq!(answer.status, 200, "{path} {value}");
        assert_eq!(upstream.last().head.all("authorization"), [value]);
    }
    let tokens = sign_in(&gateway, "ada");
    for token in [&tokens.access, &tokens.refresh] {
        Request::get("/own").bearer(token).send(&gateway);
        Request::get("/public").bearer(token).send(&gateway);
    }
    for received in upstream.received() {
        let text = String::from_utf8_lossy(&received.head.raw).into_owned();
        assert!(
            !text.contains(&tokens.access) && !text.contains(&tokens.refresh),
            "{text}"
        );
    }
}

#[test]
fn fj_50_groups_decide_who_passes() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route(
            "/",
            &upstream.url(),
            "{ groups = [\"ops\"], users = [\"carol\"] }",
            "",
        )
        .route(
            "/fresh",
            &upstream.url(),
            "{ groups = [\"ops\"] }",
            "max_auth_age = \"15m\"",
        )
        .user("bob", &["--group", "ops"])
        .user("carol", &[])
        .start();
    for (name, status) in [("ada", 403), ("bob", 200), ("carol", 200)] {
        let answer = call(&gateway, &sign_in(&gateway, name).access);
        assert_eq!(answer.status, status, "{name}");
    }
    assert_eq!(upstream.count(), 2);
    let token = sign_in(&gateway, "ada").access;
    for path in ["/x", "/fresh"] {
        let answer = Request::get(path).bearer(&token).send(&gateway);
        assert_eq!((answer.status, &*answer.error()), (403, "forbidden"));
        assert_eq!(upstream.count(), 2);
    }
}

#[test]
fn a_grpc_caller_is_told_in_its_own_way() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "{ groups = [\"ops\"] }", "")
        .start();
    let token = sign_in(&gateway, "ada").access;
    let request =
        Request::post("/pkg.Service/Method").header("Content-Type", "application/grpc+proto");
    let cases = [(request.clone(), "16"), (request.bearer(&token), "7")];
    for (request, status) in cases {
        let answer = request.send(&gateway);
        assert_eq!(answer.status, 200, "{status}");
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/grpc"), "{kind}");
        let told = [
            answer.head.all("grpc-status"),
            answer.body.trailer("grpc-status"),
        ]
        .concat();
        assert_eq!(told, [status]);
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn the_published_keys_verify_access_tokens_and_assertions() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route("/", &upstream.url(), "signed-in", "name = \"wiki\"")
        .start();
    let tokens = sign_in(&gateway, "ada");
    assert_eq!(call(&gateway, &tokens.access).status, 200);
    let assertions = upstream.last();
    let assertions = assertions.head.all("x-vestibule-assertion");

    let published = Request::get("/vestibule/jwks.json").send(&gateway);
    assert_eq!(
        published.header("cache-control"),
        Some("public, max-age=300")
    );
    let keys: JwkSet = serde_json::from_slice(&published.body.data).expect("a key set");
    let verify = |token: &str, audience: &str| {
        let header = decode_header(token).expect("a header");
        let key = keys
            .find(header.kid.as_deref().expect("a kid"))
            .expect("it is published");
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[audience]);
        validation.set_issuer(&["http://localhost"]);
        let key = DecodingKey::from_jwk(key).expect("a key");
        let claims = decode::<Value>(token, &key, &validation)
            .expect("it verifies")
            .claims;
        (header.typ.expect("a typ"), claims)
    };

    let (typ, claims) = verify(&tokens.access, "http://localhost");
    assert_eq!(typ, "at+jwt");
    assert_eq!(claims["sid"], tokens.session);
    assert_eq!(claims["preferred_username"], "ada");
    assert_eq!(assertions.len(), 1);
    let (typ, assertion) = verify(assertions[0], "wiki");
    assert_eq!(typ, "vestibule-assertion+jwt");
    assert_eq!(assertion["sub"], claims["sub"]);
    assert_eq!(assertion["groups"], json!(["engineers"]));
    let life = assertion["exp"].as_i64().expect("exp") - assertion["iat"].as_i64().expect("iat");
    assert_eq!(life, 60);
    let back = call(&gateway, assertions[0]);
    assert_eq!(
        (back.status, back.error().as_str()),
        (401, "wrong_token_type"),
        "it is no access token"
    );
}
