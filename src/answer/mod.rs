//! The pure responder: one message in, one message out.
//!
//! [`answer`] is the one door that every transport, bench, fuzzer and test goes through. Enters a packet with who asked
//! how; leaves a message in the caller's buffer and an [`Outcome`] that feeds counters. Never in here: I/O, locks,
//! allocation, a clock.
//!
//! ```text
//! answer    header and opcode, EDNS, class      -> chaos | resolve
//! resolve   zone, name, cut, wildcard, alias    -> emit
//! denial    what proves that a name or a type does not exist
//! emit      RRsets into sections, compression, signatures, what goes along
//! edns      our OPT and its options; cookie
//! tsig      what goes back to whoever signs
//! ```

mod chaos;
pub mod cookie;
mod denial;
mod edns;
mod emit;
mod resolve;
mod step;
mod tsig;

use crate::wire::code::{class, ede, opcode, rcode, rtype};
use crate::wire::lookup::LookupName;
use crate::wire::query::{Additional, Edns, HEADER_LEN, Header, Question};
use crate::wire::writer::Writer;
use crate::zone::image::Ahead;
use crate::zone::set::Zones;
use edns::Reply;
use std::net::{IpAddr, SocketAddr};

/// How a query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One datagram: the response must fit the client's size.
    Udp,
    /// A stream with length prefixes (RFC 7766): up to 65,535 octets.
    Tcp,
}

impl Transport {
    /// Both, in the order of their numbers.
    pub const ALL: [Transport; 2] = [Transport::Udp, Transport::Tcp];
}

/// One message from a client.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The whole message, without TCP's length prefix.
    pub packet: &'a [u8],
    /// Who asked.
    pub peer: SocketAddr,
    /// The address asked, as far as it is known.
    pub local: IpAddr,
    /// How.
    pub transport: Transport,
    /// Seconds since 1970, for cookies (RFC 9018 section 4.3).
    pub now_secs: u32,
}

impl Query<'_> {
    /// Whether it came from the very address that it went to: a host that asks its own address, as a probe beside the server
    /// does, gets that address as its source.
    #[inline]
    pub fn from_this_host(&self) -> bool {
        self.peer.ip() == self.local
    }
}

/// All that an answer depends on; swapped as one.
pub struct Served {
    /// The zones.
    pub zones: Zones,
    /// The settings.
    pub settings: Settings,
}

/// Settings of the responder.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Largest UDP response and the size that our OPT advertises; 512 to 4096.
    pub udp_size: u16,
    /// Answer to NSID (RFC 5001) and to `id.server` and `hostname.bind`: the node's name. None: neither is answered.
    pub node: Option<Box<[u8]>>,
    /// Whether NSID is answered.
    pub nsid: bool,
    /// Whether CH TXT `id.server` is answered.
    pub chaos_id: bool,
    /// Whether CH TXT `hostname.bind` is answered.
    pub chaos_hostname: bool,
    /// What CH TXT `version.server` and `version.bind` are answered with, if at all.
    pub chaos_version: Option<Box<[u8]>>,
    /// What CH TXT `generation.server` is answered with: the release that is served. None: there is none, and the name is refused.
    pub generation: Option<Box<[u8]>>,
    /// Keepalive told to TCP clients that ask (RFC 7828), in units of 100 ms.
    pub keepalive_100ms: u16,
    /// Cookie secrets (RFC 9018).
    pub cookies: cookie::Secrets,
    /// Whether UDP clients must show a valid cookie to get more than BADCOOKIE or TC.
    pub require_cookie: bool,
}

impl Settings {
    /// Of a responder that is asked what zones say and nothing about itself, with responses of at most so many octets.
    pub fn plain(udp_size: u16) -> Settings {
        Settings {
            udp_size,
            node: None,
            nsid: false,
            chaos_id: false,
            chaos_hostname: false,
            chaos_version: None,
            generation: None,
            keepalive_100ms: 0,
            cookies: cookie::Secrets::fixed([0; 16]),
            require_cookie: false,
        }
    }
}

