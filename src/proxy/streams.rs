//! Which exchanges of one data thread belong to which session, and which of them must end with it?
//!
//! Every exchange of somebody signed in takes a place here, and gives it back when it is over: on one
//! thread, that costs neither lock nor clock nor memory. Whoever looks, four times a second, passes over
//! the young ones, so that a short request is never cut off for a sign-out beside it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::identity::{Known, SessionId};
use crate::policy::Rule;
use crate::proxy::cut::Cut;
use crate::session::{Revocations, RevokeReason, SessionSettings};
use crate::store::Loaded;

/// How often somebody looks: twice this and the store's answer are well within a second.
pub const EVERY: Duration = Duration::from_millis(250);

/// An exchange that has seen fewer looks is let be.
const YOUNG: u64 = 2;
/// After so many looks the store is asked for the first time, and then after so many: 1 s and 30 s.
const FIRST_QUESTION: u64 = 4;
const NEXT_QUESTION: u64 = 120;

/// The most sessions that the store is asked about at once.
const ASKED_AT_ONCE: usize = 1000;

/// The exchanges of one data thread.
#[derive(Default)]
pub struct Streams {
    places: RefCell<Vec<Option<Entry>>>,
    free: RefCell<Vec<usize>>,
    looks: Cell<u64>,
}

/// An exchange that is watched until this is dropped.
pub(super) struct Watched {
    streams: Rc<Streams>,
    place: usize,
}

#[derive(Clone)]
struct Entry {
    /// As the access token said it, then as the store does.
    known: Known,
    /// What it passed by.
    rule: Arc<Rule>,
    cut: Rc<Cut>,
    begun: u64,
    /// The look at which the store is asked next.
    ask_at: u64,
    /// When the session ends unless it was refreshed; `None` until the store was asked.
    ends_at: Option<Timestamp>,
    /// When it ends in any case.
    last_end: Option<Timestamp>,
}

/// How an exchange stands.
enum Standing {
    Good,
    /// The store must be asked, soon or at once.
    Doubtful {
        at_once: bool,
    },
    Over,
}

/// What the store says of a session.
#[derive(Clone, Debug)]
pub enum Told {
    /// It is over.
    Over,
    /// It lives.
    Lives(Box<Life>),
    /// Nothing: the store failed.
    Nothing,
}

/// A session that lives.
#[derive(Clone, Debug)]
pub struct Life {
    loaded: Loaded,
    ends_at: Timestamp,
    last_end: Timestamp,
}

impl Streams {
    pub(super) fn watch(self: &Rc<Self>, known: Known, rule: Arc<Rule>, cut: Rc<Cut>) -> Watched {
        let begun = self.looks.get();
        self.keep(Entry {
            known,
            rule,
            cut,
            begun,
            ask_at: begun + FIRST_QUESTION,
            ends_at: None,
            last_end: None,
        })
    }

    fn keep(self: &Rc<Self>, entry: Entry) -> Watched {
        let mut places = self.places.borrow_mut();
        let free = self.free.borrow_mut().pop();
        let place = free.unwrap_or(places.len());
        match places.get_mut(place) {
            Some(empty) => *empty = Some(entry),
            None => places.push(Some(entry)),
        }
        Watched {
            streams: Rc::clone(self),
            place,
        }
    }

    /// Ends what is known to be over, and says which sessions the store is to be asked about.
    pub fn look(&self, revocations: &Revocations, now: Timestamp) -> Vec<SessionId> {
        let look = self.looks.get() + 1;
        self.looks.set(look);
        let (mut urgent, mut others) = (BTreeSet::new(), BTreeSet::new());
        for entry in self.places.borrow().iter().flatten() {
            let session = entry.known.session;
            match entry.standing(look, revocations, now) {
                Standing::Good => {}
                Standing::Doubtful { at_once } => {
                    let doubtful = if at_once { &mut urgent } else { &mut others };
                    doubtful.insert(session);
                }
                Standing::Over => entry.end(),
            }
        }
        let others = others.difference(&urgent);
        let all = urgent.iter().chain(others).copied();
        all.take(ASKED_AT_ONCE).collect()
    }

