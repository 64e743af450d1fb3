//! Sign-in with a password against our own users.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::{HashSettings, LoginSettings};
use crate::identity::password::{HashPolicy, LONGEST_ATTEMPT, Pepper, Scheme};
use crate::identity::{PasswordHash, Secret, User, UserId, UserName};
use crate::login::defence::Ticket;
use crate::login::hashing::Queue;
use crate::login::{Busy, Caller, Defence, DeviceId, Hasher};
use crate::observe::audit::SignInRefusal;
use crate::random;
use crate::store::{Account, Directory, StoreError};

/// What came of a sign-in. The caller gets one answer for every refusal.
#[derive(Debug)]
pub enum SignIn {
    /// It is them.
    Accepted(User),
    /// It is them, and they must choose another password before they get a session.
    ChangeDue(User),
    /// It is not; whose name was given, where it is somebody's.
    Refused(SignInRefusal, Option<User>),
    /// Nothing was checked: after so many failures there is no try for so long.
    Throttled(Duration),
    /// Too many at once.
    Busy(Busy),
}

/// Checks names and passwords.
#[derive(Clone)]
pub struct LocalLogin {
    directory: Arc<dyn Directory>,
    hasher: Hasher,
    defence: Defence,
    hashing: HashSettings,
    /// Checks what is peppered, whether or not new hashes are.
    pepper: Pepper,
    policy: HashPolicy,
    clock: Arc<dyn Clock>,
    nobody: PasswordHash,
}

impl LocalLogin {
    /// Over these users.
    pub fn new(
        directory: Arc<dyn Directory>,
        hasher: Hasher,
        defence: Defence,
        (hashing, pepper): (HashSettings, Pepper),
        clock: Arc<dyn Clock>,
    ) -> Self {
        let policy = hashing.policy(&pepper);
        Self {
            directory,
            hasher,
            defence,
            nobody: PasswordHash::nobody(&policy, &random::bytes(), &random::bytes()),
            hashing,
            pepper,
            policy,
            clock,
        }
    }

    /// The same under another configuration.
    pub fn under(self, settings: LoginSettings, hashing: HashSettings) -> Self {
        let defence = self.defence.under(settings);
        if self.hashing == hashing {
            return Self { defence, ..self };
        }
        let hashing = (hashing, self.pepper);
        Self::new(self.directory, self.hasher, defence, hashing, self.clock)
    }

    /// How new passwords are hashed.
    pub const fn policy(&self) -> &HashPolicy {
        &self.policy
    }

    /// What counts failures.
    pub const fn defence(&self) -> &Defence {
        &self.defence
    }

    /// Knows the caller's device from now on; `None` where that could not be kept.
    pub async fn remember(&self, caller: &Caller, user: &User) -> Option<DeviceId> {
        self.defence.remember(caller, user).await
    }

    /// Checks a name and a password, where the defence gives a place for the attempt. Every refusal
    /// costs one hash, so that its time tells nothing.
    pub async fn sign_in(
        &self,
        name: &str,
        password: Secret<String>,
        caller: &Caller,
    ) -> Result<SignIn, StoreError> {
        let (ticket, account) = match self.admit(name, caller).await? {
            Ok(admitted) => admitted,
            Err(refused) => return Ok(refused),
        };
        let outcome = self.check(account, password, queue_of(&ticket)).await;
        match &outcome {
            SignIn::Accepted(_) | SignIn::ChangeDue(_) => self.defence.succeeded(&ticket),
            SignIn::Refused(_, user) => self.defence.failed(&ticket, caller, user.as_ref()),
            SignIn::Busy(_) | SignIn::Throttled(_) => self.defence.turned_away(&ticket, caller),
        }
        Ok(outcome)
    }

