//! Where does work run that must not be dropped with its request?

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The runtime beside the data threads, for work that must not be dropped with its request.
#[derive(Clone, Debug)]
pub struct Background(pub(super) Handle);

impl Background {
    /// On this runtime.
    pub const fn new(handle: Handle) -> Self {
        Self(handle)
    }

    /// Runs `work` to its end, whether or not anybody waits for it.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.spawn(work)
    }
}
