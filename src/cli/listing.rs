//! How users are shown to people: as a table, as a card; and what programs read.

use serde::Serialize;

use crate::admin::Standing;
use crate::cli::output::{columns, shown_json};
use crate::identity::{PasswordTerm, User};

/// One line a user, below a header.
pub(super) fn table(users: &[Standing]) -> String {
    let mut rows = vec![["NAME", "DISPLAY NAME", "EMAIL", "GROUPS", "STATUS"].map(str::to_owned)];
    rows.extend(users.iter().map(|standing| {
        let user = &standing.user;
        [
            user.name.to_string(),
            or_dash(user.display_name.as_ref()),
            or_dash(user.email.as_ref()),
            groups(user),
            status(standing),
        ]
    }));
    columns("", &rows)
}

/// One line a fact.
pub(super) fn card(standing: &Standing) -> String {
    let user = &standing.user;
    let password = match user.password_term {
        PasswordTerm::Lasting => "chosen".to_owned(),
        PasswordTerm::ChangeDue => "to be changed at the next sign-in".to_owned(),
        PasswordTerm::Temporary { until } => format!("temporary, until {until}"),
    };
    let rows = [
        ("name", user.name.to_string()),
        ("display name", or_dash(user.display_name.as_ref())),
        ("email", or_dash(user.email.as_ref())),
        ("groups", groups(user)),
        ("status", status(standing)),
        ("password", password),
        ("added", user.created_at.to_string()),
        ("id", user.id.to_string()),
    ];
    columns("", &rows.map(|(name, value)| [name.to_owned(), value]))
}

/// For programs: one object, or a list of them.
pub(super) fn json<T: Serialize>(value: &T) -> anyhow::Result<String> {
    Ok(shown_json(&serde_json::to_string_pretty(value)?) + "\n")
}

fn or_dash<T: ToString>(value: Option<&T>) -> String {
    value.map_or("-".to_owned(), T::to_string)
}

fn groups(user: &User) -> String {
    match user.groups.as_slice() {
        [] => "-".to_owned(),
        groups => groups
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(","),
    }
}

fn status(standing: &Standing) -> String {
    match standing.locked_until {
        _ if standing.user.disabled => "disabled".to_owned(),
        Some(until) => format!("locked until {until}"),
        None if standing.user.password_term.is_change_due() => "password change due".to_owned(),
        None => "active".to_owned(),
    }
}
