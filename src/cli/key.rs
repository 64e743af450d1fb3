//! `vestibule key …`: the keys of this installation, but never what they are made of.

use clap::{Args, Subcommand};

use crate::admin::{Administrator, KeyFacts};
use crate::cli::output::columns;
use crate::cli::{listing, output, password, storage};
use crate::config::{Config, written};
use crate::session::key_plan::Refusal;
use crate::session::{Key, KeyPurpose, KeySettings};
use crate::store::keys::KeysChanged;

/// What can be done about keys.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List the keys: what for, which id, which algorithm, and where each stands
    List {
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Make new keys, which replace those in use when apps had time to fetch them
    Rotate {
        /// Which keys; all but the seed are, unless some are named.
        #[arg(value_name = "PURPOSE", value_parser = purpose)]
        purposes: Vec<KeyPurpose>,
        /// Use them within seconds: apps that keep the key set for a while refuse what is new until
        /// they fetch it again.
        #[arg(long)]
        now: bool,
    },
    /// Take a key away that is in the wrong hands: nothing it made is good any more
    Revoke(Revoke),
    /// Seal the keys with a new master key
    ///
    /// The key file is replaced; a gateway that runs goes on. What is signed stays good: keys that are
    /// in the wrong hands are to be revoked. A backup of the database needs the key file of its time.
    Reseal,
}

#[derive(Args)]
pub(super) struct Revoke {
    /// The id, as `vestibule key list` shows it.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    /// What it is for, where several have the same id.
    #[arg(long, value_name = "PURPOSE", value_parser = purpose)]
    purpose: Option<KeyPurpose>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

fn purpose(name: &str) -> Result<KeyPurpose, String> {
    KeyPurpose::parse(name).ok_or_else(|| {
        let known = KeyPurpose::ALL.map(KeyPurpose::as_str);
        format!("it is one of {}", known.join(", "))
    })
}

/// The keys.
struct Room {
    admin: Administrator,
    settings: KeySettings,
}

/// Opens the store, does what was asked, and prints what came of it.
pub(super) fn run(command: Command, config: &Config) -> anyhow::Result<()> {
    let room = Room {
        admin: storage::administrator(config)?,
        settings: config.keys,
    };
    let said = storage::finish(room.execute(command))?;
    output::print(&said)?;
    Ok(())
}

impl Room {
    async fn execute(&self, command: Command) -> anyhow::Result<String> {
        match command {
            Command::List { json } => self.list(json).await,
            Command::Rotate { purposes, now } => self.rotate(&purposes, now).await,
            Command::Revoke(revoke) => self.revoke(revoke).await,
            Command::Reseal => {
                anyhow::ensure!(
                    !self.admin.keys(&self.settings).await?.is_empty(),
                    Refusal::NoKeys
                );
                self.admin.reseal_keys().await?;
                Ok(
                    "sealed all keys with a new master key, which is in the key file now: \
                    a backup of the database from before needs the old one\n"
                        .to_owned(),
                )
            }
        }
    }

    async fn list(&self, json: bool) -> anyhow::Result<String> {
        let facts = self.admin.keys(&self.settings).await?;
        if json {
            return listing::json(&facts);
        }
        if facts.is_empty() {
            return Ok("there are no keys yet: `vestibule serve` makes them\n".to_owned());
        }
        Ok(table(facts))
    }

    async fn rotate(&self, purposes: &[KeyPurpose], at_once: bool) -> anyhow::Result<String> {
        let purposes = match purposes {
            [] => &KeyPurpose::REPLACED[..],
            named => named,
        };
        let rotated = self.admin.rotate_keys(purposes, at_once, &self.settings);
        let rotated = rotated.await?;
        if rotated.made.is_empty() {
            return Ok(
                "nothing was changed: keys that wait for their turn are there already; \
                 --now has them sign within seconds\n"
                    .to_owned(),
            );
        }
        let mut said = made(&rotated);
        if at_once && rotated.made.iter().any(|key| key.purpose.signs()) {
            said.push_str("apps that keep the key set refuse what is signed with a new key until they fetch it again, after five minutes at most\n");
        } else if !at_once {
            let ahead = written(self.settings.publish_ahead);
            said.push_str(&format!(
                "until then, apps have {ahead} to fetch what is public of them\n"
            ));
        }
        Ok(said)
    }

    async fn revoke(&self, revoke: Revoke) -> anyhow::Result<String> {
        let Revoke { kid, purpose, yes } = revoke;
        let key = self.admin.find_key(&kid, purpose).await?;
        let consequence = consequence(key.purpose)?;
        let question = format!("Revoke the key {} of {}? {consequence}", kid, name(&key));
        if !yes && !password::is_sure(&question)? {
            return Ok("nothing was changed\n".to_owned());
        }
        let purpose = Some(key.purpose);
        let revoked = self.admin.revoke_key(&kid, purpose, &self.settings).await?;
        let (said, made) = (name(&key), made(&revoked));
        Ok(format!(
            "revoked the key {kid} of {said}: {consequence}\n{made}"
        ))
    }
}

fn name(key: &Key) -> &'static str {
    key.purpose.as_str()
}

