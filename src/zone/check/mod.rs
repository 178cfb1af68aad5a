//! What is wrong with a zone's content, or likely to be, beyond what keeps it from being compiled.
//!
//! Pure: names and records in, findings out. The compiler asks for the checks of each name while it has its records at hand, so that
//! `serve`, `publish` and `check` say the same, and it costs them little.
//!
//! ```text
//! targets      what NS, MX, SRV, SVCB and HTTPS records point to: not there, an alias, without an address; glue
//! occlusion    data that a delegation or DNAME hides
//! dots         names that look as if they lacked their final dot
//! soa          timers and mailbox
//! svcb         modes of SVCB and HTTPS (RFC 9460)
//! ```
//!
//! One record that no name server may be without (SOA, NS), CNAMEs beside other data, TTLs and duplicates are the compiler's own.

pub mod dnssec;
mod dots;
mod occlusion;
mod order;
mod soa;
mod svcb;
mod targets;

use super::cores::in_parts;
use super::finding::{Findings, Part};
use super::names::{NameEntry, Names};
use super::records::{Record, Records};
use crate::wire::name::{Name, Text};

/// A zone's content as the checks see it.
#[derive(Clone, Copy)]
pub(in crate::zone) struct Content<'a> {
    pub(in crate::zone) apex: &'a Name,
    pub(in crate::zone) records: &'a Records,
    pub(in crate::zone) names: &'a Names<'a>,
}

impl<'a> Content<'a> {
    /// The owner's absolute name in wire form.
    fn owner(&self, entry: &NameEntry) -> Vec<u8> {
        [self.names.relative(entry), self.apex.as_wire()].concat()
    }

    fn owner_text(&self, entry: &NameEntry) -> String {
        Text(&self.owner(entry)).to_string()
    }

    fn has(&self, entry: &NameEntry, rtype: u16) -> bool {
        self.names.records_of(entry).any(|record| record.rtype == rtype)
    }

    /// The record of a name with this data, as written.
    fn record(&self, entry: &NameEntry, rtype: u16, rdata: &[u8]) -> Option<Record> {
        self.names.records_of(entry).find(|record| record.rtype == rtype && self.records.rdata(record) == rdata)
    }

    /// The first record in the text, of those of a name, that is so.
    fn first(&self, entry: &NameEntry, is_so: impl Fn(&Record) -> bool) -> Option<Record> {
        let records = self.names.records_of(entry).filter(|record| is_so(record));
        records.min_by_key(|record| (record.file, record.line))
    }

    /// The records of a name of one type, in the order of the text.
    fn of_type(&self, entry: &NameEntry, rtype: u16) -> Vec<Record> {
        let mut records: Vec<_> = self.names.records_of(entry).filter(|record| record.rtype == rtype).collect();
        records.sort_by_key(|record| (record.file, record.line));
        records
    }
}

/// Checks one name and its records, but not what these point to. What is found about delegations with NS and DS records alone, [`delegation`] has to
/// find too.
pub(in crate::zone) fn name(content: &Content, entry: &NameEntry, findings: &mut Findings) {
    if entry.is_apex() {
        soa::check(content, entry, findings);
    }
    if entry.is_hidden() || entry.is_cut() {
        occlusion::check(content, entry, findings);
    }
    dots::owner(content, entry, findings);
    let mut has_services = false;
    for record in content.names.records_of(entry) {
        has_services |= svcb::is_service(record.rtype);
        // What is looked up is told with what was found.
        if !targets::is_pointer(record.rtype) {
            dots::data(content, entry, &record, findings);
        }
    }
    if has_services {
        svcb::check(content, entry, findings);
    }
}

/// Checks a delegation that has nothing but name servers outside the zone, and DS records, in which no names are.
pub(in crate::zone) fn delegation(content: &Content, entry: &NameEntry, findings: &mut Findings) {
    dots::owner(content, entry, findings);
}

/// Checks what a record of `entry` points to, by the number that the name was found under.
pub(in crate::zone) fn target(
    content: &Content,
    entry: &NameEntry,
    rtype: u16,
    rdata: &[u8],
    target: &[u8],
    found: Option<usize>,
    findings: &mut Findings,
) {
    targets::check(content, &targets::Pointer { entry, rtype, rdata, target }, found, findings);
}

/// Checks for addresses below delegations that are no glue. `is_used`: by the number of a name, whether any record needs its
/// addresses.
pub(in crate::zone) fn glue(content: &Content, is_used: impl Fn(usize) -> bool + Sync, findings: &mut Findings) {
    let names = content.names;
    let parts = in_parts(names.cores(), names.len(), |part| {
        let mut findings = Findings::default();
        part.filter(|&number| !is_used(number))
            .for_each(|number| occlusion::glue(content, names.at(number), &mut findings));
        findings
    });
    parts.into_iter().for_each(|found| findings.append(found));
}
