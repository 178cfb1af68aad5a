//! NS RRsets that many delegations have in common: a hoster's name servers, outside the zone.
//!
//! Nothing in the image of such an RRset depends on its owner. So it is encoded once, and the next delegation that has the same records
//! in the text is known by them.

use crate::wire::code::rtype;
use crate::wire::name::{self, Name};
use crate::zone::layout::{self, extra, rrset};
use crate::zone::memory;
use crate::zone::names::{NameEntry, Names};
use crate::zone::records::{Record, Records};

/// Which set an RRset was that had such records: a guess, to be compared. A place has what came last, so that nobody's choice of names
/// makes this slow.
pub(super) struct Referrals {
    /// Numbers of sets plus one, at the first bits of the hash; 0 is free. A power of two.
    slots: Vec<u32>,
}

/// So many names for each slot: most share their servers with others.
const NAMES_PER_SLOT: usize = 8;

impl Referrals {
    /// None yet, for so many names.
    pub(super) fn with_room(names: usize) -> Referrals {
        Referrals { slots: vec![0; (names / NAMES_PER_SLOT).next_power_of_two()] }
    }

    /// The hash of a delegation's NS records in the order of the text. `None`: it is none, or a name server lies in the zone: then what
    /// is encoded depends on more than these records.
    pub(super) fn key(apex: &Name, records: &Records, names: &Names, entry: &NameEntry) -> Option<u64> {
        if !entry.is_cut() || entry.is_hidden() {
            return None;
        }
        let (mut key, mut count) = (names.seed(), 0);
        for record in names.records_of(entry).filter(|record| record.rtype == rtype::NS) {
            let target = records.rdata(record);
            if name::is_at_or_below(target, apex.as_wire()) {
                return None;
            }
            key = layout::hash(key, target);
            count += 1;
        }
        (count <= extra::MAX).then_some(key)
    }

    /// Starts loading what [`Referrals::guess`] reads.
    pub(super) fn prefetch(&self, key: u64) {
        memory::prefetch_item(&self.slots, self.slot(key));
    }

    /// The number of the set that it is likely to be.
    pub(super) fn guess(&self, key: u64) -> Option<u32> {
        self.slots[self.slot(key)].checked_sub(1)
    }

    /// Remembers the set of an RRset that has a key.
    pub(super) fn learn(&mut self, key: u64, set: u32) {
        let slot = self.slot(key);
        self.slots[slot] = set + 1;
    }

    fn slot(&self, key: u64) -> usize {
        key as usize & (self.slots.len() - 1)
    }
}

/// Whether these records of one type, which have a key, would be encoded as this set: it has them in the same order and no others.
pub(super) fn are_encoded_as<'r>(mut records: impl Iterator<Item = (&'r Record, &'r [u8])>, octets: &[u8]) -> bool {
    let (fixed, mut rest) = octets.split_at(rrset::FIXED);
    let ttl_secs = u32::from_le_bytes([fixed[0], fixed[1], fixed[2], fixed[3]]);
    let mut left = u16::from_le_bytes([fixed[4], fixed[5]]);
    let mut is_next = |rdata: &[u8]| {
        let item = rest.split_first_chunk::<2>().filter(|(len, _)| u16::from_be_bytes(**len) as usize == rdata.len());
        item.and_then(|(_, behind)| behind.strip_prefix(rdata)).map(|behind| rest = behind).is_some()
    };
    let are_next = records.all(|(record, rdata)| {
        let is_expected = left > 0 && record.ttl_secs == ttl_secs && is_next(rdata);
        left = left.saturating_sub(1);
        is_expected
    });
    fixed[rrset::FIXED - 1] == rrset::HINTS && are_next && left == 0
}
