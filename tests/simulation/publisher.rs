//! Publishers: the real one, over the simulated network, at work on a checkout that others change too.

use super::chance::{Chance, number};
use super::met::Met;
use super::network::{Client, Life, Link};
use super::office::Office;
use super::plan::Trouble;
use super::shelf::{self, Shelf};
use super::trials::Ending;
use super::world::{World, lock};
use super::zones::{self, Content};
use catchment::sync::channel::Generation;
use catchment::sync::codec::Digest;
use catchment::sync::publish::images::{Brought, Images};
use catchment::sync::publish::proposal::Proposal;
use catchment::sync::publish::tip::{Anchor, Held};
use catchment::sync::publish::trial::Takers;
use catchment::sync::publish::{Error, OnConflict, Options, Outcome, Published, Publisher, Silent, gc};
use catchment::sync::store::Store;
use catchment::sync::zone_name::ZoneName;
use catchment::zone::image::Image;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::RwLock;
use tokio::time::sleep;

/// Releases that a collector keeps.
const KEEP: usize = 3;
/// Collections in a row: publishers are at work meanwhile.
const COLLECTIONS: u32 = 15;
/// A store's clock goes on by this before a collection, so that what was published is old.
const SKIP: Duration = Duration::from_secs(25 * 60 * 60);

/// What all publishers share.
pub(crate) struct Press {
    pub(crate) world: Arc<World>,
    pub(crate) office: Office,
    pub(crate) shelf: Arc<Shelf>,
    /// What is checked in.
    pub(crate) repository: Mutex<Content>,
    /// Held while something is published; a store's clock does not skip a day meanwhile.
    busy: RwLock<()>,
    /// One key set after the other.
    rolling: tokio::sync::Mutex<()>,
    /// When a publisher last died or did not get through.
    pub(crate) hindered_ms: AtomicU64,
}

/// A publisher, all of its lives.
pub(crate) struct Desk {
    press: Arc<Press>,
    name: String,
    pub(crate) client: Arc<Client>,
    life: Mutex<Arc<Life>>,
    /// What it is to die now.
    dies: Mutex<Option<Met>>,
    clock_ahead_secs: AtomicI64,
}

impl Press {
    pub(crate) fn new(world: &Arc<World>, shelf: &Arc<Shelf>) -> Arc<Press> {
        let mut chance = Chance::of(&[world.plan.seed, 30]);
        let mut repository: Content = (0..world.plan.zones).map(|zone| (zone, chance.below(3) as u32)).collect();
        if world.plan.large {
            repository.insert(1_000_000, 0);
        }
        Arc::new(Press {
            world: Arc::clone(world),
            office: Office::new(world),
            shelf: Arc::clone(shelf),
            repository: Mutex::new(repository),
            busy: RwLock::new(()),
            rolling: tokio::sync::Mutex::new(()),
            hindered_ms: AtomicU64::new(0),
        })
    }

    fn hindered(&self) {
        self.hindered_ms.store(self.world.now_ms(), Ordering::Relaxed);
    }

    /// Somebody who reaches the store, for this life.
    fn publisher(self: &Arc<Press>, client: &Arc<Client>, life: &Arc<Life>) -> Publisher {
        Publisher {
            store: self.store(client, life),
            channel: shelf::channel(),
            anchor: Anchor::Roots(Office::first_roots(self.world.plan.seed)),
            progress: Arc::new(Silent),
        }
    }

    fn store(&self, client: &Arc<Client>, life: &Arc<Life>) -> Store {
        let (world, client, life) = (Arc::clone(&self.world), Arc::clone(client), Arc::clone(life));
        shelf::store(&self.shelf, Link { world, client, life, store: 0 })
    }

    /// An operator, whose hands nothing ties but the network.
    pub(crate) fn operator(self: &Arc<Press>, name: &str) -> Publisher {
        self.publisher(&Client::new(&self.world, name, false), &Life::until(0))
    }

