//! A zone of many segments: only those that changed are fetched, and all are kept, mended and removed as pages and packs are.

use super::in_process::{SHORT, World, damaged_while_serving};
use super::releases::{Publisher, image, large};
use catchment::zone::image::Image;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::sleep;

const ZONE: &str = "big.test.";
/// Enough for a few segments.
const FEW: usize = 3_000;

/// Each segment's place in memory, by its digest.
fn places(image: &Image) -> BTreeMap<[u8; 32], usize> {
    image.segments().map(|segment| (*segment.digest(), segment.bytes().as_ptr() as usize)).collect()
}

fn segments_kept(world: &World) -> BTreeSet<String> {
    let files = world.disk.files();
    files.keys().filter_map(|path| path.strip_prefix("prod/segments/")).map(str::to_owned).collect()
}

fn names<'a>(images: impl IntoIterator<Item = &'a Image>) -> BTreeSet<String> {
    let digests = images.into_iter().flat_map(|image| image.segments());
    digests.map(|segment| catchment::sync::codec::Digest(*segment.digest()).to_string()).collect()
}

/// Follows while these are published one after the other.
async fn published(world: &World, publisher: &mut Publisher, releases: &[(&str, Vec<Image>)]) {
    let publish = async {
        for (at, images) in releases {
            publisher.release_of(at, images.clone()).publish(world.store()).await;
            sleep(SHORT).await;
        }
    };
    tokio::select! {
        () = publish => {}
        () = world.follow(Duration::from_secs(600)) => {}
    }
}

fn served(world: &World) -> Option<[u8; 32]> {
    world.image(ZONE).map(|image| image.digest())
}

#[tokio::test(start_paused = true)]
async fn one_changed_record_of_a_large_zone_moves_little() {
    let world = World::new(1);
    let mut publisher = Publisher::new();
    let small = image("small.test.", 1);
    let versions = [large(ZONE, 1, 20_000, &[]), large(ZONE, 2, 20_000, &[7]), large(ZONE, 3, 20_000, &[])];
    let whole = versions[0].len();
    let publish = async {
        publisher.release_of("1.1", vec![versions[0].clone(), small.clone()]).publish(world.store()).await;
        sleep(SHORT).await;
        let first = world.figures();
        assert!(first.octets >= whole && first.octets < whole + (64 << 10), "{} of {whole}", first.octets);
        let before = world.image(ZONE).unwrap();

        publisher.release_of("1.2", vec![versions[1].clone(), small.clone()]).publish(world.store()).await;
        sleep(SHORT).await;
        let second = world.figures();
        let (requests, moved) = (second.requests - first.requests, second.octets - first.octets);
        println!(
            "an image of {whole} octets in {} segments; one record: {requests} requests, {moved} octets",
            versions[0].segments().len()
        );
        assert!(moved <= 1 << 20 && moved < whole / 3, "{moved} of {whole}");
        let after = world.image(ZONE).unwrap();
        let (old, new) = (places(&before), places(&after));
        let changed = new.keys().filter(|digest| !old.contains_key(*digest)).count();
        assert!((1..=2).contains(&changed), "{changed}");
        // The page, the root, the segments.
        assert_eq!(requests, 2 + changed as u64);
        for (digest, place) in &new {
            assert!(old.get(digest).is_none_or(|old| old == place), "an unchanged segment lies elsewhere");
        }

        // Back to older content: its segments are on the disk. Only the serial, which is in the root, is another one.
        publisher.release_of("1.3", vec![versions[2].clone(), small.clone()]).publish(world.store()).await;
        sleep(SHORT).await;
        let third = world.figures();
        assert_eq!(third.requests - second.requests, 2);
        assert!(third.octets - second.octets < 64 << 10);
    };
    tokio::select! {
        () = publish => {}
        () = world.follow(Duration::from_secs(600)) => {}
    }
    assert_eq!(served(&world), Some(versions[2].digest()));
    assert_eq!(segments_kept(&world), names(&versions[1..]), "of the last two releases, and no other");
}

