//! What is done now and then: forgetting revocations, sessions and forms that nobody can need any more, and
//! putting new keys in the place of old ones.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::gateway::Gateway;
use crate::server::current::Current;

const EVERY: Duration = Duration::from_secs(600);

/// Cleans up every ten minutes, for as long as the runtime lives.
pub(super) async fn run(current: Arc<Current>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let gateway = current.gateway();
        gateway.revocations.forget_before(gateway.clock.now());
        gateway.login.defence().tidy();
        gateway.held_forms.forget_before(gateway.clock.now());
        sweep(&gateway).await;
        sweep_defences(&gateway).await;
        if let Err(error) = gateway.tend_keys().await {
            tracing::error!(%error, "keys that are due could not be made");
        }
    }
}

/// In small portions, so that no portion keeps a sign-in waiting.
async fn sweep(gateway: &Gateway) {
    loop {
        match gateway.sessions.sweep().await {
            Ok(0) => return,
            Ok(count) => tracing::debug!(count, "ended sessions were deleted"),
            Err(error) => {
                tracing::warn!(%error, "ended sessions could not be deleted");
                return;
            }
        }
    }
}

async fn sweep_defences(gateway: &Gateway) {
    loop {
        match gateway.defences.sweep_defences().await {
            Ok(0) => return,
            Ok(count) => tracing::debug!(count, "failures and devices of old were deleted"),
            Err(error) => {
                tracing::warn!(%error, "failures and devices of old could not be deleted");
                return;
            }
        }
    }
}