    /// Takes what the store said. Where it said nothing, only those go on of whom nothing bad is known.
    pub fn learn(
        &self,
        told: &HashMap<SessionId, Told>,
        revocations: &Revocations,
        settings: &SessionSettings,
    ) {
        let look = self.looks.get();
        for entry in self.places.borrow_mut().iter_mut().flatten() {
            let is_over = match told.get(&entry.known.session) {
                None => continue,
                Some(Told::Over) => true,
                Some(Told::Lives(life)) => !entry.goes_on(life),
                Some(Told::Nothing) => {
                    let signed_in = entry.known.authenticated_at;
                    entry
                        .last_end
                        .get_or_insert(signed_in + settings.absolute_ttl);
                    entry.is_of_an_ended_epoch(revocations)
                }
            };
            entry.ask_at = look + NEXT_QUESTION;
            if is_over {
                entry.end();
            }
        }
    }
}

impl Entry {
    /// A session that ended is over at once. A raised epoch is a question: the session in which the
    /// password was changed goes on. So is the end of an idle session, which a refresh may have moved, and so are other groups,
    /// which may still let the user pass.
    fn standing(&self, look: u64, revocations: &Revocations, now: Timestamp) -> Standing {
        if look < self.begun + YOUNG {
            return Standing::Good;
        }
        let is_past = |end: Option<Timestamp>| end.is_some_and(|end| end <= now);
        if is_past(self.last_end) || revocations.cover_session(self.known.session, now) {
            return Standing::Over;
        }
        let at_once = is_past(self.ends_at)
            || self.is_of_an_ended_epoch(revocations)
            || self.is_outdated(revocations);
        if at_once || look >= self.ask_at {
            Standing::Doubtful { at_once }
        } else {
            Standing::Good
        }
    }

    fn is_of_an_ended_epoch(&self, revocations: &Revocations) -> bool {
        let Known {
            identity,
            session_epoch,
            ..
        } = &self.known;
        revocations.cover_user(&identity.id, *session_epoch)
    }

    fn is_outdated(&self, revocations: &Revocations) -> bool {
        revocations.outdates(&self.known.identity.id, self.known.claims_epoch)
    }

    /// Takes over what the store says; whether the rule still lets the user pass.
    fn goes_on(&mut self, life: &Life) -> bool {
        self.known.session_epoch = life.loaded.row.user_epoch;
        self.ends_at = Some(life.ends_at);
        self.last_end = Some(life.last_end);
        match &life.loaded.user {
            Some(user) => {
                self.known.claims_epoch = user.claims_epoch;
                self.rule.admits(&user.name, &user.groups)
            }
            None => false,
        }
    }

    fn end(&self) {
        if self.cut.make() {
            let session = self.known.session;
            tracing::debug!(session.id = %session, "a long connection ends with its session");
        }
    }
}

impl Told {
    /// What a row says. A session that was replaced in the same browser has the grace to end.
    pub fn of(loaded: Option<Loaded>, grace: Duration) -> Self {
        let Some(mut loaded) = loaded else {
            return Self::Over;
        };
        let replaced_until = match loaded.row.revoked {
            Some((at, RevokeReason::Replaced)) => Some(at + grace),
            Some(_) | None => None,
        };
        if replaced_until.is_some_and(|until| loaded.now < until) {
            loaded.row.revoked = None;
        }
        if !loaded.is_live() {
            return Self::Over;
        }
        let end = |end: Timestamp| replaced_until.map_or(end, |until| end.min(until));
        Self::Lives(Box::new(Life {
            ends_at: end(loaded.row.expires_at()),
            last_end: end(loaded.row.absolute_expires_at),
            loaded,
        }))
    }
}

impl Watched {
    /// The same for another part of the exchange, which may last longer.
    pub(super) fn also(&self) -> Option<Self> {
        let entry = self.streams.places.borrow().get(self.place)?.clone()?;
        Some(self.streams.keep(entry))
    }

