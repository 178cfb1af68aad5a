//! One run: a fleet is laid out, troubles come and go, then there is calm, and all must be at the head.

use super::chance::Chance;
use super::met::{Met, Tally};
use super::node::{REPORT_INTERVAL, Site, share};
use super::office::Office;
use super::plan::{Plan, Trouble};
use super::publisher::{Desk, Press, carry};
use super::shelf::{Shelf, channel};
use super::thief;
use super::world::{World, lock};
use super::zones;
use catchment::sync::channel::Generation;
use catchment::sync::codec::Digest;
use catchment::sync::key_set::Roots;
use catchment::sync::trust::{Held, Policy};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// From the calm, and the last publish in it, to all nodes at the head: a store that was refused waits 75 s, a request that was begun
/// before takes a minute, a disk that failed is tried again after 75 s.
const CONVERGES_MAX: Duration = Duration::from_secs(240);
/// A head that lacks a blob is whole again after this, if its publisher gets through.
const WHOLE_AGAIN_MS: u64 = 60_000;
/// And what is on trial, which hardly lasts longer, after this.
const TRIED_AGAIN_MS: u64 = 15_000;

/// What came of a run.
pub(crate) struct Ran {
    /// What did not hold, if something did not.
    pub(crate) failure: Option<String>,
    /// Of the log.
    pub(crate) digest: u64,
    pub(crate) log: Vec<String>,
    /// In virtual time, from the last publish on.
    pub(crate) converged: Duration,
    pub(crate) applied: usize,
    pub(crate) met: Tally,
}

/// Runs a plan on virtual time, in this thread.
pub(crate) fn run(plan: Plan, keeps_log: bool) -> Ran {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = Arc::new(World::new(plan, keeps_log));
        let fleet = Fleet::lay_out(&world);
        let converged = fleet.live().await;
        let (digest, log) = world.logged();
        let applied = fleet.sites.iter().map(|site| site.took().len()).sum();
        let failure = world.failure().or_else(|| converged.as_ref().err().cloned());
        Ran { failure, digest, log, converged: converged.unwrap_or_default(), applied, met: world.met() }
    })
}

/// All that takes part.
pub(crate) struct Fleet {
    world: Arc<World>,
    /// The store that is published to, and a mirror of it.
    shelves: [Arc<Shelf>; 2],
    pub(crate) press: Arc<Press>,
    pub(crate) sites: Vec<Arc<Site>>,
    desks: Vec<Arc<Desk>>,
}

impl Fleet {
    pub(crate) fn lay_out(world: &Arc<World>) -> Fleet {
        let plan = &world.plan;
        let shelves = [Shelf::new(world, 0), Shelf::new(world, 1)];
        let press = Press::new(world, &shelves[0]);
        press.office.lay_other_channel(&shelves[0]);
        let policy = policy(Office::first_roots(plan.seed));
        let sites = (0..plan.nodes).map(|node| {
            let mut stores = shelves.to_vec();
            match plan.has(Trouble::Mirror) {
                // Some have the mirror first.
                true if share(world, &format!("first{node}"), 30) => stores.reverse(),
                true => {}
                false => stores.truncate(1),
            }
            Site::new(world, node, stores, policy.clone())
        });
        let sites = sites.collect();
        let desks = (0..plan.publishers).map(|desk| Desk::new(&press, desk)).collect();
        Fleet { world: Arc::clone(world), shelves, press, sites, desks }
    }

    /// The whole story. How long it took after the last publish until all were at the head; `Err`: what panicked.
    async fn live(&self) -> Result<Duration, String> {
        let mut tasks = JoinSet::new();
        self.sites.iter().for_each(|site| drop(tasks.spawn(Arc::clone(site).live())));
        let mut desks = JoinSet::new();
        self.desks.iter().for_each(|desk| drop(desks.spawn(Arc::clone(desk).work())));
        if self.world.plan.has(Trouble::Mirror) {
            tasks.spawn(carry(Arc::clone(&self.shelves[0]), Arc::clone(&self.shelves[1])));
        }
        let world = Arc::clone(&self.world);
        let story = async {
            self.press.publish_all().await;
            self.trouble(&mut tasks).await;
            self.world.calm_down();
            while desks.join_next().await.is_some() {}
            if self.press.office.is_in_danger() {
                Arc::clone(&self.press).roll(true).await;
            }
            let head = self.press.publish_all().await;
            let head = Held { generation: head.0, manifest: head.1 };
            let began = Instant::now();
            self.converges(head).await;
            let took = began.elapsed();
            self.reports_itself(head.generation).await;
            self.starts_without_store(head).await;
            took
        };
        tokio::select! {
            biased;
            () = world.failed() => Ok(Duration::ZERO),
            took = story => match all_well(&mut tasks) {
                None => Ok(took),
                Some(panicked) => Err(panicked),
            },
        }
    }

