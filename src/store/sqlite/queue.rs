//! Jobs wait in a queue for a thread that owns a connection. Those that wait together share a
//! transaction and its one write to the disk; each is answered once that has ended.

use std::iter::Peekable;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rusqlite::{Connection, Savepoint, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use crate::clock::{Clock, Timestamp};
use crate::priority;
use crate::store::sqlite::is_busy;
use crate::store::{Pending, StoreError};

/// A queue and its threads. Dropping it waits until all that was queued is done.
pub(super) struct Queue {
    jobs: Option<mpsc::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// Statements that wait for their turn.
struct Job {
    queued: Instant,
    run: Run,
}

/// Runs the statements in a transaction that has begun (or could not), at the store's time.
type Run = Box<dyn FnOnce(Result<(&Connection, Timestamp), StoreError>) -> Ran + Send>;

/// Tells the caller what came of it, given how the transaction ended.
type Answer = Box<dyn FnOnce(Result<(), StoreError>)>;

/// What a job leaves behind when its statements have run.
struct Ran {
    /// Whether they succeeded, and may be committed.
    keep: bool,
    answer: Answer,
}

/// How a thread works.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    pub(super) behavior: TransactionBehavior,
    /// The most jobs that share a transaction.
    pub(super) at_once: usize,
}

impl Queue {
    /// Starts a thread for each connection.
    pub(super) fn start(
        name: &str,
        connections: Vec<Connection>,
        manner: Manner,
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
                .spawn(move || {
                    priority::interrupt_nobody();
                    serve(connection, manner, &jobs, &*clock);
                })
                .map_err(StoreError::Thread)?;
            queue.threads.push(thread);
        }
        Ok(queue)
    }

    /// Queues a job. It takes place even if nobody waits for the answer, unless another process holds
    /// the database. An error of `work` rolls it back, and no other job.
    pub(super) fn run<T, F>(&self, work: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, Timestamp) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let run: Run = Box::new(move |begun| {
            let outcome = begun.and_then(|(sql, now)| work(sql, now));
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
    manner: Manner,
    jobs: &Mutex<mpsc::Receiver<Job>>,
    clock: &dyn Clock,
) {
    let mut gave_up = None;
    while let Some(batch) = next(jobs, manner.at_once) {
        let mut batch = batch.into_iter().peekable();
        while batch.peek().is_some() {
            match begin(&mut connection, manner.behavior, &mut batch, &mut gave_up) {
                Ok(Some(transaction)) => transact(transaction, &mut batch, clock),
                Ok(None) => {}
                Err(refusal) => {
                    for job in batch.by_ref() {
                        refuse(job, refusal.error());
                    }
                }
            }
        }
    }
}

/// The jobs of one run through [`serve`].
type Batch = Peekable<std::vec::IntoIter<Job>>;

/// The next job, as soon as there is one, and those that wait behind it; `None` once the queue is
/// closed and empty. Nobody waits for company.
fn next(jobs: &Mutex<mpsc::Receiver<Job>>, most: usize) -> Option<Vec<Job>> {
    let jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
    let mut batch = vec![jobs.recv().ok()?];
    batch.extend(jobs.try_iter().take(most.saturating_sub(1)));
    Some(batch)
}

/// Runs jobs in one transaction, each of which can fail alone, and answers them when it has ended.
/// Where the database gave the whole transaction up (a full disk), the jobs behind are left for the
/// next one: outside a transaction, each of their statements would stand for itself.
fn transact(mut transaction: Transaction<'_>, batch: &mut Batch, clock: &dyn Clock) {
    let mut answers = Vec::new();
    while let Some(job) = batch.next() {
        let is_alone = answers.is_empty() && batch.peek().is_none();
        if is_alone {
            let Some(ran) = run(job, &transaction, clock) else {
                return;
            };
            if !ran.keep {
                drop(transaction);
                return (ran.answer)(Ok(()));
            }
            answers.push(ran.answer);
        } else {
            match transaction.savepoint() {
                Ok(savepoint) => answers.extend(run_apart(job, savepoint, clock)),
                Err(error) => refuse(job, error.into()),
            }
        }
        if transaction.is_autocommit() {
            break;
        }
    }
    let failure = transaction.commit().err().map(Refusal::new);
    for answer in answers {
        answer(
            failure
                .as_ref()
                .map_or(Ok(()), |failure| Err(failure.error())),
        );
    }
}

/// Runs a job so that nothing of it stays where it fails; its answer, unless it panicked.
fn run_apart(job: Job, savepoint: Savepoint<'_>, clock: &dyn Clock) -> Option<Answer> {
    let ran = run(job, &savepoint, clock)?;
    if !ran.keep {
        drop(savepoint);
        return Some(Box::new(move |_| (ran.answer)(Ok(()))));
    }
    match savepoint.commit() {
        Ok(()) => Some(ran.answer),
        Err(error) => Some(Box::new(move |_| (ran.answer)(Err(error.into())))),
    }
}

/// `None` where it panicked: its caller learns by the reply that was dropped.
fn run(job: Job, sql: &Connection, clock: &dyn Clock) -> Option<Ran> {
    let now = clock.now();
    let ran = catch_unwind(AssertUnwindSafe(|| (job.run)(Ok((sql, now)))));
    if ran.is_err() {
        tracing::error!("a store operation panicked and was rolled back");
    }
    ran.ok()
}

fn refuse(job: Job, error: StoreError) {
    ((job.run)(Err(error)).answer)(Ok(()));
}

/// Whoever was queued when the one before gave up on a held database has waited with them: all of
/// them are told at once, instead of each waiting anew. `None` where nobody is left.
fn begin<'c>(
    connection: &'c mut Connection,
    behavior: TransactionBehavior,
    batch: &mut Batch,
    gave_up: &mut Option<Instant>,
) -> Result<Option<Transaction<'c>>, Refusal> {
    while let Some(job) = batch.next_if(|job| gave_up.is_some_and(|at| job.queued < at)) {
        refuse(job, StoreError::Busy);
    }
    if batch.peek().is_none() {
        return Ok(None);
    }
    let begun = connection.transaction_with_behavior(behavior);
    begun.map(Some).map_err(|error| {
        if is_busy(&error) {
            *gave_up = Some(Instant::now());
            return Refusal::Busy;
        }
        Refusal::new(error)
    })
}

