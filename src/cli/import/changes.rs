//! Who gets into which groups by an import, and who may sign in no more, or again?

use std::collections::BTreeMap;

use serde::Serialize;

use crate::admin::import::{State, Step};
use crate::cli::import::{MOST_LISTED, and_more};
use crate::cli::output::columns;
use crate::config::RouteSettings;
use crate::identity::{GroupName, UserName};
use crate::policy::Rule;

/// The most users of a group that are named for people.
const MOST_NAMED: usize = 5;

/// What changes besides passwords and names, as programs read it.
#[derive(Serialize)]
pub(super) struct Changes {
    groups_gained: Vec<Group>,
    groups_lost: Vec<Group>,
    named_in_rules: Vec<Named>,
    enabled_again: Vec<String>,
    stay_disabled: Vec<String>,
    disabled_now: Vec<String>,
    added_disabled: Vec<String>,
}

/// Who gets into a group, or out of it.
#[derive(Serialize)]
struct Group {
    group: String,
    users: Vec<String>,
    /// The routes whose rules name it.
    routes: Vec<String>,
}

/// Somebody who was not there to be let in, and whom rules name.
#[derive(Serialize)]
struct Named {
    user: String,
    /// The routes whose rules name them.
    routes: Vec<String>,
}

impl Changes {
    /// By these steps, where there are these routes.
    pub(super) fn of(steps: &[Step], routes: &[RouteSettings]) -> Self {
        let gained = steps.iter().map(|step| (&step.name, &step.effect.gained));
        let lost = steps.iter().map(|step| (&step.name, &step.effect.lost));
        let of_state = |state: State| {
            let theirs = steps.iter().filter(|step| step.effect.state == state);
            theirs.map(|step| step.name.to_string()).collect()
        };
        Self {
            groups_gained: groups(gained, routes),
            groups_lost: groups(lost, routes),
            named_in_rules: named_in_rules(steps, routes),
            enabled_again: of_state(State::EnabledAgain),
            stay_disabled: of_state(State::StaysDisabled),
            disabled_now: of_state(State::DisabledNow),
            added_disabled: of_state(State::AddedDisabled),
        }
    }

    /// For people; empty where nothing changes.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        text.push_str(&table("groups that they get into", &self.groups_gained));
        text.push_str(&table("groups that they get out of", &self.groups_lost));
        text.push_str(&openings(&self.named_in_rules));
        let enabled = "enabled again: disabled here, and the file says that they are active";
        // All of them: whoever was shut out is let in.
        text.push_str(&list(enabled, &self.enabled_again, usize::MAX));
        for (title, names) in [
            (
                "still disabled: disabled here, and the file does not say that they are active",
                &self.stay_disabled,
            ),
            (
                "disabled from now on, as the file has them",
                &self.disabled_now,
            ),
            (
                "new, and disabled, as the file has them",
                &self.added_disabled,
            ),
        ] {
            text.push_str(&list(title, names, MOST_LISTED));
        }
        text
    }
}

/// Those that rules name come first: they open something.
fn groups<'s>(
    steps: impl Iterator<Item = (&'s UserName, &'s Vec<GroupName>)>,
    routes: &[RouteSettings],
) -> Vec<Group> {
    let mut users: BTreeMap<&GroupName, Vec<String>> = BTreeMap::new();
    for (name, groups) in steps {
        for group in groups {
            users.entry(group).or_default().push(name.to_string());
        }
    }
    let groups = users.into_iter().map(|(group, users)| Group {
        group: group.to_string(),
        users,
        routes: naming(
            routes,
            |rule| matches!(rule, Rule::Members { groups, .. } if groups.contains(group)),
        ),
    });
    let mut groups: Vec<Group> = groups.collect();
    groups.sort_by_key(|group| group.routes.is_empty());
    groups
}

/// Those who are new, or enabled again, and who are in a rule by their own name: it has waited for
/// whoever comes with it.
fn named_in_rules(steps: &[Step], routes: &[RouteSettings]) -> Vec<Named> {
    let coming = steps
        .iter()
        .filter(|step| !step.is_update || step.effect.state == State::EnabledAgain);
    let named = coming.map(|step| Named {
        user: step.name.to_string(),
        routes: naming(
            routes,
            |rule| matches!(rule, Rule::Members { users, .. } if users.contains(&step.name)),
        ),
    });
    named.filter(|named| !named.routes.is_empty()).collect()
}

/// The routes whose rules are so.
fn naming(routes: &[RouteSettings], is_so: impl Fn(&Rule) -> bool) -> Vec<String> {
    let routes = routes.iter().map(|settings| &settings.route);
    let naming = routes.filter(|route| is_so(&route.rule));
    naming.map(|route| route.name.as_str().to_owned()).collect()
}

/// All of them: each name opens something.
fn openings(named: &[Named]) -> String {
    if named.is_empty() {
        return String::new();
    }
    let mut rows = vec![["USER", "NAMED IN THE RULE OF ROUTE"].map(str::to_owned)];
    rows.extend(
        named
            .iter()
            .map(|named| [named.user.clone(), named.routes.join(", ")]),
    );
    let table = columns("  ", &rows);
    format!(
        "\nnew or enabled again, and named in rules: {}\n{table}",
        named.len()
    )
}

fn table(title: &str, groups: &[Group]) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let mut rows = vec![["GROUP", "USERS", "WHO", "NAMED IN THE RULE OF ROUTE"].map(str::to_owned)];
    rows.extend(groups.iter().take(MOST_LISTED).map(|group| {
        let routes = match group.routes.as_slice() {
            [] => "-".to_owned(),
            routes => routes.join(", "),
        };
        [
            group.group.clone(),
            group.users.len().to_string(),
            named(&group.users),
            routes,
        ]
    }));
    let table = columns("  ", &rows);
    let more = and_more(groups.len(), MOST_LISTED);
    format!("\n{title}: {}\n{table}{more}", groups.len())
}

fn named(users: &[String]) -> String {
    let names = users.get(..MOST_NAMED).unwrap_or(users).join(", ");
    match users.len().saturating_sub(MOST_NAMED) {
        0 => names,
        more => format!("{names}, … and {more} more"),
    }
}

fn list(title: &str, names: &[String], most: usize) -> String {
    if names.is_empty() {
        return String::new();
    }
    let shown: Vec<&str> = names.iter().take(most).map(String::as_str).collect();
    let more = and_more(names.len(), most);
    format!("\n{title}: {}\n  {}\n{more}", names.len(), shown.join(", "))
}
