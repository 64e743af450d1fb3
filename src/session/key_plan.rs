//! What becomes of the keys when they are looked after, rotated or revoked? Decides; others do it.

use std::time::Duration;

use thiserror::Error;

use crate::clock::Timestamp;
use crate::session::key::{Key, KeyPurpose};
use crate::session::key_life::{
    KeySettings, KeyState, Life, due, follows, is_dropped, lives, may_be_in_use, turn,
};

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
            let is_next = due.drop_next && life.state == KeyState::Next;
            if (is_next && is_dropped(settings, now)(&life)) || life.state == KeyState::Gone {
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
                let sooner = turn(&lives, next.key.signs_from.min(soon));
                plan.advance.push((next.key.clone(), sooner));
            }
            (Some(_), false) => {}
            (None, true) => plan.make.push(new(keys, purpose, turn(&lives, soon))?),
            (None, false) => {
                let signs_from = turn(&lives, now + settings.publish_ahead);
                plan.make.push(new(keys, purpose, signs_from)?);
            }
        }
    }
    Ok(plan)
}

/// Takes a key away. If it was in use, or may be elsewhere, the one that waits signs at once, or else a
/// new one.
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
        // Nothing was made with it yet, also by a clock that is ahead of this one.
        Some(KeyState::Next) if !may_be_in_use(key, now) => plan.drop.push(key.clone()),
        Some(KeyState::Retired) => plan.revoke = Some(key.clone()),
        Some(KeyState::Active | KeyState::Next) => {
            plan.revoke = Some(key.clone());
            let at_once = turn(&lives, now).max(follows(key));
            let waits = |life: &&Life<'_>| life.state == KeyState::Next && life.key != key;
            match lives.iter().find(waits) {
                Some(next) => plan.advance.push((next.key.clone(), at_once)),
                None => plan.make.push(new(keys, key.purpose, at_once)?),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::KeyAlgorithm;
    use crate::session::key_ring::samples::SETTINGS;

    const PURPOSE: KeyPurpose = KeyPurpose::AccessToken;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn key(kid: &str, signs_from: i64) -> Key {
        Key {
            purpose: PURPOSE,
            kid: kid.to_owned(),
            algorithm: KeyAlgorithm::EdDsa,
            created_at: at(signs_from),
            signs_from: at(signs_from),
            revoked_at: None,
        }
    }

    /// The keys as the plan leaves them, with new ones called `new`.
    fn carried_out(keys: &[Key], plan: KeyPlan, now: Timestamp) -> Vec<Key> {
        let mut keys = keys.to_vec();
        keys.retain(|key| !plan.drop.contains(key));
        for key in &mut keys {
            if plan.revoke.as_ref() == Some(key) {
                key.revoked_at = Some(now);
            } else if let Some((_, turn)) = plan.advance.iter().find(|(moved, _)| moved == key) {
                key.signs_from = *turn;
            }
        }
        keys.extend(plan.make.into_iter().map(|new| Key {
            created_at: now,
            signs_from: new.signs_from,
            ..key("new", 0)
        }));
        keys
    }

    fn active(keys: &[Key], now: Timestamp) -> Option<&str> {
        let lives = lives(keys, PURPOSE, &SETTINGS, now);
        let found = lives.iter().find(|life| life.state == KeyState::Active);
        found.map(|life| life.key.kid.as_str())
    }

    /// `b` has been in use since 1000 somewhere. Whoever revokes it, by whatever clock: nobody signs with
    /// `a` again, by whatever clock.
    #[test]
    fn what_is_revoked_is_followed_by_another_key_for_every_clock() {
        let two = || vec![key("a", 0), key("b", 1000)];
        let three = || vec![key("a", 0), key("b", 1000), key("c", 9000)];
        let again = || {
            let plan = revoke(&two(), "b", None, &SETTINGS, at(1500)).unwrap();
            let mut keys = carried_out(&two(), plan, at(1500));
            keys[2].kid = "b2".to_owned();
            keys
        };
        for (keys, revoked, by, follower) in [
            (two(), "b", 1500, "new"),
            (two(), "b", 1000, "new"),
            // Clocks that lag.
            (two(), "b", 999, "new"),
            (two(), "b", 940, "new"),
            (three(), "b", 1500, "c"),
            (three(), "b", 1000, "c"),
            (three(), "b", 940, "c"),
            (again(), "b2", 1600, "new"),
            (again(), "b2", 1500, "new"),
            (again(), "b2", 1200, "new"),
            (again(), "b2", 0, "new"),
        ] {
            let case = format!("{} {revoked} by {by}", keys.len());
            let plan = revoke(&keys, revoked, None, &SETTINGS, at(by)).unwrap();
            let keys = carried_out(&keys, plan, at(by));
            for now in [-5, 500, 999, 1000, 1500, 1501, 2000] {
                assert_eq!(active(&keys, at(now)), Some(follower), "{case}, at {now}");
            }
        }
        // Far from its turn, a key is not in use anywhere: the one before it goes on.
        let plan = revoke(&two(), "b", None, &SETTINGS, at(939)).unwrap();
        let keys = carried_out(&two(), plan, at(939));
        assert_eq!(active(&keys, at(939)), Some("a"));
        assert_eq!(keys.len(), 1);
    }

    /// After a revocation by a clock that is ahead.
    #[test]
    fn a_rotation_by_a_clock_that_lags_follows_the_key_in_use() {
        let plan = revoke(&[key("a", 0)], "a", None, &SETTINGS, at(5000)).unwrap();
        let mut keys = carried_out(&[key("a", 0)], plan, at(5000));
        keys[1].kid = "b".to_owned();
        for at_once in [true, false] {
            let plan = rotate(&keys, &[PURPOSE], at_once, &SETTINGS, at(100)).unwrap();
            let keys = carried_out(&keys, plan, at(100));
            assert_eq!(active(&keys, at(100)), Some("b"));
            assert_eq!(active(&keys, at(200_000)), Some("new"));
        }
        let waiting = [keys.as_slice(), &[key("c", 90_000)]].concat();
        let plan = rotate(&waiting, &[PURPOSE], true, &SETTINGS, at(100)).unwrap();
        let keys = carried_out(&waiting, plan, at(100));
        assert_eq!(active(&keys, at(100)), Some("b"));
        assert_eq!(active(&keys, at(5001)), Some("c"));
    }
}
