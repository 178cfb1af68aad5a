//! File descriptors: TCP's connections need more than the 1,024 that a process mostly starts with.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors beside those of sockets for queries: logs, the admin server, the control socket, zone files.
const OTHERS: u64 = 128;

/// Raises the limit for so many query sockets and connections, as far as the hard limit allows. Warns if that is too low. Gives
/// the number of connections that there is room for: clients must not take the descriptors that a reload or the admin server
/// needs.
pub fn make_room(sockets: usize, connections: usize) -> usize {
    let wanted = sockets as u64 + connections as u64 + OTHERS;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return connections };
    if soft >= wanted {
        return connections;
    }
    let possible = wanted.min(hard);
    let raised = possible <= soft || setrlimit(Resource::RLIMIT_NOFILE, possible, hard).is_ok();
    let limit = if raised { possible.max(soft) } else { soft };
    let room = room(limit, sockets, connections);
    if room < connections {
        tracing::warn!(
            "this process may open {limit} files, and needs {wanted} for tcp-connections = {connections}: taking {room} \
             connections; raise its limit (LimitNOFILE= of the unit, `ulimit -n`), or lower tcp-connections"
        );
    }
    room
}

/// Connections that fit under a limit of descriptors; where that is tiny, at least a quarter of it.
fn room(limit: u64, sockets: usize, connections: usize) -> usize {
    let left = limit.saturating_sub(sockets as u64 + OTHERS).max(limit / 4);
    usize::try_from(left).map_or(connections, |left| connections.min(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_everything_else() {
        assert_eq!(room(20_000, 6, 4096), 4096);
        assert_eq!(room(1024, 6, 4096), 1024 - 6 - 128);
        assert_eq!(room(100, 6, 4096), 25);
        assert_eq!(room(u64::MAX, 6, 4096), 4096);
    }
}
