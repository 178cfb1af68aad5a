//! What the fuzz targets share: a small world to answer from, and what must hold for each response.

use catchment::answer::cookie::Secrets;
use catchment::answer::{Drop, Outcome, Query, Served, Settings, Transport, answer};
use catchment::sync::signed::{Document, Signed};
use catchment::wire::name::Name;
use catchment::zone::compile::{Finding, compile, compile_in_segments};
use catchment::zone::image::Image;
use catchment::zone::parse;
use catchment::zone::records::Records;
use catchment::zone::set::{Content, Zone, Zones};
use hickory_proto::op::{Message, ResponseCode};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Zone texts, each under the apex that it is compiled for. The seeds of the `zone_text` target, and names around them.
pub const ZONES: [(&str, &str); 6] = [
    ("example.", include_str!("../seeds/zone_text/common.zone")),
    ("sub.example.", include_str!("../seeds/zone_text/small.zone")),
    ("other.", include_str!("../seeds/zone_text/small.zone")),
    ("2.0.192.in-addr.arpa.", include_str!("../seeds/zone_text/small.zone")),
    ("nsec.test.", include_str!("../seeds/zone_text/nsec.zone")),
    ("nsec3.test.", include_str!("../seeds/zone_text/nsec3.zone")),
];

/// Largest UDP response of [`served`].
pub const UDP_SIZE: u16 = 1232;

/// Compiles a text that must be a good zone.
pub fn image(apex: &str, text: &str) -> Image {
    image_by(compile, apex, text)
}

/// The same as a root and segments.
pub fn image_in_segments(apex: &str, text: &str) -> Image {
    image_by(compile_in_segments, apex, text)
}

fn image_by(compile: fn(&Name, &Records) -> (Option<Image>, Vec<Finding>), apex: &str, text: &str) -> Image {
    let apex = Name::from_text(apex).expect("an apex");
    let parsed = parse::parse_text("seed", text, &apex, &parse::Options::default());
    let (image, findings) = compile(&apex, &parsed.records);
    image.unwrap_or_else(|| panic!("the seed {apex} does not compile: {:?} {findings:?}", parsed.diagnostics))
}

/// What is served: the images, and beside them a zone `broken.` that could not be loaded.
pub fn served(images: Vec<Image>) -> Served {
    let mut zones: Vec<Zone> = Vec::new();
    for image in images {
        zones.push(Zone::new(zones.len() as u32, image.into()));
    }
    let broken = Name::from_text("broken.").expect("a name");
    zones.push(Zone::new(zones.len() as u32, Content::Missing(broken)));
    let secret = "generate 000102030405060708090a0b0c0d0e0f\n";
    Served {
        zones: Zones::new(zones),
        settings: Settings {
            udp_size: UDP_SIZE,
            node: Some(b"fuzz1"[..].into()),
            nsid: true,
            chaos_id: true,
            chaos_hostname: true,
            chaos_version: Some(b"catchment"[..].into()),
            generation: None,
            keepalive_100ms: 100,
            cookies: Secrets::parse(secret).expect("a secrets file"),
            require_cookie: false,
        },
    }
}

