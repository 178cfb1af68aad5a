//! The digest over the whole zone (RFC 8976), of the scheme SIMPLE.

use crate::wire::code::{class, rtype};
use crate::zone::check::order::{Kind, Order};
use crate::zone::finding::{Findings, Part};
use ring::digest;

/// Scheme SIMPLE (section 3.3.1).
const SIMPLE: u8 = 1;

/// Checks all ZONEMD records of the apex.
pub(super) fn check(order: &Order, findings: &mut Findings) {
    let Some(set) = order.rrset(order.top(), rtype::ZONEMD) else { return };
    let serial = order.rrset(order.top(), rtype::SOA).and_then(|soa| {
        let (_, numbers) = soa.data.first()?.split_last_chunk::<20>()?;
        numbers.first_chunk::<4>().copied()
    });
    for record in &set.records {
        let rdata = order.data(record);
        let Some((&[s0, s1, s2, s3, scheme, algorithm], digest)) = rdata.split_first_chunk::<6>() else { continue };
        let algorithm = match (scheme, algorithm) {
            (SIMPLE, 1) => &digest::SHA384,
            (SIMPLE, 2) => &digest::SHA512,
            _ => {
                let message =
                    format!("ZONEMD of scheme {scheme} and hash algorithm {algorithm} can't be verified here");
                findings.warning(record, message, "use scheme 1 and hash algorithm 1 (RFC 8976 section 5)");
                continue;
            }
        };
        let same = |other: &&&crate::zone::records::Record| order.data(other)[4..6] == rdata[4..6];
        if set.records.iter().filter(same).any(|other| order.data(other) != rdata) {
            let message = "two ZONEMD records have the same scheme and hash algorithm: neither is used".into();
            findings.error(record, message, "keep one (RFC 8976 section 2.2)");
            continue;
        }
        if serial.is_some_and(|serial| serial != [s0, s1, s2, s3]) {
            let (own, serial) = (u32::from_be_bytes([s0, s1, s2, s3]), u32::from_be_bytes(serial.unwrap_or_default()));
            let message = format!("ZONEMD is of serial {own}, the SOA's is {serial}");
            let part = Part::Word(own.to_string());
            findings.point(true, Some(record), part, message, "compute it again after each change");
            continue;
        }
        if compute(order, algorithm).as_ref() != digest {
            let message = "the ZONEMD digest is not that of the zone".into();
            let remedy = "compute it again as the last step, or find out who changed the zone since";
            findings.error(record, message, remedy);
        }
    }
}

/// Section 3.4: all records but the apex's ZONEMD and its signatures, in canonical form and order, none twice.
fn compute(order: &Order, algorithm: &'static digest::Algorithm) -> digest::Digest {
    let mut context = digest::Context::new(algorithm);
    let mut wire = Vec::new();
    for owner in order.owners.iter().filter(|owner| owner.kind != Kind::Empty) {
        let is_apex = std::ptr::eq(owner, order.top());
        let name = owner.name.to_ascii_lowercase();
        for set in order.rrsets(owner) {
            if is_apex && set.rtype == rtype::ZONEMD {
                continue;
            }
            for rdata in &set.data {
                // Signatures have the TTLs of what they sign, each its own.
                let covered = rdata.first_chunk::<2>().filter(|_| set.rtype == rtype::RRSIG);
                if is_apex && covered == Some(&rtype::ZONEMD.to_be_bytes()) {
                    continue;
                }
                let ttl_secs = covered.and_then(|covered| {
                    let same = set.records.iter().filter(|record| order.data(record).starts_with(covered));
                    same.map(|record| record.ttl_secs).min()
                });
                wire.clear();
                wire.extend_from_slice(&name);
                wire.extend_from_slice(&set.rtype.to_be_bytes());
                wire.extend_from_slice(&class::IN.to_be_bytes());
                wire.extend_from_slice(&ttl_secs.unwrap_or(set.ttl_secs).to_be_bytes());
                wire.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
                wire.extend_from_slice(rdata);
                context.update(&wire);
            }
        }
    }
    context.finish()
}
