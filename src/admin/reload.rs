//! How does the admin API ask for the configuration to be read again?

use tokio::sync::{mpsc, oneshot};

use crate::config::Changes;

/// What became of it: what has changed, or why the old configuration stays in use.
pub type Reloaded = Result<Changes, String>;

/// Where somebody waits for that.
pub type Reload = oneshot::Sender<Reloaded>;

/// The way to whoever reloads.
#[derive(Clone, Debug)]
pub struct Reloads(mpsc::Sender<Reload>);

impl Reloads {
    /// A way, and its other end.
    pub fn new() -> (Self, mpsc::Receiver<Reload>) {
        let (asks, asked) = mpsc::channel(1);
        (Self(asks), asked)
    }

    /// Asks, and waits until it is done. `None`: the process ends.
    pub(super) async fn ask(&self) -> Option<Reloaded> {
        let (reload, reloaded) = oneshot::channel();
        self.0.send(reload).await.ok()?;
        reloaded.await.ok()
    }
}
