//! Compiles the records of a zone to its image.
//!
//! Enters: records in any order. Leaves: the same bytes for the same content, whatever the order of lines; and findings about
//! content that can't be served. All that an answer needs is worked out here, once: cuts, empty non-terminals, occluded
//! names, glue, additional addresses, the negative TTL, and where names may be compressed.

mod chain;
mod encode;
mod names;
mod order;
mod plan;
mod rrsets;
mod write;

use super::cores::cores;
pub use super::finding::Finding;
use super::finding::{Findings, Part};
use super::image::{FLAT_MAX, Image};
use super::records::{Record, Records};
use crate::wire::code::rtype;
use crate::wire::name::{self, Name, Text};
use chain::Chain;
pub(in crate::zone) use names::{NameEntry, Names};
use plan::Plan;
use rrsets::Rrsets;

/// Seeds tried for the index before the names are taken to be hostile.
const SEEDS_MAX: u64 = 64;
/// Zones with fewer records are compiled by one thread.
const SPREAD_MIN: usize = 1 << 16;

/// Compiles the records of the zone `apex`. Gives the image, unless a finding is fatal, and all findings in the order of the text.
pub fn compile(apex: &Name, records: &Records) -> (Option<Image>, Vec<Finding>) {
    compile_up_to(FLAT_MAX, apex, records)
}

/// The same with an image in segments even where it is small: for tests and fuzzers.
#[doc(hidden)]
pub fn compile_in_segments(apex: &Name, records: &Records) -> (Option<Image>, Vec<Finding>) {
    compile_up_to(0, apex, records)
}

fn compile_up_to(flat_max: u64, apex: &Name, records: &Records) -> (Option<Image>, Vec<Finding>) {
    compile_on(if records.len() < SPREAD_MIN { 1 } else { cores() }, flat_max, apex, records)
}

/// On so many cores: it changes nothing in the image.
fn compile_on(cores: usize, flat_max: u64, apex: &Name, records: &Records) -> (Option<Image>, Vec<Finding>) {
    let mut findings = Findings::default();
    let image = build(cores, flat_max, apex, records, &mut findings);
    (image, findings.finish())
}

/// `None`: a finding is fatal.
fn build(cores: usize, flat_max: u64, apex: &Name, records: &Records, findings: &mut Findings) -> Option<Image> {
    let apex = spelled_as_written(apex, records);
    let soa = check_apex(&apex, records, findings)?;
    let chain = Chain::find(&apex, records, findings);
    if findings.fatal() {
        return None;
    }
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
        let items = order::Items::collect(&apex, records, &chain, &names, &rrsets);
        match Plan::new(flat_max, &apex, &names, &rrsets, &items).and_then(|plan| write::image(&apex, &soa, &plan)) {
            Ok((root, segments)) => {
                findings.append(found);
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

/// What the header takes from the SOA and from signatures.
struct Soa {
    serial: u32,
    negative_ttl_secs: u32,
    /// When the first signature ends; 0: there is none.
    signatures_end: u32,
}

/// The apex in the spelling that the zone gives it: of several the least bytes, as for every owner.
fn spelled_as_written(apex: &Name, records: &Records) -> Name {
    let lower = apex.to_lower();
    let spellings = records.runs().map(|run| records.owner(&run[0]));
    let least =
        spellings.filter(|owner| owner.len() == lower.as_wire().len() && owner.eq_ignore_ascii_case(lower.as_wire()));
    least.min().and_then(|owner| Name::from_wire(owner).ok()).unwrap_or_else(|| apex.clone())
}

/// When the first signature ends (RFC 4034 section 3.1.5). Times that wrap around (RFC 1982) are those after 2106: no clock says here
/// what is near.
fn first_end(records: &Records) -> u32 {
    let signatures = records.iter().filter(|record| record.rtype == rtype::RRSIG);
    let ends = signatures.filter_map(|record| records.rdata(record).get(8..12)?.first_chunk().copied());
    ends.map(|end| u32::from_be_bytes(end).max(1)).min().unwrap_or(0)
}

/// Owners inside the zone, one SOA at the apex and none elsewhere, NS at the apex.
fn check_apex(apex: &Name, records: &Records, findings: &mut Findings) -> Option<Soa> {
    let mut soas: Vec<&Record> = Vec::new();
    let mut has_ns = false;
    for run in records.runs() {
        let owner = records.owner(&run[0]);
        if !name::is_at_or_below(owner, apex.as_wire()) {
            let message = format!("{} is outside the zone {apex}", Text(owner));
            let remedy = "remove the record, or mend $ORIGIN or a missing or superfluous final dot";
            run.iter().for_each(|record| findings.error(record, message.clone(), remedy));
            continue;
        }
        let at_apex = owner.len() == apex.as_wire().len();
        for record in run {
            match record.rtype {
                rtype::SOA if !at_apex => {
                    let message = format!("SOA record at {}, which is not the zone's name {apex}", Text(owner));
                    let remedy = "move it to the zone's own name; a child zone has a file of its own";
                    findings.error(record, message, remedy);
                }
                rtype::SOA => soas.push(record),
                rtype::NS if at_apex => has_ns = true,
                _ => {}
            }
        }
    }
    soas.sort_by(|a, b| records.rdata(a).cmp(records.rdata(b)));
    soas.dedup_by(|a, b| records.rdata(a).eq_ignore_ascii_case(records.rdata(b)));
    for extra in soas.iter().skip(1) {
        findings.error(extra, format!("{apex} has more than one SOA record"), "keep one");
    }
    // Shown at the zone's first line, or its SOA: that is where they belong.
    if soas.is_empty() {
        let message = format!("{apex} has no SOA record");
        findings.missing(true, records.iter().next(), Part::Whole, message, "add one as the zone's first record");
    }
    if !has_ns {
        let at = soas.first().copied().or(records.iter().next());
        findings.missing(true, at, Part::Whole, format!("{apex} has no NS record"), "add the zone's name servers");
    }
    if findings.fatal() {
        return None;
    }
    let ttl_secs = records
        .iter()
        .filter(|record| record.rtype == rtype::SOA)
        .map(|record| record.ttl_secs)
        .min()
        .unwrap_or_default();
    let (_, numbers) = records.rdata(soas[0]).split_last_chunk::<20>()?;
    let number = |at: usize| u32::from_be_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
    let signatures_end = first_end(records);
    Some(Soa { serial: number(0), negative_ttl_secs: ttl_secs.min(number(16)), signatures_end })
}

#[cfg(test)]
mod tests;
