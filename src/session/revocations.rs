//! Which sessions were ended so lately that their access tokens still look good?

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};
use crate::session::Claims;

/// How long this process may go without hearing from the store what was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staleness {
    /// For this long all is well.
    pub max: Duration,
    /// What becomes of access tokens after that.
    pub then: OnStale,
}

/// What becomes of access tokens that nobody can say anything about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStale {
    /// They are refused until the store is heard of again.
    Refuse,
    /// They are good until their own end, unless they are known to be ended.
    Accept,
}

/// The live revocations of this process. Shared by all threads, asked on every request.
#[derive(Debug, Default)]
pub struct Revocations {
    sessions: DashMap<SessionId, EndedSession>,
    users: DashMap<UserId, EndedUser>,
    /// Never less than the entries of both maps, so that zero means that neither need be asked.
    count: AtomicUsize,
    /// How far the store's log was read.
    read_to: AtomicU64,
    /// All that had been ended by then is known, in milliseconds; at first nothing is.
    synced_at: AtomicI64,
}

#[derive(Clone, Copy, Debug)]
struct EndedSession {
    from: Timestamp,
    until: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct EndedUser {
    /// The smallest session epoch that is not ended.
    epoch: u64,
    /// The smallest claims epoch that is not outdated.
    claims_epoch: u64,
    until: Timestamp,
}

impl Revocations {
    /// From now on, access tokens of this session are refused. `until`: when the last one is over.
    pub fn end_session(&self, session: SessionId, until: Timestamp) {
        self.end_session_from(session, Timestamp::from_millis(i64::MIN), until);
    }

    /// The same from a later moment on.
    pub fn end_session_from(&self, session: SessionId, from: Timestamp, until: Timestamp) {
        match self.sessions.entry(session) {
            Entry::Occupied(mut entry) => {
                let ended = entry.get_mut();
                ended.from = ended.from.min(from);
                ended.until = ended.until.max(until);
            }
            Entry::Vacant(entry) => {
                self.count.fetch_add(1, Ordering::Release);
                entry.insert(EndedSession { from, until });
            }
        }
    }

    /// From now on, access tokens of this user with a smaller session epoch are refused.
    pub fn end_user(&self, user: UserId, epoch: u64, until: Timestamp) {
        self.raise(user, (epoch, 0), until);
    }

    /// From now on, access tokens of this user with a smaller claims epoch count as over: they tell
    /// apps what is not so any more. Their sessions go on and get new ones.
    pub fn outdate_user(&self, user: UserId, claims_epoch: u64, until: Timestamp) {
        self.raise(user, (0, claims_epoch), until);
    }

    fn raise(&self, user: UserId, (epoch, claims_epoch): (u64, u64), until: Timestamp) {
        match self.users.entry(user) {
            Entry::Occupied(mut entry) => {
                let ended = entry.get_mut();
                ended.epoch = ended.epoch.max(epoch);
                ended.claims_epoch = ended.claims_epoch.max(claims_epoch);
                ended.until = ended.until.max(until);
            }
            Entry::Vacant(entry) => {
                self.count.fetch_add(1, Ordering::Release);
                entry.insert(EndedUser {
                    epoch,
                    claims_epoch,
                    until,
                });
            }
        }
    }

    /// How many are held.
    pub fn held(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether the token of these claims was ended.
    pub fn cover(&self, claims: &Claims, now: Timestamp) -> bool {
        self.cover_session(claims.session, now)
            || self.cover_user(&claims.identity.id, claims.session_epoch)
    }

    /// Whether this session was ended.
    pub fn cover_session(&self, session: SessionId, now: Timestamp) -> bool {
        self.holds_any() && (self.sessions.get(&session)).is_some_and(|ended| ended.from <= now)
    }

    /// Whether this session epoch of the user was ended. A session in which the password was changed
    /// goes on with a larger one.
    pub fn cover_user(&self, user: &UserId, session_epoch: u64) -> bool {
        self.holds_any() && (self.users.get(user)).is_some_and(|ended| session_epoch < ended.epoch)
    }

    /// Whether what was told of the user in this claims epoch is not so any more.
    pub fn outdates(&self, user: &UserId, claims_epoch: u64) -> bool {
        self.holds_any()
            && (self.users.get(user)).is_some_and(|ended| claims_epoch < ended.claims_epoch)
    }

    fn holds_any(&self) -> bool {
        self.count.load(Ordering::Acquire) != 0
    }

    /// Whether this session is known to have ended, or to end soon: nothing is to be renewed in it.
    pub fn name(&self, session: SessionId) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.sessions.contains_key(&session)
    }

