//! What the records say of the zone as a whole: its name as they spell it, its SOA, and what lies outside.

use crate::wire::code::rtype;
use crate::wire::name::{self, Name, Text};
use crate::zone::cores::in_parts;
use crate::zone::finding::{Findings, Part};
use crate::zone::records::{Record, Records, runs};
use std::ops::Range;

/// What the header takes from the SOA and from signatures.
pub(super) struct Soa {
    pub(super) serial: u32,
    pub(super) negative_ttl_secs: u32,
    /// When the first signature ends; 0: there is none.
    pub(super) signatures_end: u32,
}

/// What one pass over the records, on so many cores, finds.
#[derive(Default)]
pub(super) struct Survey<'r> {
    /// Of the apex as an owner, the least bytes.
    spelling: Option<&'r [u8]>,
    soas: Vec<Record>,
    has_ns: bool,
    /// Records outside the zone, and SOA records that are not at its name.
    strays: Vec<Record>,
}

impl<'r> Survey<'r> {
    pub(super) fn new(apex: &Name, records: &'r Records, cores: usize) -> Survey<'r> {
        let parts = in_parts(cores, records.items().len(), |part| Survey::of_part(apex, records, part));
        parts.into_iter().reduce(Survey::and).unwrap_or_default()
    }

    fn of_part(apex: &Name, records: &'r Records, part: Range<usize>) -> Survey<'r> {
        let mut survey = Survey::default();
        for run in runs(&records.items()[part]) {
            let owner = records.owner_of(&run[0]);
            let soas = || run.iter().filter(|item| item.rtype == rtype::SOA).map(|item| records.first(item));
            if !name::is_at_or_below(owner, apex.as_wire()) {
                survey.strays.extend(records.all(run));
            } else if owner.len() > apex.as_wire().len() {
                survey.strays.extend(soas());
            } else {
                survey.spelling = least(survey.spelling, Some(owner));
                survey.soas.extend(soas());
                survey.has_ns |= run.iter().any(|item| item.rtype == rtype::NS);
            }
        }
        survey
    }

    /// With that of the records that follow.
    fn and(mut self, mut other: Survey<'r>) -> Survey<'r> {
        self.spelling = least(self.spelling, other.spelling);
        self.soas.append(&mut other.soas);
        self.has_ns |= other.has_ns;
        self.strays.append(&mut other.strays);
        self
    }

    /// The apex in the spelling that the zone gives it: of several the least bytes, as for every owner.
    pub(super) fn spelled_as_written(&self, apex: &Name) -> Name {
        self.spelling.and_then(|owner| Name::from_wire(owner).ok()).unwrap_or_else(|| apex.clone())
    }

    /// Owners inside the zone, one SOA at the apex and none elsewhere, NS at the apex.
    pub(super) fn check(self, apex: &Name, records: &Records, findings: &mut Findings) -> Option<Soa> {
        for record in &self.strays {
            let owner = records.owner(record);
            if name::is_at_or_below(owner, apex.as_wire()) {
                let message = format!("SOA record at {}, which is not the zone's name {apex}", Text(owner));
                let remedy = "move it to the zone's own name; a child zone has a file of its own";
                findings.error(record, message, remedy);
            } else {
                let message = format!("{} is outside the zone {apex}", Text(owner));
                let remedy = "remove the record, or mend $ORIGIN or a missing or superfluous final dot";
                findings.error(record, message, remedy);
            }
        }
        let mut soas = self.soas;
        let ttl_secs = soas.iter().map(|record| record.ttl_secs).min().unwrap_or_default();
        soas.sort_by(|a, b| records.rdata(a).cmp(records.rdata(b)));
        soas.dedup_by(|a, b| records.rdata(a).eq_ignore_ascii_case(records.rdata(b)));
        for extra in soas.iter().skip(1) {
            findings.error(extra, format!("{apex} has more than one SOA record"), "keep one");
        }
        // Shown at the zone's first line, or its SOA: that is where they belong.
        if soas.is_empty() {
            let message = format!("{apex} has no SOA record");
            findings.missing(
                true,
                records.iter().next().as_ref(),
                Part::Whole,
                message,
                "add one as the zone's first record",
            );
        }
        if !self.has_ns {
            let at = soas.first().copied().or(records.iter().next());
            findings.missing(
                true,
                at.as_ref(),
                Part::Whole,
                format!("{apex} has no NS record"),
                "add the zone's name servers",
            );
        }
        if findings.fatal() {
            return None;
        }
        let (_, numbers) = records.rdata(&soas[0]).split_last_chunk::<20>()?;
        let number = |at: usize| u32::from_be_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
        let signatures_end = first_end(records);
        Some(Soa { serial: number(0), negative_ttl_secs: ttl_secs.min(number(16)), signatures_end })
    }
}

fn least<'r>(a: Option<&'r [u8]>, b: Option<&'r [u8]>) -> Option<&'r [u8]> {
    a.into_iter().chain(b).min()
}

/// When the first signature ends (RFC 4034 section 3.1.5). Times that wrap around (RFC 1982) are those after 2106: no clock says here
/// what is near.
fn first_end(records: &Records) -> u32 {
    let signatures = records.of_type(rtype::RRSIG);
    let ends = signatures.filter_map(|record| records.rdata(&record).get(8..12)?.first_chunk().copied());
    ends.map(|end| u32::from_be_bytes(end).max(1)).min().unwrap_or(0)
}
