//! Processes that a test starts: a directory of their own, a log, and an orderly end by pid.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a process has to end after SIGTERM before it is killed.
const STOP_TIME: Duration = Duration::from_secs(10);

/// A temporary directory that goes when this value does.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    /// Makes a directory whose name starts with `catchment-LABEL-`.
    pub(crate) fn new(label: &str) -> TempDir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("catchment-{label}-{}-{n}", std::process::id()));
        fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        TempDir(path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it and gives its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process in the foreground, its output in a file of its directory; stopped at drop, on a panic too.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    dir: TempDir,
    started: Instant,
}

impl Process {
    /// Starts `command` in `dir`.
    pub(crate) fn start(mut command: Command, dir: TempDir) -> io::Result<Process> {
        let log = File::create(dir.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir(dir.path());
        let started = Instant::now();
        let child = command.spawn().map_err(|e| io::Error::new(e.kind(), format!("{command:?}: {e}")))?;
        Ok(Process { child, dir, started })
    }

    /// When it was started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The directory that it works in.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// All that it has printed so far.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its exit status, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Ends it and all that it started: SIGTERM, a while later SIGKILL. True if the first was enough.
    pub(crate) fn stop(&mut self) -> bool {
        if self.ended().is_some() {
            return true;
        }
        // A server may leave its forked workers behind when it alone is killed: remember them before it goes.
        let all = tree(self.pid());
        signal("TERM", &[self.pid()]);
        let deadline = Instant::now() + STOP_TIME;
        while Instant::now() < deadline {
            if self.ended().is_some() && !all.iter().any(|&pid| alive(pid)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        signal("KILL", &all);
        let _ = self.child.wait();
        false
    }

    /// Ends it and all that it started at once (SIGKILL), also if it is stopped.
    pub(crate) fn kill(&mut self) {
        if self.ended().is_none() {
            signal("KILL", &tree(self.pid()));
            let _ = self.child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Sends a signal to processes by pid. By the shell's own `kill`: std has none but SIGKILL.
pub(crate) fn signal(name: &str, pids: &[u32]) {
    for pid in pids {
        let _ = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).stderr(Stdio::null()).status();
    }
}

/// A process and its living descendants.
pub(crate) fn tree(pid: u32) -> Vec<u32> {
    let mut children: Vec<(u32, u32)> = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(stat) = Stat::read(child) {
            children.push((stat.parent, child));
        }
    }
    let mut all = vec![pid];
    let mut at = 0;
    while at < all.len() {
        let parent = all[at];
        all.extend(children.iter().filter(|(p, _)| *p == parent).map(|(_, child)| *child));
        at += 1;
    }
    all
}

/// What `/proc/PID/stat` says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stat {
    /// Whether it has ended and waits to be collected.
    pub(crate) zombie: bool,
    /// Parent's pid.
    pub(crate) parent: u32,
    /// User time, in clock ticks.
    pub(crate) user_ticks: u64,
    /// System time, in clock ticks.
    pub(crate) system_ticks: u64,
    /// User and system time of the children that have ended and were waited for, in clock ticks.
    pub(crate) ended_ticks: u64,
}

impl Stat {
    /// Reads it; `None` when there is no such process.
    pub(crate) fn read(pid: u32) -> Option<Stat> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command's name stands in parentheses and may hold anything: count from the last one (proc(5)).
        let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Stat {
            zombie: fields.first() == Some(&"Z"),
            parent: number(1)? as u32,
            user_ticks: number(11)?,
            system_ticks: number(12)?,
            ended_ticks: number(13)? + number(14)?,
        })
    }
}

fn alive(pid: u32) -> bool {
    Stat::read(pid).is_some_and(|stat| !stat.zombie)
}