    /// A place for the attempt, and whose account it is; or why there is none. Nobody is looked up for an
    /// attempt that must wait or that nobody has time for: its refusal costs little, and its time does not
    /// tell whether the name is anybody's.
    async fn admit(
        &self,
        name: &str,
        caller: &Caller,
    ) -> Result<Result<(Ticket, Option<Account>), SignIn>, StoreError> {
        let is_known = self.is_known(name, caller).await;
        let ticket = match self.defence.ask(name, caller, is_known) {
            Ok(ticket) => ticket,
            Err(wait) => return Ok(Err(SignIn::Throttled(wait))),
        };
        if self.hasher.is_full(queue_of(&ticket)) {
            self.defence.turned_away(&ticket, caller);
            return Ok(Err(SignIn::Busy(Busy)));
        }
        match self.find(name).await {
            Ok(account) => Ok(Ok((ticket, account))),
            Err(error) => {
                self.defence.given_back(&ticket);
                Err(error)
            }
        }
    }

    /// Whether it is the name of whoever was signed in on the caller's device before.
    async fn is_known(&self, name: &str, caller: &Caller) -> bool {
        let Some(owner) = self.defence.owner_of_device(caller).await else {
            return false;
        };
        let owner = self.directory.user(owner).await.ok().flatten();
        let name = UserName::parse(name).ok();
        owner.is_some_and(|owner| Some(owner.name) == name)
    }

    async fn find(&self, name: &str) -> Result<Option<Account>, StoreError> {
        match UserName::parse(name) {
            Ok(name) => self.directory.account(name).await,
            Err(_) => Ok(None),
        }
    }

    async fn check(
        &self,
        account: Option<Account>,
        password: Secret<String>,
        queue: Queue,
    ) -> SignIn {
        let Some(Account {
            user,
            password: hash,
        }) = account
        else {
            return self.refuse(SignInRefusal::UnknownUser, None, queue).await;
        };
        if !(1..=LONGEST_ATTEMPT).contains(&password.expose().len()) {
            let reason = SignInRefusal::WrongPassword;
            return self.refuse(reason, Some(user), queue).await;
        }
        if hash.scheme(Some(&self.pepper)).is_none() {
            let reason = SignInRefusal::UnsupportedHash;
            return self.refuse(reason, Some(user), queue).await;
        }
        let takes_all = hash.takes_all_of(&password, Some(&self.pepper));
        let outdated = takes_all && hash.is_outdated(&self.policy);
        let known = outdated.then(|| (hash.clone(), password.clone()));
        let pepper = self.pepper.clone();
        match self.hasher.fits(hash, password, pepper, queue).await {
            Ok(true) => {
                let outcome = self.with_the_right_password(user);
                if let (SignIn::Accepted(user), Some((hash, password))) = (&outcome, known) {
                    self.rehash(user.id.clone(), hash, password);
                }
                outcome
            }
            Ok(false) => SignIn::Refused(SignInRefusal::WrongPassword, Some(user)),
            Err(busy) => SignIn::Busy(busy),
        }
    }

    fn with_the_right_password(&self, user: User) -> SignIn {
        if user.disabled {
            SignIn::Refused(SignInRefusal::Disabled, Some(user))
        } else if user.password_term.is_over(self.clock.now()) {
            SignIn::Refused(SignInRefusal::PasswordExpired, Some(user))
        } else if user.password_term.is_change_due() {
            SignIn::ChangeDue(user)
        } else {
            SignIn::Accepted(user)
        }
    }

    /// A refusal that is known from the beginning, at the cost of one hash.
    async fn refuse(&self, reason: SignInRefusal, user: Option<User>, queue: Queue) -> SignIn {
        let none = Secret::new(String::new());
        let (nobody, pepper) = (self.nobody.clone(), self.pepper.clone());
        match self.hasher.fits(nobody, none, pepper, queue).await {
            Ok(_) => SignIn::Refused(reason, user),
            Err(busy) => SignIn::Busy(busy),
        }
    }

