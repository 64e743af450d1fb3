//! `[passwords]`: what a new password must be.

use crate::identity::password::PasswordRules;

use super::section::Section;
use super::value::number;

pub(super) fn read(mut section: Section<'_>) -> PasswordRules {
    let default = PasswordRules::default();
    let rules = PasswordRules {
        min_length: section.option("min_length", default.min_length, number(8..=64)),
    };
    section.finish();
    rules
}