    /// Second by second, each kind from draws of its own: without one kind the others stay as they are.
    async fn trouble(&self, tasks: &mut JoinSet<()>) {
        let plan = &self.world.plan;
        let mut broken_since = BTreeMap::new();
        for second in 0..plan.trouble_secs {
            sleep(Duration::from_secs(1)).await;
            for trouble in &plan.troubles {
                let mut chance = Chance::of(&[plan.seed, 50, second, *trouble as u64]);
                self.strike(*trouble, second, &mut chance, tasks);
            }
            self.all_is_whole(&mut broken_since);
            self.sites.iter().for_each(|site| site.is_in_time());
            if let Some(panicked) = all_well(tasks) {
                self.world.violated(format_args!("{panicked}"));
            }
        }
    }

    fn strike(&self, trouble: Trouble, second: u64, chance: &mut Chance, tasks: &mut JoinSet<()>) {
        let world = &self.world;
        let now_ms = world.now_ms();
        let is_tried = world.oracle().ends.on_trial().is_some();
        let mut hits = |percent: u64, what: &str| {
            let hit = chance.percent(percent);
            if hit {
                world.log(format_args!("trouble: {what}"));
            }
            hit
        };
        match trouble {
            // These are everywhere, or begun elsewhere.
            Trouble::Loss | Trouble::Mirror | Trouble::Waves => {}
            Trouble::Partition if hits(7, "some are cut off") => {
                let (share, until) = (chance.between(1, 60), now_ms + chance.between(2_000, 40_000));
                self.some(share, chance).for_each(|site| site.client.cut(until));
                if chance.percent(30) {
                    let until = now_ms + chance.between(1_000, 15_000);
                    chance.pick(&self.desks).client.cut(until);
                    self.press.hindered_ms.fetch_max(until, std::sync::atomic::Ordering::Relaxed);
                }
            }
            Trouble::Outage if hits(3, "a store is down") => {
                let until = now_ms + chance.between(1_000, 30_000);
                let shelf = chance.pick(&self.shelves);
                shelf.down(until);
                if is_tried && shelf.number == 0 {
                    world.meets(Met::StoreDown);
                }
                self.press.hindered_ms.fetch_max(until, std::sync::atomic::Ordering::Relaxed);
            }
            Trouble::Crash if hits(12, "some die") => {
                let share = if chance.percent(8) { 100 } else { chance.between(1, 10) };
                self.some(share, chance).for_each(|site| site.kill());
            }
            Trouble::PublisherCrash if hits(8, "a publisher dies") => chance.pick(&self.desks).kill(),
            Trouble::Clock if hits(8, "clocks jump") => {
                let years = 365 * 24 * 3600 * chance.between(0, 20) as i64;
                let secs = if chance.percent(50) { years } else { -years };
                let share = chance.between(1, 30);
                self.some(share, chance).for_each(|site| site.jump(secs));
                if chance.percent(40) {
                    chance.pick(&self.desks).jump(secs);
                }
            }
            Trouble::Lies if hits(8, "a store lies to some") => {
                let (share, until) = (chance.between(1, 50), now_ms + chance.between(1_000, 30_000));
                let store = chance.percent(30) as usize;
                if is_tried {
                    world.meets(Met::StoreLies);
                }
                let frozen = chance.percent(40).then(|| self.shelves[0].old_state(chance.draw())).flatten();
                self.some(share, chance).for_each(|site| {
                    site.client.show(frozen.clone());
                    site.client.lie(store, until);
                });
            }
            Trouble::Rot if hits(10, "a file is damaged") => {
                let site = chance.pick(&self.sites);
                site.hurt();
                let path = site.platter.rot(chance.draw());
                world.log(format_args!("{}'s file {path:?} is damaged", site.name));
            }
            Trouble::Disk if hits(6, "a disk is full or fails") => {
                let (site, until) = (chance.pick(&self.sites), now_ms + chance.between(1_000, 40_000));
                site.hurt();
                site.platter.spoil(until, chance.percent(50));
            }
            Trouble::Roll if hits(2, "the key set is rolled") => {
                tasks.spawn(Arc::clone(&self.press).roll(false));
            }
            Trouble::Theft if second == world.plan.trouble_secs / 4 => {
                tasks.spawn(thief::rob(Arc::clone(&self.press), self.sites.clone()));
            }
            Trouble::Theft if second == world.plan.trouble_secs * 2 / 3 && self.press.office.is_in_danger() => {
                world.log(format_args!("the theft is noticed"));
                tasks.spawn(Arc::clone(&self.press).roll(true));
            }
            Trouble::Collect if second % 30 == 29 => {
                tasks.spawn(Arc::clone(&self.press).collect());
            }
            _ => {}
        }
    }

    /// A share of the nodes, in percent.
    fn some(&self, percent: u64, chance: &mut Chance) -> impl Iterator<Item = &Arc<Site>> {
        let mut chance = Chance::of(&[chance.draw()]);
        self.sites.iter().filter(move |_| chance.percent(percent))
    }

