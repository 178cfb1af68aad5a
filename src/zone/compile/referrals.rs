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

/// Which RRset each set of name servers became.
pub(super) struct Referrals {
    /// `None`: it is not known, or depends on more.
    sets: Vec<Option<Referral>>,
    /// Where those of each pool start.
    firsts: Vec<usize>,
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

impl Referrals {
    /// None yet.
    pub(super) fn new(records: &Records) -> Referrals {
        let mut len = 0;
        let first = |pool| {
            len += pool;
            len - pool
        };
        let firsts = records.shared_by_pool().map(first).collect();
        Referrals { sets: vec![None; len], firsts }
    }

    /// The name servers of a delegation that has nothing else but DS records, if others may have the same.
    pub(super) fn servers(names: &Names, entry: &NameEntry) -> Option<Shared> {
        if !entry.is_cut() || entry.is_hidden() {
            return None;
        }
        let mut servers = None;
        for item in names.items_of(entry) {
            match (item.rtype, item.shared()) {
                (rtype::DS, _) => {}
                (rtype::NS, Some(shared)) if servers.is_none() => servers = Some(shared),
                _ => return None,
            }
        }
        servers
    }

    /// What these name servers became.
    #[inline]
    pub(super) fn known(&self, servers: Shared) -> Option<Referral> {
        self.sets[self.place(servers)]
    }

    /// Remembers it: the RRset with this number.
    pub(super) fn learn(&mut self, records: &Records, servers: Shared, set: u32) {
        let place = self.place(servers);
        let (count, len) = records.extent(servers);
        self.sets[place] = Some(Referral { set, count, len });
    }

    fn place(&self, servers: Shared) -> usize {
        self.firsts[usize::from(servers.pool)] + servers.number as usize
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