#[tokio::test(start_paused = true)]
async fn segments_are_kept_as_long_as_a_kept_release_has_them() {
    let mut world = World::new(1);
    let mut publisher = Publisher::new();
    let images = [large(ZONE, 1, FEW, &[]), large(ZONE, 2, FEW, &[7]), large(ZONE, 3, FEW, &[7, 8])];
    published(&world, &mut publisher, &[("1.1", vec![images[0].clone()]), ("1.2", vec![images[1].clone()])]).await;
    assert_eq!(segments_kept(&world), names(&images[..2]));
    // What the older release has is known after a restart too.
    world.restart();
    published(&world, &mut publisher, &[("1.3", vec![images[2].clone()])]).await;
    assert_eq!(segments_kept(&world), names(&images[1..]));
    // The zone goes, and with the next release the last that has it.
    let small = image("small.test.", 1);
    published(&world, &mut publisher, &[("1.4", vec![small.clone()])]).await;
    assert_eq!((served(&world), segments_kept(&world)), (None, names(&images[2..])));
    published(&world, &mut publisher, &[("1.5", vec![small, image("b.test.", 1)])]).await;
    assert_eq!(segments_kept(&world), BTreeSet::new());
    assert!(!world.disk.files().keys().any(|path| path.starts_with("prod/images/")));
}

