//! What one publish changes, and whether that can be done on another head. Pure.

use super::Counts;
use super::content::Content;
use super::images::{Images, Named};
use crate::counted::listed;
use crate::sync::codec::Digest;
use crate::sync::page::{Leaf, Place};
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

impl From<Named> for Wanted {
    fn from(Named { serial, image, len }: Named) -> Wanted {
        Wanted { serial, image, len, place: None }
    }
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
        for (name, named) in images.zones() {
            if base.zones.get(name).is_none_or(|leaf| leaf.image != named.image) {
                zones.insert(name.clone(), Some(Wanted::from(named)));
            }
        }
        let gone = base.zones.keys().filter(|name| !images.has_zone(name));
        zones.extend(gone.map(|name| (name.clone(), None)));
        let base = base.zones.iter().map(|(name, leaf)| (name.clone(), leaf.image)).collect();
        Changes { zones, base }
    }

    /// Whether a zone is among them.
    pub fn has(&self, zone: &ZoneName) -> bool {
        self.zones.contains_key(zone)
    }

    /// Makes them changes of another head, if that changed none of the same zones in another way. Of `images` the serials may be
    /// others than before.
    pub fn rebase(&mut self, head: &Content, images: &Images) -> Result<(), String> {
        for (name, wanted) in &mut self.zones {
            if let (Some(wanted), Some(named)) = (wanted, images.named(name)) {
                *wanted = Wanted::from(named);
            }
        }
        let now = |name: &ZoneName| head.zones.get(name).map(|leaf| leaf.image);
        let changed_by_both = self.zones.iter().filter(|(name, wanted)| {
            let theirs = now(name);
            theirs != self.base.get(name).copied() && theirs != wanted.map(|wanted| wanted.image)
        });
        let both: Vec<&ZoneName> = changed_by_both.map(|(name, _)| name).collect();
        if both.is_empty() {
            self.base = head.zones.iter().map(|(name, leaf)| (name.clone(), leaf.image)).collect();
            return Ok(());
        }
        Err(format!("and changed zones that this publish changes too: {}", listed(&both, NAMED_MAX)))
    }

    /// Those that are changes of this head, by zone: what it has, and what is wanted.
    pub fn of<'a>(
        &'a self,
        head: &'a Content,
    ) -> impl Iterator<Item = (&'a ZoneName, Option<&'a Leaf>, Option<&'a Wanted>)> {
        let both = self.zones.iter().map(|(name, wanted)| (name, head.zones.get(name), wanted.as_ref()));
        both.filter(|(_, has, wanted)| has.map(|leaf| leaf.image) != wanted.map(|wanted| wanted.image))
    }

    /// How many there are, seen from this head.
    pub fn counts(&self, head: &Content) -> Counts {
        let mut counts = Counts::default();
        for (_, has, wanted) in self.of(head) {
            match (has, wanted) {
                (None, _) => counts.added += 1,
                (Some(_), Some(_)) => counts.changed += 1,
                (Some(_), None) => counts.removed += 1,
            }
        }
        counts
    }

    /// Whether the release to be made of this head has a zone.
    pub fn will_have(&self, head: &Content, zone: &ZoneName) -> bool {
        self.zones.get(zone).map_or_else(|| head.zones.contains_key(zone), Option::is_some)
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
