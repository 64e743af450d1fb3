//! A token names a key that nobody here knows: has another process made it a moment ago?

use http::request::Parts;

use super::Judged;
use crate::gate::notes::Notes;
use crate::gate::renewing::Renewing;
use crate::gateway::Gateway;
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
