//! Responses as tests see them: decoded by hickory-proto, an independent implementation, and shown as text; plus a small
//! reader of the bytes themselves, for what hickory hides: header bits, compression pointers, options, trailing octets.

use hickory_proto::op;
use hickory_proto::rr::{Name, RData, Record};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use std::fmt;

/// Octets of a header.
const HEADER: usize = 12;
const OPT: u16 = 41;

/// One record, as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rr {
    /// Absolute, case as in the message.
    pub(crate) owner: String,
    /// Mnemonic or `TYPEnnn`.
    pub(crate) rtype: String,
    pub(crate) class: String,
    pub(crate) ttl_secs: u32,
    pub(crate) data: String,
}

impl fmt::Display for Rr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {} {}", self.owner, self.ttl_secs, self.class, self.rtype, self.data)
    }
}

/// The OPT record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opt {
    pub(crate) udp_size: u16,
    pub(crate) version: u8,
    /// DO and the reserved flags.
    pub(crate) flags: u16,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

/// A decoded response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The second word of the header: flags, opcode, RCODE's lower bits.
    pub(crate) flags: u16,
    /// With OPT's upper bits.
    pub(crate) rcode: u16,
    pub(crate) question_count: u16,
    /// The question section, octet for octet.
    pub(crate) question: Vec<u8>,
    pub(crate) answer: Vec<Rr>,
    pub(crate) authority: Vec<Rr>,
    pub(crate) additional: Vec<Rr>,
    pub(crate) opt: Option<Opt>,
}

impl Message {
    /// Decodes a message and checks its form. The error says what is wrong with it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Message, String> {
        let raw = Raw::read(bytes)?;
        let decoded = op::Message::from_vec(bytes).map_err(|error| format!("hickory-proto: {error}"))?;
        let section = |records: &[Record]| records.iter().map(text_of).collect::<Vec<_>>();
        let upper = raw.opt.as_ref().map_or(0, |(extended, _)| *extended);
        Ok(Message {
            flags: raw.flags,
            rcode: raw.flags & 0xf | (upper as u16) << 4,
            question_count: raw.counts[0],
            question: bytes[HEADER..raw.question_end].to_vec(),
            answer: section(&decoded.answers),
            authority: section(&decoded.authorities),
            additional: section(&decoded.additionals),
            opt: raw.opt.map(|(_, opt)| opt),
        })
    }

    pub(crate) fn flag(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// Bits of the second word.
pub(crate) const QR: u16 = 0x8000;
pub(crate) const AA: u16 = 0x0400;
pub(crate) const TC: u16 = 0x0200;
pub(crate) const RD: u16 = 0x0100;
/// RA, Z, AD and CD: never set by this server.
pub(crate) const NEVER: u16 = 0x00f0;

/// Mnemonic of an RCODE.
pub(crate) fn rcode_text(rcode: u16) -> String {
    match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        9 => "NOTAUTH",
        16 => "BADVERS",
        23 => "BADCOOKIE",
        other => return format!("RCODE{other}"),
    }
    .into()
}

fn text_of(record: &Record) -> Rr {
    let code = u16::from(record.record_type());
    let rtype = catchment::wire::code::rtype::text(code).into_owned();
    let data = match &record.data {
        RData::Unknown { rdata, .. } => unknown_text(code, &rdata.anything),
        RData::TXT(txt) => {
            let quoted = |text: &[u8]| format!("\"{}\"", text.escape_ascii());
            txt.txt_data.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(" ")
        }
        known => known.to_string(),
    };
    Rr { owner: record.name.to_string(), rtype, class: record.dns_class.to_string(), ttl_secs: record.ttl, data }
}

