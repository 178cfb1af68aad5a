//! Asking a node itself, when too few others ask it to see anything in figures.
//!
//! ```text
//! for each address of the node's report: who is there, and what does it serve? -> it is the node -> questions -> what differs
//! ```
//!
//! Each question has one ID for the whole conversation, from a random start on: a datagram that was sent twice, or comes late, is the answer to
//! the question that it was sent for, or to none that is open. What answers no open question is skipped.
//!
//! An anycast address leads to some node, perhaps not to this one: so the first question is CH TXT `generation.server` with NSID (RFC 5001), and the
//! address counts only if the node's name comes back.

use crate::counted::listed;
use crate::sync::publish::answers::{Expected, expected};
use crate::sync::publish::plan::Plan;
use crate::sync::publish::tip::Held;
use crate::sync::question::{self, Asked};
use crate::sync::report::{ADDRESSES_MAX, Report};
use crate::wire::code::rtype::{self, NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA, ZONEMD};
use crate::wire::name;
use crate::wire::query::{HEADER_LEN, Header};
use async_trait::async_trait;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long a node may take for an answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is asked.
const TRIES: usize = 3;
/// How long all questions to one node may take: its report may name addresses that nobody answers at.
pub(super) const ASKING_MAX: Duration = Duration::from_secs(60);
/// Questions that are put at once.
const AT_ONCE: usize = 16;
/// Questions that are put.
pub const QUESTIONS_MAX: usize = 256;
/// Differences that are told.
const TOLD_MAX: usize = 3;

/// A question, and who knows the answer.
pub trait Question: Send + Sync {
    /// The message that puts it, with this ID.
    fn query(&self, id: u16) -> Vec<u8>;
    /// What differs from what is expected, for people; a message that has another ID or question does.
    fn judge(&self, id: u16, response: &[u8]) -> Result<(), String>;
    /// Itself, for people.
    fn text(&self) -> String;
}

/// Whoever asks nodes.
#[async_trait]
pub trait Ask: Send + Sync {
    /// Whether a node answers as the release does: how many questions it was asked. `Err`: what it does instead.
    async fn ask(&self, report: &Report, release: &Held) -> Result<usize, String>;
}

/// Asks over UDP.
pub struct Asker<'a> {
    /// What; the first [`QUESTIONS_MAX`] are put.
    pub questions: &'a [Box<dyn Question>],
}

#[async_trait]
impl Ask for Asker<'_> {
    async fn ask(&self, report: &Report, release: &Held) -> Result<usize, String> {
        const WHY: &str = "too few queries to tell by, and it can't be asked";
        let mut failures = Vec::new();
        for address in report.addresses.iter().take(ADDRESSES_MAX) {
            match Line::open(*address).await {
                Err(why) => failures.push(why),
                Ok(line) => match line.identify(&report.node).await {
                    Err(why) => failures.push(why),
                    Ok(generation) if generation != release.generation.to_string() => {
                        return Err(format!("asked at {address}, it serves {generation}"));
                    }
                    Ok(_) => return line.put(&self.questions[..self.questions.len().min(QUESTIONS_MAX)]).await,
                },
            }
        }
        match failures.is_empty() {
            true => Err(format!("{WHY}: its report names no address")),
            false => Err(format!("{WHY}: {}", failures.join("; "))),
        }
    }
}

/// A socket to an address of a node.
struct Line {
    address: SocketAddr,
    socket: UdpSocket,
    /// The ID of the first question; the next ones have those that follow.
    first_id: u16,
}

/// A question that is not answered yet.
struct Open<'q> {
    id: u16,
    message: Vec<u8>,
    question: &'q dyn Question,
}

impl Line {
    async fn open(address: SocketAddr) -> Result<Line, String> {
        let unspecified: IpAddr =
            if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let failed = |error: std::io::Error| format!("{address}: {error}");
        let socket = UdpSocket::bind((unspecified, 0)).await.map_err(failed)?;
        // Nobody else's datagrams are taken then.
        socket.connect(address).await.map_err(failed)?;
        // Each hasher has new keys.
        let first_id = RandomState::new().hash_one(address) as u16;
        Ok(Line { address, socket, first_id })
    }

