//! What a run's parts share: time, the log, the first violation.

use super::chance::Chance;
use super::met::{Met, Tally};
use super::oracle::Oracle;
use super::plan::Plan;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// One run.
pub(crate) struct World {
    pub(crate) plan: Plan,
    began: Instant,
    oracle: Mutex<Oracle>,
    log: Mutex<Log>,
    failure: Mutex<Option<String>>,
    failed: Notify,
    met: Mutex<Tally>,
    /// There is no more trouble.
    calm: AtomicBool,
}

struct Log {
    digest: xxhash_rust::xxh3::Xxh3,
    /// Lines, if somebody will read them.
    lines: Option<Vec<String>>,
}

impl World {
    /// Within a runtime, whose time is paused.
    pub(crate) fn new(plan: Plan, keeps_log: bool) -> World {
        World {
            plan,
            began: Instant::now(),
            oracle: Mutex::default(),
            log: Mutex::new(Log { digest: xxhash_rust::xxh3::Xxh3::new(), lines: keeps_log.then(Vec::new) }),
            failure: Mutex::new(None),
            failed: Notify::new(),
            met: Mutex::default(),
            calm: AtomicBool::new(false),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.elapsed().as_millis() as u64
    }

    /// The time that people's clocks show, if they are right.
    pub(crate) fn now_secs(&self) -> u64 {
        1_800_000_000 + self.elapsed().as_secs()
    }

    /// Draws of a thing, now.
    pub(crate) fn chance(&self, parts: &[u64]) -> Chance {
        let mut all = vec![self.plan.seed, self.now_ms()];
        all.extend_from_slice(parts);
        Chance::of(&all)
    }

    pub(crate) fn log(&self, event: fmt::Arguments<'_>) {
        let ms = self.now_ms();
        let line = format!("{:>5}.{:03} {event}", ms / 1000, ms % 1000);
        let mut log = lock(&self.log);
        log.digest.update(line.as_bytes());
        if let Some(lines) = &mut log.lines {
            lines.push(line);
        }
    }

    /// The log's digest, and its lines if they were kept.
    pub(crate) fn logged(&self) -> (u64, Vec<String>) {
        let log = lock(&self.log);
        (log.digest.digest(), log.lines.clone().unwrap_or_default())
    }

    pub(crate) fn oracle(&self) -> MutexGuard<'_, Oracle> {
        lock(&self.oracle)
    }

    /// What must hold does not. The first one counts.
    pub(crate) fn violated(&self, what: fmt::Arguments<'_>) {
        self.log(format_args!("VIOLATED {what}"));
        lock(&self.failure).get_or_insert_with(|| format!("at {:.3} s: {what}", self.elapsed().as_secs_f64()));
        self.failed.notify_one();
    }

    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.failure).clone()
    }

    /// Returns at the first violation.
    pub(crate) async fn failed(&self) {
        while self.failure().is_none() {
            self.failed.notified().await;
        }
    }

    pub(crate) fn meets(&self, met: Met) {
        lock(&self.met).add(met);
    }

    pub(crate) fn met(&self) -> Tally {
        lock(&self.met).clone()
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
        self.log(format_args!("all trouble ends"));
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
