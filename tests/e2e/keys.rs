//! Keys: every algorithm, rotation and revocation under sessions that live, and a new master key.

use std::fs;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::admin_api;
use crate::expiry::House;
use crate::support::{
    Answer, Gateway, Jar, Request, Setup, Tokens, Upstream, browser_sign_in, pyjwt, refresh,
    sign_in, wait_until,
};

const A_MOMENT: Duration = Duration::from_secs(20);
const DAY: Duration = Duration::from_hours(24);

fn call(gateway: &Gateway, token: &str) -> Answer {
    Request::get("/x").bearer(token).send(gateway)
}

fn header(token: &str) -> Value {
    let encoded = token.split('.').next().expect("a header");
    let header = URL_SAFE_NO_PAD.decode(encoded).expect("base64url");
    serde_json::from_slice(&header).expect("JSON")
}

fn kid(token: &str) -> String {
    header(token)["kid"].as_str().expect("a kid").to_owned()
}

/// The keys of this purpose, with their states, as a command lists them.
fn listed(gateway: &Gateway, purpose: &str) -> Vec<(String, String)> {
    let listed = gateway.command(&["key", "list", "--json"], "");
    let keys: Value = serde_json::from_str(&listed.expect_success().out).expect("JSON");
    let keys = keys.as_array().expect("a list").iter();
    let text = |key: &Value, field: &str| key[field].as_str().expect("a text").to_owned();
    keys.filter(|key| key["purpose"] == purpose)
        .map(|key| (text(key, "kid"), text(key, "state")))
        .collect()
}

/// Refreshes until the access token is such a one.
fn refreshed_until(gateway: &Gateway, mut tokens: Tokens, is_it: impl Fn(&str) -> bool) -> Tokens {
    wait_until("a token by the new key", A_MOMENT, || {
        tokens = Tokens::of(&refresh(gateway, &tokens.refresh));
        is_it(&tokens.access)
    });
    tokens
}

fn published(gateway: &Gateway) -> Value {
    Request::get("/vestibule/jwks.json").send(gateway).json()
}

/// What PyJWT makes of a token with the published keys.
fn checked_by_pyjwt(keys: &Value, token: &str, audience: &str) -> Value {
    let checked = pyjwt(keys, token, audience);
    serde_json::from_str(&checked.expect_success().out).expect("JSON")
}

#[test]
fn fj_41_t_03_tokens_of_every_algorithm_are_good_here_and_with_another_ones_program() {
    let upstream = Upstream::start();
    for (algorithm, of_assertions) in [
        ("EdDSA", "EdDSA"),
        ("ES256", "ES256"),
        ("RS256", "RS256"),
        ("PS256", "PS256"),
        ("HS256", "EdDSA"),
    ] {
        let gateway = Setup::new()
            .route("/", &upstream.url(), "signed-in", "name = \"wiki\"")
            .section(&format!("[tokens]\nalgorithm = \"{algorithm}\""))
            .start();
        let tokens = sign_in(&gateway, "ada");
        assert_eq!(header(&tokens.access)["alg"], algorithm);
        assert_eq!(call(&gateway, &tokens.access).status, 200, "{algorithm}");
        assert_eq!(refresh(&gateway, &tokens.refresh).status, 200);

        let keys = published(&gateway);
        let assertion = upstream.last();
        let assertion = assertion.head.first("x-vestibule-assertion");
        let told = checked_by_pyjwt(&keys, assertion.expect("an assertion"), "wiki");
        assert_eq!(told["alg"], of_assertions);
        assert_eq!(told["claims"]["preferred_username"], "ada");
        let keys_of_tokens = keys["keys"].as_array().expect("keys").len();
        if algorithm == "HS256" {
            assert_eq!(keys_of_tokens, 1, "a shared secret is not published");
        } else {
            let told = checked_by_pyjwt(&keys, &tokens.access, "http://localhost");
            assert_eq!(told["alg"], algorithm);
            assert_eq!(told["claims"]["sid"], tokens.session);
        }

        // The same key under the name of another algorithm.
        for other in [
            "none", "HS256", "RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA",
        ] {
            if other != algorithm {
                let mut header = header(&tokens.access);
                header["alg"] = json!(other);
                let header = URL_SAFE_NO_PAD.encode(header.to_string());
                let rest = tokens.access.split_once('.').expect("parts").1;
                let answer = call(&gateway, &format!("{header}.{rest}"));
                assert_eq!(
                    (answer.status, answer.error()),
                    (401, "invalid_token".to_owned())
                );
            }
        }
    }
}

