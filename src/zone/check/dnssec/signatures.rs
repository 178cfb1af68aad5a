//! The signatures of each RRset (RFC 4034 section 3, RFC 4035 sections 2.2 and 5.3).

use super::{ENDS_SOON_SECS, Part, Zone, algorithm_text, near, text, time_text};
use crate::calendar;
use crate::wire::code::{class, rtype};
use crate::wire::name;
use crate::wire::serial::is_before;
use crate::zone::check::order::{Owner, Rrset};
use crate::zone::finding::Findings;
use crate::zone::records::Record;

/// Keys of one tag that are tried for a signature: with keys and signatures made for it there could be hundreds of each.
const KEYS_TRIED_MAX: usize = 8;

/// What the signatures show of the keys.
pub(super) struct Signed {
    /// Whether any signature says that it is by this key.
    pub(super) by_key: Vec<bool>,
    /// The algorithms of signatures, sorted.
    pub(super) algorithms: Vec<u8>,
}

/// An RRSIG record (RFC 4034 section 3.1).
struct Signature<'a> {
    record: &'a Record,
    covered: u16,
    algorithm: u8,
    labels: u8,
    original_ttl_secs: u32,
    expires: u32,
    begins: u32,
    tag: u16,
    signer: &'a [u8],
    /// All that stands before the signature itself.
    head: &'a [u8],
    signature: &'a [u8],
}

