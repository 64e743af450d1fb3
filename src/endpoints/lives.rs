//! Does a session live, by the store, at this moment?

use std::time::Duration;

use tokio::time::timeout;

use crate::gateway::Gateway;
use crate::identity::Known;
use crate::store::{Loaded, StoreError};

/// A store that takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the session lives, its user is enabled, and the token is of the present epoch.
///
/// # Errors
/// When the store does not tell.
pub async fn lives(gateway: &Gateway, known: &Known) -> Result<bool, StoreError> {
    let loaded = timeout(PATIENCE, gateway.sessions.load(known.session)).await;
    let loaded = loaded.map_err(|_| StoreError::Busy)??;
    Ok(loaded
        .filter(Loaded::is_live)
        .is_some_and(|loaded| loaded.row.user_epoch == known.session_epoch))
}
