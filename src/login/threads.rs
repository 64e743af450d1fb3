//! Threads that hash and do nothing else: they give way to all others, and a hash's memory is theirs to
//! use again.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::sync::oneshot;

use crate::identity::password::HashMemory;

type Job = Box<dyn FnOnce(&mut HashMemory) + Send>;

/// They end when this is dropped and what was begun is done.
pub(super) struct HashingThreads {
    jobs: Sender<Job>,
}

impl HashingThreads {
    /// As many as this.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..count {
            let waiting = Arc::clone(&waiting);
            let thread = thread::Builder::new().name("hashing".to_owned());
            thread.spawn(move || work(&waiting))?;
        }
        Ok(Self { jobs })
    }

    /// Does the work on one of them; `None` if it panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut HashMemory) -> T + Send + 'static,
    ) -> Option<T> {
        let (done, outcome) = oneshot::channel();
        let job = Box::new(move |memory: &mut HashMemory| {
            // Nobody may wait for it any more.
            let _ = done.send(work(memory));
        });
        self.jobs.send(job).ok()?;
        outcome.await.ok()
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    give_way();
    let mut memory = HashMemory::default();
    loop {
        let job = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(job) = job else {
            return;
        };
        // A job that panics takes its own outcome along, and nothing else.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut memory)));
    }
}

/// Whatever else has to be done is done first, at once: a low priority alone lets a thread have its slice
/// to the end, which is three milliseconds on two cores. Where the system does not allow it, they are as
/// quick as others.
fn give_way() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
}

#[cfg(test)]
mod tests {
    use thread_priority::unix::thread_schedule_policy;

    use super::*;

    #[tokio::test]
    async fn they_give_way_to_others_and_outlive_a_panic() {
        let threads = HashingThreads::start(1).unwrap();
        let before = thread_schedule_policy().unwrap();
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let policy = threads.run(|_| thread_schedule_policy().unwrap()).await;
        assert_eq!(policy, Some(idle));
        assert_eq!(thread_schedule_policy().unwrap(), before);
        assert_eq!(
            threads.run(|_| panic!("a hash that fails")).await,
            None::<()>
        );
        assert_eq!(threads.run(|_| 7).await, Some(7));
    }
}
