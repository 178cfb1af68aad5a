//! Where domain names lie in the RDATA of a type: for compression, additional data and comparison.

use super::case::has_capitals;
use super::code::rtype;
use super::name::wire_len;
use std::borrow::Cow;
use std::ops::Range;

/// Whether names in this type's RDATA may be compressed in a message: those of RFC 1035 alone (RFC 3597 section 4).
pub fn is_compressible(rtype: u16) -> bool {
    use rtype::*;
    matches!(rtype, NS | MD | MF | CNAME | SOA | MB | MG | MR | PTR | MINFO | MX)
}

/// The places of the domain names in well-formed RDATA of the types that RFC 4034 section 6.2 lists (as amended by
/// RFC 6840 section 5.1), and of SVCB and HTTPS. Malformed RDATA and other types have none. At most two.
///
/// NSEC's next name is not among them since RFC 6840; those of HIP, IPSECKEY, LP, TALINK, AMTRELAY and DSYNC never were.
pub fn names(rtype: u16, rdata: &[u8]) -> impl Iterator<Item = Range<usize>> + use<> {
    use rtype::*;
    let found = match rtype {
        NS | MD | MF | CNAME | MB | MG | MR | PTR | DNAME | NXT => [name_at(rdata, 0), None],
        MX | AFSDB | RT | KX | SVCB | HTTPS => [name_at(rdata, 2), None],
        SRV => [name_at(rdata, 6), None],
        SOA | MINFO | RP => two_names_at(rdata, 0),
        PX => two_names_at(rdata, 2),
        NAPTR => [naptr_replacement(rdata), None],
        // Behind what is of fixed length: RFC 4034 section 3.1.
        SIG | RRSIG => [name_at(rdata, 18), None],
        A6 => [a6_prefix_name(rdata), None],
        _ => [None, None],
    };
    found.into_iter().flatten()
}

/// RDATA for comparison: names of the types in RFC 4034 section 6.2 in lower case, the rest as it is. Borrowed where that makes
/// no difference.
pub fn canonical(rtype: u16, rdata: &[u8]) -> Cow<'_, [u8]> {
    // SVCB's target is not in that list, and so keeps its case (RFC 9460 section 2.2 adds nothing to it).
    if !has_capitals(rdata) || matches!(rtype, rtype::SVCB | rtype::HTTPS) {
        return rdata.into();
    }
    let mut lower = Cow::Borrowed(rdata);
    for place in names(rtype, rdata) {
        if rdata[place.clone()].iter().any(u8::is_ascii_uppercase) {
            lower.to_mut()[place].make_ascii_lowercase();
        }
    }
    lower
}

/// The type that an RRSIG covers (RFC 4034 section 3.1). None: the RDATA is shorter than any RRSIG's.
pub fn type_covered(rrsig: &[u8]) -> Option<u16> {
    /// Octets before the signer's name.
    const FIXED: usize = 18;
    rrsig.first_chunk::<FIXED>().map(|fixed| u16::from_be_bytes([fixed[0], fixed[1]]))
}

fn name_at(rdata: &[u8], at: usize) -> Option<Range<usize>> {
    let len = wire_len(rdata.get(at..)?).ok()?;
    Some(at..at + len)
}

fn two_names_at(rdata: &[u8], at: usize) -> [Option<Range<usize>>; 2] {
    let first = name_at(rdata, at);
    let second = first.as_ref().and_then(|first| name_at(rdata, first.end));
    [first, second]
}

/// The prefix length, and the octets of the address that it does not cover; without a prefix there is no name (RFC 2874
/// section 3.1).
fn a6_prefix_name(rdata: &[u8]) -> Option<Range<usize>> {
    match *rdata.first()? {
        prefix @ 1..=128 => name_at(rdata, 17 - usize::from(prefix / 8)),
        _ => None,
    }
}

/// Order, preference, three strings, then the name (RFC 3403 section 4.1).
fn naptr_replacement(rdata: &[u8]) -> Option<Range<usize>> {
    let mut at = 4;
    for _ in 0..3 {
        at += 1 + *rdata.get(at)? as usize;
    }
    name_at(rdata, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let at = |t, rdata: &[u8]| names(t, rdata).map(|place| (place.start, place.end)).collect::<Vec<_>>();
        assert_eq!(at(rtype::NS, b"\x02ns\0"), [(0, 4)]);
        assert_eq!(at(rtype::MX, b"\0\x0a\x02mx\0"), [(2, 6)]);
        assert_eq!(at(rtype::SOA, b"\x01a\0\x01b\x01c\0aaaabbbbccccddddeeee"), [(0, 3), (3, 8)]);
        assert_eq!(at(rtype::NAPTR, b"\0\x01\0\x01\x01u\x00\x02!!\x01x\0"), [(10, 13)]);
        assert_eq!(at(rtype::PX, b"\0\x0a\x01a\0\x01b\0"), [(2, 5), (5, 8)]);
        assert_eq!(at(rtype::RRSIG, b"ttalooooeeeeiiiikk\x01a\0sig"), [(18, 21)]);
        assert_eq!(at(rtype::NXT, b"\x01a\0\x62"), [(0, 3)]);
        assert_eq!(at(rtype::A6, b"\x80\x01a\0"), [(1, 4)]);
        assert_eq!(at(rtype::A6, b"\x7f\x01\x01a\0"), [(2, 5)]);
        assert_eq!(at(rtype::A6, b"\x01aaaaaaaaaaaaaaaa\x01a\0"), [(17, 20)]);
        assert!(at(rtype::A6, b"\0aaaaaaaaaaaaaaaa").is_empty());
        assert!(at(rtype::TXT, b"\x01a").is_empty());
        assert!(at(rtype::NS, b"\x05ns\0").is_empty());
    }

    /// RFC 4034 section 6.2 with RFC 6840 section 5.1: the signer's name is lowered, the next name of NSEC is not.
    #[test]
    fn canonical_form() {
        assert_eq!(*canonical(rtype::MX, b"\0\x0a\x02Mx\0"), *b"\0\x0a\x02mx\0");
        assert_eq!(*canonical(rtype::RRSIG, b"TTALOOOOEEEEIIIIKK\x01A\0SIG"), *b"TTALOOOOEEEEIIIIKK\x01a\0SIG");
        for (rtype, rdata) in [
            (rtype::NSEC, &b"\x01A\0\0\x01\x40"[..]),
            (rtype::HINFO, b"\x01A\x01B"),
            (rtype::LP, b"\0\x0a\x01A\0"),
            (rtype::HIP, b"\x01\x02\0\x01HK\x01A\0"),
            (rtype::SVCB, b"\0\x01\x01A\0"),
            (rtype::TALINK, b"\x01A\0\x01B\0"),
            (rtype::DSYNC, b"\0\x3b\x01\x14\xef\x01A\0"),
        ] {
            assert_eq!(*canonical(rtype, rdata), *rdata, "{rtype}");
        }
    }
}
