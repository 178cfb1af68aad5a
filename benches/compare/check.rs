//! Zone files and nothing else: how fast each server's checker reads them.

use crate::servers::Server;
use crate::support::peers::{Kind as Peer, Peers};
use crate::zones::Set;
use catchment::wire::name::Name;
use catchment::zone::parse::{Options, parse_file};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use std::process::{Command, Stdio};
use std::time::Instant;

/// One run of a checker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check {
    /// Megabytes of text a second, by the clock.
    pub(crate) mb_per_second: f64,
    /// User and system time.
    pub(crate) cpu_seconds: f64,
}

/// Has a server's checker read the set's first zone; `None` for a server that has none.
pub(crate) fn measure(server: Server, set: &Set, peers: Option<&Peers>) -> Result<Option<Check>, String> {
    let (origin, path) = &set.zones[0];
    let peer = |key| peers.ok_or("not found: run tests/peers/fetch".to_owned())?.command(key);
    let mut command = match server {
        Server::Floor => return Ok(None),
        Server::Catchment => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
            command.args(["check", "--zone", origin]);
            command
        }
        Server::Peer(Peer::Nsd) => {
            let mut command = peer("NSD_CHECKZONE")?;
            command.arg(origin);
            command
        }
        Server::Peer(Peer::Knot) => {
            let mut command = peer("KZONECHECK")?;
            command.args(["-d", "off", "-o", origin]);
            command
        }
        Server::Peer(Peer::Bind) => {
            let mut command = peer("NAMED_CHECKZONE")?;
            command.args(["-q", "-i", "none", "-k", "ignore", origin]);
            command
        }
    };
    let size = std::fs::metadata(path).map_err(|e| format!("{}: {e}", path.display()))?.len();
    command.arg(path).stdin(Stdio::null()).stdout(Stdio::null());
    let (start, before) = (Instant::now(), cpu_seconds(UsageWho::RUSAGE_CHILDREN)?);
    let output = command.stderr(Stdio::piped()).output().map_err(|e| format!("{command:?}: {e}"))?;
    let seconds = start.elapsed().as_secs_f64();
    if !output.status.success() {
        return Err(format!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    let cpu_seconds = cpu_seconds(UsageWho::RUSAGE_CHILDREN)? - before;
    Ok(Some(Check { mb_per_second: size as f64 / 1e6 / seconds, cpu_seconds }))
}

/// Megabytes of the same text that one core reads in a second of its time, into records that nobody looks at; of ours alone.
pub(crate) fn parse(server: Server, set: &Set) -> Result<Option<f64>, String> {
    let Server::Catchment = server else { return Ok(None) };
    let (origin, path) = &set.zones[0];
    let apex: Name = origin.parse().map_err(|e| format!("{origin}: {e}"))?;
    let before = cpu_seconds(UsageWho::RUSAGE_THREAD)?;
    let parsed = parse_file(path, &apex, &Options { cores: 1, ..Options::default() });
    let seconds = cpu_seconds(UsageWho::RUSAGE_THREAD)? - before;
    if parsed.has_errors() {
        return Err(format!("{}: {:?}", path.display(), parsed.diagnostics));
    }
    let size = std::fs::metadata(path).map_err(|e| format!("{}: {e}", path.display()))?.len();
    Ok(Some(size as f64 / 1e6 / seconds))
}

/// User and system time, so far, of this thread, or of all children that have ended.
fn cpu_seconds(of: UsageWho) -> Result<f64, String> {
    let usage = getrusage(of).map_err(|e| e.to_string())?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}
