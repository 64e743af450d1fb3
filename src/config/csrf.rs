//! `[csrf]`: whose pages, besides our own, may send requests that change something.

use crate::policy::TrustedOrigins;

use super::section::Section;
use super::server::origin;

pub(super) fn read(mut section: Section<'_>) -> TrustedOrigins {
    let origins = section.list("trusted_origins", &[], origin);
    section.finish();
    TrustedOrigins(origins.unwrap_or_default())
}
