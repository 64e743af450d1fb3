//! `vestibule user import`: the users of the app a team had come along, with their passwords.

mod changes;
mod input;
mod report;

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use crate::admin::Administrator;
use crate::admin::import::{Field, Format, Imported, OnConflict, Plan, Step, Wishes, wrap};
use crate::cli::import::changes::Changes;
use crate::cli::import::input::Input;
use crate::cli::import::report::{Found, Report};
use crate::cli::output;
use crate::config::Config;
use crate::identity::GroupName;

/// The most groups, and users of a kind, that are listed for people.
const MOST_LISTED: usize = 20;

const EXAMPLES: &str = "\
Look first with --dry-run: it changes nothing and says who would be imported, by which kind of
hash, into which groups, who is disabled or enabled again, and what is in the way. Then all are
imported, or nobody.

Flask on SQLite:
  vestibule user import instance/app.db --table user --dry-run
Django:
  python manage.py dumpdata auth.user auth.group > users.json
  vestibule user import users.json --dry-run
Apache or nginx:
  vestibule user import /etc/apache2/.htpasswd --groups-file /etc/apache2/groups --dry-run
PostgreSQL:
  psql app -c 'COPY (SELECT username, password, email FROM users) TO STDOUT CSV HEADER' > u.csv
  vestibule user import u.csv --dry-run
MySQL, MariaDB:
  mysql --batch -e 'SELECT username, password, email FROM users' app > u.tsv
  vestibule user import u.tsv --dry-run
Anything else: a table whose first row is such as username,password,email,groups,active, or an
object of JSON a user with such members. Several groups are separated by ; or |. Of columns such
as active, enabled, disabled and banned, one that shuts somebody out is enough.

What stands under password are hashes, never passwords. Where people sign in with their address,
name its column: --columns name=email. Remove the file when the import is done.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Import {
    /// Where the users are; - is standard input.
    file: PathBuf,
    /// What the file is, where its contents do not tell.
    #[arg(long, value_parser = PossibleValuesParser::new(Format::ALL.map(Format::as_str)).try_map(format))]
    format: Option<Format>,
    /// The table of an SQLite database, where it has several of users.
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// Which column is what, where its name does not tell: name, password, email, display_name,
    /// first_name, last_name, groups, active, disabled. Several may be active, or disabled: once one
    /// is named, only those that are named count, so name them all.
    #[arg(long, value_name = "WHAT=COLUMN,…", value_delimiter = ',', value_parser = column)]
    columns: Vec<(Field, String)>,
    /// Apache's file of groups, for an htpasswd file.
    #[arg(long, value_name = "FILE")]
    groups_file: Option<PathBuf>,
    /// A group for everybody who is imported, besides their own; repeat it for more.
    #[arg(long = "group", value_name = "GROUP", value_parser = GroupName::parse)]
    groups: Vec<GroupName>,
    /// What becomes of users who are here already: fail refuses them, skip leaves them as they are,
    /// update gives them the password and the facts of the file and ends their sessions. Who is
    /// disabled here stays so, unless a column of the file says that they are active.
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "fail",
        value_parser = PossibleValuesParser::new(["fail", "skip", "update"]).map(on_conflict)
    )]
    on_conflict: OnConflict,
    /// Import users without a hash that can be checked, too: nobody signs in as them until
    /// `vestibule user passwd NAME --temporary` gives them a password.
    #[arg(long)]
    without_password: bool,
    /// Import the others where some are refused, in the place of nobody.
    #[arg(long)]
    skip_refused: bool,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Reads, plans and, where nothing is in the way, imports; what there is to say about it.
pub(super) async fn run(
    asked: &Import,
    config: &Config,
    admin: &Administrator,
) -> anyhow::Result<String> {
    let mut input = input::read(asked)?;
    let wishes = Wishes {
        groups: asked.groups.clone(),
        on_conflict: asked.on_conflict,
        without_password: asked.without_password,
    };
    let reading = std::mem::take(&mut input.reading);
    let found = Found::of(&reading);
    let mut plan = admin.plan_import(reading, &wishes).await?;
    let report = Report {
        input: &input,
        is_dry: asked.dry_run,
        found,
        changes: Changes::of(&plan.steps, &config.routes),
        cost: config.hashing.cost,
    };
    let is_stopped = !plan.refused.is_empty() && !asked.skip_refused;
    let done = if is_stopped || asked.dry_run || plan.steps.is_empty() {
        None
    } else {
        Some(carry_out(std::mem::take(&mut plan.steps), config, admin).await?)
    };
    let said = match asked.json {
        true => report.to_json(&plan, done)?,
        false => report.to_text(&plan, done),
    };
    if is_stopped {
        output::print(&said)?;
        bail!("{}", stopped(&input, &plan, asked.dry_run));
    }
    Ok(said)
}

async fn carry_out(
    mut steps: Vec<Step>,
    config: &Config,
    admin: &Administrator,
) -> anyhow::Result<Imported> {
    let policy = admin.hash_policy(config.hashing, &config.keys).await?;
    let weak = steps.iter().filter(|step| step.needs_wrapping()).count();
    wrap(&mut steps, &policy, &|done| progress(done, weak));
    Ok(admin.import(steps, &policy).await?)
}

/// Says each tenth of what takes longer than a moment.
fn progress(done: usize, all: usize) {
    const A_MOMENT: usize = 100;
    let step = all.div_ceil(10);
    if all >= A_MOMENT && (done.is_multiple_of(step) || done == all) {
        output::remark(&format!("put {done} of {all} weak hashes inside Argon2id"));
    }
}

/// The last line of a list of so many, of which at most `listed` stand above it.
fn and_more(all: usize, listed: usize) -> String {
    match all.saturating_sub(listed) {
        0 => String::new(),
        more => format!("  … and {more} more; --json tells all\n"),
    }
}

fn stopped(input: &Input, plan: &Plan, is_dry: bool) -> String {
    let would = if is_dry { "would be" } else { "was" };
    let (refused, file) = (plan.refused.len(), input.shown_file());
    let others = match plan.steps.len() {
        0 => "",
        _ => ". --skip-refused imports the others",
    };
    format!("nobody {would} imported: {refused} in {file} refused{others}")
}

fn format(name: String) -> Result<Format, &'static str> {
    let mut all = Format::ALL.into_iter();
    all.find(|format| format.as_str() == name).ok_or("unknown")
}

fn on_conflict(name: String) -> OnConflict {
    match name.as_str() {
        "skip" => OnConflict::Skip,
        "update" => OnConflict::Update,
        _ => OnConflict::Fail,
    }
}

fn column(pair: &str) -> Result<(Field, String), String> {
    let (field, column) = pair
        .split_once('=')
        .ok_or("write it as name=COLUMN".to_owned())?;
    let known = Field::parse(field.trim());
    let known = known.ok_or_else(|| format!("{field} is nothing that is kept of a user"))?;
    Ok((known, column.trim().to_owned()))
}
