//! A question as a message, and what comes back, read for comparison: which records, whatever their order and however they are compressed.
//!
//! What changes with every serial and every signing makes no difference here: SOA's serial, the octets of signatures, proofs of absence and
//! digests. Otherwise each publish would change each negative answer.

use crate::sync::question::Question;
use crate::wire::code::rtype::{self, MINFO, MX, NS, NSEC, NSEC3, NSEC3PARAM, OPT, RRSIG, SOA, ZONEMD};
use crate::wire::code::{class, rcode};
use crate::wire::name::{LABEL_LEN_MAX, NAME_LEN_MAX};
use crate::wire::query::{HEADER_LEN, Header};
use crate::wire::rdata::{canonical, is_compressible};
use crate::zone::rdata;
use std::collections::BTreeSet;
use std::fmt::{self, Write};

/// The size of UDP responses that most resolvers ask for, and that passes nearly everywhere.
pub const UDP_SIZE: u16 = 1232;

/// Octets of an OPT record without options (RFC 6891 section 6.1.2).
pub(super) const OPT_LEN: usize = 11;
/// Octets of a record between its owner and its RDATA.
const FIXED_LEN: usize = 10;
/// So many records are shown.
const SHOWN_MAX: usize = 3;
/// Octets of RDATA as text that are shown.
const SHOWN_LEN_MAX: usize = 60;

/// The message that puts a question: EDNS with [`UDP_SIZE`], and DO, as validating resolvers send it.
pub fn query(question: &Question, id: u16) -> Vec<u8> {
    let name = question.name().as_wire();
    let mut message = Vec::with_capacity(HEADER_LEN + name.len() + 4 + OPT_LEN);
    message.extend_from_slice(&id.to_be_bytes());
    message.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    message.extend_from_slice(name);
    message.extend_from_slice(&question.qtype().to_be_bytes());
    message.extend_from_slice(&class::IN.to_be_bytes());
    message.extend_from_slice(&[0, 0, OPT as u8]);
    message.extend_from_slice(&UDP_SIZE.to_be_bytes());
    message.extend_from_slice(&[0, 0, 0x80, 0, 0, 0]);
    message
}

/// What a response says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Response code, with what OPT adds to it.
    pub rcode: u16,
    /// AA.
    pub is_authoritative: bool,
    /// TC: there is more than fits [`UDP_SIZE`].
    pub is_truncated: bool,
    /// Records of the answer section that are compared, those of the authority section, additional ones.
    sections: [Section; 3],
    /// NOERROR, and no record of the type at the end of the chain (RFC 2308 section 2.2).
    pub is_empty: bool,
}

/// Records as they came. Sections are equal whatever their order.
#[derive(Debug, Clone, Default, Eq)]
struct Section(Vec<Record>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    owner: Vec<u8>,
    rtype: u16,
    ttl_secs: u32,
    rdata: Vec<u8>,
}

impl Answer {
    /// Reads a response of one question. `None`: it is none, or malformed. Any octets will do.
    pub fn read(message: &[u8]) -> Option<Answer> {
        let header = Header::read(message).filter(Header::is_response)?;
        let mut at = HEADER_LEN;
        for _ in 0..header.counts[0] {
            at = read_name(message, at)?.1 + 4;
        }
        let mut answer = Answer {
            rcode: u16::from(message[3] & 0xf),
            is_authoritative: message[2] & 0x04 != 0,
            is_truncated: message[2] & 0x02 != 0,
            sections: Default::default(),
            is_empty: false,
        };
        // All records count for what the message means, also those that are not compared.
        let (mut answers, mut has_soa, mut has_ns) = (0, false, false);
        for section in 0..3 {
            for _ in 0..header.counts[1 + section] {
                let (record, end) = Record::read(message, at)?;
                at = end;
                match record.rtype {
                    // Its TTL field has the upper octet of the code.
                    OPT if section == 2 => answer.rcode |= (record.ttl_secs >> 24 << 4) as u16,
                    _ => {
                        answers += usize::from(section == 0);
                        has_soa |= section == 1 && record.rtype == SOA;
                        has_ns |= section == 1 && record.rtype == NS;
                        answer.sections[section].0.extend(record.compared());
                    }
                }
            }
        }
        answer.is_empty =
            answer.rcode == rcode::NOERROR && !answer.is_truncated && (has_soa || answers == 0 && !has_ns);
        Some(answer)
    }

    /// The names that aliases of the answer section lead to, in wire form and lower case.
    pub fn targets(&self) -> impl Iterator<Item = &[u8]> {
        self.sections[0].0.iter().filter(|record| record.rtype == rtype::CNAME).map(|record| &record.rdata[..])
    }

    /// Whether somebody who asked got what he asked for: records, or whom to ask.
    pub fn has_data(&self) -> bool {
        self.rcode == rcode::NOERROR && !self.is_empty
    }

