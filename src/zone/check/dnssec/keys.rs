//! The zone's keys, what is said of them by DS, CDS and CDNSKEY, and the verification of a signature by one of them.

use super::signatures::Signed;
use super::{Zone, algorithm_text, text};
use crate::wire::code::rtype::{CDNSKEY, CDS, DNSKEY, DS, NS};
use crate::wire::name::Name;
use crate::zone::check::order::{Kind, Order};
use crate::zone::finding::{Findings, Part};
use crate::zone::records::Record;
use ring::digest;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};

/// A DNSKEY record (RFC 4034 section 2).
pub(super) struct Key<'a> {
    pub(super) record: &'a Record,
    pub(super) tag: u16,
    pub(super) algorithm: u8,
    flags: u16,
    rdata: &'a [u8],
    public: Option<Public>,
}

/// The public key as ring takes it.
enum Public {
    Rsa { hash: &'static RsaParameters, modulus: Vec<u8>, exponent: Vec<u8> },
    Curve { curve: &'static dyn signature::VerificationAlgorithm, point: Vec<u8> },
}

/// Flags: RFC 4034 section 2.1.1, RFC 5011 section 2.1.
const ZONE: u16 = 0x0100;
const REVOKED: u16 = 0x0080;
const SECURE_ENTRY: u16 = 0x0001;

/// All keys of the zone, in the order of the text.
pub(super) fn read<'a>(order: &'a Order<'a>, findings: &mut Findings) -> Vec<Key<'a>> {
    let mut keys: Vec<Key<'a>> = Vec::new();
    for record in order.records_of(order.top()).filter(|record| record.rtype == DNSKEY) {
        let rdata = order.data(record);
        let Some(key) = Key::read(record, rdata) else {
            findings.error(record, "the DNSKEY record is too short".into(), "write flags, protocol, algorithm and key");
            continue;
        };
        if rdata[2] != 3 {
            let message = format!("{} has protocol {}, so that nobody uses it", key.text(), rdata[2]);
            findings.error(record, message, "the protocol is 3 (RFC 4034 section 2.1.2)");
        }
        if !keys.iter().any(|other| other.rdata == key.rdata) {
            keys.push(key);
        }
    }
    keys
}

/// What signatures showed of the keys, and the records beside them.
pub(super) fn check(zone: &Zone, signed: &Signed, findings: &mut Findings) {
    if zone.keys.is_empty() {
        let message = format!("{} has signatures or their chain, but no DNSKEY record", zone.apex_text());
        findings.zone(&message, "add the keys that it is signed with, or take the signatures out");
    }
    for (key, has_signed) in zone.keys.iter().zip(&signed.by_key) {
        if key.flags & ZONE == 0 {
            let message = format!("{} has no zone key flag: no signature of the zone is its", key.text());
            findings.warning(key.record, message, "set flags to 256 or 257 (RFC 4034 section 2.1.1), or remove it");
            continue;
        }
        match key.algorithm {
            1 | 3 | 6 | 12 => {
                let message = format!("{} is of an algorithm that must not be used", key.text());
                findings.error(key.record, message, "roll to ECDSAP256SHA256 or ED25519 (RFC 8624 section 3.1)");
            }
            5 | 7 => {
                let message = format!("{} is of an algorithm that more and more validators ignore", key.text());
                findings.warning(key.record, message, "roll to ECDSAP256SHA256 or ED25519 (RFC 9905)");
            }
            _ if key.public.is_none() => {
                let message = format!("signatures by {} can't be verified here", key.text());
                findings.warning(key.record, message, "check the key's length; else its algorithm is not known here");
            }
            _ => {}
        }
        // Where nothing is signed with the algorithm, it is not just a key that waits for its turn.
        let is_alone = !signed.algorithms.contains(&key.algorithm) && key.flags & REVOKED == 0;
        if is_alone {
            let message = format!("{} has no signature, nor has another key of its algorithm", key.text());
            let remedy =
                "sign with it: there must be a signature of each algorithm (RFC 4035 section 2.2); or remove it";
            findings.error(key.record, message, remedy);
        } else if !has_signed && key.public.is_some() {
            let message = format!("{} has no signature in the zone", key.text());
            findings.warning(
                key.record,
                message,
                "well if it is published in advance; else sign with it, or remove it",
            );
        }
    }
    check_children(zone, findings);
    check_delegations(zone, findings);
}

/// CDS and CDNSKEY tell the parent which keys are to be in its DS records (RFC 7344): keys that are there.
fn check_children(zone: &Zone, findings: &mut Findings) {
    for record in zone.order.records_of(zone.order.top()) {
        let rdata = zone.order.data(record);
        let (kind, fits, is_delete) = match (record.rtype, rdata) {
            // RFC 8078 section 4.
            (CDS, rdata) => {
                let fits = zone.keys.iter().any(|key| is_about(rdata, zone.order.apex, key.rdata));
                ("CDS", fits, rdata.starts_with(&[0, 0, 0]))
            }
            (CDNSKEY, rdata) => (
                "CDNSKEY",
                zone.keys.iter().any(|key| key.rdata == rdata),
                rdata.get(3).is_some_and(|&algorithm| algorithm == 0),
            ),
            _ => continue,
        };
        if !fits && !is_delete {
            let message = format!("a {kind} record of {} names no key that is in the zone", zone.apex_text());
            findings.error(
                record,
                message,
                "publish the key, or remove the record: the parent may take it over (RFC 7344)",
            );
        }
    }
}

/// DS records stand at delegations, above the apex of the zone that they are about.
fn check_delegations(zone: &Zone, findings: &mut Findings) {
    for owner in &zone.order.owners {
        if matches!(owner.kind, Kind::Cut { .. } | Kind::Empty | Kind::Hidden | Kind::Hash) {
            continue;
        }
        let Some(record) = zone.order.records_of(owner).find(|record| record.rtype == DS) else { continue };
        let is_apex = zone.order.records_of(owner).any(|record| record.rtype == NS);
        let (message, remedy) = match is_apex {
            true => ("DS record at the zone's own name", "it belongs into the parent zone (RFC 4035 section 2.4)"),
            false => ("DS record without a delegation", "add the NS records, or remove it (RFC 4035 section 2.4)"),
        };
        let message = format!("{}: {message}", text(owner.name));
        findings.point(false, Some(record), Part::Owner, message, remedy);
    }
}

impl<'a> Key<'a> {
    fn read(record: &'a Record, rdata: &'a [u8]) -> Option<Key<'a>> {
        let (&[f0, f1, _, algorithm], public) = rdata.split_first_chunk::<4>()?;
        let flags = u16::from_be_bytes([f0, f1]);
        Some(Key { record, tag: tag(rdata), algorithm, flags, rdata, public: Public::read(algorithm, public) })
    }

    /// Whether its signatures of this type count.
    pub(super) fn may_sign(&self, rtype: u16) -> bool {
        is_zone_key(self.rdata) && (self.flags & REVOKED == 0 || rtype == DNSKEY)
    }

    /// Whether its signatures can be verified here.
    pub(super) fn is_known(&self) -> bool {
        self.public.is_some()
    }

    /// Whether the signature of the message is its own.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Some(Public::Rsa { hash, modulus, exponent }) => {
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(hash, message, signature).is_ok()
            }
            Some(Public::Curve { curve, point }) => {
                UnparsedPublicKey::new(*curve, point).verify(message, signature).is_ok()
            }
            None => false,
        }
    }

    /// As messages name it.
    pub(super) fn text(&self) -> String {
        let kind = match self.flags {
            flags if flags & REVOKED != 0 => "revoked key",
            flags if flags & SECURE_ENTRY != 0 => "key-signing key",
            _ => "key",
        };
        format!("{kind} {} ({})", self.tag, algorithm_text(self.algorithm))
    }
}

