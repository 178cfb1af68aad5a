//! From records to names: the owners of all records, by hash, each once.

use super::chain::Chain;
use super::compare_lower;
use super::entry::{NameEntry, RUN_MAX, Run, mark};
use crate::zone::memory::Room;
use crate::zone::records::{Records, runs};
use std::ops::Range;

/// Names whose records do not all follow one another.
#[derive(Default)]
pub(super) struct Scattered {
    /// Where the runs of each start, and those of the next one.
    pub(super) names: Vec<Range<u32>>,
    pub(super) runs: Vec<Run>,
}

/// The owners of these records in bins by the first `bits` of their hashes: a name for each run of items.
pub(super) fn owners(
    records: &Records,
    chain: &Chain,
    part: Range<usize>,
    apex_len: usize,
    seed: u64,
    bits: u32,
) -> Vec<Vec<NameEntry>> {
    let mut bins: Vec<Vec<NameEntry>> = (0..1 << bits).map(|_| Vec::with_capacity(part.len() >> bits)).collect();
    let mut next = part.start;
    for run in runs(&records.items()[part]) {
        let mut numbers = next..next + run.len();
        next = numbers.end;
        let name = NameEntry::of(records, &run[0], apex_len, seed);
        // What lies in the order is not among the names: mostly all records of an owner or none.
        while let Some(first) = numbers.find(|&number| !chain.has(number)) {
            let end = numbers.find(|&number| chain.has(number)).unwrap_or(next);
            for (first, run) in (first..).step_by(RUN_MAX).zip(records.items()[first..end].chunks(RUN_MAX)) {
                // In two shifts: one by 64 is none.
                bins[(name.hash >> 1 >> (63 - bits)) as usize].push(name.with_run(records, first, run));
            }
        }
    }
    bins
}

/// Sorts the names of some bins, all that were read of them, to the list, and makes one of those that are the same. Gives those that are
/// scattered.
pub(super) fn sort(
    records: &Records,
    read: &[Vec<Vec<NameEntry>>],
    bins: Range<usize>,
    list: &mut Room<NameEntry>,
) -> Scattered {
    let relative = |name: &NameEntry| records.octets(name.place);
    let mut scattered = Scattered::default();
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
                list.push(name(part, place));
                continue;
            }
            // Of equal ones the first that was read stays first.
            run.sort_unstable();
            names.clear();
            names.extend(run.iter().map(|&(_, part, place)| name(part, place)));
            // Names that share a hash are rare, and told apart by their bytes.
            let first = relative(&names[0]);
            if names.iter().any(|name| !relative(name).eq_ignore_ascii_case(first)) {
                names.sort_by(|a, b| compare_lower(relative(a), relative(b)).then(a.first.cmp(&b.first)));
            }
            for same in names.chunk_by(|a, b| relative(a).eq_ignore_ascii_case(relative(b))) {
                list.push(scattered.join(records, same));
            }
        }
    }
    scattered
}

impl Scattered {
    /// Makes one of a name's runs, in reading order.
    fn join(&mut self, records: &Records, runs: &[NameEntry]) -> NameEntry {
        let mut name = runs[0];
        if runs.len() > 1 {
            let first = self.runs.len() as u32;
            self.runs.extend(runs.iter().map(NameEntry::run));
            self.names.push(first..self.runs.len() as u32);
            let are_hidden = runs.iter().all(NameEntry::is_hidden);
            for other in runs {
                if records.octets(other.place) < records.octets(name.place) {
                    name.place = other.place;
                }
                name.marks |= other.marks;
            }
            name.mark(mark::HIDDEN, are_hidden);
            name.mark(mark::SCATTERED, true);
        }
        name
    }

    /// The runs of a name.
    pub(super) fn of(&self, name: &NameEntry) -> &[Run] {
        let own = &self.names[name.first as usize];
        &self.runs[own.start as usize..own.end as usize]
    }
}
