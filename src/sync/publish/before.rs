//! The images of zones that a publish changes, as the head has them. What is fetched follows the change: of a large image, only the
//! segments that its successor has not.

use super::transfer::{each, persist};
use super::{Error, Publisher};
use crate::sync::codec::Digest;
use crate::sync::pack::{PACK_MAX, Pack};
use crate::sync::page::{Leaf, Place};
use crate::sync::store::{Blobs, StoreError};
use crate::sync::zone_name::ZoneName;
use crate::zone::image::{Image, Root, Segment};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A zone of the head, and what is to take its place.
pub(super) struct Replaced {
    /// The head's.
    pub(super) leaf: Leaf,
    /// `None`: nothing.
    pub(super) successor: Option<Image>,
}

/// A blob's name and octets; `None`: it is lost or damaged.
type Came = (Digest, Result<Option<Vec<u8>>, Error>);

impl Publisher {
    /// The images of these zones, without those that are lost or damaged.
    pub(super) async fn images_before(&self, wanted: &[Replaced]) -> Result<HashMap<ZoneName, Image>, Error> {
        let mut images = HashMap::with_capacity(wanted.len());
        let mut roots: Vec<(&Replaced, Root)> = Vec::new();
        // A blob has several zones if it is a pack.
        let mut blobs: BTreeMap<Digest, Vec<&Replaced>> = BTreeMap::new();
        for zone in wanted {
            blobs.entry(zone.leaf.pack().unwrap_or(zone.leaf.image)).or_default().push(zone);
        }
        let bounds = blobs.iter().map(|(name, zones)| match zones[0].leaf.place {
            Place::Own => (*name, zones[0].leaf.root_len_max()),
            Place::Pack { .. } => (*name, PACK_MAX as u64),
        });
        let bounds: Vec<(Digest, u64)> = bounds.collect();
        each(
            bounds,
            |(name, max)| self.blob(name, max),
            |(name, bytes): Came| {
                let Some(bytes) = bytes? else { return Ok(()) };
                match blobs[&name][..] {
                    [zone] if zone.leaf.place == Place::Own => {
                        roots.extend(zone.leaf.open_root(bytes).ok().map(|root| (zone, root)));
                    }
                    ref zones => images.extend(unpacked(&name, bytes, zones)),
                }
                Ok::<(), Error>(())
            },
        )
        .await?;
        let segments = self.segments_before(&roots).await?;
        for (zone, root) in roots {
            let image = root.assemble(|name| segments.get(&Digest(*name)).cloned());
            images.extend(image.ok().map(|image| (zone.leaf.name.clone(), image)));
        }
        Ok(images)
    }

    /// The segments that these roots name: those of the successors, and what must be fetched.
    async fn segments_before(&self, roots: &[(&Replaced, Root)]) -> Result<HashMap<Digest, Segment>, Error> {
        let successors = roots.iter().filter_map(|(zone, _)| zone.successor.as_ref());
        let mut segments: HashMap<Digest, Segment> =
            successors.flat_map(Image::segments).map(|segment| (Digest(*segment.digest()), segment)).collect();
        let named =
            roots.iter().flat_map(|(_, root)| root.segments()).map(|(name, len)| (Digest(name), u64::from(len)));
        let lacking: BTreeMap<Digest, u64> = named.filter(|(name, _)| !segments.contains_key(name)).collect();
        each(
            lacking,
            |(name, len)| self.blob(name, len),
            |(name, bytes): Came| {
                let segment = bytes?.and_then(|bytes| Segment::open(bytes, &name.0).ok());
                segments.extend(segment.map(|segment| (name, segment)));
                Ok::<(), Error>(())
            },
        )
        .await?;
        Ok(segments)
    }

    fn blob(&self, name: Digest, max: u64) -> impl Future<Output = Came> + Send + use<> {
        let blobs: Arc<dyn Blobs> = Arc::clone(&self.store.blobs);
        async move {
            let bytes = match persist(|| blobs.get(&name, max)).await {
                Ok(bytes) => Ok(bytes),
                Err(StoreError::TooLarge { .. } | StoreError::Malformed { .. }) => Ok(None),
                Err(error) => Err(Error::Store { what: format!("reading blob {name}"), error }),
            };
            (name, bytes)
        }
    }
}

/// The images of these zones in a pack.
fn unpacked(name: &Digest, bytes: Vec<u8>, zones: &[&Replaced]) -> Vec<(ZoneName, Image)> {
    let Ok(pack) = Pack::open(bytes, name) else { return Vec::new() };
    let octets: HashMap<Digest, &[u8]> =
        pack.entries().iter().filter_map(|entry| Some((entry.image, pack.image(entry)?))).collect();
    let open = |zone: &&Replaced| {
        let image = zone.leaf.open(octets.get(&zone.leaf.image)?.to_vec()).ok()?;
        Some((zone.leaf.name.clone(), image))
    };
    zones.iter().filter_map(open).collect()
}
