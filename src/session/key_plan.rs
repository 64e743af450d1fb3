//! What becomes of the keys when they are looked after, rotated or revoked? Decides; others do it.

use std::time::Duration;

use thiserror::Error;

use crate::clock::Timestamp;
use crate::session::key::{Key, KeyPurpose};
use crate::session::key_life::{KeySettings, KeyState, due, lives};

/// When a key signs that is to sign at once: every process has read it by then.
const LEAD: Duration = Duration::from_secs(3);
/// The most keys of one purpose.
const MOST: usize = 100;

/// What is to be done with the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPlan {
    /// These are no more.
    pub drop: Vec<Key>,
    /// This one is taken away, and stays as a name.
    pub revoke: Option<Key>,
    /// These sign from then on.
    pub advance: Vec<(Key, Timestamp)>,
    /// These are made.
    pub make: Vec<NewKey>,
}

/// A key to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Its name, where names are numbers.
    pub number: Option<u8>,
    /// When its use begins.
    pub signs_from: Timestamp,
}

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Nobody ever made keys.
    #[error("there are no keys yet: `vestibule serve` makes them")]
    NoKeys,
    /// There is no such key.
    #[error("there is no key {0:?}")]
    Unknown(String),
    /// Several keys have this id.
    #[error("there are several keys {0:?}: name the purpose, too")]
    Ambiguous(String),
    /// It is no good any more as it is.
    #[error("the key {0:?} is no good any more already")]
    Over(String),
    /// The numbers are used up.
    #[error("there are too many keys for {}: wait until some of them are gone", .0.as_str())]
    TooMany(KeyPurpose),
    /// Other keys are derived from it.
    #[error(
        "the seed stays as it is: failed sign-ins are counted under names that are hidden with a key \
         derived from it, and whoever has a peppered password could not sign in without it"
    )]
    Lasting,
}

impl KeyPlan {
    /// Whether nothing is to be done.
    pub const fn is_empty(&self) -> bool {
        self.drop.is_empty()
            && self.revoke.is_none()
            && self.advance.is_empty()
            && self.make.is_empty()
    }
}

/// Makes what is due, and drops what is gone.
pub fn tend(
    keys: &[Key],
    settings: &KeySettings,
    follow_algorithm: bool,
    now: Timestamp,
) -> KeyPlan {
    let mut plan = KeyPlan::default();
    for purpose in KeyPurpose::ALL {
        let due = due(keys, purpose, settings, follow_algorithm, now);
        for life in lives(keys, purpose, settings, now) {
            let is_unwanted = life.key.algorithm != settings.algorithm_for(purpose);
            let is_dropped = due.drop_next && life.state == KeyState::Next && is_unwanted;
            if is_dropped || life.state == KeyState::Gone {
                plan.drop.push(life.key.clone());
            }
        }
        if let Some(signs_from) = due.signs_from {
            // Where there is no room, those in use go on.
            plan.make.extend(new(keys, purpose, signs_from).ok());
        }
    }
    plan
}

/// Makes a new key for each of these purposes, unless one waits already. `at_once`: one that waits, or
/// is made, signs as soon as every process knows it.
pub fn rotate(
    keys: &[Key],
    purposes: &[KeyPurpose],
    at_once: bool,
    settings: &KeySettings,
    now: Timestamp,
) -> Result<KeyPlan, Refusal> {
    if keys.is_empty() {
        return Err(Refusal::NoKeys);
    }
    if !purposes.iter().all(|purpose| purpose.is_replaced()) {
        return Err(Refusal::Lasting);
    }
    let mut plan = KeyPlan::default();
    let soon = now + LEAD;
    for &purpose in purposes {
        let lives = lives(keys, purpose, settings, now);
        let next = lives.iter().find(|life| life.state == KeyState::Next);
        match (next, at_once) {
            (Some(next), true) => {
                let sooner = next.key.signs_from.min(soon);
                plan.advance.push((next.key.clone(), sooner));
            }
            (Some(_), false) => {}
            (None, true) => plan.make.push(new(keys, purpose, soon)?),
            (None, false) => {
                let signs_from = now + settings.publish_ahead;
                plan.make.push(new(keys, purpose, signs_from)?);
            }
        }
    }
    Ok(plan)
}

/// Takes a key away. If it was in use, the one that waits signs at once, or else a new one.
pub fn revoke(
    keys: &[Key],
    kid: &str,
    purpose: Option<KeyPurpose>,
    settings: &KeySettings,
    now: Timestamp,
) -> Result<KeyPlan, Refusal> {
    let is_meant =
        |key: &&Key| key.kid == kid && purpose.is_none_or(|purpose| key.purpose == purpose);
    let mut meant = keys.iter().filter(is_meant);
    let key = match (meant.next(), meant.next()) {
        (Some(key), None) => key,
        (None, _) => return Err(Refusal::Unknown(kid.to_owned())),
        (Some(_), Some(_)) => return Err(Refusal::Ambiguous(kid.to_owned())),
    };
    if !key.purpose.is_replaced() {
        return Err(Refusal::Lasting);
    }
    let lives = lives(keys, key.purpose, settings, now);
    let found = lives.iter().find(|life| life.key == key);
    let state = found.map(|life| life.state);
    let mut plan = KeyPlan::default();
    match state {
        Some(KeyState::Gone | KeyState::Revoked) | None => {
            return Err(Refusal::Over(kid.to_owned()));
        }
        // Nothing was made with it yet.
        Some(KeyState::Next) => plan.drop.push(key.clone()),
        Some(KeyState::Retired) => plan.revoke = Some(key.clone()),
        Some(KeyState::Active) => {
            plan.revoke = Some(key.clone());
            match lives.iter().find(|life| life.state == KeyState::Next) {
                Some(next) => plan.advance.push((next.key.clone(), now)),
                None => plan.make.push(new(keys, key.purpose, now)?),
            }
        }
    }
    Ok(plan)
}

fn new(keys: &[Key], purpose: KeyPurpose, signs_from: Timestamp) -> Result<NewKey, Refusal> {
    let of_purpose = || keys.iter().filter(|key| key.purpose == purpose);
    if of_purpose().count() >= MOST {
        return Err(Refusal::TooMany(purpose));
    }
    let number = purpose.is_numbered().then(|| {
        // The last one made has the last number; after 255 comes 0.
        let last = of_purpose().max_by_key(|key| (key.created_at, key.signs_from));
        let last: Option<u8> = last.and_then(|key| key.kid.parse().ok());
        let mut number = last.unwrap_or(0).wrapping_add(1);
        while of_purpose().any(|key| key.kid == number.to_string()) {
            number = number.wrapping_add(1);
        }
        number
    });
    Ok(NewKey {
        purpose,
        number,
        signs_from,
    })
}
