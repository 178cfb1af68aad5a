//! `catchment publish` in waves, as it runs: what it has said so far, and how it ends.

use crate::fleet::PATIENCE;
use crate::support::fleet::Publisher;
#[cfg(target_arch = "x86_64")]
use crate::support::{
    process::TempDir,
    trace::{self, Call, Then},
};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A publish that runs.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    /// What it has printed.
    pub(crate) out: String,
}

/// How it ended.
pub(crate) struct Ended {
    /// Exit code; -1: by a signal.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) out: String,
    /// Its errors.
    pub(crate) err: String,
}

/// Starts it with these further arguments.
pub(crate) fn publish(publisher: &Publisher, arguments: &[&str]) -> Running {
    let mut command = publisher.publish_command();
    command.args(arguments);
    start(command)
}

/// Starts a command that publishes in the end.
pub(crate) fn start(mut command: Command) -> Running {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (sender, lines) = channel();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    Running { child, lines, out: String::new() }
}

/// Runs it to its end, under the eyes of `each`: see [`trace::run`].
#[cfg(target_arch = "x86_64")]
pub(crate) fn traced(
    publisher: &Publisher,
    arguments: &[&str],
    calls: &[(i64, &'static str)],
    each: impl FnMut(&Call) -> Then,
) -> Ended {
    let mut command = publisher.publish_command();
    command.args(arguments);
    // Files, as nobody reads what it says before it has ended.
    let dir = TempDir::new("traced");
    let path = |name: &str| dir.path().join(name);
    let mut held = trace::held(&command);
    held.stdout(std::fs::File::create(path("out")).unwrap()).stderr(std::fs::File::create(path("err")).unwrap());
    let code = trace::run(held.spawn().unwrap(), calls, each).unwrap_or(-1);
    let said = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    Ended { code, out: said("out"), err: said("err") }
}

impl Running {
    /// Waits until it has printed a line with this text.
    pub(crate) fn until(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.out.contains(text) {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.out.push_str(&line);
                    self.out.push('\n');
                }
                Err(RecvTimeoutError::Timeout) => panic!("it has not said `{text}` in {PATIENCE:?}:\n{}", self.out),
                Err(RecvTimeoutError::Disconnected) => {
                    let (out, err) = (self.out.clone(), errors(self.child.stderr.take()));
                    panic!("it ended without saying `{text}`:\n{out}{err}");
                }
            }
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once (SIGKILL).
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ended {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if start.elapsed() > PATIENCE => panic!("it does not end:\n{}", self.out),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let err = errors(self.child.stderr.take());
        self.lines.iter().for_each(|line| {
            self.out.push_str(&line);
            self.out.push('\n');
        });
        Ended { code: status.code().unwrap_or(-1), out: std::mem::take(&mut self.out), err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn errors(pipe: Option<ChildStderr>) -> String {
    let mut text = String::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_string(&mut text);
    }
    text
}
