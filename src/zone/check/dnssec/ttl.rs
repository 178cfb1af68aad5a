//! TTLs of NSEC and NSEC3 records (RFC 9077): how long validators may make up negative answers from them.

use super::{Part, Zone, text};
use crate::wire::code::rtype::{self, NSEC, NSEC3, SOA};
use crate::zone::finding::Findings;

/// Says of the first record with another TTL than the lesser of the SOA's own and its minimum, and how many there are.
pub(super) fn check(zone: &Zone, findings: &mut Findings) {
    let Some(soa) = zone.order.rrset(zone.order.top(), SOA) else { return };
    let Some(minimum) = soa.data[0].last_chunk::<4>() else { return };
    let expected = soa.ttl_secs.min(u32::from_be_bytes(*minimum));
    let owners = zone.order.owners.iter();
    let links = owners.flat_map(|owner| zone.order.records_of(owner).map(move |record| (owner, record)));
    let mut wrong = links.filter(|(_, record)| matches!(record.rtype, NSEC | NSEC3) && record.ttl_secs != expected);
    let Some((owner, record)) = wrong.next() else { return };
    let others = match wrong.count() {
        0 => String::new(),
        count => format!(", and so have {count} more"),
    };
    let (owner, kind, ttl_secs) = (text(owner.name), rtype::text(record.rtype), record.ttl_secs);
    let message = format!(
        "{owner} {kind} has TTL {ttl_secs} instead of {expected}, the lesser of the SOA's TTL and minimum{others}"
    );
    let part = Part::Word(ttl_secs.to_string());
    findings.point(true, Some(record), part, message, "sign the zone again with a signer that follows RFC 9077");
}