    /// Puts the next key set into force, however often it takes.
    pub(crate) async fn roll(self: Arc<Press>, recover: bool) {
        let _one_by_one = self.rolling.lock().await;
        let set = self.office.next_key_set(recover);
        let operator = self.operator("operator");
        let version = set.claims().version;
        self.world.log(format_args!("the operators sign key set {version}"));
        loop {
            match operator.lay_key_set(&set).await {
                Ok(_) => return,
                Err(error) => self.world.log(format_args!("key set {version} can't be laid out: {}", label(&error))),
            }
            sleep(Duration::from_secs(2)).await;
        }
    }

    /// Publishes all that is checked in, however often it takes. The answer is the head then.
    pub(crate) async fn publish_all(self: &Arc<Press>) -> (Generation, Digest) {
        let content = lock(&self.repository).clone();
        let operator = self.operator("operator");
        loop {
            let outcome = operator.publish(&self.office.release_key(), zones::images(&content), &self.options(0)).await;
            match outcome {
                Ok(Outcome::Published(published)) => {
                    self.check(&published, &content, &content, 0);
                    return (published.generation, published.manifest);
                }
                Ok(Outcome::Unchanged { generation, manifest, .. }) => return (generation, manifest),
                Err(Error::OnTrial { generation, .. }) => {
                    let _ends_it = Ending::begin(&self.world);
                    let done = operator.take_back(&self.office.release_key(), None, self.world.now_secs()).await;
                    self.world.log(format_args!("the operators take {generation} back: {}", said(&done)));
                    continue;
                }
                Err(error) => self.world.log(format_args!("the last publish failed: {error}")),
            }
            if let Some(failure) = self.world.failure() {
                panic!("{failure}");
            }
            sleep(Duration::from_secs(2)).await;
        }
    }

    fn options(&self, ahead_secs: i64) -> Options {
        Options {
            on_conflict: OnConflict::Rebase,
            first_key_set: Some(self.office.key_set()),
            now_secs: self.world.now_secs().saturating_add_signed(ahead_secs),
        }
    }

    /// A release holds what its publisher meant: all that it has, or its changes, if those of others are in it too. It began when so many
    /// heads had been.
    fn check(&self, published: &Published, wanted: &Content, changed: &Content, began: usize) {
        let oracle = self.world.oracle();
        let tree = match oracle.releases.get(&published.manifest) {
            Some(release) => &release.tree,
            None => {
                drop(oracle);
                return self
                    .world
                    .violated(format_args!("{} was published, and never was the head", published.generation));
            }
        };
        let holds = match published.rebased {
            0 => *tree == zones::tree(wanted),
            // What was no change of the head that it saw first, another may have changed since.
            _ => zones::tree(changed).iter().all(|(name, image)| {
                let had = |head| oracle.releases.get(head).is_some_and(|head| head.tree.get(name) == Some(image));
                tree.get(name) == Some(image) || oracle.heads[began.saturating_sub(1)..].iter().any(had)
            }),
        };
        drop(oracle);
        if !holds {
            self.world.violated(format_args!("{} is not what its publisher published", published.generation));
        }
    }

