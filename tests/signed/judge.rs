//! Compares a response with what is due, section by section.

use crate::message::{AA, NEVER, QR, RD, TC};
use crate::model::{Expected, World};
use crate::record::{NSEC, NSEC3, RRSIG, Record, Response};
use crate::world::Asked;
use crate::zone::Found;
use catchment::wire::code::rtype;
use std::collections::BTreeSet;

/// A difference: what kind, and which record.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// The same for all that probably have the same cause.
    pub(crate) kind: String,
    pub(crate) record: String,
}

/// One response, beside what it should be. No faults: it is right.
pub(crate) fn judge(world: &World, asked: &Asked, expected: &Expected, got: &Response) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |kind: String, record: String| faults.push(Fault { kind, record });
    if got.rcode() != expected.rcode {
        fault(format!("RCODE is {}, should be {}", got.rcode(), expected.rcode), String::new());
    }
    let due = QR | if expected.authoritative { AA } else { 0 } | if asked.recursion_desired { RD } else { 0 };
    if got.flags & (QR | AA | TC | RD | NEVER) != due {
        fault("flags".into(), format!("{:04x}, should be {due:04x}", got.flags));
    }
    let sections = [("answer", &got.answer), ("authority", &got.authority), ("additional", &got.additional)];
    for (section, records) in sections {
        twice(records)
            .into_iter()
            .for_each(|record| fault(of(&format!("twice in {section}"), record), record.to_string()));
    }
    let answer = set(&got.answer);
    let is_part = expected.is_part_enough && !answer.is_empty() && answer.is_subset(&expected.answer);
    if !is_part {
        differences("answer", &expected.answer, &answer, &mut fault);
    }
    let mut authority = set(&got.authority);
    let mut wanted = expected.authority.clone();
    if expected.is_unprovable {
        // What a server says instead of a proof that can't be had is its own affair.
        let is_proof = |record: &Record| [NSEC, NSEC3].contains(&record.covered().unwrap_or(record.rtype));
        authority.retain(|record| !is_proof(record));
        wanted.retain(|record| !is_proof(record));
    }
    differences("authority", &wanted, &authority, &mut fault);
    let additional = set(&got.additional);
    for record in expected.glue.difference(&additional) {
        fault(of("missing in additional", record), record.to_string());
    }
    for record in additional.difference(&expected.glue) {
        if let Err(why) = additional_is_true(world, asked, record, &additional) {
            fault(of(&format!("{why} in additional"), record), record.to_string());
        }
    }
    faults
}

/// What else is useful must be as the zone has it, each RRset with all of its signatures or none (RFC 4035 section 3.1.1).
fn additional_is_true(
    world: &World,
    asked: &Asked,
    record: &Record,
    additional: &BTreeSet<Record>,
) -> Result<(), &'static str> {
    if record.rtype == RRSIG && !asked.question.dnssec_ok {
        return Err("a signature without DO");
    }
    let rtype = record.covered().unwrap_or(record.rtype);
    let rrsets = world.0.iter().filter_map(|zone| zone.nodes.get(&record.owner)?.get(&rtype));
    if is_synthesized(world, record) == Some(true) {
        return Ok(());
    }
    let rrsets: Vec<_> =
        rrsets.filter(|rrset| rrset.records.contains(record) || rrset.signatures.contains(record)).collect();
    if rrsets.is_empty() {
        return Err("in no zone, but");
    }
    let is_whole = |rrset: &&&crate::zone::Rrset| {
        let count = rrset.signatures.iter().filter(|signature| additional.contains(signature)).count();
        let is_all = rrset.records.iter().all(|record| additional.contains(record));
        is_all && (count == 0 || count == rrset.signatures.len())
    };
    if rrsets.iter().any(|rrset| is_whole(&rrset)) { Ok(()) } else { Err("only a part") }
}

/// Whether it is a wildcard's record under another name.
fn is_synthesized(world: &World, record: &Record) -> Option<bool> {
    let zone = world.zone_of(&record.owner, record.rtype)?;
    let Found::Wildcard { wildcard, .. } = zone.find(&record.owner, record.rtype) else { return None };
    let source = Record { owner: wildcard.clone(), ..record.clone() };
    let rrset = zone.nodes.get(&wildcard)?.get(&record.covered().unwrap_or(record.rtype))?;
    Some(rrset.records.contains(&source) || rrset.signatures.contains(&source))
}

fn set(records: &[Record]) -> BTreeSet<Record> {
    records.iter().cloned().collect()
}

fn twice(records: &[Record]) -> Vec<&Record> {
    let mut seen = BTreeSet::new();
    records.iter().filter(|record| !seen.insert(*record)).collect()
}

fn differences(section: &str, due: &BTreeSet<Record>, got: &BTreeSet<Record>, fault: &mut impl FnMut(String, String)) {
    due.difference(got).for_each(|record| fault(of(&format!("missing in {section}"), record), record.to_string()));
    got.difference(due).for_each(|record| fault(of(&format!("needless in {section}"), record), record.to_string()));
}

/// A kind of fault: of records of this type, or of what covers it.
fn of(what: &str, record: &Record) -> String {
    format!("{what}: {}", rtype::text(record.covered().unwrap_or(record.rtype)))
}