#[tokio::test(start_paused = true)]
async fn a_large_zone_is_served_from_the_disk_and_what_is_damaged_fetched_again() {
    let mut world = World::new(1);
    let mut publisher = Publisher::new();
    let image = large(ZONE, 1, FEW, &[]);
    published(&world, &mut publisher, &[("1.1", vec![image.clone()])]).await;
    let good = world.disk.files();
    let parts = good.keys().filter(|path| path.starts_with("prod/segments/") || path.starts_with("prod/images/"));
    let parts: Vec<&String> = parts.collect();
    assert_eq!(parts.len(), image.segments().len() + 1);
    for path in parts {
        for damage in ["cut", "flipped", "longer", "gone"] {
            let mut bytes = good[path].clone();
            match damage {
                "cut" => bytes.truncate(bytes.len() / 2),
                "flipped" => *bytes.last_mut().unwrap() ^= 1,
                _ => bytes.push(0),
            }
            world.disk.set(path, (damage != "gone").then_some(bytes));
            world.stores[0].0.away(true);
            world.restart();
            drop(world.start().await);
            assert_eq!(served(&world), None, "{path} {damage}: nothing whole is here");
            world.stores[0].0.away(false);
            world.restart();
            world.follow(Duration::from_secs(200)).await;
            assert_eq!(served(&world), Some(image.digest()), "{path} {damage}");
            let figures = world.figures();
            assert!(figures.unkept.is_none(), "{path} {damage}: {figures:?}");
            assert_eq!(figures.requests, 1, "{path} {damage}: only that is fetched");
            world.stores[0].0.away(true);
            world.restart();
            drop(world.start().await);
            assert_eq!(served(&world), Some(image.digest()), "{path} {damage}: after it was mended");
            world.stores[0].0.away(false);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_damaged_of_a_large_zone_while_serving_is_fetched_again() {
    let world = World::new(1);
    let images = [large(ZONE, 1, FEW, &[]), large(ZONE, 2, FEW, &[7])];
    let releases = [("1.1", vec![images[0].clone()]), ("1.2", vec![images[1].clone()])];
    published(&world, &mut Publisher::new(), &releases).await;
    damaged_while_serving(&world).await;
    assert_eq!(served(&world), Some(images[1].digest()));
}

/// What the release before has, and the next one has again, is damaged while the node runs.
#[tokio::test(start_paused = true)]
async fn what_is_fetched_for_a_damaged_segment_stays() {
    let mut world = World::new(1);
    let mut publisher = Publisher::new();
    let images = [large(ZONE, 1, FEW, &[]), large(ZONE, 2, FEW, &[7]), large(ZONE, 3, FEW, &[])];
    let old = names(&images[..1]);
    let publish = async {
        for (at, image) in [("1.1", &images[0]), ("1.2", &images[1])] {
            publisher.release_of(at, vec![image.clone()]).publish(world.store()).await;
            sleep(SHORT).await;
        }
        let again = old.difference(&names(&images[1..2])).next().unwrap().clone();
        world.disk.set(&format!("prod/segments/{again}"), Some(b"rubbish".to_vec()));
        publisher.release_of("1.3", vec![images[2].clone()]).publish(world.store()).await;
        sleep(SHORT).await;
    };
    tokio::select! {
        () = publish => {}
        () = world.follow(Duration::from_secs(600)) => {}
    }
    assert_eq!((served(&world), world.figures().damaged), (Some(images[2].digest()), 1));
    world.stores[0].0.away(true);
    world.restart();
    drop(world.start().await);
    assert_eq!(served(&world), Some(images[2].digest()));
}

#[tokio::test(start_paused = true)]
async fn a_crash_or_a_full_disk_at_any_write_of_a_large_zone() {
    let images = [large(ZONE, 1, FEW, &[]), large(ZONE, 2, FEW, &[7, 8, 9, 10])];
    let mut full_at_most = 0;
    for dies in [true, false] {
        for at in 0.. {
            assert!(at < 100, "an apply never ends");
            let mut world = World::new(1);
            let mut publisher = Publisher::new();
            published(&world, &mut publisher, &[("1.1", vec![images[0].clone()])]).await;
            publisher.release_of("1.2", vec![images[1].clone()]).publish(world.store()).await;
            world.restart();
            world.disk.writes();
            if dies {
                world.disk.dies_at(Some(at));
            } else {
                world.disk.full_after(Some(at));
            }
            let watch = async {
                sleep(Duration::from_secs(20)).await;
                let done = world.disk.writes() <= at;
                if !dies {
                    assert_eq!(served(&world), Some(images[1].digest()), "a full disk stops nothing");
                    full_at_most += usize::from(world.figures().unkept.is_some());
                    world.disk.full_after(None);
                    sleep(Duration::from_secs(100)).await;
                    assert!(world.figures().unkept.is_none(), "write {at}: {:?}", world.figures());
                }
                done
            };
            let done = tokio::select! {
                done = watch => done,
                () = world.follow(Duration::from_secs(600)) => unreachable!(),
            };
            world.disk.dies_at(None);
            world.stores[0].0.away(true);
            world.restart();
            drop(world.start().await);
            let now = served(&world).unwrap();
            let expected = if dies { &images[..] } else { &images[1..] };
            assert!(expected.iter().any(|image| image.digest() == now), "write {at}: {dies}");
            world.stores[0].0.away(false);
            world.restart();
            world.follow(Duration::from_secs(20)).await;
            assert_eq!(served(&world), Some(images[1].digest()), "write {at}");
            if done {
                assert!(at >= 4, "an apply has more than {at} writes");
                break;
            }
        }
    }
    assert!(full_at_most >= 4, "the disk was full where it mattered: {full_at_most}");
}

#[tokio::test(start_paused = true)]
async fn a_segment_that_is_not_there_yet_is_waited_for() {
    let world = World::new(1);
    let mut publisher = Publisher::new();
    let images = [large(ZONE, 1, FEW, &[]), large(ZONE, 2, FEW, &[7])];
    publisher.release_of("1.1", vec![images[0].clone()]).publish(world.store()).await;
    let mut next = publisher.release_of("1.2", vec![images[1].clone()]);
    let old = names(&images[..1]);
    let is_new = |image: &Image| image.segments().map(|s| *s.digest()).find(|d| !names_of(&old, d)).unwrap();
    let missing = catchment::sync::codec::Digest(is_new(&images[1]));
    let at = next.blobs.iter().position(|(name, _)| *name == missing).unwrap();
    let (_, bytes) = next.blobs.remove(at);
    let carry = async {
        sleep(SHORT).await;
        // Other octets under its name: a store errs, whoever signed does not.
        world.store().blobs.put(&missing, b"rubbish".to_vec()).await.unwrap();
        next.publish(world.store()).await;
        sleep(Duration::from_secs(60)).await;
        let figures = world.figures();
        assert_eq!(served(&world), Some(images[0].digest()));
        assert!(figures.problem.as_ref().unwrap().contains(&format!("segment {missing} can't be had")), "{figures:?}");
        assert!(figures.refused.is_empty(), "{figures:?}");
        world.store().blobs.put(&missing, bytes.clone()).await.unwrap();
        sleep(Duration::from_secs(100)).await;
    };
    tokio::select! {
        () = carry => {}
        () = world.follow(Duration::from_secs(600)) => {}
    }
    assert_eq!(served(&world), Some(images[1].digest()));
}

fn names_of(names: &BTreeSet<String>, digest: &[u8; 32]) -> bool {
    names.contains(&catchment::sync::codec::Digest(*digest).to_string())
}
