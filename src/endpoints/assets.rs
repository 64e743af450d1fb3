//! `GET /vestibule/assets/…`: what our pages are made of.

use super::{Answer, not_found};
use crate::gateway::Gateway;

/// The file of this name.
pub(super) fn show(gateway: &Gateway, name: &str) -> Answer {
    gateway.pages.asset(name).ok_or_else(not_found)
}
