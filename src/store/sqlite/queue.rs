//! Transactions wait in a queue for a thread that owns a connection; each is answered once it ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use crate::clock::{Clock, Timestamp};
use crate::store::sqlite::is_busy;
use crate::store::{Pending, StoreError};

/// A queue and its threads. Dropping it waits until all that was queued is done.
pub(super) struct Queue {
    jobs: Option<mpsc::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// A transaction that waits for its turn.
struct Job {
    queued: Instant,
    run: Run,
}

/// The statements of a transaction that has begun (or could not), at the store's time.
type Run = Box<dyn FnOnce(Result<(&Transaction<'_>, Timestamp), StoreError>) -> Ran + Send>;

/// What a job leaves behind when its statements have run.
struct Ran {
    /// Whether they succeeded, and the transaction may be committed.
    keep: bool,
    /// Tells the caller what came of it, given how the transaction ended.
    answer: Box<dyn FnOnce(Result<(), StoreError>)>,
}

impl Queue {
    /// Starts a thread for each connection.
    pub(super) fn start(
        name: &str,
        connections: Vec<Connection>,
        behavior: TransactionBehavior,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let mut queue = Self {
            jobs: Some(sender),
            threads: Vec::with_capacity(connections.len()),
        };
        for connection in connections {
            let (jobs, clock) = (Arc::clone(&receiver), Arc::clone(clock));
            let thread = thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || serve(connection, behavior, &jobs, &*clock))
                .map_err(StoreError::Thread)?;
            queue.threads.push(thread);
        }
        Ok(queue)
    }

    /// Queues a transaction. It takes place even if nobody waits for the answer, unless another
    /// process holds the database. An error of `work` rolls it back.
    pub(super) fn run<T, F>(&self, work: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>, Timestamp) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let run: Run = Box::new(move |begun| {
            let outcome = begun.and_then(|(transaction, now)| work(transaction, now));
            Ran {
                keep: outcome.is_ok(),
                answer: Box::new(move |ended| {
                    // A caller that has gone away does not need the answer.
                    let _ = reply.send(ended.and(outcome));
                }),
            }
        });
        // A job that cannot be queued is dropped with its reply, which is how the caller learns.
        if let Some(jobs) = &self.jobs {
            let queued = Instant::now();
            let _ = jobs.send(Job { queued, run });
        }
        Box::pin(async move { answer.await.map_err(|_| StoreError::Closed)? })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has told so already.
            let _ = thread.join();
        }
    }
}

fn serve(
    mut connection: Connection,
    behavior: TransactionBehavior,
    jobs: &Mutex<mpsc::Receiver<Job>>,
    clock: &dyn Clock,
) {
    let mut gave_up = None;
    while let Some(job) = next(jobs) {
        let ran =
            AssertUnwindSafe(|| transact(&mut connection, behavior, clock, &mut gave_up, job));
        if catch_unwind(ran).is_err() {
            tracing::error!("a store operation panicked and was rolled back");
        }
    }
}

/// The next job, as soon as there is one; `None` once the queue is closed and empty.
fn next(jobs: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    let jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
    jobs.recv().ok()
}

fn transact(
    connection: &mut Connection,
    behavior: TransactionBehavior,
    clock: &dyn Clock,
    gave_up: &mut Option<Instant>,
    job: Job,
) {
    match begin(connection, behavior, job.queued, gave_up) {
        Ok(transaction) => {
            let ran = (job.run)(Ok((&transaction, clock.now())));
            let ended = if ran.keep {
                transaction.commit().map_err(StoreError::from)
            } else {
                drop(transaction);
                Ok(())
            };
            (ran.answer)(ended);
        }
        Err(error) => ((job.run)(Err(error)).answer)(Ok(())),
    }
}

/// Whoever was queued when the one before gave up on a held database has waited with them: all of
/// them are told at once, instead of each waiting anew.
fn begin<'c>(
    connection: &'c mut Connection,
    behavior: TransactionBehavior,
    queued: Instant,
    gave_up: &mut Option<Instant>,
) -> Result<Transaction<'c>, StoreError> {
    if gave_up.is_some_and(|at| queued < at) {
        return Err(StoreError::Busy);
    }
    let begun = connection.transaction_with_behavior(behavior);
    begun.map_err(|error| {
        if !is_busy(&error) {
            return error.into();
        }
        *gave_up = Some(Instant::now());
        StoreError::Busy
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn queue() -> Queue {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE notes (note TEXT)")
            .unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let behavior = TransactionBehavior::Immediate;
        Queue::start("test-writer", vec![connection], behavior, &clock).unwrap()
    }

    fn note(transaction: &Transaction<'_>) -> Result<usize, StoreError> {
        Ok(transaction.execute("INSERT INTO notes VALUES ('a')", [])?)
    }

    fn notes(queue: &Queue) -> Pending<i64> {
        queue.run(|transaction, _| {
            Ok(transaction.query_row("SELECT count(*) FROM notes", [], |row| row.get(0))?)
        })
    }

    #[tokio::test]
    async fn a_failed_job_leaves_nothing_behind() {
        let queue = queue();
        let failed = queue.run(|transaction, _| {
            note(transaction)?;
            Err::<(), _>(StoreError::Unreadable("note"))
        });
        assert!(matches!(failed.await, Err(StoreError::Unreadable("note"))));
        assert_eq!(notes(&queue).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_job_that_panics_is_rolled_back_and_the_next_one_runs() {
        let queue = queue();
        let failed: Pending<()> = queue.run(|transaction, _| {
            note(transaction)?;
            panic!("as tests of panics do")
        });
        assert!(matches!(failed.await, Err(StoreError::Closed)));
        assert_eq!(notes(&queue).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_done_and_the_end_waits_for_it() {
        let queue = queue();
        for _ in 0..100 {
            drop(queue.run(|transaction, _| note(transaction)));
        }
        let count = notes(&queue);
        drop(queue);
        assert_eq!(count.await.unwrap(), 100);
    }
}
