//! The NSEC chain (RFC 4034 section 4, RFC 4035 section 2.3): each name leads to the next one in canonical order, and the last to
//! the apex.

use super::{Zone, bitmap, bitmap_fault, text};
use crate::wire::code::rtype::{NSEC, RRSIG};
use crate::wire::name;
use crate::zone::check::order::{Kind, Owner};
use crate::zone::finding::{Findings, Part};

/// Checks the chain, if there is one.
pub(super) fn check(zone: &Zone, findings: &mut Findings) -> bool {
    let has_nsec = |owner: &Owner| zone.order.records_of(owner).any(|record| record.rtype == NSEC);
    if !zone.order.owners.iter().any(has_nsec) {
        return false;
    }
    for owner in zone.order.owners.iter().filter(|owner| owner.kind == Kind::Hidden && has_nsec(owner)) {
        let record = zone.order.records_of(owner).find(|record| record.rtype == NSEC);
        let message = format!("{} has an NSEC record, but is hidden by a delegation or DNAME", text(owner.name));
        findings.point(true, record, Part::Owner, message, "sign the zone again");
    }
    let links: Vec<&Owner> = zone.order.owners.iter().filter(|owner| Zone::is_linked(owner)).collect();
    for (nth, owner) in links.iter().enumerate() {
        let next = links.get(nth + 1).map_or(zone.order.apex.as_wire(), |next| next.name);
        check_link(zone, owner, next, findings);
    }
    true
}

fn check_link(zone: &Zone, owner: &Owner, next: &[u8], findings: &mut Findings) {
    let again = "sign the zone again";
    let rrsets = zone.order.rrsets(owner);
    let here = || text(owner.name);
    let Some(nsec) = rrsets.iter().find(|set| set.rtype == NSEC) else {
        let first = rrsets.first().and_then(|set| set.records.first()).copied();
        findings.point(true, first, Part::Owner, format!("{} has no NSEC record", here()), again);
        return;
    };
    let record = nsec.records[0];
    if nsec.data.len() > 1 {
        findings.error(nsec.records[1], format!("{} has more than one NSEC record", here()), again);
    }
    if rrsets.iter().all(|set| matches!(set.rtype, NSEC | RRSIG)) {
        let message = format!("{} has an NSEC record, but nothing else", here());
        findings.error(record, message, "sign the zone again: there is no such name (RFC 4035 section 2.3)");
        return;
    }
    let data = zone.order.data(record);
    let Ok(len) = name::wire_len(data) else { return };
    let (to, types) = data.split_at(len);
    if !to.eq_ignore_ascii_case(next) {
        let message = format!("the NSEC record of {} leads to {} instead of {}", here(), text(to), text(next));
        findings.point(true, Some(record), Part::Name(to.into()), message, again);
    }
    let expected: Vec<u16> = rrsets
        .iter()
        .map(|set| set.rtype)
        .filter(|&rtype| match owner.kind {
            // The delegation's NS records are named, what they hide is not.
            Kind::Cut { .. } => {
                rtype == RRSIG || rtype == crate::wire::code::rtype::NS || owner.kind.is_authoritative(rtype)
            }
            _ => true,
        })
        .collect();
    if let Some(fault) = bitmap(types).map_or(Some("is malformed".into()), |found| bitmap_fault(&found, &expected)) {
        let message = format!("the list of types in the NSEC record of {} {fault}", here());
        findings.error(record, message, again);
    }
}
