//! The view of a message that a client sent: header, question, EDNS, where a TSIG record is. Borrows the packet, allocates nothing.

use super::code::{option, rtype};
use super::lookup::LookupName;

/// Octets of a message header (RFC 1035 section 4.1.1).
pub const HEADER_LEN: usize = 12;

/// The header's fields.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Third octet: QR, opcode, AA, TC, RD.
    high: u8,
    /// Entries of the question, answer, authority and additional sections.
    pub counts: [u16; 4],
}

impl Header {
    /// Reads the header; None when the packet is shorter.
    pub fn read(packet: &[u8]) -> Option<Header> {
        let header = packet.first_chunk::<HEADER_LEN>()?;
        let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        Some(Header { high: header[2], counts: [count(4), count(6), count(8), count(10)] })
    }

    /// QR: whether the message is a response.
    pub fn is_response(&self) -> bool {
        self.high & 0x80 != 0
    }

    /// The opcode, 0 to 15.
    pub fn opcode(&self) -> u8 {
        self.high >> 3 & 0xf
    }

    /// RD.
    pub fn recursion_desired(&self) -> bool {
        self.high & 1 != 0
    }
}

/// The question.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The name ready for lookups.
    pub name: &'a LookupName,
    /// The name in the packet, case as asked.
    pub name_wire: &'a [u8],
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
}

impl<'a> Question<'a> {
    /// Reads the question at the start of `rest`, its name into `name`, and gives what follows it. Names in questions are never
    /// compressed: there is nothing before them to point to.
    pub fn read<'p: 'a>(rest: &'p [u8], name: &'a mut LookupName) -> Option<(Question<'a>, &'p [u8])> {
        name.read(rest)?;
        let (name_wire, rest) = rest.split_at_checked(name.lower().len())?;
        let (&[t0, t1, c0, c1], rest) = rest.split_first_chunk::<4>()?;
        let (qtype, qclass) = (u16::from_be_bytes([t0, t1]), u16::from_be_bytes([c0, c1]));
        Some((Question { name, name_wire, qtype, qclass }, rest))
    }

    /// Octets that the question takes in a message.
    pub fn wire_len(&self) -> usize {
        self.name_wire.len() + 4
    }
}

/// What the client said by EDNS (RFC 6891).
#[derive(Debug, Clone, Copy, Default)]
pub struct Edns<'a> {
    /// Largest UDP response that the client takes; as sent, also when under 512.
    pub udp_size: u16,
    /// EDNS version.
    pub version: u8,
    /// DO (RFC 3225).
    pub dnssec_ok: bool,
    /// NSID asked for (RFC 5001).
    pub nsid: bool,
    /// The COOKIE option's data (RFC 7873): 8, or 16 to 40 octets.
    pub cookie: Option<&'a [u8]>,
    /// TCP keepalive asked for (RFC 7828).
    pub keepalive: bool,
    /// ZONEVERSION asked for (RFC 9660).
    pub zone_version: bool,
}

/// The sections that follow the question are malformed: FORMERR.
#[derive(Debug, Clone, Copy)]
pub struct Malformed<'a> {
    /// What was read of the OPT record, if there is one: the response has one too (RFC 6891 section 6.1.1).
    pub edns: Option<Edns<'a>>,
}

/// What follows the question, as far as it means anything here.
#[derive(Debug, Clone, Copy)]
pub struct Additional<'a> {
    /// What the OPT record says.
    pub edns: Option<Edns<'a>>,
    /// The TSIG record, from its owner to the end of the packet.
    pub tsig: Option<&'a [u8]>,
}