    /// From now on it is not the visitor's connection that must end, but whoever waits for this.
    pub(super) fn hand_over(&self) -> Rc<Cut> {
        let cut = Rc::<Cut>::default();
        if let Some(Some(entry)) = self.streams.places.borrow_mut().get_mut(self.place) {
            entry.cut = Rc::clone(&cut);
        }
        cut
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let place = self.place;
        let entry = self
            .streams
            .places
            .borrow_mut()
            .get_mut(place)
            .map(Option::take);
        self.streams.free.borrow_mut().push(place);
        // What it held may be the last of a task's: nothing is borrowed any more.
        drop(entry);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::identity::{GroupName, Identity, PasswordTerm, Proof, User, UserId, UserName};
    use crate::session::{Delivery, SessionRow, TokenHash};

    const GRACE: Duration = Duration::from_secs(30);
    const SETTINGS: SessionSettings = SessionSettings {
        idle_ttl: Duration::from_secs(100),
        absolute_ttl: Duration::from_secs(1000),
        grace: GRACE,
        straggler_window: Duration::ZERO,
        max_per_user: 20,
    };

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn user() -> User {
        User {
            id: UserId::from_bytes([1; 16]),
            name: UserName::parse("ada").unwrap(),
            display_name: None,
            email: None,
            groups: vec![GroupName::parse("ops").unwrap()],
            disabled: false,
            password_term: PasswordTerm::Lasting,
            session_epoch: 0,
            claims_epoch: 0,
            created_at: at(0),
        }
    }

    fn session(number: u8) -> SessionId {
        SessionId::from_bytes([number; 16])
    }

    fn loaded(number: u8, now: Timestamp) -> Loaded {
        let row = SessionRow {
            id: session(number),
            user: user().id,
            user_epoch: 0,
            delivery: Delivery::Token,
            remember: true,
            device: None,
            ip: None,
            user_agent: None,
            created_at: at(0),
            authenticated_at: at(0),
            last_seen_at: at(0),
            generation: 1,
            current: TokenHash([0; 32]),
            previous: None,
            next_key: 0,
            rotated_at: None,
            confirmed_at: None,
            straggler_at: None,
            idle_expires_at: at(100),
            absolute_expires_at: at(1000),
            revoked: None,
        };
        Loaded {
            row,
            user: Some(user()),
            now,
        }
    }

    /// The exchanges of one thread, each in a session of its own.
    struct Thread {
        streams: Rc<Streams>,
        revocations: Revocations,
    }

    impl Thread {
        fn new() -> Self {
            Self {
                streams: Rc::default(),
                revocations: Revocations::default(),
            }
        }

        fn watch(&self, number: u8) -> (Watched, Rc<Cut>) {
            let User {
                id, name, groups, ..
            } = user();
            let known = Known {
                identity: Arc::new(Identity::new(id, name, None, None, groups)),
                session: session(number),
                authenticated_at: at(0),
                expires_at: at(300),
                session_epoch: 0,
                claims_epoch: 0,
                proof: Proof::Bearer,
            };
            let rule = Rule::Members {
                groups: user().groups,
                users: Vec::new(),
            };
            let cut = Rc::<Cut>::default();
            let watched = self.streams.watch(known, Arc::new(rule), Rc::clone(&cut));
            (watched, cut)
        }

        fn look(&self, times: u64, now: Timestamp) -> Vec<SessionId> {
            let looks = (0..times).map(|_| self.streams.look(&self.revocations, now));
            looks.last().unwrap_or_default()
        }

        fn learn(&self, told: impl IntoIterator<Item = (u8, Told)>) {
            let told = told.into_iter();
            let told = told.map(|(number, told)| (session(number), told)).collect();
            self.streams.learn(&told, &self.revocations, &SETTINGS);
        }
    }

    fn is_made(cut: &Cut) -> bool {
        cut.made().now_or_never().is_some()
    }

    #[test]
    fn an_ended_session_ends_its_exchanges_and_spares_the_young() {
        let thread = Thread::new();
        let (_one, ended) = thread.watch(1);
        let (_other, other) = thread.watch(2);
        thread.revocations.end_session(session(1), at(900));
        thread.look(YOUNG - 1, at(10));
        let (_late, young) = thread.watch(1);
        thread.look(1, at(10));
        assert!(is_made(&ended) && !is_made(&other));
        assert!(!is_made(&young));
    }

    #[test]
    fn places_are_given_back_and_used_again() {
        let thread = Thread::new();
        let (first, _) = thread.watch(1);
        let also = first.also().unwrap();
        let second = thread.watch(2).0;
        drop((first, second));
        assert_eq!(thread.streams.places.borrow().iter().flatten().count(), 1);
        let (_third, cut) = thread.watch(3);
        let _fourth = thread.watch(4);
        assert_eq!(thread.streams.places.borrow().len(), 3);
        drop(also);
        thread.revocations.end_session(session(3), at(900));
        thread.look(YOUNG, at(10));
        assert!(is_made(&cut));
    }

    #[test]
    fn a_cut_goes_to_whom_it_was_handed_over() {
        let thread = Thread::new();
        let (watched, connection) = thread.watch(1);
        let tunnel = watched.hand_over();
        thread.revocations.end_session(session(1), at(900));
        thread.look(YOUNG, at(10));
        assert!(is_made(&tunnel) && !is_made(&connection));
    }

    #[test]
    fn the_store_is_asked_after_a_second_and_then_every_half_minute() {
        let thread = Thread::new();
        let _watched = [thread.watch(1), thread.watch(1), thread.watch(2)];
        assert_eq!(thread.look(FIRST_QUESTION - 1, at(1)), []);
        assert_eq!(thread.look(1, at(1)), [session(1), session(2)], "each once");
        thread.learn([
            (1, Told::of(Some(loaded(1, at(1))), GRACE)),
            (2, Told::Nothing),
        ]);
        assert_eq!(thread.look(NEXT_QUESTION - 1, at(30)), []);
        assert_eq!(thread.look(1, at(30)), [session(1), session(2)]);
    }

    #[test]
    fn a_raised_epoch_is_asked_about_and_believed_if_the_store_is_silent() {
        let thread = Thread::new();
        let [(_a, own), (_b, other), (_c, silent)] = [1, 2, 3].map(|number| thread.watch(number));
        thread.revocations.end_user(user().id, 1, at(900));
        let asked = thread.look(YOUNG, at(1));
        assert_eq!(asked, [1, 2, 3].map(session));
        let mut kept = loaded(1, at(1));
        let mut user = user();
        user.session_epoch = 1;
        kept.row.user_epoch = 1;
        kept.user = Some(user.clone());
        let ended = Loaded {
            user: Some(user),
            ..loaded(2, at(1))
        };
        thread.learn([
            (1, Told::of(Some(kept), GRACE)),
            (2, Told::of(Some(ended), GRACE)),
            (3, Told::Nothing),
        ]);
        assert!(!is_made(&own) && is_made(&other) && is_made(&silent));
        assert_eq!(
            thread.look(1, at(1)),
            [2, 3].map(session),
            "they are under way"
        );
    }

    #[test]
    fn an_idle_end_is_asked_about_and_the_last_end_is_not() {
        let thread = Thread::new();
        let (_watched, cut) = thread.watch(1);
        thread.look(FIRST_QUESTION, at(1));
        thread.learn([(1, Told::of(Some(loaded(1, at(1))), GRACE))]);
        assert_eq!(thread.look(1, at(99)), []);
        assert_eq!(thread.look(1, at(100)), [session(1)]);
        let mut refreshed = loaded(1, at(100));
        refreshed.row.idle_expires_at = at(200);
        thread.learn([(1, Told::of(Some(refreshed), GRACE))]);
        assert_eq!(thread.look(1, at(199)), []);
        thread.learn([(1, Told::Nothing)]);
        thread.look(1, at(999));
        assert!(!is_made(&cut));
        thread.look(1, at(1000));
        assert!(is_made(&cut));
    }

    #[test]
    fn a_store_that_never_answers_does_not_make_sessions_last() {
        let thread = Thread::new();
        let (_watched, cut) = thread.watch(1);
        thread.look(FIRST_QUESTION, at(1));
        thread.learn([(1, Told::Nothing)]);
        thread.look(1, at(1000));
        assert!(is_made(&cut));
    }

    #[test]
    fn whoever_is_let_pass_no_more_is_let_go() {
        let thread = Thread::new();
        let [(_a, stays), (_b, leaves), (_c, removed)] =
            [1, 2, 3].map(|number| thread.watch(number));
        let with = |number, user| {
            let told = loaded(number, at(1));
            (number, Told::of(Some(Loaded { user, ..told }), GRACE))
        };
        let mut without_groups = user();
        without_groups.groups.clear();
        thread.learn([
            with(1, Some(user())),
            with(2, Some(without_groups)),
            with(3, None),
        ]);
        assert!(!is_made(&stays) && is_made(&leaves) && is_made(&removed));
    }

    #[test]
    fn a_session_that_was_replaced_has_the_grace() {
        let told = |reason, now| {
            let mut loaded = loaded(1, now);
            loaded.row.revoked = Some((at(10), reason));
            match Told::of(Some(loaded), GRACE) {
                Told::Lives(life) => Some((life.ends_at, life.last_end)),
                Told::Over | Told::Nothing => None,
            }
        };
        let until = Some((at(40), at(40)));
        assert_eq!(told(RevokeReason::Replaced, at(39)), until);
        assert_eq!(told(RevokeReason::Replaced, at(40)), None);
        assert_eq!(told(RevokeReason::SignedOut, at(11)), None);
        assert!(matches!(Told::of(None, GRACE), Told::Over));
    }
}
