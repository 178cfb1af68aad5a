//! Names, records and responses in wire form, all names written out: what a signature covers is octets, not text.

use catchment::wire::code::rtype;
use std::fmt;

/// Labels from the root down, in lower case. Their order is the canonical one of RFC 4034 section 6.1, and what is above a name
/// is a prefix of it.
pub(crate) type Name = Vec<Vec<u8>>;

pub(crate) const A: u16 = 1;
pub(crate) const NS: u16 = 2;
pub(crate) const CNAME: u16 = 5;
pub(crate) const SOA: u16 = 6;
pub(crate) const AAAA: u16 = 28;
pub(crate) const DNAME: u16 = 39;
pub(crate) const OPT: u16 = 41;
pub(crate) const DS: u16 = 43;
pub(crate) const RRSIG: u16 = 46;
pub(crate) const NSEC: u16 = 47;
pub(crate) const NSEC3: u16 = 50;
pub(crate) const NSEC3PARAM: u16 = 51;
pub(crate) const ANY: u16 = 255;

/// Octets of a header.
const HEADER: usize = 12;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) owner: Name,
    pub(crate) rtype: u16,
    pub(crate) ttl_secs: u32,
    /// Without compression.
    pub(crate) rdata: Vec<u8>,
}

impl Record {
    /// The type that a signature covers (RFC 4034 section 3.1.1).
    pub(crate) fn covered(&self) -> Option<u16> {
        (self.rtype == RRSIG).then(|| word(&self.rdata, 0))
    }

    /// The name in the RDATA of a CNAME, DNAME or NS record.
    pub(crate) fn target(&self) -> Name {
        labels(&self.rdata)
    }

    /// The same with the names in it in lower case: who compresses them to the question takes over its case.
    pub(crate) fn folded(mut self) -> Record {
        let fixed = match self.rtype {
            NS | CNAME | SOA | 12 | DNAME => 0,
            15 => 2,
            _ => return self,
        };
        let end = if self.rtype == SOA { self.rdata.len() - 20 } else { self.rdata.len() };
        self.rdata[fixed..end].make_ascii_lowercase();
        self
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |code| rtype::text(code).into_owned();
        write!(f, "{} {} {}", show(&self.owner), self.ttl_secs, text(self.rtype))?;
        match self.rtype {
            RRSIG => write!(f, " {} ...", text(word(&self.rdata, 0))),
            NS | CNAME | DNAME | NSEC => write!(f, " {}", show(&self.target())),
            _ => write!(f, " {}", crate::message::hex(&self.rdata)),
        }
    }
}

/// A response without its OPT record.
pub(crate) struct Response {
    /// The second word of the header.
    pub(crate) flags: u16,
    pub(crate) answer: Vec<Record>,
    pub(crate) authority: Vec<Record>,
    pub(crate) additional: Vec<Record>,
}

impl Response {
    /// Reads a message whose form was checked before (`Message::read`).
    pub(crate) fn read(message: &[u8]) -> Response {
        let mut at = HEADER;
        for _ in 0..word(message, 4) {
            at = expand(message, at).1 + 4;
        }
        let mut section = |count_at: usize| {
            let mut records = Vec::new();
            for _ in 0..word(message, count_at) {
                let (record, end) = record(message, at);
                at = end;
                records.extend((record.rtype != OPT).then_some(record));
            }
            records
        };
        Response { flags: word(message, 2), answer: section(6), authority: section(8), additional: section(10) }
    }

    pub(crate) fn flag(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// RCODE, as the header has it.
    pub(crate) fn rcode(&self) -> u16 {
        self.flags & 0xf
    }
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn record(message: &[u8], start: usize) -> (Record, usize) {
    let (owner, fixed) = expand(message, start);
    let (rtype, rdata) = (word(message, fixed), fixed + 10);
    let ttl_secs = u32::from(word(message, fixed + 4)) << 16 | u32::from(word(message, fixed + 6));
    let end = rdata + usize::from(word(message, fixed + 8));
    // Only these may hold compressed names (RFC 3597 section 4).
    let (prefix, names) = match rtype {
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 => (0, 1),
        6 | 14 => (0, 2),
        15 => (2, 1),
        _ => (0, 0),
    };
    let mut at = rdata + prefix;
    let mut plain = message[rdata..at].to_vec();
    for _ in 0..names {
        let (name, next) = expand(message, at);
        plain.extend(name);
        at = next;
    }
    plain.extend_from_slice(&message[at..end]);
    (Record { owner: labels(&owner), rtype, ttl_secs, rdata: plain }, end)
}

/// The name at `start` in wire form, and where it ends in place.
fn expand(message: &[u8], start: usize) -> (Vec<u8>, usize) {
    let (mut at, mut end, mut name) = (start, None, Vec::new());
    loop {
        match message[at] {
            0 => {
                name.push(0);
                return (name, end.unwrap_or(at + 1));
            }
            len @ 1..=63 => {
                name.extend_from_slice(&message[at..=at + usize::from(len)]);
                at += 1 + usize::from(len);
            }
            _ => {
                end = end.or(Some(at + 2));
                at = usize::from(word(message, at) & 0x3fff);
            }
        }
    }
}

/// The labels of a name in wire form; what follows it is not looked at.
pub(crate) fn labels(wire: &[u8]) -> Name {
    let (mut at, mut labels) = (0, Vec::new());
    while wire[at] > 0 {
        let end = at + 1 + usize::from(wire[at]);
        labels.push(wire[at + 1..end].to_ascii_lowercase());
        at = end;
    }
    labels.reverse();
    labels
}

/// Wire form, in lower case.
pub(crate) fn wire(name: &Name) -> Vec<u8> {
    let mut wire: Vec<u8> = name.iter().rev().flat_map(|label| [&[label.len() as u8], &label[..]].concat()).collect();
    wire.push(0);
    wire
}

/// The name below `above` with one label more.
pub(crate) fn child(above: &[Vec<u8>], label: &[u8]) -> Name {
    [above, &[label.to_vec()]].concat()
}

/// Text of a name.
pub(crate) fn show(name: &[Vec<u8>]) -> String {
    let labels = name.iter().rev().map(|label| format!("{}.", label.escape_ascii()));
    if name.is_empty() { ".".into() } else { labels.collect() }
}
