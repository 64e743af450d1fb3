//! Which key is in use at a moment, which are still accepted, and when is a new one due?

use std::cmp::Ordering;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::session::key::{Key, KeyAlgorithm, KeyPurpose};

/// How much later than those before it a key begins: their order does not depend on anything else.
const AFTER: Duration = Duration::from_millis(1);
/// How much earlier than here another process may begin to use a key: its clock may be ahead.
pub const EARLY: Duration = Duration::from_secs(60);
/// Clocks that differ both ways, and requests under way.
const SLACK: Duration = Duration::from_secs(180);
/// The longest that an access token may be configured to live.
const LONGEST_ACCESS: Duration = Duration::from_hours(1);
/// The most keys of a refresh purpose that live at once: their ids are numbers of one byte.
const MOST_NUMBERED: u32 = 50;

/// What is configured about keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySettings {
    /// What access tokens are signed with.
    pub algorithm: KeyAlgorithm,
    /// How long a key signs; `None`: until somebody rotates it.
    pub rotate_every: Option<Duration>,
    /// How long before it signs a key can be fetched by apps.
    pub publish_ahead: Duration,
    /// The longest that a session may live.
    pub longest_session: Duration,
}

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Known to all, used later.
    Next,
    /// In use.
    Active,
    /// Not used for anything new; what it made is still good.
    Retired,
    /// Nothing it made can be good any more.
    Gone,
    /// Taken away: nothing it made is good.
    Revoked,
}

/// A key and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Life<'k> {
    /// Which key.
    pub key: &'k Key,
    /// Where it stands.
    pub state: KeyState,
    /// When the last of what it made ends, where that is known.
    pub ends_at: Option<Timestamp>,
}

/// What is to be done about the keys of one purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Keys that wait and are of an algorithm that is not configured any more are dropped.
    pub drop_next: bool,
    /// A new key is made, which signs from then on.
    pub signs_from: Option<Timestamp>,
}

/// The keys of a purpose, the first to sign first, and where they stand at `now`. Only what was in use is
/// revoked, and so whatever came before it has had its time, also by a clock that lags. Of those that
/// come after, the last that has begun is in use; where none has, the first.
pub fn lives<'k>(
    keys: impl IntoIterator<Item = &'k Key>,
    purpose: KeyPurpose,
    settings: &KeySettings,
    now: Timestamp,
) -> Vec<Life<'k>> {
    let keys = keys.into_iter().filter(|key| key.purpose == purpose);
    let mut keys: Vec<&Key> = keys.collect();
    keys.sort_by(|a, b| order(a).cmp(&order(b)));
    let last_revoked = keys.iter().rposition(|key| key.revoked_at.is_some());
    let first = last_revoked.map_or(0, |at| at + 1);
    let candidates = keys.get(first..).unwrap_or_default();
    let begun = candidates.iter().rposition(|key| key.signs_from <= now);
    let active = first + begun.unwrap_or_default();
    let followers = keys.iter().skip(1).map(Some).chain([None]);
    let lives = keys.iter().zip(followers).enumerate();
    let lives = lives.map(|(at, (key, follower))| {
        let retired_at = follower.map(|follower| follower.signs_from);
        let span = settings.span(purpose);
        let ends_at = retired_at.zip(span).map(|(at, span)| at + span);
        let is_over = ends_at.is_some_and(|end| end <= now);
        let state = match at.cmp(&active) {
            Ordering::Less if is_over => KeyState::Gone,
            Ordering::Less if key.revoked_at.is_some() => KeyState::Revoked,
            Ordering::Less => KeyState::Retired,
            Ordering::Equal => KeyState::Active,
            Ordering::Greater => KeyState::Next,
        };
        let is_retired = matches!(state, KeyState::Retired | KeyState::Gone);
        Life {
            key,
            state,
            ends_at: ends_at.filter(|_| is_retired),
        }
    });
    lives.collect()
}

