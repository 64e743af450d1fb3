//! `vestibule user …`: the people who may sign in.

use anyhow::anyhow;
use clap::{Args, Subcommand};

use crate::admin::{AdminError, Administrator, Newcomer, TemporaryPassword, UserFacts};
use crate::cli::import::{self, Import};
use crate::cli::{listing, output, password, storage};
use crate::config::Config;
use crate::identity::password::{HashPolicy, Owner, PasswordRules};
use crate::identity::{
    DisplayName, Email, GroupName, PasswordHash, PasswordTerm, Secret, UserName,
};
use crate::random;
use crate::store::UserChange;

/// How soon the end of a session shows, told honestly: a running gateway is another process.
pub(super) const ENDED: &str = "refreshing fails from now on, and a running gateway refuses the access \
                                tokens within about a second";

/// What can be done about users.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Add somebody; asks for the password, or takes one line of standard input
    #[command(after_help = "A script gives the password on standard input:\n  \
                      vestibule user add ada --group ops < password.txt\n\n\
                      With --temporary nobody but ada knows the password that she will use.")]
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
        /// Make a password and print it: it is good for one sign-in, at which they choose another.
        #[arg(long)]
        temporary: bool,
    },
    /// Change what apps are told about somebody
    #[command(
        override_usage = "vestibule user set <NAME> <OPTIONS>",
        after_help = "A running gateway tells apps of it within about a second. Nobody is signed out."
    )]
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
    /// Let somebody try to sign in again at once, after too many failures
    Unlock {
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
    /// Take over the users of another app, who sign in with their old passwords
    Import(Import),
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
    /// Make a password and print it: it is good for one sign-in, at which they choose another.
    #[arg(long)]
    temporary: bool,
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
    /// Have them choose another password when they sign in next.
    #[arg(long, conflicts_with = "may_keep_password")]
    must_change_password: bool,
    /// Leave them the password that they have. A temporary one stays temporary.
    #[arg(long)]
    may_keep_password: bool,
}

/// Opens the store, does what was asked, and prints what came of it.
pub(super) fn run(command: Command, config: &Config) -> anyhow::Result<()> {
    let administrator = storage::administrator(config)?;
    let said = storage::finish(execute(command, config, &administrator))?;
    output::print(&said)?;
    Ok(())
}

async fn execute(
    command: Command,
    config: &Config,
    admin: &Administrator,
) -> anyhow::Result<String> {
    let rules = &config.passwords;
    match command {
        Command::Add(user) => {
            admin.check_free(&user.name).await.map_err(explained)?;
            let temporary = user.temporary;
            let user = newcomer(user);
            let password = new_password(user.owner(), temporary, rules, admin)?;
            let policy = admin.hash_policy(config.hashing, &config.keys).await?;
            add(user, &password, &policy, admin).await
        }
        Command::List { json } => list(json, admin).await,
        Command::Show { name, json } => show(&name, json, admin).await,
        Command::Passwd { name, temporary } => {
            let user = admin.find_user(&name).await.map_err(explained)?;
            let password = new_password((&user).into(), temporary, rules, admin)?;
            let policy = admin.hash_policy(config.hashing, &config.keys).await?;
            set_password(&name, &password, &policy, admin).await
        }
        Command::Set(set) => change(set, admin).await,
        Command::Disable { name } => set_disabled(&name, true, admin).await,
        Command::Enable { name } => set_disabled(&name, false, admin).await,
        Command::Unlock { name } => unlock(&name, admin).await,
        Command::Remove { name, yes } => {
            admin.find_user(&name).await.map_err(explained)?;
            let question = format!("Remove {name} and end all their sessions?");
            if yes || password::is_sure(&question)? {
                remove(&name, admin).await
            } else {
                Ok("nothing was changed\n".to_owned())
            }
        }
        Command::Import(asked) => import::run(&asked, config, admin).await,
    }
}

fn newcomer(add: Add) -> Newcomer {
    Newcomer {
        name: add.name,
        display_name: add.display_name,
        email: add.email,
        groups: add.groups,
    }
}

/// A password for somebody: typed, or made here and to be told.
enum NewPassword {
    Typed(Secret<String>),
    Made(TemporaryPassword),
}

fn new_password(
    owner: Owner<'_>,
    temporary: bool,
    rules: &PasswordRules,
    admin: &Administrator,
) -> anyhow::Result<NewPassword> {
    Ok(match temporary {
        true => NewPassword::Made(admin.temporary_password(rules)),
        false => NewPassword::Typed(password::ask_new(owner, rules)?),
    })
}

impl NewPassword {
    fn hash(&self, policy: &HashPolicy) -> (PasswordHash, PasswordTerm) {
        let (password, term) = match self {
            Self::Typed(password) => (password, PasswordTerm::Lasting),
            Self::Made(made) => (&made.password, made.term()),
        };
        (PasswordHash::of(password, policy, &random::bytes()), term)
    }

    /// What whoever typed the command must hand on.
    fn told(&self, name: &UserName) -> String {
        match self {
            Self::Typed(_) => String::new(),
            Self::Made(TemporaryPassword { password, until }) => format!(
                "temporary password: {}\n\
                 {name} chooses another at the next sign-in, which must be before {until}\n",
                password.expose()
            ),
        }
    }
}

async fn add(
    newcomer: Newcomer,
    password: &NewPassword,
    hashing: &HashPolicy,
    admin: &Administrator,
) -> anyhow::Result<String> {
    let user = admin.add_user(newcomer, password.hash(hashing)).await;
    let user = user.map_err(explained)?;
    Ok(format!(
        "added {}\n{}",
        user.name,
        password.told(&user.name)
    ))
}

