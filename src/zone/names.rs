//! The names of a zone: owners and empty non-terminals, in the order of their hashes, and what each is.
//!
//! A large zone's records lie in memory in another order than its names: to go from one to the other costs a cache miss each time.
//! So what is asked of each name is found out in one pass over the records in their own order, on all cores; and who goes through the
//! names loads the records of the next ones ahead ([`Names::prefetch`]).

use crate::wire::case::has_capitals;
use crate::wire::name::{self, NAME_LEN_MAX, Name};
use crate::zone::cores::{in_parts, parts};
use crate::zone::layout;
use crate::zone::memory;
use crate::zone::records::{All, Item, Place, Record, Records};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};
use std::ops::Range;

mod chain;
mod entry;
mod gather;

pub(in crate::zone) use chain::{Chain, is_signed};
pub(in crate::zone) use entry::NameEntry;
use entry::{Run, mark};
use gather::{Scattered, owners, sort};

/// Empty non-terminals that a zone may have for each owner, and beside that. Deep zones have many: a host of ip6.arpa up to
/// 31 that no other host shares. Without a bound, one line of `$GENERATE` makes more of them than fit into memory.
const EMPTY_PER_OWNER: usize = 32;
const EMPTY_MIN: usize = 4096;
/// Names are sorted in bins by their hashes' first bits, of about so many items and so many bits at most: what is worked on stays
/// in the cache.
const BIN: usize = 2048;
const BIN_BITS_MAX: u32 = 8;

/// Names that are looked for at once: the memory that finds one is loaded while others are looked at.
const BATCH: usize = 32;
/// Octets of a record's RDATA, mostly, and how many octets behind a name are loaded ahead at most.
const RDATA: usize = 28;
const PREFETCHED_MAX: usize = 192;
/// No name's number.
const NONE: u32 = u32::MAX;

/// There are more empty non-terminals than any real zone has.
pub(in crate::zone) struct TooManyEmpty;

/// All names of a zone, by (hash, lower case bytes), and what each is.
pub(in crate::zone) struct Names<'a> {
    list: Vec<NameEntry>,
    /// Where in the list the hashes that share their first bits start: hashes are spread evenly, so each has a few.
    starts: Vec<u32>,
    share_a_hash: bool,
    /// Bit d: cuts or DNAMEs lie d labels below the apex. Only ancestors of these depths need a look.
    cut_depths: u128,
    scattered: Scattered,
    /// The number of the name right above each that is deeper than one label; [`NONE`] if there is none, and for the others.
    above: Vec<u32>,
    records: &'a Records,
    apex_len: usize,
    seed: u64,
    cores: usize,
}