/// Answers `packet` over one transport into `out`. Gives the response, or `None` when it was dropped. Checks what holds
/// whatever is served, a hostile image included: ID, flags, size.
pub fn ask<'a>(served: &Served, packet: &[u8], transport: Transport, out: &'a mut [u8]) -> Option<(&'a [u8], Outcome)> {
    let room = if transport == Transport::Udp { UDP_SIZE as usize } else { out.len() };
    let out = &mut out[..room];
    let peer = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 5353));
    let query = Query { packet, peer, local: IpAddr::V4(Ipv4Addr::LOCALHOST), transport, now_secs: 1_700_000_000 };
    let outcome = answer(&query, served, out);
    let len = match outcome.result {
        Ok(len) => len,
        Err(Drop::Short) => {
            assert!(packet.len() < 12, "dropped as short: {} octets", packet.len());
            return None;
        }
        Err(Drop::Response) => {
            assert!(packet[2] & 0x80 != 0, "dropped as a response, QR is 0");
            return None;
        }
        Err(Drop::PortZero) => panic!("the port is 5353"),
    };
    assert!(packet.len() >= 12 && packet[2] & 0x80 == 0, "what must be dropped was answered");
    let response = &out[..len];
    assert!(len >= 12, "a header at least");
    assert_eq!(response[..2], packet[..2], "the ID comes back");
    assert!(response[2] & 0x80 != 0, "QR");
    assert_eq!((response[2] ^ packet[2]) & 0x79, 0, "opcode and RD come back");
    assert_eq!(response[3] & 0xf0, 0, "RA, Z, AD and CD are clear");
    assert_eq!(response[2] & 2 != 0, outcome.truncated, "TC as in the outcome");
    assert_eq!((response[3] & 15) as u16, outcome.rcode & 15, "RCODE as in the outcome");
    Some((response, outcome))
}

/// [`ask`] for sound zones: the response must also be read by an independent parser, and fit what the client said.
pub fn ask_well<'a>(
    served: &Served,
    packet: &[u8],
    transport: Transport,
    out: &'a mut [u8],
) -> Option<(&'a [u8], Message)> {
    let (response, outcome) = ask(served, packet, transport, out)?;
    let len = response.len();
    assert!(transport == Transport::Udp || !outcome.truncated, "nothing here is too large for TCP");
    let parsed = Message::from_vec(response).unwrap_or_else(|e| panic!("hickory can't read it: {e}: {response:02x?}"));
    assert_eq!(u16::from(parsed.metadata.response_code), outcome.rcode, "extended RCODE as in the outcome");
    if let Ok(asked) = Message::from_vec(packet) {
        let size = asked.edns.as_ref().map_or(512, |edns| edns.max_payload().max(512)).min(UDP_SIZE) as usize;
        assert!(transport == Transport::Tcp || len <= size, "{len} octets for a client that takes {size}");
        assert!(asked.edns.is_some() || parsed.edns.is_none(), "an OPT that nobody asked for (RFC 6891 section 7)");
        if let [question] = &parsed.queries[..] {
            assert_eq!(Some(question), asked.queries.first(), "the question comes back");
        }
    }
    if parsed.metadata.response_code == ResponseCode::FormErr {
        // Header, the question if it could be read, an OPT: nothing that garbage could be amplified with.
        let records = parsed.answers.len() + parsed.authorities.len() + parsed.additionals.len();
        assert_eq!(records, 0, "records in an answer to garbage");
        let opt = parsed.edns.as_ref().map_or(0, |_| 11 + opt_data_len(response));
        assert!(len - opt <= packet.len(), "{len} octets, {opt} of them OPT, for {} octets of garbage", packet.len());
        assert!(opt <= 64, "an OPT of {opt} octets for garbage");
    }
    Some((response, parsed))
}

/// RDLENGTH of the OPT that ends a response without other records, and whose question is `response[12..]` up to it.
fn opt_data_len(response: &[u8]) -> usize {
    let questions = u16::from_be_bytes([response[4], response[5]]);
    let mut at = 12;
    if questions == 1 {
        at += catchment::wire::name::wire_len(&response[12..]).expect("an uncompressed question") + 4;
    }
    // Root, type, class, TTL, RDLENGTH.
    u16::from_be_bytes([response[at + 9], response[at + 10]]) as usize
}

/// What holds of any octets that are taken as a signed document: written again, they are the same.
pub fn one_encoding<T: Document + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(signed) = Signed::<T>::decode(bytes) else { return };
    let mut payload = Vec::new();
    signed.claims().write(&mut payload);
    // Magic, format and length come first; a count and 96 octets a signature last.
    let signatures = 1 + 96 * signed.signers().count();
    assert!(bytes[16..bytes.len() - signatures] == payload, "a value with two encodings: {signed:?}");
    assert_eq!(signed.bytes(), bytes);
}
