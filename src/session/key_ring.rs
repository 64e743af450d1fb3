//! The keys that are in use and accepted at a moment, by purpose and id.

use std::fmt;
use std::iter;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use aws_lc_rs::hmac;
use serde_json::{Value, json};
use thiserror::Error;

use crate::clock::Timestamp;
use crate::identity::Secret;
use crate::session::key::{Key, KeyAlgorithm, KeyMaterial, KeyPurpose};
use crate::session::key_life::{EARLY, KeySettings, KeyState, Life, lives};
use crate::session::seed::Seed;
use crate::session::signing_key::{SigningKey, name_of};

/// Why a ring could not be made.
#[derive(Debug, Error)]
pub enum KeyError {
    /// A purpose has no key.
    #[error("the store holds no key for {0:?}")]
    Missing(KeyPurpose),
    /// A key's bytes are unusable.
    #[error("key {kid:?} cannot be used")]
    Unusable {
        /// Which key.
        kid: String,
    },
}

/// The keys as they stand at a moment. Another one is made when a key's state changes.
pub struct KeyRing {
    access: Keys<SigningKey>,
    assertion: Keys<SigningKey>,
    mac: Keys<RefreshKey>,
    next: Keys<RefreshKey>,
    seed: Seed,
    stands_until: Option<Timestamp>,
    generation: u64,
}

/// The ring in use, shared by all threads. Reading it takes no lock.
#[derive(Debug)]
pub struct SharedRing {
    ring: ArcSwap<KeyRing>,
    generations: AtomicU64,
}

/// What a refresh token's key id says where there is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownNumber {
    /// It was given out, and what it made is no good any more.
    Past,
    /// It may have been given out since the ring was made.
    Ahead,
}

impl KeyRing {
    /// The keys as they stand at `now`: of each purpose one is in use.
    pub fn at(
        keys: &[KeyMaterial],
        settings: &KeySettings,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let standing = Standing {
            keys,
            settings,
            now,
        };
        let changes = KeyPurpose::ALL.map(|purpose| standing.stands_until(purpose));
        Ok(Self {
            access: standing.keys(KeyPurpose::AccessToken, KeyMaterial::to_signing_key)?,
            assertion: standing.keys(KeyPurpose::Assertion, KeyMaterial::to_signing_key)?,
            mac: standing.keys(KeyPurpose::RefreshMac, KeyMaterial::to_refresh_key)?,
            next: standing.keys(KeyPurpose::RefreshNext, KeyMaterial::to_refresh_key)?,
            seed: Seed::among(keys)?.ok_or(KeyError::Missing(KeyPurpose::Seed))?,
            stands_until: changes.into_iter().flatten().min(),
            generation: 0,
        })
    }

    /// Whether a key's state has changed since the ring was made.
    pub fn is_outdated(&self, now: Timestamp) -> bool {
        self.stands_until.is_some_and(|end| end <= now)
    }

    /// Which of the rings of this process it is. What was found out with another one may not be so.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The key id with which successors of refresh tokens are derived now.
    pub fn next_key(&self) -> u8 {
        self.next.active.kid
    }

    /// What other keys are derived from.
    pub const fn seed(&self) -> &Seed {
        &self.seed
    }

    /// The public keys as a JWK set (RFC 7517 §5): those in use, those that will be, and those whose
    /// tokens may still be out.
    pub fn jwks(&self) -> Value {
        let keys = self.access.all().chain(self.assertion.all());
        json!({ "keys": keys.filter_map(SigningKey::to_jwk).collect::<Vec<_>>() })
    }

    /// The key that signs access tokens now.
    pub(super) fn access_key(&self) -> &SigningKey {
        &self.access.active
    }

    /// The access-token key of this id.
    pub(super) fn find_access_key(&self, kid: &str) -> Option<&SigningKey> {
        self.access.accepted().find(|key| key.kid() == kid)
    }

