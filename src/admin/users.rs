//! The people who may sign in: added, shown, changed, disabled and removed.

use std::collections::HashMap;

use serde::Serialize;

use crate::admin::{AdminError, Administrator};
use crate::clock::Timestamp;
use crate::identity::password::{Owner, PasswordRules};
use crate::identity::{
    DisplayName, Email, GroupName, PasswordHash, PasswordTerm, Secret, User, UserId, UserName,
};
use crate::observe::{Deed, Event};
use crate::random;
use crate::store::{AddUser, ChangeUser, NewUser, UserChange};

/// Somebody to add.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// Must not be taken.
    pub name: UserName,
    /// How the person is called.
    pub display_name: Option<DisplayName>,
    /// Must not be taken.
    pub email: Option<Email>,
    /// In any order.
    pub groups: Vec<GroupName>,
}

impl Newcomer {
    /// Whose password it is to be.
    pub fn owner(&self) -> Owner<'_> {
        Owner {
            name: &self.name,
            display_name: self.display_name.as_ref(),
            email: self.email.as_ref(),
        }
    }
}

/// A password that the program made, for whoever hands it on: kept nowhere but as a hash.
#[derive(Clone, Debug)]
pub struct TemporaryPassword {
    /// What it is.
    pub password: Secret<String>,
    /// How long it is good.
    pub until: Timestamp,
}

/// A user for programs.
#[derive(Serialize)]
pub struct UserFacts<'u> {
    id: &'u str,
    name: &'u str,
    display_name: Option<&'u str>,
    email: Option<&'u str>,
    groups: Vec<&'u str>,
    disabled: bool,
    password_change_due: bool,
    password_expires_at: Option<String>,
    locked_until: Option<String>,
    created_at: String,
}

/// A user, and whether they can sign in now.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Who.
    pub user: User,
    /// Until when too many failures keep them from signing in on unknown devices.
    pub locked_until: Option<Timestamp>,
}

impl Administrator {
    /// Everybody, by name.
    pub async fn users(&self) -> Result<Vec<Standing>, AdminError> {
        let users = self.directory.users().await?;
        let locks: HashMap<_, _> = self.defences.locks().await?.into_iter().collect();
        let marker = self.marker().await?;
        let standing = |user: User| {
            let account = marker.as_ref().map(|of| of.account(user.name.as_str()));
            let lock = account.and_then(|account| locks.get(&account));
            Standing {
                locked_until: lock.copied(),
                user,
            }
        };
        Ok(users.into_iter().map(standing).collect())
    }

    /// Whether somebody can sign in now.
    pub async fn standing_of(&self, user: User) -> Result<Standing, AdminError> {
        let marker = self.marker().await?;
        let account = marker.map(|of| of.account(user.name.as_str()));
        let locks = self.defences.locks().await?;
        let lock = locks.into_iter().find(|(of, _)| Some(*of) == account);
        Ok(Standing {
            user,
            locked_until: lock.map(|(_, until)| until),
        })
    }

    /// Forgets how often passwords of this user were guessed in vain, so that nobody has to wait.
    pub async fn unlock_user(&self, name: &UserName) -> Result<User, AdminError> {
        let user = self.find_user(name).await?;
        if let Some(marker) = self.marker().await? {
            let account = marker.account(user.name.as_str());
            self.defences.unlock(account).await?;
            self.forget_failures_of(account);
        }
        self.note_user(&user, Event::UserUnlocked);
        Ok(user)
    }

    /// The user of this name.
    pub async fn find_user(&self, name: &UserName) -> Result<User, AdminError> {
        let account = self.directory.account(name.clone()).await?;
        found(account.map(|account| account.user), name)
    }

    /// Fails where the name is taken: before a password is asked for or hashed in vain.
    pub async fn check_free(&self, name: &UserName) -> Result<(), AdminError> {
        match self.directory.account(name.clone()).await? {
            None => Ok(()),
            Some(_) => Err(AdminError::NameTaken(name.clone())),
        }
    }

