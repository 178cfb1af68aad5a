//! The names of a zone: owners and empty non-terminals, in the order of their hashes, and what each is.

use super::chain::{Chain, is_of_nsec3};
use crate::wire::code::rtype;
use crate::wire::name::{self, NAME_LEN_MAX, Name};
use crate::zone::layout;
use crate::zone::records::{Record, Records};
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};

/// Empty non-terminals that a zone may have for each owner, and beside that. Deep zones have many: a host of ip6.arpa up to
/// 31 that no other host shares. Without a bound, one line of `$GENERATE` makes more of them than fit into memory.
const EMPTY_PER_OWNER: usize = 32;
const EMPTY_MIN: usize = 4096;

/// There are more empty non-terminals than any real zone has.
pub(super) struct TooManyEmpty;

/// All names of a zone, by (hash, lower case bytes), and what each is.
pub(super) struct Names<'a> {
    list: Vec<NameEntry<'a>>,
    /// Where in the list the hashes that share their first bits start: hashes are spread evenly, so each has a few.
    starts: Vec<u32>,
    /// Record numbers grouped by name.
    order: Vec<u32>,
    records: &'a Records,
    apex_len: usize,
    seed: u64,
}

/// One name.
pub(super) struct NameEntry<'a> {
    pub(super) hash: u64,
    /// Owner without the apex and the root, case as written; of several spellings the least.
    pub(super) relative: &'a [u8],
    first: usize,
    count: usize,
    pub(super) is_cut: bool,
    pub(super) has_dname: bool,
    /// Whether it has A or AAAA records.
    pub(super) has_address: bool,
    /// Below a cut or DNAME, or of NSEC3 records that lie in no order: no answer to any question.
    pub(super) is_hidden: bool,
    /// Below a DNAME that no cut is above: not even glue (RFC 6672 section 2.4).
    pub(super) is_redirected: bool,
}

