//! What is not a query (RFC 1035 section 4, RFC 9619): dropped, or FORMERR that is no larger than the garbage and an OPT.

use crate::check::{Ask, World, check_packet, respond_to, unhex};
use crate::message::{self, Message, hex};
use catchment::answer::Drop;
use catchment::answer::Transport::{self, Tcp, Udp};
use catchment::random::Random;

const ZONE: &str = "example.\nwww A 192.0.2.1\n* TXT x\nsub NS ns.sub\nns.sub A 192.0.2.2";

/// `www.example. A IN`, the question alone.
const QUESTION: &str = "03777777 076578616d706c65 00 0001 0001";

#[track_caller]
fn check_hex(packet: &str, expected: &str) {
    for transport in [Udp, Tcp] {
        check_packet(ZONE, &unhex(packet), transport, expected);
    }
}

/// Nothing that can be answered: no ID, no QR.
#[test]
fn packets_under_12_octets_are_dropped() {
    let whole = unhex("4c0d 0000 0001 0000 0000 0000");
    for len in 0..12 {
        check_packet(ZONE, &whole[..len], Udp, "dropped Short");
        check_packet(ZONE, &whole[..len], Tcp, "dropped Short");
    }
}

/// Answering a response would make a loop of two servers.
#[test]
fn responses_are_dropped() {
    for flags in ["8000", "8400", "a800", "ffff"] {
        check_hex(&format!("4c0d {flags} 0001 0000 0000 0000 {QUESTION}"), "dropped Response");
        check_hex(&format!("4c0d {flags} 0000 0000 0000 0000"), "dropped Response");
    }
}

/// Nobody can receive at UDP port 0; TCP has no such connections, and does not care.
#[test]
fn source_port_0_is_dropped() {
    let world = World::from(ZONE);
    let packet = Ask::parse("www.example. A").packet();
    let peer = "198.51.100.100:0".parse().unwrap();
    assert_eq!(respond_to(&world, &packet, Udp, peer), Err(Drop::PortZero));
    assert!(respond_to(&world, &packet, Tcp, peer).is_ok());
}

/// RFC 9619 section 4: a QUERY has one question. None is FORMERR ...
#[test]
fn no_question_is_formerr() {
    check_hex("4c0d 0000 0000 0000 0000 0000", "FORMERR no-question");
    check_hex("4c0d 0000 0000 0000 0000 0001 00 0029 04d0 00000000 0000", "FORMERR edns no-question");
}

/// ... and so are more. The OPT comes back (RFC 6891 section 6.1.1).
#[test]
fn two_questions_are_formerr() {
    check_hex(&format!("4c0d 0000 0002 0000 0000 0000 {QUESTION} {QUESTION}"), "FORMERR no-question");
    check_hex(
        &format!("4c0d 0000 0002 0000 0000 0001 {QUESTION} {QUESTION} 00 0029 04d0 00000000 0000"),
        "FORMERR edns no-question",
    );
    check_hex(&format!("4c0d 0000 ffff 0000 0000 0000 {QUESTION}"), "FORMERR no-question");
}

/// Questions that end early, hold pointers or labels of reserved types, or are too long.
#[test]
fn malformed_questions_are_formerr() {
    let header = "4c0d 0000 0001 0000 0000 0000";
    for question in [
        "",
        "03",
        "037777",
        "03777777 00",
        "03777777 00 0001",
        "03777777 00 0001 00",
        "c00c 0001 0001",
        "03777777 c00c 0001 0001",
        "c0ff 0001 0001",
        "40 0001 0001",
        "80777777 00 0001 0001",
        &format!("{} 00 0001 0001", "0161".repeat(127) + "0161"),
        &format!("{} 00 0001 0001", ("3f".to_owned() + &"61".repeat(63)).repeat(4)),
    ] {
        check_hex(&format!("{header} {question}"), "FORMERR no-question");
    }
}

