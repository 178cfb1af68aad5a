//! The one helper: zones, a query, the expected response.

use crate::message::{self, Message, Rr, hex};
use catchment::answer::cookie::Secrets;
use catchment::answer::{Query, Served, Settings, Transport, answer};
use catchment::wire::code::{class, rtype};
use catchment::wire::name::Name;
use catchment::zone::compile::compile;
use catchment::zone::diagnostic::render;
use catchment::zone::parse;
use catchment::zone::set::{Content, Zone, Zones};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// The clock of all cases: that of RFC 9018 appendix A.1.
pub(crate) const NOW_SECS: u32 = 1_559_731_985;
/// The client of all cases, also from there.
pub(crate) const CLIENT: &str = "198.51.100.100:5353";

/// What is served in a case.
pub(crate) struct World(Served);

impl World {
    /// Zones as text: the first line is the apex, and how it is signed, if it is ([`crate::sign`]); records follow. SOA and NS are added to those that have no SOA; `broken`
    /// in place of records is a zone that could not be loaded.
    pub(crate) fn new(zones: &[&str]) -> World {
        let zones = zones.iter().enumerate().map(|(id, text)| zone(id as u32, text));
        let settings = Settings {
            udp_size: 1232,
            node: Some((*b"ams1").into()),
            nsid: true,
            chaos_id: true,
            chaos_hostname: true,
            chaos_version: Some((*b"catchment 1").into()),
            generation: None,
            keepalive_100ms: 100,
            cookies: Secrets::parse("generate e5e973e5a6b2a43f48e7dc849e37bfcf").unwrap(),
            require_cookie: false,
        };
        World(Served { zones: Zones::new(zones), settings })
    }

    /// The same with other settings.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Settings)) -> World {
        change(&mut self.0.settings);
        self
    }
}

impl From<&str> for World {
    fn from(zone: &str) -> World {
        World::new(&[zone])
    }
}

impl<const N: usize> From<[&str; N]> for World {
    fn from(zones: [&str; N]) -> World {
        World::new(&zones)
    }
}

fn zone(id: u32, text: &str) -> Zone {
    let (apex, records) = text.trim_start().split_once('\n').expect("the apex, then records");
    let (apex, signed) = apex.trim().split_once(' ').map_or((apex.trim(), None), |(apex, how)| (apex, Some(how)));
    let name: Name = apex.parse().unwrap();
    if records.trim() == "broken" {
        return Zone::new(id, Content::Missing(name));
    }
    let mut full = String::from("$TTL 300\n");
    if !records.contains(" SOA ") {
        full += "@ SOA ns.invalid. host.invalid. 1 7200 3600 1209600 60\n@ NS ns.invalid.\n";
    }
    // Cases are indented for reading; in zone text a line that starts with space has the owner of the line before.
    full.extend(records.lines().map(|line| format!("{}\n", line.trim())));
    let parsed = parse::parse_text("case", full, &name, &parse::Options::default());
    assert!(!parsed.has_errors(), "{}", render(&parsed.sources, &parsed.diagnostics, false));
    let records = match signed {
        Some(how) => crate::sign::sign(&name, &parsed.records, how),
        None => parsed.records,
    };
    let (image, findings) = compile(&name, &records);
    let image = image.unwrap_or_else(|| panic!("{findings:?}"));
    Zone::new(id, image.into())
}

