//! A node: the real follower on a simulated disk and network, started again whenever it dies; and what must hold of what it serves.

use super::chance::number;
use super::disk::{Mount, Platter};
use super::met::Met;
use super::network::{Client, Life, Link};
use super::plan::Trouble;
use super::shelf::{self, Shelf};
use super::trials::BACK_MAX;
use super::world::{World, lock};
use super::zones::Tree;
use async_trait::async_trait;
use catchment::sync::channel::Generation;
use catchment::sync::codec::Digest;
use catchment::sync::follow::{Doing, Figures, Follower, Health, Node, Parts, Settings, Status, Update};
use catchment::sync::report::Wave;
use catchment::sync::trust::{Held, Policy};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often nodes report that nothing has changed.
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_secs(20);
/// Nodes that run behind do so by this.
const DELAY: Duration = Duration::from_secs(25);

/// A node, all of its lives.
pub(crate) struct Site {
    pub(crate) name: String,
    world: Arc<World>,
    stores: Vec<Arc<Shelf>>,
    policy: Policy,
    pub(crate) client: Arc<Client>,
    pub(crate) platter: Arc<Platter>,
    clock_ahead_secs: AtomicI64,
    inner: Mutex<Inner>,
}

struct Inner {
    life: Arc<Life>,
    lives: u64,
    status: Arc<Status>,
    /// What is answered from in this life.
    tree: Tree,
    serving: Option<Held>,
    /// Since when.
    since: Instant,
    /// The newest that was ever served.
    newest: Option<Held>,
    /// The release on trial that was served when a life ended.
    died_with: Option<Held>,
    /// The disk was spoilt or damaged: a restart may begin with less.
    hurt: bool,
    /// Releases that are on the disk since before this life.
    found: Vec<Digest>,
    /// How long each release took from being the head to being served, the first time.
    pub(crate) took: Vec<Duration>,
}

impl Site {
    pub(crate) fn new(world: &Arc<World>, number_: u32, stores: Vec<Arc<Shelf>>, policy: Policy) -> Arc<Site> {
        let name = format!("node{number_}");
        let client = Client::new(world, &name, true);
        let platter = Platter::new(world, client.number);
        Arc::new(Site {
            name,
            world: Arc::clone(world),
            stores,
            policy,
            client,
            platter,
            clock_ahead_secs: AtomicI64::new(0),
            inner: Mutex::new(Inner {
                life: Life::until(0),
                lives: 0,
                status: Arc::default(),
                tree: Tree::new(),
                serving: None,
                since: Instant::now(),
                newest: None,
                died_with: None,
                hurt: false,
                found: Vec::new(),
                took: Vec::new(),
            }),
        })
    }

    /// Lives, dies and lives again, until it is dropped.
    pub(crate) async fn live(self: Arc<Site>) {
        loop {
            let life = self.begin();
            let run = async {
                let follower = Follower::start(self.settings(), self.parts(&life)).await;
                self.started();
                follower.run().await;
            };
            tokio::select! {
                biased;
                () = life.ended() => {}
                () = run => self.world.violated(format_args!("the follower of {} ended", self.name)),
            }
            let down_ms = self.died(&life);
            sleep(Duration::from_millis(down_ms)).await;
        }
    }

    fn begin(&self) -> Arc<Life> {
        let mut inner = lock(&self.inner);
        inner.lives += 1;
        let mut chance = self.world.chance(&[self.client.number, 9]);
        let frail = !self.world.is_calm() && self.world.plan.has(Trouble::Crash) && chance.percent(40);
        // Early in a life each step is another one; later ones repeat themselves.
        let steps = *chance.pick(&[20, 60, 400]);
        inner.life = Life::until(if frail { chance.between(1, steps) } else { 0 });
        inner.status = Arc::default();
        inner.tree = Tree::new();
        inner.serving = None;
        let on_disk = self.platter.names("releases");
        inner.found = on_disk.iter().filter_map(|name| name.rsplit('.').next()?.parse().ok()).collect();
        Arc::clone(&inner.life)
    }

    fn died(&self, life: &Life) -> u64 {
        let mut inner = lock(&self.inner);
        let tried = inner.serving.take().filter(|held| self.world.oracle().tried(&held.manifest).is_some());
        if tried.is_some() {
            self.world.meets(Met::CanaryDies);
            inner.died_with = tried;
        }
        drop(inner);
        let down_ms = self.world.chance(&[self.client.number, 10]).between(5, 3_000);
        self.world.log(format_args!("{} died at step {}, back in {down_ms} ms", self.name, life.steps()));
        down_ms
    }

    /// Its process ends now.
    pub(crate) fn kill(&self) {
        lock(&self.inner).life.end();
    }

    fn settings(&self) -> Settings {
        Settings {
            policy: self.policy.clone(),
            node: self.name.clone(),
            report_interval: REPORT_INTERVAL,
            stale_after: Duration::from_secs(60),
            wave: Wave::Main,
            delay: self.delay(),
        }
    }