    /// Lets the store's clock go on by a day, and removes what is not used.
    pub(crate) async fn collect(self: Arc<Press>) {
        {
            let _nobody_publishes = self.busy.write().await;
            self.shelf.skip(SKIP);
        }
        let store = self.store(&Client::new(&self.world, "collector", false), &Life::until(0));
        for _ in 0..COLLECTIONS {
            match gc::collect(&store, Arc::new(Silent), KEEP, false).await {
                Ok(done) if done.removed == 0 => {}
                Ok(done) => {
                    self.world.log(format_args!("a collector removed {} of {} blobs", done.removed, done.blobs))
                }
                Err(error) => self.world.log(format_args!("a collector failed: {}", label(&error))),
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Desk {
    pub(crate) fn new(press: &Arc<Press>, which: u32) -> Arc<Desk> {
        let name = format!("publisher{which}");
        let client = Client::new(&press.world, &name, false);
        let (press, life, dies) = (Arc::clone(press), Mutex::new(Life::until(0)), Mutex::new(None));
        Arc::new(Desk { press, name, client, life, dies, clock_ahead_secs: AtomicI64::new(0) })
    }

    pub(crate) fn kill(&self) {
        lock(&self.life).end();
    }

    pub(crate) fn jump(&self, secs: i64) {
        self.press.world.oracle().ends.clocks_jump();
        self.clock_ahead_secs.store(secs, Ordering::Relaxed);
    }

    /// Publishes now and then, dies and starts again, until there is calm.
    pub(crate) async fn work(self: Arc<Desk>) {
        let (press, world) = (Arc::clone(&self.press), Arc::clone(&self.press.world));
        while !world.is_calm() {
            let mut chance = world.chance(&[self.client.number, 31]);
            sleep(Duration::from_millis(chance.between(500, world.plan.gap_secs_max * 1000))).await;
            let frail = world.plan.has(Trouble::PublisherCrash) && chance.percent(30);
            let life = Life::until(if frail { chance.between(1, 60) } else { 0 });
            *lock(&self.life) = Arc::clone(&life);
            *lock(&self.dies) = None;
            let _busy = press.busy.read().await;
            tokio::select! {
                biased;
                () = life.ended() => {
                    press.hindered();
                    lock(&self.dies).take().into_iter().for_each(|met| world.meets(met));
                    world.log(format_args!("{} died at step {}", self.name, life.steps()));
                }
                () = self.turn(&life) => {}
            }
        }
    }

    async fn turn(&self, life: &Arc<Life>) {
        let Desk { press, name, .. } = self;
        let world = &press.world;
        let mut chance = world.chance(&[self.client.number, 32]);
        let publisher = press.publisher(&self.client, life);
        let key = press.office.release_key();
        let options = press.options(self.clock_ahead_secs.load(Ordering::Relaxed));
        let (wanted, changed) = self.checkout(&mut chance);
        let began = world.oracle().heads.len();
        let done = match chance.below(20) {
            0 | 1 => {
                let refreshed = publisher.refresh(&key, options.now_secs).await;
                world.log(format_args!("{name} refreshes the head: {}", said(&refreshed)));
                refreshed.err()
            }
            3..=10 if world.plan.has(Trouble::Waves) => {
                let tried = self.tries(&publisher, life, (&wanted, &changed), &mut chance).await;
                world.log(format_args!("{name} has tried a release: {}", said(&tried)));
                tried.err()
            }
            2 => {
                let Some(to) = self.old_generation(&mut chance) else { return };
                let _ends_what_is_on_trial = Ending::begin(world);
                let done = publisher.roll_back(&key, to, options.now_secs).await;
                world.log(format_args!("{name} goes back to {to}: {}", said(&done)));
                done.err()
            }
            _ => match self.publish(&publisher, &wanted, &mut chance, &options).await {
                Ok(Outcome::Published(published)) => {
                    let (generation, rebased) = (published.generation, published.rebased);
                    world.log(format_args!("{name} has published {generation}, {rebased} rebased"));
                    press.check(&published, &wanted, &changed, began);
                    lock(&press.repository).extend(changed);
                    None
                }
                Ok(Outcome::Unchanged { generation, .. }) => {
                    world.log(format_args!("{name} had nothing to publish after {generation}"));
                    None
                }
                Err(error) => {
                    world.log(format_args!("{name} failed: {}", label(&error)));
                    Some(error)
                }
            },
        };
        if let Some(error) = done {
            press.hindered();
            self.judge(&error);
        }
    }

    /// Is about to do something, in which it may well die.
    fn dares(&self, what: Met, life: &Life, chance: &mut Chance) {
        *lock(&self.dies) = Some(what);
        if self.press.world.plan.has(Trouble::PublisherCrash) && chance.percent(30) {
            life.ends_in(chance.between(1, 24));
        }
    }

    /// Publishes in waves: tries a checkout at some nodes, then at more, then promotes it, takes it back, or forgets it.
    async fn tries(
        &self,
        publisher: &Publisher,
        life: &Life,
        (wanted, changed): (&Content, &Content),
        chance: &mut Chance,
    ) -> Result<(), Error> {
        let Desk { press, name, .. } = self;
        let world = &press.world;
        let options = || press.options(self.clock_ahead_secs.load(Ordering::Relaxed));
        let nodes = world.plan.nodes.into();
        let some = |chance: &mut Chance, percent: u64| {
            let first = chance.below(nodes);
            (first..=first + nodes * percent / 100).map(|node| format!("node{}", node % nodes)).collect()
        };
        let deadline = Duration::from_secs(chance.between(6, 20));
        let takers = Takers { nodes: some(chance, 10), deadline };
        let (began, make) = (world.oracle().heads.len(), made(wanted));
        let mut proposal = Proposal::new(brought(wanted, chance), &make);
        let key = press.office.release_key();
        *lock(&self.dies) = Some(Met::DiesLaying);
        let laid = match publisher.lay_trial(&key, &mut proposal, &takers, &options()).await? {
            Outcome::Published(laid) => laid,
            Outcome::Unchanged { .. } => return Ok(()),
        };
        let of = Held { generation: laid.generation, manifest: laid.manifest };
        press.check(&laid, wanted, changed, began);
        let soak = |chance: &mut Chance| {
            *lock(&self.dies) = Some(Met::DiesWaiting);
            // Now and then so long that others take the trial for abandoned.
            let most = if chance.percent(10) { 40_000 } else { 12_000 };
            sleep(Duration::from_millis(chance.between(100, most)))
        };
        soak(chance).await;
        if chance.percent(50) {
            let takers = Takers { nodes: some(chance, 40), deadline };
            self.dares(Met::DiesWidening, life, chance);
            publisher.widen(&key, of, &takers, options().now_secs).await?;
            soak(chance).await;
        }
        let end = chance.below(10);
        if end < 8 {
            world.oracle().ends.may_end(of);
            self.dares(if end < 5 { Met::DiesPromoting } else { Met::DiesTakingBack }, life, chance);
        }
        match end {
            0..=4 => {
                let promoted = publisher.promote(&key, Some(of), options().now_secs).await?;
                world.meets(Met::Promoted);
                world.log(format_args!("{name} has promoted {} as {}", of.generation, promoted.generation));
                let oracle = world.oracle();
                let tree = |release| oracle.releases.get(release).map(|release| &release.tree);
                let differs = tree(&of.manifest) != tree(&promoted.manifest);
                drop(oracle);
                if differs {
                    world.violated(format_args!("{} was promoted, and is not {}", of.generation, promoted.generation));
                }
                lock(&press.repository).extend(changed);
                Ok(())
            }
            5..=7 => {
                publisher.take_back(&key, Some(of), options().now_secs).await?;
                world.meets(Met::TakenBack);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Publishes a checkout of which some images are made only when they are needed.
    async fn publish(
        &self,
        publisher: &Publisher,
        wanted: &Content,
        chance: &mut Chance,
        options: &Options,
    ) -> Result<Outcome, Error> {
        let make = made(wanted);
        let mut proposal = Proposal::new(brought(wanted, chance), &make);
        publisher.publish_zones(&self.press.office.release_key(), &mut proposal, options).await
    }

    /// What is checked in, with some changes of its own; and these alone.
    fn checkout(&self, chance: &mut Chance) -> (Content, Content) {
        let mut wanted = lock(&self.press.repository).clone();
        let zones: Vec<u32> = wanted.keys().copied().collect();
        let mut changed = Content::new();
        for _ in 0..chance.between(1, 3) {
            changed.insert(*chance.pick(&zones), chance.below(zones::VERSIONS.into()) as u32);
        }
        // One zone comes and goes.
        if chance.percent(20) {
            changed.insert(2_000_000 + chance.below(3) as u32, 1);
        }
        if chance.percent(10) && wanted.len() > 3 {
            let gone = zones[zones.len() - 1];
            wanted.remove(&gone);
            changed.remove(&gone);
            lock(&self.press.repository).remove(&gone);
        }
        wanted.extend(&changed);
        (wanted, changed)
    }

    fn old_generation(&self, chance: &mut Chance) -> Option<Generation> {
        let oracle = self.press.world.oracle();
        let mut generations: Vec<Generation> = oracle.releases.values().map(|release| release.generation).collect();
        generations.sort_unstable();
        (!generations.is_empty()).then(|| *chance.pick(&generations))
    }

    /// Errors that nothing in this world explains are violations.
    fn judge(&self, error: &Error) {
        let world = &self.press.world;
        let plan = &world.plan;
        match error {
            Error::OnTrial { .. } => world.meets(Met::Refused),
            Error::NoTrial { .. } => world.meets(Met::Ended),
            _ => {}
        }
        let explained = match error {
            Error::Store { .. } | Error::Conflict { .. } | Error::Unknown(_) | Error::Release(_) => true,
            Error::NoRelease(_) | Error::NoChannel(_) | Error::NoChannels => true,
            Error::OnTrial { .. } | Error::NoTrial { .. } => true,
            Error::Key { .. } | Error::Refused { .. } => plan.has(Trouble::Roll) || plan.has(Trouble::Theft),
            Error::Vanished { .. } => plan.has(Trouble::Collect),
            Error::LastGeneration(_) => plan.has(Trouble::Theft),
            Error::State { .. } | Error::Zones(_) | Error::KeySet(_) | Error::Format(_) | Error::Guarded { .. } => {
                false
            }
        };
        if !explained {
            world.violated(format_args!("{} failed for no reason: {error}", self.name));
        }
    }
}

/// A checkout, of which it is remembered what some zones were compiled to.
fn brought(content: &Content, chance: &mut Chance) -> Images {
    Images::new(zones::images(content).into_iter().map(|image| {
        let named = chance.percent(60);
        let zone = if named { Brought::Named((&image).into()) } else { Brought::Image(image.clone()) };
        (ZoneName::from(&image.apex()), zone)
    }))
}

/// Makes the zones of a checkout that are asked for.
fn made(content: &Content) -> impl Fn(&[ZoneName]) -> Result<Vec<Image>, String> + Sync {
    let images: BTreeMap<ZoneName, Image> =
        zones::images(content).into_iter().map(|image| (ZoneName::from(&image.apex()), image)).collect();
    move |zones| Ok(zones.iter().filter_map(|zone| images.get(zone).cloned()).collect())
}

/// In a word: which blob an error names depends on the order in which they were asked for.
fn label(error: &Error) -> &'static str {
    match error {
        Error::Store { .. } => "the store does not answer",
        Error::NoChannel(_) => "no channel",
        Error::NoChannels => "no channels",
        Error::NoRelease(_) => "no release",
        Error::State { .. } => "the state is damaged",
        Error::Refused { .. } => "what is there is refused",
        Error::Key { .. } => "not with this key",
        Error::Conflict { .. } => "another was faster",
        Error::Zones(_) => "zones can't be made",
        Error::Guarded { .. } => "guards object",
        Error::KeySet(_) => "not with this key set",
        Error::Release(_) => "no such release",
        Error::Vanished { .. } => "blobs vanished",
        Error::Unknown(_) => "not known whether it was done",
        Error::Format(_) => "no such format",
        Error::LastGeneration(_) => "no generation is left",
        Error::OnTrial { .. } => "another release is on trial",
        Error::NoTrial { .. } => "it is not on trial",
    }
}

fn said<T>(done: &Result<T, Error>) -> &'static str {
    done.as_ref().map_or_else(label, |_| "done")
}

/// Carries what is in one store to another, as long as it is needed.
pub(crate) async fn carry(from: Arc<Shelf>, to: Arc<Shelf>) {
    loop {
        let mut chance = from.world.chance(&[number("carrier")]);
        let pause = Duration::from_millis(chance.between(200, 15_000));
        sleep(pause).await;
        to.copy_from(&from, chance.percent(50));
    }
}