/// Asks `query` and compares with `expected`.
///
/// The query is `NAME TYPE [CLASS] [+OPTION]...`, see [`Ask::parse`]. Expected is, on the first line, RCODE and flags (`aa`,
/// `tc`, `rd`; `edns` when there is an OPT, `no-question` when there is none), then the sections that hold something: a line
/// `answer`, `authority`, `additional` and their records in order, and `option CODE HEX` lines. `soa NAME` stands for the SOA
/// that [`World::new`] adds, as a negative answer has it, `soa NAME signed` for that with its signature.
#[track_caller]
pub(crate) fn check(world: impl Into<World>, query: &str, expected: &str) {
    let world = world.into();
    let ask = Ask::parse(query);
    let packet = ask.packet();
    let response = respond(&world, &packet, ask.transport).expect("a response");
    let message = judge(&world, &packet, &response, ask.transport);
    compare(query, &message, expected);

    assert_eq!(message.opt.is_some(), ask.edns.is_some(), "{query}: OPT if and only if asked (RFC 6891 section 6.1.1)");
    if let (Some(opt), Some(edns)) = (&message.opt, &ask.edns) {
        assert_eq!(opt.udp_size, world.0.settings.udp_size, "{query}");
        assert_eq!(opt.version, 0, "{query}");
        // DO is copied (RFC 3225 section 3), the others are zero (RFC 6891 section 6.1.4).
        assert_eq!(opt.flags, if edns.dnssec_ok { 0x8000 } else { 0 }, "{query}");
    }
    let limit = match (&ask.edns, ask.transport) {
        (_, Transport::Tcp) => 65_535,
        (None, _) => 512,
        (Some(edns), _) => edns.udp_size.max(512).min(world.0.settings.udp_size) as usize,
    };
    assert!(response.len() <= limit, "{query}: {} octets, not more than {limit}", response.len());
    if !message.flag(message::TC) && !world.0.settings.require_cookie {
        same_elsewhere(&world, query, &packet, &message, limit);
    }
}

/// Sends a packet as it is. Expected is as in [`check`], or `dropped CAUSE`.
#[track_caller]
pub(crate) fn check_packet(world: impl Into<World>, packet: &[u8], transport: Transport, expected: &str) {
    let world = world.into();
    match respond(&world, packet, transport) {
        Ok(response) => {
            let message = judge(&world, packet, &response, transport);
            compare(&hex(packet), &message, expected);
        }
        Err(cause) => assert_eq!(format!("dropped {cause:?}"), expected, "{}", hex(packet)),
    }
}

/// The response's octets, for cases about them.
pub(crate) fn octets(world: impl Into<World>, query: &str) -> Vec<u8> {
    let ask = Ask::parse(query);
    respond(&world.into(), &ask.packet(), ask.transport).expect("a response")
}

/// Sends octets from `peer`.
pub(crate) fn respond_to(
    world: &World,
    packet: &[u8],
    transport: Transport,
    peer: SocketAddr,
) -> Result<Vec<u8>, catchment::answer::Drop> {
    let local = IpAddr::from([192, 0, 2, 1]);
    let query = Query { packet, peer, local, transport, now_secs: NOW_SECS };
    let size = if transport == Transport::Udp { world.0.settings.udp_size as usize } else { 65_535 };
    let mut out = vec![0xaa; size];
    let outcome = answer(&query, &world.0, &mut out);
    out.truncate(outcome.result?);
    let high = out[2];
    assert_eq!(outcome.truncated, high & 2 != 0, "the outcome tells what the header says");
    assert_eq!(outcome.rcode & 0xf, (out[3] & 0xf) as u16);
    Ok(out)
}

fn respond(world: &World, packet: &[u8], transport: Transport) -> Result<Vec<u8>, catchment::answer::Drop> {
    respond_to(world, packet, transport, CLIENT.parse().unwrap())
}

/// What holds for every response.
#[track_caller]
fn judge(world: &World, packet: &[u8], response: &[u8], transport: Transport) -> Message {
    let message = Message::read(response).unwrap_or_else(|error| panic!("{error}: {}", hex(response)));
    assert_eq!(response[..2], packet[..2], "ID");
    assert!(message.flag(message::QR), "QR");
    assert_eq!(response[2] & 0x78, packet[2] & 0x78, "the opcode is copied");
    assert_eq!(response[2] & 1, packet[2] & 1, "RD is copied");
    assert!(!message.flag(message::NEVER), "RA, Z, AD and CD are clear: {:04x}", message.flags);
    assert!(message.question_count <= 1);
    let echoed = packet.get(12..12 + message.question.len());
    assert_eq!(echoed, Some(&message.question[..]), "the question bit for bit");
    let limit = if transport == Transport::Udp { world.0.settings.udp_size as usize } else { 65_535 };
    assert!(response.len() <= limit);
    let mut seen = Vec::new();
    for record in [&message.answer, &message.authority, &message.additional].into_iter().flatten() {
        // TTLs don't count: two records that differ in them alone are one, said twice.
        let key = format!("{} {} {} {}", record.owner, record.class, record.rtype, record.data).to_ascii_lowercase();
        assert!(!seen.contains(&key), "{record} twice");
        seen.push(key);
    }
    message
}

