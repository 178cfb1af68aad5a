//! The order of a signed zone's names, or of their hashes: what denials are found in.

use super::part::Place;
use super::rrsets::Rrsets;
use crate::wire::code::rtype;
use crate::zone::layout::{DIGEST, denial, order};
use crate::zone::names::Chain;
use crate::zone::order::OrderKey;

/// What lies in the order, by its key.
pub(super) enum Items<'a> {
    /// Nothing: the zone is not signed, or has no denials.
    None,
    /// The names that own NSEC records.
    Names(NameKeys),
    /// NSEC3 records.
    Chain(&'a Chain, &'a Rrsets),
}

/// Keys of names and the names' hashes, by key.
#[derive(Default)]
pub(super) struct NameKeys {
    octets: Vec<u8>,
    /// Where each key lies, and the name's hash.
    list: Vec<(usize, usize, u64)>,
}

impl NameKeys {
    fn key(&self, at: usize) -> &[u8] {
        let (start, end, _) = self.list[at];
        &self.octets[start..end]
    }
}

/// The order as octets: of a flat image one run, of a larger one the runs of its segments.
#[derive(Default)]
pub(super) struct Order<'a> {
    pub(super) items: Option<&'a Items<'a>>,
    pub(super) runs: Vec<Vec<u8>>,
    /// The first key of each run.
    keys: Vec<Vec<u8>>,
}

/// Octets of a page's entry beside its key, and of what each name has of its page's head, at most.
const ENTRY_MAX: usize = 2 + 2 + 8 + 1;

impl<'a> Items<'a> {
    /// `is_signed`: whether the zone is, so that names may be denied at all.
    pub(super) fn collect(is_signed: bool, chain: &'a Chain, rrsets: &'a Rrsets) -> Items<'a> {
        if !chain.is_empty() {
            return Items::Chain(chain, rrsets);
        }
        if !is_signed {
            return Items::None;
        }
        let mut keys = NameKeys::default();
        for number in (0..rrsets.node_count()).filter(|&number| rrsets.node(number).place == Place::Index) {
            if rrsets.of(number).iter().any(|entry| entry.rtype == rtype::NSEC) {
                let start = keys.octets.len();
                keys.octets.extend_from_slice(OrderKey::new(rrsets.name(number)).as_bytes());
                keys.list.push((start, keys.octets.len(), rrsets.node(number).hash));
            }
        }
        if keys.list.is_empty() {
            return Items::None;
        }
        let octets = &keys.octets;
        keys.list.sort_unstable_by(|a, b| octets[a.0..a.1].cmp(&octets[b.0..b.1]));
        Items::Names(keys)
    }

    /// How names are denied, as the header says it.
    pub(super) fn denial(&self) -> u8 {
        match self {
            Items::None => denial::NONE,
            Items::Names(_) => denial::NSEC,
            Items::Chain(..) => denial::NSEC3,
        }
    }

    pub(super) fn salt_len(&self) -> u8 {
        match self {
            Items::Chain(chain, _) => chain.salt.len() as u8,
            _ => 0,
        }
    }

    /// What is said of hashing before the apex node.
    pub(super) fn hashing(&self) -> Vec<u8> {
        match self {
            Items::Chain(chain, _) => [chain.apex_hashes.as_flattened(), &chain.salt].concat(),
            _ => Vec::new(),
        }
    }

    pub(super) fn iterations(&self) -> u16 {
        match self {
            Items::Chain(chain, _) => chain.iterations,
            _ => 0,
        }
    }

    /// Octets of the order in one run, at most.
    pub(super) fn len_max(&self) -> u64 {
        let items: usize = self.sizes().map(|(_, len)| len).sum();
        match self {
            Items::None => 0,
            Items::Chain(..) => (order::FIXED + items) as u64,
            // A prefix, and a last page that is not full.
            Items::Names(keys) => (order::FIXED + keys.key(0).len() + order::SLOT + items) as u64,
        }
    }

    /// A hash of each item that depends on nothing else, and its octets at most.
    fn sizes(&self) -> Box<dyn Iterator<Item = (u64, usize)> + '_> {
        match self {
            Items::None => Box::new(std::iter::empty()),
            Items::Names(keys) => Box::new(keys.list.iter().map(|&(start, end, hash)| (hash, end - start + ENTRY_MAX))),
            Items::Chain(_, rrsets) => Box::new(rrsets.chain().map(|(hash, octets)| {
                let last = hash.last_chunk::<8>().map_or(0, |last| u64::from_le_bytes(*last));
                (last, order::SLOT + octets.len())
            })),
        }
    }

    /// Lays them out.
    pub(super) fn order(&'a self, is_flat: bool) -> Order<'a> {
        let mut order = Order { items: Some(self), runs: Vec::new(), keys: Vec::new() };
        let (mut start, mut len) = (0, 0);
        let mut end = 0;
        for (hash, item_len) in self.sizes() {
            if !is_flat && end > start && order::is_boundary(len, hash, item_len) {
                order.push(self, start, end);
                (start, len) = (end, 0);
            }
            end += 1;
            len += item_len;
        }
        if end > start {
            order.push(self, start, end);
        }
        order
    }
}

