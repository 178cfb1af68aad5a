//! File descriptors: TCP's connections need more than the 1,024 that a process mostly starts with.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors beside those of sockets for queries: logs, the admin server, the control socket, zone files.
const OTHERS: u64 = 128;

/// Raises the limit for so many query sockets and connections, as far as the hard limit allows. Warns if that is too low.
pub fn make_room(sockets: usize, connections: usize) {
    let wanted = sockets as u64 + connections as u64 + OTHERS;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft >= wanted {
        return;
    }
    let possible = wanted.min(hard);
    let raised = possible <= soft || setrlimit(Resource::RLIMIT_NOFILE, possible, hard).is_ok();
    if !raised || possible < wanted {
        tracing::warn!(
            "this process may open {} files, and needs {wanted} for tcp-connections = {connections}: raise its limit \
             (LimitNOFILE= of the unit, `ulimit -n`), or lower tcp-connections",
            if raised { possible.max(soft) } else { soft }
        );
    }
}
