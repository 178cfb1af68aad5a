//! The probe that runs a command: exit code 0 is healthy.
//!
//! | given to the command | |
//! |---|---|
//! | `CATCHMENT_ADDRESS` | the service address; `{address}` in an argument becomes it, too |
//! | `CATCHMENT_FAMILY` | `ipv4` or `ipv6` |
//! | `CATCHMENT_SERVICE` | the service's name |
//!
//! The rest of its environment is the sidecar's own, except for what the service manager told the sidecar. It has no standard
//! input; the first octets of what it prints become the detail of its failure. It runs in a process group of its own, which is
//! killed when the probe ends, however it ends: a command that hangs, or leaves a child behind, leaves nothing.

use crate::announce::prefix::Family;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::net::IpAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// Octets of output that are kept.
const OUTPUT_LEN_MAX: usize = 256;
/// How long the output may take to end once the command has: what it left behind may hold it open.
const OUTPUT_TIMEOUT: Duration = Duration::from_millis(50);

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The program and its arguments; at least one. No shell reads it.
    pub command: Vec<String>,
}

/// Kills a group of processes when it goes.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        // Mostly there is nobody left.
        let _ = killpg(self.0, Signal::SIGKILL);
    }
}

impl Check {
    /// Runs the command to its end. `Err`: why that was not healthy.
    pub(super) async fn run(&self, service: &str, address: IpAddr) -> Result<(), String> {
        let Some((program, arguments)) = self.command.split_first() else { return Err("there is no command".into()) };
        let mut command = Command::new(program);
        command
            .args(arguments.iter().map(|argument| argument.replace("{address}", &address.to_string())))
            .env("CATCHMENT_ADDRESS", address.to_string())
            .env("CATCHMENT_FAMILY", Family::of(address).to_string())
            .env("CATCHMENT_SERVICE", service)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        for variable in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"] {
            command.env_remove(variable);
        }
        let mut child = command.spawn().map_err(|error| format!("{program} can't be run: {error}"))?;
        // Its leader is a zombie until it was waited for, so that the number can't be another's.
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(|id| Group(Pid::from_raw(id)));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut reading = Box::pin(async { tokio::join!(read(stdout, &mut out), read(stderr, &mut err)) });
        let mut read_all = false;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                _ = &mut reading, if !read_all => read_all = true,
            }
        };
        drop(group);
        if !read_all {
            let _ = tokio::time::timeout(OUTPUT_TIMEOUT, &mut reading).await;
        }
        drop(reading);
        let status = status.map_err(|error| format!("{program} can't be waited for: {error}"))?;
        judge(status, if err.is_empty() { &out } else { &err })
    }
}

/// Keeps the first octets, and takes the rest so that the command is not held up.
async fn read(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let room = OUTPUT_LEN_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..length.min(room)]);
    }
}

/// What the end of a command says. Its output goes into a log line: control characters don't.
fn judge(status: ExitStatus, output: &[u8]) -> Result<(), String> {
    if status.success() {
        return Ok(());
    }
    let text: String =
        String::from_utf8_lossy(output).trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Err(if text.is_empty() { status.to_string() } else { format!("{status}: {text}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announce::probe::{self, Probe};
    use std::path::Path;
    use std::time::Instant;

    fn probe(script: &str, timeout: Duration) -> Probe {
        let command = ["/bin/sh", "-c", script, "sh", "at {address}"].map(String::from).to_vec();
        let check = probe::Check::Exec(Check { command });
        Probe { service: "web".into(), address: "2001:db8::1".parse().unwrap(), check, timeout }
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn the_exit_code_decides_and_the_output_tells() {
        assert_eq!(probe("exit 0", PATIENCE).run().await.result, Ok(()));
        let failed = probe("echo \"$CATCHMENT_SERVICE $CATCHMENT_FAMILY $CATCHMENT_ADDRESS $1\"; exit 3", PATIENCE);
        let detail = failed.run().await.result.unwrap_err();
        assert_eq!(detail, "exit status: 3: web ipv6 2001:db8::1 at 2001:db8::1");
        let loud =
            probe("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1", PATIENCE).run().await.result.unwrap_err();
        assert!(loud.ends_with(&"x".repeat(OUTPUT_LEN_MAX)) && loud.len() < OUTPUT_LEN_MAX + 20, "{loud}");
        assert!(probe("kill -9 $$", PATIENCE).run().await.result.unwrap_err().contains("signal: 9"));
    }

    #[tokio::test]
    async fn a_command_that_is_not_there_fails() {
        let check = probe::Check::Exec(Check { command: vec!["/no/such/program".into()] });
        let probe = Probe { check, ..probe("", PATIENCE) };
        let detail = probe.run().await.result.unwrap_err();
        assert!(detail.starts_with("/no/such/program can't be run: "), "{detail}");
    }

    /// Whether the process still runs; a zombie does not.
    fn runs(pid: &str) -> bool {
        let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[tokio::test]
    async fn what_hangs_is_killed_with_its_children() {
        let file = std::env::temp_dir().join(format!("catchment-exec-{}", std::process::id()));
        let script = format!("sleep 1000 & echo $! > {file}.new; mv {file}.new {file}; wait", file = file.display());
        let began = Instant::now();
        let outcome = probe(&script, Duration::from_secs(1)).run().await;
        assert_eq!(outcome.result, Err("no end within 1s".into()));
        assert!(began.elapsed() < PATIENCE);
        let child = std::fs::read_to_string(&file).unwrap();
        let _ = std::fs::remove_file(&file);
        let deadline = Instant::now() + PATIENCE;
        while runs(child.trim()) {
            assert!(Instant::now() < deadline, "the child is left behind");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn what_is_left_behind_does_not_hold_up_the_probe() {
        let began = Instant::now();
        assert_eq!(probe("sleep 1000 & exit 0", PATIENCE).run().await.result, Ok(()));
        assert!(began.elapsed() < PATIENCE / 2);
    }
}