impl Order<'_> {
    /// Appends the run of the items from `start` to `end`.
    fn push(&mut self, items: &Items, start: usize, end: usize) {
        match items {
            Items::None => {}
            Items::Names(keys) => {
                self.keys.push(keys.key(start).to_vec());
                self.runs.push(name_run(keys, start, end));
            }
            Items::Chain(_, rrsets) => {
                let links = || rrsets.chain().skip(start).take(end - start);
                self.keys.push(links().next().map_or_else(Vec::new, |(hash, _)| hash.to_vec()));
                self.runs.push(run(&[], links().map(|(hash, octets)| (&hash[..], octets))));
            }
        }
    }

    /// The keys that the runs but the first one start with, as the root of segments has them.
    pub(super) fn fences(&self) -> Vec<u8> {
        let keys = self.keys.get(1..).unwrap_or_default();
        let mut fences = vec![0; 3 * keys.len()];
        for (index, key) in keys.iter().enumerate() {
            let distance = fences.len() as u32;
            fences[3 * index..][..3].copy_from_slice(&distance.to_le_bytes()[..3]);
            fences.extend_from_slice(&(key.len() as u16).to_le_bytes());
            fences.extend_from_slice(key);
        }
        fences
    }
}

/// A run of names, in pages.
fn name_run(keys: &NameKeys, start: usize, end: usize) -> Vec<u8> {
    // Of all that lie between two keys in the order, none has less in common with them than they have.
    let prefix = common(keys.key(start), keys.key(end - 1));
    let mut pages = Vec::new();
    let mut lens = Vec::new();
    for first in (start..end).step_by(order::PAGE) {
        let (page_at, page_end) = (pages.len(), end.min(first + order::PAGE));
        pages.push((page_end - first) as u8);
        let mut shared = prefix;
        for at in first..page_end {
            let key = keys.key(at);
            if at > first {
                shared = common(keys.key(at - 1), key);
            }
            push_number(shared, &mut pages);
            push_number(key.len() - shared, &mut pages);
            pages.extend_from_slice(&key[shared..]);
            pages.extend_from_slice(&keys.list[at].2.to_le_bytes());
        }
        lens.push(pages.len() - page_at);
    }
    let mut rest = &pages[..];
    let pages = lens.iter().zip((start..end).step_by(order::PAGE)).map(|(&len, first)| {
        let (page, behind) = rest.split_at(len);
        rest = behind;
        (&keys.key(first)[prefix..], page)
    });
    run(&keys.key(start)[..prefix], pages)
}

/// A run of items with what their keys have behind the prefix.
fn run<'a>(prefix: &[u8], items: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let items: Vec<(&[u8], &[u8])> = items.collect();
    let len: usize = items.iter().map(|(_, octets)| order::SLOT + octets.len()).sum();
    let mut out = Vec::with_capacity(order::FIXED + prefix.len() + len + DIGEST);
    out.extend_from_slice(&(items.len() as u32).to_le_bytes());
    out.extend_from_slice(&(prefix.len() as u16).to_le_bytes());
    out.extend_from_slice(prefix);
    let mut distance = out.len() + items.len() * order::SLOT;
    for (key, octets) in &items {
        let slot = order::slot_key(key) << order::DISTANCE_BITS | distance as u64;
        out.extend_from_slice(&slot.to_le_bytes());
        distance += octets.len();
    }
    items.iter().for_each(|(_, octets)| out.extend_from_slice(octets));
    out
}

/// How many octets two keys start with alike.
fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// A number below 2^15.
fn push_number(number: usize, out: &mut Vec<u8>) {
    if number >= 0x80 {
        out.push(0x80 | (number >> 8) as u8);
    }
    out.push(number as u8);
}