    /// Whether this, which came over UDP, says what was `expected`: code, AA, answer and authority. Which additional records fit is the
    /// server's own business. `Err`: what differs, for people.
    pub fn agrees_with(&self, expected: &Answer) -> Result<(), String> {
        let is_same = match self.is_truncated {
            // Its server sends less at once than others; what it left out can't be seen.
            true => self.rcode == expected.rcode,
            false => {
                let said = |answer: &Answer| (answer.rcode, answer.is_authoritative);
                said(self) == said(expected) && !expected.is_truncated && self.sections[..2] == expected.sections[..2]
            }
        };
        if is_same { Ok(()) } else { Err(format!("it answers {self}, not {expected}")) }
    }
}

impl PartialEq for Section {
    fn eq(&self, other: &Section) -> bool {
        let [ours, theirs] = [self, other].map(|section| section.0.iter().collect::<BTreeSet<_>>());
        ours == theirs
    }
}

impl Record {
    /// The record at this place, and where the next one begins.
    fn read(message: &[u8], at: usize) -> Option<(Record, usize)> {
        let (mut owner, at) = read_name(message, at)?;
        owner.make_ascii_lowercase();
        let fixed: &[u8; FIXED_LEN] = message.get(at..)?.first_chunk()?;
        let [t0, t1, _, _, ttl @ .., l0, l1] = *fixed;
        let (rtype, start) = (u16::from_be_bytes([t0, t1]), at + FIXED_LEN);
        let end = start + usize::from(u16::from_be_bytes([l0, l1]));
        let rdata = read_rdata(message.get(..end)?, start, rtype)?;
        Some((Record { owner, rtype, ttl_secs: u32::from_be_bytes(ttl), rdata }, end))
    }

    /// The record without what changes with each serial and each signing; `None`, if nothing is left.
    fn compared(mut self) -> Option<Record> {
        match self.rtype {
            NSEC | NSEC3 | NSEC3PARAM | ZONEMD => return None,
            // Whether there is one, and of what.
            RRSIG => {
                self.rdata.truncate(2);
                self.ttl_secs = 0;
            }
            SOA => {
                let serial_at = self.rdata.len().checked_sub(20)?;
                self.rdata[serial_at..serial_at + 4].fill(0);
            }
            _ => {}
        }
        Some(self)
    }
}

/// RDATA to the message's end, names in it written out and in lower case where that makes no difference.
fn read_rdata(message: &[u8], start: usize, rtype: u16) -> Option<Vec<u8>> {
    let (fixed, names) = match rtype {
        MX => (2, 1),
        SOA | MINFO => (0, 2),
        other if is_compressible(other) => (0, 1),
        _ => (0, 0),
    };
    let mut at = start + fixed;
    let mut rdata = message.get(start..at)?.to_vec();
    for _ in 0..names {
        let (name, end) = read_name(message, at)?;
        rdata.extend_from_slice(&name);
        at = end;
    }
    rdata.extend_from_slice(message.get(at..)?);
    Some(canonical(rtype, &rdata).into_owned())
}

/// The name at this place, written out, and where what follows it begins.
fn read_name(message: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut name = Vec::new();
    let mut end = None;
    // Where the part that is being read began: a pointer must lead before it (RFC 1035 section 4.1.4), so that each ends.
    let mut began = at;
    loop {
        let len = *message.get(at)?;
        match len {
            0xc0.. => {
                let to = usize::from(u16::from_be_bytes([len & 0x3f, *message.get(at + 1)?]));
                end.get_or_insert(at + 2);
                if to >= began {
                    return None;
                }
                (at, began) = (to, to);
            }
            _ if usize::from(len) > LABEL_LEN_MAX => return None,
            _ => {
                let next = at + 1 + usize::from(len);
                name.extend_from_slice(message.get(at..next)?);
                if name.len() > NAME_LEN_MAX {
                    return None;
                }
                at = next;
                if len == 0 {
                    return Some((name, end.unwrap_or(at)));
                }
            }
        }
    }
}

/// In a few words.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_truncated {
            return write!(f, "{} and TC", rcode::text(self.rcode));
        }
        if self.rcode != rcode::NOERROR {
            return f.write_str(rcode::text(self.rcode));
        }
        if self.is_empty {
            return f.write_str("no data");
        }
        let (what, of) = match self.sections[0].0.is_empty() {
            false => ("", &self.sections[0]),
            true => ("referral to ", &self.sections[1]),
        };
        let records: Vec<&Record> = of.0.iter().filter(|record| record.rtype != RRSIG).collect();
        f.write_str(what)?;
        for (number, record) in records.iter().take(SHOWN_MAX).enumerate() {
            f.write_str(if number > 0 { ", " } else { "" })?;
            record.show(f)?;
        }
        match records.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl Record {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rtype::text(self.rtype))?;
        // Its serial is not ours to tell.
        if self.rtype == SOA {
            return Ok(());
        }
        let mut text = String::new();
        rdata::write(self.rtype, &self.rdata, &mut text);
        f.write_char(' ')?;
        match text.trim_start().char_indices().nth(SHOWN_LEN_MAX) {
            None => f.write_str(text.trim_start()),
            Some((end, _)) => write!(f, "{}...", &text.trim_start()[..end]),
        }
    }
}
