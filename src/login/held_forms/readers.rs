//! Whose forms are being read just now, and how long does one wait for theirs? A place is free for most
//! people even while some hold all that they can have.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::identity::UserId;
use crate::login::defence::customer;

const MOST_AT_ONCE: usize = 16;
const MOST_FROM_ONE_ADDRESS: usize = 4;
const MOST_OF_ONE_PERSON: usize = 2;

/// Those whose forms are being read.
#[derive(Default)]
pub(super) struct Readers(Mutex<Vec<Reader>>);

#[derive(Clone, PartialEq, Eq)]
struct Reader {
    user: UserId,
    /// `None` where it is not known, and may be anybody's.
    address: Option<IpAddr>,
}

/// Leave to read one form, for as long as this lives.
pub struct Reading<'a> {
    readers: &'a Readers,
    reader: Reader,
}

/// How long a form of this length is waited for: what a line of 256 kbit/s needs, and some seconds.
pub fn patience(length: usize) -> Duration {
    let seconds = u64::try_from(length / (32 * 1024)).unwrap_or(u64::MAX);
    Duration::from_secs(seconds.saturating_add(5))
}

impl Readers {
    /// A place for one more form of this person, from this address.
    pub(super) fn admit(&self, user: &UserId, address: Option<IpAddr>) -> Option<Reading<'_>> {
        let reader = Reader {
            user: user.clone(),
            address: address.map(customer),
        };
        let mut all = self.lock();
        let of_theirs = all.iter().filter(|other| other.user == reader.user);
        let from_there = all.iter().filter(|other| other.address == reader.address);
        let is_free = all.len() < MOST_AT_ONCE
            && of_theirs.count() < MOST_OF_ONE_PERSON
            && (reader.address.is_none() || from_there.count() < MOST_FROM_ONE_ADDRESS);
        is_free.then(|| {
            all.push(reader.clone());
            Reading {
                readers: self,
                reader,
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut all = self.readers.lock();
        let place = all.iter().position(|reader| *reader == self.reader);
        place.map(|place| all.swap_remove(place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who of these is read at once, each a person with an address.
    fn admitted<'a>(readers: &'a Readers, come: &[(u8, &str)]) -> Vec<Reading<'a>> {
        let admit = |(person, address): &(u8, &str)| {
            let user = UserId::from_bytes([*person; 16]);
            readers.admit(&user, address.parse().ok())
        };
        come.iter().filter_map(admit).collect()
    }

    #[test]
    fn one_person_holds_few_places_wherever_they_are() {
        let readers = Readers::default();
        let here = ["192.0.2.1", "192.0.2.2", "2001:db8::1", ""].map(|address| (1, address));
        let theirs = admitted(&readers, &here);
        assert_eq!(theirs.len(), MOST_OF_ONE_PERSON);
        assert_eq!(admitted(&readers, &[(2, "192.0.2.1")]).len(), 1);
        drop(theirs);
        assert_eq!(admitted(&readers, &here).len(), MOST_OF_ONE_PERSON);
    }

    #[test]
    fn one_address_holds_few_places_whoever_is_there() {
        for (here, near, elsewhere) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:3::1"),
        ] {
            let readers = Readers::default();
            let people: Vec<_> = (1..=16).map(|person| (person, here)).collect();
            let theirs = admitted(&readers, &people);
            assert_eq!(theirs.len(), MOST_FROM_ONE_ADDRESS);
            assert_eq!(admitted(&readers, &[(17, near)]).len(), 0);
            assert_eq!(admitted(&readers, &[(17, elsewhere)]).len(), 1);
        }
    }

    #[test]
    fn only_so_many_are_read_at_once() {
        let readers = Readers::default();
        let people: Vec<_> = (1..=20).map(|person| (person, "")).collect();
        let all = admitted(&readers, &people);
        assert_eq!(all.len(), MOST_AT_ONCE);
        assert_eq!(admitted(&readers, &[(21, "192.0.2.1")]).len(), 0);
        drop(all);
        assert!(readers.lock().is_empty());
    }

    #[test]
    fn a_long_form_is_waited_for_longer() {
        for (bytes, seconds) in [(0, 5), (20_000, 5), (1024 * 1024, 37)] {
            assert_eq!(patience(bytes), Duration::from_secs(seconds));
        }
    }
}
