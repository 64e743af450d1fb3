//! What the program says while it runs.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::LevelFilter;

/// Starts the application log: text on standard error, from `info` up, coloured on a terminal.
pub fn start_log() {
    // Only tests start it twice; the first log stays then.
    let _ = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::INFO)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .try_init();
}
