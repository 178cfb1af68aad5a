//! Whether a signed zone is signed well: every check that a validator will make, made before the zone is out.
//!
//! Pure, but on several threads: a signature takes some 50 microseconds, and a zone has one or two an RRset.
//!
//! ```text
//! keys         DNSKEY, DS, CDS and CDNSKEY records; the verification of one signature
//! signatures   each authoritative RRset: who signed it, for how long, whether it verifies
//! nsec, nsec3  the chains: no link missing, none wrong
//! ttl          TTLs of the chains' records (RFC 9077)
//! zonemd       the digest over the whole zone (RFC 8976)
//! delegation   DS records beside the keys of a child, if that zone is at hand too
//! ```
//!
//! Whether errors here are errors of the zone, or but warnings, is for the caller to say (`check --dnssec`).

mod delegation;
mod keys;
mod nsec;
mod nsec3;
mod signatures;
mod ttl;
mod zonemd;

use super::order::{Kind, Order, Owner};
use crate::calendar;
use crate::wire::code::rtype;
use crate::wire::name::{Name, Text};
use crate::zone::finding::{Finding, Findings, Part};
use crate::zone::records::Records;
pub(in crate::zone) use delegation::Ends;
use keys::Key;

/// Signatures that end within this are told of: three days, so that there is a weekend to act.
pub const ENDS_SOON_SECS: u32 = 3 * 86_400;

/// What was found out.
pub struct Judgement {
    /// Whether there are any of DNSKEY, RRSIG, NSEC and NSEC3.
    pub is_signed: bool,
    /// All that is wrong. Errors are what keeps validators from believing the zone, or parts of it; none is fatal.
    pub findings: Vec<Finding>,
    /// From when on these would be others by time alone, in seconds since 1970: a signature begins, ends, or will end soon. `None`: never.
    pub holds_until_secs: Option<u64>,
}

/// A signed zone.
struct Zone<'a> {
    order: &'a Order<'a>,
    keys: Vec<Key<'a>>,
    now_secs: u32,
    threads: usize,
}

/// Judges the zone at a time, in seconds since 1970, on so many threads.
pub fn judge(apex: &Name, records: &Records, now_secs: u64, threads: usize) -> Judgement {
    use rtype::{DNSKEY, NSEC, NSEC3, RRSIG, ZONEMD};
    let is_signed = records.iter().any(|record| matches!(record.rtype, DNSKEY | RRSIG | NSEC | NSEC3));
    let has_digest = records.iter().any(|record| record.rtype == ZONEMD);
    let mut judgement = Judgement { is_signed, findings: Vec::new(), holds_until_secs: None };
    if !is_signed && !has_digest {
        return judgement;
    }
    // Records outside the zone, or none at its apex, are said of elsewhere.
    let Some(order) = Order::new(apex, records) else { return judgement };
    let mut findings = Findings::default();
    if has_digest {
        zonemd::check(&order, &mut findings);
    }
    if is_signed {
        let keys = keys::read(&order, &mut findings);
        // Times in signatures are those of RFC 1982: the lower 32 bits.
        let zone = Zone { order: &order, keys, now_secs: now_secs as u32, threads: threads.max(1) };
        let signed = signatures::check(&zone, &mut findings);
        keys::check(&zone, &signed, &mut findings);
        let has_nsec = nsec::check(&zone, &mut findings);
        let has_nsec3 = nsec3::check(&zone, &mut findings);
        if !has_nsec && !has_nsec3 {
            let message = format!("{apex} is signed, but has neither NSEC nor NSEC3 records");
            findings.zone(&message, "sign it again: validators can't believe that a name does not exist");
        }
        ttl::check(&zone, &mut findings);
        judgement.holds_until_secs = signatures::next_change(&zone).map(|secs| now_secs + u64::from(secs));
    }
    judgement.findings = findings.finish();
    // It can be served all the same.
    judgement.findings.iter_mut().for_each(|finding| finding.fatal = false);
    judgement
}

