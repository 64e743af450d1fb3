//! Sign-in with a password against our own users.

use std::sync::Arc;

use crate::clock::Clock;
use crate::identity::password::{HashPolicy, LONGEST_ATTEMPT, Scheme};
use crate::identity::{PasswordHash, Secret, User, UserId, UserName};
use crate::login::{Busy, Hasher};
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
    /// Too many at once.
    Busy(Busy),
}

/// Checks names and passwords.
#[derive(Clone)]
pub struct LocalLogin {
    directory: Arc<dyn Directory>,
    hasher: Hasher,
    policy: HashPolicy,
    clock: Arc<dyn Clock>,
    nobody: PasswordHash,
}

impl LocalLogin {
    /// Over these users.
    pub fn new(
        directory: Arc<dyn Directory>,
        hasher: Hasher,
        policy: HashPolicy,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            directory,
            hasher,
            nobody: PasswordHash::nobody(&policy, &random::bytes(), &random::bytes()),
            policy,
            clock,
        }
    }

    /// The same, with new passwords hashed in this way.
    #[must_use]
    pub fn hashing_by(self, policy: &HashPolicy) -> Self {
        if self.policy == *policy {
            return self;
        }
        Self::new(self.directory, self.hasher, policy.clone(), self.clock)
    }

    /// Checks a name and a password. Every refusal costs one hash, so that its time tells nothing.
    pub async fn sign_in(
        &self,
        name: &str,
        password: Secret<String>,
    ) -> Result<SignIn, StoreError> {
        let account = match UserName::parse(name) {
            Ok(name) => self.directory.account(name).await?,
            Err(_) => None,
        };
        let Some(Account {
            user,
            password: hash,
        }) = account
        else {
            return Ok(self.refuse(SignInRefusal::UnknownUser, None).await);
        };
        if !(1..=LONGEST_ATTEMPT).contains(&password.expose().len()) {
            return Ok(self.refuse(SignInRefusal::WrongPassword, Some(user)).await);
        }
        if hash.scheme().is_none() {
            return Ok(self
                .refuse(SignInRefusal::UnsupportedHash, Some(user))
                .await);
        }
        let outdated = hash.is_outdated(&self.policy);
        let known = outdated.then(|| (hash.clone(), password.clone()));
        Ok(match self.hasher.fits(hash, password).await {
            Ok(true) => {
                let outcome = self.with_the_right_password(user);
                if let (SignIn::Accepted(user), Some((hash, password))) = (&outcome, known) {
                    self.rehash(user.id.clone(), hash, password);
                }
                outcome
            }
            Ok(false) => SignIn::Refused(SignInRefusal::WrongPassword, Some(user)),
            Err(busy) => SignIn::Busy(busy),
        })
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
    async fn refuse(&self, reason: SignInRefusal, user: Option<User>) -> SignIn {
        let none = Secret::new(String::new());
        match self.hasher.fits(self.nobody.clone(), none).await {
            Ok(_) => SignIn::Refused(reason, user),
            Err(busy) => SignIn::Busy(busy),
        }
    }

    /// Hashes the password as new ones are, beside the sign-in. Where it does not come to that, the
    /// next sign-in does.
    fn rehash(&self, user: UserId, old: PasswordHash, password: Secret<String>) {
        let (directory, hasher) = (Arc::clone(&self.directory), self.hasher.clone());
        let policy = self.policy.clone();
        self.hasher.runtime().spawn(async move {
            let scheme = old.scheme().map_or("unknown", Scheme::as_str);
            let Ok(new) = hasher.hash(password, policy).await else {
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

    /// The hash of a new password, within the same bounds.
    pub async fn hash(&self, password: Secret<String>) -> Result<PasswordHash, Busy> {
        self.hasher.hash(password, self.policy.clone()).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::runtime::Handle;

    use super::*;
    use crate::clock::SystemClock;
    use crate::identity::{PasswordTerm, UserId};
    use crate::store::NewUser;
    use crate::store::memory::MemoryStore;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
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

    fn login(store: &Arc<MemoryStore>, hasher: Hasher) -> LocalLogin {
        let (policy, clock) = (HashPolicy::default(), Arc::new(SystemClock));
        LocalLogin::new(store.clone(), hasher, policy, clock)
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
        let full = login(&store, Hasher::full(Handle::current()));
        let login = login(&store, Hasher::new(Handle::current(), 2));

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
            let outcome = login.sign_in(name, secret(password)).await.unwrap();
            assert_eq!(matches!(outcome, SignIn::Accepted(_)), accepted, "{name}");
            let outcome = full.sign_in(name, secret(password)).await.unwrap();
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
        let login = login(&store, Hasher::new(Handle::current(), 2));
        for name in ["asked", "fresh", "stale", "gone"] {
            let right = login.sign_in(name, secret("correct horse")).await.unwrap();
            match (name, right) {
                ("asked" | "fresh", SignIn::ChangeDue(_))
                | ("stale", SignIn::Refused(SignInRefusal::PasswordExpired, _))
                | ("gone", SignIn::Refused(SignInRefusal::Disabled, _)) => {}
                (_, other) => panic!("{name}: {other:?}"),
            }
            let wrong = login.sign_in(name, secret("wrong horse")).await.unwrap();
            let is_wrong = matches!(wrong, SignIn::Refused(SignInRefusal::WrongPassword, _));
            assert!(is_wrong, "{name}");
        }
    }
}
