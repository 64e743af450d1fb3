//! Where do log lines go without anybody waiting? Into a bounded queue, and from there to a file or
//! stream by a thread of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::mem;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use thiserror::Error;

use crate::config::LogTarget;
use crate::priority;

/// The most bytes that wait to be written. What does not fit is dropped and counted.
const QUEUE: usize = 1 << 20;
/// How long lines are gathered, so that a busy log is not one system call a line.
const GATHER: Duration = Duration::from_millis(20);
/// How long the end waits for a reader that does not read.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Lines that were dropped since the process began, by log. A log that is opened anew goes on counting.
static DROPPED: [(&str, AtomicU64); 3] = [
    ("application", AtomicU64::new(0)),
    ("access", AtomicU64::new(0)),
    ("audit", AtomicU64::new(0)),
];

/// How many lines of each log were dropped since the process began.
pub fn dropped() -> impl Iterator<Item = (&'static str, u64)> {
    let count = |(log, count): &(&'static str, AtomicU64)| (*log, count.load(Ordering::Relaxed));
    DROPPED.iter().map(count)
}

/// A log that cannot be opened.
#[derive(Debug, Error)]
#[error("{option}: cannot write to {}", file.display())]
pub struct OpenError {
    /// Which option names it.
    option: &'static str,
    /// Which file.
    file: PathBuf,
    /// What the system said.
    source: io::Error,
}

/// Takes lines and writes them elsewhere, in order. Dropped, it writes what is left.
pub struct Sink {
    shared: Arc<Shared>,
}

struct Shared {
    /// What the log is called where it is spoken of.
    name: &'static str,
    /// Its entry in `DROPPED`.
    dropped: Option<&'static (&'static str, AtomicU64)>,
    state: Mutex<State>,
    /// There is something to do for the writer.
    work: Condvar,
    /// The writer has done all there was.
    done: Condvar,
}

/// Locked for as long as a line is copied, and no longer.
#[derive(Default)]
struct State {
    lines: Vec<u8>,
    dropped: u64,
    /// Nobody needs to be woken: the writer looks by itself.
    awake: bool,
    /// The writer must not wait for more lines.
    hurry: bool,
    reopen: bool,
    closed: bool,
    /// Nobody waits for the last lines.
    retired: bool,
    /// What was taken is not yet written.
    writing: bool,
}

/// What lies at the end of the queue.
enum Out {
    Stdout,
    Stderr,
    File {
        file: File,
        path: PathBuf,
    },
    #[cfg(test)]
    Test(Box<dyn Write + Send>),
}

impl Sink {
    /// Opens the target and starts its writer. `option` names it where something is wrong with it.
    pub fn open(
        name: &'static str,
        option: &'static str,
        target: &LogTarget,
    ) -> Result<Self, OpenError> {
        let out = match target {
            LogTarget::Stdout => Out::Stdout,
            LogTarget::Stderr => Out::Stderr,
            LogTarget::File(path) => Out::File {
                file: open_file(path).map_err(|source| OpenError {
                    option,
                    file: path.clone(),
                    source,
                })?,
                path: path.clone(),
            },
        };
        Self::start(name, out).map_err(|source| OpenError {
            option,
            file: PathBuf::new(),
            source,
        })
    }

