//! What does an import change about who may sign in, and about who is in which group?

use std::collections::BTreeSet;

use crate::admin::import::Said;
use crate::identity::{GroupName, User};

/// What it changes about one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Whether they may sign in.
    pub state: State,
    /// The groups they get into.
    pub gained: Vec<GroupName>,
    /// The groups they get out of.
    pub lost: Vec<GroupName>,
}

/// Whether somebody may sign in after an import, and what has changed about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They were disabled here, and the file says that they are active.
    EnabledAgain,
    /// They were disabled here, and the file does not say that they are active.
    StaysDisabled,
    /// They might sign in here, and the file says that they may not.
    DisabledNow,
    /// They are new, and the file says that they may not.
    AddedDisabled,
    /// They may, and nothing is changed about that.
    Active,
}

impl Effect {
    /// Of a file that says this, about somebody who is here, or is new. `groups`: those they are in
    /// from now on; `None` leaves them as they are.
    pub(super) fn of(said: Said, groups: Option<&[GroupName]>, here: Option<&User>) -> Self {
        let before = here.map_or(&[][..], |user| &user.groups);
        let after = groups.unwrap_or(before);
        Self {
            state: State::of(said, here),
            gained: missing(before, after),
            lost: missing(after, before),
        }
    }
}

impl State {
    /// An administrator may have disabled somebody since: only what is said outright undoes that.
    fn of(said: Said, here: Option<&User>) -> Self {
        let was_disabled = here.map(|user| user.disabled);
        match (was_disabled, said) {
            (Some(true), Said::Active) => Self::EnabledAgain,
            (Some(true), Said::Nothing | Said::Disabled) => Self::StaysDisabled,
            (Some(false), Said::Disabled) => Self::DisabledNow,
            (None, Said::Disabled) => Self::AddedDisabled,
            (Some(false) | None, Said::Active | Said::Nothing) => Self::Active,
        }
    }

    /// What is to be set; `None` leaves it as it is, whatever becomes of it meanwhile.
    pub(super) const fn to_set(self) -> Option<bool> {
        match self {
            Self::EnabledAgain => Some(false),
            Self::DisabledNow | Self::AddedDisabled => Some(true),
            Self::StaysDisabled | Self::Active => None,
        }
    }
}

/// What the second has and the first has not, each once and in order.
fn missing(from: &[GroupName], of: &[GroupName]) -> Vec<GroupName> {
    let from: BTreeSet<&GroupName> = from.iter().collect();
    let of: BTreeSet<&GroupName> = of.iter().collect();
    of.difference(&from).copied().cloned().collect()
}
