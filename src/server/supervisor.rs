//! What the system's manager is told (`NOTIFY_SOCKET`): ready, reloading, stopping, still alive.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::interval;

/// Every listener accepts.
pub(super) fn ready() {
    tell("READY=1");
}

/// A new configuration is being read; [`ready`] says that this is over.
pub(super) fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
}

/// The stop has begun.
pub(super) fn stopping() {
    tell("STOPPING=1");
}

/// How often the manager wants to hear that we are alive; `None` where it does not.
pub(super) fn watchdog() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_meant = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
    let limit = number("WATCHDOG_USEC").filter(|limit| is_meant && *limit > 1)?;
    Some(Duration::from_micros(limit))
}

/// Says so twice within each limit, from the runtime that accepts connections, for as long as it runs.
pub(super) async fn stay_alive(limit: Duration) {
    let mut ticks = interval(limit / 2);
    loop {
        ticks.tick().await;
        tell("WATCHDOG=1");
    }
}

/// Does nothing where no manager listens, and never waits for one.
fn tell(state: &str) {
    if let Err(error) = send(state) {
        tracing::warn!(%error, state, "the system's manager could not be told");
    }
}

fn send(state: &str) -> io::Result<()> {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let manager = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(state.as_bytes(), &manager).map(drop)
}
