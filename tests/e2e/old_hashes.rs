//! Users of a legacy app: their old hash lets them in, and is replaced by ours while they go on.

use std::time::Duration;

use serde_json::json;

use crate::support::{Gateway, Request, Setup, Tokens, Upstream, refresh, sign_in, wait_until};

/// What all hashes here were made of.
const OLD_PASSWORD: &str = "pässword 1";

/// Each with what made it.
const OLD_HASHES: &[(&str, &str)] = &[
    (
        "werkzeug 3.1.9: generate_password_hash(password)",
        "scrypt:32768:8:1$EDsxQAI801ebwct1$b0b7588ff9522d9f7f4da3c67e2a857c97c0b239ca94de876272205cbee88a41a2028f6c43e2312490b62dfbf5efca22b56947265858cad5fb85442153533bb2",
    ),
    (
        "django 5.2.19: make_password(password)",
        "pbkdf2_sha256$1000000$FiKWHVGrHIsXlfFMJ7oG8T$vDWOC5T9sHdWxCGMmvhnpMyB80GToQTuvlONE8t+7DE=",
    ),
    ("htpasswd -nb -m", "$apr1$RpgXAV7F$V6MloCZEXgDcYSpmQpJy5/"),
    (
        "htpasswd -nb -B",
        "$2y$05$1e9N5H1SGXcWZZgZEnqH0edLBzb/0qW3muIWyf.FfnO7/OyCqZ.Ru",
    ),
];

/// How our hashes begin.
const OURS: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

fn database(gateway: &Gateway) -> rusqlite::Connection {
    rusqlite::Connection::open(gateway.file("vestibule.db")).unwrap()
}

fn store(gateway: &Gateway, hash: &str) {
    let sql = "UPDATE users SET password_hash = ?1 WHERE name = 'ada'";
    assert_eq!(database(gateway).execute(sql, [hash]).unwrap(), 1);
}

fn stored(gateway: &Gateway) -> String {
    let sql = "SELECT password_hash FROM users WHERE name = 'ada'";
    let hash = database(gateway).query_row(sql, [], |row| row.get(0));
    hash.unwrap()
}

fn attempt(gateway: &Gateway, password: &str) -> crate::support::Answer {
    Request::post("/vestibule/login")
        .json(&json!({"username": "ada", "password": password}))
        .send(gateway)
}

fn wait_for_hash(gateway: &Gateway, beginning: &str) {
    wait_until("the new hash", Duration::from_secs(60), || {
        stored(gateway).starts_with(beginning)
    });
}

#[test]
fn an_old_hash_lets_its_owner_in_and_becomes_ours_while_the_session_goes_on() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    for (made_by, hash) in OLD_HASHES {
        store(&gateway, hash);
        assert_eq!(attempt(&gateway, "pässword 2").status, 401, "{made_by}");
        assert_eq!(stored(&gateway), *hash);
        let answer = attempt(&gateway, OLD_PASSWORD);
        assert_eq!(answer.status, 200, "{made_by}");
        let tokens = Tokens::of(&answer);
        wait_for_hash(&gateway, OURS);
        let app = Request::get("/").bearer(&tokens.access).send(&gateway);
        assert_eq!(app.status, 200, "{made_by}");
        assert_eq!(refresh(&gateway, &tokens.refresh).status, 200, "{made_by}");
        assert_eq!(attempt(&gateway, OLD_PASSWORD).status, 200, "{made_by}");
        assert_eq!(attempt(&gateway, "pässword 2").status, 401, "{made_by}");
    }
}

#[test]
fn other_costs_in_the_configuration_reach_a_hash_at_the_next_sign_in() {
    let upstream = Upstream::start();
    let setup = Setup::in_front_of(&upstream);
    let gateway = setup.start();
    let dearer = "[passwords]\nargon2_memory = \"12MiB\"\nargon2_passes = 3\n";
    gateway.configure(&setup.clone().section(dearer));
    gateway.reload();
    assert!(stored(&gateway).starts_with(OURS));
    sign_in(&gateway, "ada");
    wait_for_hash(&gateway, "$argon2id$v=19$m=12288,t=3,p=1$");
    sign_in(&gateway, "ada");
}

#[test]
fn a_new_hash_that_cannot_be_stored_does_not_keep_anybody_out() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let (_, hash) = OLD_HASHES[0];
    store(&gateway, hash);
    database(&gateway)
        .execute_batch(
            "CREATE TRIGGER no BEFORE UPDATE OF password_hash ON users
             BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();
    let tokens = Tokens::of(&attempt(&gateway, OLD_PASSWORD));
    wait_until("the warning", Duration::from_secs(60), || {
        gateway.log().contains("a new hash could not be stored")
    });
    assert_eq!(stored(&gateway), hash);
    assert_eq!(refresh(&gateway, &tokens.refresh).status, 200);
}

/// The old password is hashed anew beside the sign-in that replaces it.
#[test]
fn a_password_that_is_changed_as_it_is_hashed_anew_stays_changed() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    for round in 0..6 {
        let (_, hash) = OLD_HASHES[2 + round % 2];
        store(&gateway, hash);
        let new = format!("the phrase of round {round}");
        let changed = if round < 3 {
            let body = json!({"username": "ada", "password": OLD_PASSWORD, "new_password": new});
            Request::post("/vestibule/login").json(&body).send(&gateway)
        } else {
            let tokens = Tokens::of(&attempt(&gateway, OLD_PASSWORD));
            store(&gateway, hash);
            let body = json!({"current_password": OLD_PASSWORD, "new_password": new});
            let request = Request::post("/vestibule/password").bearer(&tokens.access);
            request.json(&body).send(&gateway)
        };
        assert_eq!(changed.status, 200, "{}", changed.text());
        assert!(stored(&gateway).starts_with(OURS));
        // Whatever is still being hashed comes before these.
        assert_eq!(attempt(&gateway, OLD_PASSWORD).status, 401, "{round}");
        assert_eq!(attempt(&gateway, &new).status, 200, "{round}");
        assert_eq!(attempt(&gateway, OLD_PASSWORD).status, 401, "{round}");
    }
}

#[test]
fn a_hash_that_nobody_can_read_is_refused_like_a_wrong_password() {
    let upstream = Upstream::start();
    let audit = "[observe]\naudit_log.to = \"audit.log\"\n";
    let gateway = Setup::in_front_of(&upstream)
        .section(audit)
        .login("min_duration = \"0s\"\nfree_failures = 20")
        .start();
    let wrong = attempt(&gateway, "wrong");
    for hash in [
        "nonsense",
        "",
        "!",
        "$argon2id$v=19$m=4194304,t=1,p=1$aI1RKoXwXiullLJ2LsUYow$2wCM69YGriuKcgKlj18usLzUQjKxH9DhChhqhZvLJ9E",
        "UKAHzX8yvgMAo",
    ] {
        store(&gateway, hash);
        let answer = attempt(&gateway, OLD_PASSWORD);
        assert_eq!(
            (answer.status, answer.text()),
            (wrong.status, wrong.text()),
            "{hash}"
        );
        assert_eq!(stored(&gateway), hash);
    }
    let refused = || {
        let lines = gateway.lines("audit.log", 1);
        let refused = lines
            .iter()
            .filter(|line| line["event"] == "sign_in_refused");
        let reasons = refused.filter(|line| line["reason"] == "unsupported_hash");
        reasons.count()
    };
    wait_until("the events", Duration::from_secs(60), || refused() == 5);
}