    /// All blobs of the head, and of what is on trial, are there, but for the moments in which a publisher and a collector meet.
    fn all_is_whole(&self, broken_since: &mut BTreeMap<Digest, u64>) {
        let lost = {
            let oracle = self.world.oracle();
            let head = oracle.head.map(|head| (head, WHOLE_AGAIN_MS));
            let tried = oracle.ends.on_trial().map(|trial| [trial.release, trial.back]);
            let tried = tried.into_iter().flatten().map(|held| (held.manifest, TRIED_AGAIN_MS));
            let lost = |(release, ms): (Digest, u64)| Some((release, ms, oracle.lost_of(&self.shelves[0], &release)?));
            head.into_iter().chain(tried).filter_map(lost).collect::<Vec<_>>()
        };
        broken_since.retain(|release, _| lost.iter().any(|(broken, ..)| broken == release));
        let now_ms = self.world.now_ms();
        let hindered = self.press.hindered_ms.load(std::sync::atomic::Ordering::Relaxed);
        for (release, again_ms, blob) in lost {
            let since = (*broken_since.entry(release).or_insert(now_ms)).max(hindered);
            if now_ms > since + again_ms {
                self.world.violated(format_args!("blob {blob} of release {release} is lost since {since} ms"));
            }
        }
    }

    async fn converges(&self, head: Held) {
        let world = &self.world;
        let began = Instant::now();
        loop {
            let behind: Vec<&Arc<Site>> = self.sites.iter().filter(|site| !site.is_at(head)).collect();
            let Some(one) = behind.first() else { break };
            self.sites.iter().for_each(|site| site.is_in_time());
            if began.elapsed() > CONVERGES_MAX {
                let (count, one, head) = (behind.len(), one.behind(), head.generation);
                return world.violated(format_args!("{count} nodes are not at the head, {head}: {one}"));
            }
            sleep(Duration::from_millis(250)).await;
        }
        world.log(format_args!("all are at the head after {:?}", began.elapsed()));
        if world.oracle().head_release().map(|release| &release.tree) != Some(&self.wanted()) {
            world.violated(format_args!("the last release is not what is checked in"));
        }
        if let Some(lost) = world.oracle().lost_of_head(&self.shelves[0]) {
            world.violated(format_args!("blob {lost} of the head is lost"));
        }
        let files_max = 4 + 2 * (self.wanted().len() + 8);
        // What a disk that failed did not let go stays until the next start; of a crash before all was tidied, until the next release.
        for site in self.sites.iter().filter(|site| !site.is_hurt()) {
            let (releases, keys) = (site.platter.names("releases").len(), site.platter.names("keys").len());
            let blobs: usize = ["pages", "packs", "images"].iter().map(|of| site.platter.names(of).len()).sum();
            if releases > 3 || keys > 300 || blobs > files_max {
                world.violated(format_args!(
                    "{} keeps {releases} releases, {keys} key sets and {blobs} blobs, of which {} crashes left halves",
                    site.name,
                    site.platter.leftovers()
                ));
            }
        }
    }

    fn wanted(&self) -> zones::Tree {
        zones::tree(&lock(&self.press.repository))
    }

    /// `status` shows what is true.
    async fn reports_itself(&self, head: Generation) {
        let operator = self.press.operator("status");
        let deadline = Instant::now() + REPORT_INTERVAL * 3;
        loop {
            let fleet = operator.fleet(self.world.now_secs(), REPORT_INTERVAL * 2).await;
            let serving = fleet.as_ref().map_or(0, |fleet| {
                let serves = |node: &&catchment::sync::publish::fleet::Node| {
                    let serving = node.report.as_ref().and_then(|report| report.serving);
                    serving.is_some_and(|serving| serving.generation == head)
                };
                fleet.nodes.iter().filter(serves).count()
            });
            // Those who follow a mirror report to that.
            let told = self.sites.len() - if self.world.plan.has(Trouble::Mirror) { self.at_mirror() } else { 0 };
            if serving >= told && fleet.is_ok() {
                return self.world.log(format_args!("{serving} nodes report that they serve the head"));
            }
            if Instant::now() > deadline {
                return self
                    .world
                    .violated(format_args!("of {} nodes, {serving} report that they serve {head}", self.sites.len()));
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    fn at_mirror(&self) -> usize {
        self.sites.iter().filter(|site| site.figures().store.as_deref() == Some("store-1")).count()
    }

    /// I5: all die at once, and no store is there.
    async fn starts_without_store(&self, head: Held) {
        self.shelves.iter().for_each(|shelf| shelf.vanish());
        self.sites.iter().for_each(|site| site.kill());
        sleep(Duration::from_secs(15)).await;
        for site in self.sites.iter().filter(|site| site.serving() != Some(head)) {
            let has = site.serving().map(|held| held.generation.to_string());
            if !site.is_hurt() {
                self.world.violated(format_args!("I5: without a store {} starts with {has:?}", site.name));
            }
        }
    }
}

/// A task that panicked. None of them ends by itself, but those of operators and thieves.
fn all_well(tasks: &mut JoinSet<()>) -> Option<String> {
    while let Some(ended) = tasks.try_join_next() {
        if let Err(error) = ended {
            return Some(error.to_string());
        }
    }
    None
}

fn policy(roots: Roots) -> Policy {
    Policy { roots, channel: channel(), min_generation: Generation::default(), zones_max: 10_000, octets_max: 1 << 30 }
}