impl Public {
    /// The key of a DNSKEY record; `None`: of a form or algorithm that can't be used here.
    fn read(algorithm: u8, key: &[u8]) -> Option<Public> {
        match algorithm {
            5 | 7 => Public::rsa(&signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, key),
            8 => Public::rsa(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, key),
            10 => Public::rsa(&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, key),
            // Without the octet that says "uncompressed" (RFC 6605 section 4).
            13 if key.len() == 64 => {
                Some(Public::Curve { curve: &signature::ECDSA_P256_SHA256_FIXED, point: [&[4], key].concat() })
            }
            14 if key.len() == 96 => {
                Some(Public::Curve { curve: &signature::ECDSA_P384_SHA384_FIXED, point: [&[4], key].concat() })
            }
            15 if key.len() == 32 => Some(Public::Curve { curve: &signature::ED25519, point: key.to_vec() }),
            _ => None,
        }
    }

    /// RFC 3110 section 2: the length of the exponent in one octet, or three, then exponent and modulus.
    fn rsa(hash: &'static RsaParameters, key: &[u8]) -> Option<Public> {
        let (len, rest) = match key {
            [0, a, b, rest @ ..] => (usize::from(u16::from_be_bytes([*a, *b])), rest),
            [len, rest @ ..] => (usize::from(*len), rest),
            [] => return None,
        };
        let (exponent, modulus) = rest.split_at_checked(len)?;
        let modulus = &modulus[modulus.iter().position(|&octet| octet != 0)?..];
        // Others ring does not take: they can't be told from wrong signatures.
        let bits = modulus.len() * 8 - modulus[0].leading_zeros() as usize;
        (1024..=8192).contains(&bits).then(|| Public::Rsa { hash, modulus: modulus.into(), exponent: exponent.into() })
    }
}

/// Whether a DS or CDS record (RFC 4034 section 5) is about this key of the zone, the RDATA of a DNSKEY record.
pub(super) fn is_about(ds: &[u8], apex: &Name, key: &[u8]) -> bool {
    let Some((&[t0, t1, algorithm, kind], expected)) = ds.split_first_chunk::<4>() else { return false };
    if u16::from_be_bytes([t0, t1]) != tag(key) || key.get(3) != Some(&algorithm) {
        return false;
    }
    let hash = match kind {
        1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        2 => &digest::SHA256,
        4 => &digest::SHA384,
        // What can't be computed here is believed.
        _ => return true,
    };
    let mut context = digest::Context::new(hash);
    context.update(apex.to_lower().as_wire());
    context.update(key);
    context.finish().as_ref() == expected
}

/// Whether this key, the RDATA of a DNSKEY record, may be one that DS records are about (RFC 4034 section 5.2).
pub(super) fn is_zone_key(key: &[u8]) -> bool {
    matches!(key, [high, low, 3, ..] if u16::from_be_bytes([*high, *low]) & ZONE != 0)
}

/// RFC 4034 appendix B.
fn tag(rdata: &[u8]) -> u16 {
    if rdata.get(3) == Some(&1) {
        // Appendix B.1: of RSAMD5 the last octets but one.
        return rdata.len().checked_sub(3).map_or(0, |at| u16::from_be_bytes([rdata[at], rdata[at + 1]]));
    }
    let sum: u32 = rdata.iter().zip(0u32..).map(|(&octet, at)| u32::from(octet) << (8 * (1 - at % 2))).sum();
    (sum + (sum >> 16)) as u16
}
