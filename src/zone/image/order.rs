//! What denies names and types: the last NSEC owner at or before a name, the last NSEC3 record at or before a hash.

use super::bytes::Bytes;
use super::{CACHE_LINE, Damaged, Image, Node, PREFETCH_MAX, Rrset};
use crate::wire::code::rtype;
use crate::zone::layout::{denial, header, order};
use crate::zone::memory::prefetch;
use crate::zone::nsec3::{self, HASH_LEN, Hash};
use crate::zone::order::OrderKey;
use std::cmp::Ordering;

/// In an order of so many slots the likely one is worth a guess; and so many octets on either side of it, which twice the deviation of a
/// guess among a thousand stays within.
const GUESSED_MIN: usize = 128;
const GUESS: usize = 4 * CACHE_LINE;

/// How a zone denies names and types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// It has no proof: it is not signed, or not wholly.
    None,
    /// By NSEC (RFC 4034 section 4).
    Nsec,
    /// By NSEC3 (RFC 5155).
    Nsec3,
}

/// An NSEC3 record.
#[derive(Clone, Copy)]
pub struct Nsec3<'a> {
    /// Its label, with the length before it, case as written: the owner without the apex.
    pub owner: &'a [u8],
    /// The RRset.
    pub set: Rrset<'a>,
    /// Whether it is that of the hash, not one before it.
    pub is_match: bool,
}

/// One run of the order.
struct Table<'a> {
    run: Bytes<'a>,
    count: usize,
    prefix: &'a [u8],
    /// Where the slots start.
    slots: usize,
}

impl Image {
    /// How the zone denies names and types.
    #[inline]
    pub fn denial(&self) -> Denial {
        match self.head.denial {
            denial::NSEC => Denial::Nsec,
            denial::NSEC3 => Denial::Nsec3,
            _ => Denial::None,
        }
    }

    /// The hash of an absolute name, in wire form and lower case, as this zone's NSEC3 records have it.
    pub fn nsec3_hash(&self, lower: &[u8]) -> Hash {
        let start = self.hashing() + 2 * HASH_LEN;
        let salt = self.root().get(start..start + self.head.salt_len as usize).unwrap_or_default();
        nsec3::hash(lower, salt, self.head.iterations)
    }

    /// The same of the apex, and of the apex's child `*`.
    pub fn nsec3_apex_hashes(&self) -> Result<[Hash; 2], Damaged> {
        let root = Bytes(self.root());
        Ok([root.array(self.hashing())?, root.array(self.hashing() + HASH_LEN)?])
    }

    /// Where the root says how to hash.
    fn hashing(&self) -> usize {
        header::SIZE + self.head.apex_len as usize
    }

