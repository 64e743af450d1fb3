//! Every half second: what must the store learn of failed sign-ins, and what was unlocked elsewhere?

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::server::current::Current;

/// A process that is killed forgets what was counted since.
const EVERY: Duration = Duration::from_millis(500);

/// Keeps failures, for as long as the runtime lives. Beside the follower of what was ended, which must
/// not wait for a disk that is slow to write.
pub(super) async fn run(current: Arc<Current>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        current.gateway().login.defence().keep_up().await;
    }
}
