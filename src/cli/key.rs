//! `vestibule key …`: the keys of this installation, but never what they are made of.

use clap::Subcommand;
use serde::Serialize;

use crate::cli::output::columns;
use crate::cli::{listing, output, storage};
use crate::config::StorageSettings;
use crate::store::{Directory, SealedKey};

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

/// A key for programs.
#[derive(Serialize)]
struct Facts<'k> {
    purpose: &'static str,
    kid: &'k str,
    algorithm: &'static str,
}

/// Opens the store and lists its keys.
pub(super) fn run(command: &Command, settings: &StorageSettings) -> anyhow::Result<()> {
    let store = storage::open(settings)?;
    let Command::List { json } = command;
    let said = storage::finish(list(*json, &*store.directory))?;
    output::print(&said)?;
    Ok(())
}

async fn list(json: bool, directory: &dyn Directory) -> anyhow::Result<String> {
    let keys = directory.keys().await?;
    let facts: Vec<Facts<'_>> = keys.iter().map(facts).collect();
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

fn facts(key: &SealedKey) -> Facts<'_> {
    Facts {
        purpose: key.purpose.as_str(),
        kid: &key.kid,
        algorithm: key.purpose.algorithm(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::store::keys::load_or_create;
    use crate::store::memory::MemoryStore;
    use crate::store::seal::MasterKey;

    #[tokio::test]
    async fn keys_are_named_and_not_shown() {
        let store = MemoryStore::new(Arc::new(SystemClock));
        let empty = list(false, &store).await.unwrap();
        assert!(empty.contains("`vestibule serve` makes them"), "{empty}");
        assert_eq!(list(true, &store).await.unwrap(), "[]\n");

        let master = MasterKey::ephemeral([1; 32]);
        load_or_create(&store, &master).await.unwrap();
        let table = list(false, &store).await.unwrap();
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines.len(), 5, "{table}");
        assert!(lines.contains(&vec!["refresh_mac", "1", "HMAC-SHA256"]));
        let json: serde_json::Value =
            serde_json::from_str(&list(true, &store).await.unwrap()).unwrap();
        for key in json.as_array().unwrap() {
            let names: Vec<&String> = key.as_object().unwrap().keys().collect();
            assert_eq!(names, ["algorithm", "kid", "purpose"]);
        }
    }
}