/// Why a message got no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Drop {
    /// Under 12 octets.
    Short,
    /// QR=1: answering responses makes loops.
    Response,
    /// UDP source port 0: nobody can receive there.
    PortZero,
}

/// What became of a query: enough for counters and limits without parsing again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Octets of the response in the out buffer, or why there is none.
    pub result: Result<usize, Drop>,
    /// Extended response code.
    pub rcode: u16,
    /// Type asked; 0 when the question could not be read.
    pub qtype: u16,
    /// [`crate::zone::set::Zone::id`] of the zone that the question's name lies in.
    pub zone: Option<u32>,
    /// Whether TC is set.
    pub truncated: bool,
}

/// UDP responses to clients without EDNS (RFC 1035 section 4.2.1), and the least size that EDNS can name (RFC 6891 section
/// 6.2.3).
const UDP_SIZE_MIN: u16 = 512;
/// Size of a TCP message (RFC 1035 section 4.2.2).
const TCP_SIZE: usize = 65_535;

/// Answers one query into `out`, which must hold 65,535 octets for TCP and [`Settings::udp_size`] for UDP.
pub fn answer(query: &Query, served: &Served, out: &mut [u8]) -> Outcome {
    let dropped = |cause| Outcome { result: Err(cause), rcode: 0, qtype: 0, zone: None, truncated: false };
    let Some(header) = Header::read(query.packet) else { return dropped(Drop::Short) };
    if header.is_response() {
        return dropped(Drop::Response);
    }
    if query.transport == Transport::Udp && query.peer.port() == 0 {
        return dropped(Drop::PortZero);
    }
    let limit = match query.transport {
        // Until the client's own size is known.
        Transport::Udp => UDP_SIZE_MIN as usize,
        Transport::Tcp => TCP_SIZE,
    };
    let mut response = Response {
        query,
        header,
        writer: Writer::new(out, limit),
        limit,
        counts: [0; 4],
        rcode: rcode::NOERROR,
        authoritative: false,
        truncated: false,
        dnssec: false,
        qtype: 0,
        zone: None,
        tsig: None,
        places: emit::Places::default(),
    };
    let mut name = LookupName::default();
    let reply = respond(&mut response, served, &mut name);
    response.finish(&reply, &served.settings)
}

/// Images that stay in the processor's own caches need no help: reading each question twice would cost more than it saves.
const PREFETCH_FROM: usize = 4 << 20;

/// Packets that are loaded ahead together.
const AHEAD_MAX: usize = 64;

/// Starts loading the memory that [`answer`] will need for these packets, the first 64 of a batch. Called before the first of
/// them is answered, so that the batch waits for memory together. Does nothing where the zones are small.
pub fn prefetch<'p>(packets: impl Iterator<Item = &'p [u8]>, served: &Served) {
    if served.zones.image_len() < PREFETCH_FROM {
        return;
    }
    let mut probes = [None; AHEAD_MAX];
    let mut name = LookupName::default();
    for (probe, packet) in probes.iter_mut().zip(packets) {
        if let Some(rest) = packet.get(HEADER_LEN..)
            && name.read(rest).is_some()
            && let Some(zone) = served.zones.find(&name, usize::MAX)
            && let Some(image) = zone.image()
        {
            *probe = image.ahead(&name).inspect(Ahead::load_directory);
        }
    }
    probes.iter().flatten().for_each(Ahead::load_bucket);
    probes.iter().flatten().for_each(Ahead::load_node);
    probes.iter_mut().flatten().for_each(Ahead::load_sets);
    probes.iter().flatten().for_each(Ahead::load_shared);
}

