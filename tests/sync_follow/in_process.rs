//! One follower, its store and its disk in a process, on virtual time.

use super::releases::{Content, Memory, Publisher, Release, Shared, key_set, policy, prod, put_state};
use async_trait::async_trait;
use catchment::sync::disk::Disk;
use catchment::sync::follow::{Doing, Figures, Follower, Health, Node, Parts, Settings, Status, Update};
use catchment::sync::page::{Leaf, Place};
use catchment::sync::report::{Report, Wave};
use catchment::sync::store::Store;
use catchment::sync::store::dir::Files;
use catchment::sync::store::objects::Plain;
use catchment::sync::zone_name::ZoneName;
use catchment::zone::image::Image;
use catchment::zone::library::Library;
use catchment::zone::set as zone_set;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// A node that checks what it is given: generations rise, and each update leaves a release that was published (I1, I2, I3).
#[derive(Default)]
struct Zones(Mutex<Held>);

#[derive(Default)]
struct Held {
    zones: Content,
    images: BTreeMap<String, Image>,
    generations: Vec<String>,
    changed: Vec<usize>,
}

#[async_trait]
impl Node for Zones {
    async fn apply(&self, update: Update) {
        let mut held = self.0.lock().unwrap();
        held.changed.push(update.changed.len() + update.removed.len());
        for (leaf, image) in &update.changed {
            assert_eq!((leaf.serial, leaf.image.0), (image.serial(), image.digest()));
            held.zones.insert(leaf.name.to_string(), image.serial());
            held.images.insert(leaf.name.to_string(), image.clone());
        }
        for name in &update.removed {
            assert!(held.zones.remove(&name.to_string()).is_some(), "{name} was not there");
            held.images.remove(&name.to_string());
        }
        held.generations.push(update.release.generation.to_string());
    }

    fn health(&self) -> Health {
        Health { ready: true, ..Health::default() }
    }
}

/// A store in memory, and what a node has.
pub(crate) struct World {
    pub(crate) stores: Vec<(Arc<Memory>, Store)>,
    pub(crate) disk: Arc<Memory>,
    zones: Arc<Zones>,
    status: Arc<Status>,
    /// Of the settings.
    pub(crate) delay: Duration,
}