    /// Hashes the password as new ones are, beside the sign-in. Where it does not come to that, the
    /// next sign-in does.
    fn rehash(&self, user: UserId, old: PasswordHash, password: Secret<String>) {
        let (directory, hasher) = (Arc::clone(&self.directory), self.hasher.clone());
        let policy = self.policy.clone();
        let scheme = old.scheme(Some(&self.pepper));
        let scheme = scheme.map_or("unknown", Scheme::as_str);
        self.hasher.runtime().spawn(async move {
            let Ok(new) = hasher.hash(password, policy, Queue::Strangers).await else {
                return tracing::debug!(user.id = %user, scheme, "no time to hash a password anew");
            };
            match directory.rehash(user.clone(), old, new).await {
                Ok(true) => tracing::debug!(user.id = %user, scheme, "hashed a password anew"),
                // It was changed meanwhile, or another sign-in was first.
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(user.id = %user, %error, "a new hash could not be stored");
                }
            }
        });
    }

    /// The hash of a new password, within the same bounds. Whoever sets one has shown who they are: they
    /// do not wait among strangers.
    pub async fn hash(&self, password: Secret<String>) -> Result<PasswordHash, Busy> {
        let policy = self.policy.clone();
        self.hasher.hash(password, policy, Queue::Known).await
    }
}