impl<'a> Additional<'a> {
    /// Reads what follows the question, `rest`, up to the end of the packet, and finds the OPT and TSIG records in it.
    ///
    /// An ordinary query has no answer or authority records; `records_expected` allows them. Other records in the additional
    /// section (SIG(0) is one) are skipped.
    pub fn read(header: &Header, mut rest: &'a [u8], records_expected: bool) -> Result<Additional<'a>, Malformed<'a>> {
        let [_, answers, authorities, additionals] = header.counts;
        let before = answers as usize + authorities as usize;
        let all = before + additionals as usize;
        let (mut edns, mut tsig) = (None, None);
        // Each record takes 11 octets at least, so the packet's length bounds the loop whatever the counts say.
        for index in 0..all {
            let from = rest;
            let record = Skipped::read(&mut rest).ok_or(Malformed { edns })?;
            match record.rtype {
                // Not in the additional section, not owned by the root, or a second one (RFC 6891 section 6.1.1).
                rtype::OPT if index < before || !record.owner_is_root || edns.is_some() => {
                    return Err(Malformed { edns });
                }
                rtype::OPT => edns = Some(Edns::from_opt(&record)?),
                // Not the last record of the additional section (RFC 8945 section 5.2).
                rtype::TSIG if index < before || index + 1 < all => return Err(Malformed { edns }),
                rtype::TSIG => tsig = Some(from),
                _ => {}
            }
        }
        if !rest.is_empty() || (before > 0 && !records_expected) {
            return Err(Malformed { edns });
        }
        Ok(Additional { edns, tsig })
    }
}

impl<'a> Edns<'a> {
    fn from_opt(record: &Skipped<'a>) -> Result<Edns<'a>, Malformed<'a>> {
        let [_, version, flags, _] = record.ttl;
        let bare = Edns { udp_size: record.class, version, dnssec_ok: flags & 0x80 != 0, ..Edns::default() };
        if version != 0 {
            // Another version's options may mean anything; the answer is BADVERS (RFC 6891 section 6.1.3).
            return Ok(bare);
        }
        let malformed = Malformed { edns: Some(bare) };
        let mut edns = bare;
        let mut rest = record.rdata;
        while !rest.is_empty() {
            let (&[c0, c1, l0, l1], tail) = rest.split_first_chunk::<4>().ok_or(malformed)?;
            let (data, tail) = tail.split_at_checked(u16::from_be_bytes([l0, l1]) as usize).ok_or(malformed)?;
            rest = tail;
            match u16::from_be_bytes([c0, c1]) {
                option::NSID => edns.nsid = true,
                // Of several COOKIE options only the first counts (RFC 7873 section 5.2), whatever the others are.
                option::COOKIE if edns.cookie.is_some() => {}
                // A client cookie, alone or with a server cookie of 8 to 32 octets (RFC 7873 section 5.2.2).
                option::COOKIE if !matches!(data.len(), 8 | 16..=40) => return Err(malformed),
                option::COOKIE => edns.cookie = Some(data),
                // From a client it has no timeout (RFC 7828 section 3.2.1).
                option::TCP_KEEPALIVE => edns.keepalive = data.is_empty(),
                // RFC 9660 section 3.1: the query's is empty, all else is FORMERR.
                option::ZONEVERSION if !data.is_empty() => return Err(malformed),
                option::ZONEVERSION => edns.zone_version = true,
                _ => {}
            }
        }
        Ok(edns)
    }
}

/// A record of which only what OPT and TSIG need is read.
struct Skipped<'a> {
    owner_is_root: bool,
    rtype: u16,
    class: u16,
    ttl: [u8; 4],
    rdata: &'a [u8],
}

impl<'a> Skipped<'a> {
    fn read(rest: &mut &'a [u8]) -> Option<Skipped<'a>> {
        let owner_is_root = *rest.first()? == 0;
        let mut at = 0;
        loop {
            match *rest.get(at)? {
                0 => break at += 1,
                // A pointer ends the name; where it points is of no interest, the name is skipped.
                0xc0..=0xff => break at += 2,
                len @ 1..=63 => at += 1 + len as usize,
                _ => return None,
            }
        }
        let (fixed, tail) = rest.get(at..)?.split_first_chunk::<10>()?;
        let (rdata, tail) = tail.split_at_checked(u16::from_be_bytes([fixed[8], fixed[9]]) as usize)?;
        *rest = tail;
        Some(Skipped {
            owner_is_root,
            rtype: u16::from_be_bytes([fixed[0], fixed[1]]),
            class: u16::from_be_bytes([fixed[2], fixed[3]]),
            ttl: [fixed[4], fixed[5], fixed[6], fixed[7]],
            rdata,
        })
    }
}
