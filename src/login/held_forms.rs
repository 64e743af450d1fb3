//! Which forms wait until whoever sent them has signed in again? Sealed with keys that only their
//! browsers hold: few, for minutes, each for one person and for once.

mod readers;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::readers::{Readers, Reading};
use crate::clock::Timestamp;
use crate::identity::{Secret, UserId};
use crate::random;

pub use readers::patience;

/// How long a form is kept.
pub const KEPT_FOR: Duration = Duration::from_mins(10);
/// The most bytes of a form that is kept.
pub const MOST_BYTES: usize = 1024 * 1024;

const MOST_FORMS: usize = 64;
const MOST_BYTES_IN_ALL: usize = 16 * MOST_BYTES;
const MOST_OF_ONE_PERSON: usize = 4;

/// What opens the forms of one browser, which alone has it. 256 random bits.
#[derive(Clone, Debug)]
pub struct FormKey(Secret<[u8; 32]>);

/// Which form. Tells nothing, and opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormId([u8; 16]);

/// What is known of a form besides what was typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormHead {
    /// Path and query that it was sent to.
    pub target: String,
    /// The host that it was sent to.
    pub host: String,
    /// Its `Content-Type`.
    pub media_type: String,
    /// Its `Referer`.
    pub referer: Option<String>,
    /// How many bytes it has.
    pub length: usize,
}

/// All kept forms, in the order in which they came.
#[derive(Default)]
pub struct HeldForms {
    held: Mutex<VecDeque<Held>>,
    readers: Readers,
}

struct Held {
    id: FormId,
    user: UserId,
    until: Timestamp,
    head: Sealed,
    body: Sealed,
}

#[derive(Clone)]
struct Sealed {
    nonce: [u8; NONCE_LEN],
    text: Vec<u8>,
}

impl FormKey {
    /// A key for a browser that has none.
    pub fn random() -> Self {
        Self(Secret::new(random::bytes()))
    }

    /// Reads a cookie's value.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        let bytes: [u8; 32] = bytes.as_slice().try_into().ok()?;
        Some(Self(Secret::new(bytes)))
    }

    /// A cookie's value.
    pub fn text(&self) -> Secret<String> {
        Secret::new(URL_SAFE_NO_PAD.encode(self.0.expose()))
    }

    #[expect(clippy::expect_used, reason = "AES-256 takes any 32 bytes as its key")]
    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, self.0.expose());
        LessSafeKey::new(key.expect("32 bytes make an AES-256 key"))
    }
}

impl FormId {
    /// How long an id is as text.
    pub const LENGTH: usize = 22;

    /// Reads what [`FormId::text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// As addresses and forms name it: letters, digits, `-` and `_`.
    pub fn text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl HeldForms {
    /// Leave to read a form of this person, who sends it from there; `None` while too many are being
    /// read, of theirs, from there, or at all.
    pub fn may_read(&self, user: &UserId, address: Option<IpAddr>) -> Option<Reading<'_>> {
        self.readers.admit(user, address)
    }

    /// Keeps a form of this person. The oldest make room: their own where they have several.
    pub fn hold(
        &self,
        key: &FormKey,
        user: UserId,
        head: &FormHead,
        body: Zeroizing<Vec<u8>>,
        now: Timestamp,
    ) -> FormId {
        let id = FormId(random::bytes());
        // Texts and a number always become JSON; an empty head would be refused when it is opened.
        let told = serde_json::to_vec(head).unwrap_or_default();
        let held = Held {
            id,
            until: now + KEPT_FOR,
            head: Sealed::new(key, "head", id, Zeroizing::new(told)),
            body: Sealed::new(key, "body", id, body),
            user,
        };
        let mut all = self.lock();
        all.retain(|held| held.until > now);
        let is_theirs = |other: &Held| other.user == held.user;
        while all.iter().filter(|other| is_theirs(other)).count() >= MOST_OF_ONE_PERSON {
            let oldest = all.iter().position(is_theirs);
            oldest.and_then(|oldest| all.remove(oldest));
        }
        all.push_back(held);
        let bytes = |all: &VecDeque<Held>| all.iter().map(|held| held.body.text.len()).sum();
        while all.len() > MOST_FORMS || MOST_BYTES_IN_ALL < bytes(&all) {
            all.pop_front();
        }
        id
    }