    /// The generation that is served here, if it is this node that answers.
    async fn identify(&self, node: &str) -> Result<String, String> {
        let address = self.address;
        let message = who_is_there(self.first_id);
        for _ in 0..TRIES {
            // A refused port is an error at once; the next try may find it open.
            let _ = self.socket.send(&message).await;
            let deadline = Instant::now() + PATIENCE;
            while let Some(response) = self.receive(deadline).await {
                if !is_response(&message, &response) {
                    continue;
                }
                let Ok(response) = Message::from_vec(&response) else { continue };
                let name = response.edns.as_ref().and_then(|edns| match edns.option(EdnsCode::NSID) {
                    Some(EdnsOption::NSID(name)) => Some(String::from_utf8_lossy(name.as_ref()).into_owned()),
                    Some(EdnsOption::Unknown(_, name)) => Some(String::from_utf8_lossy(name).into_owned()),
                    _ => None,
                });
                return match name {
                    None => Err(format!("{address} does not say who it is, with NSID")),
                    Some(name) if name != node => Err(format!("{address} is {}", name.escape_debug())),
                    Some(_) => Ok(generation(&response)),
                };
            }
        }
        Err(format!("no answer from {address}"))
    }

    /// Puts questions, some at once, each again if no answer comes.
    async fn put(&self, questions: &[Box<dyn Question>]) -> Result<usize, String> {
        let mut wrong = Vec::new();
        // The first one was who is there.
        let ids = (1..).map(|n| self.first_id.wrapping_add(n));
        let numbered: Vec<(u16, &dyn Question)> = ids.zip(questions.iter().map(|question| &**question)).collect();
        for some in numbered.chunks(AT_ONCE) {
            let open =
                some.iter().map(|(id, question)| Open { id: *id, message: question.query(*id), question: *question });
            let mut open: Vec<Open<'_>> = open.collect();
            for _ in 0..TRIES {
                for Open { message, .. } in &open {
                    let _ = self.socket.send(message).await;
                }
                let deadline = Instant::now() + PATIENCE;
                while !open.is_empty()
                    && let Some(response) = self.receive(deadline).await
                {
                    let answered = open.iter().position(|open| is_response(&open.message, &response));
                    let Some(Open { id, question, .. }) = answered.map(|place| open.remove(place)) else { continue };
                    if let Err(why) = question.judge(id, &response) {
                        wrong.push(format!("{}: {why}", question.text()));
                    }
                }
            }
            wrong.extend(open.into_iter().map(|open| format!("{}: no answer", open.question.text())));
        }
        // With the one that showed who is there.
        let asked = questions.len() + 1;
        match wrong.is_empty() {
            true => Ok(asked),
            false => {
                wrong.sort_unstable();
                Err(format!(
                    "asked at {}, {} of {asked} answers are wrong: {}",
                    self.address,
                    wrong.len(),
                    listed(&wrong, TOLD_MAX)
                ))
            }
        }
    }

    async fn receive(&self, deadline: Instant) -> Option<Vec<u8>> {
        let mut buffer = [0; 4096];
        match timeout_at(deadline, self.socket.recv(&mut buffer)).await {
            Err(_) => None,
            Ok(Ok(length)) => Some(buffer[..length].to_vec()),
            // The port is refused: nothing comes until it is asked again.
            Ok(Err(_)) => {
                sleep_until(deadline).await;
                None
            }
        }
    }
}

/// Whether a message is the response to this query: by its ID, and its question in any case (RFC 5452 section 9.1).
fn is_response(query: &[u8], message: &[u8]) -> bool {
    let Some(Ok(name_len)) = query.get(HEADER_LEN..).map(name::wire_len) else { return false };
    if !Header::read(message).is_some_and(|header| header.is_response() && header.counts[0] == 1) {
        return false;
    }
    let name = HEADER_LEN..HEADER_LEN + name_len;
    let type_and_class = name.end..name.end + 4;
    let Some((asked, came)) = query.get(name.clone()).zip(message.get(name)) else { return false };
    query[..2] == message[..2]
        && asked.eq_ignore_ascii_case(came)
        && query.get(type_and_class.clone()) == message.get(type_and_class)
}

