//! What others see of a follower: metrics, /zones, the lease, tests.

use super::Settings;
use crate::sync::channel::Generation;
use crate::sync::report::Serving;
use crate::sync::store::Store;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a follower is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Doing {
    /// It reads its disk.
    #[default]
    Starting,
    /// It waits for news.
    Watching,
    /// It fetches and checks a release.
    Fetching,
    /// A release could not be fetched or was refused; it waits to try again, or for another.
    Hindered,
}

impl Doing {
    /// All, in the order of their declaration.
    pub const ALL: [Doing; 4] = [Doing::Starting, Doing::Watching, Doing::Fetching, Doing::Hindered];

    /// A word for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Doing::Starting => "starting",
            Doing::Watching => "watching",
            Doing::Fetching => "fetching",
            Doing::Hindered => "hindered",
        }
    }
}

/// A follower in figures.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// The channel's name.
    pub channel: String,
    /// What it is doing.
    pub doing: Doing,
    /// The store that is followed.
    pub store: Option<String>,
    /// The release that is served.
    pub serving: Option<Serving>,
    /// If that is on trial: the newest step that is known, and when the node goes back.
    pub trial: Option<(u32, Instant)>,
    /// The deadline of a trial that is on somewhere in the fleet: figures of all nodes are looked at meanwhile.
    pub(super) compared: Option<Duration>,
    /// The generation of the newest word about the head, and when that was signed, in seconds since 1970.
    pub head: Option<(Generation, u64)>,
    /// Why the head is not served, if it is known and is not.
    pub problem: Option<String>,
    /// Why what is served is not kept, if it is not.
    pub unkept: Option<String>,
    /// Releases applied since the start.
    pub applied: u64,
    /// How long the last one took, from the moment when all of it was here and checked.
    pub apply_time: Duration,
    /// How long the last one took from the news to the swap.
    pub take_time: Duration,
    /// Refusals by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Blobs asked for at stores.
    pub requests: u64,
    /// Octets of blobs that came.
    pub octets: u64,
    /// Failures of stores, by store.
    pub store_errors: BTreeMap<String, u64>,
    /// Files of the cache that were damaged, and removed.
    pub damaged: u64,
    /// Since when a newer release is signed and known.
    pub(super) pending_since: Option<Instant>,
    stale_after: Duration,
}

impl Figures {
    /// A newer signed release is known and not served after the grace time.
    pub fn stale(&self) -> bool {
        self.pending_since.is_some_and(|since| since.elapsed() >= self.stale_after)
    }

    /// How long ago the publisher last said what the head is, in seconds. Negative: its clock, or ours, is wrong.
    pub fn head_age_secs(&self, now_secs: u64) -> Option<i64> {
        let (_, said) = self.head?;
        let age = i128::from(now_secs) - i128::from(said);
        Some(age.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }
}

/// The figures of a follower, where others can read them.
#[derive(Debug, Default)]
pub struct Status {
    figures: Mutex<Figures>,
    serves: watch::Sender<bool>,
}

impl Status {
    /// As they are now.
    pub fn figures(&self) -> Figures {
        self.lock().clone()
    }

    /// The generation that is served.
    pub fn generation(&self) -> Option<Generation> {
        self.lock().serving.map(|serving| serving.generation)
    }

    /// See [`Figures::stale`].
    pub fn stale(&self) -> bool {
        self.lock().stale()
    }

    /// Waits until a release is served.
    pub async fn serves(&self) {
        // The sender lives as long as this does.
        let _ = self.serves.subscribe().wait_for(|serves| *serves).await;
    }

    pub(super) fn begin(&self, settings: &Settings, stores: &[Store]) {
        let mut figures = self.lock();
        figures.channel = settings.policy.channel.to_string();
        figures.stale_after = settings.stale_after;
        figures.store_errors = stores.iter().map(|store| (store.name.clone(), 0)).collect();
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Figures)) {
        let mut figures = self.lock();
        change(&mut figures);
        if figures.serving.is_some() {
            self.serves.send_if_modified(|serves| !std::mem::replace(serves, true));
        }
    }

    /// The problem as it is now; logged when it is another than before.
    pub(super) fn hindered(&self, problem: String) -> bool {
        let mut figures = self.lock();
        figures.doing = Doing::Hindered;
        let is_new = figures.problem.as_ref() != Some(&problem);
        figures.problem = Some(problem);
        is_new
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