    /// What this form is, if it is theirs. Somebody else's in the same browser is forgotten.
    pub fn look(
        &self,
        id: FormId,
        key: &FormKey,
        user: &UserId,
        now: Timestamp,
    ) -> Option<FormHead> {
        find(&mut self.lock(), id, key, user, now).map(|(_, head)| head)
    }

    /// Takes this form out, if it is theirs and fits. Nobody gets it again.
    pub fn take(
        &self,
        id: FormId,
        key: &FormKey,
        user: &UserId,
        now: Timestamp,
        fits: impl FnOnce(&FormHead) -> bool,
    ) -> Option<(FormHead, Zeroizing<Vec<u8>>)> {
        let (held, head) = {
            let mut all = self.lock();
            let (place, head) = find(&mut all, id, key, user, now)?;
            let held = fits(&head).then(|| all.remove(place)).flatten()?;
            (held, head)
        };
        let body = held.body.open(key, "body", id)?;
        Some((head, body))
    }

    /// Forgets what nobody can send any more.
    pub fn forget_before(&self, now: Timestamp) {
        self.lock().retain(|held| held.until > now);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where it is, and what it is, if whoever asks has its key and is the one who sent it.
fn find(
    all: &mut VecDeque<Held>,
    id: FormId,
    key: &FormKey,
    user: &UserId,
    now: Timestamp,
) -> Option<(usize, FormHead)> {
    let place = all.iter().position(|held| held.id == id)?;
    let held = all.get(place).filter(|held| held.until > now)?;
    let head = held.head.clone().open(key, "head", id)?;
    if held.user != *user {
        all.remove(place);
        return None;
    }
    Some((place, serde_json::from_slice(&head).ok()?))
}

impl Sealed {
    #[expect(
        clippy::expect_used,
        reason = "AES-GCM seals all that is short: it fails only from 64 GiB on"
    )]
    fn new(key: &FormKey, part: &str, id: FormId, mut text: Zeroizing<Vec<u8>>) -> Self {
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let tag = key
            .cipher()
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound_to(part, id)),
                &mut text,
            )
            .expect("a form can be sealed");
        let mut text = std::mem::take(&mut *text);
        text.reserve_exact(MAX_TAG_LEN);
        text.extend_from_slice(tag.as_ref());
        Self { nonce, text }
    }

    fn open(self, key: &FormKey, part: &str, id: FormId) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(self.text);
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let bound = Aad::from(bound_to(part, id));
        let opened = key.cipher().open_in_place(nonce, bound, &mut text);
        let length = opened.ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

