//! The records that two versions of a zone don't share: how many, the first of them, and what guards ask of them.

use crate::sync::zone_name::ZoneName;
use crate::wire::code::rtype::{self, DS, NS, NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA, ZONEMD};
use crate::wire::name::{Name, Text};
use crate::zone::diff::{Change, Side, diff_records};
use crate::zone::image::{Image, ImageError};
use crate::zone::rdata;
use crate::zone::records::Records;
use std::collections::{BTreeMap, BTreeSet};

/// What differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Records that are gone.
    pub removed: u64,
    /// Records that are new.
    pub added: u64,
    /// The first of these.
    pub listed: Vec<Listed>,
    /// The same without what changes with every serial and every signing.
    pub share: Share,
    /// Of a zone that has both versions: its own name servers.
    pub apex_ns: SetChange,
    /// Of a zone that has both versions: DS records of delegations to zones that the release has, too.
    pub ds: BTreeMap<ZoneName, SetChange>,
    /// The new record that caches may keep longest.
    pub longest: Option<Longest>,
}

/// A record that only one version has, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which one.
    pub side: Side,
    /// Owner, absolute.
    pub owner: String,
    /// Seconds.
    pub ttl_secs: u32,
    /// RR type.
    pub rtype: String,
    /// RDATA.
    pub rdata: String,
}

/// Records other than SOA, signatures, proofs of absence and digests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Of the old version.
    pub before: u64,
    /// Gone.
    pub removed: u64,
    /// New.
    pub added: u64,
}

/// How the data of an RRset changes, whatever its TTL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetChange {
    /// RDATA that is gone, in wire form.
    pub removed: BTreeSet<Vec<u8>>,
    /// RDATA that is new.
    pub added: BTreeSet<Vec<u8>>,
}

/// A record and its TTL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Longest {
    /// Owner, absolute.
    pub owner: String,
    /// RR type.
    pub rtype: u16,
    /// Seconds.
    pub ttl_secs: u32,
}

impl Difference {
    /// Compares two versions of `zone`, of which one may be missing, and lists the first `listed_max` records.
    pub(super) fn between(
        zone: &ZoneName,
        old: Option<&Image>,
        new: Option<&Image>,
        has_zone: &impl Fn(&ZoneName) -> bool,
        listed_max: usize,
    ) -> Result<Difference, ImageError> {
        let records = |image: Option<&Image>| image.map_or(Ok(Records::default()), Image::to_records);
        let has_both = old.is_some() && new.is_some();
        let (old, new) = (records(old)?, records(new)?);
        let mut found = Difference::default();
        found.share.before = old.iter().filter(|record| is_written(record.rtype)).count() as u64;
        diff_records(old, new, |change| {
            found.count(&change);
            if found.listed.len() < listed_max {
                found.listed.push(Listed::from(&change));
            }
            if has_both {
                found.note_sets(zone, &change, has_zone);
            }
        });
        found.ds.retain(|_, set| !set.is_none());
        Ok(found)
    }

    fn count(&mut self, change: &Change) {
        let counts = u64::from(is_written(change.rtype));
        match change.side {
            Side::Removed => {
                self.removed += 1;
                self.share.removed += counts;
            }
            Side::Added => {
                self.added += 1;
                self.share.added += counts;
                if self.longest.as_ref().is_none_or(|longest| longest.ttl_secs < change.ttl_secs) {
                    let owner = Text(change.owner).to_string();
                    self.longest = Some(Longest { owner, rtype: change.rtype, ttl_secs: change.ttl_secs });
                }
            }
        }
    }

    /// Notes changes of the sets by which a zone is found and believed.
    fn note_sets(&mut self, zone: &ZoneName, change: &Change, has_zone: &impl Fn(&ZoneName) -> bool) {
        let is_apex = || change.owner.eq_ignore_ascii_case(zone.as_wire());
        match change.rtype {
            // Names are the same in any case, and octets of lengths are no letters.
            NS if is_apex() => self.apex_ns.take(change.side, change.rdata.to_ascii_lowercase()),
            DS => {
                let child = Name::from_wire(change.owner).ok().map(|owner| ZoneName::from(&owner));
                if let Some(child) = child.filter(has_zone) {
                    self.ds.entry(child).or_default().take(change.side, change.rdata.to_vec());
                }
            }
            _ => {}
        }
    }
}

/// Whether records of this type are written by people, and not by what signs zones and counts serials.
fn is_written(rtype: u16) -> bool {
    !matches!(rtype, SOA | RRSIG | NSEC | NSEC3 | NSEC3PARAM | ZONEMD)
}

impl SetChange {
    /// Whether both versions have the same data.
    pub fn is_none(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }

    /// What is both gone and new has but another TTL or case.
    fn take(&mut self, side: Side, rdata: Vec<u8>) {
        let (ours, others) = match side {
            Side::Removed => (&mut self.removed, &mut self.added),
            Side::Added => (&mut self.added, &mut self.removed),
        };
        if !others.remove(&rdata) {
            ours.insert(rdata);
        }
    }
}

impl From<&Change<'_>> for Listed {
    fn from(change: &Change) -> Listed {
        let mut text = String::new();
        rdata::write(change.rtype, change.rdata, &mut text);
        Listed {
            side: change.side,
            owner: Text(change.owner).to_string(),
            ttl_secs: change.ttl_secs,
            rtype: rtype::text(change.rtype).to_string(),
            rdata: text,
        }
    }
}
