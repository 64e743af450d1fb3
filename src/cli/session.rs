//! `vestibule session …`: who is signed in where, and ending that.

use clap::{Args, Subcommand};

use crate::admin::{Administrator, EndedSession, SessionFacts};
use crate::cli::output::columns;
use crate::cli::user::{ENDED, explained};
use crate::cli::{listing, output, password, storage};
use crate::config::Config;
use crate::identity::{SessionId, UserName};

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
    /// Do not ask before --all.
    #[arg(long, short)]
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

/// The sessions.
struct Room {
    admin: Administrator,
}

/// Opens the store, does what was asked, and prints what came of it.
pub(super) fn run(command: Command, config: &Config) -> anyhow::Result<()> {
    let room = Room {
        admin: storage::administrator(config)?,
    };
    let said = storage::finish(room.execute(command))?;
    output::print(&said)?;
    Ok(())
}

impl Room {
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
        let sessions = self.admin.live_sessions(of.as_ref()).await;
        let sessions = sessions.map_err(explained)?;
        let facts: Vec<SessionFacts<'_>> = sessions.iter().map(Into::into).collect();
        if json {
            listing::json(&facts)
        } else if facts.is_empty() {
            Ok("nobody is signed in\n".to_owned())
        } else {
            Ok(table(&facts))
        }
    }

    async fn revoke_one(&self, id: SessionId) -> anyhow::Result<String> {
        match self.admin.end_session(id).await.map_err(explained)? {
            EndedSession::WasOver => Ok(format!("session {id} was over already\n")),
            EndedSession::Ended(user) => {
                let whose = user.map_or_else(String::new, |user| format!(" of {}", user.name));
                Ok(format!("ended session {id}{whose}: {ENDED}\n"))
            }
        }
    }

    async fn revoke_user(&self, name: &UserName) -> anyhow::Result<String> {
        let ended = self.admin.end_sessions_of(name).await.map_err(explained)?;
        Ok(match ended {
            0 => format!("{name} was not signed in\n"),
            _ => format!("ended {} of {name}: {ENDED}\n", counted(ended)),
        })
    }

    async fn revoke_all(&self) -> anyhow::Result<String> {
        let ended = self.admin.end_all_sessions().await?;
        Ok(match ended {
            0 => "nobody was signed in\n".to_owned(),
            _ => format!("ended {}: {ENDED}\n", counted(ended)),
        })
    }
}

fn counted(sessions: usize) -> String {
    match sessions {
        1 => "1 session".to_owned(),
        many => format!("{many} sessions"),
    }
}

fn table(sessions: &[SessionFacts<'_>]) -> String {
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