    /// Adds somebody.
    pub async fn add_user(
        &self,
        newcomer: Newcomer,
        (password, password_term): (PasswordHash, PasswordTerm),
    ) -> Result<User, AdminError> {
        let Newcomer {
            name,
            display_name,
            email,
            groups,
        } = newcomer;
        let user = NewUser {
            id: UserId::from_bytes(random::bytes()),
            name: name.clone(),
            display_name,
            email: email.clone(),
            groups,
            password,
            password_term,
        };
        match self.directory.add_user(user).await? {
            AddUser::Added(user) => {
                self.note_user(&user, Event::UserAdded);
                Ok(user)
            }
            AddUser::NameTaken => Err(AdminError::NameTaken(name)),
            AddUser::EmailTaken => Err(taken(email, name)),
        }
    }

    /// Changes what apps are told about somebody.
    pub async fn change_user(
        &self,
        name: &UserName,
        change: UserChange,
    ) -> Result<User, AdminError> {
        let email = change.email.clone().flatten();
        match self.directory.change_user(name.clone(), change).await? {
            ChangeUser::Changed(user) => {
                self.outdate_tokens_of(&user);
                self.note_user(&user, Event::UserChanged);
                Ok(user)
            }
            ChangeUser::NoSuchUser => Err(AdminError::NoSuchUser(name.clone())),
            ChangeUser::EmailTaken => Err(taken(email, name.clone())),
        }
    }

    /// A random password that is good for one sign-in, at which its owner chooses another.
    pub fn temporary_password(&self, rules: &PasswordRules) -> TemporaryPassword {
        TemporaryPassword {
            password: Secret::new(random::password(rules.min_length)),
            until: self.clock.now() + rules.temporary_ttl,
        }
    }

    /// Sets a new password and ends all sessions.
    pub async fn set_password(
        &self,
        name: &UserName,
        (hash, term): (PasswordHash, PasswordTerm),
    ) -> Result<User, AdminError> {
        let set = self.directory.set_password(name.clone(), hash, term);
        let user = found(set.await?, name)?;
        self.end_tokens_of_user(user.id.clone(), user.session_epoch);
        self.note_user(&user, Event::PasswordSet);
        Ok(user)
    }

    /// Keeps somebody from signing in and ends all sessions, or lets them sign in again.
    pub async fn set_disabled(&self, name: &UserName, disabled: bool) -> Result<User, AdminError> {
        let set = self.directory.set_disabled(name.clone(), disabled).await?;
        let user = found(set, name)?;
        self.end_tokens_of_user(user.id.clone(), user.session_epoch);
        let event = match disabled {
            true => Event::UserDisabled,
            false => Event::UserEnabled,
        };
        self.note_user(&user, event);
        Ok(user)
    }

    /// Removes somebody and all sessions.
    pub async fn remove_user(&self, name: &UserName) -> Result<User, AdminError> {
        let user = found(self.directory.remove_user(name.clone()).await?, name)?;
        self.end_tokens_of_user(user.id.clone(), user.session_epoch);
        self.note_user(&user, Event::UserRemoved);
        Ok(user)
    }

    fn note_user<'u>(&self, user: &'u User, event: impl FnOnce(Deed<'u>) -> Event<'u>) {
        self.note(event(Deed {
            user: user.into(),
            by: self.by,
        }));
    }
}

fn found(user: Option<User>, name: &UserName) -> Result<User, AdminError> {
    user.ok_or_else(|| AdminError::NoSuchUser(name.clone()))
}

impl TemporaryPassword {
    /// What the store is told of it.
    pub const fn term(&self) -> PasswordTerm {
        PasswordTerm::Temporary { until: self.until }
    }
}

/// A store names the address as taken only where one was given.
fn taken(email: Option<Email>, name: UserName) -> AdminError {
    email.map_or(AdminError::NameTaken(name), AdminError::EmailTaken)
}

impl<'u> From<&'u Standing> for UserFacts<'u> {
    fn from(standing: &'u Standing) -> Self {
        let Standing { user, locked_until } = standing;
        Self {
            id: user.id.as_str(),
            name: user.name.as_str(),
            display_name: user.display_name.as_ref().map(|name| name.as_str()),
            email: user.email.as_ref().map(|email| email.as_str()),
            groups: user.groups.iter().map(|group| group.as_str()).collect(),
            disabled: user.disabled,
            password_change_due: user.password_term.is_change_due(),
            password_expires_at: user.password_term.until().map(|until| until.to_string()),
            locked_until: locked_until.map(|until| until.to_string()),
            created_at: user.created_at.to_string(),
        }
    }
}
