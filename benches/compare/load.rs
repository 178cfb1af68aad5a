//! The load generator: one thread, a window of queries in flight over several sockets, as fast as they are answered.

use crate::sys::Batch;
use crate::zones::{Expected, Kind, Question};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Sockets that the load comes from: more than one flow, few enough to poll in a circle.
const SOCKETS: usize = 16;
/// Queries in flight over one socket.
const WINDOW: usize = 32;
/// A socket that hears nothing for so long gives up what it waited for.
const LOST_AFTER: Duration = Duration::from_millis(50);
/// Only the header of a response is looked at under load.
const HEADER: usize = 12;
/// Octets that a query may take: the longest name, the fixed parts, an OPT.
const QUERY_MAX: usize = 12 + 255 + 4 + 11;

/// Queries in wire form, one after the other, asked in a circle.
pub(crate) struct Queries {
    octets: Vec<u8>,
    ends: Vec<usize>,
    rcode: u8,
}

impl Queries {
    /// Puts the questions of a kind in wire form, each with an OPT that takes 1232 octets.
    pub(crate) fn new(kind: &Kind) -> Queries {
        let mut octets = Vec::new();
        let mut ends = Vec::with_capacity(kind.questions.len());
        for question in &kind.questions {
            octets.extend_from_slice(&packet(question, 0));
            ends.push(octets.len());
        }
        Queries { octets, ends, rcode: kind.questions[0].expected.rcode }
    }

    fn get(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.octets[start..self.ends[at]]
    }
}

/// What a run brought.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Brought {
    /// Responses with the rcode that was due.
    pub(crate) right: u64,
    /// Responses with another.
    pub(crate) wrong: u64,
    /// Queries given up.
    pub(crate) lost: u64,
    /// How long it took.
    pub(crate) seconds: f64,
}

/// Asks `queries` for `length`. `judge`: whether the rcode counts (the floor has none to give).
pub(crate) fn run(addr: SocketAddr, queries: &Queries, length: Duration, judge: bool) -> io::Result<Brought> {
    let mut flows = Vec::new();
    for _ in 0..SOCKETS {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(addr)?;
        socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20)?;
        flows.push(Flow { socket, waiting: 0, heard: Instant::now() });
    }
    let mut sends = Batch::new(WINDOW, QUERY_MAX);
    let mut receives = Batch::new(WINDOW, HEADER);
    let mut brought = Brought::default();
    let (mut next, mut id) = (0, 0_u16);
    let start = Instant::now();
    while start.elapsed() < length {
        for flow in &mut flows {
            match receives.receive(&flow.socket, false) {
                Ok(count) => {
                    for at in 0..count {
                        let header = receives.packet(at);
                        let right = !judge || header.len() == HEADER && header[3] & 15 == queries.rcode;
                        *(if right { &mut brought.right } else { &mut brought.wrong }) += 1;
                    }
                    flow.waiting = flow.waiting.saturating_sub(count);
                    flow.heard = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if flow.waiting > 0 && flow.heard.elapsed() > LOST_AFTER {
                        brought.lost += flow.waiting as u64;
                        flow.waiting = 0;
                    }
                }
                Err(error) => return Err(error),
            }
            let room = WINDOW - flow.waiting;
            if room == 0 {
                continue;
            }
            for at in 0..room {
                sends.put(at, queries.get(next));
                sends.packet(at)[..2].copy_from_slice(&id.to_be_bytes());
                id = id.wrapping_add(1);
                next = (next + 1) % queries.ends.len();
            }
            if flow.waiting == 0 {
                flow.heard = Instant::now();
            }
            flow.waiting += sends.send(&flow.socket, 0, room, false)?;
        }
    }
    brought.seconds = start.elapsed().as_secs_f64();
    Ok(brought)
}

struct Flow {
    socket: UdpSocket,
    waiting: usize,
    heard: Instant,
}

/// Asks one question and checks the response: ID, question, and what is expected. `Ok(None)`: none came in time.
pub(crate) fn ask(
    socket: &UdpSocket,
    addr: SocketAddr,
    question: &Question,
    id: u16,
    patience: Duration,
) -> io::Result<Option<Result<(), String>>> {
    let query = packet(question, id);
    let mut response = [0; 4096];
    socket.set_read_timeout(Some(patience))?;
    if socket.send_to(&query, addr).is_err() {
        // A port that nobody listens on yet answers with ICMP.
        return Ok(None);
    }
    loop {
        match socket.recv_from(&mut response) {
            Ok((len, from)) if from == addr && len >= HEADER && response[..2] == query[..2] => {
                return Ok(Some(check(&response[..len], &query, question)));
            }
            Ok(_) => {}
            Err(_) => return Ok(None),
        }
    }
}

fn check(response: &[u8], query: &[u8], question: &Question) -> Result<(), String> {
    let count = |at: usize| u16::from_be_bytes([response[at], response[at + 1]]);
    let Expected { rcode, authoritative, answers, authorities } = question.expected;
    let said = (response[3] & 15, response[2] & 4 != 0, count(6));
    let due = (rcode, authoritative, answers);
    let asked = &query[HEADER..query.len() - 11];
    if response[2] & 0x82 != 0x80 {
        return Err(format!("{} {}: no response, or truncated", question.name, question.rtype));
    }
    if response.get(HEADER..HEADER + asked.len()).is_none_or(|echo| !echo.eq_ignore_ascii_case(asked)) {
        return Err(format!("{} {}: another question comes back", question.name, question.rtype));
    }
    match said == due && authorities.is_none_or(|(least, most)| (least..=most).contains(&count(8))) {
        true => Ok(()),
        false => Err(format!(
            "{} {}: (rcode, AA, answers) is {said:?}, should be {due:?}; {} authorities, should be {authorities:?}",
            question.name,
            question.rtype,
            count(8),
        )),
    }
}

fn packet(question: &Question, id: u16) -> Vec<u8> {
    const OPT: [u8; 11] = [0, 0, 41, 1232_u16.to_be_bytes()[0], 1232_u16.to_be_bytes()[1], 0, 0, 0, 0, 0, 0];
    let mut packet = crate::support::peers::query(id, &question.name, question.rtype);
    packet[11] = 1;
    packet.extend_from_slice(&OPT);
    // DO is the upper bit of the flags (RFC 3225 section 3).
    let flags = packet.len() - 4;
    packet[flags] = if question.dnssec_ok { 0x80 } else { 0 };
    packet
}
