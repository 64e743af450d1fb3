//! A browser's cookie jar.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Head, Request};

/// The cookies of one browser, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jar(BTreeMap<String, String>);

impl Jar {
    /// Of a browser that sends this `Cookie` value.
    pub fn of(cookies: &str) -> Self {
        let pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
        let owned = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(owned.collect())
    }

    /// Does what the `Set-Cookie` fields of an answer say.
    pub fn take(&mut self, answer: &Head) {
        for cookie in answer.all("set-cookie") {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').expect("a cookie has a name");
            if attributes.to_ascii_lowercase().contains("max-age=0") {
                self.0.remove(name);
            } else {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Without the access cookie, which has ended.
    pub fn without_access(&self) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !name.contains("access"));
        Self(
            kept.map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }

    /// What it sends but for the cookies whose names hold this.
    pub fn but(&self, name: &str) -> String {
        let kept = self.0.iter().filter(|(known, _)| !known.contains(name));
        let pairs = kept.map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// The access cookie of this one with the refresh cookie of another.
    pub fn mixed_with(&self, other: &Self) -> Self {
        let own = self.0.iter().filter(|(name, _)| name.contains("access"));
        let others = other.0.iter().filter(|(name, _)| name.contains("refresh"));
        Self(
            own.chain(others)
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }

    /// The request with these cookies.
    pub fn with(&self, request: Request) -> Request {
        let pairs = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        request.header("Cookie", &pairs.collect::<Vec<_>>().join("; "))
    }

    /// The value of the cookie of this name.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The refresh token.
    #[track_caller]
    pub fn refresh(&self) -> &str {
        self.0.get("vestibule_refresh").expect("a refresh cookie")
    }

    /// The generation that the refresh token tells.
    #[track_caller]
    pub fn generation(&self) -> u64 {
        let text = self
            .refresh()
            .strip_prefix("vrt1_")
            .expect("a refresh token");
        let bytes = URL_SAFE_NO_PAD.decode(text).expect("base64url");
        u64::from_be_bytes(bytes[17..25].try_into().expect("eight bytes"))
    }

    /// Whether nothing is in it but what a device is known by.
    pub fn is_signed_out(&self) -> bool {
        self.0.keys().all(|name| name.contains("device"))
    }
}
