//! `vestibule key …`: the keys of this installation, but never what they are made of.

use clap::Subcommand;

use crate::admin::{Administrator, KeyFacts};
use crate::cli::output::columns;
use crate::cli::{listing, output, storage};
use crate::config::Config;

/// What can be done about keys.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List the keys: what for, which id, which algorithm
    List {
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
}

/// Opens the store and lists its keys.
pub(super) fn run(command: &Command, config: &Config) -> anyhow::Result<()> {
    let administrator = storage::administrator(config)?;
    let Command::List { json } = command;
    let said = storage::finish(list(*json, &administrator))?;
    output::print(&said)?;
    Ok(())
}

async fn list(json: bool, admin: &Administrator) -> anyhow::Result<String> {
    let keys = admin.keys().await?;
    let facts: Vec<KeyFacts<'_>> = keys.iter().map(Into::into).collect();
    if json {
        return listing::json(&facts);
    }
    if facts.is_empty() {
        return Ok("there are no keys yet: `vestibule serve` makes them\n".to_owned());
    }
    let mut rows = vec![["PURPOSE", "KEY ID", "ALGORITHM"].map(str::to_owned)];
    rows.extend(
        facts
            .iter()
            .map(|key| [key.purpose, key.kid, key.algorithm].map(str::to_owned)),
    );
    Ok(columns("", &rows))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::StorageSettings;
    use crate::observe::Audit;
    use crate::observe::metrics::Events;
    use crate::store;
    use crate::store::keys::load_or_create;

    #[tokio::test]
    async fn keys_are_named_and_not_shown() {
        let store = store::open(&StorageSettings::Memory, Arc::new(SystemClock));
        let store = store.await.unwrap();
        let audit = Audit::open(None, Arc::new(SystemClock), Events::unregistered()).unwrap();
        let admin = Administrator::at_command_line(&store, audit);
        let empty = list(false, &admin).await.unwrap();
        assert!(empty.contains("`vestibule serve` makes them"), "{empty}");
        assert_eq!(list(true, &admin).await.unwrap(), "[]\n");

        let made = load_or_create(&*store.directory, &store.master);
        made.await.unwrap();
        let table = list(false, &admin).await.unwrap();
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines.len(), 5, "{table}");
        assert!(lines.contains(&vec!["refresh_mac", "1", "HMAC-SHA256"]));
        let json: serde_json::Value =
            serde_json::from_str(&list(true, &admin).await.unwrap()).unwrap();
        for key in json.as_array().unwrap() {
            let names: Vec<&String> = key.as_object().unwrap().keys().collect();
            assert_eq!(names, ["algorithm", "kid", "purpose"]);
        }
    }
}
