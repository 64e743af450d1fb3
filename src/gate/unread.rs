//! What becomes of the body of a request that was answered without it?

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::task::spawn_local;
use tokio::time::timeout;

/// More than this is not read for nothing.
const MOST_BYTES: usize = 256 * 1024;
/// Nor is it waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the rest of the body and drops it, within bounds: a connection that is closed while bytes
/// still come is reset, and the answer may be lost with it. `false`: it is not read, and the
/// connection closes.
pub(super) fn read_off(mut body: Incoming, awaits_leave: bool) -> bool {
    if body.is_end_stream() {
        return true;
    }
    // Whoever waits for 100 (Continue) has not sent it, and must not be asked for it now.
    if awaits_leave || body.size_hint().lower() > MOST_BYTES as u64 {
        return false;
    }
    spawn_local(async move {
        let mut read = 0;
        let reading = async {
            while let Some(Ok(frame)) = body.frame().await {
                read += frame.data_ref().map_or(0, |data| data.len());
                if read > MOST_BYTES {
                    return;
                }
            }
        };
        // What has not come by then does not count: dropping the body closes the connection.
        let _ = timeout(PATIENCE, reading).await;
    });
    true
}
