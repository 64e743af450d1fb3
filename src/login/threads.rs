//! Threads that hash and do nothing else: they give way to all others, but not for ever, and a hash's
//! memory is theirs to use again.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::identity::password::HashMemory;
use crate::priority;

/// How long work waits at least for a processor that nobody else wants.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);
/// For how many times what the last one took.
const PATIENCE: u32 = 4;
/// How long at most: somebody else's work may have been dear.
const MOST_PATIENCE: Duration = Duration::from_secs(1);

type Job = Box<dyn FnOnce(&mut HashMemory) + Send>;

/// Threads that run when nobody else wants the processor, and one that takes its turn like everybody: it
/// does what they do not get to, because the machine is busy with other things. It is one for all, so
/// that hashing never takes more than one thread's share from who is busy.
///
/// They end when this is dropped and what was begun is done.
pub(super) struct HashingThreads {
    giving_way: Sender<Job>,
    taking_turns: Sender<Job>,
    /// The processor time of the last work, in microseconds.
    cost: Arc<AtomicU64>,
}

impl HashingThreads {
    /// As many as this that give way. Linux is fair among these, too: where several share a processor, one
    /// that is behind may run for a whole tick (4 ms at 250 Hz) before a thread that forwards requests. So
    /// there should be fewer than processors.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        let (giving_way, jobs) = mpsc::channel();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..count {
            let jobs = Arc::clone(&jobs);
            let thread = thread::Builder::new().name("hashing".to_owned());
            thread.spawn(move || {
                priority::give_way();
                work(&jobs);
            })?;
        }
        let (taking_turns, jobs) = mpsc::channel();
        let thread = thread::Builder::new().name("hashing-in-turn".to_owned());
        thread.spawn(move || work(&Mutex::new(jobs)))?;
        Ok(Self {
            giving_way,
            taking_turns,
            cost: Arc::default(),
        })
    }

    /// Does the work on a thread that gives way; where that takes too long, on the other one, too.
    /// Whichever is done first gives the outcome and lets go of what is `held`, whether or not somebody
    /// waits for it. `None` if it panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        held: impl Send + 'static,
        work: impl Fn(&mut HashMemory) -> T + Send + Sync + 'static,
    ) -> Option<T> {
        let (done, mut outcome) = oneshot::channel();
        let cost = Arc::clone(&self.cost);
        // Emptied by the first who is done: a job that is still queued holds no password then.
        let open = Arc::new(Mutex::new(Some((done, held, Arc::new(work)))));
        let job = move || -> Job {
            let (cost, open) = (Arc::clone(&cost), Arc::clone(&open));
            Box::new(move |memory| {
                let work = locked(&open).as_ref().map(|(_, _, work)| Arc::clone(work));
                let Some(work) = work else {
                    return;
                };
                let begun = processor_time();
                let made = work(memory);
                drop(work);
                cost.store(processor_time().saturating_sub(begun), Ordering::Relaxed);
                let open = locked(&open).take();
                if let Some((done, held, work)) = open {
                    drop((held, work));
                    // Nobody may wait for it any more.
                    let _ = done.send(made);
                }
            })
        };
        self.giving_way.send(job()).ok()?;
        if let Ok(outcome) = timeout(self.patience(), &mut outcome).await {
            return outcome.ok();
        }
        self.taking_turns.send(job()).ok()?;
        drop(job);
        outcome.await.ok()
    }

    fn patience(&self) -> Duration {
        let cost = Duration::from_micros(self.cost.load(Ordering::Relaxed));
        cost.saturating_mul(PATIENCE)
            .clamp(LEAST_PATIENCE, MOST_PATIENCE)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What this thread has had of a processor, in microseconds.
fn processor_time() -> u64 {
    let time = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime));
    time.map_or(0, |time| {
        u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
    })
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    let mut memory = HashMemory::default();
    loop {
        let job = locked(jobs).recv();
        let Ok(job) = job else {
            return;
        };
        // A job that panics takes its own outcome along, and nothing else.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut memory)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use thread_priority::unix::{
        NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy,
    };

    use super::*;

    #[tokio::test]
    async fn they_give_way_to_others_and_outlive_a_panic() {
        let threads = HashingThreads::start(1).unwrap();
        let before = thread_schedule_policy().unwrap();
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let policy = threads.run((), |_| thread_schedule_policy().unwrap()).await;
        assert_eq!(policy, Some(idle));
        assert_eq!(thread_schedule_policy().unwrap(), before);
        let panicked = threads.run((), |_| panic!("a hash that fails")).await;
        assert_eq!(panicked, None::<()>);
        assert_eq!(threads.run((), |_| 7).await, Some(7));
    }

    #[tokio::test]
    async fn what_gets_no_processor_is_done_in_turn_and_done_once() {
        let threads = HashingThreads::start(1).unwrap();
        let stuck = Arc::new(Barrier::new(2));
        let job = Arc::clone(&stuck);
        let policy = || thread_schedule_policy().unwrap();
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        // The one that gives way gets no further, as if others were busy.
        let first = threads.run((), move |_| {
            if policy() == idle {
                job.wait();
            }
            policy()
        });
        assert_eq!(first.await, Some(policy()));
        let (held, let_go) = oneshot::channel::<()>();
        let runs = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&runs);
        let second = threads.run(held, move |_| count.fetch_add(1, Ordering::Relaxed));
        assert_eq!(second.await, Some(0));
        assert!(let_go.await.is_err(), "what was held is let go of");
        assert_eq!(Arc::strong_count(&runs), 1, "what is queued holds nothing");
        stuck.wait();
        assert_eq!(threads.run((), move |_| policy()).await, Some(idle));
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn work_that_costs_more_is_waited_for_longer() {
        let threads = HashingThreads::start(0).unwrap();
        for (cost, patience) in [
            (0, 100),
            (15_000, 100),
            (25_000, 100),
            (200_000, 800),
            (9_000_000, 1000),
        ] {
            threads.cost.store(cost, Ordering::Relaxed);
            assert_eq!(threads.patience(), Duration::from_millis(patience));
        }
    }
}