    /// The key that signs assertions now.
    pub(super) fn assertion_key(&self) -> &SigningKey {
        &self.assertion.active
    }

    /// The key that authenticates new refresh tokens.
    pub(super) fn mac_key(&self) -> &RefreshKey {
        &self.mac.active
    }

    /// The key of this id that authenticates refresh tokens.
    pub(super) fn find_mac_key(&self, kid: u8) -> Result<&RefreshKey, UnknownNumber> {
        let found = self.mac.accepted().find(|key| key.kid == kid);
        found.ok_or_else(|| UnknownNumber::of(kid, self.mac.active.kid))
    }

    /// Whether there was a key of this id that derived refresh secrets, and is no more.
    pub fn is_past_next_key(&self, kid: u8) -> bool {
        self.find_next_key(kid).is_none()
            && UnknownNumber::of(kid, self.next.active.kid) == UnknownNumber::Past
    }

    /// The key of this id that derives refresh secrets.
    pub(super) fn find_next_key(&self, kid: u8) -> Option<&RefreshKey> {
        self.next.accepted().find(|key| key.kid == kid)
    }
}

impl UnknownNumber {
    /// Numbers are given out in a circle: half of it lies ahead of the one in use.
    const fn of(kid: u8, active: u8) -> Self {
        match kid.wrapping_sub(active) {
            1..=127 => Self::Ahead,
            0 | 128..=255 => Self::Past,
        }
    }
}

impl SharedRing {
    /// With this ring in use.
    pub fn new(ring: KeyRing) -> Self {
        Self {
            ring: ArcSwap::from_pointee(ring),
            generations: AtomicU64::new(1),
        }
    }

    /// The ring in use. To be let go soon: it does not follow.
    pub fn now(&self) -> impl Deref<Target = KeyRing> {
        Held(self.ring.load())
    }

    /// From now on, this one is in use.
    pub fn replace(&self, mut ring: KeyRing) {
        ring.generation = self.generations.fetch_add(1, Ordering::Relaxed);
        self.ring.store(Arc::new(ring));
    }
}

struct Held(Guard<Arc<KeyRing>>);

impl Deref for Held {
    type Target = KeyRing;

    fn deref(&self) -> &KeyRing {
        &self.0
    }
}

/// Shows which keys there are, and nothing of them.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn signing(keys: &Keys<SigningKey>) -> Vec<&str> {
            keys.all().map(SigningKey::kid).collect()
        }
        fn refresh(keys: &Keys<RefreshKey>) -> Vec<u8> {
            keys.all().map(|key| key.kid).collect()
        }
        f.debug_struct("KeyRing")
            .field("access", &signing(&self.access))
            .field("assertion", &signing(&self.assertion))
            .field("mac", &refresh(&self.mac))
            .field("next", &refresh(&self.next))
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// An HMAC-SHA256 key for refresh tokens, named by a number that fits into one byte of a token.
pub(super) struct RefreshKey {
    pub(super) kid: u8,
    key: hmac::Key,
}

impl RefreshKey {
    /// HMAC-SHA256 over the parts, one after the other (RFC 2104).
    pub(super) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(part);
        }
        let mut code = [0; 32];
        code.copy_from_slice(context.sign().as_ref());
        code
    }
}

/// The keys of one purpose.
struct Keys<K> {
    /// Makes new tokens.
    active: K,
    /// Made good tokens, or may be in use elsewhere already.
    others: Vec<K>,
    /// Will be in use.
    announced: Vec<K>,
}

impl<K> Keys<K> {
    fn accepted(&self) -> impl Iterator<Item = &K> {
        iter::once(&self.active).chain(&self.others)
    }

    fn all(&self) -> impl Iterator<Item = &K> {
        self.accepted().chain(&self.announced)
    }
}

/// Keys at a moment.
struct Standing<'k> {
    keys: &'k [KeyMaterial],
    settings: &'k KeySettings,
    now: Timestamp,
}

