//! The application log: what the program says about itself, on standard error.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogFormat, LogLevel, LogTarget, ObserveSettings};
use crate::observe::{OpenError, Sink};

/// The running log. Dropped at the end, it writes what is left.
pub struct ApplicationLog(Arc<Sink>);

/// Starts the application log.
pub fn start_log(settings: &ObserveSettings) -> Result<ApplicationLog, OpenError> {
    let sink = Arc::new(Sink::open("application", "observe", &LogTarget::Stderr)?);
    let is_terminal = io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_max_level(level(settings.log_level))
        .with_writer(Lines(Arc::clone(&sink)))
        .with_ansi(is_terminal)
        .with_target(false);
    let is_text = match settings.log_format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    // Only tests start it twice; the first log stays then.
    let _ = if is_text {
        log.try_init()
    } else {
        log.json().flatten_event(true).try_init()
    };
    Ok(ApplicationLog(sink))
}

impl Drop for ApplicationLog {
    fn drop(&mut self) {
        self.0.flush();
    }
}

const fn level(level: LogLevel) -> LevelFilter {
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