fn who_is_there(id: u16) -> Vec<u8> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    let mut question = Query::query(Name::from_ascii("generation.server.").expect("a valid name"), RecordType::TXT);
    question.set_query_class(DNSClass::CH);
    message.add_query(question);
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(EdnsCode::NSID.into(), Vec::new()));
    message.set_edns(edns);
    message.to_vec().expect("one question fits a message")
}

fn generation(response: &Message) -> String {
    let text = response.answers.iter().find_map(|record| match &record.data {
        RData::TXT(text) => Some(text.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect()),
        _ => None,
    });
    text.unwrap_or_else(|| match response.metadata.response_code {
        ResponseCode::NoError => "no release".into(),
        code => format!("no release that it tells ({code})"),
    })
}

impl Question for Expected {
    fn query(&self, id: u16) -> Vec<u8> {
        Expected::query(self, id)
    }

    fn judge(&self, id: u16, response: &[u8]) -> Result<(), String> {
        Expected::judge(self, id, response)
    }

    fn text(&self) -> String {
        self.question.to_string()
    }
}

/// What shows that a node serves what a plan changes: the serial of each zone, the answers to what nodes are asked most, and those about the records that the plan lists. Those that
/// lead into other zones are left out: what these answer is not known here.
pub fn about(plan: &Plan) -> Vec<Box<dyn Question>> {
    let mut questions: Vec<Box<dyn Question>> = Vec::new();
    let (mut images, mut asked) = (Vec::new(), Asked::default());
    // Of very many zones some will do, and some room is left for records.
    for change in plan.changes.iter().take(QUESTIONS_MAX / 2) {
        let Some(image) = &change.new else { continue };
        questions.push(Box::new(Serial { zone: change.zone.name().clone(), serial: image.serial() }));
        images.push(image.clone());
        for record in &change.difference.listed {
            let (owner, rtype) = (record.owner.parse(), rtype::from_text(&record.rtype));
            if let (Ok(owner), Some(rtype)) = (owner, rtype.filter(|rtype| !MADE_BY_SIGNERS.contains(rtype))) {
                asked.add(question::Question::new(&owner, rtype), 1);
            }
        }
    }
    // What nodes are really asked is known with all zones of the release.
    let known: BTreeMap<question::Question, Expected> = plan
        .answers
        .iter()
        .flat_map(|answers| answers.expected.iter().map(|expected| (expected.question.clone(), expected.clone())))
        .collect();
    let here = expected(asked.iter(), images).into_iter().filter(|expected| {
        expected.answer.is_authoritative
            && expected.answer.targets().next().is_none()
            && !known.contains_key(&expected.question)
    });
    let here: Vec<Expected> = here.collect();
    questions.extend(known.into_values().chain(here).map(|expected| Box::new(expected) as Box<dyn Question>));
    questions
}

/// Types that are asked for by nobody, or with the zone's serial.
const MADE_BY_SIGNERS: [u16; 6] = [SOA, RRSIG, NSEC, NSEC3, NSEC3PARAM, ZONEMD];

/// A zone's SOA record, which has this serial.
pub struct Serial {
    /// The zone.
    pub zone: crate::wire::name::Name,
    /// Its serial.
    pub serial: u32,
}

impl Question for Serial {
    fn query(&self, id: u16) -> Vec<u8> {
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        if let Ok(name) = Name::from_ascii(self.zone.to_string()) {
            message.add_query(Query::query(name, RecordType::SOA));
        }
        message.to_vec().unwrap_or_default()
    }

    fn judge(&self, id: u16, response: &[u8]) -> Result<(), String> {
        if !is_response(&self.query(id), response) {
            return Err("what it sends is no response to this question".into());
        }
        let response =
            Message::from_vec(response).map_err(|error| format!("it sends a malformed response: {error}"))?;
        let serial = response.answers.iter().find_map(|record| match &record.data {
            RData::SOA(soa) => Some(soa.serial),
            _ => None,
        });
        match serial {
            Some(serial) if serial == self.serial => Ok(()),
            Some(serial) => Err(format!("it answers serial {serial}, not {}", self.serial)),
            None => Err(format!("it answers {} without it", response.metadata.response_code)),
        }
    }

    fn text(&self) -> String {
        format!("{} SOA", self.zone)
    }
}

#[cfg(test)]
mod tests;