/// Octets behind the message, records that are announced and not there, or of which only a part is there.
#[test]
fn malformed_records_are_formerr() {
    for (counts, rest) in [
        ("0001 0000 0000 0000", "00"),
        ("0001 0000 0000 0001", ""),
        ("0001 0000 0000 ffff", "00 0029 04d0 00000000 0000"),
        ("0001 0000 0000 0001", "00 0029 04d0 00000000"),
        ("0001 0000 0000 0001", "00 0029 04d0 00000000 0001"),
        ("0001 0000 0000 0001", "41 0029 04d0 00000000 0000"),
        ("0001 0000 0000 0001", "c0"),
    ] {
        let expected = if rest == "00 0029 04d0 00000000 0000" { "FORMERR edns" } else { "FORMERR" };
        check_hex(&format!("4c0d 0000 {counts} {QUESTION} {rest}"), expected);
    }
}

/// A query has no answer and authority records.
#[test]
fn records_in_a_query_are_formerr() {
    let record = "c00c 0001 0001 0000012c 0004 c0000201";
    check_hex(&format!("4c0d 0000 0001 0001 0000 0000 {QUESTION} {record}"), "FORMERR");
    check_hex(&format!("4c0d 0000 0001 0000 0001 0000 {QUESTION} {record}"), "FORMERR");
    check_hex(&format!("4c0d 0000 0001 0000 0001 0001 {QUESTION} {record} 00 0029 04d0 00000000 0000"), "FORMERR edns");
}

/// Additional records other than OPT and TSIG mean nothing here, and do no harm.
#[test]
fn other_additional_records_are_skipped() {
    let expected = "NOERROR aa\nanswer\nwww.example. 300 IN A 192.0.2.1";
    check_hex(&format!("4c0d 0000 0001 0000 0000 0001 {QUESTION} c00c 0001 0001 0000012c 0004 c0000201"), expected);
}

/// Every prefix of a query: each is answered or dropped, none with more than it gives.
#[test]
fn every_prefix_of_a_query() {
    let world = World::from(ZONE);
    let packet = Ask::parse("www.example. A +do +nsid +cookie=2464c4abcf10c957 +zoneversion").packet();
    for len in 0..packet.len() {
        judge_garbage(&world, &packet[..len], Udp);
        judge_garbage(&world, &packet[..len], Tcp);
    }
}

/// Queries with octets changed, cut and repeated, from a printed seed: no panic, and each response is well formed.
#[test]
fn mutated_queries() {
    let world = World::from(ZONE);
    let seeds = [
        "www.example. A +do +nsid +cookie=2464c4abcf10c957 +zoneversion +keepalive",
        "x.sub.example. ANY +size=512",
        "a.b.c.example. TXT CH",
        "id.server. TXT CH +nsid",
        "example. IXFR +opcode=4",
    ];
    let mut random = Random::new(1);
    let mut next = |bound: usize| random.below(bound);
    for round in 0..40_000 {
        let mut packet = Ask::parse(seeds[round % seeds.len()]).packet();
        for _ in 0..=next(4) {
            let at = next(packet.len());
            match next(4) {
                0 => packet[at] = next(256) as u8,
                1 => packet[at] ^= 1 << next(8),
                2 => packet.truncate(at.max(1)),
                _ => packet.extend_from_within(at..),
            }
        }
        packet.truncate(4096);
        judge_garbage(&world, &packet, if next(2) == 0 { Udp } else { Tcp });
    }
}

fn judge_garbage(world: &World, packet: &[u8], transport: Transport) {
    /// Octets of an OPT with the EDE that may go along.
    const OPT: usize = 11 + 6;
    match respond_to(world, packet, transport, "198.51.100.100:5353".parse().unwrap()) {
        Err(Drop::Short) => assert!(packet.len() < 12),
        Err(Drop::Response) => assert!(packet[2] & 0x80 != 0),
        Err(Drop::PortZero) => panic!("the port is not 0"),
        Ok(response) => {
            let message = Message::read(&response).unwrap_or_else(|error| panic!("{error}: {}", hex(packet)));
            assert_eq!(response[..2], packet[..2]);
            assert!(message.flag(message::QR) && !message.flag(message::NEVER));
            if matches!(message.rcode, 1 | 4) {
                assert!(response.len() <= packet.len() + OPT, "{} for {}", hex(&response), hex(packet));
                assert!(message.answer.is_empty() && message.authority.is_empty() && message.additional.is_empty());
            }
        }
    }
}
