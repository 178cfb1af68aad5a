//! NS RRsets that many delegations have in common: a hoster's name servers, outside the zone.
//!
//! Nothing in the image of such an RRset depends on its owner. So it is encoded once, and the next delegation that has the same set of name
//! servers is known by it.

use super::encode::Encoder;
use crate::wire::code::rtype;
use crate::wire::name;
use crate::zone::layout::extra;
use crate::zone::names::{NameEntry, Names};
use crate::zone::records::{Records, Shared};

/// Which RRset sets of name servers became. Each has one place, where another may have come last: so the table needs no more memory than names do.
pub(super) struct Referrals {
    /// A power of two.
    slots: Vec<Option<(Shared, Referral)>>,
    pools: u32,
}

/// What a set of name servers became.
#[derive(Clone, Copy)]
pub(super) struct Referral {
    /// The number of the RRset.
    pub(super) set: u32,
    /// Records.
    pub(super) count: u8,
    /// Octets of all RDATA.
    pub(super) len: u16,
}

/// So many names for each slot: most share their servers with others.
const NAMES_PER_SLOT: usize = 8;

impl Referrals {
    /// None yet, for so many names.
    pub(super) fn with_room(names: usize, records: &Records) -> Referrals {
        let slots = vec![None; (names / NAMES_PER_SLOT).next_power_of_two()];
        Referrals { slots, pools: records.pool_count() as u32 }
    }

    /// The name servers of a delegation, if others may have the same.
    pub(super) fn servers(names: &Names, entry: &NameEntry) -> Option<Shared> {
        if !entry.is_cut() || entry.is_hidden() {
            return None;
        }
        let mut servers = names.items_of(entry).iter().filter(|item| item.rtype == rtype::NS);
        let first = servers.next()?;
        first.shared().filter(|_| servers.next().is_none())
    }

    /// What these name servers became.
    #[inline]
    pub(super) fn known(&self, servers: Shared) -> Option<Referral> {
        self.slots[self.place(servers)].filter(|(known, _)| *known == servers).map(|(_, referral)| referral)
    }

    /// Remembers it: the RRset with this number.
    pub(super) fn learn(&mut self, records: &Records, servers: Shared, set: u32) {
        let place = self.place(servers);
        let (count, len) = records.extent(servers);
        self.slots[place] = Some((servers, Referral { set, count, len }));
    }

    /// Numbers are dense: those of a zone with few sets never meet.
    fn place(&self, servers: Shared) -> usize {
        let number = servers.number.wrapping_mul(self.pools).wrapping_add(servers.pool.into());
        number as usize & (self.slots.len() - 1)
    }
}

/// Whether the RRset of a delegation's name servers, as which so many of its records were encoded, would be the same for others: none lies in the
/// zone, and there was nothing to be said about them.
pub(super) fn is_for_all(encoder: &Encoder, entry: &NameEntry, servers: Shared, count: usize) -> bool {
    let is_outside = |target: &[u8]| !name::is_at_or_below(target, encoder.apex.as_wire());
    let mut records = encoder.names.records_of(entry).filter(|record| record.rtype == rtype::NS);
    count == usize::from(encoder.records.extent(servers).0)
        && count <= extra::MAX
        && records.all(|record| is_outside(encoder.records.rdata(&record)))
}
