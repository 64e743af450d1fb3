//! `vestibule user …`: the people who may sign in.

use std::sync::Arc;

use anyhow::anyhow;
use clap::{Args, Subcommand};

use crate::cli::{listing, output, password, storage};
use crate::clock::SystemClock;
use crate::config::{Config, LogTarget};
use crate::identity::{
    DisplayName, Email, GroupName, PasswordHash, Secret, User, UserId, UserName,
};
use crate::observe::metrics::Events;
use crate::observe::{Audit, Event, Person, Source};
use crate::random;
use crate::store::{AddUser, ChangeUser, Directory, NewUser, UserChange};

/// How soon the end of a session shows, told honestly: a running gateway is another process.
const ENDED: &str = "they cannot be refreshed any more, and a running gateway refuses their access \
                     tokens within about a second";

/// What can be done about users.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Add somebody; asks for the password, or takes one line of standard input
    #[command(after_help = "A script gives the password on standard input:\n  \
                      vestibule user add ada --group ops < password.txt")]
    Add(Add),
    /// List everybody
    List {
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one user
    Show {
        /// Their user name.
        #[arg(value_parser = UserName::parse)]
        name: UserName,
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Set a new password and end all sessions; asks for it, or takes one line of standard input
    Passwd {
        /// Their user name.
        #[arg(value_parser = UserName::parse)]
        name: UserName,
    },
    /// Change what apps are told about somebody
    #[command(override_usage = "vestibule user set <NAME> <OPTIONS>")]
    Set(Set),
    /// Keep somebody from signing in and end all sessions
    Disable {
        /// Their user name.
        #[arg(value_parser = UserName::parse)]
        name: UserName,
    },
    /// Let somebody sign in again
    Enable {
        /// Their user name.
        #[arg(value_parser = UserName::parse)]
        name: UserName,
    },
    /// Remove somebody and all sessions
    Remove {
        /// Their user name.
        #[arg(value_parser = UserName::parse)]
        name: UserName,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Args)]
pub(super) struct Add {
    /// What they type to sign in: no spaces, no commas; becomes lower case.
    #[arg(value_parser = UserName::parse)]
    name: UserName,
    /// Their e-mail address; no two users share one.
    #[arg(long, value_parser = Email::parse)]
    email: Option<Email>,
    /// How they are called, such as "Ada Lovelace".
    #[arg(long, value_name = "TEXT", value_parser = DisplayName::parse)]
    display_name: Option<DisplayName>,
    /// A group they are in; repeat it for more.
    #[arg(long = "group", value_name = "GROUP", value_parser = GroupName::parse)]
    groups: Vec<GroupName>,
}

#[derive(Args)]
pub(super) struct Set {
    /// Their user name.
    #[arg(value_parser = UserName::parse)]
    name: UserName,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// A new e-mail address.
    #[arg(long, value_parser = Email::parse, conflicts_with = "no_email")]
    email: Option<Email>,
    /// Forget the e-mail address.
    #[arg(long)]
    no_email: bool,
    /// A new display name.
    #[arg(long, value_name = "TEXT", value_parser = DisplayName::parse, conflicts_with = "no_display_name")]
    display_name: Option<DisplayName>,
    /// Forget the display name.
    #[arg(long)]
    no_display_name: bool,
    /// A group, instead of those before; repeat it for more.
    #[arg(long = "group", value_name = "GROUP", value_parser = GroupName::parse, conflicts_with = "no_groups")]
    groups: Vec<GroupName>,
    /// Take them out of all groups.
    #[arg(long)]
    no_groups: bool,
}

/// Opens the store, does what was asked, and prints what came of it.
pub(super) fn run(command: Command, config: &Config) -> anyhow::Result<()> {
    let store = storage::open(&config.storage)?;
    let users = Users {
        directory: &*store.directory,
        audit: audit(config)?,
    };
    let said = storage::finish(execute(command, &users))?;
    output::print(&said)?;
    Ok(())
}

/// The users, and where changes to them are written down.
struct Users<'a> {
    directory: &'a dyn Directory,
    audit: Audit,
}

impl Users<'_> {
    fn note<'u>(&self, user: &'u User, event: impl FnOnce(Person<'u>) -> Event<'u>) {
        self.audit.tell(&Source::default(), event(user.into()));
    }
}

/// A command's output is for whoever typed it: only an audit log in a file hears of changes.
fn audit(config: &Config) -> anyhow::Result<Audit> {
    let target = config.observe.audit_log.as_ref();
    let file = target.filter(|target| matches!(target, LogTarget::File(_)));
    Ok(Audit::open(
        file,
        Arc::new(SystemClock),
        Events::unregistered(),
    )?)
}

