//! The names of a zone: owners and empty non-terminals, in the order of their hashes, and what each is.
//!
//! A large zone's records lie in memory in another order than its names: to go from one to the other costs a cache miss each time.
//! So what is asked of each name is found out in one pass over the records in their own order, on all cores; and who goes through the
//! names loads the records of the next ones ahead ([`Names::prefetch`]).

use crate::wire::case::has_capitals;
use crate::wire::code::rtype;
use crate::wire::name::{self, NAME_LEN_MAX, Name};
use crate::zone::cores::in_parts;
use crate::zone::layout;
use crate::zone::memory;
use crate::zone::records::{Record, Records, runs};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};
use std::ops::Range;

mod chain;

use chain::is_of_nsec3;
pub(in crate::zone) use chain::{Chain, is_signed};

/// Empty non-terminals that a zone may have for each owner, and beside that. Deep zones have many: a host of ip6.arpa up to
/// 31 that no other host shares. Without a bound, one line of `$GENERATE` makes more of them than fit into memory.
const EMPTY_PER_OWNER: usize = 32;
const EMPTY_MIN: usize = 4096;
/// Names are sorted in bins by their hashes' first bits, of about so many records and so many bits at most: what is worked on stays
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
    list: Vec<NameEntry<'a>>,
    /// Where in the list the hashes that share their first bits start: hashes are spread evenly, so each has a few.
    starts: Vec<u32>,
    share_a_hash: bool,
    /// Bit d: cuts or DNAMEs lie d labels below the apex. Only ancestors of these depths need a look.
    cut_depths: u128,
    /// The runs of names that have several.
    scattered: Vec<Run>,
    /// The number of the name right above each that is deeper than one label; [`NONE`] if there is none, and for the others.
    above: Vec<u32>,
    records: &'a Records,
    apex_len: usize,
    seed: u64,
    cores: usize,
}

/// One name.
#[derive(Clone, Copy)]
pub(in crate::zone) struct NameEntry<'a> {
    pub(in crate::zone) hash: u64,
    /// Owner without the apex and the root, case as written; of several spellings the least.
    pub(in crate::zone) relative: &'a [u8],
    /// Its records, or where in the list of scattered runs its own stand.
    run: Run,
    is_scattered: bool,
    /// Labels below the apex.
    pub(in crate::zone) depth: u8,
    /// Whether its first label is `*`.
    pub(in crate::zone) is_wildcard: bool,
    pub(in crate::zone) is_cut: bool,
    pub(in crate::zone) has_dname: bool,
    /// Whether it has A or AAAA records.
    pub(in crate::zone) has_address: bool,
    /// Below a cut or DNAME, or of NSEC3 records that lie in no order: no answer to any question.
    pub(in crate::zone) is_hidden: bool,
    /// Below a DNAME that no cut is above: not even glue (RFC 6672 section 2.4).
    pub(in crate::zone) is_redirected: bool,
}

