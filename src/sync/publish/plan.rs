//! What a publish changes, zone by zone and record by record: for people to read, and for guards to judge. Pure.
//!
//! Enters: of each zone that changes, the image that the head has and the one to come. Each pair is compared once, on all cores, and
//! what is asked of the difference later is noted on the way. The images stay with it: whoever wants to know more asks them.

mod difference;
#[cfg(test)]
pub(crate) mod examples;

use super::Counts;
use super::answers::Answers;
use super::fleet::Tried;
use crate::sync::channel::Generation;
use crate::sync::zone_name::ZoneName;
use crate::zone::cores::{cores, in_parts};
use crate::zone::image::{Image, ImageError};
pub use difference::{Difference, Listed, Longest, SetChange, Share};

/// All changes.
pub struct Plan {
    /// The release that is changed; `None`: there is none to build upon.
    pub head: Option<Generation>,
    /// Zones of that release.
    pub zones_before: u64,
    /// The channel's head where it is not built upon, as the key that signed it was removed: nothing is compared with it.
    pub disowned: Option<Generation>,
    /// What some nodes try meanwhile: until that is over nothing else is published.
    pub tried: Option<Tried>,
    /// Zones that are new, change or go, in canonical order.
    pub changes: Vec<ZoneChange>,
    /// So many of them are to be shown one by one.
    pub zones_max: usize,
    /// What of it those notice who ask; `None`: no questions are known, or there is no head to compare with.
    pub answers: Option<Answers>,
}

/// A zone that is new, changes or goes.
pub struct ZoneChange {
    /// Which.
    pub zone: ZoneName,
    /// As it is in the head.
    pub old: Option<Old>,
    /// As it is to be.
    pub new: Option<Image>,
    /// The records that differ; nothing, if the old version can't be read.
    pub difference: Difference,
}

/// What the head has of a zone.
pub struct Old {
    /// Its SOA's serial.
    pub serial: u32,
    /// `None`: the store has lost it, or it is damaged.
    pub image: Option<Image>,
}

/// How much is shown one by one; the rest is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    /// Zones.
    pub zones_max: usize,
    /// Records of each.
    pub records_max: usize,
    /// The same in a channel's first release: its records differ from nothing.
    pub first_records_max: usize,
}

impl Listing {
    /// All of it.
    pub const ALL: Listing = Listing { zones_max: usize::MAX, records_max: usize::MAX, first_records_max: usize::MAX };
}

impl Default for Listing {
    /// What somebody still reads.
    fn default() -> Listing {
        Listing { zones_max: 50, records_max: 20, first_records_max: 0 }
    }
}

impl Plan {
    /// Compares the versions of zones, which are in canonical order. `has_zone`: whether the release to come has a zone. `Err`: which
    /// zone's image contradicts itself, and how.
    pub fn new(
        head: Option<Generation>,
        zones_before: u64,
        mut changes: Vec<ZoneChange>,
        has_zone: impl Fn(&ZoneName) -> bool + Sync,
        listing: Listing,
    ) -> Result<Plan, (ZoneName, ImageError)> {
        let of_zone = if head.is_some() { listing.records_max } else { listing.first_records_max };
        let differences = in_parts(cores(), changes.len(), |part| {
            let compare = |at: usize| {
                let records_max = if at < listing.zones_max { of_zone } else { 0 };
                changes[at].compare(&has_zone, records_max).map_err(|error| (changes[at].zone.clone(), error))
            };
            part.map(compare).collect::<Result<Vec<_>, _>>()
        });
        let differences = differences.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten();
        changes.iter_mut().zip(differences).for_each(|(change, difference)| change.difference = difference);
        let zones_max = listing.zones_max;
        Ok(Plan { head, disowned: None, tried: None, zones_before, changes, zones_max, answers: None })
    }

    /// How many zones are new, change and go.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for change in &self.changes {
            match (&change.old, &change.new) {
                (None, _) => counts.added += 1,
                (Some(_), Some(_)) => counts.changed += 1,
                (Some(_), None) => counts.removed += 1,
            }
        }
        counts
    }

    /// Zones to be shown one by one.
    pub fn shown(&self) -> &[ZoneChange] {
        &self.changes[..self.changes.len().min(self.zones_max)]
    }

    /// How many zones are only counted.
    pub fn more(&self) -> usize {
        self.changes.len() - self.shown().len()
    }
}

impl ZoneChange {
    /// Not compared yet.
    pub fn new(zone: ZoneName, old: Option<Old>, new: Option<Image>) -> ZoneChange {
        ZoneChange { zone, old, new, difference: Difference::default() }
    }

    /// How many records that differ are only counted.
    pub fn more(&self) -> u64 {
        self.difference.removed + self.difference.added - self.difference.listed.len() as u64
    }

    /// Whether there is an old version that can't be read.
    pub fn is_unreadable(&self) -> bool {
        self.old.as_ref().is_some_and(|old| old.image.is_none())
    }

    fn compare(&self, has_zone: &impl Fn(&ZoneName) -> bool, records_max: usize) -> Result<Difference, ImageError> {
        if self.is_unreadable() {
            return Ok(Difference::default());
        }
        let old = self.old.as_ref().and_then(|old| old.image.as_ref());
        Difference::between(&self.zone, old, self.new.as_ref(), has_zone, records_max)
    }
}

#[cfg(test)]
mod tests {
    use super::examples::plan;
    use super::*;
    use crate::wire::code::rtype;
    use crate::zone::diff::Side;

    const ALL: Listing = Listing::ALL;

    fn soa(serial: u32, rest: &str) -> String {
        format!("@ SOA ns h {serial} 1 1 1 1\n{rest}")
    }