/// A response under construction.
struct Response<'a> {
    query: &'a Query<'a>,
    header: Header,
    writer: Writer<'a>,
    /// Octets that the whole response may take.
    limit: usize,
    /// Entries of the four sections.
    counts: [u16; 4],
    rcode: u16,
    authoritative: bool,
    truncated: bool,
    /// Whether signatures and proofs are wanted (DO, RFC 3225 section 3).
    dnssec: bool,
    qtype: u16,
    zone: Option<u32>,
    /// The TSIG record of the query, whose key is unknown.
    tsig: Option<tsig::Tsig<'a>>,
    /// Where the parts of the RRset that was written last stand.
    places: emit::Places,
}

/// Decides what the response is; gives the OPT to send with it.
fn respond<'a>(response: &mut Response<'a>, served: &Served, name: &mut LookupName) -> Reply<'a> {
    let header = response.header;
    let packet: &'a [u8] = response.query.packet;
    // Never full: 12 octets in a limit of 512.
    let _ = response.writer.put(&[0; HEADER_LEN]);
    response.writer.set(0, &packet[..2]);

    // The opcode comes before the count of questions: what a question is depends on it (RFC 9619 section 4).
    let is_query = header.opcode() == opcode::QUERY;
    let mut rest = &packet[HEADER_LEN..];
    let question = match header.counts[0] {
        0 => None,
        1 => {
            let Some((question, tail)) = Question::read(rest, name) else {
                return response.refuse_garbage(is_query, None);
            };
            rest = tail;
            Some(question)
        }
        count => {
            let edns = behind_questions(&header, count, rest);
            return response.refuse_garbage(is_query, edns);
        }
    };
    if let Some(question) = &question {
        response.qtype = question.qtype;
        // Never full: the question came in a packet, and takes at most 259 octets.
        let _ = response.writer.put(&packet[HEADER_LEN..HEADER_LEN + question.wire_len()]);
        response.counts[0] = 1;
    }
    // Only IXFR carries a record before the additional section, the client's SOA (RFC 1995 section 3).
    let is_ixfr = question.as_ref().is_some_and(|question| question.qtype == rtype::IXFR);
    let Additional { edns, tsig } = match Additional::read(&header, rest, !is_query || is_ixfr) {
        Ok(additional) => additional,
        Err(malformed) => return response.refuse_garbage(is_query, malformed.edns),
    };
    let mut reply = Reply::new(edns);
    response.dnssec = edns.is_some_and(|edns| edns.dnssec_ok);
    if let Some(record) = tsig {
        // Whatever it asks: nothing is done for a key that is not known (RFC 8945 section 5.2.1).
        response.tsig = tsig::Tsig::read(packet, record);
        if response.tsig.is_none() {
            return response.refuse_garbage(is_query, edns);
        }
        response.rcode = rcode::NOTAUTH;
        return reply;
    }
    if !is_query {
        let refused = matches!(header.opcode(), opcode::NOTIFY | opcode::UPDATE);
        response.rcode = if refused { rcode::REFUSED } else { rcode::NOTIMP };
        reply.error = Some(if refused { ede::PROHIBITED } else { ede::NOT_SUPPORTED });
        return reply;
    }
    if edns.is_some_and(|edns| edns.version != 0) {
        response.rcode = rcode::BADVERS;
        return reply;
    }
    let cookie = edns.and_then(|edns| edns.cookie).map(|cookie| {
        let checked = served.settings.cookies.check(cookie, response.query.peer.ip(), response.query.now_secs);
        reply.cookie = Some(checked.response);
        checked
    });
    let Some(question) = question else {
        // No question is right in one case: to fetch a cookie (RFC 7873 section 5.4).
        response.rcode = match cookie {
            None => rcode::FORMERR,
            Some(checked) if checked.has_server_part && !checked.is_valid => rcode::BADCOOKIE,
            Some(_) => rcode::NOERROR,
        };
        return reply;
    };
    let settings = &served.settings;
    if response.query.transport == Transport::Udp {
        let size = edns.map_or(UDP_SIZE_MIN, |edns| edns.udp_size.max(UDP_SIZE_MIN)).min(settings.udp_size);
        response.limit = size as usize;
        response.writer.set_limit(response.limit);
        if settings.require_cookie && !cookie.is_some_and(|checked| checked.is_valid) {
            // A client that knows cookies has one now; another one shows by TCP that its address is its own.
            match cookie {
                Some(_) => response.rcode = rcode::BADCOOKIE,
                None => response.truncated = true,
            }
            return reply;
        }
    }
    reply.nsid = edns.is_some_and(|edns| edns.nsid) && settings.nsid && settings.node.is_some();
    reply.keepalive = edns.is_some_and(|edns| edns.keepalive) && response.query.transport == Transport::Tcp;
    match question.qclass {
        class::IN | class::ANY => match question.qtype {
            rtype::AXFR | rtype::IXFR => {
                response.rcode = rcode::REFUSED;
                reply.error = Some(ede::PROHIBITED);
            }
            // Obsolete (RFC 1035 section 3.2.3), and never built by anybody.
            rtype::MAILA | rtype::MAILB => {
                response.rcode = rcode::NOTIMP;
                reply.error = Some(ede::NOT_SUPPORTED);
            }
            // They stand in additional sections only, and in no question.
            rtype::OPT | rtype::TSIG | rtype::TKEY => response.rcode = rcode::FORMERR,
            _ => resolve::resolve(response, &question, served, &mut reply),
        },
        class::CH => chaos::answer(response, &question, settings, &mut reply),
        _ => response.rcode = rcode::REFUSED,
    }
    reply
}

