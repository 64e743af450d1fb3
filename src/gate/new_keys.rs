//! A token names a key that nobody here knows: has another process made it a moment ago?

use http::request::Parts;

use super::Judged;
use crate::authenticate::Credentials;
use crate::gate::notes::Notes;
use crate::gate::renewing::Renewing;
use crate::gateway::Gateway;
use crate::identity::Visitor;
use crate::policy::Rule;
use crate::request::RequestFacts;

/// What is judged of a request by all keys that there are: where one is lacking, new ones are looked for
/// first.
pub(super) async fn judge(
    gateway: &Gateway,
    facts: &RequestFacts,
    parts: &Parts,
    notes: &mut Notes,
) -> Result<Judged, Box<Renewing>> {
    let judged = super::judge(gateway, facts, parts, notes);
    if !notes.lacks_key {
        return judged;
    }
    drop(judged);
    gateway.key_search.look().await;
    *notes = Notes::default();
    super::judge(gateway, facts, parts, notes)
}

/// Whether these credentials name a key that nobody here knows, and it matters who they say is asking.
pub(super) fn are_lacking(
    gateway: &Gateway,
    rule: &Rule,
    found: Credentials<'_>,
    visitor: &Visitor,
) -> bool {
    // Public routes take no notice of cookies.
    let is_noticed = !matches!((rule, found), (Rule::Anyone, Credentials::Cookies(_)));
    is_noticed && gateway.authenticator.lacks_key(found, visitor)
}
