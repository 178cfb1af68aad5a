//! A zone whose image is a root and segments, beside small ones.

use super::*;
use crate::sync::page::Place;
use std::collections::HashSet;
use std::fmt::Write;

pub(super) const ZONE: &str = "big.example.";

/// So many delegations, with a server below each; some have an address more.
pub(super) fn large(serial: u32, delegations: usize, changed: &[usize]) -> Image {
    let mut text = format!("$TTL 1h\n@ SOA ns h {serial} 1h 1h 1w 1h\n@ NS ns\nns A 192.0.2.1\n");
    for n in 0..delegations {
        let [.., a, b] = (n as u32).to_be_bytes();
        let _ = write!(
            text,
            "customer-{n} NS ns1.customer-{n}\ncustomer-{n} NS ns2.customer-{n}\n\
             ns1.customer-{n} A 192.0.{a}.{b}\nns2.customer-{n} A 198.51.{a}.{b}\n"
        );
        if changed.contains(&n) {
            let _ = writeln!(text, "ns1.customer-{n} A 203.0.113.7");
        }
    }
    let apex: Name = ZONE.parse().unwrap();
    let parsed = parse::parse_text(ZONE, text, &apex, &parse::Options::default());
    assert!(!parsed.has_errors());
    compile::compile(&apex, &parsed.records).0.unwrap()
}

pub(super) fn segments(image: &Image) -> HashSet<Digest> {
    image.segments().map(|segment| Digest(*segment.digest())).collect()
}

/// The blobs of an image.
fn blobs(image: &Image) -> HashSet<Digest> {
    segments(image).into_iter().chain([Digest(image.digest())]).collect()
}

/// With three small zones beside.
fn beside(image: &Image) -> Vec<Image> {
    let mut all = images(&zones(3));
    all.push(image.clone());
    all
}

async fn publish(memory: &Memory, images: Vec<Image>) -> Result<Outcome, Error> {
    publisher(memory).publish(&key(2), images, &options(100)).await
}

async fn published(memory: &Memory, images: Vec<Image>) -> Published {
    match publish(memory, images).await.unwrap() {
        Outcome::Published(published) => published,
        unchanged => panic!("{unchanged:?}"),
    }
}

/// The large image of the head, put together from the store.
async fn read(memory: &Memory) -> Image {
    let (_, zones) = served(memory).await;
    let name = zones.iter().find(|(zone, _)| zone == ZONE).unwrap().1;
    let root = crate::zone::image::Root::open(memory.bytes(&name).unwrap()).unwrap();
    let segment = |name: &[u8; 32]| crate::zone::image::Segment::open(memory.bytes(&Digest(*name))?, name).ok();
    root.assemble(segment).unwrap()
}

fn there(memory: &Memory) -> HashSet<Digest> {
    memory.names().into_iter().collect()
}

#[tokio::test]
async fn one_changed_record_puts_little_and_nothing_twice() {
    let memory = Memory::default();
    let old = large(1, 20_000, &[]);
    let new = large(2, 20_000, &[7]);
    let first = published(&memory, beside(&old)).await;
    assert!(first.octets > old.len());
    assert_eq!(read(&memory).await.digest(), old.digest());

    let (writes, ..) = memory.counts();
    let second = published(&memory, beside(&new)).await;
    let changed = segments(&new).difference(&segments(&old)).count() as u64;
    assert!((1..=2).contains(&changed), "{changed}");
    // Segments, root, page, manifest; and the state.
    assert_eq!(second.blobs, changed + 3);
    assert_eq!(memory.counts().0, writes + second.blobs + 1);
    assert!(second.octets <= 1 << 20 && second.octets < old.len() / 3, "{} of {}", second.octets, old.len());
    println!(
        "an image of {} octets in {} segments; one record: {} blobs, {} octets",
        old.len(),
        old.segments().len(),
        second.blobs,
        second.octets
    );
    assert_eq!(read(&memory).await.digest(), new.digest());

    let outcome = publish(&memory, beside(&new)).await.unwrap();
    assert!(matches!(outcome, Outcome::Unchanged { .. }), "{outcome:?}");
    let back = publisher(&memory).roll_back(&key(2), generation("1.1"), 300).await.unwrap();
    let Outcome::Published(back) = back else { panic!("{back:?}") };
    assert_eq!((back.changed, back.blobs), (1, 1));
    assert_eq!(read(&memory).await.digest(), old.digest());
}