impl World {
    pub(crate) fn new(stores: usize) -> World {
        let store = |n: usize| {
            let memory = Arc::new(Memory::default());
            (memory.clone(), Plain::store(format!("store{n}"), Files(Shared(memory)), n as u64))
        };
        World {
            stores: (0..stores).map(store).collect(),
            disk: Arc::default(),
            zones: Arc::default(),
            status: Arc::default(),
            delay: Duration::ZERO,
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.stores[0].1
    }

    /// A process that starts: it knows nothing but its disk.
    pub(crate) fn restart(&mut self) {
        (self.zones, self.status) = (Arc::default(), Arc::default());
    }

    fn parts(&self) -> (Settings, Parts) {
        let settings = Settings {
            policy: policy(),
            node: "ams1".into(),
            report_interval: Duration::from_secs(30),
            stale_after: Duration::from_secs(60),
            wave: Wave::Main,
            delay: self.delay,
        };
        let parts = Parts {
            stores: self.stores.iter().map(|(_, store)| store.clone()).collect(),
            disk: Arc::new(Shared(self.disk.clone())),
            node: self.zones.clone(),
            clock: Arc::new(|| 1_700_000_100),
            seed: 7,
            status: self.status.clone(),
        };
        (settings, parts)
    }

    pub(crate) fn start(&self) -> impl Future<Output = Follower> + use<> {
        let (settings, parts) = self.parts();
        Follower::start(settings, parts)
    }

    /// Follows for so long; then the process is killed.
    pub(crate) async fn follow(&self, time: Duration) {
        let life = async { self.start().await.run().await };
        assert!(timeout(time, life).await.is_err(), "a follower does not end");
    }

    pub(crate) fn served(&self) -> Content {
        self.zones.0.lock().unwrap().zones.clone()
    }

    pub(crate) fn image(&self, zone: &str) -> Option<Image> {
        self.zones.0.lock().unwrap().images.get(zone).cloned()
    }

    pub(crate) fn generations(&self) -> Vec<String> {
        self.zones.0.lock().unwrap().generations.clone()
    }

    pub(crate) fn figures(&self) -> Figures {
        self.status.figures()
    }

    pub(crate) async fn report(&self, store: usize) -> Option<Report> {
        let reports = self.stores[store].1.channels.reports(&prod()).await.unwrap();
        reports.first().map(|(_, bytes, _)| serde_json::from_slice(bytes).unwrap())
    }
}

pub(crate) fn zones(serials: &[u32]) -> Content {
    serials.iter().enumerate().map(|(n, serial)| (format!("z{n}.test."), *serial)).collect()
}

pub(crate) const SHORT: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn releases_are_followed_and_only_what_changed_is_fetched() {
    let world = World::new(1);
    let mut publisher = Publisher::new();
    let mut serials = vec![1; 300];
    publisher.release("1.1", &zones(&serials)).publish(world.store()).await;
    let publish = async {
        sleep(SHORT).await;
        assert_eq!(world.generations(), ["1.1"]);
        let first = world.figures();
        serials[17] = 2;
        let second = publisher.release("1.2", &zones(&serials));
        second.publish(world.store()).await;
        sleep(SHORT).await;
        let moved = world.figures().octets - first.octets;
        assert!(moved < 40_000, "{moved} octets of blobs for one zone");
        assert!(world.figures().requests - first.requests <= 4, "a pack, a page, one or two above it");
        // Back to older content: nothing of it is fetched again but pages.
        serials[17] = 1;
        serials.truncate(299);
        publisher.release("1.3", &zones(&serials)).publish(world.store()).await;
        sleep(SHORT).await;
        let report = world.report(0).await.unwrap();
        assert_eq!(report.serving.unwrap().generation.to_string(), "1.3");
        assert_eq!((report.node.as_str(), report.ready, report.problem), ("ams1", true, None));
    };
    tokio::select! {
        () = publish => {}
        () = world.follow(Duration::from_secs(60)) => {}
    }
    assert_eq!(world.generations(), ["1.1", "1.2", "1.3"]);
    assert_eq!(world.zones.0.lock().unwrap().changed, [300, 1, 2], "no other zone is touched");
    assert_eq!(world.served(), zones(&vec![1; 299]));
    // The last two releases are kept, and nothing else.
    let files = world.disk.files();
    let kept: Vec<&String> = files.keys().filter(|path| path.starts_with("prod/releases/")).collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept[0].contains("0000000001.00000000000000000002."), "{kept:?}");
    assert_eq!(files.keys().filter(|path| path.starts_with("prod/packs/")).count(), 2);
}

/// Three releases were taken. Gives them all.
async fn three(world: &World) -> Vec<Content> {
    let mut publisher = Publisher::new();
    let contents = [zones(&[1, 1, 1]), zones(&[2, 1, 1, 1]), zones(&[2, 2, 1])];
    let publish = async {
        for (n, content) in contents.iter().enumerate() {
            publisher.release(&format!("1.{}", n + 1), content).publish(world.store()).await;
            sleep(SHORT).await;
        }
    };
    tokio::select! {
        () = publish => {}
        () = world.follow(Duration::from_secs(60)) => {}
    }
    assert_eq!(world.served(), contents[2]);
    contents.to_vec()
}

