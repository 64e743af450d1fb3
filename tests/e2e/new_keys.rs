//! Keys that another process of the same store has just made: what they signed is good at once.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tempfile::TempDir;
use vestibule::session::KeyPurpose;

use crate::expiry::{House, refusal};
use crate::support::{Answer, Jar, PASSWORD, Request, Tokens, Upstream, part};

/// Two gateways over one database, in front of the same app.
struct Two {
    one: House,
    other: House,
    /// Goes last.
    _folder: TempDir,
}

impl Two {
    fn in_front_of(upstream: &Upstream) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let database = folder.path().join("vestibule.db");
        let url = upstream.url();
        let text = format!(
            r#"
            [server]
            listen = "127.0.0.1:0"
            public_url = "http://localhost"
            admin_listen = ""

            [[routes]]
            upstream = "{url}"

            [[routes]]
            path = "/optional"
            upstream = "{url}"
            allow = "optional"

            [storage]
            url = "sqlite:{}"

            [login]
            min_duration = "0s"
            "#,
            database.display()
        );
        Self {
            one: House::of(&text),
            other: House::of(&text),
            _folder: folder,
        }
    }

    /// The first one takes the key of access tokens away, and signs with another from that moment on.
    fn revoke_at_one(&self) {
        let kid = kid(&self.one.sign_in().access);
        self.revoke_this_at_one(&kid, KeyPurpose::AccessToken);
    }

    fn revoke_this_at_one(&self, kid: &str, purpose: KeyPurpose) {
        let server = self.one.server();
        let gateway = server.gateway();
        let store = gateway.keys.store();
        let revoked = server.block_on(store.revoke(kid, Some(purpose), &gateway.config.keys));
        revoked.expect("the store answers").expect("it is in use");
        self.follow_at_one();
    }

    fn follow_at_one(&self) {
        let server = self.one.server();
        let followed = server.block_on(server.gateway().keys.follow());
        followed.expect("the store answers");
    }
}

fn kid(access: &str) -> String {
    part(access, 0)["kid"].as_str().expect("a kid").to_owned()
}

/// The other process asks for keys twice a second: no round waits for that.
#[test]
fn a_token_by_a_key_that_another_process_has_just_made_is_good_at_once() {
    let upstream = Upstream::start();
    let two = Two::in_front_of(&upstream);
    let as_cookie = |tokens: &Tokens, path: &str| {
        let cookie = format!("vestibule_access={}", tokens.access);
        Request::get(path).header("Cookie", &cookie)
    };
    let as_bearer = |tokens: &Tokens, path: &str| Request::get(path).bearer(&tokens.access);
    let mut kids = Vec::new();
    for path in ["/", "/optional", "/vestibule/session"] {
        for shown in [&as_bearer as &dyn Fn(&Tokens, &str) -> Request, &as_cookie] {
            two.revoke_at_one();
            let tokens = two.one.sign_in();
            let answer = two.other.send(&shown(&tokens, path));
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            if !path.starts_with("/vestibule") {
                let told = upstream.last();
                assert_eq!(told.head.all("x-forwarded-user"), ["ada"], "{path}");
            }
            kids.push(kid(&tokens.access));
        }
    }
    kids.sort_unstable();
    kids.dedup();
    assert_eq!(kids.len(), 6, "a key of its own for each");

    two.revoke_at_one();
    let tokens = two.one.sign_in();
    let out = two
        .other
        .send(&Request::post("/vestibule/logout").bearer(&tokens.access));
    assert_eq!(out.status, 204, "{}", out.text());
}

/// What a browser has left when its access cookie is over, and what a program signs out with.
#[test]
fn a_refresh_token_by_a_key_that_another_process_has_just_made_is_good_at_once() {
    let upstream = Upstream::start();
    let two = Two::in_front_of(&upstream);
    let take_away = |number: u8| {
        two.revoke_this_at_one(&number.to_string(), KeyPurpose::RefreshMac);
    };
    for (number, path) in [(1, "/"), (2, "/optional")] {
        take_away(number);
        let form = Request::post("/vestibule/login").same_origin().navigating();
        let form = form.form(&[("username", "ada"), ("password", PASSWORD)]);
        let mut jar = Jar::default();
        jar.take(&two.one.send(&form).head);
        let request = jar.without_access().with(Request::get(path));
        let answer = two.other.send(&request);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(upstream.last().head.all("x-forwarded-user"), ["ada"]);
        jar.take(&answer.head);
        assert_eq!(jar.generation(), 2, "renewed on the way");
    }
    take_away(3);
    let tokens = two.one.sign_in();
    let out = Request::post("/vestibule/logout").bearer(&tokens.refresh);
    let out = two.other.send(&out);
    assert_eq!(out.status, 204, "{}", out.text());
    assert_eq!(two.one.refresh(&tokens).status, 401, "it is over");
}

/// `vestibule key rotate --now`: the clocks of both are moved, so that nobody has had time to ask.
#[test]
fn a_rotation_at_once_is_known_to_all() {
    let upstream = Upstream::start();
    let two = Two::in_front_of(&upstream);
    let before = two.one.sign_in();
    let server = two.one.server();
    let gateway = server.gateway();
    let rotated = server.block_on(gateway.keys.store().rotate(
        &KeyPurpose::REPLACED,
        true,
        &gateway.config.keys,
    ));
    let made = rotated.expect("the store answers").expect("keys are made");
    assert_eq!(made.made.len(), 4);
    two.one.pass(Duration::from_secs(3));
    two.follow_at_one();
    let after = two.one.sign_in();
    assert_ne!(kid(&after.access), kid(&before.access));
    assert_eq!(two.other.call(&after).status, 200);
    assert_eq!(two.other.call(&before).status, 200);
    assert_eq!(two.other.refresh(&after).status, 200);
}

/// The signature is asked for all the same.
#[test]
fn what_names_a_key_that_nobody_made_is_refused() {
    let upstream = Upstream::start();
    let two = Two::in_front_of(&upstream);
    let tokens = two.one.sign_in();
    let with_kid = |kid: &str| {
        let mut header = part(&tokens.access, 0);
        header["kid"] = kid.into();
        let rest = tokens.access.split_once('.').expect("parts").1;
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
    };
    let refused = |answer: &Answer| {
        assert_eq!(refusal(answer), (401, "invalid_token".to_owned()));
    };
    refused(
        &two.other
            .send(&Request::get("/").bearer(&with_kid("nobodys"))),
    );
    two.revoke_at_one();
    let new = kid(&two.one.sign_in().access);
    refused(&two.other.send(&Request::get("/").bearer(&with_kid(&new))));
    assert_eq!(upstream.count(), 0);
}
