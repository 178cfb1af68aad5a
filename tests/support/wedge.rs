//! One thread of a process stopped, as a thread that hangs: by ptrace, as SIGSTOP always stops all of them.

use nix::sys::ptrace;
use nix::unistd::Pid;
use std::path::Path;
use std::time::{Duration, Instant};

/// A thread that stands still until this goes. It must be dropped by the thread that made it: the kernel takes orders only from
/// the one that attached (ptrace(2)).
#[derive(Debug)]
pub(crate) struct Wedge(Pid);

/// Stops the thread `tid` of a process that the test started, and returns once it stands still.
pub(crate) fn wedge(tid: u32) -> nix::Result<Wedge> {
    let thread = Pid::from_raw(tid as i32);
    // PTRACE_SEIZE sends no signal that the process could see; PTRACE_INTERRUPT stops this thread alone.
    ptrace::seize(thread, ptrace::Options::empty())?;
    let wedge = Wedge(thread);
    ptrace::interrupt(thread)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while state(tid) != Some('t') {
        assert!(Instant::now() < deadline, "thread {tid} does not stop");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(wedge)
}

impl Drop for Wedge {
    fn drop(&mut self) {
        // A thread that ended meanwhile needs no more.
        let _ = ptrace::detach(self.0, None);
    }
}

/// The thread of a process that has this name.
pub(crate) fn thread_named(pid: u32, name: &str) -> Option<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    threads.flatten().find_map(|thread| {
        let found = std::fs::read_to_string(thread.path().join("comm")).ok()?;
        (found.trim_end() == name).then(|| thread.file_name().to_str()?.parse().ok())?
    })
}

/// The letter of proc(5); `t` is a stop for a tracer.
fn state(tid: u32) -> Option<char> {
    let text = std::fs::read_to_string(Path::new("/proc").join(tid.to_string()).join("stat")).ok()?;
    text[text.rfind(')')? + 1..].trim_start().chars().next()
}
