//! Sign-in with a password against our own users.

use std::sync::Arc;

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
    nobody: PasswordHash,
}

impl LocalLogin {
    /// Over these users.
    pub fn new(directory: Arc<dyn Directory>, hasher: Hasher, policy: HashPolicy) -> Self {
        Self {
            directory,
            hasher,
            nobody: PasswordHash::nobody(&policy, &random::bytes(), &random::bytes()),
            policy,
        }
    }

    /// The same, with new passwords hashed in this way.
    #[must_use]
    pub fn hashing_by(self, policy: &HashPolicy) -> Self {
        if self.policy == *policy {
            return self;
        }
        Self::new(self.directory, self.hasher, policy.clone())
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
            Ok(true) if !user.disabled => {
                if let Some((hash, password)) = known {
                    self.rehash(user.id.clone(), hash, password);
                }
                SignIn::Accepted(user)
            }
            Ok(true) => SignIn::Refused(SignInRefusal::Disabled, Some(user)),
            Ok(false) => SignIn::Refused(SignInRefusal::WrongPassword, Some(user)),
            Err(busy) => SignIn::Busy(busy),
        })
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
    use tokio::runtime::Handle;

    use super::*;
    use crate::clock::SystemClock;
    use crate::store::NewUser;
    use crate::store::memory::MemoryStore;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_right_password_of_an_enabled_user_is_accepted() {
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        for (id, name) in [(1, "ada"), (2, "bob")] {
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
            });
            added.await.unwrap();
        }
        let eve = NewUser {
            id: UserId::from_bytes([3; 16]),
            name: UserName::parse("eve").unwrap(),
            display_name: None,
            email: None,
            groups: Vec::new(),
            password: PasswordHash::from_stored("correct horse".to_owned()),
        };
        store.add_user(eve).await.unwrap();
        let bob = UserName::parse("bob").unwrap();
        store.set_disabled(bob, true).await.unwrap();
        let policy = HashPolicy::default();
        let hasher = Hasher::new(Handle::current(), 2);
        let login = LocalLogin::new(store.clone(), hasher, policy.clone());
        let full = LocalLogin::new(store, Hasher::full(Handle::current()), policy);

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
}