    /// The same, asked about a session of this user and session epoch.
    pub fn name_either(&self, session: SessionId, user: &UserId, session_epoch: u64) -> bool {
        self.name(session)
            || self.count.load(Ordering::Acquire) > 0
                && self
                    .users
                    .get(user)
                    .is_some_and(|ended| session_epoch < ended.epoch)
    }

    /// Forgets what no token can need any more.
    pub fn forget_before(&self, now: Timestamp) {
        self.sessions
            .retain(|_, ended| self.keep(ended.until > now));
        self.users.retain(|_, ended| self.keep(ended.until > now));
    }

    /// How far the store's log was read; 0 at first.
    pub fn read_to(&self) -> u64 {
        self.read_to.load(Ordering::Acquire)
    }

    /// The store's log was read up to here; back where a backup of the store was put in its place.
    pub fn note_read_to(&self, place: u64) {
        self.read_to.store(place, Ordering::Release);
    }

    /// All that the store knew at that moment is known here.
    pub fn note_synced(&self, at: Timestamp) {
        self.synced_at.store(at.millis(), Ordering::Release);
    }

    /// Whether the store has ever told all that it knew.
    pub fn was_synced(&self) -> bool {
        self.synced_at.load(Ordering::Acquire) != 0
    }

    /// How far this process is behind the store at most: what was ended longer ago is known.
    pub fn lag(&self, now: Timestamp) -> Duration {
        now.since(Timestamp::from_millis(
            self.synced_at.load(Ordering::Acquire),
        ))
    }

