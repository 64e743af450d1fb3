//! What an import did, or would do: for people, and as JSON for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::admin::import::{Fate, Field, Imported, Matter, Plan, Reading, Step, wrapped_at_once};
use crate::cli::import::changes::Changes;
use crate::cli::import::input::Input;
use crate::cli::import::{MOST_LISTED, and_more};
use crate::cli::output::{columns, shown};
use crate::cli::{listing, user};
use crate::identity::password::Argon2Cost;

/// What one hash of the usual cost takes, in milliseconds.
const HASH_MILLIS: u64 = 20;

/// What there is to say: what was found, and what comes of it.
pub(super) struct Report<'i> {
    pub(super) input: &'i Input,
    pub(super) is_dry: bool,
    pub(super) found: Found,
    pub(super) changes: Changes,
    /// Of the hashes that weak ones are put inside.
    pub(super) cost: Argon2Cost,
}

/// What is known about the file before the plan is made of it.
pub(super) struct Found {
    users: usize,
    used: Vec<(Field, String)>,
    unused: Vec<String>,
    left_out: Vec<String>,
    others: Vec<(String, usize)>,
}

/// The report as programs read it.
#[derive(Serialize)]
struct Facts<'r> {
    file: &'r str,
    format: &'static str,
    format_guessed: bool,
    table: Option<&'r str>,
    columns: BTreeMap<&'static str, Vec<&'r str>>,
    unused_columns: &'r [String],
    left_out_columns: &'r [String],
    other_records: BTreeMap<&'r str, usize>,
    dry_run: bool,
    imported: bool,
    added: usize,
    updated: usize,
    schemes: Vec<SchemeFacts>,
    #[serde(flatten)]
    changes: &'r Changes,
    skipped: Vec<MatterFacts<'r>>,
    refused: Vec<MatterFacts<'r>>,
}

#[derive(Serialize)]
struct SchemeFacts {
    scheme: Option<&'static str>,
    users: usize,
    password: &'static str,
    /// Too weak to be kept as it is: it is hashed once more.
    weak: bool,
    reason: Option<String>,
}

#[derive(Serialize)]
struct MatterFacts<'r> {
    place: usize,
    name: Option<&'r str>,
    reasons: Vec<String>,
}

impl Found {
    pub(super) fn of(reading: &Reading) -> Self {
        Self {
            users: reading.records.len() + reading.faults.len(),
            used: reading.used.clone(),
            unused: reading.unused.clone(),
            left_out: reading.left_out.clone(),
            others: reading.others.clone(),
        }
    }
}

impl Report<'_> {
    /// For people. `done` is what was done, where something was.
    pub(super) fn to_text(&self, plan: &Plan, done: Option<Imported>) -> String {
        let mut text = self.heading();
        if !plan.fates.is_empty() {
            text.push('\n');
            text.push_str(&passwords(plan));
        }
        text.push_str(&self.changes.to_text());
        text.push_str(&self.listed("here already, and left as they are", &plan.skipped));
        text.push_str(&self.listed("refused", &plan.refused));
        text.push_str(&remedies(&plan.refused));
        text.push('\n');
        text.push_str(&self.outcome(plan, done));
        text
    }

    /// For programs: in a dry run, and where some are refused, `added` and `updated` are those who
    /// would be imported, and `imported` is false.
    pub(super) fn to_json(&self, plan: &Plan, done: Option<Imported>) -> anyhow::Result<String> {
        let counts = done.unwrap_or_else(|| counts(&plan.steps));
        let mut columns: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (field, column) in &self.found.used {
            columns.entry(field.as_str()).or_default().push(column);
        }
        let others = self.found.others.iter();
        listing::json(&Facts {
            file: &self.input.file,
            format: self.input.format.as_str(),
            format_guessed: self.input.is_guessed,
            table: self.input.table.as_deref(),
            columns,
            unused_columns: &self.found.unused,
            left_out_columns: &self.found.left_out,
            other_records: others
                .map(|(what, count)| (what.as_str(), *count))
                .collect(),
            dry_run: self.is_dry,
            imported: done.is_some(),
            added: counts.added,
            updated: counts.updated,
            schemes: plan.fates.iter().map(scheme_facts).collect(),
            changes: &self.changes,
            skipped: plan.skipped.iter().map(matter_facts).collect(),
            refused: plan.refused.iter().map(matter_facts).collect(),
        })
    }

    fn heading(&self) -> String {
        let (file, format) = (self.input.shown_file(), self.input.format);
        let table = self.input.table.as_ref();
        let table = table.map_or(String::new(), |table| format!(", table {}", shown(table)));
        let guessed = match self.input.is_guessed {
            true => " (guessed; --format says otherwise)",
            false => "",
        };
        let mut text = format!(
            "{file}: {}, read as {}{guessed}{table}\n",
            counted(self.found.users, "user"),
            format.as_str(),
        );
        let pairs = self.found.used.iter();
        let pairs = pairs.map(|(field, column)| format!("{} = {}", field.as_str(), shown(column)));
        let pairs: Vec<String> = pairs.collect();
        if !pairs.is_empty() {
            text.push_str(&format!("  taken: {}\n", pairs.join(", ")));
        }
        for (title, columns) in [
            (
                "left out, as --columns names others of their kind",
                &self.found.left_out,
            ),
            ("not needed", &self.found.unused),
        ] {
            if !columns.is_empty() {
                text.push_str(&format!("  {title}: {}\n", shown(&columns.join(", "))));
            }
        }
        for (what, count) in &self.found.others {
            let what = shown(what);
            text.push_str(&format!("  no users, and left alone: {count} {what}\n"));
        }
        text
    }

    fn listed(&self, title: &str, matters: &[Matter]) -> String {
        if matters.is_empty() {
            return String::new();
        }
        let mut text = format!("\n{title}: {}\n", matters.len());
        for matter in matters.iter().take(MOST_LISTED) {
            let name = matter.name.as_ref();
            let name = name.map_or(String::new(), |name| format!(" {}:", shown(name)));
            let at = self.input.at(matter.place);
            let why = shown(&reasons(matter).join("; "));
            text.push_str(&format!("  {at}:{name} {why}\n"));
        }
        text.push_str(&and_more(matters.len(), MOST_LISTED));
        text
    }

    fn outcome(&self, plan: &Plan, done: Option<Imported>) -> String {
        if let Some(Imported { added, updated }) = done {
            let ended = match updated {
                0 => String::new(),
                _ => format!(
                    "the sessions of those whose password or state was set anew have ended: {}\n",
                    user::ENDED
                ),
            };
            return format!(
                "added {}, updated {updated}, left alone {}, refused {}\n{ended}",
                counted(added, "user"),
                plan.skipped.len(),
                plan.refused.len(),
            );
        }
        let Imported { added, updated } = counts(&plan.steps);
        let (skipped, refused) = (plan.skipped.len(), plan.refused.len());
        let mut text = format!(
            "{} can be added, {updated} updated, {skipped} left alone, {refused} refused\n",
            counted(added, "user"),
        );
        let weak = plan.steps.iter().filter(|step| step.needs_wrapping());
        if let weak @ 1.. = weak.count() {
            let seconds = seconds(weak.div_ceil(wrapped_at_once(self.cost)), self.cost);
            text.push_str(&format!(
                "weak hashes to put inside Argon2id: {weak} (takes some {seconds} s)\n"
            ));
        }
        if self.is_dry {
            text.push_str("nothing was changed: this was a dry run\n");
        }
        text
    }
}

