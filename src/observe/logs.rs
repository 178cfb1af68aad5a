//! Logs: lines of text for people, or JSON objects for machines, on standard error.
//!
//! Whoever logs only puts a line into a bounded queue; a thread of its own writes. When the reader of the log stalls,
//! lines are dropped and counted: a full pipe must not stop answers.

use crate::config::LogFormat;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Target of the lines that `--query-log` turns on.
pub const QUERY_TARGET: &str = "query";

/// Lines that wait for the writing thread.
const LINES_MAX: usize = 8192;
/// How long the end of the process waits for the last lines.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

enum Entry {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Writes the last lines when it goes.
pub struct Guard {
    queue: Queue,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        // The queue may be full, and its reader stalled for ever: then the last lines are lost.
        if self.queue.sender.try_send(Entry::Flush(done)).is_ok() {
            let _ = written.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

/// Turns logging on for the whole process.
pub fn start(format: LogFormat, level: Level, query_log: bool) -> Guard {
    let (sender, receiver) = sync_channel(LINES_MAX);
    let queue = Queue { sender, dropped: Arc::default() };
    let dropped = Arc::clone(&queue.dropped);
    std::thread::Builder::new()
        .name("log".into())
        .spawn(move || write_lines(&receiver, &dropped, &mut io::stderr()))
        .expect("the process can start a thread");

    let query_level = if query_log { Some(Level::INFO) } else { None };
    let filter = Targets::new().with_target("catchment", level).with_target(QUERY_TARGET, query_level);
    let lines = fmt::layer().with_target(false).with_writer(queue.clone());
    let layer = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => {
            let lines = lines.with_ansi(io::stderr().is_terminal());
            // The journal writes the time itself.
            let to_journal = std::env::var_os("JOURNAL_STREAM").is_some() && !io::stderr().is_terminal();
            if to_journal { lines.without_time().boxed() } else { lines.boxed() }
        }
    };
    // A second start in one process keeps the first: tests do that.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    Guard { queue }
}

#[derive(Clone)]
struct Queue {
    sender: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Queue;
    fn make_writer(&'a self) -> Queue {
        self.clone()
    }
}

impl Write for Queue {
    /// The subscriber writes each event, finished with its line end, in one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.sender.try_send(Entry::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Until every sender is gone. Errors of `out` (a closed pipe) have nowhere to be told.
fn write_lines(receiver: &Receiver<Entry>, dropped: &AtomicU64, out: &mut impl Write) {
    while let Ok(entry) = receiver.recv() {
        let missing = dropped.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let _ = writeln!(out, "{missing} log lines were dropped: the reader of this log is too slow");
        }
        match entry {
            Entry::Line(line) => drop(out.write_all(&line)),
            Entry::Flush(done) => drop(done.try_send(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_lines_and_says_how_many() {
        let (sender, receiver) = sync_channel(2);
        let mut queue = Queue { sender, dropped: Arc::default() };
        let dropped = Arc::clone(&queue.dropped);
        for line in ["a\n", "b\n", "c\n", "d\n"] {
            assert_eq!(queue.write(line.as_bytes()).unwrap(), 2, "whoever logs never sees an error");
        }
        drop(queue);
        let mut out = Vec::new();
        write_lines(&receiver, &dropped, &mut out);
        let expected = "2 log lines were dropped: the reader of this log is too slow\na\nb\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
