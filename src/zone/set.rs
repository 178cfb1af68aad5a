//! All zones that are served, found by the name of a question.

mod zone;

use super::arena;
use crate::wire::case::eq_lower;
use crate::wire::lookup::LookupName;
use crate::wire::name::{self, Name};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
pub use zone::{Content, Origin, State, Version, Zone};

/// An immutable set of zones. Cloning it shares them.
#[derive(Clone)]
pub struct Zones {
    zones: Arc<[Arc<Zone>]>,
    /// Shared with the set before, as long as the same names have the same numbers.
    index: Arc<Index>,
    /// Octets of all images.
    image_len: usize,
}

/// Finds a zone's number by its name, which the zone itself has.
struct Index {
    /// Open addressing, a power of two of slots, at most half of them used. A slot is the hash's upper half, then the zone's
    /// number plus one; 0 is free.
    slots: Box<[u64]>,
    /// Secret of this index: customers choose zone names.
    seed: u64,
    /// Bit n: some zone's name has n labels. Only these suffixes of a question's name need a probe.
    depths: u128,
}

impl Index {
    fn new(zones: &[Arc<Zone>]) -> Index {
        let seed = RandomState::new().hash_one(0);
        let mut slots = vec![0u64; (2 * zones.len()).next_power_of_two().max(2)].into_boxed_slice();
        let mask = slots.len() - 1;
        let mut depths = 0;
        for (number, zone) in zones.iter().enumerate() {
            let apex = zone.apex_wire();
            depths |= 1 << name::labels(apex).count();
            let hash = hash(seed, &apex.to_ascii_lowercase());
            let mut slot = hash as usize & mask;
            while slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            slots[slot] = hash & TAG | (number as u64 + 1);
        }
        Index { slots, seed, depths }
    }

    /// The number, in these zones, of the one of exactly this name, in wire form and lower case.
    fn find(&self, zones: &[Arc<Zone>], lower: &[u8]) -> Option<usize> {
        let hash = hash(self.seed, lower);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        // Ends: at least half of the slots are free.
        while self.slots[slot] != 0 {
            let number = (self.slots[slot] as u32 - 1) as usize;
            // Length octets are below 64 and so are no letters: case folding can't touch them.
            if self.slots[slot] & TAG == hash & TAG && eq_lower(zones[number].apex_wire(), lower) {
                return Some(number);
            }
            slot = (slot + 1) & mask;
        }
        None
    }
}

impl Zones {
    /// Builds the set. Names must differ (letters compared without case); of two equal ones the first is found. Small images
    /// move together into shared memory.
    pub fn new(zones: impl IntoIterator<Item = impl Into<Arc<Zone>>>) -> Zones {
        let mut zones: Vec<Arc<Zone>> = zones.into_iter().map(Into::into).collect();
        pack(&mut zones);
        let index = Arc::new(Index::new(&zones));
        Zones::over(zones, index)
    }

    fn over(zones: Vec<Arc<Zone>>, index: Arc<Index>) -> Zones {
        let image_len = zones.iter().filter_map(|zone| zone.image()).map(|image| image.len() as usize).sum();
        Zones { zones: zones.into(), index, image_len }
    }

    /// The set with these zones in place of those of the same names, or beside them, and without the zones of the names `removed`
    /// (in lower case). No other zone is touched: its image stays where it is.
    pub fn updated(&self, mut changed: Vec<Arc<Zone>>, removed: &[Name]) -> Zones {
        pack(&mut changed);
        let mut zones = self.zones.to_vec();
        let mut added = Vec::new();
        for zone in changed {
            match self.index.find(&self.zones, zone.name().to_lower().as_wire()) {
                Some(number) => zones[number] = zone,
                None => added.push(zone),
            }
        }
        let gone: HashSet<u32> = removed.iter().filter_map(|name| Some(self.exact(name.as_wire())?.id)).collect();
        let index = if gone.is_empty() && added.is_empty() {
            Arc::clone(&self.index)
        } else {
            zones.retain(|zone| !gone.contains(&zone.id));
            zones.append(&mut added);
            Arc::new(Index::new(&zones))
        };
        Zones::over(zones, index)
    }

    /// The zone with the longest name that `name` is at or below, of those with at most `labels_max` labels.
    pub fn find(&self, name: &LookupName, labels_max: usize) -> Option<&Zone> {
        let deepest = name.label_count().min(labels_max);
        let mut depths = self.index.depths & (u128::MAX >> (127 - deepest.min(127)));
        while depths != 0 {
            let labels = 127 - depths.leading_zeros() as usize;
            depths &= !(1 << labels);
            if let Some(zone) = self.exact(name.suffix(labels)) {
                return Some(zone);
            }
        }
        None
    }

