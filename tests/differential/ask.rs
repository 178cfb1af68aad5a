//! Asks both sides.

use crate::generate::Query;
use crate::message::Message;
use catchment::answer::cookie::Secrets;
use catchment::answer::{Query as Packet, Served, Settings, Transport, answer};
use catchment::wire::code::rtype;
use catchment::wire::name::Name;
use catchment::zone::compile::compile;
use catchment::zone::diagnostic::render;
use catchment::zone::parse;
use catchment::zone::set::{Zone as ServedZone, Zones};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// How long a peer on loopback may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// A datagram that was lost is sent again so often.
const TRIES: usize = 3;

/// A response, and its octets.
pub(crate) struct Answer {
    pub(crate) message: Message,
    pub(crate) bytes: Vec<u8>,
}

fn read(who: &str, bytes: &[u8]) -> Answer {
    let message = Message::read(bytes).unwrap_or_else(|error| panic!("{who}: {error}: {}", crate::message::hex(bytes)));
    Answer { message, bytes: bytes.to_vec() }
}

/// The message of a query.
pub(crate) fn packet(query: &Query) -> Vec<u8> {
    static ID: AtomicU16 = AtomicU16::new(1);
    let mut packet = ID.fetch_add(1, Ordering::Relaxed).to_be_bytes().to_vec();
    packet.extend_from_slice(&[query.recursion_desired as u8, 0, 0, 1, 0, 0, 0, 0, 0, query.edns.is_some() as u8]);
    packet.extend_from_slice(query.name.parse::<Name>().expect("a generated name").as_wire());
    packet.extend_from_slice(&rtype::from_text(query.qtype).expect("a known type").to_be_bytes());
    packet.extend_from_slice(&[0, 1]);
    if let Some((size, dnssec_ok)) = query.edns {
        let [high, low] = size.to_be_bytes();
        packet.extend_from_slice(&[0, 0, 41, high, low, 0, 0, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
    }
    packet
}

/// This server, in process.
pub(crate) struct Ours(Served);

impl Ours {
    /// With zones as apex and text.
    pub(crate) fn new<'a>(zones: impl IntoIterator<Item = (&'a str, &'a str)>, udp_size: u16) -> Ours {
        let load = |(id, (apex, text)): (usize, (&str, &str))| {
            let name: Name = apex.parse().expect("a generated name");
            let parsed = parse::parse_text(apex, text, &name, &parse::Options::default());
            assert!(!parsed.has_errors(), "{}", render(&parsed.sources, &parsed.diagnostics, false));
            let (image, findings) = compile(&name, &parsed.records);
            let image = image.unwrap_or_else(|| panic!("{apex}: {findings:?}\n{text}"));
            ServedZone::new(id as u32, image.into())
        };
        let settings = Settings {
            keepalive_100ms: 100,
            cookies: Secrets::parse("generate e5e973e5a6b2a43f48e7dc849e37bfcf").expect("a secret"),
            ..Settings::plain(udp_size)
        };
        Ours(Served { zones: Zones::new(zones.into_iter().enumerate().map(load)), settings })
    }

    pub(crate) fn ask(&self, packet: &[u8], transport: Transport) -> Answer {
        let mut out = vec![0; 65_535];
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let query = Packet { packet, peer: SocketAddr::new(local, 5353), local, transport, now_secs: 1_559_731_985 };
        let len = answer(&query, &self.0, &mut out).result.expect("a response");
        read("catchment", &out[..len])
    }
}

/// A peer on loopback.
pub(crate) struct Theirs {
    addr: SocketAddr,
    udp: UdpSocket,
}

impl Theirs {
    pub(crate) fn new(addr: SocketAddr) -> Theirs {
        let udp = UdpSocket::bind((addr.ip(), 0)).expect("a UDP socket");
        udp.connect(addr).expect("a route to loopback");
        udp.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Theirs { addr, udp }
    }

    pub(crate) fn ask(&self, packet: &[u8], transport: Transport) -> Answer {
        match transport {
            Transport::Udp => self.over_udp(packet),
            Transport::Tcp => self.over_tcp(packet).expect("an answer over TCP"),
        }
    }

    fn over_udp(&self, packet: &[u8]) -> Answer {
        let mut buffer = vec![0; 65_535];
        for _ in 0..TRIES {
            self.udp.send(packet).expect("sent");
            while let Ok(len) = self.udp.recv(&mut buffer) {
                if buffer[..2] == packet[..2] {
                    return read("the peer", &buffer[..len]);
                }
            }
        }
        panic!("{} does not answer {}", self.addr, crate::message::hex(packet));
    }

    fn over_tcp(&self, packet: &[u8]) -> std::io::Result<Answer> {
        let mut answer = None;
        self.stream(packet, |bytes| {
            answer = Some(read("the peer", bytes));
            true
        })?;
        Ok(answer.expect("the stream ends with a message"))
    }

    /// Asks over TCP, and gives each message of the response to `take`, until that returns true.
    pub(crate) fn stream(&self, packet: &[u8], mut take: impl FnMut(&[u8]) -> bool) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(self.addr)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&[&(packet.len() as u16).to_be_bytes(), packet].concat())?;
        loop {
            let mut len = [0; 2];
            stream.read_exact(&mut len)?;
            let mut buffer = vec![0; u16::from_be_bytes(len) as usize];
            stream.read_exact(&mut buffer)?;
            if take(&buffer) {
                return Ok(());
            }
        }
    }
}