#[tokio::test]
async fn the_collector_knows_segments() {
    let memory = Memory::default();
    let versions = [large(1, 3_000, &[]), large(2, 3_000, &[7]), large(3, 3_000, &[7, 8])];
    for version in &versions {
        published(&memory, beside(version)).await;
    }
    memory.age(YOUNG);
    let store = memory.store();
    // Two releases: all that either has stays.
    let collected = collect(&store, Arc::new(Silent), 2, false).await.unwrap();
    assert!(collected.removed > 0);
    let used: HashSet<Digest> = blobs(&versions[1]).union(&blobs(&versions[2])).copied().collect();
    assert!(used.is_subset(&there(&memory)));
    let gone: HashSet<Digest> = blobs(&versions[0]).difference(&used).copied().collect();
    assert!(gone.len() >= 2, "a root and a segment at least");
    assert!(gone.is_disjoint(&there(&memory)));
    let back = publisher(&memory).roll_back(&key(2), generation("1.2"), 1).await.unwrap();
    assert!(matches!(back, Outcome::Published(_)));
    assert_eq!(read(&memory).await.digest(), versions[1].digest());

    // Only the newest: what it shares with the others stays.
    memory.age(YOUNG);
    collect(&store, Arc::new(Silent), 1, false).await.unwrap();
    assert!(blobs(&versions[1]).is_subset(&there(&memory)));
    assert!(blobs(&versions[2]).difference(&blobs(&versions[1])).all(|blob| !there(&memory).contains(blob)));
    assert_eq!(read(&memory).await.digest(), versions[1].digest());

    // Without a root nobody knows what it uses.
    memory.damage(&Digest(versions[1].digest()), None);
    memory.age(YOUNG);
    let before = memory.names();
    let error = collect(&store, Arc::new(Silent), 1, false).await.unwrap_err();
    assert!(error.to_string().starts_with("nothing is removed"), "{error}");
    assert!(error.to_string().contains(&format!("image {} of it is lost", Digest(versions[1].digest()))), "{error}");
    assert_eq!(memory.names(), before);
}

#[tokio::test]
async fn lost_and_damaged_parts_are_found_and_made_again() {
    let image = large(1, 3_000, &[]);
    let root = Digest(image.digest());
    let mut parts: Vec<Digest> = segments(&image).into_iter().collect();
    parts.sort();
    parts.truncate(2);
    parts.push(root);
    for part in parts {
        for other in [None, Some(b"rubbish".to_vec())] {
            let memory = Memory::default();
            published(&memory, beside(&image)).await;
            let good = memory.bytes(&part).unwrap();
            memory.damage(&part, other.clone());
            let verified = verify(&memory.store(), Arc::new(Silent), None, &publisher(&memory).anchor).await.unwrap();
            let [fault] = &verified.faults[..] else { panic!("{:?}", verified.faults) };
            assert!(fault.starts_with("channel prod, release 1.1, zone big.example.: "), "{fault}");
            assert!(fault.contains(&part.to_string()), "{fault}");
            assert!(part == root || fault.contains("segment"), "{fault}");

            // Whoever did not compile it can't make it again, and says so.
            let tip = publisher(&memory).tip().await.unwrap();
            let content = publisher(&memory).content(&tip, &Images::default()).await.unwrap();
            let is_root = part == root;
            if other.is_some() && !is_root {
                // A segment is looked for, not read: that is verification's part.
                assert!(content.is_whole());
                continue;
            }
            assert!(!content.is_whole());
            assert!(content.has_lost(&content.zones[&crate::sync::zone_name::ZoneName::from(&image.apex())]));
            let error = publisher(&memory).roll_back(&key(2), generation("1.1"), 1).await.unwrap_err();
            assert!(
                error.to_string().contains("release 1.1 is no longer whole: it has lost 0 pages and 1 blob of"),
                "{error}"
            );
            let outcome = publish(&memory, beside(&image)).await.unwrap();
            assert!(matches!(outcome, Outcome::Published(_)), "{outcome:?}");
            assert_eq!(memory.bytes(&part).unwrap(), good);
            assert_eq!(read(&memory).await.digest(), image.digest());
        }
    }
}

#[tokio::test]
async fn killed_at_any_write_of_a_large_zone() {
    let (old, new) = (large(1, 3_000, &[]), large(2, 3_000, &[7, 8, 9]));
    for first in [true, false] {
        let mut kills = 0;
        for writes in 0.. {
            let memory = Memory::default();
            if !first {
                published(&memory, beside(&old)).await;
            }
            memory.kill_after(Some(writes));
            let outcome = publish(&memory, beside(&new)).await;
            memory.kill_after(None);
            if let Err(error) = &outcome {
                assert!(error.to_string().contains("killed"), "{error}");
                kills += 1;
                if !first {
                    assert_eq!(read(&memory).await.digest(), old.digest());
                }
                published(&memory, beside(&new)).await;
            }
            assert_eq!(read(&memory).await.digest(), new.digest(), "killed after {writes} writes");
            if outcome.is_ok() {
                break;
            }
        }
        assert!(kills >= 5, "{kills}");
    }
}

/// Segments of a release that is no longer kept become part of one again while a collector runs.
#[tokio::test]
async fn a_collector_beside_a_publisher_of_a_large_zone() {
    let versions = [large(1, 3_000, &[]), large(2, 3_000, &[7]), large(3, 3_000, &[])];
    for start in (0..80).step_by(4) {
        let memory = Memory::default();
        published(&memory, beside(&versions[0])).await;
        published(&memory, beside(&versions[1])).await;
        memory.age(YOUNG);
        let publishing = async {
            for _ in 0..start {
                tokio::task::yield_now().await;
            }
            publish(&memory, beside(&versions[2])).await
        };
        let store = memory.store();
        let (collected, outcome) = tokio::join!(collect(&store, Arc::new(Silent), 1, false), publishing);
        outcome.unwrap();
        drop(collected);
        let publisher = publisher(&memory);
        let tip = publisher.tip().await.unwrap();
        let content = publisher.content(&tip, &Images::default()).await.unwrap();
        assert!(content.is_whole(), "the publisher began at step {start}: {:?}", content.lost);
        assert!(blobs(&versions[2]).is_subset(&there(&memory)));
        assert!(content.zones.values().any(|leaf| leaf.place == Place::Own));
    }
}