    /// How long it runs behind.
    fn delay(&self) -> Duration {
        let runs_behind = self.world.plan.has(Trouble::Waves) && share(&self.world, &self.name, 10);
        if runs_behind { DELAY } else { Duration::ZERO }
    }

    fn parts(self: &Arc<Site>, life: &Arc<Life>) -> Parts {
        let link = |shelf: &Arc<Shelf>| Link {
            world: Arc::clone(&self.world),
            client: Arc::clone(&self.client),
            life: Arc::clone(life),
            store: shelf.number,
        };
        let this = Arc::clone(self);
        Parts {
            stores: self.stores.iter().map(|shelf| shelf::store(shelf, link(shelf))).collect(),
            disk: Arc::new(Mount { platter: Arc::clone(&self.platter), life: Arc::clone(life) }),
            node: Arc::new(Server { site: Arc::clone(self), life: Arc::clone(life) }),
            clock: Arc::new(move || {
                this.world.now_secs().saturating_add_signed(this.clock_ahead_secs.load(Ordering::Relaxed))
            }),
            seed: self.world.chance(&[self.client.number, 11]).draw(),
            status: Arc::clone(&lock(&self.inner).status),
        }
    }

    /// The disk may lose what was promised.
    pub(crate) fn hurt(&self) {
        lock(&self.inner).hurt = true;
    }

    pub(crate) fn is_hurt(&self) -> bool {
        lock(&self.inner).hurt
    }

    pub(crate) fn jump(&self, secs: i64) {
        self.clock_ahead_secs.store(secs, Ordering::Relaxed);
    }

    pub(crate) fn figures(&self) -> Figures {
        lock(&self.inner).status.figures()
    }

    pub(crate) fn serving(&self) -> Option<Held> {
        lock(&self.inner).serving
    }

    pub(crate) fn took(&self) -> Vec<Duration> {
        lock(&self.inner).took.clone()
    }

    /// Whether it is at the head, and at peace with it.
    pub(crate) fn is_at(&self, head: Held) -> bool {
        self.serving() == Some(head) && {
            let figures = self.figures();
            let at_peace = figures.problem.is_none() && figures.doing == Doing::Watching && figures.unkept.is_none();
            at_peace && !figures.stale()
        }
    }

    /// Why it is not.
    pub(crate) fn behind(&self) -> String {
        let figures = self.figures();
        format!(
            "{} serves {:?}, is {:?}, problem {:?}, unkept {:?}, store {:?}, errors {:?}, refused {:?}",
            self.name,
            self.serving().map(|held| held.generation.to_string()),
            figures.doing,
            figures.problem,
            figures.unkept,
            figures.store,
            figures.store_errors,
            figures.refused
        )
    }

    /// I2, I5: what a disk that did its duty has is served, whatever the stores do.
    fn started(&self) {
        let inner = lock(&self.inner);
        if !inner.hurt && inner.serving.map(|held| held.generation) < inner.newest.map(|held| held.generation) {
            let had = inner.newest.map(|held| held.generation.to_string());
            let has = inner.serving.map(|held| held.generation.to_string());
            self.world.violated(format_args!("I2: {} served {had:?}, died, and started with {has:?}", self.name));
        }
    }

    /// The newest key set that it has in its cache.
    fn key_set_kept(&self) -> u32 {
        self.platter.names("keys").iter().filter_map(|name| name.parse().ok()).max().unwrap_or(0)
    }

    fn applies(&self, update: &Update) {
        let (world, held) = (&self.world, update.release);
        let mut inner = lock(&self.inner);
        let before = inner.tree.clone();
        for (leaf, image) in &update.changed {
            if image.digest() != leaf.image.0 {
                world.violated(format_args!("I1: {} was given another image of {}", self.name, leaf.name));
            }
            inner.tree.insert(leaf.name.as_wire().to_vec(), Digest(image.digest()));
        }
        for name in &update.removed {
            if inner.tree.remove(name.as_wire()).is_none() {
                world.violated(format_args!("{} removes {name}, which it does not have", self.name));
            }
        }
        world.log(format_args!(
            "{} serves {} ({} changed, {} removed)",
            self.name,
            held.generation,
            update.changed.len(),
            update.removed.len()
        ));
        self.check_release(&inner, held);
        self.check_wave(&inner, held, &before);
        self.check_order(&inner, held.generation);
        let first_of_life = inner.serving.is_none();
        (inner.serving, inner.since) = (Some(held), Instant::now());
        if inner.newest.is_none_or(|newest| newest.generation < held.generation) {
            inner.newest = Some(held);
            let since = world.oracle().releases.get(&held.manifest).and_then(|release| release.head_since);
            if let Some(since) = since.filter(|_| !first_of_life || inner.lives == 1) {
                inner.took.push(Instant::now() - since);
            }
        }
    }