impl<'a> Names<'a> {
    /// Groups the records by owner, but for those that lie in the order, adds the empty non-terminals, and finds out what is occluded.
    pub(super) fn collect(
        apex: &Name,
        records: &'a Records,
        chain: &Chain,
        seed: u64,
    ) -> Result<Names<'a>, TooManyEmpty> {
        // The root's zero belongs to the apex.
        let apex_len = apex.as_wire().len();
        let mut lower = Vec::with_capacity(NAME_LEN_MAX);
        let mut last: Option<(&[u8], u64)> = None;
        let mut keyed: Vec<(u64, u32)> = Vec::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            if chain.has(index) {
                continue;
            }
            let owner = records.owner(record);
            let hash = match last {
                Some((same, hash)) if std::ptr::eq(same, owner) => hash,
                _ => {
                    lower.clear();
                    lower.extend_from_slice(&owner[..owner.len() - apex_len]);
                    lower.make_ascii_lowercase();
                    layout::hash(seed, &lower)
                }
            };
            last = Some((owner, hash));
            keyed.push((hash, index as u32));
        }
        keyed.sort_unstable();

        let relative = |index: u32| {
            let owner = records.owner(records.at(index as usize));
            &owner[..owner.len() - apex_len]
        };
        let mut list: Vec<NameEntry<'a>> = Vec::new();
        let mut order: Vec<u32> = Vec::with_capacity(keyed.len());
        for run in keyed.chunk_by_mut(|a, b| a.0 == b.0) {
            // Names that share a hash are rare, and told apart by their bytes.
            let first = relative(run[0].1);
            if run.iter().any(|&(_, index)| !relative(index).eq_ignore_ascii_case(first)) {
                run.sort_by(|a, b| compare_lower(relative(a.1), relative(b.1)).then(a.1.cmp(&b.1)));
            }
            for name in run.chunk_by(|a, b| relative(a.1).eq_ignore_ascii_case(relative(b.1))) {
                let least = name.iter().map(|&(_, index)| relative(index)).min().unwrap_or_default();
                list.push(NameEntry::new(run[0].0, least, order.len(), name.len()));
                order.extend(name.iter().map(|&(_, index)| index));
            }
        }
        let mut names = Names { list, starts: Vec::new(), order, records, apex_len, seed };
        names.index();
        names.add_empty_non_terminals()?;
        names.classify();
        Ok(names)
    }

    /// All names, by hash.
    pub(super) fn iter(&self) -> impl Iterator<Item = &NameEntry<'a>> {
        self.list.iter()
    }

    /// The name with this number.
    pub(super) fn at(&self, index: usize) -> &NameEntry<'a> {
        &self.list[index]
    }

    /// What names are hashed with.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The number of the apex.
    pub(super) fn apex(&self) -> usize {
        self.find(&[]).expect("the apex has a SOA")
    }

    /// The records of a name, in no stated order.
    pub(super) fn records_of(&self, name: &NameEntry) -> impl Iterator<Item = &'a Record> {
        let records = self.records;
        self.order[name.first..name.first + name.count].iter().map(move |&index| records.at(index as usize))
    }

    /// The number of the name `relative` (any case).
    pub(super) fn find(&self, relative: &[u8]) -> Option<usize> {
        let mut lower = [0; NAME_LEN_MAX];
        let lower = &mut lower[..relative.len()];
        lower.copy_from_slice(relative);
        lower.make_ascii_lowercase();
        let hash = layout::hash(self.seed, lower);
        let first_bits = (hash >> self.shift()) as usize;
        let from = self.starts[first_bits] as usize;
        let to = self.starts.get(first_bits + 1).map_or(self.list.len(), |&next| next as usize);
        // By halving: names chosen for their hashes must not make each search a walk through all of them.
        let order = |name: &NameEntry| name.hash.cmp(&hash).then_with(|| compare_lower(name.relative, lower));
        self.list[from..to].binary_search_by(order).ok().map(|offset| from + offset)
    }

    /// Bits of a hash that `starts` ignores: about two names share the others.
    fn shift(&self) -> u32 {
        64 - self.starts.len().ilog2()
    }

    /// Builds `starts` anew, after the list has changed.
    fn index(&mut self) {
        self.starts = vec![0; (self.list.len() / 2).next_power_of_two().max(2)];
        let shift = self.shift();
        let mut number = 0;
        for (start, first_bits) in self.starts.iter_mut().zip(0u64..) {
            while self.list.get(number).is_some_and(|name| name.hash >> shift < first_bits) {
                number += 1;
            }
            *start = number as u32;
        }
    }

    /// The number of the name with this absolute wire form; None when it is outside the zone, or not there.
    pub(super) fn find_absolute(&self, apex: &Name, wire: &[u8]) -> Option<usize> {
        name::is_at_or_below(wire, apex.as_wire()).then(|| self.find(&wire[..wire.len() - self.apex_len]))?
    }

    /// Names that the index holds, by hash: all but the apex and the hidden ones.
    pub(super) fn indexed(&self) -> impl Iterator<Item = (usize, &NameEntry<'a>)> {
        self.list.iter().enumerate().filter(|(_, name)| !name.is_hidden && !name.relative.is_empty())
    }

    /// Whether two names have the same hash.
    pub(super) fn share_a_hash(&self) -> bool {
        self.list.windows(2).any(|pair| pair[0].hash == pair[1].hash)
    }

    /// Marks cuts, DNAMEs and what they occlude; drops empty non-terminals that are occluded.
    fn classify(&mut self) {
        // Depths at which cuts or DNAMEs lie: only ancestors of these depths need a look. Deepest bit: 127 labels.
        let mut depths = 0u128;
        for index in 0..self.list.len() {
            let entry = &self.list[index];
            let has = |rtype| self.records_of(entry).any(|record| record.rtype == rtype);
            let (is_cut, has_dname) = (!entry.relative.is_empty() && has(rtype::NS), has(rtype::DNAME));
            if is_cut || has_dname {
                depths |= 1 << depth(entry.relative);
            }
            let has_address = has(rtype::A) || has(rtype::AAAA);
            let is_hidden = entry.count > 0 && self.records_of(entry).all(|record| is_of_nsec3(record, self.records));
            let entry = &mut self.list[index];
            (entry.is_cut, entry.has_dname, entry.has_address) = (is_cut, has_dname, has_address);
            entry.is_hidden = is_hidden;
        }
        if depths != 0 {
            for index in 0..self.list.len() {
                let above = self.occluded_by(self.list[index].relative, depths);
                let is_redirected = above.is_some_and(|above| !self.list[above].is_cut);
                let entry = &mut self.list[index];
                entry.is_hidden |= above.is_some();
                entry.is_redirected = is_redirected;
            }
        }
        self.list.retain(|name| name.count > 0 || !name.is_hidden);
        self.index();
    }

    /// The highest proper ancestor of the name that is a cut or has a DNAME.
    fn occluded_by(&self, relative: &[u8], depths: u128) -> Option<usize> {
        let mut left = depth(relative);
        let mut rest = relative;
        let mut highest = None;
        while left > 0 {
            rest = parent(rest);
            left -= 1;
            if depths >> left & 1 == 1
                && let Some(above) = self.find(rest)
                && (self.list[above].is_cut || self.list[above].has_dname)
            {
                highest = Some(above);
            }
        }
        highest
    }

    /// Names between an owner and the apex that own nothing themselves (RFC 4592 section 2.2.2).
    fn add_empty_non_terminals(&mut self) -> Result<(), TooManyEmpty> {
        let max = EMPTY_MIN + EMPTY_PER_OWNER * self.list.len();
        let mut missing = std::collections::HashMap::<Folded<'a>, &'a [u8]>::new();
        for entry in &self.list {
            let mut above = parent(entry.relative);
            while !above.is_empty() && self.find(above).is_none() {
                match missing.entry(Folded(above)) {
                    Entry::Vacant(free) => drop(free.insert(above)),
                    // Spelled like this the path was walked before.
                    Entry::Occupied(known) if *known.get() == above => break,
                    // Of several spellings the least, whatever the order of lines; so each path is walked to its end.
                    Entry::Occupied(mut known) if above < *known.get() => drop(known.insert(above)),
                    Entry::Occupied(_) => {}
                }
                if missing.len() > max {
                    return Err(TooManyEmpty);
                }
                above = parent(above);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let seed = self.seed;
        self.list.extend(missing.into_values().map(|spelling| {
            let hash = with_lower(spelling, |lower| layout::hash(seed, lower));
            NameEntry::new(hash, spelling, 0, 0)
        }));
        self.list.sort_by(|a, b| a.hash.cmp(&b.hash).then_with(|| compare_lower(a.relative, b.relative)));
        self.index();
        Ok(())
    }
}

/// A relative name that equals itself in any case.
struct Folded<'a>(&'a [u8]);

impl PartialEq for Folded<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for Folded<'_> {}

impl Hash for Folded<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        with_lower(self.0, |lower| state.write(lower));
    }
}

/// Lends the name in lower case.
fn with_lower<T>(relative: &[u8], then: impl FnOnce(&[u8]) -> T) -> T {
    let mut lower = [0; NAME_LEN_MAX];
    let lower = &mut lower[..relative.len()];
    lower.copy_from_slice(relative);
    lower.make_ascii_lowercase();
    then(lower)
}

impl<'a> NameEntry<'a> {
    /// A visible name without records.
    pub(super) fn new(hash: u64, relative: &'a [u8], first: usize, count: usize) -> NameEntry<'a> {
        NameEntry {
            hash,
            relative,
            first,
            count,
            is_cut: false,
            has_dname: false,
            has_address: false,
            is_hidden: false,
            is_redirected: false,
        }
    }
}

/// Labels of a relative name.
pub(super) fn depth(relative: &[u8]) -> usize {
    name::labels(relative).count()
}

/// The name without its first label; the apex's own relative name, empty, is its own parent.
pub(super) fn parent(relative: &[u8]) -> &[u8] {
    relative.first().map_or(relative, |&len| &relative[1 + len as usize..])
}

fn compare_lower(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}