    fn keep(&self, needed: bool) -> bool {
        if !needed {
            self.count.fetch_sub(1, Ordering::Release);
        }
        needed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::identity::{Identity, UserName};

    const NOW: Timestamp = Timestamp::from_seconds(1000);
    const LATER: Timestamp = Timestamp::from_seconds(1400);

    fn claims(session: u8, user: u8, session_epoch: u64) -> Claims {
        let name = UserName::parse("ada").unwrap();
        Claims {
            identity: Arc::new(Identity::new(
                UserId::from_bytes([user; 16]),
                name,
                None,
                None,
                Vec::new(),
            )),
            session: SessionId::from_bytes([session; 16]),
            generation: 1,
            session_epoch,
            claims_epoch: 1,
            authenticated_at: NOW,
            issued_at: NOW,
            not_before: None,
            expires_at: LATER,
            id: "id".to_owned(),
        }
    }

    fn count(revocations: &Revocations) -> usize {
        revocations.count.load(Ordering::Acquire)
    }

    #[test]
    fn a_change_of_claims_outdates_tokens_and_ends_no_session() {
        let revocations = Revocations::default();
        let user = UserId::from_bytes([1; 16]);
        revocations.outdate_user(user.clone(), 3, LATER);
        for (claims_epoch, is_outdated) in [(2, true), (3, false), (4, false)] {
            assert_eq!(revocations.outdates(&user, claims_epoch), is_outdated);
        }
        assert!(!revocations.outdates(&UserId::from_bytes([2; 16]), 1));
        assert!(!revocations.cover(&claims(1, 1, 0), NOW), "it goes on");
        // Neither counter lowers the other.
        revocations.end_user(user.clone(), 5, LATER);
        assert!(revocations.outdates(&user, 2) && revocations.cover(&claims(1, 1, 4), NOW));
        revocations.forget_before(LATER);
        assert!(!revocations.outdates(&user, 2));
        assert_eq!(revocations.held(), 0);
    }

    #[test]
    fn an_ended_session_is_covered_and_no_other() {
        let revocations = Revocations::default();
        assert!(!revocations.cover(&claims(1, 1, 1), NOW));
        revocations.end_session(SessionId::from_bytes([1; 16]), LATER);
        assert!(revocations.cover(&claims(1, 1, 1), NOW));
        assert!(!revocations.cover(&claims(2, 1, 1), NOW));
    }

    #[test]
    fn an_ended_user_is_covered_up_to_the_epoch() {
        let revocations = Revocations::default();
        revocations.end_user(UserId::from_bytes([1; 16]), 3, LATER);
        assert!(revocations.cover(&claims(1, 1, 2), NOW));
        assert!(!revocations.cover(&claims(1, 1, 3), NOW));
        assert!(!revocations.cover(&claims(1, 2, 2), NOW));
        let (session, user) = (SessionId::from_bytes([1; 16]), UserId::from_bytes([1; 16]));
        assert!(!revocations.name(session));
        assert!(revocations.name_either(session, &user, 2));
        assert!(!revocations.name_either(session, &user, 3));
    }

    #[test]
    fn a_session_can_end_later() {
        let revocations = Revocations::default();
        let session = SessionId::from_bytes([1; 16]);
        let soon = Timestamp::from_seconds(1030);
        revocations.end_session_from(session, soon, LATER);
        assert!(!revocations.cover(&claims(1, 1, 1), NOW));
        assert!(revocations.cover(&claims(1, 1, 1), soon));
        assert!(revocations.name(session), "nothing is renewed in it");
        revocations.end_session(session, NOW);
        assert!(revocations.cover(&claims(1, 1, 1), NOW), "now it is over");
        revocations.end_session_from(session, soon, LATER);
        assert!(revocations.cover(&claims(1, 1, 1), NOW), "and stays so");
    }

    #[test]
    fn the_place_in_the_log_is_kept_and_the_lag_counts_from_the_last_time() {
        let revocations = Revocations::default();
        assert_eq!(revocations.lag(NOW), NOW.since(Timestamp::default()));
        revocations.note_read_to(7);
        assert_eq!(revocations.read_to(), 7);
        revocations.note_synced(NOW);
        assert_eq!(revocations.lag(NOW), Duration::ZERO);
        assert_eq!(revocations.lag(LATER), Duration::from_secs(400));
    }

    #[test]
    fn a_second_revocation_never_weakens_the_first() {
        let revocations = Revocations::default();
        revocations.end_session(SessionId::from_bytes([1; 16]), LATER);
        revocations.end_session(SessionId::from_bytes([1; 16]), NOW);
        revocations.end_user(UserId::from_bytes([2; 16]), 5, LATER);
        revocations.end_user(UserId::from_bytes([2; 16]), 4, NOW);
        revocations.forget_before(NOW);
        assert!(revocations.cover(&claims(1, 1, 1), NOW));
        assert!(revocations.cover(&claims(2, 2, 4), NOW));
        assert_eq!(count(&revocations), 2);
    }

    #[test]
    fn what_no_token_can_need_is_forgotten() {
        let revocations = Revocations::default();
        revocations.end_session(SessionId::from_bytes([1; 16]), NOW);
        revocations.end_session(SessionId::from_bytes([2; 16]), LATER);
        revocations.end_user(UserId::from_bytes([3; 16]), 1, NOW);
        revocations.forget_before(NOW);
        assert_eq!(count(&revocations), 1);
        assert!(revocations.cover(&claims(2, 1, 1), NOW));
        revocations.forget_before(LATER);
        assert_eq!(count(&revocations), 0);
        assert!(revocations.sessions.is_empty() && revocations.users.is_empty());
    }

    #[test]
    fn threads_that_end_and_forget_lose_no_revocation() {
        let revocations = Revocations::default();
        thread::scope(|scope| {
            for thread in 0..4u8 {
                let revocations = &revocations;
                scope.spawn(move || {
                    for session in 0..100u8 {
                        let mut id = [session; 16];
                        id[0] = thread % 2;
                        let until = if session % 2 == 0 { LATER } else { NOW };
                        revocations.end_session(SessionId::from_bytes(id), until);
                        revocations.forget_before(NOW);
                    }
                });
            }
        });
        assert_eq!(revocations.sessions.len(), 100);
        assert_eq!(count(&revocations), 100);
    }
}