/// Records that follow one another.
#[derive(Clone, Copy)]
struct Run {
    first: u32,
    count: u32,
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
        let bits = (records.len() / BIN).max(1).ilog2().min(BIN_BITS_MAX);
        let read = in_parts(cores, records.len(), |part| owners(records, chain, part, apex_len, seed, bits));
        let sorted = in_parts(cores, 1 << bits, |bins| sort(&read, bins));
        drop(read);
        let mut names = Names {
            list: Vec::new(),
            starts: Vec::new(),
            share_a_hash: false,
            cut_depths: 0,
            scattered: Vec::new(),
            above: Vec::new(),
            records,
            apex_len,
            seed,
            cores,
        };
        for part in sorted {
            names.append(part);
        }
        names.index();
        let lonely = names.find_above();
        names.add_empty_non_terminals(&lonely)?;
        names.classify();
        names.above = Vec::new();
        Ok(names)
    }

    /// Takes the names of the bins that follow.
    fn append(&mut self, mut part: Sorted<'a>) {
        let before = self.scattered.len() as u32;
        part.list.iter_mut().filter(|name| name.is_scattered).for_each(|name| name.run.first += before);
        match self.list.is_empty() {
            true => self.list = part.list,
            false => self.list.append(&mut part.list),
        }
        self.scattered.append(&mut part.scattered);
    }

    /// The name with this number.
    #[inline]
    pub(in crate::zone) fn at(&self, index: usize) -> &NameEntry<'a> {
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

    /// The records of a name, in no stated order.
    #[inline]
    pub(in crate::zone) fn records_of<'n>(
        &'n self,
        name: &'n NameEntry,
    ) -> impl Iterator<Item = &'a Record> + use<'a, 'n> {
        let runs = match name.is_scattered {
            true => &self.scattered[name.run.range()],
            false => std::slice::from_ref(&name.run),
        };
        let records = self.records.as_slice();
        runs.iter().flat_map(move |run| &records[run.range()])
    }

    /// Starts loading what [`Names::records_of`] and their RDATA will read of the name with this number, if there is one: so many names
    /// ahead of the one that is worked on that the memory has arrived by then.
    #[inline]
    pub(in crate::zone) fn prefetch(&self, number: usize) {
        if let Some(name) = self.list.get(number) {
            memory::prefetch_item(self.records.as_slice(), name.run.first as usize);
            // Mostly its records' data follow it, in the order of the text.
            let count = if name.is_scattered { 1 } else { name.run.count as usize };
            memory::prefetch_from(name.relative, PREFETCHED_MAX.min(name.relative.len() + RDATA * count));
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
            name.hash.cmp(&hash).then_with(|| match name.relative.eq_ignore_ascii_case(relative) {
                true => std::cmp::Ordering::Equal,
                false => compare_lower(name.relative, relative),
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
        starts.filter_map(|start| self.list.get(start)).for_each(|name| memory::prefetch_behind(name.relative));
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
                    cut_depths |= u128::from(name.is_cut || name.has_dname) << name.depth;
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
        self.find(self.relative(apex, wire)?)
    }

    /// The hash of the name with this absolute wire form; None when it is outside the zone.
    pub(in crate::zone) fn hash_absolute(&self, apex: &Name, wire: &[u8]) -> Option<u64> {
        Some(with_lower(self.relative(apex, wire)?, |lower| layout::hash(self.seed, lower)))
    }

    fn relative<'w>(&self, apex: &Name, wire: &'w [u8]) -> Option<&'w [u8]> {
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
                Some((number, !self.list[above].is_cut))
            });
            found.collect::<Vec<_>>()
        });
        let mut is_empty_occluded = false;
        for (number, is_redirected) in occluded.into_iter().flatten() {
            let entry = &mut self.list[number];
            (entry.is_hidden, entry.is_redirected) = (true, is_redirected);
            is_empty_occluded |= entry.run.count == 0;
        }
        if is_empty_occluded {
            self.list.retain(|name| name.run.count > 0 || !name.is_hidden);
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
            if name.is_cut || name.has_dname {
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
                    memory::prefetch_behind(self.list[number].relative);
                    batch.push((0, number));
                }
                for (hash, number) in &mut batch {
                    *hash = with_lower(parent(self.list[*number].relative), |lower| layout::hash(self.seed, lower));
                }
                self.prefetch_found(batch.iter().map(|&(hash, _)| hash));
                for &(hash, number) in &batch {
                    match self.find_hashed(hash, parent(self.list[number].relative)) {
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
            for spelling in part.into_values() {
                let least = missing.entry(Folded(spelling)).or_insert(spelling);
                *least = spelling.min(*least);
            }
        }
        if missing.len() > max {
            return Err(TooManyEmpty);
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
        self.find_above();
        Ok(())
    }

    /// The empty non-terminals above these names, `max` at most.
    fn empty_above(&self, lonely: &[usize], max: usize) -> Result<Missing<'a>, TooManyEmpty> {
        let mut missing = Missing::new();
        for &number in lonely {
            let mut above = parent(self.list[number].relative);
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
        Ok(missing)
    }
}

/// Empty non-terminals, each with the least of its spellings.
type Missing<'a> = HashMap<Folded<'a>, &'a [u8]>;

/// The owners of these records in bins by the first `bits` of their hashes: a name for each run of records.
fn owners<'a>(
    records: &'a Records,
    chain: &Chain,
    part: Range<usize>,
    apex_len: usize,
    seed: u64,
    bits: u32,
) -> Vec<Vec<NameEntry<'a>>> {
    let mut bins: Vec<Vec<NameEntry>> = (0..1 << bits).map(|_| Vec::with_capacity(part.len() >> bits)).collect();
    let mut next = part.start;
    for run in runs(&records.as_slice()[part]) {
        let mut numbers = next..next + run.len();
        next = numbers.end;
        let owner = records.owner(&run[0]);
        let relative = &owner[..owner.len() - apex_len];
        let hash = with_lower(relative, |lower| layout::hash(seed, lower));
        // What lies in the order is not among the names: mostly all records of an owner or none.
        while let Some(first) = numbers.find(|&number| !chain.has(number)) {
            let end = numbers.find(|&number| chain.has(number)).unwrap_or(next);
            let run = &records.as_slice()[first..end];
            let mut name = NameEntry::new(hash, relative, first, run.len());
            for record in run {
                match record.rtype {
                    rtype::NS => name.is_cut = !relative.is_empty(),
                    rtype::DNAME => name.has_dname = true,
                    rtype::A | rtype::AAAA => name.has_address = true,
                    _ => {}
                }
            }
            name.is_hidden = run.iter().all(|record| is_of_nsec3(record, records));
            // In two shifts: one by 64 is none.
            bins[(hash >> 1 >> (63 - bits)) as usize].push(name);
        }
    }
    bins
}