    fn start(name: &'static str, out: Out) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            name,
            dropped: DROPPED.iter().find(|(log, _)| *log == name),
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
        });
        let writer = Arc::clone(&shared);
        thread::Builder::new()
            .name(format!("{name}-log"))
            .spawn(move || {
                priority::interrupt_nobody();
                write_all(&writer, out);
            })?;
        Ok(Self { shared })
    }

    /// Hands over one line, which ends in a line feed. Never waits for the writer.
    pub fn push(&self, line: &[u8]) {
        let mut state = self.shared.lock();
        if state.lines.len() + line.len() > QUEUE {
            state.dropped += 1;
            if let Some((_, count)) = self.shared.dropped {
                count.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        state.lines.extend_from_slice(line);
        if !state.awake {
            state.awake = true;
            drop(state);
            self.shared.work.notify_one();
        }
    }

    /// Opens the file anew before the next line is written: the old one was renamed.
    pub fn reopen(&self) {
        let mut state = self.shared.lock();
        state.reopen = true;
        state.hurry = true;
        self.shared.work.notify_one();
    }

    /// Another takes its place: its last lines are written in peace once it is dropped, on whatever
    /// thread that happens.
    pub fn retire(&self) {
        self.shared.lock().retired = true;
    }

    /// Waits until all lines are written, or for two seconds where nobody takes them.
    pub fn flush(&self) {
        let mut state = self.shared.lock();
        state.hurry = true;
        self.shared.work.notify_one();
        let is_busy = |state: &mut State| state.writing || !state.lines.is_empty();
        let _ = self
            .shared
            .done
            .wait_timeout_while(state, LAST_LINES, is_busy);
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let is_retired = self.shared.lock().retired;
        if !is_retired {
            self.flush();
        }
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until there is a line, then for a moment more, and takes all; `None` at the end.
    fn take(&self, lines: &mut Vec<u8>) -> Option<Taken> {
        let idle = |state: &mut State| state.lines.is_empty() && !state.reopen && !state.closed;
        let mut state = self.lock();
        if idle(&mut state) {
            state.awake = false;
            state.hurry = false;
            self.done.notify_all();
            let woken = self.work.wait_while(state, idle);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            state.awake = true;
        }
        let in_peace = |state: &mut State| !state.hurry && !state.closed;
        let gathered = self.work.wait_timeout_while(state, GATHER, in_peace);
        state = gathered.unwrap_or_else(PoisonError::into_inner).0;
        mem::swap(&mut state.lines, lines);
        state.writing = !lines.is_empty();
        if state.closed && lines.is_empty() {
            return None;
        }
        Some(Taken {
            reopen: mem::take(&mut state.reopen),
            dropped: mem::take(&mut state.dropped),
        })
    }

    fn written(&self) {
        let mut state = self.lock();
        state.writing = false;
        if state.lines.is_empty() {
            state.hurry = false;
            self.done.notify_all();
        }
    }
}

/// What the writer is to do beside writing.
struct Taken {
    reopen: bool,
    dropped: u64,
}

fn write_all(shared: &Shared, mut out: Out) {
    let mut lines = Vec::new();
    let mut failing = false;
    while let Some(taken) = shared.take(&mut lines) {
        if taken.reopen
            && let Err(error) = out.reopen()
        {
            tracing::error!(log = shared.name, %error, "a log file could not be opened anew");
        }
        let result = if lines.is_empty() {
            Ok(())
        } else {
            out.write(&lines)
        };
        lines.clear();
        shared.written();
        match result {
            Ok(()) => failing = false,
            // Once, not for every batch: this may be the very log that fails.
            Err(error) if !mem::replace(&mut failing, true) => {
                tracing::error!(log = shared.name, %error, "a log could not be written");
            }
            Err(_) => {}
        }
        if taken.dropped > 0 {
            let (log, dropped) = (shared.name, taken.dropped);
            tracing::warn!(
                log,
                dropped,
                "log lines came faster than they were written and were dropped"
            );
        }
    }
}

impl Out {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(lines).and_then(|()| out.flush())
            }
            Self::Stderr => io::stderr().lock().write_all(lines),
            Self::File { file, .. } => file.write_all(lines),
            #[cfg(test)]
            Self::Test(out) => out.write_all(lines),
        }
    }

    /// Where it fails, the old file goes on.
    fn reopen(&mut self) -> io::Result<()> {
        if let Self::File { file, path } = self {
            *file = open_file(path)?;
        }
        Ok(())
    }
}

/// Logs hold names and addresses: they are not for everybody.
fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// Says when a batch arrives, and takes it only when told to.
    struct Slow {
        arrived: SyncSender<Vec<u8>>,
        go_on: Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            self.arrived.send(lines.to_vec()).unwrap();
            self.go_on.recv().unwrap();
            Ok(lines.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted_and_nobody_waits() {
        let (arrived, batches) = sync_channel(9);
        let (leave, go_on) = sync_channel(9);
        let out = Out::Test(Box::new(Slow { arrived, go_on }));
        let sink = Sink::start("audit", out).unwrap();
        sink.push(b"first\n");
        assert_eq!(batches.recv().unwrap(), b"first\n");

        // The writer is stuck: the queue fills up.
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        for _ in 0..QUEUE / 1024 + 7 {
            sink.push(&line);
        }
        assert_eq!(sink.shared.lock().dropped, 7);
        let all: Vec<_> = dropped().collect();
        assert_eq!(all, [("application", 0), ("access", 0), ("audit", 7)]);
        for _ in 0..2 {
            leave.send(()).unwrap();
        }
        assert_eq!(batches.recv().unwrap().len(), QUEUE);
        sink.flush();
        assert!(sink.shared.lock().lines.is_empty());
    }

    #[test]
    fn all_lines_are_in_the_file_once_it_is_dropped_and_in_a_new_one_once_it_is_reopened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let sink = Sink::open("test", "x", &LogTarget::File(path.clone())).unwrap();
        sink.push(b"one\n");
        sink.flush();
        fs::rename(&path, folder.path().join("a.log.1")).unwrap();
        sink.push(b"two\n");
        sink.flush();
        sink.reopen();
        sink.push(b"three\n");
        drop(sink);
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("a.log.1"), "one\ntwo\n");
        assert_eq!(read("a.log"), "three\n");
    }

    #[test]
    fn whoever_drops_a_retired_log_does_not_wait_and_no_line_is_lost() {
        let (arrived, batches) = sync_channel(9);
        let (leave, go_on) = sync_channel(9);
        let out = Out::Test(Box::new(Slow { arrived, go_on }));
        let sink = Sink::start("test", out).unwrap();
        sink.push(b"first\n");
        assert_eq!(batches.recv().unwrap(), b"first\n");
        sink.push(b"last\n");
        sink.retire();
        // The writer is stuck until after this.
        drop(sink);
        leave.send(()).unwrap();
        assert_eq!(batches.recv().unwrap(), b"last\n");
        leave.send(()).unwrap();
        assert!(batches.recv().is_err(), "the writer has ended");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named_with_its_option() {
        let target = LogTarget::File("/nowhere/at/all.log".into());
        let error = Sink::open("test", "observe.audit_log.to", &target).map(drop);
        assert_eq!(
            error.unwrap_err().to_string(),
            "observe.audit_log.to: cannot write to /nowhere/at/all.log"
        );
    }
}
