//! Every half second: what have other processes ended, and which keys are there? Commands work on the
//! store, not on us.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::server::current::Current;

/// What is ended elsewhere is to be refused here a second later, with some time to spare.
const EVERY: Duration = Duration::from_millis(500);

/// Reads the revocation log on, for as long as the runtime lives.
pub(super) async fn run(current: Arc<Current>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        ticks.tick().await;
        match current.gateway().catch_up().await {
            Ok(()) if is_failing => {
                is_failing = false;
                tracing::info!("the store tells again what was ended and which keys there are");
            }
            Ok(()) => {}
            Err(_) if is_failing => {}
            Err(error) => {
                is_failing = true;
                let error: &(dyn Error + 'static) = &error;
                tracing::error!(
                    error,
                    "the store does not tell what was ended and which keys there are"
                );
            }
        }
    }
}
