//! Packs and pages of a release.

use super::change::Wanted;
use super::content::Content;
use super::images::Images;
use super::octets::Octets;
use super::transfer::{each, persist};
use super::{Error, Publisher, Step};
use crate::sync::codec::Digest;
use crate::sync::pack::{PACK_MAX, Pack};
use crate::sync::packing::{Candidate, plan};
use crate::sync::page::{Leaf, Place};
use crate::sync::store::Result as StoreResult;
use crate::sync::tree::{self, Root, Shape};
use crate::sync::zone_name::ZoneName;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// A release's blobs.
pub struct Release {
    /// The tree.
    pub root: Root,
    /// What must be put: packs, roots and segments, then pages.
    pub blobs: Vec<(Digest, Octets)>,
    /// What must be there already.
    pub kept: BTreeSet<Digest>,
}

impl Release {
    /// Octets to be put.
    pub fn octets(&self) -> u64 {
        self.blobs.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }
}

/// Builds the release of these zones. `parent` is what they were made from: its pages need not be put again.
pub(super) async fn release(
    publisher: &Publisher,
    mut zones: BTreeMap<ZoneName, Wanted>,
    images: &Images,
    parent: &Content,
) -> Result<Release, Error> {
    let total = zones.len() as u64;
    publisher.progress.at(Step::Building, 0, Some(total));
    let packs = packs_of(&zones);
    let others = others(publisher, &zones, &packs, images, parent).await?;
    // What is packed is flat: its root is all of it.
    let bytes = |wanted: &Wanted| match images.by_name(&wanted.image) {
        Some(image) => Ok(image.root().to_vec()),
        None => others.get(&wanted.image).cloned().ok_or_else(|| lost(&wanted.image)),
    };
    let mut blobs = Vec::new();
    let names: Vec<ZoneName> = zones.keys().cloned().collect();
    for indices in packs {
        let members: Vec<Vec<u8>> =
            indices.iter().map(|index| bytes(&zones[&names[*index]])).collect::<Result<_, Error>>()?;
        let members: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect();
        let pack = Pack::build(&members)?;
        let name = pack.digest();
        for (index, entry) in indices.iter().zip(pack.entries()) {
            if let Some(wanted) = zones.get_mut(&names[*index]) {
                wanted.place = Some(Place::Pack { pack: name, offset: entry.offset });
            }
        }
        blobs.push((name, pack.bytes().into()));
    }
    let there: HashSet<Digest> =
        parent.segments.values().flatten().filter(|segment| !parent.lost.contains(segment)).copied().collect();
    let mut kept = BTreeSet::new();
    for wanted in zones.values_mut() {
        if wanted.place.is_none() {
            let image = images.by_name(&wanted.image).ok_or_else(|| lost(&wanted.image))?;
            blobs.push((wanted.image, image.root().into()));
            let mut put = HashSet::new();
            for segment in image.segments() {
                let name = Digest(*segment.digest());
                if there.contains(&name) {
                    kept.insert(name);
                } else if put.insert(name) {
                    blobs.push((name, Octets::Segment(segment)));
                }
            }
            wanted.place = Some(Place::Own);
        } else if let Some(segments) = parent.segments.get(&wanted.image) {
            kept.extend(segments);
        }
    }
    let leaves = zones.into_iter().map(|(name, wanted)| {
        let Wanted { serial, image, len, place } = wanted;
        Leaf { name, serial, image, len, place: place.unwrap_or(Place::Own) }
    });
    let leaves: Vec<Leaf> = leaves.collect();
    kept.extend(leaves.iter().map(|leaf| leaf.pack().unwrap_or(leaf.image)));
    let root = tree::build(leaves, |digest, page| {
        if parent.pages.contains(&digest) {
            kept.insert(digest);
        } else {
            blobs.push((digest, page.as_slice().into()));
        }
    })?;
    let put: HashSet<Digest> = blobs.iter().map(|(name, _)| *name).collect();
    kept.retain(|name| !put.contains(name));
    publisher.progress.at(Step::Building, total, Some(total));
    Ok(Release { root, blobs, kept })
}

/// Which zones, by their order, go into which new pack.
fn packs_of(zones: &BTreeMap<ZoneName, Wanted>) -> Vec<Vec<usize>> {
    let candidates: Vec<Candidate> =
        zones.values().map(|wanted| Candidate { len: wanted.len, place: wanted.place }).collect();
    plan(&candidates, &Shape::of(zones.keys()))
}

/// Images that are packed again, or were lost, and that this publisher did not compile: another publisher's.
async fn others(
    publisher: &Publisher,
    zones: &BTreeMap<ZoneName, Wanted>,
    packs: &[Vec<usize>],
    images: &Images,
    parent: &Content,
) -> Result<HashMap<Digest, Vec<u8>>, Error> {
    let moved: HashSet<usize> = packs.iter().flatten().copied().collect();
    let mut wanted: BTreeMap<Digest, HashSet<Digest>> = BTreeMap::new();
    for (index, (name, zone)) in zones.iter().enumerate() {
        let needed = moved.contains(&index) || zone.place.is_none();
        if needed && images.by_name(&zone.image).is_none() {
            // What is not packed is not moved: it was lost.
            let pack = parent.zones.get(name).and_then(Leaf::pack).ok_or_else(|| lost(&zone.image))?;
            wanted.entry(pack).or_default().insert(zone.image);
        }
    }
    let get = |blob: Digest| {
        let blobs = Arc::clone(&publisher.store.blobs);
        async move { (blob, persist(|| blobs.get(&blob, PACK_MAX as u64)).await) }
    };
    let mut found = HashMap::new();
    let names: Vec<Digest> = wanted.keys().copied().collect();
    each(names, get, |(blob, answer): (Digest, StoreResult<Option<Vec<u8>>>)| {
        let bytes = answer.map_err(Error::store(format!("reading pack {blob}")))?.ok_or_else(|| lost(&blob))?;
        let pack = Pack::open(bytes, &blob).map_err(|error| Error::Release(error.to_string()))?;
        for entry in pack.entries().iter().filter(|entry| wanted[&blob].contains(&entry.image)) {
            found.extend(pack.image(entry).map(|bytes| (entry.image, bytes.to_vec())));
        }
        Ok::<(), Error>(())
    })
    .await?;
    Ok(found)
}

fn lost(image: &Digest) -> Error {
    Error::Release(format!(
        "image or pack {image}, or a segment of it, is lost, and another publisher made it; publish all zones again from where it did"
    ))
}