#[test]
fn t_04_t_05_a_rotation_signs_nobody_out() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let before = sign_in(&gateway, "ada");
    let said = gateway.command(&["key", "rotate"], "").expect_success().out;
    assert!(said.contains("apps have 1d to fetch"), "{said}");
    let next = &listed(&gateway, "access_token")[1];
    assert_eq!(next.1, "next");
    wait_until("the next key to be published", A_MOMENT, || {
        published(&gateway)["keys"]
            .as_array()
            .is_some_and(|keys| keys.len() == 4)
    });

    // Nobody signs with it yet.
    let mut header = header(&before.access);
    header["kid"] = json!(next.0);
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let rest = before.access.split_once('.').expect("parts").1;
    let answer = call(&gateway, &format!("{header}.{rest}"));
    assert_eq!(
        (answer.status, answer.error()),
        (401, "invalid_token".to_owned())
    );

    gateway
        .command(&["key", "rotate", "--now"], "")
        .expect_success();
    let other = sign_in(&gateway, "ada");
    let after = refreshed_until(&gateway, other, |access| kid(access) == next.0);
    assert_eq!(call(&gateway, &before.access).status, 200);
    assert_eq!(call(&gateway, &after.access).status, 200);
    let refreshed = Tokens::of(&refresh(&gateway, &before.refresh));
    assert_eq!(kid(&refreshed.access), next.0);
    assert_eq!(refresh(&gateway, &refreshed.refresh).status, 200);
    let states: Vec<String> = listed(&gateway, "refresh_mac")
        .into_iter()
        .map(|(_, state)| state)
        .collect();
    assert_eq!(states, ["retired", "active"]);
}

#[test]
fn t_05_keys_are_rotated_as_time_passes_while_sessions_live() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let gateway = house.server().gateway();
    let tend = || {
        let tended = house.server().block_on(gateway.tend_keys());
        tended.expect("keys are made");
    };
    let mut tokens = house.sign_in();
    let mut kids = vec![kid(&tokens.access)];
    for day in 1..=61 {
        house.pass(DAY);
        tend();
        if day % 10 == 0 {
            // Who comes back every ten days comes back for a month.
            let answer = house.refresh(&tokens);
            tokens = if day % 30 == 0 {
                assert_eq!(answer.status, 401, "day {day}");
                house.sign_in()
            } else {
                Tokens::of(&answer)
            };
            assert_eq!(house.call(&tokens).status, 200, "day {day}");
            kids.push(kid(&tokens.access));
        }
    }
    kids.dedup();
    assert_eq!(kids.len(), 3, "{kids:?}");
}

#[test]
fn a_revoked_key_ends_its_tokens_and_no_session() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    assert_eq!(call(&gateway, &tokens.access).status, 200);
    let asked = gateway.command(&["key", "revoke", &kid(&tokens.access)], "");
    assert_ne!(asked.code, Some(0));
    assert!(asked.err.contains("Nobody is signed out"), "{}", asked.err);
    assert!(asked.err.contains("--yes"), "{}", asked.err);
    gateway
        .command(&["key", "revoke", "--yes", &kid(&tokens.access)], "")
        .expect_success();
    wait_until("the gateway to hear of it", A_MOMENT, || {
        call(&gateway, &tokens.access).status == 401
    });
    let renewed = Tokens::of(&refresh(&gateway, &tokens.refresh));
    assert_ne!(kid(&renewed.access), kid(&tokens.access));
    assert_eq!(call(&gateway, &renewed.access).status, 200);
    let keys = published(&gateway);
    let keys = keys["keys"].as_array().expect("keys");
    assert!(keys.iter().all(|key| key["kid"] != kid(&tokens.access)));
    assert_eq!(listed(&gateway, "access_token")[0].1, "revoked");
}

/// What the cookie was signed with is unknown from one moment to the next, as if it had been forged.
#[test]
fn a_browser_goes_on_when_the_key_of_its_cookie_is_revoked() {
    let upstream = Upstream::start();
    let gateway = admin_api::started(&upstream);
    for way in [Request::get("/x"), Request::get("/x").navigating()] {
        let mut jar = Jar::of(&browser_sign_in(&gateway, "ada"));
        assert_eq!(jar.with(way.clone()).send(&gateway).status, 200);
        let active = listed(&gateway, "access_token");
        let active = active.iter().find(|(_, state)| state == "active");
        let path = format!("/keys/{}", active.expect("a key").0);
        let revoked = admin_api::call(&gateway, "DELETE", &path, None);
        assert_eq!(revoked.status, 200, "{}", revoked.text());
        let before = upstream.count();
        for _ in 0..2 {
            let answer = jar.with(way.clone()).send(&gateway);
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(upstream.last().head.all("x-forwarded-user"), ["ada"]);
            jar.take(&answer.head);
            assert!(!jar.is_signed_out());
        }
        assert_eq!(upstream.count(), before + 2);
        assert_eq!(jar.generation(), 2, "renewed once, on the way");
    }
}

