//! NSEC3 chains (RFC 5155): the hash of each name leads to the next hash, the last to the first.

use super::{Zone, bitmap, bitmap_fault, text};
use crate::wire::code::rtype::{NS, NSEC, NSEC3, NSEC3PARAM, RRSIG};
use crate::wire::name;
use crate::zone::check::order::{Kind, Owner};
use crate::zone::finding::{Findings, Part};
use crate::zone::layout::ITERATIONS_MAX;
use crate::zone::nsec3::{self, Hash};
use crate::zone::records::Record;
use std::collections::{HashMap, HashSet};

/// Opt-out (RFC 5155 section 3.1.2.1).
const OPT_OUT: u8 = 1;

/// What names are hashed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parameters<'a> {
    algorithm: u8,
    iterations: u16,
    salt: &'a [u8],
}

/// An NSEC3 record (RFC 5155 section 3).
struct Link<'a> {
    record: &'a Record,
    owner: &'a [u8],
    flags: u8,
    next: &'a [u8],
    types: &'a [u8],
}

/// A name that must or may have a link.
struct Needed<'z, 'a> {
    owner: &'z Owner<'a>,
    /// Not where opt-out may leave it out.
    always: bool,
}

/// Checks the chains, if there is one.
pub(super) fn check(zone: &Zone, findings: &mut Findings) -> bool {
    let records = |kind: u16| {
        let owners =
            zone.order.owners.iter().filter(move |owner| kind == NSEC3 || std::ptr::eq(*owner, zone.order.top()));
        owners.flat_map(move |owner| {
            zone.order
                .records_of(owner)
                .filter(move |record| record.rtype == kind)
                .map(move |record| (owner.name, record))
        })
    };
    let mut chains: Vec<(Parameters, HashMap<Hash, Link>)> = Vec::new();
    for (_, record) in records(NSEC3PARAM) {
        // Other flags than 0 are not for servers (RFC 5155 section 4.1.2).
        match Parameters::read(zone.order.data(record)) {
            Some((parameters, 0, _)) if chains.iter().all(|(known, _)| *known != parameters) => {
                if parameters.algorithm != nsec3::SHA1 {
                    let message = format!("NSEC3 hash algorithm {} is not known", parameters.algorithm);
                    findings.error(record, message, "use 1, SHA-1: there is no other (RFC 5155 section 11)");
                }
                chains.push((parameters, HashMap::new()));
            }
            _ => {}
        }
    }
    let mut has_nsec3 = false;
    let mut strays = 0;
    for (owner, record) in records(NSEC3) {
        has_nsec3 = true;
        let Some((parameters, link)) = Link::read(owner, record, zone.order.data(record)) else { continue };
        let known = chains.iter_mut().find(|(known, _)| *known == parameters);
        let Some((_, links)) = known else {
            strays += 1;
            if strays == 1 {
                let message =
                    format!("NSEC3 record of {}: no NSEC3PARAM record at the apex has its parameters", text(owner));
                findings.error(
                    record,
                    message,
                    "sign the zone again: servers would not use the chain (RFC 5155 section 7.1)",
                );
            }
            continue;
        };
        match hash_of(owner, zone) {
            Some(hash) => {
                if links.insert(hash, link).is_some() {
                    let message = format!("{} has more than one NSEC3 record with the same parameters", text(owner));
                    findings.error(record, message, "sign the zone again");
                }
            }
            None => {
                let message = format!("{} has an NSEC3 record, but is no hash below {}", text(owner), zone.order.apex);
                findings.point(true, Some(record), Part::Owner, message, "sign the zone again");
            }
        }
    }
    for (parameters, links) in &chains {
        if parameters.algorithm == nsec3::SHA1 && parameters.iterations <= ITERATIONS_MAX {
            check_chain(zone, parameters, links, findings);
        }
    }
    has_nsec3
}