/// I7: every transport gives the same answer; and so does every spelling of the question (RFC 4343 section 4).
#[track_caller]
fn same_elsewhere(world: &World, query: &str, packet: &[u8], message: &Message, limit: usize) {
    let over_tcp = respond(world, packet, Transport::Tcp).unwrap();
    let fits = over_tcp.len() <= limit;
    let over_tcp = Message::read(&over_tcp).unwrap();
    assert_eq!((&message.answer, &message.authority), (&over_tcp.answer, &over_tcp.authority), "{query} over TCP");
    // What is only useful may be left out over UDP.
    assert!(message.additional.iter().all(|record| over_tcp.additional.contains(record)), "{query} over TCP");
    assert!(!fits || message.additional.len() == over_tcp.additional.len(), "{query} over TCP");

    let mut other = packet.to_vec();
    let mut at = 12;
    while other[4..6] == [0, 1] && other[at] != 0 {
        let label = at + 1..at + 1 + other[at] as usize;
        at = label.end;
        for octet in &mut other[label] {
            *octet ^= if octet.is_ascii_alphabetic() { 0x20 } else { 0 };
        }
    }
    let other = Message::read(&respond(world, &other, Transport::Tcp).unwrap()).unwrap();
    let lower = |message: &Message| text_of(message).to_ascii_lowercase();
    assert_eq!(lower(&over_tcp), lower(&other), "{query} in other letters");
}

#[track_caller]
fn compare(query: &str, message: &Message, expected: &str) {
    let mut want = String::new();
    for line in expected.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix("soa ") {
            Some(zone) => {
                let (zone, signed) = zone.split_once(' ').map_or((zone, false), |(zone, _)| (zone, true));
                writeln!(want, "{zone} 60 IN SOA ns.invalid. host.invalid. 1 7200 3600 1209600 60").unwrap();
                if signed {
                    writeln!(want, "{zone} 60 IN RRSIG SOA of {zone}").unwrap();
                }
            }
            None => writeln!(want, "{line}").unwrap(),
        }
    }
    let got = text_of(message);
    assert!(got == want, "{query}\n--- expected\n{want}--- got\n{got}");
}

fn text_of(message: &Message) -> String {
    let mut text = message::rcode_text(message.rcode);
    let flags = [
        (message.flag(message::AA), " aa"),
        (message.flag(message::TC), " tc"),
        (message.flag(message::RD), " rd"),
        (message.opt.is_some(), " edns"),
        (message.question_count == 0, " no-question"),
    ];
    text.extend(flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name));
    text.push('\n');
    let sections =
        [("answer", &message.answer), ("authority", &message.authority), ("additional", &message.additional)];
    for (name, records) in sections {
        if !records.is_empty() {
            writeln!(text, "{name}").unwrap();
        }
        for record in records as &[Rr] {
            writeln!(text, "{}", crate::sign::text(record)).unwrap();
        }
    }
    for (code, data) in message.opt.iter().flat_map(|opt| &opt.options) {
        writeln!(text, "{}", format!("option {code} {}", hex(data)).trim_end()).unwrap();
    }
    text
}

/// A query under construction.
pub(crate) struct Ask {
    name: Vec<u8>,
    qtype: u16,
    qclass: u16,
    flags: u16,
    edns: Option<AskEdns>,
    pub(crate) transport: Transport,
}

struct AskEdns {
    udp_size: u16,
    version: u8,
    dnssec_ok: bool,
    options: Vec<(u16, Vec<u8>)>,
}

