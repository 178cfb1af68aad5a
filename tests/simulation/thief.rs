//! Somebody who has copied the release key, and may write to the store: huge counters, two releases of one generation, releases whose
//! content is none. What the key allows is taken, until the next key set; never afterwards.

use super::chance::Chance;
use super::lies::word_of;
use super::node::Site;
use super::publisher::Press;
use super::shelf::STATE;
use super::world::{World, lock};
use super::zones::{self, Content, FORGED};
use catchment::sync::channel::Generation;
use catchment::sync::codec::Digest;
use catchment::sync::head::{Head, State};
use catchment::sync::key::KeyPair;
use catchment::sync::manifest::Manifest;
use catchment::sync::pack::Pack;
use catchment::sync::page::{Leaf, Place};
use catchment::sync::signed::Signed;
use catchment::sync::store::objects::Expect;
use catchment::sync::tree::{self, Root};
use catchment::sync::zone_name::ZoneName;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Steals, forges, and goes on when it is noticed.
pub(crate) async fn rob(press: Arc<Press>, sites: Vec<Arc<Site>>) {
    let world = Arc::clone(&press.world);
    let key = press.office.is_robbed();
    world.log(format_args!("the release key is stolen"));
    loop {
        let mut chance = world.chance(&[40]);
        sleep(Duration::from_millis(chance.between(500, 8_000))).await;
        if world.is_calm() {
            return;
        }
        forge(&press, &key, &sites, &mut chance);
    }
}

fn forge(press: &Press, key: &KeyPair, sites: &[Arc<Site>], chance: &mut Chance) -> Option<()> {
    let world = &press.world;
    let (bytes, tag) = press.shelf.read(STATE)?;
    let state = State::decode(&bytes).ok()?;
    let head = state.head.as_ref()?;
    let before = head.manifest.claims();
    let mut content = lock(&press.repository).clone();
    content.insert(*content.keys().next()?, FORGED + chance.below(5) as u32);
    let rises = |by| Generation { counter: before.generation.counter.saturating_add(by), ..before.generation };
    let in_danger = state.key_set.claims().key(key.public().id()).is_some();
    let (what, generation, rotten) = match chance.below(6) {
        0 => ("the next generation", rises(1), false),
        1 => ("a huge counter", rises(1 << 40), false),
        2 if in_danger => ("the last counter", rises(u64::MAX), false),
        2 | 3 => ("the head's generation again", before.generation, false),
        4 => (
            "a key set that there is none of",
            Generation { key_set: before.generation.key_set + 1, counter: 1 },
            false,
        ),
        _ => ("images that are none", rises(2), true),
    };
    let root = write(press, &content, rotten)?;
    let parent = Some(head.manifest.digest());
    let manifest = Manifest { generation, parent, root, time_secs: world.now_secs(), ..before.clone() };
    let manifest = Signed::sign(&manifest, &[key]).ok()?;
    let forged = State {
        head: Some(Head { freshness: word_of(&manifest, key)?, manifest: manifest.clone(), trial: None }),
        ..state
    };
    press.shelf.put_blob(&manifest.digest(), manifest.bytes());
    // What is signed by a key that is in force may be taken; of the rest the oracle knows nothing.
    if !rotten {
        let _ = world.oracle().learn(&press.shelf, &manifest, true);
    }
    let into_store = in_danger && !rotten && generation > before.generation;
    if into_store && generation.key_set == before.generation.key_set && chance.percent(50) {
        world.log(format_args!("a thief signs {what}, {generation}, and writes it to the store"));
        press.shelf.write(STATE, &forged.encode(), Expect::Tag(&tag), true);
    } else {
        world.log(format_args!("a thief signs {what}, {generation}, and shows it to some"));
        show(world, &forged.encode(), sites, chance);
    }
    Some(())
}

fn show(world: &World, state: &[u8], sites: &[Arc<Site>], chance: &mut Chance) {
    let until_ms = world.now_ms() + chance.between(1_000, 20_000);
    let state: Arc<[u8]> = state.into();
    for site in sites {
        if chance.percent(40) {
            site.client.show(Some(Arc::clone(&state)));
            site.client.lie(0, until_ms);
        }
    }
}

/// Puts the blobs of this content into the store. Rotten ones have an image of another zone where one is named.
fn write(press: &Press, content: &Content, rotten: bool) -> Option<Root> {
    let mut images = zones::images(content);
    images.retain(|image| image.root().len() < 200_000);
    images.sort_by_key(|image| ZoneName::from(&image.apex()));
    let octets: Vec<&[u8]> = images.iter().map(|image| image.root()).collect();
    let pack = Pack::build(&octets).ok()?;
    press.shelf.put_blob(&pack.digest(), pack.bytes());
    let entries = pack.entries();
    let leaves = images.iter().enumerate().map(|(at, image)| {
        // The last one's octets under the first one's name.
        let entry = if rotten && at == 0 { &entries[entries.len() - 1] } else { &entries[at] };
        let place = Place::Pack { pack: pack.digest(), offset: entry.offset };
        let name = ZoneName::from(&image.apex());
        Leaf { name, serial: image.serial(), image: entry.image, len: entry.len.into(), place }
    });
    let leaves: Vec<Leaf> = leaves.collect();
    tree::build(leaves, |name: Digest, page: Vec<u8>| press.shelf.put_blob(&name, &page)).ok()
}
