//! Sockets and threads: what brings queries to [`crate::answer`] and carries the responses away.
//!
//! ```text
//! socket::bind -> Bound -> start -> worker (UDP threads) -> udp -> syscall ----+-> answer -> observe::counters
//!                            |                                                 |
//!                            +----> tcp (tasks) -> limits ---------------------+
//! ```
//!
//! Entry points: [`socket::bind`] while the process has its privileges, then [`start`]; [`Running`] is what the control
//! plane holds afterwards. What is served is read through one [`ArcSwap`]; the control plane swaps it and passes what it
//! replaced to [`retire`], so that no worker ever frees a set of zones.
//!
//! Beside the data plane: [`control`] (the socket for commands), [`reload`], [`follow`] (a channel's releases), [`lease`] and [`drain`] (what the sidecar is told), [`permit`],
//! [`privileges`]; the service manager is told by [`crate::notify`].
//!
//! Never in the data plane: waiting for anything but sockets, a lock, a log line or an allocation for a UDP query, knowledge
//! of what a zone is.

pub mod control;
pub mod descriptors;
pub mod drain;
pub mod expiry;
pub mod follow;
pub mod lease;
mod limits;
pub mod permit;
pub mod privileges;
mod query_log;
pub mod reload;
pub mod socket;
mod syscall;
mod tcp;
mod throttle;
mod udp;
mod worker;

use crate::answer::Served;
use crate::config::TcpSettings;
use crate::observe::counters::Registry;
use crate::observe::questions::{self, Questions};
use arc_swap::ArcSwap;
use socket::Bound;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tcp::Tcp;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};
use udp::Socket;
use worker::{Beat, Worker};

/// How often [`Running::stop`] and [`retire`] look again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Settings of the data plane.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where TCP's tasks run.
    pub runtime: Handle,
    /// Whether each query is logged, at level INFO with the target `query`.
    pub query_log: bool,
    /// Whether it is noticed what is asked most.
    pub questions: bool,
    /// TCP.
    pub tcp: TcpSettings,
}

/// The data plane at work. Dropping it stops nothing: call [`Running::stop`].
pub struct Running {
    registry: Arc<Registry>,
    questions: Option<Arc<Questions>>,
    beats: Vec<Arc<Beat>>,
    stop_udp: Arc<AtomicBool>,
    stop_tcp: watch::Sender<bool>,
    workers: Mutex<Vec<JoinHandle<()>>>,
    /// Says `None` once the last of TCP's tasks has ended.
    tcp: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

/// What had not ended when the time to stop was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unfinished {
    /// UDP workers.
    pub workers: usize,
    /// TCP connections.
    pub connections: u64,
}

/// Starts a thread for each UDP worker and a task for each TCP listener. Fails if the host gives no thread, or a socket
/// cannot be registered with the runtime.
pub fn start(bound: Bound, served: Arc<ArcSwap<Served>>, options: Options) -> io::Result<Running> {
    let registry = Arc::new(Registry::new(bound.workers));
    // Before the first query comes: the workers count by zone, and never grow their tables themselves.
    registry.grow_zones(served.load().zones.iter().map(|zone| zone.id as usize + 1).max().unwrap_or(0));
    let beats: Vec<_> = (0..bound.workers).map(|_| Arc::<Beat>::default()).collect();
    let stop_udp = Arc::new(AtomicBool::new(false));
    let (stop_tcp, stop_seen) = watch::channel(false);
    let (tcp_running, tcp_ended) = mpsc::channel(1);

    let mut sockets: Vec<Vec<Socket>> = (0..bound.workers).map(|_| Vec::new()).collect();
    let tcp = Tcp::new(options.tcp, served.clone(), registry.clone(), options.query_log);
    let in_runtime = options.runtime.enter();
    for endpoint in bound.endpoints {
        for (of_worker, socket) in sockets.iter_mut().zip(endpoint.udp) {
            of_worker.push(Socket::new(socket, endpoint.address));
        }
        let listener = tokio::net::TcpListener::from_std(endpoint.tcp)?;
        options.runtime.spawn(tcp.clone().listen(listener, stop_seen.clone(), tcp_running.clone()));
    }
    drop(in_runtime);

    let (mut samplers, questions) = match options.questions {
        true => {
            let (samplers, questions) = questions::samplers(beats.len());
            (samplers.into_iter(), Some(Arc::new(questions)))
        }
        false => (Vec::new().into_iter(), None),
    };
    let running = Running {
        registry: registry.clone(),
        questions,
        beats: beats.clone(),
        stop_udp: stop_udp.clone(),
        stop_tcp,
        workers: Mutex::default(),
        tcp: tokio::sync::Mutex::new(tcp_ended),
    };
    for (i, (sockets, beat)) in sockets.into_iter().zip(beats).enumerate() {
        let worker = Worker {
            sockets,
            served: served.clone(),
            counters: registry.udp(i),
            beat,
            stop: stop_udp.clone(),
            query_log: options.query_log,
            sampler: samplers.next(),
        };
        match std::thread::Builder::new().name(format!("udp-{i}")).spawn(move || worker.run()) {
            Ok(thread) => running.threads().push(thread),
            Err(error) => {
                running.ask_to_stop();
                return Err(error);
            }
        }
    }
    Ok(running)
}

impl Running {
    /// How long ago each worker last went through its loop: at most about 100 ms when all is well.
    pub fn beats(&self) -> Vec<Duration> {
        self.beats.iter().map(|beat| beat.age()).collect()
    }

    /// When the worker that has not gone through its loop for the longest last did, boot clock.
    pub fn oldest_beat(&self) -> Duration {
        self.beats.iter().map(|beat| beat.last()).min().unwrap_or_default()
    }

    /// The counters.
    pub fn counters(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// What is asked most, if that is noticed.
    pub fn questions(&self) -> Option<Arc<Questions>> {
        self.questions.clone()
    }

    /// Stops: no more connections are accepted, what has been received is answered, idle connections close. Returns when
    /// all has ended or the time is over, and says what had not. Everything is asked to stop at once, also if the future is
    /// dropped.
    pub async fn stop(&self, deadline: Duration) -> Unfinished {
        let deadline = Instant::now() + deadline;
        self.ask_to_stop();
        let _ = timeout_at(deadline, async { while self.tcp.lock().await.recv().await.is_some() {} }).await;
        while !self.threads().iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
            sleep(LOOK_AGAIN).await;
        }
        self.threads().retain(|thread| !thread.is_finished());
        Unfinished { workers: self.threads().len(), connections: self.registry.snapshot().tcp.open }
    }

    fn ask_to_stop(&self) {
        self.stop_udp.store(true, Ordering::Relaxed);
        self.stop_tcp.send_replace(true);
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.workers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The boot clock: time since the host booted, times of suspension included.
pub fn boot_time() -> Duration {
    Duration::from_nanos(syscall::now_ns())
}

/// Frees what was served before a swap, as soon as no worker holds it any more, on a thread where that may take its time.
pub async fn retire(mut replaced: Arc<Served>) {
    loop {
        match Arc::try_unwrap(replaced) {
            Ok(served) => {
                let _ = tokio::task::spawn_blocking(move || drop(served)).await;
                return;
            }
            Err(held) => replaced = held,
        }
        sleep(LOOK_AGAIN).await;
    }
}