    /// I1, I3: all of one release, which the channel's keys signed.
    fn check_release(&self, inner: &Inner, held: Held) {
        let (world, name) = (&self.world, &self.name);
        let oracle = world.oracle();
        let Some(release) = oracle.releases.get(&held.manifest) else {
            drop(oracle);
            return world.violated(format_args!("I3: {name} serves {}, which nobody signed", held.generation));
        };
        let (whole, generation) = (release.tree == inner.tree, release.generation);
        let from_disk = inner.serving.is_none() && inner.found.contains(&held.manifest);
        let recovered = oracle.recovery.is_some_and(|recovery| self.key_set_kept() >= recovery);
        let stolen = release.stolen && recovered && !from_disk;
        drop(oracle);
        if generation != held.generation {
            world.violated(format_args!("I3: {name} calls {generation} {}", held.generation));
        }
        if !whole {
            world.violated(format_args!("I1: {name} serves {generation}, but not exactly its zones"));
        }
        if stolen {
            world.violated(format_args!(
                "I3: {name} takes {generation}, signed with a key that its key set has no more"
            ));
        }
    }

    /// Only whom a trial names serves what is on trial, or what one goes back to from it, and nobody who died with it; who runs behind serves what it can have known for as long, or had before.
    fn check_wave(&self, inner: &Inner, held: Held, before: &Tree) {
        let (world, name) = (&self.world, &self.name);
        let oracle = world.oracle();
        let is_tried = oracle.tried(&held.manifest).map(|tried| tried.nodes.contains(name));
        let goes_back = oracle.left(&held.manifest).map(|tried| tried.nodes.contains(name));
        let delay = self.delay();
        let is_early = !delay.is_zero() && inner.serving.is_some() && inner.tree != *before && {
            let same = oracle.releases.values().filter(|release| release.tree == inner.tree);
            // What a thief shows to some they know before it is anybody's head.
            let since =
                same.filter_map(|release| if release.stolen { Some(release.learned) } else { release.head_since });
            let since = since.min();
            since.is_some_and(|since| since.elapsed() < delay)
        };
        drop(oracle);
        if is_tried == Some(false) || is_tried.is_some() && !delay.is_zero() {
            world.violated(format_args!("{name} serves {}, which is on trial elsewhere", held.generation));
        }
        if is_tried.is_some() && inner.died_with == Some(held) && !inner.hurt {
            world.violated(format_args!("{name} died with {} on trial, and serves it again", held.generation));
        }
        match goes_back {
            Some(true) => world.meets(Met::GoesBack),
            Some(false) => {
                world.violated(format_args!("{name} goes back to {} from a trial elsewhere", held.generation));
            }
            None => {}
        }
        if is_early {
            world.violated(format_args!("{name} runs {delay:?} behind, and serves {} already", held.generation));
        }
    }

    /// Nobody serves what is on trial for longer than was said.
    pub(crate) fn is_in_time(&self) {
        let inner = lock(&self.inner);
        let Some(held) = inner.serving.filter(|_| !inner.hurt) else { return };
        let oracle = self.world.oracle();
        let Some(longest) = oracle.tried(&held.manifest).map(|tried| tried.longest) else { return };
        drop(oracle);
        let served = inner.since.elapsed();
        if served > longest + BACK_MAX {
            let (name, generation) = (&self.name, held.generation);
            self.world.violated(format_args!("{name} serves {generation} on trial for {served:?}, of {longest:?}"));
        }
    }

    /// I2: up, never down.
    fn check_order(&self, inner: &Inner, generation: Generation) {
        let (world, name) = (&self.world, &self.name);
        if let Some(serving) = inner.serving
            && generation <= serving.generation
        {
            world.violated(format_args!("I2: {name} goes from {} to {generation}", serving.generation));
        }
        // A disk that lost something may take the node back when it starts, and then forward again.
        if let Some(newest) = inner.newest
            && generation < newest.generation
            && !inner.hurt
        {
            world.violated(format_args!("I2: {name} served {}, and now {generation}", newest.generation));
        }
    }
}

/// What answers queries, in one life.
struct Server {
    site: Arc<Site>,
    life: Arc<Life>,
}

#[async_trait]
impl Node for Server {
    async fn apply(&self, update: Update) {
        self.life.step().await;
        self.site.applies(&update);
        self.life.step().await;
    }

    fn health(&self) -> Health {
        let zones = lock(&self.site.inner).tree.len() as u64;
        Health { ready: true, zones, ..Health::default() }
    }
}

/// Which of so many a thing is, the same in all runs of a seed.
pub(crate) fn share(world: &World, name: &str, percent: u64) -> bool {
    super::chance::Chance::of(&[world.plan.seed, number(name), 12]).percent(percent)
}
