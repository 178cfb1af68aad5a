//! What processes cost: CPU time in nanoseconds, memory without counting shared pages twice.

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use std::fs;
use std::time::Duration;

/// User and system time of processes that run, since their starts: from their CPU clocks, as /proc/PID/stat counts in hundredths
/// of a second, and a change costs some of these nodes less than one.
pub(crate) fn running(pids: &[u32]) -> Duration {
    let clock = |pid: &u32| clock_getcpuclockid(Pid::from_raw(*pid as i32)).and_then(|clock| clock.now());
    pids.iter().filter_map(|pid| clock(pid).ok()).map(Duration::from).sum()
}

/// User and system time of all children of ours that have ended and were waited for.
pub(crate) fn ended() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("our own usage can be read");
    let micros =
        |time: nix::sys::time::TimeVal| Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64);
    micros(usage.user_time()) + micros(usage.system_time())
}

/// Proportional set size of processes, in octets.
pub(crate) fn memory(pids: &[u32]) -> u64 {
    let pss = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    pids.iter().filter_map(pss).sum::<u64>() * 1024
}
