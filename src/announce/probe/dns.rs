//! The DNS probe: a question with its expected answer, over UDP or TCP.
//!
//! The message is built and read here: the answer of whoever holds the address is input like any other, and a general library's
//! panic would withdraw the route. It is read as far as the question asks, and every read is checked.

use super::tcp;
use crate::wire::code::{class, opcode, rcode, rtype};
use crate::wire::name::{LABEL_LEN_MAX, LABELS_MAX, NAME_LEN_MAX, Name};
use crate::wire::query::HEADER_LEN;
use crate::wire::rdata;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

/// Octets of a UDP answer that are taken. Without EDNS an answer has at most 512 (RFC 1035 section 4.2.1).
const UDP_LEN_MAX: usize = 4096;
/// UDP messages that are read while waiting for the answer: the others are strays.
const STRAYS_MAX: usize = 16;
/// QR, TC and RA of the header's second word, and where the opcode lies (RFC 1035 section 4.1.1).
const QR: u16 = 0x8000;
const TC: u16 = 0x0200;
const OPCODE_SHIFT: u16 = 11;

/// What is asked, and what must come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The port.
    pub port: u16,
    /// Over TCP, not UDP.
    pub tcp: bool,
    /// The question.
    pub question: Question,
    /// What the answer must be.
    pub expect: Expect,
}

/// A name and a type, of class IN. As text: `www.example.com A`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// QNAME.
    pub name: Name,
    /// QTYPE.
    pub rtype: u16,
}

/// What the answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// This response code, whatever else.
    Rcode(u16),
    /// NOERROR, and one record of the type asked for in the answer section has this RDATA (names in lower case).
    Record(Vec<u8>),
    /// NOERROR, and the strings of one TXT record make this text.
    Text(Vec<u8>),
}

impl FromStr for Question {
    type Err = String;

    /// `Err`: what is wrong, and the form.
    fn from_str(text: &str) -> Result<Question, String> {
        let mut words = text.split_whitespace();
        let (Some(name), Some(kind), None) = (words.next(), words.next(), words.next()) else {
            return Err("write a name and a type: \"www.example.com A\"".into());
        };
        let name = Name::from_text(name).map_err(|error| format!("{name} is no domain name: {error}"))?;
        let rtype = rtype::from_text(kind).ok_or_else(|| format!("{kind} is no record type"))?;
        Ok(Question { name, rtype })
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, rtype::text(self.rtype))
    }
}

/// Response codes that can be expected by name.
const RCODES: [u16; 6] =
    [rcode::NOERROR, rcode::FORMERR, rcode::SERVFAIL, rcode::NXDOMAIN, rcode::NOTIMP, rcode::REFUSED];

impl Expect {
    /// Reads what is expected of a question for `rtype`: a response code, or RDATA as text. A, AAAA, NS, CNAME, DNAME, PTR, MX
    /// and TXT have their own form, other types that of RFC 3597 section 5 (`\# 4 C0000250`). `Err`: what is wrong.
    pub fn from_text(text: &str, rtype: u16) -> Result<Expect, String> {
        if text.is_empty() {
            return Err("nothing is expected".into());
        }
        if let Some(code) = RCODES.into_iter().find(|code| rcode::text(*code) == text) {
            return Ok(Expect::Rcode(code));
        }
        let name = |text: &str| {
            let name = Name::from_text(text).map_err(|error| format!("{text} is no domain name: {error}"))?;
            Ok::<_, String>(name.to_lower().as_wire().to_vec())
        };
        if let Some(generic) = text.strip_prefix("\\#") {
            return octets(generic).map(|data| Expect::Record(rdata::canonical(rtype, &data).into_owned()));
        }
        let data = match rtype {
            rtype::A => text.parse::<Ipv4Addr>().map_err(|_| format!("{text} is no IPv4 address"))?.octets().to_vec(),
            rtype::AAAA => {
                text.parse::<Ipv6Addr>().map_err(|_| format!("{text} is no IPv6 address"))?.octets().to_vec()
            }
            rtype::NS | rtype::CNAME | rtype::DNAME | rtype::PTR => name(text)?,
            rtype::MX => {
                let form =
                    || format!("{text} is no MX data: write a preference and a name, such as \"10 mx.example.com\"");
                let (preference, exchange) = text.split_once(' ').ok_or_else(form)?;
                let preference: u16 = preference.parse().map_err(|_| form())?;
                [&preference.to_be_bytes()[..], &name(exchange.trim())?].concat()
            }
            rtype::TXT => return Ok(Expect::Text(text.as_bytes().to_vec())),
            other => {
                let mnemonic = rtype::text(other);
                return Err(format!(
                    "expected {mnemonic} data is written as octets (RFC 3597), such as \"\\\\# 2 0A0B\"; or expect NOERROR"
                ));
            }
        };
        Ok(Expect::Record(data))
    }
}

