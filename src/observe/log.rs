//! The application log: what the program says about itself, on standard error.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

use crate::config::{LogFormat, LogLevel, LogTarget, ObserveSettings};
use crate::observe::{OpenError, Sink};

/// The running log. Dropped at the end, it writes what is left.
pub struct ApplicationLog {
    sink: Arc<Sink>,
    level: Level,
}

/// Sets the least level that the log holds, while it runs.
#[derive(Clone)]
pub struct Level(reload::Handle<LevelFilter, Registry>);

/// Starts the application log.
pub fn start_log(settings: &ObserveSettings) -> Result<ApplicationLog, OpenError> {
    let sink = Arc::new(Sink::open("application", "observe", &LogTarget::Stderr)?);
    let is_terminal = io::stderr().is_terminal();
    let (level, handle) = reload::Layer::new(filter(settings.log_level));
    let layer = fmt::layer()
        .with_writer(Lines(Arc::clone(&sink)))
        .with_ansi(is_terminal)
        .with_target(false);
    let is_text = match settings.log_format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let log = tracing_subscriber::registry().with(level);
    // Only tests start it twice; the first log stays then.
    let _ = if is_text {
        log.with(layer).try_init()
    } else {
        log.with(layer.json().flatten_event(true)).try_init()
    };
    Ok(ApplicationLog {
        sink,
        level: Level(handle),
    })
}

impl ApplicationLog {
    /// The way to change its level.
    pub fn level(&self) -> Level {
        self.level.clone()
    }
}

impl Level {
    /// From now on, this is the least level that is written.
    pub fn set(&self, level: LogLevel) {
        // It fails only where the log is gone.
        let _ = self.0.reload(filter(level));
    }
}

impl Drop for ApplicationLog {
    fn drop(&mut self) {
        self.sink.flush();
    }
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    }
}

/// Takes each event as one whole line.
struct Lines(Arc<Sink>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

struct Line<'a>(&'a Sink);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