    #[test]
    fn a_difference_in_numbers_and_records() {
        let old = soa(1, "@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n");
        let new = soa(2, "@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.3\nmail 86400 A 192.0.2.4\n");
        let plan = plan(&[("a", &old), ("b", &old)], &[("a", &new), ("b", &old), ("c", &old)], ALL);
        assert_eq!((plan.head, plan.zones_before), (Some("1.7".parse().unwrap()), 2));
        assert_eq!(plan.counts(), Counts { added: 1, changed: 1, removed: 0 });
        let [a, c] = &plan.changes[..] else { panic!("b does not change") };
        let found = &a.difference;
        assert_eq!((found.removed, found.added, a.more()), (2, 3, 0));
        // Without the SOA record on both sides.
        assert_eq!(found.share, Share { before: 3, removed: 1, added: 2 });
        let longest = Longest { owner: "mail.a.".into(), rtype: rtype::A, ttl_secs: 86_400 };
        assert_eq!(found.longest, Some(longest));
        let listed: Vec<String> =
            found.listed.iter().map(|r| format!("{:?} {} {} {}", r.side, r.owner, r.rtype, r.rdata)).collect();
        assert_eq!(
            listed,
            [
                "Removed a. SOA ns.a. h.a. 1 1 1 1 1",
                "Added a. SOA ns.a. h.a. 2 1 1 1 1",
                "Added mail.a. A 192.0.2.4",
                "Removed www.a. A 192.0.2.2",
                "Added www.a. A 192.0.2.3"
            ]
        );
        assert_eq!(c.zone.to_string(), "c.");
        assert_eq!((c.difference.removed, c.difference.added), (0, 4));
        assert!(c.difference.apex_ns.is_none(), "a new zone's servers are no change");
    }

    #[test]
    fn little_is_listed_and_all_is_counted() {
        let old = soa(1, "@ NS ns.b.\n");
        let new = soa(2, "@ NS ns.b.\n$GENERATE 1-2000 h$ A 192.0.2.1\n");
        let names: Vec<String> = (0..5).map(|n| format!("z{n}")).collect();
        let zones = |text: &'static str| names.iter().map(move |name| (name.as_str(), text)).collect::<Vec<_>>();
        let (old, new): (&'static str, &'static str) = (old.leak(), new.leak());
        let plan = plan(&zones(old), &zones(new), Listing { zones_max: 2, records_max: 3, ..ALL });
        assert_eq!((plan.shown().len(), plan.more()), (2, 3));
        for (at, change) in plan.changes.iter().enumerate() {
            assert_eq!((change.difference.removed, change.difference.added), (1, 2_001));
            let listed = if at < 2 { 3 } else { 0 };
            assert_eq!((change.difference.listed.len() as u64, change.more()), (listed, 2_002 - listed));
            assert_eq!(
                change.difference.listed.iter().filter(|r| r.side == Side::Removed).count(),
                usize::from(at < 2)
            );
        }
    }

    #[test]
    fn sets_by_which_zones_are_found() {
        let ds = |tag: u32| format!("sub DS {tag} 13 2 {}\n", "ab".repeat(32));
        let old = soa(1, &format!("@ NS ns.o.\n@ NS a.o.\nsub NS ns.o.\nother NS ns.o.\n{}", ds(1)));
        let case = soa(2, &format!("@ 60 NS NS.o.\n@ 60 NS a.o.\nsub NS b.o.\nother NS b.o.\n{}", ds(1)));
        let new = soa(2, &format!("@ NS b.o.\n@ NS a.o.\nsub NS ns.o.\nother NS ns.o.\n{}{}", ds(2), ds(1)));
        let sub = soa(1, "@ NS ns.o.\n");
        let change = |new: &str, others: &[(&str, &str)]| {
            let zones = |text| [&[("p", text)][..], others].concat();
            let plan = plan(&zones(old.as_str()), &zones(new), ALL);
            plan.changes.into_iter().next().unwrap().difference
        };
        let found = change(&case, &[("sub.p", &sub)]);
        assert!(found.apex_ns.is_none() && found.ds.is_empty(), "another TTL, another case, another zone's servers");
        let found = change(&new, &[("sub.p", &sub)]);
        assert_eq!(found.apex_ns.removed, [b"\x02ns\x01o\0".to_vec()].into());
        assert_eq!(found.apex_ns.added, [b"\x01b\x01o\0".to_vec()].into());
        let (child, set) = found.ds.first_key_value().unwrap();
        assert_eq!((child.to_string().as_str(), found.ds.len()), ("sub.p.", 1));
        assert_eq!((set.removed.len(), set.added.iter().next().unwrap()[..2].to_vec()), (0, vec![0, 2]));
        assert!(change(&new, &[]).ds.is_empty(), "no zone of the release");
    }

    #[test]
    fn what_signing_alone_changes_does_not_count() {
        let signed = |serial: u32, end: u32, address: &str| {
            let rrsig = |covers: &str| format!("RRSIG {covers} 13 1 3600 {end}0101000000 20200101000000 1 @ AAAA\n");
            let rest = format!("@ NS ns.o.\nwww A {address}\n@ {}@ {}www {}", rrsig("SOA"), rrsig("NS"), rrsig("A"));
            soa(serial, &rest)
        };
        let plan = plan(&[("a", &signed(1, 2030, "192.0.2.1"))], &[("a", &signed(2, 2031, "192.0.2.1"))], ALL);
        let found = &plan.changes[0].difference;
        assert_eq!((found.removed, found.added), (4, 4));
        assert_eq!(found.share, Share { before: 2, removed: 0, added: 0 });
    }
}