/// What stands behind `\#`: the number of octets, and the octets in hexadecimal.
fn octets(text: &str) -> Result<Vec<u8>, String> {
    let mut words = text.split_whitespace();
    let length: Option<usize> = words.next().and_then(|length| length.parse().ok());
    let digits: Vec<u8> = words.flat_map(str::bytes).collect();
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    match pairs.collect::<Option<Vec<u8>>>() {
        Some(data) if digits.len().is_multiple_of(2) && length == Some(data.len()) => Ok(data),
        _ => Err(format!("\\#{text} is no data: write the number of octets and the octets, such as \"\\\\# 2 0A0B\"")),
    }
}

impl Check {
    /// Asks. `Err`: what was wrong.
    pub(super) async fn ask(&self, address: IpAddr) -> Result<(), String> {
        if self.tcp { self.ask_tcp(address).await } else { self.ask_udp(address).await }
    }

    async fn ask_udp(&self, address: IpAddr) -> Result<(), String> {
        let failed = |error: std::io::Error| error.to_string();
        let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        // A port of its own for each question, and only this address may answer.
        let socket = UdpSocket::bind((any, 0)).await.map_err(failed)?;
        socket.connect((address, self.port)).await.map_err(failed)?;
        let id = random_id();
        socket.send(&query(id, &self.question)).await.map_err(failed)?;
        let mut buffer = [0; UDP_LEN_MAX];
        for _ in 0..STRAYS_MAX {
            let length = socket.recv(&mut buffer).await.map_err(failed)?;
            match judge(&buffer[..length], id, &self.question, &self.expect) {
                Err(Wrong::NotOurs) => {}
                other => return other.map_err(|wrong| wrong.to_string()),
            }
        }
        Err(Wrong::NotOurs.to_string())
    }

    async fn ask_tcp(&self, address: IpAddr) -> Result<(), String> {
        let failed = |error: std::io::Error| error.to_string();
        let mut stream = tcp::open(address, self.port).await?;
        let id = random_id();
        let message = query(id, &self.question);
        // RFC 7766 section 8: length and message in one segment.
        let length = u16::try_from(message.len()).map_err(|_| "the question is too long")?;
        stream.write_all(&[&length.to_be_bytes()[..], &message].concat()).await.map_err(failed)?;
        let length = stream.read_u16().await.map_err(failed)?;
        let mut answer = vec![0; length.into()];
        stream.read_exact(&mut answer).await.map_err(failed)?;
        // Ten probes a second would leave hundreds of closed connections waiting (TIME-WAIT): this one ends with a reset.
        let _ = stream.set_zero_linger();
        judge(&answer, id, &self.question, &self.expect).map_err(|wrong| wrong.to_string())
    }
}

/// Hard to guess, and of the system's own randomness: each hasher has new keys.
fn random_id() -> u16 {
    RandomState::new().hash_one(0u8) as u16
}

/// The query: one question, no recursion desired, no EDNS. Names keep their case.
pub fn query(id: u16, question: &Question) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER_LEN + NAME_LEN_MAX + 4);
    for word in [id, u16::from(opcode::QUERY) << OPCODE_SHIFT, 1, 0, 0, 0] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    message.extend_from_slice(question.name.as_wire());
    message.extend_from_slice(&question.rtype.to_be_bytes());
    message.extend_from_slice(&class::IN.to_be_bytes());
    message
}

/// Why a message is not the expected answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Another ID, another question, or no response at all: not an answer to this question.
    #[error("what came is no answer to the question")]
    NotOurs,
    /// It ends early, or a name in it leads nowhere.
    #[error("the answer is malformed")]
    Malformed,
    /// Another response code.
    #[error("the answer is {}, not {}", code(*.found), code(*.expected))]
    Rcode {
        /// What came.
        found: u16,
        /// What should have.
        expected: u16,
    },
    /// Cut short, and what is there lacks the record.
    #[error("the answer is truncated")]
    Truncated,
    /// No record of the type asked for is the expected one.
    #[error("none of the answer's {0} records of this type is the expected one")]
    Record(usize),
}

