//! How many connections do the system's limits on open files leave room for?

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open at any time: listeners, the database, the runtimes' own, the admin listener's connections.
const BESIDE: u64 = 128;
/// A visitor's connection and the one to the app.
const EACH: u64 = 2;

/// Raises this process's limit as far as it needs and may, and gives the number of connections there
/// is room for. Past that, visitors wait: letting them in would leave no file for the way to the app.
pub(super) fn make_room(connections: usize) -> usize {
    let allowed = raise(files_for(connections));
    let room = room_in(allowed);
    if room < connections {
        tracing::warn!(
            "there is room for {room} connections, not for the {connections} of \
             server.limits.connections: the system allows {allowed} open files (ulimit -Hn)"
        );
    }
    room.min(connections)
}

/// The limit after raising it.
fn raise(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    let wanted = wanted.min(limit.maximum.unwrap_or(u64::MAX));
    if wanted <= current {
        return current;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => current,
    }
}

fn files_for(connections: usize) -> u64 {
    u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_mul(EACH)
        .saturating_add(BESIDE)
}

fn room_in(files: u64) -> usize {
    let connections = files.saturating_sub(BESIDE) / EACH;
    usize::try_from(connections).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_what_files_were_asked_for() {
        for connections in [1, 10_000, 1_000_000] {
            assert_eq!(room_in(files_for(connections)), connections);
        }
        assert_eq!(room_in(1024), 448);
        assert_eq!(room_in(0), 1);
    }
}