/// Why a transaction did not begin or end, for each of its jobs.
enum Refusal {
    Busy,
    Failed(Arc<rusqlite::Error>),
}

impl Refusal {
    fn new(error: rusqlite::Error) -> Self {
        Self::Failed(Arc::new(error))
    }

    fn error(&self) -> StoreError {
        match self {
            Self::Busy => StoreError::Busy,
            Self::Failed(error) => StoreError::Transaction(Arc::clone(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;
    use crate::clock::SystemClock;

    fn queue() -> Queue {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("PRAGMA foreign_keys = ON; CREATE TABLE notes (note TEXT)")
            .unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let manner = Manner {
            behavior: TransactionBehavior::Immediate,
            at_once: 64,
        };
        Queue::start("test-writer", vec![connection], manner, &clock).unwrap()
    }

    fn note(sql: &Connection) -> Result<usize, StoreError> {
        Ok(sql.execute("INSERT INTO notes VALUES ('a')", [])?)
    }

    fn notes(queue: &Queue) -> Pending<i64> {
        queue.run(|sql, _| Ok(sql.query_row("SELECT count(*) FROM notes", [], |row| row.get(0))?))
    }

    /// Makes the thread wait in a job of its own until the sender is dropped: what is queued
    /// meanwhile runs together.
    fn hold(queue: &Queue) -> mpsc::Sender<()> {
        let (go_on, wait) = mpsc::channel();
        let (begun, has_begun) = mpsc::channel();
        drop(queue.run(move |_, _| {
            let _ = begun.send(());
            let _ = wait.recv();
            Ok(())
        }));
        has_begun.recv().unwrap();
        go_on
    }

    fn is_answered<T>(answer: &mut Pending<T>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        answer.as_mut().poll(&mut context).is_ready()
    }

    #[tokio::test]
    async fn nobody_is_answered_before_the_commit_that_holds_their_job() {
        let queue = queue();
        let held = hold(&queue);
        let mut first = queue.run(|sql, _| note(sql));
        let (go_on, wait) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let second = queue.run(move |sql, _| {
            let _ = begun.send(());
            let _ = wait.recv();
            note(sql)
        });
        drop(held);
        has_begun.recv().unwrap();
        assert!(!is_answered(&mut first), "it has run, and is not durable");
        drop(go_on);
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 1));
    }

    #[tokio::test]
    async fn a_commit_that_fails_fails_every_job_in_it_and_none_behind() {
        let queue = queue();
        let tables = queue.run(|sql, _| {
            Ok(sql.execute_batch(
                "CREATE TABLE parents (id INTEGER PRIMARY KEY);
                 CREATE TABLE children (
                     parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED
                 )",
            )?)
        });
        tables.await.unwrap();
        let held = hold(&queue);
        let before = queue.run(|sql, _| note(sql));
        let refused = queue.run(|_, _| Err::<(), _>(StoreError::Unreadable("note")));
        // Foreign keys of this kind are looked at by the commit.
        let orphan = queue.run(|sql, _| Ok(sql.execute("INSERT INTO children VALUES (1)", [])?));
        let after = queue.run(|sql, _| note(sql));
        drop(held);
        for answer in [before, orphan, after] {
            let answer = answer.await;
            assert!(
                matches!(answer, Err(StoreError::Transaction(_))),
                "{answer:?}"
            );
        }
        assert!(matches!(refused.await, Err(StoreError::Unreadable("note"))));
        assert_eq!(notes(&queue).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn of_jobs_that_run_together_each_fails_alone_and_they_keep_their_order() {
        let queue = queue();
        let held = hold(&queue);
        let first = queue.run(|sql, _| note(sql));
        let failed = queue.run(|sql, _| {
            note(sql)?;
            Err::<(), _>(StoreError::Unreadable("note"))
        });
        let panicked: Pending<()> = queue.run(|sql, _| {
            note(sql)?;
            panic!("as tests of panics do")
        });
        let seen = notes(&queue);
        let last = queue.run(|sql, _| note(sql));
        drop(held);
        assert_eq!(first.await.unwrap(), 1);
        assert!(matches!(failed.await, Err(StoreError::Unreadable("note"))));
        assert!(matches!(panicked.await, Err(StoreError::Closed)));
        assert_eq!(seen.await.unwrap(), 1, "the first one's, and no other");
        assert_eq!(last.await.unwrap(), 1);
        assert_eq!(notes(&queue).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_transaction_that_the_database_gives_up_takes_no_job_behind_with_it() {
        let queue = queue();
        let held = hold(&queue);
        let before = queue.run(|sql, _| note(sql));
        let given_up = queue.run(|sql, _| {
            note(sql)?;
            // As SQLite does by itself when the disk is full.
            Ok(sql.execute_batch("ROLLBACK")?)
        });
        let after = queue.run(|sql, _| {
            assert!(!sql.is_autocommit());
            note(sql)
        });
        drop(held);
        assert!(before.await.is_err());
        assert!(given_up.await.is_err());
        assert_eq!(after.await.unwrap(), 1);
        assert_eq!(notes(&queue).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn more_jobs_than_run_together_are_all_done() {
        let queue = queue();
        let held = hold(&queue);
        let answers: Vec<_> = (0..200).map(|_| queue.run(|sql, _| note(sql))).collect();
        drop(held);
        for answer in answers {
            assert_eq!(answer.await.unwrap(), 1);
        }
        assert_eq!(notes(&queue).await.unwrap(), 200);
    }

    #[tokio::test]
    async fn a_failed_job_leaves_nothing_behind() {
        let queue = queue();
        let failed = queue.run(|sql, _| {
            note(sql)?;
            Err::<(), _>(StoreError::Unreadable("note"))
        });
        assert!(matches!(failed.await, Err(StoreError::Unreadable("note"))));
        assert_eq!(notes(&queue).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_job_that_panics_is_rolled_back_and_the_next_one_runs() {
        let queue = queue();
        let failed: Pending<()> = queue.run(|sql, _| {
            note(sql)?;
            panic!("as tests of panics do")
        });
        assert!(matches!(failed.await, Err(StoreError::Closed)));
        assert_eq!(notes(&queue).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_done_and_the_end_waits_for_it() {
        let queue = queue();
        for _ in 0..100 {
            drop(queue.run(|sql, _| note(sql)));
        }
        let count = notes(&queue);
        drop(queue);
        assert_eq!(count.await.unwrap(), 100);
    }
}
