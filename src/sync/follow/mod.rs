//! The follower: keeps a node at the head of its channel.
//!
//! ```text
//! disk -> start -> what was held is served, with no store reachable
//!
//! stores -> watch -> take: key sets, freshness, verdict -> fetch: pages, packs, roots, segments -> open -> ask -> keep -> apply
//!             ^                    |                                                                                      |
//!             +---- refused -------+                                 tell: reports, at each change and from time to time <+
//! ```
//!
//! Enters: [`Store`]s that nobody trusts, a [`Disk`], settings, a clock for people's times, a seed. Leaves: [`Update`]s to the
//! [`Node`], each a whole release (I1); [`Figures`]; reports. What fails on the way leaves the node as it was (I8).
//!
//! Plain async code over those traits: no thread, no task, no clock but tokio's and the one that is passed in, no randomness but the
//! seed's. So a fleet runs in one process on virtual time, and a seed replays. A crash is the future being dropped at any await.
//!
//! **Kept first, then served** (I2): the release is on disk, durably, before it is swapped in. A node that dies between the two starts
//! with the newer release; the other way round it would start with an older one than it had answered from. Only if the disk fails is a release
//! served that is not kept: that is said loudly, and kept as soon as the disk takes it.

mod ask;
mod delay;
mod failure;
mod fetch;
mod figures;
mod take;
mod tell;
mod tree;
mod watch;

pub use figures::{Doing, Figures, Status};

use super::cache::Cache;
use super::channel::Channel;
use super::disk::Disk;
use super::page::Leaf;
use super::question::Traffic;
use super::report::{Answers, Wave};
use super::store::Store;
use super::trust::{Held, Policy};
use super::zone_name::ZoneName;
use crate::random::Random;
use crate::zone::image::Image;
use async_trait::async_trait;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use take::Taker;
use tokio::sync::{Notify, watch as latest};

/// What the operator has settled for a follower.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whom to believe, and how much.
    pub policy: Policy,
    /// The node's name, for reports.
    pub node: String,
    /// How often a node reports that nothing has changed.
    pub report_interval: Duration,
    /// A newer release that was signed, and is meant for this node, is not served for so long: the node is stale.
    pub stale_after: Duration,
    /// When the node is to take a release: for reports.
    pub wave: Wave,
    /// It takes the releases that it has known for so long; zero: at once.
    pub delay: Duration,
}

/// Whoever answers queries.
#[async_trait]
pub trait Node: Send + Sync {
    /// Answers from what the update leaves, all of it from one moment on. Returns when it does.
    async fn apply(&self, update: Update);
    /// How it is: for reports.
    fn health(&self) -> Health;
}

/// From the release that a node serves to the next one. The first one after the start is from nothing.
pub struct Update {
    /// The next one.
    pub release: Held,
    /// Its channel.
    pub channel: Channel,
    /// Zones with another image than before, new ones included, in canonical order.
    pub changed: Vec<(Leaf, Image)>,
    /// Zones that are gone.
    pub removed: Vec<ZoneName>,
}

/// How a node is, as far as the follower does not know it itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether it answers, as its /readyz says.
    pub ready: bool,
    /// What its sidecars do.
    pub announce: Option<String>,
    /// Zones that are answered from, local ones too.
    pub zones: u64,
    /// Zones that can't be.
    pub failed: u64,
    /// Queries per second, lately.
    pub qps: u64,
    /// When the first signature of any zone ends, in seconds since 1970.
    pub signatures_end: Option<u32>,
    /// What was answered since the start.
    pub answers: Option<Answers>,
    /// What was answered lately.
    pub lately: Option<Answers>,
    /// Addresses at which it answers.
    pub addresses: Vec<SocketAddr>,
    /// What it was asked lately, if it takes note of that.
    pub traffic: Option<Traffic>,
}

/// Seconds since 1970: for reports and ages, which people read. Nothing is decided by it.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What a follower works with.
pub struct Parts {
    /// The stores, the first one first.
    pub stores: Vec<Store>,
    /// Where it keeps what it needs to start.
    pub disk: Arc<dyn Disk>,
    /// Who answers.
    pub node: Arc<dyn Node>,
    /// Times for people.
    pub clock: Clock,
    /// Of all jitter.
    pub seed: u64,
    /// What others see of it.
    pub status: Arc<Status>,
}

/// A node's follower.
pub struct Follower {
    shared: Shared,
    taker: Taker,
}

/// What watching, taking and telling share.
struct Shared {
    settings: Settings,
    stores: Vec<Store>,
    node: Arc<dyn Node>,
    clock: Clock,
    status: Arc<Status>,
    jitter: Mutex<Random>,
    /// Which store is followed.
    preferred: AtomicUsize,
    /// A report is due.
    news: Notify,
}

impl Follower {
    /// Serves what the disk has, if it has a release: the node has applied it when this returns. What is damaged on the disk is fetched
    /// from the stores, for a short time; then an older release is served.
    pub async fn start(settings: Settings, parts: Parts) -> Follower {
        let Parts { stores, disk, node, clock, seed, status } = parts;
        let cache = Cache::new(disk, &settings.policy.channel);
        let (jitter, preferred) = (Mutex::new(Random::new(seed)), AtomicUsize::new(0));
        let shared = Shared { settings, stores, node, clock, status, jitter, preferred, news: Notify::new() };
        shared.status.begin(&shared.settings, &shared.stores);
        let taker = Taker::start(&shared, cache).await;
        Follower { shared, taker }
    }

    /// Follows until it is dropped.
    pub async fn run(self) {
        let Follower { shared, taker } = self;
        let (seen, sightings) = latest::channel(None);
        let (refuse, refusals) = latest::channel(None);
        shared.news.notify_one();
        tokio::join!(
            biased;
            watch::watch(&shared, seen, refusals),
            taker.run(&shared, sightings, refuse),
            tell::tell(&shared),
        );
    }
}

impl Shared {
    /// A time between three and five quarters of this one.
    fn jittered(&self, time: Duration) -> Duration {
        self.jitter.lock().unwrap_or_else(PoisonError::into_inner).about(time)
    }

    /// How long to wait after so many failures in a row.
    fn pause(&self, failures: u32) -> Duration {
        let doubled = PAUSE_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16));
        self.jittered(doubled.min(PAUSE_MAX))
    }

    fn preferred(&self) -> usize {
        self.preferred.load(Ordering::Relaxed)
    }

    /// The stores, the one that is followed first.
    fn by_preference(&self) -> impl Iterator<Item = (usize, &Store)> {
        let (before, after) = self.stores.split_at(self.preferred().min(self.stores.len()));
        let split = before.len();
        let after = after.iter().enumerate().map(move |(at, store)| (split + at, store));
        after.chain(before.iter().enumerate())
    }
}

/// The first wait after a failure; each further one doubles it.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(60);