    /// The zone of exactly this name, in wire form and lower case.
    pub fn exact(&self, lower: &[u8]) -> Option<&Arc<Zone>> {
        self.index.find(&self.zones, lower).map(|number| &self.zones[number])
    }

    /// Octets of all images together: what lookups are spread over.
    pub fn image_len(&self) -> usize {
        self.image_len
    }

    /// All zones, in no stated order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Zone>> {
        self.zones.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.zones.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }
}

impl Default for Zones {
    /// None.
    fn default() -> Zones {
        Zones::new(Vec::<Zone>::new())
    }
}

/// Moves small images together. Zones that others have, too, stay as they are there.
fn pack(zones: &mut [Arc<Zone>]) {
    arena::pack(zones, |zone| zone.image(), |zone, image| Arc::make_mut(zone).content = image.into());
}

/// The half of a slot that is the hash's.
const TAG: u64 = 0xffff_ffff_0000_0000;

fn hash(seed: u64, lower: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(lower, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones(names: &[&str]) -> Zones {
        Zones::new(names.iter().enumerate().map(|(id, name)| missing(id as u32, name)))
    }

    fn missing(id: u32, name: &str) -> Zone {
        Zone::new(id, Content::Missing(name.parse().unwrap()))
    }

    fn find(zones: &Zones, name: &str, labels_max: usize) -> Option<String> {
        let mut lookup = LookupName::default();
        lookup.read(name.parse::<Name>().unwrap().as_wire()).unwrap();
        zones.find(&lookup, labels_max).map(|zone| zone.name().to_string())
    }

    #[test]
    fn longest_suffix_wins() {
        let set = zones(&["example.com", "Sub.example.com", "org"]);
        assert_eq!(find(&set, "www.sub.EXAMPLE.com", 127).unwrap(), "Sub.example.com.");
        assert_eq!(find(&set, "sub.example.com", 2).unwrap(), "example.com.");
        assert_eq!(find(&set, "xsub.example.com", 127).unwrap(), "example.com.");
        assert_eq!(find(&set, "a.b.org", 127).unwrap(), "org.");
        assert_eq!(find(&set, "com", 127), None);
        assert_eq!(find(&set, ".", 127), None);
        assert_eq!(find(&zones(&["."]), "com", 127).unwrap(), ".");
        assert_eq!(find(&zones(&[]), "com", 127), None);
    }

    #[test]
    fn many_zones_are_all_found() {
        let names: Vec<String> = (0..5000).map(|n| format!("z{n}.test")).collect();
        let set = zones(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for name in &names {
            assert_eq!(find(&set, &format!("www.{name}"), 127).unwrap(), format!("{name}."));
        }
        assert_eq!(find(&set, "z5000.test", 127), None);
    }

    #[test]
    fn an_update_finds_what_a_new_set_finds() {
        let zone = |id, name| Arc::new(missing(id, name));
        let before = zones(&["a.test", "b.test", "c.test", "org"]);
        let same = before.updated(vec![zone(1, "B.test")], &[]);
        assert_eq!(find(&same, "www.b.test", 127).unwrap(), "B.test.");
        assert_eq!(find(&before, "www.b.test", 127).unwrap(), "b.test.", "what is published never changes");
        let other = same.updated(vec![zone(7, "deep.er.c.test")], &["a.test".parse().unwrap(), "x".parse().unwrap()]);
        assert_eq!(other.len(), 4);
        assert_eq!(find(&other, "a.test", 127), None);
        assert_eq!(find(&other, "x.deep.er.c.test", 127).unwrap(), "deep.er.c.test.");
        assert_eq!(find(&other, "er.c.test", 127).unwrap(), "c.test.");
        assert_eq!(find(&other, "org", 127).unwrap(), "org.");
        let ids: Vec<u32> = other.iter().map(|zone| zone.id).collect();
        assert_eq!(ids, [1, 2, 3, 7]);
        let org = [&before, &other].map(|set| set.exact(b"\x03org\0").unwrap());
        assert!(Arc::ptr_eq(org[0], org[1]), "sets share what stays");
    }

    #[test]
    fn deepest_name() {
        let deep = "a.".repeat(127);
        let set = zones(&[&deep]);
        assert_eq!(find(&set, &deep, 127).unwrap(), deep);
    }
}