impl<'a> Names<'a> {
    /// Groups the records by owner, but for those that lie in the order, adds the empty non-terminals, and finds out what is occluded.
    pub(in crate::zone) fn collect(
        apex: &Name,
        records: &'a Records,
        chain: &Chain,
        seed: u64,
        cores: usize,
    ) -> Result<Names<'a>, TooManyEmpty> {
        // The root's zero belongs to the apex.
        let apex_len = apex.as_wire().len();
        let bits = (records.items().len() / BIN).max(1).ilog2().min(BIN_BITS_MAX);
        let read = in_parts(cores, records.items().len(), |part| owners(records, chain, part, apex_len, seed, bits));
        let count = |bins: &Range<usize>| read.iter().flat_map(|all| &all[bins.clone()]).map(Vec::len).sum();
        let bins = parts(cores, 1 << bits).into_iter().map(|bins| (bins.clone(), count(&bins))).collect();
        let (list, scattered) = memory::fill(bins, |bins, list| sort(records, &read, bins, list));
        drop(read);
        let mut names = Names {
            list,
            starts: Vec::new(),
            share_a_hash: false,
            cut_depths: 0,
            scattered: Scattered::default(),
            above: Vec::new(),
            records,
            apex_len,
            seed,
            cores,
        };
        names.take_scattered(scattered);
        names.index();
        let lonely = names.find_above();
        names.add_empty_non_terminals(&lonely)?;
        names.classify();
        names.above = Vec::new();
        Ok(names)
    }

    /// Takes what each part of the list has of scattered names, which are numbered anew.
    fn take_scattered(&mut self, parts: Vec<Scattered>) {
        for Scattered { names, mut runs } in parts {
            let before = self.scattered.runs.len() as u32;
            self.scattered.names.extend(names.into_iter().map(|own| before + own.start..before + own.end));
            self.scattered.runs.append(&mut runs);
        }
        let scattered = self.list.iter_mut().filter(|name| name.is(mark::SCATTERED));
        scattered.zip(0..).for_each(|(name, number)| name.first = number);
    }

    /// The name with this number.
    #[inline]
    pub(in crate::zone) fn at(&self, index: usize) -> &NameEntry {
        &self.list[index]
    }

    /// What names are hashed with.
    pub(in crate::zone) fn seed(&self) -> u64 {
        self.seed
    }

    /// How many threads may work on them.
    pub(in crate::zone) fn cores(&self) -> usize {
        self.cores
    }

    /// How many.
    pub(in crate::zone) fn len(&self) -> usize {
        self.list.len()
    }

    /// The number of the apex.
    pub(in crate::zone) fn apex(&self) -> usize {
        self.find(&[]).expect("the apex has a SOA")
    }

    /// A name without the apex and the root, case as written; of several spellings the least.
    #[inline]
    pub(in crate::zone) fn relative(&self, name: &NameEntry) -> &'a [u8] {
        self.records.octets(name.place)
    }

    /// The records of a name, in no stated order.
    #[inline]
    pub(in crate::zone) fn records_of<'n>(&'n self, name: &'n NameEntry) -> RecordsOf<'a, 'n> {
        let scattered = if name.is(mark::SCATTERED) { self.scattered.of(name) } else { &[] };
        RecordsOf { records: self.records, run: self.records.all(self.items_of(name)), runs: scattered.iter() }
    }

    /// What is kept of the records of a name, unless they do not all follow one another.
    #[inline]
    pub(in crate::zone) fn items_of(&self, name: &NameEntry) -> &'a [Item] {
        match name.is(mark::SCATTERED) {
            true => &[],
            false => &self.records.items()[name.run().range()],
        }
    }

    /// Starts loading what [`Names::records_of`] and their RDATA will read of the name with this number, if there is one and it is not scattered: so many names
    /// ahead of the one that is worked on that the memory has arrived by then.
    #[inline]
    pub(in crate::zone) fn prefetch(&self, number: usize) {
        if let Some(name) = self.list.get(number) {
            memory::prefetch_item(self.records.items(), name.first as usize);
            // Mostly its records' data follow it, in the order of the text, but for those of servers that it shares.
            let relative = self.relative(name);
            memory::prefetch_from(relative, PREFETCHED_MAX.min(relative.len() + RDATA * name.count as usize));
        }
    }

    /// The number of the name `relative` (any case).
    pub(in crate::zone) fn find(&self, relative: &[u8]) -> Option<usize> {
        self.find_hashed(with_lower(relative, |lower| layout::hash(self.seed, lower)), relative)
    }

    fn find_hashed(&self, hash: u64, relative: &[u8]) -> Option<usize> {
        let first_bits = (hash >> self.shift()) as usize;
        let from = self.starts[first_bits] as usize;
        let to = self.starts.get(first_bits + 1).map_or(self.list.len(), |&next| next as usize);
        // By halving: names chosen for their hashes must not make each search a walk through all of them.
        let order = |name: &NameEntry| {
            name.hash.cmp(&hash).then_with(|| match self.relative(name) {
                same if same.eq_ignore_ascii_case(relative) => Ordering::Equal,
                other => compare_lower(other, relative),
            })
        };
        self.list[from..to].binary_search_by(order).ok().map(|offset| from + offset)
    }

    /// Loads what finding the names with these hashes reads.
    pub(in crate::zone) fn prefetch_found(&self, hashes: impl Iterator<Item = u64> + Clone) {
        let first_bits = hashes.map(|hash| (hash >> self.shift()) as usize);
        first_bits.clone().for_each(|first_bits| memory::prefetch_item(&self.starts, first_bits));
        let starts = first_bits.map(|first_bits| self.starts[first_bits] as usize);
        starts.clone().for_each(|start| memory::prefetch_item(&self.list, start));
        starts.filter_map(|start| self.list.get(start)).for_each(|name| memory::prefetch_behind(self.relative(name)));
    }

    /// Bits of a hash that `starts` ignores: about two names share the others.
    fn shift(&self) -> u32 {
        64 - self.starts.len().ilog2()
    }

    /// Finds out anew, after the list has changed, what a walk through it tells: where the hashes that share their first bits start,
    /// whether two are the same, and how deep cuts lie.
    fn index(&mut self) {
        let count = (self.list.len() / 2).next_power_of_two().max(2);
        let shift = 64 - count.ilog2();
        let list = &self.list;
        let parts = in_parts(self.cores, count, |part| {
            let (mut starts, mut share_a_hash, mut cut_depths) = (Vec::with_capacity(part.len()), false, 0u128);
            let mut number = list.partition_point(|name| name.hash >> shift < part.start as u64);
            for first_bits in part {
                starts.push(number as u32);
                while let Some(name) = list.get(number)
                    && name.hash >> shift == first_bits as u64
                {
                    number += 1;
                    share_a_hash |= list.get(number).is_some_and(|next| next.hash == name.hash);
                    cut_depths |= u128::from(name.is_cut() || name.has_dname()) << name.depth;
                }
            }
            (starts, share_a_hash, cut_depths)
        });
        let all = parts.into_iter().reduce(|(mut starts, share_a_hash, cut_depths), (mut next, shares, depths)| {
            starts.append(&mut next);
            (starts, share_a_hash | shares, cut_depths | depths)
        });
        (self.starts, self.share_a_hash, self.cut_depths) = all.unwrap_or_default();
    }

    /// The number of the name with this absolute wire form; None when it is outside the zone, or not there.
    pub(in crate::zone) fn find_absolute(&self, apex: &Name, wire: &[u8]) -> Option<usize> {
        self.find(self.within(apex, wire)?)
    }

    /// The hash of the name with this absolute wire form; None when it is outside the zone.
    pub(in crate::zone) fn hash_absolute(&self, apex: &Name, wire: &[u8]) -> Option<u64> {
        Some(with_lower(self.within(apex, wire)?, |lower| layout::hash(self.seed, lower)))
    }

    fn within<'w>(&self, apex: &Name, wire: &'w [u8]) -> Option<&'w [u8]> {
        name::is_at_or_below(wire, apex.as_wire()).then(|| &wire[..wire.len() - self.apex_len])
    }

    /// Whether two names have the same hash.
    pub(in crate::zone) fn share_a_hash(&self) -> bool {
        self.share_a_hash
    }

    /// Marks what cuts and DNAMEs occlude; drops empty non-terminals that are occluded.
    fn classify(&mut self) {
        if self.cut_depths == 0 {
            return;
        }
        // A DNAME there is above all; the walk up ends below it.
        let at_apex = (self.cut_depths & 1 != 0).then(|| self.apex());
        let occluded = in_parts(self.cores, self.list.len(), |part| {
            let below_some = part.filter(|&number| self.above[number] != NONE || at_apex.is_some());
            let found = below_some.filter_map(|number| {
                let above = self.occluded_by(number, at_apex)?;
                Some((number, !self.list[above].is_cut()))
            });
            found.collect::<Vec<_>>()
        });
        let mut is_empty_occluded = false;
        for (number, is_redirected) in occluded.into_iter().flatten() {
            let entry = &mut self.list[number];
            entry.mark(mark::HIDDEN, true);
            entry.mark(mark::REDIRECTED, is_redirected);
            is_empty_occluded |= entry.is_empty();
        }
        if is_empty_occluded {
            self.list.retain(|name| !name.is_empty() || !name.is_hidden());
            self.index();
        }
    }

    /// The highest proper ancestor of a name that is a cut or has a DNAME.
    fn occluded_by(&self, number: usize, at_apex: Option<usize>) -> Option<usize> {
        if self.cut_depths & ((1 << self.list[number].depth) - 1) == 0 {
            return None;
        }
        let mut highest = None;
        let mut above = self.above[number];
        // Each is less deep than the one before.
        while above != NONE {
            let name = &self.list[above as usize];
            if name.is_cut() || name.has_dname() {
                highest = Some(above as usize);
            }
            above = self.above[above as usize];
        }
        at_apex.or(highest)
    }

    /// Finds the name right above each. Gives those that miss one.
    fn find_above(&mut self) -> Vec<usize> {
        let parts = in_parts(self.cores, self.list.len(), |part| {
            let (mut above, mut lonely) = (vec![NONE; part.len()], Vec::new());
            let mut deep = part.clone().filter(|&number| self.list[number].depth > 1);
            let mut batch = Vec::with_capacity(BATCH);
            loop {
                batch.clear();
                for number in deep.by_ref().take(BATCH) {
                    memory::prefetch_behind(self.relative(&self.list[number]));
                    batch.push((0, number));
                }
                for (hash, number) in &mut batch {
                    let above = parent(self.relative(&self.list[*number]));
                    *hash = with_lower(above, |lower| layout::hash(self.seed, lower));
                }
                self.prefetch_found(batch.iter().map(|&(hash, _)| hash));
                for &(hash, number) in &batch {
                    match self.find_hashed(hash, parent(self.relative(&self.list[number]))) {
                        Some(found) => above[number - part.start] = found as u32,
                        None => lonely.push(number),
                    }
                }
                if batch.len() < BATCH {
                    return (above, lonely);
                }
            }
        });
        let all = parts.into_iter().reduce(|(mut above, mut lonely), (mut next_above, mut next_lonely)| {
            above.append(&mut next_above);
            lonely.append(&mut next_lonely);
            (above, lonely)
        });
        let (above, lonely) = all.unwrap_or_default();
        self.above = above;
        lonely
    }

    /// Adds the names between an owner and the apex that own nothing themselves (RFC 4592 section 2.2.2): above those that miss one.
    fn add_empty_non_terminals(&mut self, lonely: &[usize]) -> Result<(), TooManyEmpty> {
        let max = EMPTY_MIN + EMPTY_PER_OWNER * self.list.len();
        let mut missing = Missing::new();
        for part in in_parts(self.cores, lonely.len(), |part| self.empty_above(&lonely[part], max)) {
            let part = part?;
            if missing.is_empty() {
                missing = part;
                continue;
            }
            for place in part.into_values() {
                self.add_missing(&mut missing, place);
            }
        }
        if missing.len() > max {
            return Err(TooManyEmpty);
        }
        if missing.is_empty() {
            return Ok(());
        }
        let (seed, records) = (self.seed, self.records);
        self.list.extend(missing.into_values().map(|place| {
            let hash = with_lower(records.octets(place), |lower| layout::hash(seed, lower));
            NameEntry::new(hash, records, place)
        }));
        let relative = |name: &NameEntry| records.octets(name.place);
        self.list.sort_by(|a, b| a.hash.cmp(&b.hash).then_with(|| compare_lower(relative(a), relative(b))));
        self.index();
        self.find_above();
        Ok(())
    }

    /// The empty non-terminals above these names, `max` at most.
    fn empty_above(&self, lonely: &[usize], max: usize) -> Result<Missing<'a>, TooManyEmpty> {
        let mut missing = Missing::new();
        for &number in lonely {
            let mut place = self.list[number].place;
            loop {
                place = self.records.behind_label(place);
                let above = self.records.octets(place);
                // Spelled like a known one the path was walked before; else to its end, as of several spellings the least counts.
                if above.is_empty() || self.find(above).is_some() || !self.add_missing(&mut missing, place) {
                    break;
                }
                if missing.len() > max {
                    return Err(TooManyEmpty);
                }
            }
        }
        Ok(missing)
    }

    /// Adds an empty non-terminal, of several spellings the least. Gives whether it is not known in this spelling.
    fn add_missing(&self, missing: &mut Missing<'a>, place: Place) -> bool {
        let spelling = self.records.octets(place);
        match missing.entry(Folded(spelling)) {
            Entry::Vacant(free) => drop(free.insert(place)),
            Entry::Occupied(mut known) => match spelling.cmp(self.records.octets(*known.get())) {
                Ordering::Less => drop(known.insert(place)),
                Ordering::Equal => return false,
                Ordering::Greater => {}
            },
        }
        true
    }
}

/// See [`Names::records_of`].
pub(in crate::zone) struct RecordsOf<'a, 'n> {
    records: &'a Records,
    run: All<'a>,
    /// Those that follow.
    runs: std::slice::Iter<'n, Run>,
}

impl Iterator for RecordsOf<'_, '_> {
    type Item = Record;

    #[inline]
    fn next(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.run.next() {
                return Some(record);
            }
            self.run = self.records.all(&self.records.items()[self.runs.next()?.range()]);
        }
    }
}

/// Empty non-terminals, each with where the least of its spellings is.
type Missing<'a> = HashMap<Folded<'a>, Place>;

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
    // Most names are.
    if !has_capitals(relative) {
        return then(relative);
    }
    let mut lower = [0; NAME_LEN_MAX];
    let lower = &mut lower[..relative.len()];
    lower.copy_from_slice(relative);
    lower.make_ascii_lowercase();
    then(lower)
}

/// The name without its first label; the apex's own relative name, empty, is its own parent.
pub(in crate::zone) fn parent(relative: &[u8]) -> &[u8] {
    relative.first().map_or(relative, |&len| &relative[1 + len as usize..])
}

fn compare_lower(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}