/// Kinds of hashes, the most frequent first.
fn passwords(plan: &Plan) -> String {
    let mut fates = plan.fates.clone();
    fates.sort_by_key(|(_, users)| std::cmp::Reverse(*users));
    let mut rows = vec![["SCHEME", "USERS", "THE OLD PASSWORD"].map(str::to_owned)];
    rows.extend(fates.iter().map(|(fate, users)| {
        let (scheme, becomes) = match fate {
            Fate::Works { scheme, is_weak } => {
                let weak = match is_weak {
                    true => "; the hash is weak, and is kept inside Argon2id",
                    false => "",
                };
                (scheme.as_str(), format!("goes on to work{weak}"))
            }
            Fate::Lost(unfit) => ("-", format!("does not work any more: {unfit}")),
            Fate::Refused(unfit) => ("-", format!("refused: {unfit}")),
        };
        [scheme.to_owned(), users.to_string(), becomes]
    }));
    columns("", &rows)
}

/// What can be done about those who are refused, each said once.
fn remedies(refused: &[Matter]) -> String {
    let causes = refused.iter().flat_map(|matter| &matter.causes);
    let mut said: Vec<&str> = Vec::new();
    for remedy in causes.filter_map(|cause| cause.remedy()) {
        if !said.contains(&remedy) {
            said.push(remedy);
        }
    }
    match said.as_slice() {
        [] => String::new(),
        said => format!("\nwhat to do:\n  {}\n", said.join("\n  ")),
    }
}

fn counts(steps: &[Step]) -> Imported {
    let updated = steps.iter().filter(|step| step.is_update).count();
    Imported {
        added: steps.len().saturating_sub(updated),
        updated,
    }
}

fn scheme_facts((fate, users): &(Fate, usize)) -> SchemeFacts {
    let (scheme, password, weak, reason) = match fate {
        Fate::Works { scheme, is_weak } => (Some(scheme.as_str()), "works", *is_weak, None),
        Fate::Lost(unfit) => (None, "lost", false, Some(unfit.to_string())),
        Fate::Refused(unfit) => (None, "refused", false, Some(unfit.to_string())),
    };
    SchemeFacts {
        scheme,
        users: *users,
        password,
        weak,
        reason,
    }
}

fn matter_facts(matter: &Matter) -> MatterFacts<'_> {
    MatterFacts {
        place: matter.place,
        name: matter.name.as_deref(),
        reasons: reasons(matter),
    }
}

fn reasons(matter: &Matter) -> Vec<String> {
    matter.causes.iter().map(ToString::to_string).collect()
}

/// What so many hashes take, one after the other: it grows with their memory and with the passes over
/// it.
fn seconds(hashes: usize, cost: Argon2Cost) -> u64 {
    let work = |cost: Argon2Cost| u64::from(cost.memory_kib) * u64::from(cost.passes);
    let hashes = u64::try_from(hashes).unwrap_or(u64::MAX);
    let millis = hashes.saturating_mul(HASH_MILLIS);
    let usual = work(Argon2Cost::default());
    millis.saturating_mul(work(cost)).div_ceil(1000 * usual)
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hashing_takes_grows_with_its_cost() {
        let usual = Argon2Cost::default();
        let costly = Argon2Cost {
            memory_kib: usual.memory_kib * 8,
            passes: usual.passes * 2,
            ..usual
        };
        assert_eq!(seconds(1, usual), 1);
        assert_eq!(seconds(1000, usual), 20);
        assert_eq!(seconds(1000, costly), 320);
        assert!(seconds(usize::MAX, costly) > 0);
    }
}