async fn execute(command: Command, users: &Users<'_>) -> anyhow::Result<String> {
    match command {
        Command::Add(user) => {
            check_free(&user.name, users).await?;
            let password = password::ask_new(&user.name)?;
            add(user, &password, users).await
        }
        Command::List { json } => list(json, users).await,
        Command::Show { name, json } => show(name, json, users).await,
        Command::Passwd { name } => {
            find(&name, users).await?;
            let password = password::ask_new(&name)?;
            set_password(name, &password, users).await
        }
        Command::Set(set) => change(set, users).await,
        Command::Disable { name } => set_disabled(name, true, users).await,
        Command::Enable { name } => set_disabled(name, false, users).await,
        Command::Remove { name, yes } => {
            find(&name, users).await?;
            let question = format!("Remove {name} and end all their sessions?");
            if yes || password::is_sure(&question)? {
                remove(name, users).await
            } else {
                Ok("nothing was changed\n".to_owned())
            }
        }
    }
}

/// Fails before a password is asked for in vain.
async fn check_free(name: &UserName, users: &Users<'_>) -> anyhow::Result<()> {
    match users.directory.account(name.clone()).await? {
        None => Ok(()),
        Some(_) => Err(name_taken(name)),
    }
}

async fn find(name: &UserName, users: &Users<'_>) -> anyhow::Result<User> {
    let account = users.directory.account(name.clone()).await?;
    account
        .map(|account| account.user)
        .ok_or_else(|| unknown(name))
}

async fn add(add: Add, password: &Secret<String>, users: &Users<'_>) -> anyhow::Result<String> {
    let name = add.name.clone();
    let user = NewUser {
        id: UserId::from_bytes(random::bytes()),
        name: add.name,
        display_name: add.display_name,
        email: add.email.clone(),
        groups: add.groups,
        password: PasswordHash::of(password, &random::bytes()),
    };
    match users.directory.add_user(user).await? {
        AddUser::Added(user) => {
            users.note(&user, Event::UserAdded);
            Ok(format!("added {}\n", user.name))
        }
        AddUser::NameTaken => Err(name_taken(&name)),
        AddUser::EmailTaken => Err(email_taken(add.email)),
    }
}

async fn list(json: bool, users: &Users<'_>) -> anyhow::Result<String> {
    let users = users.directory.users().await?;
    if json {
        let facts: Vec<listing::Facts<'_>> = users.iter().map(Into::into).collect();
        listing::json(&facts)
    } else if users.is_empty() {
        Ok("there is no user yet: `vestibule user add NAME` adds one\n".to_owned())
    } else {
        Ok(listing::table(&users))
    }
}

async fn show(name: UserName, json: bool, users: &Users<'_>) -> anyhow::Result<String> {
    let user = find(&name, users).await?;
    if json {
        listing::json(&listing::Facts::from(&user))
    } else {
        Ok(listing::card(&user))
    }
}

async fn set_password(
    name: UserName,
    password: &Secret<String>,
    users: &Users<'_>,
) -> anyhow::Result<String> {
    let hash = PasswordHash::of(password, &random::bytes());
    let user = users.directory.set_password(name.clone(), hash).await?;
    let user = user.ok_or_else(|| unknown(&name))?;
    users.note(&user, Event::PasswordSet);
    Ok(format!(
        "changed the password of {} and ended their sessions: {ENDED}\n",
        user.name
    ))
}

async fn change(set: Set, users: &Users<'_>) -> anyhow::Result<String> {
    let changes = set.changes;
    let email = changes.email.clone();
    let change = UserChange {
        display_name: replacement(changes.display_name, changes.no_display_name),
        email: replacement(changes.email, changes.no_email),
        groups: (changes.no_groups || !changes.groups.is_empty()).then_some(changes.groups),
    };
    match users
        .directory
        .change_user(set.name.clone(), change)
        .await?
    {
        ChangeUser::Changed(user) => {
            users.note(&user, Event::UserChanged);
            Ok(format!("changed {}\n", user.name))
        }
        ChangeUser::NoSuchUser => Err(unknown(&set.name)),
        ChangeUser::EmailTaken => Err(email_taken(email)),
    }
}

/// `None` leaves a fact as it is, `Some(None)` takes it away.
fn replacement<T>(new: Option<T>, none: bool) -> Option<Option<T>> {
    (none || new.is_some()).then_some(new)
}

async fn set_disabled(name: UserName, disabled: bool, users: &Users<'_>) -> anyhow::Result<String> {
    let user = users.directory.set_disabled(name.clone(), disabled).await?;
    let user = user.ok_or_else(|| unknown(&name))?;
    let event = match disabled {
        true => Event::UserDisabled,
        false => Event::UserEnabled,
    };
    users.note(&user, event);
    Ok(if disabled {
        format!("disabled {} and ended their sessions: {ENDED}\n", user.name)
    } else {
        format!("enabled {}\n", user.name)
    })
}

async fn remove(name: UserName, users: &Users<'_>) -> anyhow::Result<String> {
    let user = users.directory.remove_user(name.clone()).await?;
    let user = user.ok_or_else(|| unknown(&name))?;
    users.note(&user, Event::UserRemoved);
    Ok(format!(
        "removed {} and ended their sessions: {ENDED}\n",
        user.name
    ))
}

fn name_taken(name: &UserName) -> anyhow::Error {
    anyhow!("there is already a user {name}: `vestibule user set {name} …` changes them")
}