/// When a key begins that is wanted from then on: after all that have had, or have, their turn.
pub fn turn(lives: &[Life<'_>], wanted: Timestamp) -> Timestamp {
    let begun = lives.iter().filter(|life| life.state != KeyState::Next);
    let latest = begun.map(|life| follows(life.key)).max();
    latest.map_or(wanted, |latest| latest.max(wanted))
}

/// The first moment at which a key begins that takes the place of this one.
pub fn follows(key: &Key) -> Timestamp {
    key.signs_from + AFTER
}

/// Of keys of one moment, the one that was revoked came before the one in its place.
fn order(key: &Key) -> (Timestamp, Timestamp, bool, &str) {
    let is_good = key.revoked_at.is_none();
    (key.signs_from, key.created_at, is_good, &key.kid)
}

/// Whether a process whose clock is ahead of ours may sign with the key already.
pub fn may_be_in_use(key: &Key, now: Timestamp) -> bool {
    key.signs_from <= now + EARLY
}

/// Whether a key that waits is of another algorithm than what is configured, and nobody signs with it.
pub fn is_dropped(settings: &KeySettings, now: Timestamp) -> impl Fn(&Life<'_>) -> bool {
    move |next| {
        let is_wanted = next.key.algorithm == settings.algorithm_for(next.key.purpose);
        !is_wanted && !may_be_in_use(next.key, now)
    }
}

/// Whether a key of this purpose is due at `now`, because the one in use is old or of another algorithm
/// than what is configured (`follow_algorithm`).
pub fn due(
    keys: &[Key],
    purpose: KeyPurpose,
    settings: &KeySettings,
    follow_algorithm: bool,
    now: Timestamp,
) -> Due {
    let lives = lives(keys, purpose, settings, now);
    let is_wanted = |life: &Life<'_>| life.key.algorithm == settings.algorithm_for(purpose);
    let in_state = |state| lives.iter().filter(move |life| life.state == state);
    let Some(active) = in_state(KeyState::Active).next() else {
        return Due {
            drop_next: false,
            signs_from: Some(turn(&lives, now)),
        };
    };
    if !purpose.is_replaced() {
        return Due::default();
    }
    let drop_next = follow_algorithm && in_state(KeyState::Next).any(is_dropped(settings, now));
    let has_next = in_state(KeyState::Next).any(|next| is_wanted(next) || !follow_algorithm);
    let in_use = in_state(KeyState::Next).find(|next| may_be_in_use(next.key, now));
    let soonest = turn(&lives, now + settings.publish_ahead);
    let signs_from = if has_next {
        None
    } else if follow_algorithm && !is_wanted(in_use.unwrap_or(active)) {
        Some(soonest)
    } else {
        settings.interval(purpose).and_then(|interval| {
            let turn = active.key.signs_from + interval;
            (turn <= soonest).then_some(soonest)
        })
    };
    Due {
        drop_next,
        signs_from,
    }
}

impl KeySettings {
    /// What new keys of this purpose are used with. Apps check assertions, so that theirs have a
    /// public half in any case.
    pub const fn algorithm_for(&self, purpose: KeyPurpose) -> KeyAlgorithm {
        match purpose {
            KeyPurpose::AccessToken => self.algorithm,
            KeyPurpose::Assertion if self.algorithm.has_public_half() => self.algorithm,
            KeyPurpose::Assertion => KeyAlgorithm::EdDsa,
            KeyPurpose::RefreshMac | KeyPurpose::RefreshNext => KeyAlgorithm::Mac,
            KeyPurpose::Seed => KeyAlgorithm::Hkdf,
        }
    }

    /// How long after its last use what a key made may still be good. Configured lives of access
    /// tokens are not asked: they may have been longer when the key was in use. `None`: for good.
    fn span(&self, purpose: KeyPurpose) -> Option<Duration> {
        match purpose {
            KeyPurpose::AccessToken => Some(LONGEST_ACCESS + SLACK),
            KeyPurpose::Assertion => Some(super::assertion::LIFETIME + SLACK),
            KeyPurpose::RefreshMac | KeyPurpose::RefreshNext => Some(self.longest_session),
            KeyPurpose::Seed => None,
        }
    }

    /// How long a key of this purpose is in use.
    fn interval(&self, purpose: KeyPurpose) -> Option<Duration> {
        let least = match purpose {
            KeyPurpose::AccessToken | KeyPurpose::Assertion => Duration::ZERO,
            KeyPurpose::RefreshMac | KeyPurpose::RefreshNext => {
                self.longest_session / MOST_NUMBERED
            }
            KeyPurpose::Seed => return None,
        };
        self.rotate_every.map(|interval| interval.max(least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60;
    const SETTINGS: KeySettings = KeySettings {
        algorithm: KeyAlgorithm::EdDsa,
        rotate_every: Some(Duration::from_hours(30 * 24)),
        publish_ahead: Duration::from_hours(24),
        longest_session: Duration::from_hours(30 * 24),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn key(kid: &str, signs_from: i64) -> Key {
        Key {
            purpose: KeyPurpose::AccessToken,
            kid: kid.to_owned(),
            algorithm: KeyAlgorithm::EdDsa,
            created_at: at(signs_from),
            signs_from: at(signs_from),
            revoked_at: None,
        }
    }

    fn revoked(kid: &str, signs_from: i64, at_second: i64) -> Key {
        Key {
            revoked_at: Some(at(at_second)),
            ..key(kid, signs_from)
        }
    }

    fn states(keys: &[Key], now: i64) -> String {
        let lives = lives(keys, KeyPurpose::AccessToken, &SETTINGS, at(now));
        let told = lives.iter().map(|life| {
            let state = match life.state {
                KeyState::Next => "next",
                KeyState::Active => "active",
                KeyState::Retired => "retired",
                KeyState::Gone => "gone",
                KeyState::Revoked => "revoked",
            };
            format!("{} {state}", life.key.kid)
        });
        told.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_times_of_the_keys_say_where_each_of_them_stands() {
        // In any order: times decide.
        let keys = [key("b", 100_000), key("a", 0), key("c", 200_000)];
        let span = 3600 + 180;
        for (now, expected) in [
            (-5, "a active, b next, c next"),
            (0, "a active, b next, c next"),
            (99_999, "a active, b next, c next"),
            (100_000, "a retired, b active, c next"),
            (100_000 + span - 1, "a retired, b active, c next"),
            (100_000 + span, "a gone, b active, c next"),
            (200_000, "a gone, b retired, c active"),
            (200_000 + span, "a gone, b gone, c active"),
            (900_000_000, "a gone, b gone, c active"),
        ] {
            assert_eq!(states(&keys, now), expected, "{now}");
        }
        assert_eq!(states(&[], 0), "");
    }

    #[test]
    fn a_revoked_key_is_never_in_use_and_changes_nobody_elses_time() {
        let keys = [key("a", 0), revoked("b", 1000, 2000), key("c", 2000)];
        assert_eq!(states(&keys, 2000), "a retired, b revoked, c active");
        assert_eq!(states(&keys, 1000 + 3780), "a gone, b revoked, c active");
        assert_eq!(states(&keys, 2000 + 3780), "a gone, b gone, c active");
        // It does not come back when the clock is set back.
        assert_eq!(states(&keys, 1500), "a retired, b revoked, c active");
        assert_eq!(states(&[revoked("a", 0, 1)], 5), "a revoked");
    }

    /// What was revoked was in use before, and so nothing that came before it is in use any more.
    #[test]
    fn a_retired_key_never_signs_again_whatever_the_clock_says() {
        let in_use = || [key("a", 0), revoked("b", 1000, 2000), key("c", 2000)];
        let retired = || [key("a", 0), revoked("b", 1000, 2500), key("c", 2000)];
        let with_next = || [in_use().as_slice(), &[key("d", 9000)]].concat();
        let twice = || {
            [
                in_use().as_slice(),
                &[revoked("d", 3000, 4000), key("e", 4000)],
            ]
            .concat()
        };
        let last = || vec![key("a", 0), revoked("b", 1000, 2000)];
        for (keys, now, expected) in [
            (in_use().to_vec(), 2000, "a retired, b revoked, c active"),
            (in_use().to_vec(), 1999, "a retired, b revoked, c active"),
            (in_use().to_vec(), 999, "a retired, b revoked, c active"),
            (in_use().to_vec(), -5, "a retired, b revoked, c active"),
            (retired().to_vec(), 2500, "a retired, b revoked, c active"),
            (retired().to_vec(), 500, "a retired, b revoked, c active"),
            (with_next(), 500, "a retired, b revoked, c active, d next"),
            (with_next(), 8999, "a gone, b gone, c active, d next"),
            (with_next(), 9000, "a gone, b gone, c retired, d active"),
            (
                twice(),
                4000,
                "a retired, b revoked, c retired, d revoked, e active",
            ),
            (
                twice(),
                500,
                "a retired, b revoked, c retired, d revoked, e active",
            ),
            // Rather none than one that had its time: a new one is due.
            (last(), 3000, "a retired, b revoked"),
            (last(), 500, "a retired, b revoked"),
        ] {
            assert_eq!(states(&keys, now), expected, "{now}");
        }
        let due = due(&last(), KeyPurpose::AccessToken, &SETTINGS, true, at(500));
        assert_eq!(due.signs_from, Some(at(1000) + AFTER));
    }

    #[test]
    fn of_keys_that_begin_at_once_exactly_one_is_in_use() {
        let keys = [key("b", 1000), key("a", 1000)];
        assert_eq!(states(&keys, 1000), "a retired, b active");
        let keys = [revoked("b", 1000, 1000), key("a", 1000)];
        assert_eq!(states(&keys, 1000), "b revoked, a active");
    }

    #[test]
    fn a_key_is_due_a_day_before_the_one_in_use_is_old() {
        let of = |keys: &[Key], now| {
            let due = due(keys, KeyPurpose::AccessToken, &SETTINGS, true, at(now));
            assert!(!due.drop_next);
            due.signs_from
        };
        assert_eq!(of(&[], 7), Some(at(7)));
        assert_eq!(of(&[key("a", 0)], 29 * DAY - 1), None);
        assert_eq!(of(&[key("a", 0)], 29 * DAY), Some(at(30 * DAY)));
        // The gateway was down: apps still get a day's notice.
        assert_eq!(of(&[key("a", 0)], 90 * DAY), Some(at(91 * DAY)));
        assert_eq!(of(&[key("a", 0), key("b", 30 * DAY)], 29 * DAY), None);
        assert_eq!(of(&[revoked("a", 0, 5)], 9), Some(at(9)));
    }

    #[test]
    fn nothing_is_due_where_keys_are_rotated_by_hand() {
        let settings = KeySettings {
            rotate_every: None,
            ..SETTINGS
        };
        let keys = [key("a", 0)];
        let due = due(
            &keys,
            KeyPurpose::AccessToken,
            &settings,
            false,
            at(900 * DAY),
        );
        assert_eq!(due, Due::default());
    }

    #[test]
    fn another_algorithm_makes_another_key_which_replaces_one_that_waits() {
        let settings = KeySettings {
            algorithm: KeyAlgorithm::Es256,
            ..SETTINGS
        };
        let of = |keys: &[Key], settings: &KeySettings, follow| {
            let due = due(keys, KeyPurpose::AccessToken, settings, follow, at(DAY));
            (due.drop_next, due.signs_from)
        };
        let soon = Some(at(2 * DAY));
        let old = key("a", 0);
        let waiting = key("b", 30 * DAY);
        let wanted = Key {
            algorithm: KeyAlgorithm::Es256,
            ..waiting.clone()
        };
        let both = [old.clone(), waiting];
        assert_eq!(of(&both[..1], &settings, true), (false, soon));
        assert_eq!(of(&both, &settings, true), (true, soon));
        assert_eq!(of(&both, &settings, false), (false, None));
        let done = [old, wanted];
        assert_eq!(of(&done, &settings, true), (false, None));
        // And back, before it was used.
        assert_eq!(of(&done, &SETTINGS, true), (true, None));
        // Another process may sign already with one that begins within a minute: it stays.
        let [old, wanted] = done;
        for (begins, expected) in [(60, (false, soon)), (61, (true, None))] {
            let signs_from = at(DAY + begins);
            let next = Key {
                signs_from,
                ..wanted.clone()
            };
            assert_eq!(of(&[old.clone(), next], &SETTINGS, true), expected);
        }
    }

    #[test]
    fn what_apps_check_has_a_public_half() {
        for (algorithm, of_assertions) in [
            (KeyAlgorithm::EdDsa, KeyAlgorithm::EdDsa),
            (KeyAlgorithm::Ps256, KeyAlgorithm::Ps256),
            (KeyAlgorithm::Hs256, KeyAlgorithm::EdDsa),
        ] {
            let settings = KeySettings {
                algorithm,
                ..SETTINGS
            };
            assert_eq!(settings.algorithm_for(KeyPurpose::AccessToken), algorithm);
            assert_eq!(settings.algorithm_for(KeyPurpose::Assertion), of_assertions);
        }
    }

    #[test]
    fn refresh_keys_are_not_rotated_so_often_that_their_numbers_run_out() {
        let hourly = KeySettings {
            rotate_every: Some(Duration::from_hours(1)),
            ..SETTINGS
        };
        let most = Duration::from_hours(30 * 24).as_secs() / 50;
        let interval = hourly.interval(KeyPurpose::RefreshMac);
        assert_eq!(interval, Some(Duration::from_secs(most)));
        let interval = hourly.interval(KeyPurpose::AccessToken);
        assert_eq!(interval, Some(Duration::from_hours(1)));
    }
}
