//! Figures for 100,000 zones: `cargo test --release --lib publish::tests::scale -- --ignored --nocapture --test-threads 1`.

use super::*;
use crate::random::Random;
use crate::sync::packing::{Candidate, plan};
use crate::sync::page::{Leaf, Place};
use crate::sync::store::address::Address;
use crate::sync::tree;
use crate::sync::zone_name::ZoneName;
use std::collections::HashSet;
use std::time::Instant;

const ZONES: usize = 100_000;
/// What a first sync may take, in requests, and one changed zone, in octets.
const REQUESTS_MAX: usize = 2000;
const OCTETS_MAX: usize = 64 << 10;

fn names() -> impl Iterator<Item = String> {
    (0..ZONES).map(|n| {
        let tld = ["com", "net", "org", "de", "co.uk"][n % 5];
        let hash = blake3::hash(&n.to_le_bytes()).to_hex();
        format!("{}-{n}.{tld}.", &hash[..4 + n % 12])
    })
}

/// A directory that goes with the test.
struct Scratch(std::path::PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
#[ignore = "a minute or more; figures for docs/sync.md"]
async fn a_hundred_thousand_zones_in_a_directory() {
    let scratch = Scratch(std::env::temp_dir().join(format!("catchment-scale-{}", std::process::id())));
    let store = Address::Dir(scratch.0.clone()).open().unwrap();
    let publisher = Publisher { store, ..publisher(&Memory::default()) };
    let mut images: Vec<Image> = names().map(|name| image(&name, "one")).collect();
    let octets: u64 = images.iter().map(Image::len).sum();
    let began = Instant::now();
    let outcome = publisher.publish(&key(2), images.clone(), &options(1)).await.unwrap();
    let Outcome::Published(first) = outcome else { panic!("{outcome:?}") };
    println!(
        "first release: {ZONES} zones, images of {octets} octets; {} blobs, {} octets; {:.1?}",
        first.blobs,
        first.octets,
        began.elapsed()
    );
    assert!(first.blobs as usize <= REQUESTS_MAX);
    for round in 0..3 {
        let at = 31_415 + round * 20_000;
        let name = images[at].apex().to_string();
        images[at] = image(&name, "two");
        let began = Instant::now();
        let outcome = publisher.publish(&key(2), images.clone(), &options(2)).await.unwrap();
        let Outcome::Published(next) = outcome else { panic!("{outcome:?}") };
        println!("one zone changed: {} blobs, {} octets; {:.1?}", next.blobs, next.octets, began.elapsed());
        assert_eq!(next.changed, 1);
        assert!(next.octets as usize <= OCTETS_MAX);
    }
}

/// Packs, pages and octets after a long history of publishes of one zone each; images of 1,000 octets.
#[test]
#[ignore = "minutes; figures for docs/sync.md"]
fn a_long_history() {
    let mut names: Vec<ZoneName> = names().map(|name| ZoneName::from(&name.parse::<Name>().unwrap())).collect();
    names.sort();
    let shape = tree::Shape::of(&names);
    let mut images = vec![Candidate { len: 1000, place: None }; ZONES];
    let mut digests: Vec<Digest> = (0..ZONES).map(|n| Digest::of(&n.to_le_bytes())).collect();
    let mut before: HashSet<Digest> = HashSet::new();
    let (mut made, mut random, mut requests_most, mut octets_most) = (0u64, Random::new(1), 0, 0);
    let publishes: usize =
        std::env::var("PUBLISHES").map_or(12_000, |text| text.parse().expect("PUBLISHES is a number"));
    for publish in 0..=publishes {
        if publish > 0 {
            let at = random.below(ZONES);
            images[at].place = None;
            digests[at] = Digest::of(&random.draw().to_le_bytes());
        }
        for pack in plan(&images, &shape) {
            made += 1;
            let name = Digest::of(&made.to_le_bytes());
            for (nth, index) in pack.into_iter().enumerate() {
                images[index].place = Some(Place::Pack { pack: name, offset: nth as u32 * 1000 });
            }
        }
        // Two in a row, from time to time: what the second one moves.
        if publish % 100 > 1 {
            continue;
        }
        let leaves = names.iter().zip(&images).zip(&digests).map(|((name, image), digest)| Leaf {
            name: name.clone(),
            serial: 1,
            image: *digest,
            len: 1000,
            place: image.place.unwrap(),
        });
        let (mut now, mut octets, mut new) = (HashSet::new(), 0, 0);
        tree::build(leaves, |digest, bytes| {
            if !before.contains(&digest) {
                (octets, new) = (octets + bytes.len(), new + 1);
            }
            now.insert(digest);
        })
        .unwrap();
        let packs: HashSet<_> = images
            .iter()
            .map(|image| {
                image.place.and_then(|place| match place {
                    Place::Pack { pack, .. } => Some(pack),
                    Place::Own => None,
                })
            })
            .collect();
        // The head, and each blob.
        let requests = 1 + now.len() + packs.len();
        requests_most = requests_most.max(requests);
        if publish % 100 == 1 && publish > 1 {
            // The image in its pack, manifest and freshness come on top.
            let moved = octets + 1000 + 52 + 2 * 300;
            octets_most = octets_most.max(moved);
            println!(
                "publish {publish}: {} packs, {requests} requests for a first sync; {new} new pages, {moved} octets moved",
                packs.len()
            );
        }
        before = now;
    }
    println!("at most {requests_most} requests, {octets_most} octets for one zone");
    assert!(requests_most <= REQUESTS_MAX, "{requests_most}");
    assert!(octets_most <= OCTETS_MAX, "{octets_most}");
}