/// Who feels that a key is gone.
const fn consequence(purpose: KeyPurpose) -> Result<&'static str, Refusal> {
    Ok(match purpose {
        KeyPurpose::AccessToken => {
            "Access tokens that it signed are refused within a second. Nobody is signed out: browsers and programs get new ones with their refresh tokens."
        }
        KeyPurpose::Assertion => {
            "Apps that fetch the key set refuse assertions that it signed. Nobody is signed out."
        }
        KeyPurpose::RefreshMac => {
            "Everybody must sign in again whose refresh token was made with it: all who are signed in, if it is in use; those who have not come back since, if it is retired."
        }
        KeyPurpose::RefreshNext => {
            "Only those must sign in again whose last refresh was lost on its way."
        }
        KeyPurpose::Seed => return Err(Refusal::Lasting),
    })
}

fn made(changed: &KeysChanged) -> String {
    let lines = changed.made.iter().map(|key| {
        let (algorithm, from) = (key.algorithm.as_str(), key.signs_from);
        format!(
            "{}: the {algorithm} key {} is used from {from}\n",
            name(key),
            key.kid
        )
    });
    lines.collect()
}

fn table(facts: Vec<KeyFacts>) -> String {
    let header = [
        "PURPOSE",
        "KEY ID",
        "ALGORITHM",
        "STATE",
        "USED FROM",
        "ACCEPTED UNTIL",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(facts.into_iter().map(|key| {
        [
            key.purpose.to_owned(),
            key.kid,
            key.algorithm.to_owned(),
            key.state.to_owned(),
            key.signs_from,
            key.accepted_until.unwrap_or_else(|| "-".to_owned()),
        ]
    }));
    columns("", &rows)
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
    use crate::store::key_keeper::KeyKeeper;

    async fn room() -> (Room, store::Opened) {
        let store = store::open(&StorageSettings::Memory, Arc::new(SystemClock));
        let store = store.await.unwrap();
        let audit = Audit::open(None, Arc::new(SystemClock), Events::unregistered()).unwrap();
        let route = "[[routes]]\nupstream = 'http://127.0.0.1:3000'";
        let room = Room {
            admin: Administrator::at_command_line(&store, audit),
            settings: config::parse(route, Path::new("/etc")).unwrap().keys,
        };
        (room, store)
    }

    #[tokio::test]
    async fn keys_are_named_and_not_shown() {
        let (room, store) = room().await;
        let empty = room.list(false).await.unwrap();
        assert!(empty.contains("`vestibule serve` makes them"), "{empty}");
        assert_eq!(room.list(true).await.unwrap(), "[]\n");

        KeyKeeper::open(store.keys, room.settings).await.unwrap();
        let table = room.list(false).await.unwrap();
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().take(4).collect())
            .collect();
        assert_eq!(lines.len(), 6, "{table}");
        assert!(lines.contains(&vec!["refresh_mac", "1", "HMAC-SHA256", "active"]));
        let json: serde_json::Value =
            serde_json::from_str(&room.list(true).await.unwrap()).unwrap();
        for key in json.as_array().unwrap() {
            let names: Vec<&String> = key.as_object().unwrap().keys().collect();
            let known = [
                "accepted_until",
                "algorithm",
                "created_at",
                "kid",
                "purpose",
                "signs_from",
                "state",
            ];
            assert_eq!(names, known);
        }
    }

    #[tokio::test]
    async fn a_rotation_says_when_the_new_keys_are_used_and_a_second_one_that_they_wait() {
        let (room, store) = room().await;
        let none = room.rotate(&[], false).await.unwrap_err().to_string();
        assert!(none.contains("`vestibule serve` makes them"), "{none}");
        KeyKeeper::open(store.keys, room.settings).await.unwrap();
        let said = room.rotate(&[], false).await.unwrap();
        assert_eq!(said.lines().count(), 5, "{said}");
        assert!(said.contains("apps have 1d to fetch"), "{said}");
        let said = room.rotate(&[], false).await.unwrap();
        assert!(said.starts_with("nothing was changed"), "{said}");
        let one = [KeyPurpose::Assertion];
        let said = room.rotate(&one, true).await.unwrap();
        assert!(said.starts_with("assertion: the EdDSA key "), "{said}");
        assert!(said.contains("five minutes at most"), "{said}");
    }

    #[tokio::test]
    async fn a_revoked_key_is_named_with_its_purpose_and_its_consequence() {
        let (room, store) = room().await;
        KeyKeeper::open(store.keys, room.settings).await.unwrap();
        let revoke = |purpose| {
            room.revoke(Revoke {
                kid: "1".to_owned(),
                purpose,
                yes: true,
            })
        };
        let error = revoke(None).await.unwrap_err().to_string();
        assert!(error.contains("name the purpose"), "{error}");
        let mac = Some(KeyPurpose::RefreshMac);
        let said = revoke(mac).await.unwrap();
        assert!(said.contains("must sign in again"), "{said}");
        assert!(
            said.contains("refresh_mac: the HMAC-SHA256 key 2 "),
            "{said}"
        );
        let error = revoke(mac).await.unwrap_err().to_string();
        assert!(error.contains("no good any more already"), "{error}");
        let seed = room.admin.keys(&room.settings).await.unwrap();
        let seed = seed.iter().find(|key| key.purpose == "seed").unwrap();
        let revoke = room.revoke(Revoke {
            kid: seed.kid.clone(),
            purpose: None,
            yes: true,
        });
        let error = revoke.await.unwrap_err().to_string();
        assert!(error.contains("the seed stays as it is"), "{error}");
        let error = room.admin.reseal_keys().await.unwrap_err().to_string();
        assert!(error.contains("in memory"), "{error}");
    }
}
