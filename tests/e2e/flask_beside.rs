//! A gateway with `profile = "flask-jwt-extended"` beside an app of that library: the same request to both.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::expiry::House;
use crate::support::{Answer, Connection, PASSWORD, Program, Request, Tokens, Upstream};

const MINUTE: Duration = Duration::from_secs(60);

/// What each side hands out. Theirs has no session.
pub struct Held {
    /// Of a sign-in just now.
    pub access: String,
    pub refresh: String,
    /// Of a refresh, the sign-in being long ago.
    pub stale: String,
    pub expired: String,
    /// Of somebody who has signed out.
    pub ended: String,
    pub ended_refresh: String,
}

/// The app of the library, and a gateway that takes its place.
pub struct Both {
    pub app: Program,
    pub house: House,
    pub theirs: Held,
    pub ours: Held,
}

/// A request to each of them.
pub type Pair = (Request, Request);

/// Status and message.
pub type Told = (u16, Option<String>);

pub fn told(answer: &Answer) -> Told {
    let msg = serde_json::from_slice::<Value>(&answer.body.data).unwrap_or_default();
    (answer.status, msg["msg"].as_str().map(str::to_owned))
}

pub fn ask(app: &Program, request: &Request) -> Answer {
    let mut connection = Connection::open(app.address());
    connection.send(request.to_bytes());
    connection.answer()
}

pub fn text(answer: &Answer, key: &str) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()[key].as_str().expect("a text").to_owned()
}

fn login() -> Request {
    Request::post("/vestibule/login").json(&json!({"username": "ada", "password": PASSWORD}))
}

pub fn get(path: &str, authorization: &str) -> Request {
    Request::get(path).header("Authorization", authorization)
}

/// The same claims under another header and no signature.
pub fn unsigned(token: &str, typ: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": typ}).to_string());
    let payload = token.split('.').nth(1).expect("three parts");
    format!("{header}.{payload}.")
}

pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn house(upstream: &Upstream) -> House {
    let mut text = "profile = \"flask-jwt-extended\"\n[server]\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://localhost\"\nadmin_listen = \"\"\n[storage]\nurl = \"memory:\"\n".to_owned();
    for (path, more) in [
        ("/required", ""),
        ("/members", "allow = { groups = [\"nobody\"] }"),
        ("/optional", "allow = \"optional\""),
        ("/fresh", "max_auth_age = \"15m\""),
        ("/cookies", "credentials = [\"cookie\"]"),
    ] {
        let url = upstream.url();
        text.push_str(&format!(
            "[[routes]]\npath = \"{path}\"\nupstream = \"{url}\"\n{more}\n"
        ));
    }
    House::of(&text)
}

impl Both {
    pub fn start(upstream: &Upstream) -> Self {
        let app = Program::flask_jwt();
        let house = house(upstream);
        let theirs = Held::theirs(&app);
        let ours = Held::ours(&house);
        Self {
            app,
            house,
            theirs,
            ours,
        }
    }

    /// The same request to both, each with its own tokens.
    pub fn each(&self, make: impl Fn(&Held) -> Request) -> Pair {
        (make(&self.theirs), make(&self.ours))
    }

    /// With a token in `Authorization: Bearer` on this path.
    pub fn bearer(&self, path: &str, token: impl Fn(&Held) -> String) -> Pair {
        self.each(|held| Request::get(path).bearer(&token(held)))
    }

    /// With this `Authorization`, in which `T` stands for a good token.
    pub fn authorization(&self, path: &str, value: &str) -> Pair {
        self.each(|held| get(path, &value.replace('T', &held.access)))
    }

    /// With this JSON to where refresh tokens are exchanged.
    pub fn refresh_by_json(&self, body: impl Fn(&Held) -> Value) -> Pair {
        let post = |path: &str, held| Request::post(path).json(&body(held));
        (
            post("/refresh-by-json", &self.theirs),
            post("/vestibule/refresh", &self.ours),
        )
    }

    #[track_caller]
    pub fn told(&self, (theirs, ours): &Pair) -> (Told, Told) {
        let ours = self.house.send(ours);
        let theirs = ask(&self.app, theirs);
        (told(&theirs), told(&ours))
    }

    /// Both say the same.
    #[track_caller]
    pub fn agree(&self, row: &str, pair: &Pair) {
        let (theirs, ours) = self.told(pair);
        assert_eq!(ours, theirs, "{row}");
    }

    /// They differ on purpose.
    #[track_caller]
    pub fn differ(
        &self,
        row: &str,
        pair: &Pair,
        theirs: (u16, &str),
        ours: (u16, &str),
        reason: &str,
    ) {
        let expected = |(status, msg): (u16, &str)| {
            let msg = (!msg.is_empty()).then(|| msg.to_owned());
            (status, msg)
        };
        let told = self.told(pair);
        assert_eq!(told, (expected(theirs), expected(ours)), "{row}: {reason}");
    }
}

impl Held {
    fn theirs(app: &Program) -> Self {
        let pair = || {
            let answer = ask(app, &login());
            (
                text(&answer, "access_token"),
                text(&answer, "refresh_token"),
            )
        };
        let (access, refresh) = pair();
        let (ended, ended_refresh) = pair();
        for token in [&ended, &ended_refresh] {
            let out = Request::post("/vestibule/logout").bearer(token);
            assert_eq!(ask(app, &out).status, 204);
        }
        let stale = ask(app, &Request::post("/refresh-by-header").bearer(&refresh));
        let expired = Request::post("/token").json(&json!({"seconds": -60}));
        Self {
            access,
            refresh,
            stale: text(&stale, "access_token"),
            expired: text(&ask(app, &expired), "access_token"),
            ended,
            ended_refresh,
        }
    }

    fn ours(house: &House) -> Self {
        let old = house.sign_in();
        house.pass(16 * MINUTE);
        let stale = house.send(&Request::post("/vestibule/refresh").bearer(&old.refresh));
        let ended = house.sign_in();
        let out = Request::post("/vestibule/logout").bearer(&ended.access);
        assert_eq!(house.send(&out).status, 204);
        let Tokens {
            access, refresh, ..
        } = house.sign_in();
        Self {
            access,
            refresh,
            stale: Tokens::of(&stale).access,
            expired: old.access,
            ended: ended.access,
            ended_refresh: ended.refresh,
        }
    }
}