/// Types that hickory-proto keeps as octets.
fn unknown_text(code: u16, rdata: &[u8]) -> String {
    const DNAME: u16 = 39;
    const DS: u16 = 43;
    match (code, rdata) {
        (DNAME, _) => {
            let name = Name::read(&mut BinDecoder::new(rdata)).map(|name| name.to_string());
            name.unwrap_or_else(|error| format!("malformed: {error}"))
        }
        (DS, &[t0, t1, algorithm, digest_type, ref digest @ ..]) => {
            format!("{} {algorithm} {digest_type} {}", u16::from_be_bytes([t0, t1]), hex(digest))
        }
        _ => format!("\\# {} {}", rdata.len(), hex(rdata)).trim_end().into(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What the bytes say by themselves.
struct Raw {
    flags: u16,
    counts: [u16; 4],
    question_end: usize,
    opt: Option<(u8, Opt)>,
}

impl Raw {
    fn read(bytes: &[u8]) -> Result<Raw, String> {
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        if bytes.len() < HEADER {
            return Err("shorter than a header".into());
        }
        let counts = [word(4), word(6), word(8), word(10)];
        let mut at = HEADER;
        for _ in 0..counts[0] {
            at = name_end(bytes, at, bytes.len())? + 4;
        }
        let question_end = at;
        if question_end > bytes.len() {
            return Err("the question is cut short".into());
        }
        let mut opt = None;
        for index in 0..counts[1..].iter().map(|count| *count as usize).sum() {
            let fixed = name_end(bytes, at, bytes.len())?;
            let rdata = fixed + 10;
            if rdata > bytes.len() {
                return Err(format!("record {index} is cut short"));
            }
            let (rtype, len) = (word(fixed), word(fixed + 8) as usize);
            let end = rdata + len;
            if end > bytes.len() {
                return Err(format!("RDATA of record {index} is cut short"));
            }
            names_in(bytes, rtype, rdata, end)?;
            if rtype == OPT {
                if opt.is_some() || index < (counts[1] + counts[2]) as usize || fixed != at + 1 {
                    return Err("a second OPT, or one in the wrong place".into());
                }
                opt = Some((bytes[fixed + 4], Raw::opt(bytes, fixed, &bytes[rdata..end])?));
            }
            at = end;
        }
        if at != bytes.len() {
            return Err(format!("{} octets follow the message", bytes.len() - at));
        }
        Ok(Raw { flags: word(2), counts, question_end, opt })
    }

    fn opt(bytes: &[u8], fixed: usize, mut rest: &[u8]) -> Result<Opt, String> {
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let mut options = Vec::new();
        while let Some((&[c0, c1, l0, l1], tail)) = rest.split_first_chunk::<4>() {
            let len = u16::from_be_bytes([l0, l1]) as usize;
            let (data, tail) = tail.split_at_checked(len).ok_or("an option is cut short")?;
            options.push((u16::from_be_bytes([c0, c1]), data.to_vec()));
            rest = tail;
        }
        if !rest.is_empty() {
            return Err("an option is cut short".into());
        }
        Ok(Opt { udp_size: word(fixed + 2), version: bytes[fixed + 5], flags: word(fixed + 6), options })
    }
}

/// Walks the names in RDATA. They end where RDATA does, and only the types of RFC 1035 may compress them (RFC 3597 section 4).
fn names_in(bytes: &[u8], rtype: u16, start: usize, end: usize) -> Result<(), String> {
    let (compressible, first, names) = match rtype {
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 => (true, start, 1),
        6 | 14 => (true, start, 2),
        15 => (true, start + 2, 1),
        39 => (false, start, 1),
        17 => (false, start, 2),
        18 | 36 | 64 | 65 => (false, start + 2, 1),
        33 => (false, start + 6, 1),
        35 => {
            let mut at = start + 4;
            for _ in 0..3 {
                at += 1 + *bytes.get(at).ok_or("a NAPTR is cut short")? as usize;
            }
            (false, at, 1)
        }
        _ => return Ok(()),
    };
    let mut at = first;
    for _ in 0..names {
        let next = name_end(bytes, at, end)?;
        let is_compressed = bytes[at..next].len() >= 2 && !is_plain(&bytes[at..next]);
        if is_compressed && !compressible {
            return Err(format!("a name in RDATA of type {rtype} is compressed"));
        }
        at = next;
    }
    let rest = match rtype {
        6 => 20,
        64 | 65 => end.saturating_sub(at),
        _ => 0,
    };
    if at + rest != end { Err(format!("RDLENGTH of a record of type {rtype} is wrong")) } else { Ok(()) }
}

fn is_plain(name: &[u8]) -> bool {
    let mut at = 0;
    while let Some(&len) = name.get(at) {
        match len {
            0 => return true,
            1..=63 => at += 1 + len as usize,
            _ => return false,
        }
    }
    false
}

/// Where the name at `start` ends in place. Follows it to its end: each pointer leads backwards, to the start of a label.
fn name_end(bytes: &[u8], start: usize, limit: usize) -> Result<usize, String> {
    let (mut at, mut end, mut len, mut floor) = (start, None, 0, start);
    loop {
        match *bytes.get(at).ok_or("a name is cut short")? {
            0 => {
                len += 1;
                let end = end.unwrap_or(at + 1);
                return if len > 255 || end > limit { Err("a name is too long".into()) } else { Ok(end) };
            }
            label @ 1..=63 => {
                at += 1 + label as usize;
                len += 1 + label as usize;
            }
            high @ 0xc0.. => {
                let low = *bytes.get(at + 1).ok_or("a pointer is cut short")?;
                end = end.or(Some(at + 2));
                at = (high as usize & 0x3f) << 8 | low as usize;
                if at >= floor || at < HEADER {
                    return Err(format!("a pointer at {floor} leads to {at}"));
                }
                floor = at;
            }
            _ => return Err("a label of reserved type".into()),
        }
    }
}