fn code(value: u16) -> String {
    match rcode::text(value) {
        "OTHER" => format!("RCODE {value}"),
        text => text.into(),
    }
}

/// Whether `packet` is the answer.
pub fn judge(packet: &[u8], id: u16, question: &Question, expect: &Expect) -> Result<(), Wrong> {
    let mut reader = Reader { packet, at: 0 };
    let mut header = [0; HEADER_LEN / 2];
    for word in &mut header {
        *word = reader.u16().ok_or(Wrong::NotOurs)?;
    }
    let [its_id, flags, questions, answers, ..] = header;
    if its_id != id || flags & QR == 0 || flags >> OPCODE_SHIFT & 0xf != u16::from(opcode::QUERY) {
        return Err(Wrong::NotOurs);
    }
    let expected = match expect {
        Expect::Rcode(code) => *code,
        Expect::Record(_) | Expect::Text(_) => rcode::NOERROR,
    };
    let found = flags & 0xf;
    // A server that can't read the question may leave it out (FORMERR).
    if questions == 0 && found != expected {
        return Err(Wrong::Rcode { found, expected });
    }
    if questions != 1 || !reader.is_question(question).ok_or(Wrong::Malformed)? {
        return Err(Wrong::NotOurs);
    }
    if found != expected {
        return Err(Wrong::Rcode { found, expected });
    }
    if let Expect::Rcode(_) = expect {
        return Ok(());
    }
    let mut seen = 0;
    for _ in 0..answers {
        let Some((rtype, data)) = reader.record() else {
            return Err(if flags & TC != 0 { Wrong::Truncated } else { Wrong::Malformed });
        };
        if rtype != question.rtype {
            continue;
        }
        seen += 1;
        let same = match expect {
            Expect::Record(expected) => *rdata::canonical(rtype, &data) == expected[..],
            Expect::Text(expected) => strings(&data).as_ref() == Some(expected),
            Expect::Rcode(_) => true,
        };
        if same {
            return Ok(());
        }
    }
    Err(if flags & TC != 0 { Wrong::Truncated } else { Wrong::Record(seen) })
}

/// The strings of a TXT record, one behind the other.
fn strings(mut data: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    while let Some((length, rest)) = data.split_first() {
        let (string, rest) = rest.split_at_checked((*length).into())?;
        text.extend_from_slice(string);
        data = rest;
    }
    Some(text)
}

/// Reads a message from front to back.
struct Reader<'a> {
    packet: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn u16(&mut self) -> Option<u16> {
        let bytes = self.packet.get(self.at..)?.first_chunk::<2>()?;
        self.at += 2;
        Some(u16::from_be_bytes(*bytes))
    }

    /// The name here, in full.
    fn name(&mut self) -> Option<Vec<u8>> {
        let (name, after) = expand(self.packet, self.at)?;
        self.at = after;
        Some(name)
    }

    /// Whether the question here is ours; letters compared without case (RFC 4343).
    fn is_question(&mut self, question: &Question) -> Option<bool> {
        let name = self.name()?;
        let (rtype, class) = (self.u16()?, self.u16()?);
        Some(name.eq_ignore_ascii_case(question.name.as_wire()) && rtype == question.rtype && class == class::IN)
    }

    /// Type and data of the record here, names in the data in full.
    fn record(&mut self) -> Option<(u16, Vec<u8>)> {
        self.name()?;
        let (rtype, _class, _ttl) = (self.u16()?, self.u16()?, (self.u16()?, self.u16()?));
        let length = self.u16()?;
        let end = self.at + usize::from(length);
        let data = self.packet.get(self.at..end)?;
        let data = if rdata::is_compressible(rtype) { self.expand_data(rtype, end)? } else { data.to_vec() };
        self.at = end;
        Some((rtype, data))
    }

    /// Data whose names may be compressed (RFC 1035 section 4.1.4).
    fn expand_data(&self, rtype: u16, end: usize) -> Option<Vec<u8>> {
        let (before, names) = match rtype {
            rtype::MX => (2, 1),
            rtype::SOA | rtype::MINFO => (0, 2),
            _ => (0, 1),
        };
        let mut at = self.at + before;
        let mut data = self.packet.get(self.at..at)?.to_vec();
        for _ in 0..names {
            let (name, after) = expand(self.packet, at)?;
            data.extend_from_slice(&name);
            at = after;
        }
        data.extend_from_slice(self.packet.get(at..end)?);
        Some(data)
    }
}

