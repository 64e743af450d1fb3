//! `vestibule session …`: who is signed in where, and ending that.

use std::collections::HashMap;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::output::columns;
use crate::cli::{listing, output, password, storage};
use crate::config::Config;
use crate::identity::{SessionId, User, UserId, UserName};
use crate::session::{RevokeReason, SessionRow};
use crate::store::{Directory, Sessions};

/// How soon the end of a session shows: a running gateway is another process.
const DELAY: &str = "A running gateway refuses to refresh from now on, and access tokens that are out \
                     within about a second.\n";

/// What can be done about sessions.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List the live sessions, the last one seen first
    List {
        /// Only those of this user.
        #[arg(long, value_name = "NAME", value_parser = UserName::parse)]
        user: Option<UserName>,
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// End one session, those of a user, or all
    Revoke(Revoke),
}

#[derive(Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    which: Which,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// This session, as `vestibule session list` shows it.
    #[arg(value_name = "SESSION", value_parser = session_id, allow_hyphen_values = true)]
    id: Option<SessionId>,
    /// All sessions of this user.
    #[arg(long, value_name = "NAME", value_parser = UserName::parse)]
    user: Option<UserName>,
    /// All sessions of everybody.
    #[arg(long)]
    all: bool,
}

fn session_id(text: &str) -> Result<SessionId, &'static str> {
    SessionId::parse(text).ok_or("a session's id has 22 characters: `vestibule session list`")
}

/// The store.
struct Room<'r> {
    directory: &'r dyn Directory,
    sessions: &'r dyn Sessions,
}

/// Opens the store, does what was asked, and prints what came of it.
pub(super) fn run(command: Command, config: &Config) -> anyhow::Result<()> {
    let store = storage::open(&config.storage)?;
    let room = Room {
        directory: &*store.directory,
        sessions: &*store.sessions,
    };
    let said = storage::finish(room.execute(command))?;
    output::print(&said)?;
    Ok(())
}

impl Room<'_> {
    async fn execute(&self, command: Command) -> anyhow::Result<String> {
        match command {
            Command::List { user, json } => self.list(user, json).await,
            Command::Revoke(Revoke { which, yes }) => match which {
                Which { id: Some(id), .. } => self.revoke_one(id).await,
                Which {
                    user: Some(name), ..
                } => self.revoke_user(&name).await,
                Which { .. } => {
                    if yes || password::is_sure("End all sessions of everybody?")? {
                        self.revoke_all().await
                    } else {
                        Ok("nothing was changed\n".to_owned())
                    }
                }
            },
        }
    }

    async fn list(&self, of: Option<UserName>, json: bool) -> anyhow::Result<String> {
        let of = match of {
            Some(name) => Some(self.find(&name).await?.id),
            None => None,
        };
        let rows = self.sessions.live(of).await?;
        let users = self.directory.users().await?;
        let names: HashMap<&UserId, &UserName> =
            users.iter().map(|user| (&user.id, &user.name)).collect();
        let name = |row: &SessionRow| names.get(&row.user).map(|name| name.as_str());
        let facts: Vec<Facts<'_>> = rows.iter().map(|row| Facts::new(row, name(row))).collect();
        if json {
            listing::json(&facts)
        } else if facts.is_empty() {
            Ok("nobody is signed in\n".to_owned())
        } else {
            Ok(table(&facts))
        }
    }

    async fn revoke_one(&self, id: SessionId) -> anyhow::Result<String> {
        let loaded = self.sessions.load(id).await?;
        let loaded = loaded.ok_or_else(|| {
            anyhow!("there is no session {id}: `vestibule session list` shows those that live")
        })?;
        let is_live = loaded.is_live();
        self.sessions
            .revoke(id, RevokeReason::Administrator)
            .await?;
        if !is_live {
            return Ok(format!("session {id} was over already\n"));
        }
        let whose = loaded
            .user
            .map_or_else(String::new, |user| format!(" of {}", user.name));
        Ok(format!("ended session {id}{whose}\n{DELAY}"))
    }

    async fn revoke_user(&self, name: &UserName) -> anyhow::Result<String> {
        let user = self.find(name).await?;
        let live = self.sessions.live(Some(user.id.clone())).await?.len();
        let reason = RevokeReason::Administrator;
        self.sessions.revoke_user(user.id, reason).await?;
        Ok(format!("ended {} of {name}\n{DELAY}", counted(live)))
    }

    async fn revoke_all(&self) -> anyhow::Result<String> {
        let ended = self
            .sessions
            .revoke_all(RevokeReason::Administrator)
            .await?;
        Ok(format!("ended {}\n{DELAY}", counted(ended)))
    }

    async fn find(&self, name: &UserName) -> anyhow::Result<User> {
        let account = self.directory.account(name.clone()).await?;
        account.map(|account| account.user).ok_or_else(|| {
            anyhow!("no user is called {name}: `vestibule user list` shows everybody")
        })
    }
}

fn counted(sessions: usize) -> String {
    match sessions {
        1 => "1 session".to_owned(),
        many => format!("{many} sessions"),
    }
}

/// A session for programs.
#[derive(Serialize)]
struct Facts<'s> {
    id: String,
    user: Option<&'s str>,
    device: Option<&'s str>,
    ip: Option<String>,
    user_agent: Option<&'s str>,
    delivery: &'static str,
    signed_in_at: String,
    last_seen_at: String,
    expires_at: String,
}

impl<'s> Facts<'s> {
    fn new(row: &'s SessionRow, user: Option<&'s str>) -> Self {
        Self {
            id: row.id.to_string(),
            user,
            device: row.device.as_deref(),
            ip: row.ip.map(|ip| ip.to_string()),
            user_agent: row.user_agent.as_deref(),
            delivery: row.delivery.as_str(),
            signed_in_at: row.created_at.to_string(),
            last_seen_at: row.last_seen_at.to_string(),
            expires_at: row.expires_at().to_string(),
        }
    }
}

fn table(sessions: &[Facts<'_>]) -> String {
    const NAMES: [&str; 7] = [
        "SESSION",
        "USER",
        "LAST SEEN",
        "EXPIRES",
        "ADDRESS",
        "DEVICE",
        "CLIENT",
    ];
    let mut rows = vec![NAMES.map(str::to_owned)];
    rows.extend(sessions.iter().map(|session| {
        [
            &session.id,
            session.user.unwrap_or("-"),
            &session.last_seen_at,
            &session.expires_at,
            session.ip.as_deref().unwrap_or("-"),
            session.device.unwrap_or("-"),
            session.user_agent.unwrap_or("-"),
        ]
        .map(str::to_owned)
    }));
    columns("", &rows)
}