fn bound_to(part: &str, id: FormId) -> String {
    format!("vestibule-held-form-v1\0{part}\0{}", id.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(byte: u8) -> UserId {
        UserId::from_bytes([byte; 16])
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn head(length: usize) -> FormHead {
        FormHead {
            target: "/wiki?x".to_owned(),
            host: "localhost".to_owned(),
            media_type: "application/x-www-form-urlencoded".to_owned(),
            referer: None,
            length,
        }
    }

    fn held(forms: &HeldForms, key: &FormKey, user: UserId, text: &str) -> FormId {
        let body = Zeroizing::new(text.as_bytes().to_vec());
        forms.hold(key, user, &head(text.len()), body, at(0))
    }

    fn taken(forms: &HeldForms, id: FormId, key: &FormKey, user: &UserId) -> Option<Vec<u8>> {
        let taken = forms.take(id, key, user, at(1), |_| true);
        taken.map(|(_, body)| body.to_vec())
    }

    #[test]
    fn a_form_is_given_once_to_whoever_sent_it() {
        let (forms, key) = (HeldForms::default(), FormKey::random());
        let id = held(&forms, &key, user(1), "a=hunter2");
        assert_eq!(forms.look(id, &key, &user(1), at(1)), Some(head(9)));
        assert!(forms.take(id, &key, &user(1), at(1), |_| false).is_none());
        assert_eq!(
            taken(&forms, id, &key, &user(1)).as_deref(),
            Some(&b"a=hunter2"[..])
        );
        assert_eq!(taken(&forms, id, &key, &user(1)), None);
    }

    #[test]
    fn what_is_kept_shows_nothing_of_what_was_typed() {
        let (forms, key) = (HeldForms::default(), FormKey::random());
        held(&forms, &key, user(1), "a=hunter2");
        let all = forms.lock();
        for sealed in [&all[0].head, &all[0].body] {
            let shown = String::from_utf8_lossy(&sealed.text);
            assert!(!shown.contains("hunter2") && !shown.contains("wiki"));
        }
    }

    #[test]
    fn another_browser_gets_nothing_and_takes_nothing_away() {
        let (forms, key) = (HeldForms::default(), FormKey::random());
        let id = held(&forms, &key, user(1), "a=1");
        for (key, user) in [(FormKey::random(), user(1)), (FormKey::random(), user(2))] {
            assert_eq!(forms.look(id, &key, &user, at(1)), None);
            assert_eq!(taken(&forms, id, &key, &user), None);
        }
        assert!(taken(&forms, id, &key, &user(1)).is_some());
    }

    #[test]
    fn another_person_in_the_same_browser_makes_it_forgotten() {
        let (forms, key) = (HeldForms::default(), FormKey::random());
        let id = held(&forms, &key, user(1), "a=1");
        assert_eq!(forms.look(id, &key, &user(2), at(1)), None);
        assert_eq!(taken(&forms, id, &key, &user(1)), None);
    }

    #[test]
    fn a_form_is_kept_for_ten_minutes() {
        let (forms, key) = (HeldForms::default(), FormKey::random());
        let id = held(&forms, &key, user(1), "a=1");
        assert!(forms.look(id, &key, &user(1), at(599)).is_some());
        assert!(forms.look(id, &key, &user(1), at(600)).is_none());
        forms.forget_before(at(600));
        assert!(forms.lock().is_empty());
    }

    #[test]
    fn the_oldest_make_room_and_first_those_of_the_same_person() {
        let (forms, key) = (HeldForms::default(), FormKey::random());
        let other = held(&forms, &key, user(2), "b=1");
        let ids: Vec<FormId> = (0..=MOST_OF_ONE_PERSON)
            .map(|_| held(&forms, &key, user(1), "a=1"))
            .collect();
        let lives = |id, who| forms.look(id, &key, &user(who), at(1)).is_some();
        assert!(!lives(ids[0], 1) && ids[1..].iter().all(|id| lives(*id, 1)) && lives(other, 2));
        for person in 3..100 {
            held(&forms, &key, user(person), "c=1");
        }
        assert_eq!(forms.lock().len(), MOST_FORMS);
        assert!(!lives(other, 2));
        let long = "x".repeat(MOST_BYTES);
        for person in 100..117 {
            held(&forms, &key, user(person), &long);
        }
        let bytes: usize = forms.lock().iter().map(|held| held.body.text.len()).sum();
        assert!(bytes <= MOST_BYTES_IN_ALL, "{bytes}");
    }

    #[test]
    fn keys_and_ids_are_read_as_they_were_written_and_nothing_else_is() {
        let key = FormKey::random();
        let text = key.text();
        let read = FormKey::parse(text.expose()).unwrap();
        assert_eq!(read.text(), text);
        assert!(!format!("{key:?}").contains(text.expose()));
        let id = FormId(random::bytes());
        assert_eq!(FormId::parse(&id.text()), Some(id));
        assert_eq!(id.text().len(), FormId::LENGTH);
        for other in ["", "!", "AAAA", &"A".repeat(44)] {
            assert!(FormKey::parse(other).is_none() && FormId::parse(other).is_none());
        }
    }
}