impl<'a> Zone<'a> {
    /// Does `work` to all names, a part of them on each thread; what comes back is in their order.
    fn each_part<T: Send>(&self, work: impl Fn(&[Owner<'a>]) -> T + Sync) -> Vec<T> {
        /// A thread is not worth it for fewer.
        const PART_MIN: usize = 256;
        let owners = &self.order.owners[..];
        let part = owners.len().div_ceil(self.threads).max(PART_MIN);
        std::thread::scope(|scope| {
            let threads: Vec<_> = owners.chunks(part).map(|owners| scope.spawn(|| work(owners))).collect();
            threads.into_iter().map(|thread| thread.join().expect("checks don't panic")).collect()
        })
    }

    fn apex_text(&self) -> String {
        self.order.apex.to_string()
    }

    /// Whether a name is one that NSEC chains have: it owns records that are the zone's own, or is a delegation.
    fn is_linked(owner: &Owner) -> bool {
        matches!(owner.kind, Kind::Authoritative | Kind::Cut { .. })
    }
}

/// The mnemonic of an algorithm (IANA "DNS Security Algorithm Numbers"), or its number.
fn algorithm_text(algorithm: u8) -> String {
    let text = match algorithm {
        1 => "RSAMD5",
        3 => "DSA",
        5 => "RSASHA1",
        6 => "DSA-NSEC3-SHA1",
        7 => "RSASHA1-NSEC3-SHA1",
        8 => "RSASHA256",
        10 => "RSASHA512",
        12 => "ECC-GOST",
        13 => "ECDSAP256SHA256",
        14 => "ECDSAP384SHA384",
        15 => "ED25519",
        16 => "ED448",
        17 => "SM2SM3",
        23 => "ECC-GOST12",
        _ => return format!("algorithm {algorithm}"),
    };
    text.into()
}

fn text(name: &[u8]) -> String {
    Text(name).to_string()
}

/// Types in a bitmap or missing there, for a message.
fn types_text(types: &[u16]) -> String {
    types.iter().map(|&rtype| rtype::text(rtype)).collect::<Vec<_>>().join(", ")
}

/// The types of a bitmap (RFC 4034 section 4.1.2), ascending. `None`: it is malformed.
fn bitmap(mut bytes: &[u8]) -> Option<Vec<u16>> {
    let mut types = Vec::new();
    let mut last = None;
    while let [window, len, rest @ ..] = bytes {
        if last.is_some_and(|last| last >= window) || !(1..=32).contains(len) {
            return None;
        }
        last = Some(window);
        let (bits, rest) = rest.split_at_checked(*len as usize)?;
        for (octet, byte) in bits.iter().enumerate() {
            let set = (0..8).filter(|bit| byte & 0x80 >> bit != 0);
            types.extend(set.map(|bit| u16::from(*window) << 8 | (octet as u16) << 3 | bit));
        }
        bytes = rest;
    }
    bytes.is_empty().then_some(types)
}

/// What a bitmap lacks, and what it has too much, in words. `None`: it is as it should be.
fn bitmap_fault(found: &[u16], expected: &[u16]) -> Option<String> {
    let without = |a: &[u16], b: &[u16]| -> Vec<u16> { a.iter().copied().filter(|rtype| !b.contains(rtype)).collect() };
    let (lacks, extra) = (without(expected, found), without(found, expected));
    match (&lacks[..], &extra[..]) {
        ([], []) => None,
        (lacks, []) => Some(format!("lacks {}", types_text(lacks))),
        ([], extra) => Some(format!("has {}, which is not there", types_text(extra))),
        (lacks, extra) => {
            Some(format!("lacks {} and has {}, which is not there", types_text(lacks), types_text(extra)))
        }
    }
}

/// A time of RFC 4034 section 3.1.5 near `now_secs`, as text. It stands for the one within 68 years.
fn time_text(time: u32, now_secs: u32) -> String {
    calendar::text(near(time, now_secs))
}

fn near(time: u32, now_secs: u32) -> u64 {
    let distance = i64::from(time.wrapping_sub(now_secs) as i32);
    u64::try_from(i64::from(now_secs) + distance).unwrap_or_else(|_| time.into())
}