fn queue_of(ticket: &Ticket) -> Queue {
    match ticket.is_of_known_device() {
        true => Queue::Known,
        false => Queue::Strangers,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::clock::{SystemClock, Timestamp};
    use crate::identity::{PasswordTerm, UserId};
    use crate::observe::metrics::Metrics;
    use crate::observe::{Audit, Source};
    use crate::store::NewUser;
    use crate::store::measured::MeasuredDirectory;
    use crate::store::memory::MemoryStore;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    async fn defence(store: &Arc<MemoryStore>) -> Defence {
        let (clock, key) = (Arc::new(SystemClock), Secret::new([7; 32]));
        let settings = LoginSettings::default();
        let opened = Defence::open(store.clone(), clock, key, settings).await;
        opened.unwrap()
    }

    fn caller() -> Caller {
        let events = crate::observe::metrics::Events::unregistered();
        Caller {
            address: None,
            device: None,
            audit: Audit::open(None, Arc::new(SystemClock), events).unwrap(),
            source: Source::default(),
        }
    }

    #[tokio::test]
    async fn t_44_of_many_tries_at_once_few_cost_a_hash_and_those_not_made_lock_nobody_out() {
        for name in ["ada", "nobody", "no name"] {
            let store = house(&[("ada", PasswordTerm::Lasting)]).await;
            let defence = defence(&store).await;
            let busy = Hasher::full();
            let busy = defended(&store, busy, defence.clone());
            let caller = caller();
            for _ in 0..100 {
                let outcome = busy.sign_in(name, secret("wrong"), &caller).await;
                assert!(matches!(outcome, Ok(SignIn::Busy(_))));
            }
            let hasher = Hasher::here();
            let login = defended(&store, hasher.clone(), defence);
            let mut tries = tokio::task::JoinSet::new();
            for _ in 0..1000 {
                let (login, caller) = (login.clone(), caller.clone());
                tries.spawn(async move { login.sign_in(name, secret("wrong"), &caller).await });
            }
            let outcomes = tries.join_all().await;
            let throttled = outcomes.iter();
            let throttled = throttled.filter(|of| matches!(of, Ok(SignIn::Throttled(_))));
            assert_eq!(throttled.count(), 995, "{name}");
            assert_eq!(hasher.hashes(), 5, "{name}");
        }
    }

    #[tokio::test]
    async fn t_39_nobody_is_looked_up_by_a_name_before_there_is_time_for_them() {
        let store = house(&[
            ("ada", PasswordTerm::Lasting),
            ("bob", PasswordTerm::Lasting),
        ])
        .await;
        let (metrics, defence) = (Metrics::new(), defence(&store).await);
        let counted = Arc::new(MeasuredDirectory::new(store.clone(), &metrics.store));
        let login = LocalLogin {
            directory: counted,
            ..defended(&store, Hasher::full(), defence)
        };
        let ada = store.account(UserName::parse("ada").unwrap()).await;
        let ada = ada.unwrap().unwrap().user;
        let her_device = login.remember(&caller(), &ada).await;
        let devices = [None, Some(DeviceId::fresh()), her_device];
        for (device, name) in devices
            .iter()
            .flat_map(|device| ["ada", "bob", "nobody"].map(|name| (device, name)))
        {
            let caller = Caller {
                device: device.clone(),
                ..caller()
            };
            for _ in 0..8 {
                let outcome = login.sign_in(name, secret("wrong"), &caller).await;
                assert!(matches!(
                    outcome,
                    Ok(SignIn::Busy(_) | SignIn::Throttled(_))
                ));
            }
        }
        // One lookup is told of: this.
        let ada = login.directory.account(UserName::parse("ada").unwrap());
        assert!(ada.await.unwrap().is_some());
        let told = metrics.open_metrics().unwrap();
        let lookups = |line: &&str| line.contains("_count{operation=\"account\"");
        let lookups = told.lines().find(lookups).unwrap();
        assert!(lookups.ends_with(" 1"), "{lookups}");
    }

    /// Seconds that the test lets pass.
    #[derive(Default)]
    struct HandMoved(AtomicI64);

    impl Clock for HandMoved {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(1_700_000_000 + self.0.load(Ordering::Relaxed))
        }
    }

    #[tokio::test]
    async fn a_crowd_that_nobody_has_time_for_is_told_of_as_a_flood() {
        let store = house(&[]).await;
        let clock = Arc::new(HandMoved::default());
        let (key, settings) = (Secret::new([7; 32]), LoginSettings::default());
        let defence = Defence::open(store.clone(), clock.clone(), key, settings).await;
        let login = defended(&store, Hasher::full(), defence.unwrap());
        let metrics = Metrics::new();
        let mut caller = caller();
        caller.audit = Audit::open(None, clock.clone(), metrics.events.clone()).unwrap();
        let floods = || {
            let text = metrics.open_metrics().unwrap();
            text.contains("vestibule_sign_in_defences_total{measure=\"flood\"} 1\n")
        };
        for second in 0..11 {
            assert!(!floods(), "{second}");
            clock.0.store(second, Ordering::Relaxed);
            for number in 0..51 {
                let name = format!("user{number}");
                let outcome = login.sign_in(&name, secret("guess"), &caller).await;
                assert!(matches!(outcome, Ok(SignIn::Busy(_))));
            }
        }
        assert!(floods());
    }

    #[tokio::test]
    async fn t_39_every_refusal_costs_one_hash_whosever_name_it_is() {
        let lasting = PasswordTerm::Lasting;
        let over = PasswordTerm::Temporary {
            until: SystemClock.now() - Duration::from_secs(1),
        };
        let store = house(&[("ada", lasting), ("bob", lasting), ("eve", over)]).await;
        let bob = UserName::parse("bob").unwrap();
        store.set_disabled(bob, true).await.unwrap();
        let long = "x".repeat(LONGEST_ATTEMPT + 1);
        for (name, password) in [
            ("ada", "wrong"),
            ("ada", ""),
            ("ada", &long),
            ("bob", "correct horse"),
            ("eve", "correct horse"),
            ("nobody", "correct horse"),
            ("not a name", "correct horse"),
        ] {
            let hasher = Hasher::here();
            let login = defended(&store, hasher.clone(), defence(&store).await);
            let outcome = login.sign_in(name, secret(password), &caller()).await;
            assert!(matches!(outcome, Ok(SignIn::Refused(..))), "{name}");
            assert_eq!(hasher.hashes(), 1, "{name}");
        }
    }

    async fn house(people: &[(&str, PasswordTerm)]) -> Arc<MemoryStore> {
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        for (id, (name, term)) in (1..).zip(people) {
            let added = store.add_user(NewUser {
                id: UserId::from_bytes([id; 16]),
                name: UserName::parse(name).unwrap(),
                display_name: None,
                email: None,
                groups: Vec::new(),
                password: PasswordHash::of(
                    &secret("correct horse"),
                    &HashPolicy::default(),
                    &[7; 16],
                ),
                password_term: *term,
            });
            added.await.unwrap();
        }
        store
    }

    fn defended(store: &Arc<MemoryStore>, hasher: Hasher, defence: Defence) -> LocalLogin {
        let pepper = Pepper::new([1; 8], Secret::new([2; 32]));
        let hashing = (HashSettings::default(), pepper);
        let clock = Arc::new(SystemClock);
        LocalLogin::new(store.clone(), hasher, defence, hashing, clock)
    }

    #[tokio::test]
    async fn only_the_right_password_of_an_enabled_user_is_accepted() {
        let lasting = PasswordTerm::Lasting;
        let store = house(&[("ada", lasting), ("bob", lasting)]).await;
        let eve = NewUser {
            id: UserId::from_bytes([3; 16]),
            name: UserName::parse("eve").unwrap(),
            display_name: None,
            email: None,
            groups: Vec::new(),
            password: PasswordHash::from_stored("correct horse".to_owned()),
            password_term: lasting,
        };
        store.add_user(eve).await.unwrap();
        let bob = UserName::parse("bob").unwrap();
        store.set_disabled(bob, true).await.unwrap();
        let defence = defence(&store).await;
        let full = defended(&store, Hasher::full(), defence.clone());
        let login = defended(&store, Hasher::here(), defence);
        let caller = caller();

        let long = "x".repeat(LONGEST_ATTEMPT + 1);
        for (name, password, accepted) in [
            ("ada", "correct horse", true),
            (" ADA ", "correct horse", true),
            ("ada", "correct horsE", false),
            ("ada", "", false),
            ("ada", &long, false),
            ("bob", "correct horse", false),
            ("nobody", "correct horse", false),
            ("not a name", "correct horse", false),
            ("eve", "correct horse", false),
        ] {
            let outcome = login
                .sign_in(name, secret(password), &caller)
                .await
                .unwrap();
            assert_eq!(matches!(outcome, SignIn::Accepted(_)), accepted, "{name}");
            let outcome = full.sign_in(name, secret(password), &caller).await.unwrap();
            assert!(matches!(outcome, SignIn::Busy(_)), "{name} costs no hash");
        }
    }

    #[tokio::test]
    async fn a_due_change_shows_to_whoever_knows_the_password_only() {
        let now = SystemClock.now();
        let temporary = |until| PasswordTerm::Temporary { until };
        let store = house(&[
            ("asked", PasswordTerm::ChangeDue),
            ("fresh", temporary(now + Duration::from_secs(600))),
            ("stale", temporary(now - Duration::from_secs(1))),
            ("gone", PasswordTerm::ChangeDue),
        ])
        .await;
        let gone = UserName::parse("gone").unwrap();
        store.set_disabled(gone, true).await.unwrap();
        let hasher = Hasher::here();
        let login = defended(&store, hasher, defence(&store).await);
        let caller = caller();
        for name in ["asked", "fresh", "stale", "gone"] {
            let right = login
                .sign_in(name, secret("correct horse"), &caller)
                .await
                .unwrap();
            match (name, right) {
                ("asked" | "fresh", SignIn::ChangeDue(_))
                | ("stale", SignIn::Refused(SignInRefusal::PasswordExpired, _))
                | ("gone", SignIn::Refused(SignInRefusal::Disabled, _)) => {}
                (_, other) => panic!("{name}: {other:?}"),
            }
            let wrong = login
                .sign_in(name, secret("wrong horse"), &caller)
                .await
                .unwrap();
            let is_wrong = matches!(wrong, SignIn::Refused(SignInRefusal::WrongPassword, _));
            assert!(is_wrong, "{name}");
        }
    }
}