impl Standing<'_> {
    fn lives(&self, purpose: KeyPurpose) -> Vec<Life<'_>> {
        let keys = self.keys.iter().map(|material| &material.key);
        lives(keys, purpose, self.settings, self.now)
    }

    fn keys<K>(
        &self,
        purpose: KeyPurpose,
        read: impl Fn(&KeyMaterial) -> Result<K, KeyError>,
    ) -> Result<Keys<K>, KeyError> {
        let (mut active, mut others, mut announced) = (None, Vec::new(), Vec::new());
        for life in self.lives(purpose) {
            let is_it = |material: &&KeyMaterial| material.key == *life.key;
            let Some(material) = self.keys.iter().find(is_it) else {
                continue;
            };
            match life.state {
                KeyState::Active => active = Some(read(material)?),
                KeyState::Retired => others.push(read(material)?),
                KeyState::Next if accepted_from(life.key) <= Some(self.now) => {
                    others.push(read(material)?);
                }
                KeyState::Next => announced.push(read(material)?),
                KeyState::Gone | KeyState::Revoked => {}
            }
        }
        Ok(Keys {
            active: active.ok_or(KeyError::Missing(purpose))?,
            others,
            announced,
        })
    }

    /// When the first of these keys changes its state.
    fn stands_until(&self, purpose: KeyPurpose) -> Option<Timestamp> {
        let lives = self.lives(purpose);
        let changes = lives.iter().flat_map(|life| match life.state {
            KeyState::Next => [accepted_from(life.key), Some(life.key.signs_from)],
            KeyState::Retired => [life.ends_at, None],
            KeyState::Active | KeyState::Gone | KeyState::Revoked => [None, None],
        });
        let changes = changes.flatten().filter(|change| *change > self.now);
        changes.min()
    }
}

/// From when on what a key made is accepted, as far as that lies after its making. A refresh key is
/// accepted as soon as it is known; a token that a key signed long before its time is not honest.
fn accepted_from(key: &Key) -> Option<Timestamp> {
    key.purpose.signs().then_some(key.signs_from - EARLY)
}

impl KeyMaterial {
    /// A new key of this secret, which was made and signs from then on. `number` is its name where it has
    /// no thumbprint.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] where the secret is no key of this algorithm.
    pub fn new(
        (purpose, algorithm): (KeyPurpose, KeyAlgorithm),
        secret: Secret<Vec<u8>>,
        number: &str,
        (created_at, signs_from): (Timestamp, Timestamp),
    ) -> Result<Self, KeyError> {
        let kid = match algorithm.has_public_half() {
            true => name_of(algorithm, secret.expose()).ok_or_else(|| KeyError::Unusable {
                kid: purpose.as_str().to_owned(),
            })?,
            false => number.to_owned(),
        };
        Ok(Self {
            key: Key {
                purpose,
                kid,
                algorithm,
                created_at,
                signs_from,
                revoked_at: None,
            },
            secret,
        })
    }

    fn to_signing_key(&self) -> Result<SigningKey, KeyError> {
        let key = &self.key;
        let key = SigningKey::new(key.algorithm, &key.kid, self.secret.expose());
        key.ok_or_else(|| self.unusable())
    }

    fn to_refresh_key(&self) -> Result<RefreshKey, KeyError> {
        let kid: u8 = self.key.kid.parse().map_err(|_| self.unusable())?;
        let secret = self.secret.expose();
        let is_of_ours = self.key.algorithm == KeyAlgorithm::Mac && secret.len() == 32;
        if kid.to_string() != self.key.kid || !is_of_ours {
            return Err(self.unusable());
        }
        Ok(RefreshKey {
            kid,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
        })
    }

    pub(super) fn unusable(&self) -> KeyError {
        KeyError::Unusable {
            kid: self.key.kid.clone(),
        }
    }
}

/// Keys for the tests of all rooms.
#[cfg(test)]
pub(crate) mod samples {
    use std::time::Duration;

    use super::*;