async fn list(json: bool, admin: &Administrator) -> anyhow::Result<String> {
    let users = admin.users().await?;
    if json {
        let facts: Vec<UserFacts<'_>> = users.iter().map(Into::into).collect();
        listing::json(&facts)
    } else if users.is_empty() {
        Ok("there is no user yet: `vestibule user add NAME` adds one\n".to_owned())
    } else {
        Ok(listing::table(&users))
    }
}

async fn show(name: &UserName, json: bool, admin: &Administrator) -> anyhow::Result<String> {
    let user = admin.find_user(name).await.map_err(explained)?;
    let standing = admin.standing_of(user).await?;
    if json {
        listing::json(&UserFacts::from(&standing))
    } else {
        Ok(listing::card(&standing))
    }
}

async fn set_password(
    name: &UserName,
    password: &NewPassword,
    hashing: &HashPolicy,
    admin: &Administrator,
) -> anyhow::Result<String> {
    let user = admin.set_password(name, password.hash(hashing)).await;
    let user = user.map_err(explained)?;
    Ok(format!(
        "changed the password of {} and ended their sessions: {ENDED}\n{}",
        user.name,
        password.told(&user.name)
    ))
}

async fn change(set: Set, admin: &Administrator) -> anyhow::Result<String> {
    let changes = set.changes;
    let change = UserChange {
        display_name: replacement(changes.display_name, changes.no_display_name),
        email: replacement(changes.email, changes.no_email),
        groups: (changes.no_groups || !changes.groups.is_empty()).then_some(changes.groups),
        password_change_due: (changes.must_change_password || changes.may_keep_password)
            .then_some(changes.must_change_password),
    };
    let user = admin.change_user(&set.name, change).await;
    Ok(format!("changed {}\n", user.map_err(explained)?.name))
}

/// `None` leaves a fact as it is, `Some(None)` takes it away.
fn replacement<T>(new: Option<T>, none: bool) -> Option<Option<T>> {
    (none || new.is_some()).then_some(new)
}

async fn set_disabled(
    name: &UserName,
    disabled: bool,
    admin: &Administrator,
) -> anyhow::Result<String> {
    let user = admin.set_disabled(name, disabled).await;
    let user = user.map_err(explained)?;
    Ok(if disabled {
        format!("disabled {} and ended their sessions: {ENDED}\n", user.name)
    } else {
        format!("enabled {}\n", user.name)
    })
}

async fn unlock(name: &UserName, admin: &Administrator) -> anyhow::Result<String> {
    let user = admin.unlock_user(name).await.map_err(explained)?;
    Ok(format!(
        "unlocked {}: a running gateway lets them try again within about a second\n",
        user.name
    ))
}

async fn remove(name: &UserName, admin: &Administrator) -> anyhow::Result<String> {
    let user = admin.remove_user(name).await.map_err(explained)?;
    Ok(format!(
        "removed {} and ended their sessions: {ENDED}\n",
        user.name
    ))
}

/// With the command that helps.
pub(super) fn explained(error: AdminError) -> anyhow::Error {
    let command = match &error {
        AdminError::NoSuchUser(_) => "`vestibule user list` shows everybody".to_owned(),
        AdminError::NameTaken(name) => format!("`vestibule user set {name} …` changes them"),
        AdminError::NoSuchSession(_) => "`vestibule session list` shows those that live".to_owned(),
        AdminError::EmailTaken(_) | AdminError::Key(_) | AdminError::Store(_) => {
            return error.into();
        }
    };
    anyhow!("{error}: {command}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::{self, StorageSettings};
    use crate::observe::Audit;
    use crate::observe::metrics::Events;
    use crate::store;

    /// What the commands say, one after the other, to one empty store.
    fn say(commands: Vec<Command>) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let store = store::open(&StorageSettings::Memory, Arc::new(SystemClock));
        let store = runtime.block_on(store).unwrap();
        let audit = Audit::open(None, Arc::new(SystemClock), Events::unregistered()).unwrap();
        let admin = Administrator::at_command_line(&store, audit);
        let one = |command| match runtime.block_on(without_asking(command, &admin)) {
            Ok(said) => said.trim_end().to_owned(),
            Err(error) => format!("failed: {error:#}"),
        };
        commands.into_iter().map(one).collect()
    }

    async fn without_asking(command: Command, admin: &Administrator) -> anyhow::Result<String> {
        let password = NewPassword::Typed(Secret::new("correct horse".to_owned()));
        let hashing = &HashPolicy::default();
        let route = "[[routes]]\nupstream = 'http://127.0.0.1:3000'";
        let config = config::parse(route, Path::new("/etc")).unwrap();
        match command {
            Command::Add(user) if !user.temporary => {
                add(newcomer(user), &password, hashing, admin).await
            }
            Command::Passwd {
                name,
                temporary: false,
            } => set_password(&name, &password, hashing, admin).await,
            other => execute(other, &config, admin).await,
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
            temporary: false,
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
                must_change_password: false,
                may_keep_password: false,
            },
        };
        for said in say(vec![
            Command::Show {
                name: who(),
                json: false,
            },
            Command::Passwd {
                name: who(),
                temporary: false,
            },
            Command::Passwd {
                name: who(),
                temporary: true,
            },
            Command::Set(set),
            Command::Disable { name: who() },
            Command::Enable { name: who() },
            Command::Unlock { name: who() },
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
                must_change_password: false,
                may_keep_password: false,
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