fn email_taken(email: Option<Email>) -> anyhow::Error {
    let email = email.map_or_else(String::new, |email| format!(" {email}"));
    anyhow!("another user has the address{email}: no two users share one")
}

fn unknown(name: &UserName) -> anyhow::Error {
    anyhow!("no user is called {name}: `vestibule user list` shows everybody")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::store::memory::MemoryStore;

    /// What the commands say, one after the other, to one empty store.
    fn say(commands: Vec<Command>) -> Vec<String> {
        let store = MemoryStore::new(Arc::new(SystemClock));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let users = Users {
            directory: &store,
            audit: Audit::open(None, Arc::new(SystemClock), Events::unregistered()).unwrap(),
        };
        let one = |command| match runtime.block_on(without_asking(command, &users)) {
            Ok(said) => said.trim_end().to_owned(),
            Err(error) => format!("failed: {error:#}"),
        };
        commands.into_iter().map(one).collect()
    }

    async fn without_asking(command: Command, users: &Users<'_>) -> anyhow::Result<String> {
        let password = Secret::new("correct horse".to_owned());
        match command {
            Command::Add(user) => add(user, &password, users).await,
            Command::Passwd { name } => set_password(name, &password, users).await,
            other => execute(other, users).await,
        }
    }

    fn name(text: &str) -> UserName {
        UserName::parse(text).unwrap()
    }

    fn adding(user: &str, email: Option<&str>) -> Command {
        Command::Add(Add {
            name: name(user),
            email: email.map(|email| Email::parse(email).unwrap()),
            display_name: None,
            groups: vec![GroupName::parse("ops").unwrap()],
        })
    }

    #[test]
    fn people_are_added_once() {
        let said = say(vec![
            adding("Ada", Some("ada@example.com")),
            adding("ada", None),
            adding("bob", Some("ada@example.com")),
        ]);
        assert_eq!(said[0], "added ada");
        assert!(said[1].starts_with("failed: there is already a user ada"));
        assert!(said[2].starts_with("failed: another user has the address ada@example.com"));
    }

    #[test]
    fn whoever_is_not_there_cannot_be_changed() {
        let who = || name("bob");
        let set = Set {
            name: who(),
            changes: Changes {
                email: None,
                no_email: true,
                display_name: None,
                no_display_name: false,
                groups: Vec::new(),
                no_groups: false,
            },
        };
        for said in say(vec![
            Command::Show {
                name: who(),
                json: false,
            },
            Command::Passwd { name: who() },
            Command::Set(set),
            Command::Disable { name: who() },
            Command::Enable { name: who() },
            Command::Remove {
                name: who(),
                yes: true,
            },
        ]) {
            assert!(said.starts_with("failed: no user is called bob"), "{said}");
        }
    }

    #[test]
    fn the_list_is_aligned_and_shows_who_is_disabled() {
        let said = say(vec![
            Command::List { json: false },
            adding("ada", Some("ada@example.com")),
            adding("bob", None),
            Command::Disable { name: name("bob") },
            Command::List { json: false },
        ]);
        assert!(said[0].starts_with("there is no user yet"));
        assert_eq!(
            said[4],
            "NAME  DISPLAY NAME  EMAIL            GROUPS  STATUS\n\
             ada   -             ada@example.com  ops     active\n\
             bob   -             -                ops     disabled"
        );
    }

    #[test]
    fn a_change_leaves_the_rest_as_it_was() {
        let set = |changes| {
            Command::Set(Set {
                name: name("ada"),
                changes,
            })
        };
        let said = say(vec![
            adding("ada", Some("ada@example.com")),
            set(Changes {
                email: None,
                no_email: false,
                display_name: Some(DisplayName::parse("Ada L.").unwrap()),
                no_display_name: false,
                groups: Vec::new(),
                no_groups: true,
            }),
            Command::List { json: false },
        ]);
        assert_eq!(said[1], "changed ada");
        assert!(said[2].ends_with("ada   Ada L.        ada@example.com  -       active"));
    }

    #[test]
    fn programs_read_json() {
        let said = say(vec![
            adding("ada", None),
            Command::List { json: true },
            Command::Show {
                name: name("ada"),
                json: true,
            },
        ]);
        let all: serde_json::Value = serde_json::from_str(&said[1]).unwrap();
        let one: serde_json::Value = serde_json::from_str(&said[2]).unwrap();
        assert_eq!(all[0], one);
        assert_eq!(one["name"], "ada");
        assert_eq!(one["email"], serde_json::Value::Null);
        assert_eq!(one["groups"][0], "ops");
        assert_eq!(one["disabled"], false);
    }

    #[test]
    fn memory_is_refused() {
        let list = Command::List { json: false };
        let text = "[[routes]]\nupstream = 'http://127.0.0.1:9'\n[storage]\nurl = 'memory:'";
        let config = crate::config::parse(text, std::path::Path::new("")).unwrap();
        let refusal = run(list, &config).unwrap_err();
        assert!(refusal.to_string().contains("memory:"), "{refusal}");
    }
}