fn check_chain(zone: &Zone, parameters: &Parameters, links: &HashMap<Hash, Link>, findings: &mut Findings) {
    let again = "sign the zone again";
    if links.is_empty() {
        let message = format!("{} has an NSEC3PARAM record, but no NSEC3 records of its parameters", zone.order.apex);
        return findings.zone(&message, again);
    }
    let needed = needed(zone);
    let hashes = hashes(zone, parameters, &needed);
    let mut sorted: Vec<&Hash> = links.keys().collect();
    sorted.sort_unstable();
    // RFC 5155 section 7.1: the next hash in order, that of the last link is the first.
    for (nth, hash) in sorted.iter().enumerate() {
        let (link, next) = (&links[*hash], sorted[(nth + 1) % sorted.len()]);
        if link.next != next {
            let (to, next) = (hash_text(link.next), hash_text(next));
            let message = format!("the NSEC3 record of {} leads to {to} instead of {next}", text(link.owner));
            findings.point(true, Some(link.record), Part::Word(to), message, again);
        }
    }
    let mut known = HashSet::<&Hash>::with_capacity(links.len());
    for (needed, hash) in needed.iter().zip(&hashes) {
        let owner = needed.owner;
        let Some(link) = links.get(hash) else {
            // The link that covers it must say that something may be left out.
            let at = sorted.partition_point(|known| *known < hash);
            let covering = sorted.get(at.wrapping_sub(1)).or(sorted.last()).and_then(|hash| links.get(*hash));
            if needed.always || covering.is_none_or(|link| link.flags & OPT_OUT == 0) {
                let first = zone.order.records_of(owner).next();
                let message = format!("{} has no NSEC3 record: {} is missing", text(owner.name), hash_text(hash));
                findings.point(true, first, Part::Owner, message, again);
            }
            continue;
        };
        known.insert(hash);
        let rrsets = zone.order.rrsets(owner);
        let is_signed = |rtype| owner.kind.is_authoritative(rtype);
        let mut expected: Vec<u16> = rrsets
            .iter()
            .map(|set| set.rtype)
            // Both chains may be there while one takes over: NSEC is of the other.
            .filter(|&rtype| rtype == NS || rtype == RRSIG || is_signed(rtype) && rtype != NSEC)
            .collect();
        // At a delegation that has but NSEC signed there is nothing that this chain speaks of.
        if let Kind::Cut { is_secure: false } = owner.kind {
            expected.retain(|&rtype| rtype != RRSIG);
        }
        let found = bitmap(link.types).map(|mut found| {
            found.retain(|&rtype| rtype != NSEC);
            if owner.kind == (Kind::Cut { is_secure: false }) {
                found.retain(|&rtype| rtype != RRSIG);
            }
            found
        });
        if let Some(fault) = found.map_or(Some("is malformed".into()), |found| bitmap_fault(&found, &expected)) {
            let message = format!("the list of types in the NSEC3 record of {} {fault}", text(owner.name));
            findings.error(link.record, message, again);
        }
    }
    for hash in sorted.iter().filter(|hash| !known.contains(**hash)) {
        let link = &links[*hash];
        let message = format!("{} is the hash of no name of the zone", text(link.owner));
        findings.point(true, Some(link.record), Part::Owner, message, again);
    }
}

/// The names that have links: all that exist, and where there is opt-out not all of them must (RFC 5155 section 7.1).
fn needed<'z, 'a>(zone: &'z Zone<'a>) -> Vec<Needed<'z, 'a>> {
    let owners = zone.order.owners.iter().filter(|owner| !matches!(owner.kind, Kind::Hidden | Kind::Hash));
    let mut needed: Vec<Needed> = owners
        .map(|owner| Needed { owner, always: !matches!(owner.kind, Kind::Empty | Kind::Cut { is_secure: false }) })
        .collect();
    // An empty non-terminal is needed by what is below: that follows it. So from the back, with the last name that is needed.
    let mut below: &[u8] = &[];
    for needed in needed.iter_mut().rev() {
        let is_above = !below.is_empty() && name::is_at_or_below(below, needed.owner.name);
        needed.always |= needed.owner.kind == Kind::Empty && is_above;
        if needed.always {
            below = needed.owner.name;
        }
    }
    needed
}

/// The hashes of the names, in their order.
fn hashes(zone: &Zone, parameters: &Parameters, needed: &[Needed]) -> Vec<Hash> {
    let part = needed.len().div_ceil(zone.threads).max(1);
    std::thread::scope(|scope| {
        let hash_part =
            |part: &[Needed]| -> Vec<Hash> { part.iter().map(|needed| parameters.hash(needed.owner.name)).collect() };
        let threads: Vec<_> = needed.chunks(part).map(|part| scope.spawn(move || hash_part(part))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("hashing doesn't panic")).collect()
    })
}

impl<'a> Parameters<'a> {
    /// The fields that NSEC3PARAM and NSEC3 begin with: parameters, flags, and what follows.
    fn read(rdata: &'a [u8]) -> Option<(Parameters<'a>, u8, &'a [u8])> {
        let (&[algorithm, flags, i0, i1, salt_len], rest) = rdata.split_first_chunk::<5>()?;
        let (salt, rest) = rest.split_at_checked(salt_len.into())?;
        Some((Parameters { algorithm, iterations: u16::from_be_bytes([i0, i1]), salt }, flags, rest))
    }

    fn hash(&self, name: &[u8]) -> Hash {
        nsec3::hash(&name.to_ascii_lowercase(), self.salt, self.iterations)
    }
}

impl<'a> Link<'a> {
    fn read(owner: &'a [u8], record: &'a Record, rdata: &'a [u8]) -> Option<(Parameters<'a>, Link<'a>)> {
        let (parameters, flags, rest) = Parameters::read(rdata)?;
        let (&len, rest) = rest.split_first()?;
        let (next, types) = rest.split_at_checked(len.into())?;
        Some((parameters, Link { record, owner, flags, next, types }))
    }
}

/// The hash that an owner's first label is, the apex behind it.
fn hash_of(owner: &[u8], zone: &Zone) -> Option<Hash> {
    let (&len, rest) = owner.split_first()?;
    let (label, above) = rest.split_at_checked(len.into())?;
    (above.len() == zone.order.apex.as_wire().len()).then(|| nsec3::from_label(label))?
}

/// A hash as names have it; of another length than any that is known, in hexadecimal.
fn hash_text(hash: &[u8]) -> String {
    match Hash::try_from(hash) {
        Ok(hash) => String::from_utf8_lossy(&nsec3::label(&hash)).into_owned(),
        Err(_) => hash.iter().map(|octet| format!("{octet:02X}")).collect(),
    }
}