    pub(crate) const SETTINGS: KeySettings = KeySettings {
        algorithm: KeyAlgorithm::EdDsa,
        rotate_every: None,
        publish_ahead: Duration::from_hours(24),
        longest_session: Duration::from_hours(30 * 24),
    };

    /// A key of this purpose, with a secret of this byte, called `number` if numbers are names.
    pub(crate) fn key(purpose: KeyPurpose, byte: u8, number: &str, signs_from: i64) -> KeyMaterial {
        let secret = Secret::new(vec![byte; 32]);
        let from = Timestamp::from_seconds(signs_from);
        let what = (purpose, SETTINGS.algorithm_for(purpose));
        KeyMaterial::new(what, secret, number, (from, from)).unwrap()
    }

    /// One for each purpose, with secrets of 1, 2, 3, 4 and 5.
    pub(crate) fn keys() -> Vec<KeyMaterial> {
        let keys = iter::zip(KeyPurpose::ALL, 1..);
        keys.map(|(purpose, byte)| key(purpose, byte, "1", 0))
            .collect()
    }

    /// The ring of these.
    pub(crate) fn ring() -> KeyRing {
        KeyRing::at(&keys(), &SETTINGS, Timestamp::from_seconds(0)).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{SETTINGS, key, keys, ring};
    use super::*;

    fn at(keys: &[KeyMaterial], now: i64) -> KeyRing {
        KeyRing::at(keys, &SETTINGS, Timestamp::from_seconds(now)).unwrap()
    }

    #[test]
    fn a_ring_needs_a_key_for_each_purpose() {
        for purpose in KeyPurpose::ALL {
            let mut others = keys();
            others.retain(|material| material.key.purpose != purpose);
            let error = KeyRing::at(&others, &SETTINGS, Timestamp::from_seconds(0)).unwrap_err();
            assert!(matches!(error, KeyError::Missing(missing) if missing == purpose));
        }
    }

    #[test]
    fn a_key_id_that_does_not_fit_its_key_is_refused() {
        for (index, kid) in [(0, "other"), (1, ""), (2, "256"), (2, "+1"), (3, "01")] {
            let mut keys = keys();
            keys[index].key.kid = kid.to_owned();
            let error = KeyRing::at(&keys, &SETTINGS, Timestamp::from_seconds(0)).unwrap_err();
            assert!(matches!(error, KeyError::Unusable { .. }), "{kid}");
        }
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_accepted_after() {
        const TURN: i64 = 100_000;
        const SPAN: i64 = 3600 + 180;
        let mut keys = keys();
        keys.push(key(KeyPurpose::AccessToken, 9, "", TURN));
        let (old, new) = (keys[0].key.kid.clone(), keys[5].key.kid.clone());
        for (now, signs, accepts, published) in [
            (0, &old, [true, false], 3),
            // Another process, whose clock is ahead, may sign with it already.
            (TURN - 61, &old, [true, false], 3),
            (TURN - 60, &old, [true, true], 3),
            (TURN, &new, [true, true], 3),
            (TURN + SPAN - 1, &new, [true, true], 3),
            (TURN + SPAN, &new, [false, true], 2),
        ] {
            let ring = at(&keys, now);
            assert_eq!(ring.access_key().kid(), signs, "{now}");
            let accepted = [&old, &new].map(|kid| ring.find_access_key(kid).is_some());
            assert_eq!(accepted, accepts, "{now}");
            let set = ring.jwks();
            assert_eq!(set["keys"].as_array().unwrap().len(), published, "{now}");
        }
        for (made, until) in [
            (0, Some(TURN - 60)),
            (TURN - 60, Some(TURN)),
            (TURN, Some(TURN + SPAN)),
            (TURN + SPAN, None),
        ] {
            let ring = at(&keys, made);
            assert_eq!(ring.stands_until, until.map(Timestamp::from_seconds));
            let outdated = until.is_some_and(|until| {
                let just_before = Timestamp::from_seconds(until - 1);
                assert!(!ring.is_outdated(just_before));
                ring.is_outdated(Timestamp::from_seconds(until))
            });
            assert_eq!(outdated, until.is_some());
        }
    }

    #[test]
    fn a_refresh_key_is_accepted_as_soon_as_it_is_there() {
        let mut keys = keys();
        keys.push(key(KeyPurpose::RefreshMac, 8, "2", 100_000));
        keys.push(key(KeyPurpose::RefreshNext, 9, "2", 100_000));
        let ring = at(&keys, 0);
        assert_eq!((ring.mac_key().kid, ring.next_key()), (1, 1));
        assert!(ring.find_mac_key(2).is_ok());
        assert!(ring.find_next_key(2).is_some());
        let ring = at(&keys, 100_000);
        assert_eq!((ring.mac_key().kid, ring.next_key()), (2, 2));
        assert!(ring.find_mac_key(1).is_ok());
        let gone = at(&keys, 100_000 + 30 * 24 * 60 * 60);
        assert!(gone.find_mac_key(1).is_err());
    }

    #[test]
    fn a_number_that_nobody_knows_was_given_out_before_or_is_yet_to_come() {
        let mut keys = keys();
        keys.push(key(KeyPurpose::RefreshMac, 8, "250", 10));
        let ring = at(&keys, 10);
        for (kid, unknown) in [
            (249, UnknownNumber::Past),
            (123, UnknownNumber::Past),
            (251, UnknownNumber::Ahead),
            (3, UnknownNumber::Ahead),
            (121, UnknownNumber::Ahead),
        ] {
            assert_eq!(ring.find_mac_key(kid).err(), Some(unknown), "{kid}");
        }
        assert!(ring.is_past_next_key(0));
        assert!(!ring.is_past_next_key(1));
        assert!(!ring.is_past_next_key(2));
    }

    #[test]
    fn a_revoked_key_is_neither_accepted_nor_published() {
        let mut keys = keys();
        keys[0].key.revoked_at = Some(Timestamp::from_seconds(50));
        keys[0].secret = Secret::new(Vec::new());
        keys.push(key(KeyPurpose::AccessToken, 9, "", 50));
        let ring = at(&keys, 50);
        assert!(ring.find_access_key(&keys[0].key.kid).is_none());
        assert_eq!(ring.jwks()["keys"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_key_of_one_purpose_is_not_found_under_another() {
        let ring = ring();
        assert!(ring.find_access_key(ring.assertion_key().kid()).is_none());
    }

    #[test]
    fn keys_that_have_no_public_half_are_not_published() {
        let mut keys = keys();
        let what = (KeyPurpose::AccessToken, KeyAlgorithm::Hs256);
        let moment = Timestamp::from_seconds(10);
        let shared = Secret::new(vec![9; 32]);
        keys.push(KeyMaterial::new(what, shared, "h", (moment, moment)).unwrap());
        let ring = at(&keys, 10);
        assert_eq!(ring.access_key().algorithm(), "HS256");
        let set = ring.jwks();
        let published = set["keys"].as_array().unwrap();
        assert_eq!(published.len(), 2);
        assert!(published.iter().all(|key| key["alg"] == "EdDSA"));
    }

    #[test]
    fn every_ring_that_is_put_in_use_has_a_number_of_its_own() {
        let shared = SharedRing::new(ring());
        let mut seen = vec![shared.now().generation()];
        for _ in 0..2 {
            shared.replace(ring());
            seen.push(shared.now().generation());
        }
        assert_eq!(seen, [0, 1, 2]);
    }

    #[test]
    fn a_ring_is_shared_by_threads_and_shows_no_secret() {
        fn shared<T: Send + Sync>(value: T) -> T {
            value
        }
        let shown = format!("{:?}", shared(SharedRing::new(ring())));
        assert!(shown.contains("mac: [1]"), "{shown}");
        assert!(!shown.contains("3, 3"), "{shown}");
    }
}
