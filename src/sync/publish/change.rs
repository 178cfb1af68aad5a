//! What one publish changes, and whether that can be done on another head. Pure.

use super::Counts;
use super::content::Content;
use super::images::{Images, Named};
use crate::sync::codec::Digest;
use crate::sync::page::Place;
use crate::sync::zone_name::ZoneName;
use std::collections::BTreeMap;

/// A zone of the release to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Its SOA's serial.
    pub serial: u32,
    /// Its image's name.
    pub image: Digest,
    /// Octets of the image.
    pub len: u64,
    /// Where the parent has the image; `None`: nowhere.
    pub place: Option<Place>,
}

/// Zones that are to be another way than they are in a base.
#[derive(Debug, Default)]
pub struct Changes {
    /// `None`: the zone is to go.
    zones: BTreeMap<ZoneName, Option<Wanted>>,
    /// The images of the base, by zone.
    base: BTreeMap<ZoneName, Digest>,
}

/// So many zones are named in a conflict.
const NAMED_MAX: usize = 5;

impl Changes {
    /// What must change so that exactly the zones of `images` are there.
    pub fn between(base: &Content, images: &Images) -> Changes {
        let mut zones = BTreeMap::new();
        for (name, Named { serial, image, len }) in images.zones() {
            if base.zones.get(name).is_none_or(|leaf| leaf.image != image) {
                zones.insert(name.clone(), Some(Wanted { serial, image, len, place: None }));
            }
        }
        let gone = base.zones.keys().filter(|name| !images.has_zone(name));
        zones.extend(gone.map(|name| (name.clone(), None)));
        let base = base.zones.iter().map(|(name, leaf)| (name.clone(), leaf.image)).collect();
        Changes { zones, base }
    }

    /// Makes them changes of another head, if that changed none of the same zones in another way.
    pub fn rebase(&mut self, head: &Content) -> Result<(), String> {
        let now = |name: &ZoneName| head.zones.get(name).map(|leaf| leaf.image);
        let changed_by_both = self.zones.iter().filter(|(name, wanted)| {
            let theirs = now(name);
            theirs != self.base.get(name).copied() && theirs != wanted.map(|wanted| wanted.image)
        });
        let both: Vec<String> = changed_by_both.map(|(name, _)| name.to_string()).collect();
        if both.is_empty() {
            self.base = head.zones.iter().map(|(name, leaf)| (name.clone(), leaf.image)).collect();
            return Ok(());
        }
        let more = match both.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named = both.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
        Err(format!("and changed zones that this publish changes too: {named}{more}"))
    }

    /// How many there are, seen from this head.
    pub fn counts(&self, head: &Content) -> Counts {
        let mut counts = Counts::default();
        for (name, wanted) in &self.zones {
            match (head.zones.get(name), wanted) {
                (None, Some(_)) => counts.added += 1,
                (Some(leaf), Some(wanted)) if leaf.image != wanted.image => counts.changed += 1,
                (Some(_), None) => counts.removed += 1,
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        counts
    }

    /// The zones of the release to be made: the head's, with the changes. What the head has, keeps its place, unless that is lost.
    pub fn applied_to(&self, head: &Content) -> BTreeMap<ZoneName, Wanted> {
        let mut zones: BTreeMap<ZoneName, Wanted> = BTreeMap::new();
        for (name, leaf) in &head.zones {
            let place = (!head.has_lost(leaf)).then_some(leaf.place);
            zones.insert(name.clone(), Wanted { serial: leaf.serial, image: leaf.image, len: leaf.len, place });
        }
        for (name, wanted) in &self.zones {
            match wanted {
                None => drop(zones.remove(name)),
                Some(wanted) if zones.get(name).is_some_and(|there| there.image == wanted.image) => {}
                Some(wanted) => drop(zones.insert(name.clone(), *wanted)),
            }
        }
        zones
    }
}
