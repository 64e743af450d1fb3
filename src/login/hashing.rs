//! Password hashing off the request threads, a bounded number at a time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::identity::password::{HashMemory, HashPolicy, Pepper};
use crate::identity::{PasswordHash, Secret};
use crate::login::threads::HashingThreads;
use crate::random;

/// How many may wait for a hash.
const MOST_WAITING: usize = 64;
/// How many from known devices may wait beside them.
const MOST_KNOWN_WAITING: usize = 16;
/// How long each may wait.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Too many sign-ins at once: answer 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many sign-ins are waiting")]
pub struct Busy;

/// Hashes and checks passwords on threads of its own.
#[derive(Clone)]
pub struct Hasher {
    runtime: Handle,
    threads: Arc<HashingThreads>,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// A place that strangers cannot take: a flood of them must not keep out who is known.
    reserved: Arc<Semaphore>,
    known_waiting: Arc<Semaphore>,
    #[cfg(test)]
    hashes: Arc<std::sync::atomic::AtomicUsize>,
}

/// Whose password is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// That of anybody.
    Strangers,
    /// That of an account which was signed in on this device before.
    Known,
}

impl Hasher {
    /// At most `at_once` hashes run and 64 wait, each for at most 2 s; one of a known device goes before
    /// all that wait. What is to be done beside a sign-in runs on `runtime`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(runtime: Handle, at_once: usize) -> io::Result<Self> {
        let at_once = at_once.max(1);
        Ok(Self {
            runtime,
            threads: Arc::new(HashingThreads::start(at_once)?),
            running: Arc::new(Semaphore::new(at_once)),
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
            reserved: Arc::new(Semaphore::new(1)),
            known_waiting: Arc::new(Semaphore::new(MOST_KNOWN_WAITING)),
            #[cfg(test)]
            hashes: Arc::default(),
        })
    }

    /// One for tests, on the runtime that they run on.
    #[cfg(test)]
    pub(super) fn here() -> Self {
        Self::new(Handle::current(), 2).unwrap()
    }

    /// One that is busy whenever it is asked to hash: it shows who asks.
    #[cfg(test)]
    pub(super) fn full() -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(0)),
            known_waiting: Arc::new(Semaphore::new(0)),
            ..Self::here()
        }
    }

    /// The runtime for what is done beside a sign-in.
    pub(super) const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// How many were made.
    #[cfg(test)]
    pub(super) fn hashes(&self) -> usize {
        self.hashes.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Whether the password fits, with this pepper where the hash is peppered.
    pub async fn fits(
        &self,
        hash: PasswordHash,
        password: Secret<String>,
        pepper: Pepper,
        queue: Queue,
    ) -> Result<bool, Busy> {
        self.run(queue, move |memory| {
            hash.fits_in(memory, &password, Some(&pepper))
        })
        .await
    }

    /// The hash of a new password.
    pub async fn hash(
        &self,
        password: Secret<String>,
        policy: HashPolicy,
        queue: Queue,
    ) -> Result<PasswordHash, Busy> {
        let salt = random::bytes();
        let hash =
            move |memory: &mut HashMemory| PasswordHash::made_in(memory, &password, &policy, &salt);
        self.run(queue, hash).await
    }

    /// Whether there is no place left to wait in: then nothing needs to be looked up, either.
    pub fn is_full(&self, queue: Queue) -> bool {
        self.places(queue).available_permits() == 0
    }

    fn places(&self, queue: Queue) -> &Semaphore {
        match queue {
            Queue::Strangers => &self.waiting,
            Queue::Known => &self.known_waiting,
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        queue: Queue,
        work: impl Fn(&mut HashMemory) -> T + Send + Sync + 'static,
    ) -> Result<T, Busy> {
        let place = self.places(queue).try_acquire().map_err(|_| Busy)?;
        let permit = timeout(LONGEST_WAIT, self.permit(queue)).await;
        let permit = permit.map_err(|_| Busy)?.map_err(|_| Busy)?;
        drop(place);
        #[cfg(test)]
        self.hashes
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // Held until the work is done, even if nobody waits for it any more.
        self.threads.run(permit, work).await.ok_or(Busy)
    }

    /// Whoever is known takes the reserved place, or any other that is free before it.
    async fn permit(&self, queue: Queue) -> Result<OwnedSemaphorePermit, AcquireError> {
        let any = Arc::clone(&self.running).acquire_owned();
        match queue {
            Queue::Strangers => any.await,
            Queue::Known => {
                let reserved = Arc::clone(&self.reserved).acquire_owned();
                tokio::select! {
                    permit = any => permit,
                    permit = reserved => permit,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use super::*;

    fn paused() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    }

    #[test]
    fn no_more_hashes_give_way_beside_each_other_than_may_run_at_once() {
        let runtime = paused();
        let hasher = Hasher::new(runtime.handle().clone(), 1).unwrap();
        let gives_way = || std::thread::current().name() == Some("hashing");
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        runtime.block_on(async {
            let of_a_stranger = hasher.run(Queue::Strangers, move |_| {
                if gives_way() {
                    let _ = released.lock().unwrap().recv();
                }
            });
            let of_somebody_known = hasher.run(Queue::Known, move |_| gives_way());
            let done = tokio::join!(of_a_stranger, of_somebody_known);
            assert_eq!(done, (Ok(()), Ok(false)));
            release.send(()).unwrap();
        });
    }

    #[test]
    fn the_queue_is_bounded_and_a_client_that_hung_up_frees_nothing_early() {
        let runtime = paused();
        let hasher = Hasher::new(runtime.handle().clone(), 1).unwrap();
        let (release, released) = mpsc::channel::<()>();
        runtime.block_on(async {
            let (started, starts) = tokio::sync::oneshot::channel();
            let once = Mutex::new(Some((started, released)));
            let held = hasher.run(Queue::Strangers, move |_| {
                let (started, released) = once.lock().unwrap().take().unwrap();
                let _ = started.send(());
                released.recv()
            });
            tokio::select! {
                _ = held => unreachable!("nobody released it"),
                _ = starts => {}
            }
            assert_eq!(hasher.running.available_permits(), 0);

            let full = hasher.waiting.try_acquire_many(64).unwrap();
            assert_eq!(hasher.run(Queue::Strangers, |_| ()).await, Err(Busy));
            assert_eq!(hasher.run(Queue::Known, |_| 5).await, Ok(5));
            drop(full);

            release.send(()).unwrap();
            assert_eq!(hasher.run(Queue::Strangers, |_| 7).await, Ok(7));
        });
    }
}
