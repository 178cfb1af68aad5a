//! A network of the comparison's own: packets between the servers and the generator meet no packet filter of this machine.
//!
//! Connection tracking and filter rules, as a container engine installs them, add to each packet what no server can save: ratios then say
//! less about the servers. Operators exempt a name server's packets from tracking.

use crate::support::peers::Peers;
use nix::sched::{CloneFlags, unshare};

/// Moves this process, and all that it starts from now on, into a network namespace with nothing but loopback. `Err` says why it stays where it
/// is. Called before there is a second thread: each has a namespace of its own.
pub(crate) fn leave_for_own(peers: Option<&Peers>) -> Result<(), String> {
    let mut ip = peers.ok_or("there is no ip")?.command("IP")?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|e| format!("a network namespace needs root: {e}"))?;
    let status = ip.args(["link", "set", "lo", "up"]).status().map_err(|e| format!("ip: {e}"))?;
    assert!(status.success(), "loopback of a namespace that was just made can be set up");
    Ok(())
}