/// The OPT of a message with more questions than one: such a message is FORMERR (RFC 9619 section 4), and gets an OPT for its
/// own all the same.
#[cold]
fn behind_questions<'a>(header: &Header, count: u16, mut rest: &'a [u8]) -> Option<Edns<'a>> {
    // A question takes 5 octets at least, so the packet's length bounds the loop.
    let mut name = LookupName::default();
    for _ in 0..count {
        rest = Question::read(rest, &mut name)?.1;
    }
    Additional::read(header, rest, true).map_or_else(|malformed| malformed.edns, |additional| additional.edns)
}

impl<'a> Response<'a> {
    /// FORMERR, or what the opcode alone decides, and no more than was there: the question and an OPT, if they could be read.
    fn refuse_garbage(&mut self, is_query: bool, edns: Option<Edns<'a>>) -> Reply<'a> {
        self.rcode = match self.header.opcode() {
            _ if is_query => rcode::FORMERR,
            opcode::NOTIFY | opcode::UPDATE => rcode::REFUSED,
            _ => rcode::NOTIMP,
        };
        Reply::new(edns)
    }

    /// Appends OPT if there was one, and TSIG, which is the last, and fills the header in.
    fn finish(mut self, reply: &Reply, settings: &Settings) -> Outcome {
        self.writer.set_limit(self.limit);
        if reply.write(&mut self, settings) {
            self.counts[3] += 1;
        }
        if let Some(tsig) = self.tsig
            && tsig.write(&mut self.writer)
        {
            self.counts[3] += 1;
        }
        let high = 0x80
            | self.header.opcode() << 3
            | (self.authoritative as u8) << 2
            | (self.truncated as u8) << 1
            | self.header.recursion_desired() as u8;
        // RA, Z, AD and CD stay clear: no recursion, nothing validated (RFC 4035 section 3.1.6).
        self.writer.set(2, &[high, self.rcode as u8 & 0xf]);
        for (index, count) in self.counts.iter().enumerate() {
            self.writer.set_u16(4 + 2 * index, *count);
        }
        Outcome {
            result: Ok(self.writer.len()),
            rcode: self.rcode,
            qtype: self.qtype,
            zone: self.zone,
            truncated: self.truncated,
        }
    }
}
