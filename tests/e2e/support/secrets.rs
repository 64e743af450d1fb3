//! What was shown to a gateway or handed out by it and must not be found where things are kept or written.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::{Answer, Gateway, PASSWORD, Request, Tokens, bare_keys};

/// Shorter ones could be somewhere by chance.
const SHORTEST: usize = 12;

/// Secrets, each in every form in which bytes are usually kept or shown.
#[derive(Default)]
pub struct Secrets(Vec<(String, Vec<u8>)>);

impl Secrets {
    /// Adds a text, and the parts of it if it is a token.
    pub fn add(&mut self, what: &str, secret: &str) {
        assert!(secret.len() > SHORTEST, "{what} could be there by chance");
        self.add_bytes(what, secret.as_bytes());
        // A part of a token is a secret, too: its claims, its signature.
        for part in secret.split('.').filter(|part| part.len() > SHORTEST) {
            self.add_bytes(what, part.as_bytes());
        }
        let signature = secret.rsplit_once('.').map(|(_, signature)| signature);
        if let Some(signature) = signature.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()) {
            self.add_bytes(what, &signature);
        }
        let refresh = secret.strip_prefix("vrt1_");
        if let Some(bytes) = refresh.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()) {
            // After the key's id, the session and the generation: the secret itself, and the MAC.
            self.add_bytes(what, &bytes[25..57]);
            self.add_bytes(what, &bytes[57..]);
        }
    }

    /// Adds what is no text.
    pub fn add_bytes(&mut self, what: &str, secret: &[u8]) {
        let forms = spelled(secret);
        self.0
            .extend(forms.into_iter().map(|form| (what.to_owned(), form)));
    }

    /// Adds what a script holds.
    pub fn add_tokens(&mut self, tokens: &Tokens) {
        self.add("an access token", &tokens.access);
        self.add("a refresh token", &tokens.refresh);
    }

    /// Adds all cookies of a `Cookie` value.
    pub fn add_cookies(&mut self, cookies: &str) {
        for (name, value) in cookies.split("; ").filter_map(|pair| pair.split_once('=')) {
            self.add(&format!("the cookie {name}"), value);
        }
    }

    /// Adds all cookies that an answer sets, but for those it clears.
    pub fn add_set_cookies(&mut self, answer: &Answer) {
        let cookies = super::cookies_of(answer);
        let kept = cookies.split("; ").filter(|pair| !pair.ends_with('='));
        self.add_cookies(&kept.collect::<Vec<_>>().join("; "));
    }

    /// Adds every key of this gateway: what signs, what authenticates refresh tokens, what seals.
    pub fn add_keys(&mut self, gateway: &Gateway) {
        for key in bare_keys(gateway) {
            self.add_bytes(&format!("the key for {:?}", key.purpose), &key.secret);
        }
        let master = std::fs::read_to_string(gateway.file("vestibule.db.key"));
        let master = master.expect("the master key is beside the database");
        self.add_bytes("the master key's file", master.trim().as_bytes());
        let unpadded = master.trim().trim_end_matches('=');
        let master = STANDARD_NO_PAD.decode(unpadded).expect("it is base64");
        self.add_bytes("the master key", &master);
        self.0
            .push(("a private key".to_owned(), b"PRIVATE KEY".to_vec()));
    }

    /// Signs in as a script and adds all that comes back.
    #[track_caller]
    pub fn sign_in(&mut self, gateway: &Gateway, name: &str) -> Tokens {
        let answer = Request::post("/vestibule/login")
            .json(&json!({"username": name, "password": PASSWORD}))
            .send(gateway);
        self.add_set_cookies(&answer);
        let tokens = Tokens::of(&answer);
        self.add_tokens(&tokens);
        tokens
    }

    /// Refreshes and adds all that comes back.
    #[track_caller]
    pub fn refresh(&mut self, gateway: &Gateway, tokens: &Tokens) -> Tokens {
        let next = Tokens::of(&super::refresh(gateway, &tokens.refresh));
        self.add_tokens(&next);
        next
    }

    /// Fails, saying which one, if any of them is in there.
    #[track_caller]
    pub fn none_in(&self, place: &str, bytes: &[u8]) {
        for (what, needle) in &self.0 {
            let found = find(bytes, needle);
            assert!(found.is_none(), "{place} holds {what} at {found:?}");
        }
    }
}

/// The bytes as they are, in hex, as a list of numbers, and in base64 wherever in a longer text.
fn spelled(bytes: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let mut forms = vec![
        bytes.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        list.join(", ").into_bytes(),
        list.join(",").into_bytes(),
    ];
    for shift in 0..3 {
        let shifted = [&vec![0; shift], bytes].concat();
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = engine.encode(&shifted);
            // The first and last letter may hold bits of what stands beside.
            let start = shift + usize::from(shift > 0);
            let end = text.len() - usize::from(!shifted.len().is_multiple_of(3));
            forms.push(text.as_bytes()[start..end].to_vec());
        }
    }
    forms
}

/// Where the needle is.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    let (&first, rest) = needle.split_first().expect("there is something to find");
    let mut from = 0;
    while let Some(at) = hay[from..].iter().position(|byte| *byte == first) {
        let after = from + at + 1;
        if hay[after..].starts_with(rest) {
            return Some(from + at);
        }
        from = after;
    }
    None
}