/// Why a signature is worth nothing, or soon will be.
enum Fault {
    /// What is wrong, what to do, and what to point at.
    Wrong(String, &'static str, Part),
    /// It is by a key that is not in the zone. Next to others such a one does no harm.
    Stranger,
}

/// Checks all of them.
pub(super) fn check(zone: &Zone, findings: &mut Findings) -> Signed {
    let algorithms = algorithms(zone);
    let parts = zone.each_part(|owners| {
        let mut part = (Findings::default(), vec![false; zone.keys.len()]);
        for owner in owners {
            check_owner(zone, owner, &algorithms, &mut part.0, &mut part.1);
        }
        part
    });
    let mut by_key = vec![false; zone.keys.len()];
    for (found, signed) in parts {
        findings.append(found);
        by_key.iter_mut().zip(signed).for_each(|(all, part)| *all |= part);
    }
    Signed { by_key, algorithms }
}

/// In how many seconds time alone next changes what is found: a signature begins, comes near its end, or is past it. `None`: never.
pub(super) fn next_change(zone: &Zone) -> Option<u32> {
    let records = zone.order.owners.iter().flat_map(|owner| zone.order.records_of(owner));
    let signatures = records
        .filter(|record| record.rtype == rtype::RRSIG)
        .filter_map(|record| Signature::read(record, zone.order.data(record)));
    // A signature is good in its last second, too.
    let moments = signatures.flat_map(|signature| {
        let past_end = signature.expires.wrapping_add(1);
        [signature.begins, past_end.wrapping_sub(ENDS_SOON_SECS), past_end]
    });
    let ahead = moments.filter(|&moment| is_before(zone.now_secs, moment));
    ahead.map(|moment| moment.wrapping_sub(zone.now_secs)).min()
}

/// Those of the zone's keys that anything is signed with: of the others it is said once, at the key.
fn algorithms(zone: &Zone) -> Vec<u8> {
    let parts = zone.each_part(|owners| {
        let mut used = [false; 256];
        for record in owners.iter().flat_map(|owner| zone.order.records_of(owner)) {
            if record.rtype == rtype::RRSIG
                && let Some(&algorithm) = zone.order.data(record).get(2)
            {
                used[usize::from(algorithm)] = true;
            }
        }
        used
    });
    (0..=255).filter(|&algorithm: &u8| parts.iter().any(|used| used[usize::from(algorithm)])).collect()
}

fn check_owner(zone: &Zone, owner: &Owner, algorithms: &[u8], findings: &mut Findings, by_key: &mut [bool]) {
    let rrsets = zone.order.rrsets(owner);
    let signatures: Vec<Signature> = rrsets
        .iter()
        .filter(|set| set.rtype == rtype::RRSIG)
        .flat_map(|set| &set.records)
        .filter_map(|record| Signature::read(record, zone.order.data(record)))
        .collect();
    for signature in &signatures {
        if !rrsets.iter().any(|set| set.rtype == signature.covered) {
            let kind = rtype::text(signature.covered);
            let message = format!("{} has a signature of {kind} records, but none of these", text(owner.name));
            findings.warning(signature.record, message, "remove it, or sign the zone again");
        }
    }
    for set in rrsets.iter().filter(|set| set.rtype != rtype::RRSIG) {
        let own: Vec<&Signature> = signatures.iter().filter(|signature| signature.covered == set.rtype).collect();
        if !owner.kind.is_authoritative(set.rtype) {
            if let Some(first) = own.first() {
                let message = format!("{} is signed, but is not authoritative here", set_text(owner, set));
                findings.error(
                    first.record,
                    message,
                    "remove the signature: the child zone has its own (RFC 4035 2.2)",
                );
            }
            continue;
        }
        check_rrset(zone, owner, set, &own, algorithms, findings, by_key);
    }
}

fn check_rrset(
    zone: &Zone,
    owner: &Owner,
    set: &Rrset,
    signatures: &[&Signature],
    algorithms: &[u8],
    findings: &mut Findings,
    by_key: &mut [bool],
) {
    if signatures.is_empty() {
        let message = format!("{} has no signature", set_text(owner, set));
        findings.point(true, set.records.first().copied(), Part::Whole, message, "sign the zone again");
        return;
    }
    let mut strangers = Vec::new();
    let mut is_good = false;
    for signature in signatures {
        match judge(zone, owner, set, signature, by_key) {
            Ok(soon) => {
                is_good = true;
                if let Some((message, part)) = soon {
                    findings.point(true, Some(signature.record), part, message, "sign the zone again");
                }
            }
            Err(Fault::Wrong(why, remedy, part)) => {
                findings.point(true, Some(signature.record), part, format!("{} {why}", set_text(owner, set)), remedy);
            }
            Err(Fault::Stranger) => strangers.push(signature),
        }
    }
    for signature in strangers {
        let (set, kind) = (set_text(owner, set), algorithm_text(signature.algorithm));
        let message = format!("{set} has a signature by key {} ({kind}), which is not in the zone", signature.tag);
        let part = Part::Word(signature.tag.to_string());
        let remedy = "publish the key, or sign the zone again with those that are there";
        findings.point(!is_good, Some(signature.record), part, message, remedy);
    }
    // RFC 4035 section 2.2: one of each algorithm that the keys have.
    let of_keys = |algorithm: &&u8| zone.keys.iter().any(|key| key.algorithm == **algorithm && key.may_sign(set.rtype));
    for algorithm in algorithms.iter().filter(of_keys) {
        if !signatures.iter().any(|signature| signature.algorithm == *algorithm) {
            let kind = algorithm_text(*algorithm);
            let message = format!("{} has no signature of {kind}, which keys of the zone have", set_text(owner, set));
            findings.point(
                true,
                set.records.first().copied(),
                Part::Whole,
                message,
                "sign the zone again with all keys",
            );
        }
    }
}

/// Whether a signature is good at this time; and if it ends soon, that.
fn judge(
    zone: &Zone,
    owner: &Owner,
    set: &Rrset,
    signature: &Signature,
    by_key: &mut [bool],
) -> Result<Option<(String, Part)>, Fault> {
    // Two keys may have one tag.
    let is_of = |number: &usize| {
        let key = &zone.keys[*number];
        key.tag == signature.tag && key.algorithm == signature.algorithm
    };
    let keys: Vec<usize> = (0..zone.keys.len()).filter(is_of).take(KEYS_TRIED_MAX).collect();
    keys.iter().for_each(|&number| by_key[number] = true);
    let wrong = |why: String, remedy| Err(Fault::Wrong(why, remedy, Part::Whole));
    let word = |value: u32| Part::Word(value.to_string());
    let again = "sign the zone again";
    if !signature.signer.eq_ignore_ascii_case(zone.order.apex.as_wire()) {
        let why = format!("is signed in the name of {}, not of {}", text(signature.signer), zone.order.apex);
        return wrong(why, "sign it with the zone's own keys (RFC 4035 section 5.3.1)");
    }
    // RFC 4034 section 3.1.3: neither the root nor a leading asterisk counts.
    let labels = name::labels(owner.name).count() - usize::from(owner.name.starts_with(b"\x01*"));
    if usize::from(signature.labels) != labels {
        let why = format!("has a signature for {} labels, but its name has {labels}", signature.labels);
        return Err(Fault::Wrong(why, again, word(signature.labels.into())));
    }
    if signature.original_ttl_secs != set.ttl_secs {
        let why = format!("has TTL {}, but is signed with {}", set.ttl_secs, signature.original_ttl_secs);
        return Err(Fault::Wrong(
            why,
            "sign the zone again after TTLs were changed",
            word(signature.original_ttl_secs),
        ));
    }
    if signature.record.ttl_secs != set.ttl_secs {
        let why = format!("has TTL {}, but its signature has {}", set.ttl_secs, signature.record.ttl_secs);
        return wrong(why, "give the RRSIG record the TTL of what it signs (RFC 4034 section 3)");
    }
    let time = |value: u32| time_text(value, zone.now_secs);
    let at = |value: u32| Part::Word(calendar::compact(near(value, zone.now_secs)));
    if is_before(signature.expires, signature.begins) {
        let why = format!(
            "has a signature that ends at {} before it begins at {}",
            time(signature.expires),
            time(signature.begins)
        );
        return Err(Fault::Wrong(why, again, at(signature.expires)));
    }
    if is_before(signature.expires, zone.now_secs) {
        let why = format!("has a signature that expired at {}", time(signature.expires));
        return Err(Fault::Wrong(why, again, at(signature.expires)));
    }
    if is_before(zone.now_secs, signature.begins) {
        let why = format!("has a signature that is not valid before {}", time(signature.begins));
        return Err(Fault::Wrong(why, "look at the signer's clock, or wait", at(signature.begins)));
    }
    let Some(&first) = keys.first() else { return Err(Fault::Stranger) };
    let message = signature.message(owner, set);
    let is_by = |number: &&usize| {
        let key = &zone.keys[**number];
        key.may_sign(set.rtype) && (!key.is_known() || key.verifies(&message, signature.signature))
    };
    if !keys.iter().any(|number| is_by(&number)) {
        let key = zone.keys[first].text();
        return match zone.keys[first].may_sign(set.rtype) {
            true => wrong(
                format!("has a signature by {key} that does not verify"),
                "sign the zone again: records or signature were changed since",
            ),
            false => wrong(
                format!("has a signature by {key}, which may not sign it"),
                "sign with a zone key that is not revoked",
            ),
        };
    }
    if is_before(signature.expires, zone.now_secs.wrapping_add(ENDS_SOON_SECS)) {
        let message = format!("{} has a signature that ends at {}", set_text(owner, set), time(signature.expires));
        return Ok(Some((message + ", within 3 days", at(signature.expires))));
    }
    Ok(None)
}

fn set_text(owner: &Owner, set: &Rrset) -> String {
    format!("{} {}", text(owner.name), rtype::text(set.rtype))
}

impl<'a> Signature<'a> {
    /// `None`: it is malformed, which the parser has told.
    fn read(record: &'a Record, rdata: &'a [u8]) -> Option<Signature<'a>> {
        let (fixed, rest) = rdata.split_first_chunk::<18>()?;
        let signer_len = name::wire_len(rest).ok()?;
        let (signer, signature) = rest.split_at(signer_len);
        let u32_at = |at: usize| u32::from_be_bytes(std::array::from_fn(|octet| fixed[at + octet]));
        Some(Signature {
            record,
            covered: u16::from_be_bytes([fixed[0], fixed[1]]),
            algorithm: fixed[2],
            labels: fixed[3],
            original_ttl_secs: u32_at(4),
            expires: u32_at(8),
            begins: u32_at(12),
            tag: u16::from_be_bytes([fixed[16], fixed[17]]),
            signer,
            head: &rdata[..18 + signer_len],
            signature,
        })
    }