#[test]
fn the_admin_api_rotates_and_revokes_with_the_answer() {
    let upstream = Upstream::start();
    let gateway = admin_api::started(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let kid = kid(&tokens.access);
    let order = json!({"purposes": ["access_token"]});
    let made = admin_api::call(&gateway, "POST", "/keys/rotate", Some(order));
    assert_eq!(made.status, 200, "{}", made.text());
    let made = &made.json()["made"][0];
    assert_eq!(made["purpose"], "access_token");

    let path = format!("/keys/{kid}");
    let revoked = admin_api::call(&gateway, "DELETE", &path, None).json();
    assert_eq!(
        revoked["made"][0]["kid"], made["kid"],
        "the next one steps in"
    );
    assert_eq!(call(&gateway, &tokens.access).status, 401);
    let renewed = Tokens::of(&refresh(&gateway, &tokens.refresh));
    assert_eq!(call(&gateway, &renewed.access).status, 200);

    for (path, status) in [
        (&*path, 404),
        ("/keys/1", 409),
        ("/keys/nothing", 404),
        ("/keys/1?purpose=cookies", 400),
    ] {
        let answer = admin_api::call(&gateway, "DELETE", path, None);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    let path = "/keys/1?purpose=refresh_mac";
    assert_eq!(admin_api::call(&gateway, "DELETE", path, None).status, 200);
    let over = refresh(&gateway, &renewed.refresh);
    assert_eq!(
        (over.status, over.error()),
        (401, "invalid_grant".to_owned())
    );
    assert_eq!(
        refresh(&gateway, &sign_in(&gateway, "ada").refresh).status,
        200
    );

    let audit = fs::read_to_string(gateway.file("audit.log")).expect("a log");
    let told = |event: &str| audit.lines().filter(|line| line.contains(event)).count();
    assert_eq!(told("\"event\":\"key_revoked\""), 2, "{audit}");
    assert_eq!(told("\"by\":\"api\""), 5, "{audit}");
}

#[test]
fn a_running_gateway_goes_on_with_a_new_master_key() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let old = fs::read(gateway.file("vestibule.db.key")).expect("a key");
    gateway.command(&["key", "reseal"], "").expect_success();
    assert_ne!(
        fs::read(gateway.file("vestibule.db.key")).expect("a key"),
        old
    );

    assert_eq!(call(&gateway, &tokens.access).status, 200);
    let tokens = Tokens::of(&refresh(&gateway, &tokens.refresh));
    // It reads what others make from now on.
    gateway
        .command(&["key", "rotate", "assertion"], "")
        .expect_success();
    wait_until("the next key to be published", A_MOMENT, || {
        published(&gateway)["keys"]
            .as_array()
            .is_some_and(|keys| keys.len() == 3)
    });
    let gateway = gateway.restart();
    assert_eq!(call(&gateway, &tokens.access).status, 200);
    assert_eq!(refresh(&gateway, &tokens.refresh).status, 200);

    let mut gateway = gateway;
    gateway.kill();
    fs::write(gateway.file("vestibule.db.key"), old).expect("it is written");
    let refused = gateway.command(&["serve"], "");
    assert_ne!(refused.code, Some(0));
    assert!(
        refused
            .err
            .contains("the master key does not fit this database")
    );
}

#[test]
fn another_algorithm_is_announced_before_it_signs() {
    let upstream = Upstream::start();
    let setup = Setup::in_front_of(&upstream);
    let gateway = setup.start();
    let tokens = sign_in(&gateway, "ada");
    gateway.configure(&setup.section("[tokens]\nalgorithm = \"ES256\""));
    gateway.reload();
    wait_until("keys of the other algorithm", A_MOMENT, || {
        let keys = published(&gateway);
        let keys = keys["keys"].as_array().expect("keys");
        keys.iter().filter(|key| key["alg"] == "ES256").count() == 2
    });
    assert_eq!(header(&sign_in(&gateway, "ada").access)["alg"], "EdDSA");
    assert_eq!(call(&gateway, &tokens.access).status, 200);
    gateway
        .command(&["key", "rotate", "--now", "access_token"], "")
        .expect_success();
    let other = sign_in(&gateway, "ada");
    refreshed_until(&gateway, other, |access| header(access)["alg"] == "ES256");
    assert_eq!(call(&gateway, &tokens.access).status, 200);
}

#[test]
fn a_refresh_token_of_a_key_that_nobody_knows_is_no_verdict() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let bytes = tokens.refresh.strip_prefix("vrt1_").expect("the prefix");
    let mut bytes = URL_SAFE_NO_PAD.decode(bytes).expect("base64url");
    for (number, status) in [(2, 503), (100, 503), (0, 401), (200, 401)] {
        bytes[0] = number;
        let text = format!("vrt1_{}", URL_SAFE_NO_PAD.encode(&bytes));
        assert_eq!(refresh(&gateway, &text).status, status, "{number}");
    }
    assert_eq!(refresh(&gateway, &tokens.refresh).status, 200);
}