/// Names by hash, and the runs of those that have several.
struct Sorted<'a> {
    list: Vec<NameEntry<'a>>,
    scattered: Vec<Run>,
}

/// Sorts the names of some bins, all that were read of them, and makes one of those that are the same.
fn sort<'a>(read: &[Vec<Vec<NameEntry<'a>>>], bins: Range<usize>) -> Sorted<'a> {
    let count = |bin: usize| read.iter().map(|bins| bins[bin].len()).sum::<usize>();
    // The others are put behind the first.
    let room = if bins.start == 0 { 0..read.first().map_or(0, Vec::len) } else { bins.clone() };
    let mut sorted = Sorted { list: Vec::with_capacity(room.map(count).sum()), scattered: Vec::new() };
    memory::prefer_huge_pages(&mut sorted.list);
    let mut names: Vec<NameEntry> = Vec::new();
    let mut keys = Vec::new();
    for bin in bins {
        keys.clear();
        for (part, bins) in (0u32..).zip(read) {
            keys.extend(bins[bin].iter().zip(0u32..).map(|(name, place)| (name.hash, part, place)));
        }
        keys.sort_unstable_by_key(|&(hash, ..)| hash);
        let name = |part: u32, place: u32| read[part as usize][bin][place as usize];
        for run in keys.chunk_by_mut(|a, b| a.0 == b.0) {
            // The bytes of a name lie in memory that is not looked at without need.
            if let &mut [(_, part, place)] = run {
                sorted.list.push(name(part, place));
                continue;
            }
            // Of equal ones the first that was read stays first.
            run.sort_unstable();
            names.clear();
            names.extend(run.iter().map(|&(_, part, place)| name(part, place)));
            // Names that share a hash are rare, and told apart by their bytes.
            if names.iter().any(|name| !name.relative.eq_ignore_ascii_case(names[0].relative)) {
                names.sort_by(|a, b| compare_lower(a.relative, b.relative).then(a.run.first.cmp(&b.run.first)));
            }
            for same in names.chunk_by(|a, b| a.relative.eq_ignore_ascii_case(b.relative)) {
                sorted.push(same);
            }
        }
    }
    sorted
}

impl<'a> Sorted<'a> {
    /// Adds a name, of which these are the runs in reading order.
    fn push(&mut self, runs: &[NameEntry<'a>]) {
        let mut name = runs[0];
        if runs.len() > 1 {
            let first = self.scattered.len();
            self.scattered.extend(runs.iter().map(|other| other.run));
            name.run = Run { first: first as u32, count: runs.len() as u32 };
            name.is_scattered = true;
            for other in runs {
                name.relative = name.relative.min(other.relative);
                name.is_cut |= other.is_cut;
                name.has_dname |= other.has_dname;
                name.has_address |= other.has_address;
                name.is_hidden &= other.is_hidden;
            }
        }
        self.list.push(name);
    }
}

impl Run {
    fn range(self) -> Range<usize> {
        self.first as usize..self.first as usize + self.count as usize
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

impl<'a> NameEntry<'a> {
    /// A visible name without records.
    pub(in crate::zone) fn new(hash: u64, relative: &'a [u8], first: usize, count: usize) -> NameEntry<'a> {
        NameEntry {
            hash,
            relative,
            run: Run { first: first as u32, count: count as u32 },
            is_scattered: false,
            depth: name::labels(relative).count() as u8,
            is_wildcard: relative.starts_with(b"\x01*"),
            is_cut: false,
            has_dname: false,
            has_address: false,
            is_hidden: false,
            is_redirected: false,
        }
    }
}

/// The name without its first label; the apex's own relative name, empty, is its own parent.
pub(in crate::zone) fn parent(relative: &[u8]) -> &[u8] {
    relative.first().map_or(relative, |&len| &relative[1 + len as usize..])
}

fn compare_lower(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}
