//! Compiles the records of a zone to its image.
//!
//! Enters: records in any order. Leaves: the same bytes for the same content, whatever the order of lines; and findings about
//! content that can't be served. All that an answer needs is worked out here, once: cuts, empty non-terminals, occluded
//! names, glue, additional addresses, the negative TTL, and where names may be compressed.

mod apex;
mod encode;
mod order;
mod part;
mod plan;
mod referrals;
mod rrsets;
mod write;

use super::cores::cores;
pub use super::finding::Finding;
use super::finding::Findings;
use super::image::{FLAT_MAX, Image};
use super::names::{Chain, Names, is_signed};
use super::records::Records;
use crate::wire::name::Name;
use apex::Survey;
use plan::Plan;
use rrsets::Rrsets;

/// Seeds tried for the index before the names are taken to be hostile.
const SEEDS_MAX: u64 = 64;
/// Zones with fewer records are compiled by one thread.
const SPREAD_MIN: usize = 1 << 16;

/// Compiles the records of the zone `apex`. Gives the image, unless a finding is fatal, and all findings in the order of the text.
pub fn compile(apex: &Name, records: &Records) -> (Option<Image>, Vec<Finding>) {
    compile_up_to(FLAT_MAX, apex, Given::Lent(records))
}

/// The same, and the records are gone before the image is written, where theirs was: those of a large zone take more memory than that.
pub fn compile_owned(apex: &Name, records: Records) -> (Option<Image>, Vec<Finding>) {
    compile_up_to(FLAT_MAX, apex, Given::Owned(records))
}

/// The same with an image in segments even where it is small: for tests and fuzzers.
#[doc(hidden)]
pub fn compile_in_segments(apex: &Name, records: &Records) -> (Option<Image>, Vec<Finding>) {
    compile_up_to(0, apex, Given::Lent(records))
}

/// What is compiled.
enum Given<'r> {
    Owned(Records),
    Lent(&'r Records),
}

impl Given<'_> {
    fn records(&self) -> &Records {
        match self {
            Given::Owned(records) => records,
            Given::Lent(records) => records,
        }
    }

    /// The memory of what is no longer needed.
    fn into_arenas(self) -> Vec<Vec<u8>> {
        match self {
            Given::Owned(records) => records.into_arenas(),
            Given::Lent(_) => Vec::new(),
        }
    }
}

fn compile_up_to(flat_max: u64, apex: &Name, given: Given) -> (Option<Image>, Vec<Finding>) {
    compile_on(if given.records().len() < SPREAD_MIN { 1 } else { cores() }, flat_max, apex, given)
}

/// On so many cores: it changes nothing in the image.
fn compile_on(cores: usize, flat_max: u64, apex: &Name, given: Given) -> (Option<Image>, Vec<Finding>) {
    let mut findings = Findings::default();
    let image = build(cores, flat_max, apex, given, &mut findings);
    (image, findings.finish())
}

/// `None`: a finding is fatal.
fn build(cores: usize, flat_max: u64, apex: &Name, given: Given, findings: &mut Findings) -> Option<Image> {
    let records = given.records();
    let survey = Survey::new(apex, records, cores);
    let apex = survey.spelled_as_written(apex);
    let soa = survey.check(&apex, records, findings)?;
    let chain = Chain::find(&apex, records, cores, findings);
    if findings.fatal() {
        return None;
    }
    let is_signed = is_signed(&apex, records);
    // The choice of the seed depends on the content alone.
    for seed in 0..SEEDS_MAX {
        let Ok(names) = Names::collect(&apex, records, &chain, seed, cores) else {
            findings.zone(
                "the zone has more than 32 empty non-terminals (names with nothing but names below them) for each name that \
                 owns records",
                "shorten its names: so many labels are of no use",
            );
            return None;
        };
        if names.share_a_hash() {
            continue;
        }
        let mut found = Findings::default();
        let rrsets = Rrsets::build(&apex, records, &names, &chain, &mut found);
        if found.fatal() {
            findings.append(found);
            return None;
        }
        if rrsets.share_a_hash() {
            continue;
        }
        drop(names);
        let items = order::Items::collect(is_signed, &chain, &rrsets);
        match Plan::new(flat_max, &apex, &rrsets, &items) {
            Ok(plan) => {
                findings.append(found);
                let (root, segments) = write::image(&apex, &soa, &plan, given.into_arenas());
                let image = Image::compiled(root, segments);
                return Some(
                    image.unwrap_or_else(|e| unreachable!("the compiler wrote an image that does not open: {e}")),
                );
            }
            Err(Unfit::Seed) => {}
            Err(Unfit::TooLarge) => {
                findings.zone("the zone is too large: its image would exceed 1 TiB", "split the zone");
                return None;
            }
            Err(Unfit::TooRepetitive) => {
                let message =
                    "the zone has the same large RRset at so many names that it would fill 4096 times its image";
                findings.zone(message, "use a CNAME to one name that has the RRset");
                return None;
            }
        }
    }
    findings.zone(
        &format!(
            "the zone's names or records collide in its index under each of {SEEDS_MAX} seeds: they were chosen to"
        ),
        "find out who added so many unusual names or records, and remove them",
    );
    None
}

/// Why records can't be laid out.
enum Unfit {
    /// Some place of the index is too full under this seed.
    Seed,
    /// The image would exceed [`super::layout::IMAGE_MAX`].
    TooLarge,
    /// It would stand for more than [`super::layout::EXPANSION_MAX`] times its octets.
    TooRepetitive,
}

#[cfg(test)]
mod tests;