    /// In a zone with NSEC, the last owner of an NSEC record at or before this place in the canonical order. None before the first one.
    pub fn nsec_at_or_before(&self, key: &OrderKey) -> Result<Option<Node<'_>>, Damaged> {
        let key = key.as_bytes();
        let table = self.table(self.order_segment(key)?)?;
        let Some(page) =
            table.find(key, |behind, page| Ok(first_of(&table.run, page, table.prefix.len())? <= behind))?
        else {
            return Ok(None);
        };
        let page = table.place(page)?;
        table.prefetch_item(page);
        let hash = last_in_page(&table.run, page, key, table.prefix)?;
        match hash.ok_or(Damaged)? {
            // It is in no bucket.
            apex if apex == self.head.apex_hash => self.apex_node().map(Some),
            hash => self.by_hash(hash).map(Some),
        }
    }

    /// In a zone with NSEC3, the record of this hash, or the last one before it: the one that covers it (RFC 5155 section 1.3). The chain
    /// is a circle.
    pub fn nsec3_at_or_before(&self, hash: &Hash) -> Result<Nsec3<'_>, Damaged> {
        let mut table = self.table(self.order_segment(hash)?)?;
        let is_at_or_before = |_: &[u8], at: usize| {
            let [_, mut own @ ..] = table.run.array::<{ order::LABEL }>(at)?;
            own.make_ascii_uppercase();
            Ok(own <= nsec3::label(hash))
        };
        let found = match table.find(hash, is_at_or_before)? {
            Some(found) => found,
            None => {
                table = self.table(self.head.order_segments.saturating_sub(1))?;
                table.count.checked_sub(1).ok_or(Damaged)?
            }
        };
        let nsec3 = self.nsec3_at(&table, found)?;
        // The slot tells nearly always.
        let may_match = table.slot(found)? >> order::DISTANCE_BITS == order::slot_key(hash);
        Ok(Nsec3 { is_match: may_match && nsec3.owner[1..].eq_ignore_ascii_case(&nsec3::label(hash)), ..nsec3 })
    }

    /// All NSEC3 records of the order.
    pub(super) fn nsec3s(&self) -> Result<Vec<Nsec3<'_>>, Damaged> {
        let mut all = Vec::new();
        if self.denial() == Denial::Nsec3 {
            for segment in 0..self.head.order_segments.max(1) {
                let table = self.table(segment)?;
                for index in 0..table.count {
                    all.push(self.nsec3_at(&table, index)?);
                }
            }
        }
        Ok(all)
    }

    fn nsec3_at<'a>(&'a self, table: &Table<'a>, index: usize) -> Result<Nsec3<'a>, Damaged> {
        let at = table.place(index)?;
        table.prefetch_item(at);
        let owner = table.run.slice(at, order::LABEL)?;
        let set = Rrset::read(self, table.run, rtype::NSEC3, at + order::LABEL)?;
        Ok(Nsec3 { owner, set, is_match: false })
    }

    /// The segment of the order that has the last key at or before this one.
    fn order_segment(&self, key: &[u8]) -> Result<usize, Damaged> {
        let fences = Bytes(self.root().get(self.head.fences..).ok_or(Damaged)?);
        let (mut low, mut high) = (0, self.head.order_segments.saturating_sub(1));
        while low < high {
            let middle = (low + high) / 2;
            let at = fences.place(3 * middle)?;
            let len = u16::from_le_bytes(fences.array(at)?) as usize;
            if fences.slice(at + 2, len)? <= key { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    fn table(&self, segment: usize) -> Result<Table<'_>, Damaged> {
        let run = if self.is_flat() { Bytes(self.root()) } else { self.run(self.head.order_from() + segment)? };
        let run = Bytes(run.0.get(self.head.order..).ok_or(Damaged)?);
        let [c0, c1, c2, c3, p0, p1] = run.array::<{ order::FIXED }>(0)?;
        let count = u32::from_le_bytes([c0, c1, c2, c3]) as usize;
        let prefix = run.slice(order::FIXED, u16::from_le_bytes([p0, p1]) as usize)?;
        let slots = order::FIXED + prefix.len();
        // So that nothing that goes through all of them takes longer than the image allows.
        if count > (run.0.len() - slots) / order::SLOT {
            return Err(Damaged);
        }
        Ok(Table { run, count, prefix, slots })
    }
}

impl<'a> Table<'a> {
    #[inline]
    fn slot(&self, index: usize) -> Result<u64, Damaged> {
        self.run.u64(self.slots + index * order::SLOT)
    }

    /// Where an item lies.
    fn place(&self, index: usize) -> Result<usize, Damaged> {
        Ok((self.slot(index)? & ((1 << order::DISTANCE_BITS) - 1)) as usize)
    }

    /// Starts loading the slots around the one that is likely: hashes are spread evenly, so that halving ends there.
    #[inline]
    fn prefetch_slots(&self, wanted: u64) -> Result<(), Damaged> {
        if self.count < GUESSED_MIN {
            return Ok(());
        }
        let [first, last] = [self.slot(0)?, self.slot(self.count - 1)?].map(|slot| slot >> order::DISTANCE_BITS);
        let (span, offset) = (last.saturating_sub(first).max(1), wanted.saturating_sub(first));
        // Keys have 40 bits, numbers of slots 24.
        let guess = self.slots + (offset.min(span) * self.count as u64 / span) as usize * order::SLOT;
        for line in (guess.saturating_sub(GUESS)..guess + GUESS).step_by(CACHE_LINE) {
            prefetch(self.run.0, line);
        }
        Ok(())
    }

    /// Starts loading an item, as much of it as most have.
    #[inline]
    fn prefetch_item(&self, at: usize) {
        for line in (at..at + PREFETCH_MAX).step_by(CACHE_LINE) {
            prefetch(self.run.0, line);
        }
    }

    /// The last item at or before a key. Where a slot does not tell, `is_at_or_before` does, of what of the key lies behind the
    /// prefix, and the item's place.
    fn find(
        &self,
        key: &[u8],
        is_at_or_before: impl Fn(&[u8], usize) -> Result<bool, Damaged>,
    ) -> Result<Option<usize>, Damaged> {
        let (start, behind) = key.split_at(key.len().min(self.prefix.len()));
        match start.cmp(self.prefix) {
            Ordering::Less => return Ok(None),
            Ordering::Greater => return Ok(self.count.checked_sub(1)),
            Ordering::Equal => {}
        }
        let wanted = order::slot_key(behind);
        self.prefetch_slots(wanted)?;
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = (low + high) / 2;
            let slot = self.slot(middle)?;
            let is_before = match (slot >> order::DISTANCE_BITS).cmp(&wanted) {
                Ordering::Less => true,
                Ordering::Greater => false,
                Ordering::Equal => is_at_or_before(behind, (slot & ((1 << order::DISTANCE_BITS) - 1)) as usize)?,
            };
            if is_before { low = middle + 1 } else { high = middle }
        }
        Ok(low.checked_sub(1))
    }
}

