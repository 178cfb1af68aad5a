//! A process under ptrace: a test sees each of some system calls of it, before and after it is carried out, and may end the process there.

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Octets of a path that is read, and of each piece of data.
const OCTETS_MAX: usize = 512;
/// An `iovec` (readv(2)): address and length, 8 octets each.
const IOVEC_LEN: usize = 16;

/// A system call that is stopped.
pub(crate) struct Call {
    process: Pid,
    /// Whose it is.
    pub(crate) thread: Pid,
    /// Its name, as it was asked for.
    pub(crate) name: &'static str,
    arguments: [u64; 4],
    /// What it gave; `None`: it is about to be carried out.
    pub(crate) result: Option<i64>,
}

/// What becomes of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It goes on.
    GoOn,
    /// It ends at once (SIGKILL). A call that is about to be carried out is not.
    Kill,
}

impl Call {
    /// The path that two arguments name, by their numbers: an open directory, and a path below it, if there is one.
    pub(crate) fn path(&self, directory: usize, below: usize) -> PathBuf {
        let link = format!("/proc/{}/fd/{}", self.process, self.arguments[directory] as i32);
        let directory = std::fs::read_link(link).unwrap_or_default();
        match self.octets(self.arguments[below], OCTETS_MAX).split(|octet| *octet == 0).next() {
            Some(below) if !below.is_empty() => directory.join(OsStr::from_bytes(below)),
            _ => directory,
        }
    }

    /// The beginning of what `write`, `sendto` or `writev` is about to send.
    pub(crate) fn data(&self) -> Vec<u8> {
        let [_, at, length, _] = self.arguments;
        if self.name != "writev" {
            return self.octets(at, OCTETS_MAX.min(length as usize));
        }
        let vectors = self.octets(at, OCTETS_MAX.min(length as usize * IOVEC_LEN));
        let word = |octets: &[u8]| u64::from_le_bytes(octets.try_into().expect("8 octets"));
        let pieces = vectors.chunks_exact(IOVEC_LEN).map(|vector| vector.split_at(8));
        pieces.flat_map(|(at, length)| self.octets(word(at), OCTETS_MAX.min(word(length) as usize))).collect()
    }

    /// Octets of the process's memory, as many as are there.
    fn octets(&self, at: u64, length: usize) -> Vec<u8> {
        let mut octets = vec![0; length];
        let memory = File::open(format!("/proc/{}/mem", self.thread));
        let read = memory.and_then(|memory| memory.read_at(&mut octets, at)).unwrap_or(0);
        octets.truncate(read);
        octets
    }
}

/// The same command, which begins once [`run`] has it.
pub(crate) fn held(command: &Command) -> Command {
    let mut held = Command::new("sh");
    held.args(["-c", "read -r go && exec \"$@\" </dev/null", "sh"]);
    held.arg(command.get_program()).args(command.get_args()).stdin(Stdio::piped());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => held.env(name, value),
            None => held.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        held.current_dir(directory);
    }
    held
}

/// Lets a child that waits for a line on its standard input go on, and shows `each` those calls of it whose number is among `calls`. Gives
/// its exit code; `None`: it was killed.
pub(crate) fn run(
    mut child: Child,
    calls: &[(libc::c_long, &'static str)],
    mut each: impl FnMut(&Call) -> Then,
) -> Option<i32> {
    let process = Pid::from_raw(child.id() as i32);
    let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    for thread in threads_at_rest(&mut child) {
        ptrace::seize(thread, options).unwrap();
        ptrace::interrupt(thread).unwrap();
    }
    let mut stdin = child.stdin.take().unwrap();
    let mut started = false;
    // Only what this thread traces: other tests of this process have children too.
    let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    loop {
        let thread = match waitpid(None, Some(flags)).unwrap() {
            WaitStatus::Exited(ended, status) if ended == process => return Some(status),
            WaitStatus::Signaled(ended, ..) if ended == process => return None,
            WaitStatus::PtraceSyscall(thread) => {
                if let Some(call) = call(process, thread, calls)
                    && each(&call) == Then::Kill
                {
                    kill(process, Signal::SIGKILL).unwrap();
                }
                thread
            }
            WaitStatus::PtraceEvent(thread, ..) => thread,
            WaitStatus::Stopped(thread, signal) => {
                let _ = ptrace::syscall(thread, signal);
                continue;
            }
            _ => continue,
        };
        // One that is killed meanwhile is gone.
        let _ = ptrace::syscall(thread, None);
        if !started {
            started = true;
            stdin.write_all(b"go\n").unwrap();
        }
    }
}

/// The threads of a child once one of them reads from standard input: those of a test's harness are made before.
fn threads_at_rest(child: &mut Child) -> Vec<Pid> {
    loop {
        let directory = format!("/proc/{}/task", child.id());
        let threads: Vec<i32> = std::fs::read_dir(&directory)
            .unwrap()
            .filter_map(|thread| thread.unwrap().file_name().to_str()?.parse().ok())
            .collect();
        let reads = |thread: &i32| {
            let call = std::fs::read_to_string(format!("{directory}/{thread}/syscall")).unwrap_or_default();
            // read(0, ...)
            call.starts_with("0 0x0 ")
        };
        if threads.iter().any(reads) {
            return threads.into_iter().map(Pid::from_raw).collect();
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before it began");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The call that a thread is stopped at, if it is one of these. One that is killed has no registers.
fn call(process: Pid, thread: Pid, calls: &[(libc::c_long, &'static str)]) -> Option<Call> {
    let registers = ptrace::getregs(thread).ok()?;
    let (_, name) = calls.iter().find(|(number, _)| *number == registers.orig_rax as libc::c_long)?;
    // A stop on the way in has ENOSYS where the result will be (ptrace(2)).
    let result = registers.rax as i64;
    let result = (result != -i64::from(libc::ENOSYS)).then_some(result);
    let arguments = [registers.rdi, registers.rsi, registers.rdx, registers.r10];
    Some(Call { process, thread, name, arguments, result })
}
