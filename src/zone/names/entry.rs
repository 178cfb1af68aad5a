//! One name of a zone: where it and its records lie, and what it is.

use super::chain::is_of_nsec3;
use super::with_lower;
use crate::wire::code::rtype;
use crate::wire::name;
use crate::zone::layout;
use crate::zone::records::{Item, Place, Record, Records};
use std::ops::Range;

/// One name. A large zone has so many that each octet counts.
#[derive(Clone, Copy)]
pub(in crate::zone) struct NameEntry {
    pub(in crate::zone) hash: u64,
    /// Its first item among the records, or where among the scattered names it is; nothing if it has no records.
    pub(super) first: u32,
    /// So many items follow one another from there on: at most [`RUN_MAX`].
    pub(super) count: u16,
    /// Labels below the apex.
    pub(in crate::zone) depth: u8,
    pub(super) marks: u8,
    /// Owner without the apex and the root, case as written; of several spellings the least.
    pub(super) place: Place,
}

const _: () = assert!(size_of::<NameEntry>() == 24);

/// Most items of a run; who has more that follow one another has several runs.
pub(super) const RUN_MAX: usize = u16::MAX as usize;

/// What a name is, as bits.
pub(super) mod mark {
    pub(in crate::zone::names) const SCATTERED: u8 = 1;
    pub(in crate::zone::names) const WILDCARD: u8 = 2;
    pub(in crate::zone::names) const CUT: u8 = 4;
    pub(in crate::zone::names) const DNAME: u8 = 8;
    pub(in crate::zone::names) const ADDRESS: u8 = 16;
    pub(in crate::zone::names) const HIDDEN: u8 = 32;
    pub(in crate::zone::names) const REDIRECTED: u8 = 64;
}

/// Items that follow one another.
#[derive(Clone, Copy)]
pub(super) struct Run {
    first: u32,
    count: u16,
}

impl NameEntry {
    /// A visible name without records, which lies there.
    pub(super) fn new(hash: u64, records: &Records, place: Place) -> NameEntry {
        let relative = records.octets(place);
        let mut name =
            NameEntry { hash, first: 0, count: 0, depth: name::labels(relative).count() as u8, marks: 0, place };
        name.mark(mark::WILDCARD, relative.starts_with(b"\x01*"));
        name
    }

    /// The owner of an item, without the last octets, and without records.
    pub(super) fn of(records: &Records, item: &Item, without: usize, seed: u64) -> NameEntry {
        let place = records.owner_place(item, without);
        let hash = with_lower(records.octets(place), |lower| layout::hash(seed, lower));
        NameEntry::new(hash, records, place)
    }

    /// The first label of a record's owner, of an NSEC3 record's, as a name of its own.
    pub(in crate::zone) fn of_label(records: &Records, record: &Record) -> NameEntry {
        NameEntry::new(0, records, records.first_label(record))
    }

    /// With the items from this one on.
    pub(super) fn with_run(mut self, records: &Records, first: usize, run: &[Item]) -> NameEntry {
        (self.first, self.count) = (first as u32, run.len() as u16);
        let mark = |item: &Item| match item.rtype {
            rtype::NS if self.place.len > 0 => mark::CUT,
            rtype::DNAME => mark::DNAME,
            rtype::A | rtype::AAAA => mark::ADDRESS,
            _ => 0,
        };
        self.marks |= run.iter().map(mark).fold(0, std::ops::BitOr::bitor);
        self.mark(mark::HIDDEN, run.iter().all(|item| is_of_nsec3(item, records)));
        self
    }

    pub(super) fn run(&self) -> Run {
        Run { first: self.first, count: self.count }
    }

    pub(super) fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    pub(super) fn mark(&mut self, mark: u8, is_set: bool) {
        self.marks = if is_set { self.marks | mark } else { self.marks & !mark };
    }

    /// Whether it owns nothing itself.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether its first label is `*`.
    #[inline]
    pub(in crate::zone) fn is_wildcard(&self) -> bool {
        self.is(mark::WILDCARD)
    }

    /// Whether it is the apex.
    #[inline]
    pub(in crate::zone) fn is_apex(&self) -> bool {
        self.place.len == 0
    }

    /// Octets of the name without the apex and the root.
    #[inline]
    pub(in crate::zone) fn relative_len(&self) -> u8 {
        self.place.len
    }

    /// Whether it has NS records, and is not the apex.
    #[inline]
    pub(in crate::zone) fn is_cut(&self) -> bool {
        self.is(mark::CUT)
    }

    /// Whether it has a DNAME record.
    #[inline]
    pub(in crate::zone) fn has_dname(&self) -> bool {
        self.is(mark::DNAME)
    }

    /// Whether it has A or AAAA records.
    #[inline]
    pub(in crate::zone) fn has_address(&self) -> bool {
        self.is(mark::ADDRESS)
    }

    /// Below a cut or DNAME, or of NSEC3 records that lie in no order: no answer to any question.
    #[inline]
    pub(in crate::zone) fn is_hidden(&self) -> bool {
        self.is(mark::HIDDEN)
    }

    /// Below a DNAME that no cut is above: not even glue (RFC 6672 section 2.4).
    #[inline]
    pub(in crate::zone) fn is_redirected(&self) -> bool {
        self.is(mark::REDIRECTED)
    }
}

impl Run {
    pub(super) fn range(self) -> Range<usize> {
        self.first as usize..self.first as usize + self.count as usize
    }
}