/// An entry of a page: how much of its key it shares with the one before, the rest of the key, the name's hash, the next entry's place.
fn entry<'a>(run: &Bytes<'a>, at: usize) -> Result<(usize, &'a [u8], u64, usize), Damaged> {
    let (shared, at) = number(run, at)?;
    let (len, at) = number(run, at)?;
    let rest = run.slice(at, len)?;
    Ok((shared, rest, run.u64(at + len)?, at + len + 8))
}

#[inline]
fn number(run: &Bytes, at: usize) -> Result<(usize, usize), Damaged> {
    match run.u8(at)? as usize {
        short @ 0..0x80 => Ok((short, at + 1)),
        high => Ok(((high & 0x7f) << 8 | run.u8(at + 1)? as usize, at + 2)),
    }
}

/// What the first key of a page has behind the prefix.
fn first_of<'a>(run: &Bytes<'a>, page: usize, prefix_len: usize) -> Result<&'a [u8], Damaged> {
    let (shared, rest, ..) = entry(run, page + 1)?;
    if shared == prefix_len { Ok(rest) } else { Err(Damaged) }
}

/// The hash of the last name of a page at or before a key that does not come before the order's prefix.
fn last_in_page(run: &Bytes, page: usize, key: &[u8], prefix: &[u8]) -> Result<Option<u64>, Damaged> {
    let mut found = None;
    // How many octets the entry before, which is at or before the key, starts with as the key does.
    let mut alike = prefix.iter().zip(key).take_while(|(a, b)| a == b).count();
    let mut at = page + 1;
    for _ in 0..run.u8(page)? {
        let (shared, rest, hash, next) = entry(run, at)?;
        at = next;
        match shared.cmp(&alike) {
            // It parts from the one before where that is still the key's: it lies behind the key.
            Ordering::Less => break,
            // It parts from the key where the one before does.
            Ordering::Greater => {}
            Ordering::Equal => {
                let wanted = key.get(alike..).ok_or(Damaged)?;
                let more = rest.iter().zip(wanted).take_while(|(a, b)| a == b).count();
                if rest[more..] > wanted[more..] {
                    break;
                }
                alike += more;
            }
        }
        found = Some(hash);
    }
    Ok(found)
}
