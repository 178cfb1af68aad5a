//! Between a client (a node, a publisher) and a store: time, loss, partitions, and the steps at which a client dies.

use super::chance::number;
use super::plan::Trouble;
use super::world::{World, lock};
use catchment::sync::store::{Result, StoreError};
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// A client notices so late that nothing comes.
const TIMEOUT_MS: u64 = 2_000;
/// Requests of one client that may be under way at once: 16 blobs, a state, a probe, a report, a key set.
const IN_FLIGHT_MAX: u64 = 20;
/// A follower that finds no peace asks more often than this: a state four times a second, and what a release needs.
const REQUESTS_PER_MINUTE_MAX: u64 = 1_200;

/// From a start to a crash.
#[derive(Debug)]
pub(crate) struct Life {
    steps: AtomicU64,
    dies_at: AtomicU64,
    dead: AtomicBool,
    died: Notify,
}

impl Life {
    /// One that ends at this step, or when it is ended.
    pub(crate) fn until(dies_at: u64) -> Arc<Life> {
        let (steps, dies_at) = (AtomicU64::new(0), AtomicU64::new(dies_at));
        Arc::new(Life { steps, dies_at, dead: AtomicBool::new(false), died: Notify::new() })
    }

    /// It ends so many steps from now.
    pub(crate) fn ends_in(&self, steps: u64) {
        self.dies_at.store(self.steps() + steps, Ordering::Relaxed);
    }

    /// Each thing that a client does to the world is a step, before and after. Never returns to the dead.
    pub(crate) async fn step(&self) {
        if self.steps.fetch_add(1, Ordering::Relaxed) + 1 == self.dies_at.load(Ordering::Relaxed) {
            self.end();
        }
        if self.dead.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }

    pub(crate) fn end(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.died.notify_one();
    }

    /// Returns when it has ended.
    pub(crate) async fn ended(&self) {
        while !self.dead.load(Ordering::Relaxed) {
            self.died.notified().await;
        }
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }
}

/// A node or a publisher, as the network knows it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: u64,
    /// Publishers ask as often as they like.
    bounded: bool,
    way_ms: u64,
    cut_until_ms: AtomicU64,
    /// By store.
    lies_until_ms: [AtomicU64; 2],
    /// The state that it is shown while it is lied to, if it is to be a certain one.
    shown: Mutex<Option<Arc<[u8]>>>,
    in_flight: AtomicU64,
    minute: Mutex<(u64, u64)>,
}

impl Client {
    pub(crate) fn new(world: &World, name: &str, bounded: bool) -> Arc<Client> {
        let number = number(name);
        let way_ms = super::chance::Chance::of(&[world.plan.seed, number]).between(1, world.plan.way_ms_max);
        Arc::new(Client {
            number,
            bounded,
            way_ms,
            cut_until_ms: AtomicU64::new(0),
            lies_until_ms: [AtomicU64::new(0), AtomicU64::new(0)],
            shown: Mutex::new(None),
            in_flight: AtomicU64::new(0),
            minute: Mutex::new((0, 0)),
        })
    }

    pub(crate) fn cut(&self, until_ms: u64) {
        self.cut_until_ms.fetch_max(until_ms, Ordering::Relaxed);
    }

    pub(crate) fn is_cut(&self, world: &World) -> bool {
        !world.is_calm() && world.now_ms() < self.cut_until_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn lie(&self, store: usize, until_ms: u64) {
        self.lies_until_ms[store].fetch_max(until_ms, Ordering::Relaxed);
    }

    pub(crate) fn show(&self, state: Option<Arc<[u8]>>) {
        *lock(&self.shown) = state;
    }

    pub(crate) fn shown(&self) -> Option<Arc<[u8]>> {
        lock(&self.shown).clone()
    }

    pub(crate) fn is_lied_to(&self, world: &World, store: usize) -> bool {
        !world.is_calm() && world.now_ms() < self.lies_until_ms[store].load(Ordering::Relaxed)
    }

    fn count(&self, world: &World) {
        let mut minute = lock(&self.minute);
        let now = world.now_ms() / 60_000;
        *minute = if minute.0 == now { (now, minute.1 + 1) } else { (now, 1) };
        if self.bounded && minute.1 > REQUESTS_PER_MINUTE_MAX {
            world.violated(format_args!("a node makes more than {REQUESTS_PER_MINUTE_MAX} requests a minute"));
        }
    }
}

/// A client's way to a store.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) world: Arc<World>,
    pub(crate) client: Arc<Client>,
    pub(crate) life: Arc<Life>,
    /// Which store.
    pub(crate) store: usize,
}

/// A request that has arrived; the answer is on its way when [`Trip::back`] is awaited.
pub(crate) struct Trip<'a> {
    link: &'a Link,
    back_ms: u64,
    lost: bool,
}

impl Drop for Trip<'_> {
    fn drop(&mut self) {
        self.link.client.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Link {
    /// Carries a request to the store, which is down until then.
    pub(crate) async fn go(&self, what: &str, down_until_ms: u64) -> Result<Trip<'_>> {
        let Link { world, client, life, .. } = self;
        let mut chance = world.chance(&[client.number, number(what), 2]);
        let here = client.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        let mut trip = Trip { link: self, back_ms: 0, lost: false };
        if client.bounded && here > IN_FLIGHT_MAX {
            world.violated(format_args!("a node has {here} requests under way"));
        }
        client.count(world);
        life.step().await;
        let down = down_until_ms == u64::MAX || !world.is_calm() && world.now_ms() < down_until_ms;
        if client.is_cut(world) || down {
            return no_answer(chance.between(1, TIMEOUT_MS)).await;
        }
        let way = |chance: &mut super::chance::Chance| chance.between(client.way_ms.div_ceil(2), client.way_ms);
        sleep(Duration::from_millis(way(&mut chance))).await;
        trip.back_ms = way(&mut chance);
        if !world.is_calm() && world.plan.has(Trouble::Loss) && chance.percent(world.plan.loss_percent) {
            if chance.percent(50) {
                return no_answer(TIMEOUT_MS).await;
            }
            trip.lost = true;
        }
        Ok(trip)
    }

    /// The way of a message that nobody asked for.
    pub(crate) async fn push(&self, what: &str) {
        let mut chance = self.world.chance(&[self.client.number, number(what), 3]);
        let way_ms = self.client.way_ms;
        sleep(Duration::from_millis(chance.between(way_ms.div_ceil(2), way_ms))).await;
    }

    pub(crate) fn is_lied_to(&self) -> bool {
        self.client.is_lied_to(&self.world, self.store)
    }
}

impl Trip<'_> {
    /// Whether the answer comes.
    pub(crate) async fn back(self) -> Result<()> {
        if self.lost || self.link.client.is_cut(&self.link.world) {
            return no_answer(TIMEOUT_MS).await.map(|_: Trip<'_>| ());
        }
        sleep(Duration::from_millis(self.back_ms)).await;
        self.link.life.step().await;
        Ok(())
    }
}

async fn no_answer<T>(after_ms: u64) -> Result<T> {
    sleep(Duration::from_millis(after_ms)).await;
    Err(StoreError::Unavailable("no answer".into()))
}
