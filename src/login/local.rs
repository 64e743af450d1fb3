//! Sign-in with a password against our own users.

use std::sync::Arc;

use crate::identity::password::LONGEST_ATTEMPT;
use crate::identity::{PasswordHash, Secret, User, UserName};
use crate::login::{Busy, Hasher};
use crate::observe::audit::SignInRefusal;
use crate::random;
use crate::store::{Directory, StoreError};

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
    nobody: PasswordHash,
}

impl LocalLogin {
    /// Over these users.
    pub fn new(directory: Arc<dyn Directory>, hasher: Hasher) -> Self {
        Self {
            directory,
            hasher,
            nobody: PasswordHash::nobody(&random::bytes(), &random::bytes()),
        }
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
        let possible = (1..=LONGEST_ATTEMPT).contains(&password.expose().len());
        let (user, hash) = match account {
            Some(account) if possible => (Some(account.user), account.password),
            Some(account) => (Some(account.user), self.nobody.clone()),
            None => (None, self.nobody.clone()),
        };
        let password = if possible {
            password
        } else {
            Secret::new(String::new())
        };
        Ok(match (self.hasher.fits(hash, password).await, user) {
            (Ok(fits), Some(user)) => match fits && possible {
                true if !user.disabled => SignIn::Accepted(user),
                true => SignIn::Refused(SignInRefusal::Disabled, Some(user)),
                false => SignIn::Refused(SignInRefusal::WrongPassword, Some(user)),
            },
            (Ok(_), None) => SignIn::Refused(SignInRefusal::UnknownUser, None),
            (Err(busy), _) => SignIn::Busy(busy),
        })
    }

    /// The hash of a new password, within the same bounds.
    pub async fn hash(&self, password: Secret<String>) -> Result<PasswordHash, Busy> {
        self.hasher.hash(password).await
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    use super::*;
    use crate::clock::SystemClock;
    use crate::identity::UserId;
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
                password: PasswordHash::of(&secret("correct horse"), &[7; 16]),
            });
            added.await.unwrap();
        }
        let bob = UserName::parse("bob").unwrap();
        store.set_disabled(bob, true).await.unwrap();
        let login = LocalLogin::new(store.clone(), Hasher::new(Handle::current(), 2));
        let full = LocalLogin::new(store, Hasher::full(Handle::current()));

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
        ] {
            let outcome = login.sign_in(name, secret(password)).await.unwrap();
            assert_eq!(matches!(outcome, SignIn::Accepted(_)), accepted, "{name}");
            let outcome = full.sign_in(name, secret(password)).await.unwrap();
            assert!(matches!(outcome, SignIn::Busy(_)), "{name} costs no hash");
        }
    }
}