#[tokio::test(start_paused = true)]
async fn a_node_starts_from_its_disk_with_no_store_reachable() {
    let mut world = World::new(1);
    let contents = three(&world).await;
    world.stores[0].0.away(true);
    world.restart();
    drop(world.start().await);
    assert_eq!((world.served(), world.generations()), (contents[2].clone(), vec!["1.3".to_owned()]));
    // And answers on whatever the store does.
    world.restart();
    world.follow(Duration::from_secs(600)).await;
    assert_eq!(world.served(), contents[2]);
    let figures = world.figures();
    assert!(figures.store_errors["store0"] > 3, "{figures:?}");
    assert!(!figures.stale(), "not hearing from the store is not stale");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_cache_is_mended_and_never_misleads() {
    let mut world = World::new(1);
    let contents = three(&world).await;
    let good = world.disk.files();
    for path in good.keys() {
        for damage in ["cut", "flipped", "gone"] {
            for (path, bytes) in &good {
                world.disk.set(path, Some(bytes.clone()));
            }
            let mut bytes = good[path].clone();
            match damage {
                "cut" => bytes.truncate(bytes.len() / 2),
                _ => *bytes.last_mut().unwrap() ^= 1,
            }
            world.disk.set(path, (damage != "gone").then_some(bytes));
            // Without a store: the newest release that is whole, or none.
            world.stores[0].0.away(true);
            world.restart();
            drop(world.start().await);
            let served = world.served();
            assert!(served.is_empty() || contents[1..].contains(&served), "{path} {damage}: {served:?}");
            // With it: the head, at once, and all of it on the disk afterwards.
            world.stores[0].0.away(false);
            world.restart();
            world.follow(Duration::from_secs(200)).await;
            assert_eq!(world.served(), contents[2], "{path} {damage}");
            assert!(world.figures().unkept.is_none(), "{path} {damage}: {:?}", world.figures());
            world.stores[0].0.away(true);
            world.restart();
            drop(world.start().await);
            assert_eq!(world.served(), contents[2], "{path} {damage}: after it was mended");
            world.stores[0].0.away(false);
        }
    }
}

/// What a store may come up with after 1.3 was taken.
fn lies(publisher: &mut Publisher) -> Vec<(&'static str, Release)> {
    let content = zones(&[3, 3]);
    let mut lies = vec![("lower_generation", publisher.release("1.2", &content))];
    lies.push(("equivocation", publisher.release("1.3", &content)));
    publisher.signer = 30;
    lies.push(("wrong_key", publisher.release("1.9", &content)));
    publisher.signer = 10;
    publisher.channel = "staging".parse().unwrap();
    lies.push(("other_channel", publisher.release("1.9", &content)));
    publisher.channel = prod();
    lies.push(("too_large", publisher.release("1.9", &zones(&vec![1; 1001]))));
    lies.push(("key_set_unknown", publisher.release("2.1", &content)));
    let mut swapped = publisher.release("1.9", &content);
    let other = publisher.release("1.9", &zones(&[4])).state.head.unwrap();
    swapped.state.head.as_mut().unwrap().manifest = other.manifest;
    lies.push(("not_the_head", swapped));
    let mut stolen = publisher.release("1.9", &content);
    stolen.state.key_set = key_set(9, &[5], &[10], &[5]);
    lies.push(("threshold", stolen));
    // Signed, and of no use: another zone's image, another serial.
    let image = super::releases::image("a.test.", 1);
    let digest = catchment::sync::codec::Digest(image.digest());
    let leaf = |name: &str, serial| Leaf {
        name: (&name.parse::<catchment::wire::name::Name>().unwrap()).into(),
        serial,
        image: digest,
        len: image.len(),
        place: Place::Own,
    };
    let blobs = || vec![(digest, image.root().to_vec())];
    lies.push(("image", publisher.release_with("1.9", vec![leaf("b.test.", 1)], blobs())));
    lies.push(("image", publisher.release_with("1.9", vec![leaf("a.test.", 2)], blobs())));
    // The same of one that is served, and that nobody would have to fetch.
    let image = super::releases::image("z0.test.", 2);
    let (name, digest) = (ZoneName::from(&image.apex()), catchment::sync::codec::Digest(image.digest()));
    for (serial, len) in [(3, image.len()), (2, image.len() + 1), (2, 562)] {
        let leaf = Leaf { name: name.clone(), serial, image: digest, len, place: Place::Own };
        let blobs = vec![(digest, image.root().to_vec())];
        lies.push(("image", publisher.release_with("1.9", vec![leaf], blobs)));
    }
    lies
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_served_is_refused_reported_and_counted() {
    let mut publisher = Publisher::new();
    for (label, lie) in lies(&mut publisher) {
        let world = World::new(1);
        let contents = three(&world).await;
        let mut world = world;
        world.restart();
        let tell = async {
            sleep(SHORT).await;
            lie.publish(world.store()).await;
            sleep(SHORT).await;
        };
        tokio::select! {
            () = tell => {}
            () = world.follow(Duration::from_secs(60)) => {}
        }
        assert_eq!(world.served(), contents[2], "{label}");
        assert_eq!(world.generations(), ["1.3"], "{label}");
        let figures = world.figures();
        assert_eq!(figures.refused.iter().collect::<Vec<_>>(), [(&label, &1)]);
        assert_eq!(figures.doing, Doing::Hindered);
        let report = world.report(0).await.unwrap();
        assert_eq!(report.refused.get(label), Some(&1), "{report:?}");
        assert!(report.problem.unwrap().starts_with(&format!("refused ({label}): ")), "{label}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_is_none_is_refused() {
    let world = World::new(1);
    let contents = three(&world).await;
    let tell = async {
        sleep(SHORT).await;
        put_state(world.store(), b"nonsense".to_vec()).await;
        sleep(SHORT).await;
    };
    tokio::select! {
        () = tell => {}
        () = world.follow(Duration::from_secs(60)) => {}
    }
    assert_eq!(world.served(), contents[2]);
    assert_eq!(world.figures().refused.get("format"), Some(&1));
}

/// Damages each file of the cache in turn while its node runs: all are made whole again without a restart, and nothing else happens.
pub(crate) async fn damaged_while_serving(world: &World) {
    let story = async {
        sleep(SHORT).await;
        let good = world.disk.files();
        let releases: Vec<&String> = good.keys().filter(|path| path.starts_with("prod/releases/")).collect();
        assert_eq!(releases.len(), 2);
        // What can't be read for a while is not damaged.
        world.disk.away(true);
        sleep(Duration::from_secs(100)).await;
        world.disk.away(false);
        sleep(Duration::from_secs(100)).await;
        let figures = world.figures();
        assert_eq!((figures.damaged, figures.unkept), (0, None));
        // Of the release before, the file says what was taken, and nobody has it again; key sets are in the releases' files too.
        let mendable = |path: &&String| *path != releases[0] && !path.starts_with("prod/keys/");
        let mut damages = 0;
        for path in good.keys().filter(mendable) {
            for damage in ["cut", "flipped", "gone"] {
                let mut bytes = good[path].clone();
                match damage {
                    "cut" => bytes.truncate(bytes.len() / 2),
                    _ => bytes[0] ^= 1,
                }
                let applied = world.figures().applied;
                world.disk.set(path, (damage != "gone").then_some(bytes));
                damages += 1;
                sleep(Duration::from_secs(400)).await;
                let differs = world.disk.files().into_iter().find(|(path, bytes)| good.get(path) != Some(bytes));
                assert_eq!(differs.map(|(path, _)| path), None, "{path} {damage}");
                assert_eq!(world.disk.files().len(), good.len(), "{path} {damage}");
                let figures = world.figures();
                assert_eq!((figures.damaged, figures.unkept), (damages, None), "{path} {damage}");
                assert_eq!(figures.applied, applied);
            }
        }
        assert!(damages >= 12, "{damages}");
    };
    tokio::select! {
        () = story => {}
        () = world.follow(Duration::from_secs(1_000_000)) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_damaged_while_serving_is_fetched_again() {
    let world = World::new(1);
    let contents = three(&world).await;
    damaged_while_serving(&world).await;
    assert_eq!(world.served(), contents[2]);
}

/// The process dies at each write, and at each removal, of an apply.
#[tokio::test(start_paused = true)]
async fn a_crash_at_any_write_leaves_a_whole_release() {
    for crash in 0..200 {
        let mut world = World::new(1);
        let contents = three(&world).await;
        let mut publisher = Publisher::new();
        let next = zones(&[9, 2, 9, 9]);
        publisher.release("1.4", &next).publish(world.store()).await;
        world.restart();
        world.disk.writes();
        world.disk.dies_at(Some(crash));
        world.follow(Duration::from_secs(20)).await;
        let done = world.disk.writes() <= crash;
        let before = world.generations().last().cloned();
        world.disk.dies_at(None);
        world.stores[0].0.away(true);
        world.restart();
        drop(world.start().await);
        let served = world.served();
        assert!(served == contents[2] || served == next, "write {crash}: {served:?}");
        assert!(world.generations().last() >= before.as_ref(), "write {crash}: it went back");
        world.stores[0].0.away(false);
        world.restart();
        world.follow(Duration::from_secs(20)).await;
        assert_eq!(world.served(), next, "write {crash}");
        if done {
            assert!(crash >= 5, "an apply has more than {crash} writes");
            return;
        }
    }
    panic!("an apply never ends");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_nothing_and_is_made_up_for() {
    for room in 0..6 {
        let mut world = World::new(1);
        let contents = three(&world).await;
        let next = zones(&[9, 2, 9, 9]);
        Publisher::new().release("1.4", &next).publish(world.store()).await;
        world.restart();
        world.disk.full_after(Some(room));
        let watch = async {
            sleep(Duration::from_secs(20)).await;
            assert_eq!(world.served(), next, "room for {room} writes");
            let figures = world.figures();
            if room < 3 {
                assert!(figures.unkept.is_some(), "room for {room} writes: {figures:?}");
            }
            // A restart now would begin with the release before.
            world.disk.full_after(None);
            sleep(Duration::from_secs(100)).await;
            assert!(world.figures().unkept.is_none(), "room for {room} writes: {:?}", world.figures());
        };
        tokio::select! {
            () = watch => {}
            () = world.follow(Duration::from_secs(600)) => {}
        }
        world.stores[0].0.away(true);
        world.restart();
        drop(world.start().await);
        assert_eq!(world.served(), next, "room for {room} writes");
        assert_ne!(world.served(), contents[2]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_before_its_blobs_is_waited_for() {
    let world = World::new(1);
    three(&world).await;
    let next = Publisher::new().release("1.4", &zones(&[4, 4]));
    let carry = async {
        sleep(SHORT).await;
        next.move_head(world.store()).await;
        sleep(Duration::from_secs(90)).await;
        let figures = world.figures();
        assert_eq!(figures.doing, Doing::Hindered);
        assert!(figures.problem.as_ref().unwrap().contains("it is not there"), "{figures:?}");
        assert!(figures.stale(), "a newer release is known and not served");
        next.put_blobs(world.store()).await;
        sleep(Duration::from_secs(100)).await;
        assert!(!world.figures().stale());
    };
    tokio::select! {
        () = carry => {}
        () = world.follow(Duration::from_secs(600)) => {}
    }
    assert_eq!(world.served(), zones(&[4, 4]));
    assert_eq!(world.figures().refused.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn mirrors_stand_in_and_the_first_store_is_gone_back_to() {
    let world = World::new(3);
    let mut publisher = Publisher::new();
    let first = publisher.release("1.1", &zones(&[1]));
    first.publish(&world.stores[1].1).await;
    world.stores[0].0.away(true);
    put_state(&world.stores[2].1, b"nonsense".to_vec()).await;
    let story = async {
        sleep(SHORT).await;
        assert_eq!((world.served(), world.figures().store.unwrap()), (zones(&[1]), "store1".into()));
        // A blob that this mirror has damaged, and the third one has.
        let second = publisher.release("1.2", &zones(&[2]));
        second.put_blobs(&world.stores[2].1).await;
        for (digest, _) in &second.blobs {
            world.stores[1].1.blobs.put(digest, b"other octets".to_vec()).await.unwrap();
        }
        second.move_head(&world.stores[1].1).await;
        sleep(SHORT).await;
        assert_eq!(world.served(), zones(&[2]));
        assert!(world.figures().store_errors["store1"] >= 2);
        // The first one is back.
        world.stores[0].0.away(false);
        let third = publisher.release("1.3", &zones(&[3]));
        third.publish(&world.stores[0].1).await;
        sleep(Duration::from_secs(100)).await;
        assert_eq!((world.served(), world.figures().store.unwrap()), (zones(&[3]), "store0".into()));
        // It lies: then a mirror is followed.
        put_state(&world.stores[0].1, b"nonsense".to_vec()).await;
        let fourth = publisher.release("1.4", &zones(&[4]));
        fourth.publish(&world.stores[1].1).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(world.served(), zones(&[4]));
    };
    tokio::select! {
        () = story => {}
        () = world.follow(Duration::from_secs(6000)) => {}
    }
}

/// A store that is emptied, not mounted or mistyped answers, and has nothing to say: a mirror stands in for it too.
#[tokio::test(start_paused = true)]
async fn a_store_without_the_channel_is_no_store_that_works() {
    let world = World::new(2);
    let mut publisher = Publisher::new();
    publisher.release("1.1", &zones(&[1])).publish(&world.stores[1].1).await;
    let story = async {
        sleep(SHORT).await;
        assert_eq!((world.served(), world.figures().store.unwrap()), (zones(&[1]), "store1".into()));
        assert!(world.figures().store_errors["store0"] >= 1);
        publisher.release("1.2", &zones(&[2])).publish(&world.stores[0].1).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!((world.served(), world.figures().store.unwrap()), (zones(&[2]), "store0".into()));
        let third = publisher.release("1.3", &zones(&[3]));
        let emptied = Shared(world.stores[0].0.clone());
        emptied.remove("channels/prod/state").await.unwrap();
        third.publish(&world.stores[1].1).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!((world.served(), world.figures().store.unwrap()), (zones(&[3]), "store1".into()));
    };
    tokio::select! {
        () = story => {}
        () = world.follow(Duration::from_secs(600)) => {}
    }

    // With no other it is asked again and again, and what comes is taken soon.
    let world = World::new(1);
    let story = async {
        sleep(Duration::from_secs(600)).await;
        assert!(world.figures().store_errors["store0"] > 100, "{:?}", world.figures().store_errors);
        publisher.release("1.4", &zones(&[4])).publish(world.store()).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(world.served(), zones(&[4]));
    };
    tokio::select! {
        () = story => {}
        () = world.follow(Duration::from_secs(6000)) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn key_sets_are_walked_through_and_kept() {
    let mut world = World::new(1);
    let mut publisher = Publisher::new();
    publisher.release("1.1", &zones(&[1])).publish(world.store()).await;
    world.follow(SHORT).await;
    // The node is away while the root keys change twice and the release key is replaced.
    let sets = [
        key_set(1, &[1], &[10, 11], &[1]),
        key_set(2, &[2], &[10], &[1, 2]),
        key_set(3, &[3], &[12], &[2, 3]),
        key_set(4, &[3], &[12], &[3]),
    ];
    for set in &sets {
        let version = set.claims().version;
        world.store().channels.put_key_set(&prod(), version, set.bytes().to_vec()).await.unwrap();
    }
    publisher.set = sets[3].clone();
    put_state(world.store(), catchment::sync::head::State { key_set: sets[3].clone(), head: None }.encode()).await;
    world.restart();
    world.follow(SHORT).await;
    assert_eq!(world.served(), zones(&[1]), "what is served goes on although its key is gone");
    // Also over a restart without a store.
    world.stores[0].0.away(true);
    world.restart();
    drop(world.start().await);
    assert_eq!(world.served(), zones(&[1]));
    world.stores[0].0.away(false);
    // The thief's release, of an enormous counter, is nothing; the next real one is taken.
    publisher.set = sets[3].clone();
    let thief = publisher.release("1.18446744073709551615", &zones(&[66]));
    publisher.signer = 12;
    let real = publisher.release("4.1", &zones(&[2]));
    world.restart();
    let story = async {
        thief.publish(world.store()).await;
        sleep(SHORT).await;
        assert_eq!(world.served(), zones(&[1]));
        assert_eq!(world.figures().refused.get("wrong_key"), Some(&1));
        real.publish(world.store()).await;
        sleep(SHORT).await;
    };
    tokio::select! {
        () = story => {}
        () = world.follow(Duration::from_secs(60)) => {}
    }
    assert_eq!(world.served(), zones(&[2]));
    // An empty node whose settings have the first root key walks through all of them.
    let mut empty = World::new(1);
    std::mem::swap(&mut empty.stores, &mut world.stores);
    empty.follow(SHORT).await;
    assert_eq!(empty.served(), zones(&[2]));
    assert_eq!(empty.disk.files().keys().filter(|path| path.starts_with("prod/keys/")).count(), 4);
}

/// One zone changes in each of many releases: the cache stays small, in octets and in files.
#[tokio::test(start_paused = true)]
async fn many_releases_leave_few_files() {
    let world = World::new(1);
    let mut publisher = Publisher::new();
    let mut serials = vec![1; 600];
    let publish = async {
        for release in 1..=600usize {
            serials[release % 600] += 1;
            publisher.release(&format!("1.{release}"), &zones(&serials)).publish(world.store()).await;
            sleep(Duration::from_secs(1)).await;
        }
        sleep(SHORT).await;
    };
    tokio::select! {
        () = publish => {}
        () = world.follow(Duration::from_secs(6000)) => {}
    }
    assert_eq!(world.served(), zones(&vec![2; 600]));
    let packs = world.disk.files().keys().filter(|path| path.starts_with("prod/packs/")).count();
    assert!(packs <= 258, "{packs} packs for 600 images");
    let mut world = world;
    world.stores[0].0.away(true);
    world.restart();
    drop(world.start().await);
    assert_eq!(world.served(), zones(&vec![2; 600]));
}

/// A node with a server's own zones, which times what an update takes.
struct Timed {
    state: Mutex<(Library, zone_set::Zones)>,
    times: Mutex<Vec<Duration>>,
}

#[async_trait]
impl Node for Timed {
    async fn apply(&self, update: Update) {
        let began = std::time::Instant::now();
        let mut state = self.state.lock().unwrap();
        let (library, zones) = &mut *state;
        let changed = update.changed.into_iter().map(|(_, image)| image).collect();
        let removed: Vec<_> = update.removed.iter().map(|zone| zone.name().clone()).collect();
        *zones = library.follow("prod", changed, &removed).zones;
        self.times.lock().unwrap().push(began.elapsed());
    }

    fn health(&self) -> Health {
        Health::default()
    }
}

/// Run with `cargo test --release --test sync_follow -- --ignored --nocapture hundred`.
#[tokio::test(start_paused = true)]
#[ignore = "takes a minute: figures for docs/sync.md"]
async fn a_hundred_thousand_zones() {
    let world = World::new(1);
    let mut publisher = Publisher::new();
    let mut serials = vec![1; 100_000];
    publisher.release("1.1", &zones(&serials)).publish(world.store()).await;
    let node =
        Arc::new(Timed { state: Mutex::new((Library::new(), zone_set::Zones::default())), times: Mutex::default() });
    let (mut settings, parts) = world.parts();
    settings.policy.zones_max = 100_000;
    let follower = Follower::start(settings, Parts { node: node.clone(), ..parts }).await;
    let mut wall = Vec::new();
    let story = async {
        sleep(SHORT).await;
        let first = world.figures();
        assert_eq!(first.serving.unwrap().generation.to_string(), "1.1");
        println!("first sync: {} requests, {} octets", first.requests, first.octets);
        assert!(first.requests <= 2000, "{}", first.requests);
        for n in 2..=6u32 {
            let before = world.figures();
            serials[4711 * n as usize] = n;
            publisher.release(&format!("1.{n}"), &zones(&serials)).publish(world.store()).await;
            sleep(SHORT).await;
            let after = world.figures();
            assert_eq!(after.serving.unwrap().generation.to_string(), format!("1.{n}"));
            let moved = after.octets - before.octets;
            println!("one zone: {} requests, {moved} octets", after.requests - before.requests);
            assert!(moved <= 64 << 10, "{moved}");
        }
        wall = node.times.lock().unwrap().clone();
    };
    tokio::select! {
        () = story => {}
        () = follower.run() => {}
    }
    println!("taken into what is served: first {:.1?}, then one zone each {:.1?}", wall[0], &wall[1..]);
    if !cfg!(debug_assertions) {
        assert!(wall[1..].iter().all(|time| *time <= Duration::from_millis(100)), "{wall:?}");
    }
    assert_eq!(node.state.lock().unwrap().1.len(), 100_000);
}