    /// What is signed (RFC 4034 section 3.1.8.1): the record without the signature, then the RRset in canonical form.
    fn message(&self, owner: &Owner, set: &Rrset) -> Vec<u8> {
        let len: usize = set.data.iter().map(|rdata| owner.name.len() + 10 + rdata.len()).sum();
        let mut message = Vec::with_capacity(self.head.len() + len);
        message.extend_from_slice(self.head);
        // Length octets are no letters.
        message[18..].make_ascii_lowercase();
        for rdata in &set.data {
            let from = message.len();
            message.extend_from_slice(owner.name);
            message[from..].make_ascii_lowercase();
            message.extend_from_slice(&set.rtype.to_be_bytes());
            message.extend_from_slice(&class::IN.to_be_bytes());
            message.extend_from_slice(&self.original_ttl_secs.to_be_bytes());
            message.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            message.extend_from_slice(rdata);
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::super::judge;
    use super::ENDS_SOON_SECS;
    use crate::zone::parse::{Options, parse_text};

    #[test]
    fn findings_hold_until_a_signature_begins_or_ends() {
        let (begins, ends) = (1_000_000, 2_000_000);
        let text = format!("$TTL 60\n@ SOA . . 1 2 3 4 5\n@ NS .\n@ RRSIG NS 13 1 60 {ends} {begins} 1 @ AAAA\n");
        let apex = "example".parse().unwrap();
        let parsed = parse_text("t", text, &apex, &Options::default());
        assert!(!parsed.has_errors());
        let judged = |now_secs: u64| judge(&apex, &parsed.records, now_secs, 1);
        let soon = ends + 1 - u64::from(ENDS_SOON_SECS);
        for (now_secs, until_secs) in [
            (1, Some(begins)),
            (begins - 1, Some(begins)),
            (begins, Some(soon)),
            (soon, Some(ends + 1)),
            (ends, Some(ends + 1)),
            (ends + 1, None),
        ] {
            assert_eq!(judged(now_secs).holds_until_secs, until_secs, "at {now_secs}");
        }
        // What is found changes then, and not before.
        for change in [begins, ends + 1] {
            assert_eq!(judged(change - 2).findings, judged(change - 1).findings, "before {change}");
            assert_ne!(judged(change - 1).findings, judged(change).findings, "at {change}");
        }
        let after_wrap = (1 << 32) + begins;
        assert_eq!(judged(after_wrap - 1).holds_until_secs, Some(after_wrap), "times are those of RFC 1982");
    }
}