/// The name at `at`, uncompressed, and where what follows it is. Each pointer must lead backwards, so that they end.
fn expand(packet: &[u8], at: usize) -> Option<(Vec<u8>, usize)> {
    let mut name = Vec::with_capacity(32);
    let mut at = at;
    let mut after = None;
    let mut lowest = at;
    // Each step takes a label or goes backwards; a name has no more than so many of each.
    for _ in 0..2 * (LABELS_MAX + 1) {
        let length = usize::from(*packet.get(at)?);
        match length {
            0 => {
                name.push(0);
                return (name.len() <= NAME_LEN_MAX).then_some((name, after.unwrap_or(at + 1)));
            }
            1..=LABEL_LEN_MAX => {
                name.extend_from_slice(packet.get(at..at + 1 + length)?);
                at += 1 + length;
            }
            0xc0.. => {
                let target = (length & 0x3f) << 8 | usize::from(*packet.get(at + 1)?);
                after.get_or_insert(at + 2);
                if target >= lowest {
                    return None;
                }
                (at, lowest) = (target, target);
            }
            _ => return None,
        }
        if name.len() >= NAME_LEN_MAX {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
    use hickory_proto::rr::rdata::{MX, NS, SOA, TXT};
    use hickory_proto::rr::{self, RData, Record, RecordType};
    use proptest::prelude::*;

    fn question(text: &str) -> Question {
        text.parse().unwrap()
    }

    fn expect(text: &str, question: &Question) -> Expect {
        Expect::from_text(text, question.rtype).unwrap()
    }

    /// An answer by hickory-proto, which shares no code with the reader, and compresses names.
    fn answer(question: &str, code: ResponseCode, data: Vec<RData>) -> Vec<u8> {
        let (name, kind) = question.split_once(' ').unwrap();
        let name = rr::Name::from_ascii(format!("{name}.")).unwrap();
        let mut message = Message::new(7, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        message.add_query(Query::query(name.clone(), kind.parse::<RecordType>().unwrap()));
        for data in data {
            message.add_answer(Record::from_rdata(name.clone(), 300, data));
        }
        message.to_vec().unwrap()
    }

    fn name(text: &str) -> rr::Name {
        rr::Name::from_ascii(text).unwrap()
    }

    #[test]
    fn the_query_is_what_hickory_reads() {
        let message = Message::from_vec(&query(0xbeef, &question("www.Example.com AAAA"))).unwrap();
        assert_eq!((message.metadata.id, message.metadata.message_type), (0xbeef, MessageType::Query));
        assert!(!message.metadata.recursion_desired);
        assert_eq!(message.queries[0].to_string(), "www.Example.com. IN AAAA");
    }

    #[test]
    fn records_are_found_among_others() {
        let soa = SOA::new(name("ns.example.com."), name("host.example.com."), 7, 3600, 900, 604_800, 300);
        let hex = "\\# 54 026E73076578616D706C6503636F6D00 04686F7374076578616D706C6503636F6D00 \
                   00000007 00000E10 00000384 00093A80 0000012C";
        for (asked, expected, data) in [
            ("www.example.com A", "192.0.2.80", RData::A("192.0.2.80".parse().unwrap())),
            ("www.example.com AAAA", "2001:db8::80", RData::AAAA("2001:db8::80".parse().unwrap())),
            ("example.com NS", "NS.example.com", RData::NS(NS(name("ns.Example.com.")))),
            ("example.com MX", "10 mx.example.com.", RData::MX(MX::new(10, name("mx.example.com.")))),
            ("example.com TXT", "node ams1", RData::TXT(TXT::new(vec!["node ".into(), "ams1".into()]))),
            ("example.com SOA", hex, RData::SOA(soa)),
        ] {
            let question = question(asked);
            let expect = expect(expected, &question);
            let right = answer(asked, ResponseCode::NoError, vec![data.clone()]);
            assert_eq!(judge(&right, 7, &question, &expect), Ok(()), "{asked}");
            assert_eq!(judge(&right, 8, &question, &expect), Err(Wrong::NotOurs));
            let none = answer(asked, ResponseCode::NoError, vec![]);
            assert_eq!(judge(&none, 7, &question, &expect), Err(Wrong::Record(0)));
            let refused = answer(asked, ResponseCode::Refused, vec![data]);
            let wrong = Wrong::Rcode { found: rcode::REFUSED, expected: rcode::NOERROR };
            assert_eq!(judge(&refused, 7, &question, &expect), Err(wrong));
        }
    }

    #[test]
    fn one_of_several_addresses_is_enough() {
        let all = ["192.0.2.1", "192.0.2.80"].map(|address| RData::A(address.parse().unwrap())).to_vec();
        let asked = question("www.example.com A");
        let packet = answer("www.example.com A", ResponseCode::NoError, all);
        assert_eq!(judge(&packet, 7, &asked, &expect("192.0.2.80", &asked)), Ok(()));
        assert_eq!(judge(&packet, 7, &asked, &expect("192.0.2.81", &asked)), Err(Wrong::Record(2)));
        assert_eq!(
            judge(&packet, 7, &question("other.example.com A"), &expect("192.0.2.80", &asked)),
            Err(Wrong::NotOurs)
        );
        assert_eq!(judge(&packet, 7, &question("www.example.com AAAA"), &Expect::Rcode(0)), Err(Wrong::NotOurs));
    }

    #[test]
    fn response_codes_can_be_expected() {
        let asked = question("no.example.com A");
        let packet = answer("no.example.com A", ResponseCode::NXDomain, vec![]);
        assert_eq!(judge(&packet, 7, &asked, &expect("NXDOMAIN", &asked)), Ok(()));
        let wrong = judge(&packet, 7, &asked, &expect("NOERROR", &asked)).unwrap_err();
        assert_eq!(wrong.to_string(), "the answer is NXDOMAIN, not NOERROR");
    }

    #[test]
    fn a_truncated_answer_is_called_so() {
        let asked = question("www.example.com A");
        let mut packet = answer("www.example.com A", ResponseCode::NoError, vec![]);
        packet[2] |= 0x02;
        assert_eq!(judge(&packet, 7, &asked, &expect("192.0.2.1", &asked)), Err(Wrong::Truncated));
    }

    #[test]
    fn a_query_that_comes_back_is_no_answer() {
        let asked = question("www.example.com A");
        assert_eq!(judge(&query(7, &asked), 7, &asked, &Expect::Rcode(0)), Err(Wrong::NotOurs));
    }

    #[test]
    fn pointers_that_lead_nowhere_are_malformed() {
        let asked = question("www.example.com NS");
        let good = answer("www.example.com NS", ResponseCode::NoError, vec![RData::NS(NS(name("ns.example.com.")))]);
        let expect = expect("ns.example.com", &asked);
        assert_eq!(judge(&good, 7, &asked, &expect), Ok(()));
        // The owner of the answer, right behind the question, points to itself.
        let owner = HEADER_LEN + asked.name.as_wire().len() + 4;
        let mut packet = good.clone();
        packet[owner..owner + 2].copy_from_slice(&(0xc000 | owner as u16).to_be_bytes());
        assert_eq!(judge(&packet, 7, &asked, &expect), Err(Wrong::Malformed));
    }

    #[test]
    fn what_is_written_wrong_is_said() {
        for (text, rtype, part) in [
            ("192.0.2", rtype::A, "no IPv4 address"),
            ("192.0.2.1", rtype::AAAA, "no IPv6 address"),
            ("mx.example.com", rtype::MX, "a preference and a name"),
            ("a..b", rtype::NS, "no domain name"),
            ("ns. host. 1", rtype::SOA, "RFC 3597"),
            ("\\# 2 0A", rtype::SOA, "number of octets"),
            ("\\# 1 0AB", rtype::SOA, "number of octets"),
        ] {
            let error = Expect::from_text(text, rtype).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!("www.example.com".parse::<Question>().unwrap_err().contains("a name and a type"));
        assert!("www.example.com FOO".parse::<Question>().unwrap_err().contains("FOO is no record type"));
        assert_eq!(question("www.example.com a").to_string(), "www.example.com. A");
    }

    proptest! {
        #[test]
        fn no_message_panics_and_none_but_the_answer_is_taken(
            mut packet in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..200, at in 0usize..80, octet in any::<u8>(),
        ) {
            let asked = question("www.example.com NS");
            let expect = expect("ns.example.com", &asked);
            let _ = judge(&packet, 7, &asked, &expect);
            packet = answer("www.example.com NS", ResponseCode::NoError, vec![RData::NS(NS(name("ns.example.com.")))]);
            let whole = packet.len();
            packet.truncate(cut);
            prop_assert_eq!(judge(&packet, 7, &asked, &expect).is_ok(), cut >= whole);
            if let Some(place) = packet.get_mut(at) {
                *place = octet;
            }
            let _ = judge(&packet, 7, &asked, &expect);
        }
    }
}
