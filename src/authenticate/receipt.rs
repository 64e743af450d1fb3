//! Has the client kept the refresh token it was given last? An access token that came with it says so.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::clock::Timestamp;
use crate::session::Claims;
use crate::session::judge::proves_receipt;
use crate::store::{Sessions, StoreError};

/// An access token whose signature was checked.
pub(super) struct Verified {
    pub(super) claims: Arc<Claims>,
    /// With which key ring.
    pub(super) ring: u64,
    /// Nothing is left to be noted about its refresh token, or somebody is about to.
    noted: AtomicBool,
}

impl Verified {
    pub(super) const fn new(claims: Arc<Claims>, ring: u64) -> Self {
        Self {
            claims,
            ring,
            noted: AtomicBool::new(false),
        }
    }
}

/// Notes in the store which refresh tokens have been received, behind the requests' backs.
pub struct Receipts {
    sessions: Arc<dyn Sessions>,
    grace: Duration,
    runtime: Handle,
}

impl Receipts {
    /// Writes on `runtime`.
    pub fn new(sessions: Arc<dyn Sessions>, grace: Duration, runtime: Handle) -> Self {
        Self {
            sessions,
            grace,
            runtime,
        }
    }

    /// This access token was accepted. Once for each, and once more where the store failed.
    pub(super) fn note(&self, verified: &Arc<Verified>, now: Timestamp) {
        let claims = &verified.claims;
        let tells = claims.generation > 1 && now >= claims.issued_at + self.grace;
        if !tells
            || verified.noted.load(Ordering::Relaxed)
            || verified.noted.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let (sessions, verified, grace) =
            (Arc::clone(&self.sessions), Arc::clone(verified), self.grace);
        self.runtime.spawn(async move {
            let done = confirm(&*sessions, &verified.claims, grace).await;
            if let Err(error) = &done {
                let error: &(dyn Error + 'static) = error;
                // Whoever asks the store next tells of it; this would be a line a request.
                tracing::debug!(
                    error,
                    "it could not be noted that a refresh token was received"
                );
            }
            verified
                .noted
                .store(done.unwrap_or(false), Ordering::Relaxed);
        });
    }
}

/// By the store's own clock. Whether nothing is left to be noted.
async fn confirm(
    sessions: &dyn Sessions,
    claims: &Claims,
    grace: Duration,
) -> Result<bool, StoreError> {
    let Some(loaded) = sessions.load(claims.session).await? else {
        return Ok(true);
    };
    let (row, now) = (loaded.row, loaded.now);
    if row.generation != claims.generation || row.confirmed_at.is_some() {
        return Ok(true);
    }
    let proved = proves_receipt(&row, claims.generation, claims.issued_at, now, grace);
    if proved {
        sessions.confirm(row.id, row.generation, now).await?;
    }
    Ok(proved)
}
