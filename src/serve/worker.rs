//! The UDP workers: one OS thread each, with a socket of its own for every address.
//!
//! ```text
//!           +------------------ nothing for 100 ms -----------------+
//!           v                                                       |
//! start -> beat -> stop asked? -no-> wait for datagrams -> receive -+-> answer -> send -+
//!           ^         |                                                                 |
//!           +---------|-----------------------------------------------------------------+
//!                     +-yes-> answer what the sockets still hold, bounded -> end
//! ```
//!
//! A worker takes no lock, allocates nothing and logs nothing for a query. What is served is looked up once a batch, after
//! the batch has come, so that a query that was sent after a swap gets the new answer.

use super::socket::RECEIVE_WAIT;
use super::syscall::{BATCH_MAX, Batch, now_ns, poll};
use super::throttle::Throttle;
use super::udp::Socket;
use crate::answer::Served;
use crate::observe::counters::{Counters, One};
use crate::observe::questions::Sampler;
use arc_swap::{ArcSwap, Cache};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Batches that a worker still answers from each socket after it was asked to stop.
const DRAIN_BATCHES_MAX: usize = 64;
/// How long a worker waits after an error of a socket, so that one that repeats takes no core.
const ERROR_WAIT: Duration = Duration::from_millis(10);

/// When a worker last went through its loop, in nanoseconds since boot. On cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Beat(AtomicU64);

impl Beat {
    /// Time since the last beat; since the boot before the first one.
    pub(crate) fn age(&self) -> Duration {
        Duration::from_nanos(now_ns().saturating_sub(self.0.load(Ordering::Relaxed)))
    }

    /// Time from the boot to the last beat; 0 before the first one.
    pub(crate) fn last(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn stamp(&self, now_ns: u64) {
        self.0.store(now_ns, Ordering::Relaxed);
    }
}

/// What the threads share with whoever started them.
pub(crate) struct Worker {
    pub(crate) sockets: Vec<Socket>,
    pub(crate) served: Arc<ArcSwap<Served>>,
    pub(crate) counters: Arc<Counters<One>>,
    pub(crate) beat: Arc<Beat>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) query_log: bool,
    /// Notices some of the questions, if that is wanted.
    pub(crate) sampler: Option<Sampler>,
}

impl Worker {
    /// Serves until the stop flag is set.
    pub(crate) fn run(mut self) {
        let mut batch = Batch::new();
        let mut served = Cache::new(self.served.clone());
        let mut ready: Vec<_> = self.sockets.iter().map(|socket| poll_entry(&socket.socket)).collect();
        while !self.stop.load(Ordering::Relaxed) {
            let now_ns = match ready.len() {
                1 => self.exchange(0, &mut batch, &mut served, true).1,
                _ => self.exchange_ready(&mut ready, &mut batch, &mut served),
            };
            self.beat.stamp(now_ns);
        }
        for socket in 0..self.sockets.len() {
            for _ in 0..DRAIN_BATCHES_MAX {
                if self.exchange(socket, &mut batch, &mut served, false).0 < BATCH_MAX {
                    break;
                }
            }
        }
    }

    /// Waits for several sockets, and serves a batch from each that is ready: a busy one cannot keep the others waiting.
    fn exchange_ready(
        &mut self,
        ready: &mut [libc::pollfd],
        batch: &mut Batch,
        served: &mut Cache<Arc<ArcSwap<Served>>, Arc<Served>>,
    ) -> u64 {
        if let Err(error) = poll(ready, RECEIVE_WAIT) {
            report_failure("poll", &error);
            std::thread::sleep(ERROR_WAIT);
        }
        let mut latest_ns = None;
        for (i, entry) in ready.iter().enumerate() {
            if entry.revents != 0 {
                latest_ns = Some(self.exchange(i, batch, served, false).1);
            }
        }
        // Also when nothing came: a set of zones that was replaced must not stay in memory for the sake of this worker.
        latest_ns.unwrap_or_else(|| {
            served.load();
            now_ns()
        })
    }

    /// Receives and answers one batch. Gives its length, and the time afterwards.
    fn exchange(
        &mut self,
        socket: usize,
        batch: &mut Batch,
        served: &mut Cache<Arc<ArcSwap<Served>>, Arc<Served>>,
        wait: bool,
    ) -> (usize, u64) {
        let socket = &mut self.sockets[socket];
        let received = match socket.receive(batch, &self.counters, wait) {
            Ok(received) => received,
            Err(error) => {
                report_failure("receiving", &error);
                std::thread::sleep(ERROR_WAIT);
                0
            }
        };
        let served = served.load();
        if received == 0 {
            return (0, now_ns());
        }
        let now_ns = socket.answer(batch, received, served, &self.counters, self.query_log, &mut self.sampler);
        (received, now_ns)
    }
}

fn poll_entry(socket: &impl AsRawFd) -> libc::pollfd {
    libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}

#[cold]
fn report_failure(what: &str, error: &std::io::Error) {
    static FAILED: Throttle = Throttle::new(Duration::from_secs(10));
    if let Some(times) = FAILED.pass() {
        tracing::error!("UDP: {what} failed: {error} ({times} times since the last report)");
    }
}
