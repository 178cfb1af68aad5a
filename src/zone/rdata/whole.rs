//! Rules that bind the fields of a type together.

use super::svcb;
use crate::wire::code::rtype;

/// Whether RDATA whose fields are well-formed is so as a whole. Asked of each record: types without rules cost a comparison.
#[inline]
pub(super) fn check(rtype: u16, rdata: &[u8]) -> Result<(), String> {
    match rtype {
        rtype::SVCB | rtype::HTTPS => svcb::check(rdata),
        rtype::DS | rtype::CDS | rtype::DLV | rtype::TA => delegation(rdata),
        rtype::SSHFP => fingerprint(rdata),
        rtype::NSEC3 => hash(rdata),
        rtype::ZONEMD => zone_digest(rdata),
        rtype::KEY => key(rdata),
        rtype::RKEY => flagless(rdata),
        _ => Ok(()),
    }
}

fn digest(kind: u8, expected: Option<usize>, digest: &[u8]) -> Result<(), String> {
    match expected {
        Some(octets) if octets != digest.len() => {
            Err(format!("a digest of type {kind} has {octets} octets, not {}", digest.len()))
        }
        _ => Ok(()),
    }
}

/// The digests of the IANA "DNSSEC Delegation Signer (DS) Digest Algorithms" registry. Type 0, which deletes (RFC 8078 section
/// 4), may have any.
fn delegation(rdata: &[u8]) -> Result<(), String> {
    let [_, _, _, kind, rest @ ..] = rdata else { return Ok(()) };
    let octets = match kind {
        1 => Some(20),
        2 | 3 | 5 | 6 => Some(32),
        4 => Some(48),
        _ => None,
    };
    digest(*kind, octets, rest)
}

/// RFC 4255 section 3.1.2, RFC 6594 section 3.1.
fn fingerprint(rdata: &[u8]) -> Result<(), String> {
    let [_, kind, rest @ ..] = rdata else { return Ok(()) };
    let octets = match kind {
        1 => Some(20),
        2 => Some(32),
        _ => None,
    };
    digest(*kind, octets, rest)
}

/// RFC 8976 section 2.2.4 and its table 2.
fn zone_digest(rdata: &[u8]) -> Result<(), String> {
    let [_, _, _, _, _, kind, rest @ ..] = rdata else { return Ok(()) };
    if rest.len() < 12 {
        return Err(format!("a digest has at least 12 octets, not {}", rest.len()));
    }
    let octets = match kind {
        1 => Some(48),
        2 => Some(64),
        _ => None,
    };
    digest(*kind, octets, rest)
}

/// Algorithm 1, SHA-1, is the only one of NSEC3 (RFC 5155 section 11).
fn hash(rdata: &[u8]) -> Result<(), String> {
    let [algorithm, _, _, _, salt_len, rest @ ..] = rdata else { return Ok(()) };
    match rest.get(usize::from(*salt_len)) {
        Some(len) if *algorithm == 1 && *len != 20 => {
            Err(format!("the next hashed owner name has 20 octets with hash algorithm 1, not {len}"))
        }
        _ => Ok(()),
    }
}

/// Only flags that say so make a KEY without a key (RFC 2535 section 3.1.2).
fn key(rdata: &[u8]) -> Result<(), String> {
    match rdata {
        [flags, _, _, _] if flags & 0xc0 != 0xc0 => {
            Err("the public key is missing, and the flags don't say so (49152)".into())
        }
        _ => Ok(()),
    }
}

fn flagless(rdata: &[u8]) -> Result<(), String> {
    if rdata.starts_with(&[0, 0]) { Ok(()) } else { Err("the flags of an RKEY record are 0".into()) }
}