impl Ask {
    /// Reads `NAME TYPE [CLASS] [+OPTION]...`:
    ///
    /// - header: `+rd`, `+cd`, `+ad`, `+z`, `+aa`, `+tc`, `+ra`, `+opcode=N`
    /// - EDNS: `+edns`, `+size=N`, `+version=N`, `+do`, `+nsid`, `+keepalive`, `+zoneversion`, `+cookie=HEX`, `+option=CODE:HEX`
    /// - `+tcp`
    pub(crate) fn parse(text: &str) -> Ask {
        let mut words = text.split_whitespace().peekable();
        let name: Name = words.next().expect("a name").parse().unwrap();
        let qtype = rtype::from_text(words.next().expect("a type")).expect("a known type");
        let mut ask = Ask {
            name: name.as_wire().to_vec(),
            qtype,
            qclass: class::IN,
            flags: 0,
            edns: None,
            transport: Transport::Udp,
        };
        if let Some(word) = words.next_if(|word| !word.starts_with('+')) {
            ask.qclass = if word == "ANY" { class::ANY } else { class::from_text(word).expect("a class") };
        }
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let number = || value.parse::<u16>().expect("a number");
            match key {
                "+rd" => ask.flags |= 0x0100,
                "+tc" => ask.flags |= 0x0200,
                "+aa" => ask.flags |= 0x0400,
                "+cd" => ask.flags |= 0x0010,
                "+ad" => ask.flags |= 0x0020,
                "+z" => ask.flags |= 0x0040,
                "+ra" => ask.flags |= 0x0080,
                "+opcode" => ask.flags |= number() << 11,
                "+tcp" => ask.transport = Transport::Tcp,
                "+edns" => drop(ask.edns()),
                "+size" => ask.edns().udp_size = number(),
                "+version" => ask.edns().version = number() as u8,
                "+do" => ask.edns().dnssec_ok = true,
                "+nsid" => ask.edns().options.push((3, vec![])),
                "+cookie" => ask.edns().options.push((10, unhex(value))),
                "+keepalive" => ask.edns().options.push((11, vec![])),
                "+zoneversion" => ask.edns().options.push((19, vec![])),
                "+option" => {
                    let (code, data) = value.split_once(':').expect("CODE:HEX");
                    ask.edns().options.push((code.parse().unwrap(), unhex(data)));
                }
                _ => panic!("{word}?"),
            }
        }
        ask
    }

    fn edns(&mut self) -> &mut AskEdns {
        let plain = AskEdns { udp_size: 1232, version: 0, dnssec_ok: false, options: Vec::new() };
        self.edns.get_or_insert(plain)
    }

    /// The message.
    pub(crate) fn packet(&self) -> Vec<u8> {
        let mut packet = vec![0x4c, 0x0d, 0, 0, 0, 1, 0, 0, 0, 0, 0, self.edns.is_some() as u8];
        packet[2..4].copy_from_slice(&self.flags.to_be_bytes());
        packet.extend_from_slice(&self.name);
        packet.extend_from_slice(&self.qtype.to_be_bytes());
        packet.extend_from_slice(&self.qclass.to_be_bytes());
        if let Some(edns) = &self.edns {
            packet.extend_from_slice(&edns.record());
        }
        packet
    }
}

impl AskEdns {
    fn record(&self) -> Vec<u8> {
        let mut rdata = Vec::new();
        for (code, data) in &self.options {
            rdata.extend_from_slice(&code.to_be_bytes());
            rdata.extend_from_slice(&(data.len() as u16).to_be_bytes());
            rdata.extend_from_slice(data);
        }
        let [s0, s1] = self.udp_size.to_be_bytes();
        let [l0, l1] = (rdata.len() as u16).to_be_bytes();
        let flags = if self.dnssec_ok { 0x80 } else { 0 };
        [&[0, 0, 41, s0, s1, 0, self.version, flags, 0, l0, l1], &rdata[..]].concat()
    }
}

/// Octets from hex digits; spaces are skipped.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
