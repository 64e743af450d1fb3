//! Where do the users to import come from? A file, a database, or standard input; and which kind is it?

use std::fs::{self, File};
use std::io::{Read, stdin};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail, ensure};

use crate::admin::import::{
    Format, Reading, Unreadable, as_text, guess, read as read_text, read_database, with_groups,
};
use crate::cli::import::Import;
use crate::cli::output;

/// The most that is read of a file. Databases may be larger.
const MOST_BYTES: u64 = 512 << 20;

/// What was read, and from where.
pub(super) struct Input {
    /// What it is called, as it is.
    pub(super) file: String,
    pub(super) format: Format,
    pub(super) is_guessed: bool,
    /// Of a database.
    pub(super) table: Option<String>,
    pub(super) reading: Reading,
}

impl Input {
    /// What messages call the file.
    pub(super) fn shown_file(&self) -> String {
        output::shown(&self.file)
    }

    /// Where in the file this is.
    pub(super) fn at(&self, place: usize) -> String {
        let file = self.shown_file();
        match &self.table {
            None => format!("{file}:{place}"),
            Some(table) => format!("{file}: {}: row {place}", output::shown(table)),
        }
    }
}

/// Reads the users that the command asks for.
pub(super) fn read(asked: &Import) -> anyhow::Result<Input> {
    let is_stdin = asked.file.as_os_str() == "-";
    let name = match is_stdin {
        true => "standard input".to_owned(),
        false => asked.file.display().to_string(),
    };
    let file = output::shown(&name);
    if !is_stdin {
        warn_of_others(&asked.file, &file)?;
        let is_database = || begins_like_a_database(&asked.file);
        if asked.format == Some(Format::Sqlite) || asked.format.is_none() && is_database()? {
            return database(asked, name);
        }
    }
    let contents = match is_stdin {
        true => all_of(stdin().lock()),
        false => all_of(File::open(&asked.file)?),
    };
    let contents = contents.with_context(|| format!("cannot read {file}"))?;
    let format = asked.format.or_else(|| guess(&contents));
    let format = format.ok_or_else(|| {
        let known = Format::ALL.map(Format::as_str).join(", ");
        match as_text(&contents) {
            Ok(_) => anyhow!("{file}: this looks like none of {known}: say which with --format"),
            Err(error) => told(&file, error),
        }
    })?;
    ensure!(
        asked.table.is_none(),
        "--table is for SQLite databases, and {file} is {}",
        format.as_str()
    );
    ensure!(
        asked.columns.is_empty() || format != Format::Htpasswd,
        "--columns is for files with columns, and an htpasswd file has none"
    );
    let text = as_text(&contents).map_err(|error| told(&file, error))?;
    let mut reading =
        read_text(format, text, &asked.columns).map_err(|error| told(&file, error))?;
    if let Some(groups) = &asked.groups_file {
        ensure!(
            format == Format::Htpasswd,
            "--groups-file is for htpasswd files, and {file} is {}",
            format.as_str()
        );
        add_groups(groups, &mut reading)?;
    }
    Ok(Input {
        file: name,
        format,
        is_guessed: asked.format.is_none(),
        table: None,
        reading,
    })
}

fn database(asked: &Import, name: String) -> anyhow::Result<Input> {
    let file = output::shown(&name);
    ensure!(
        asked.groups_file.is_none(),
        "--groups-file is for htpasswd files, and {file} is a database"
    );
    let read = read_database(&asked.file, asked.table.as_deref(), &asked.columns);
    let (table, reading) = read.map_err(|error| told(&file, error))?;
    Ok(Input {
        file: name,
        format: Format::Sqlite,
        is_guessed: asked.format.is_none(),
        table: Some(table),
        reading,
    })
}

fn add_groups(groups: &Path, reading: &mut Reading) -> anyhow::Result<()> {
    let file = output::shown(&groups.display().to_string());
    let contents = File::open(groups).map_err(anyhow::Error::from);
    let contents = contents.and_then(all_of);
    let contents = contents.with_context(|| format!("cannot read {file}"))?;
    let text = as_text(&contents).map_err(|error| told(&file, error))?;
    with_groups(reading, text).map_err(|error| told(&file, error))
}

fn all_of(input: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut contents = Vec::new();
    input.take(MOST_BYTES + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > MOST_BYTES {
        bail!(
            "it is larger than {} MiB: import it in parts",
            MOST_BYTES >> 20
        );
    }
    Ok(contents)
}

fn begins_like_a_database(path: &Path) -> anyhow::Result<bool> {
    let mut beginning = Vec::new();
    let file = File::open(path)?;
    file.take(16).read_to_end(&mut beginning)?;
    Ok(guess(&beginning) == Some(Format::Sqlite))
}

/// Hashes in a file that others can read are others' hashes.
fn warn_of_others(path: &Path, file: &str) -> anyhow::Result<()> {
    let facts = fs::metadata(path).with_context(|| format!("cannot read {file}"))?;
    ensure!(!facts.is_dir(), "{file} is a folder: name a file in it");
    let mode = facts.permissions().mode() & 0o777;
    if mode & 0o044 != 0 {
        output::remark(&format!(
            "warning: {file} holds password hashes, and others on this machine can read it \
             (mode {mode:03o}): chmod 600 {file}"
        ));
    }
    Ok(())
}

fn told(file: &str, error: Unreadable) -> anyhow::Error {
    let place = match error.line() {
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    };
    match error {
        // SQLite quotes the names in a database as they are.
        Unreadable::Sqlite(cause) => anyhow!(output::shown(&cause.to_string()))
            .context("the database cannot be read")
            .context(place),
        error => anyhow::Error::new(error).context(place),
    }
}
