//! EDNS (RFC 6891). That an OPT comes back if and only if there was one is asserted for every case.

use crate::check::{Ask, check, check_packet, unhex};
use catchment::answer::Transport::{Tcp, Udp};

const ZONE: &str = "example.\nwww A 192.0.2.1";
const WWW: &str = "answer\nwww.example. 300 IN A 192.0.2.1";

/// RFC 6891 section 6.1.1: an OPT for an OPT, also with errors.
#[test]
fn opt_back_if_and_only_if_asked() {
    check(ZONE, "www.example. A", &format!("NOERROR aa\n{WWW}"));
    check(ZONE, "www.example. A +edns", &format!("NOERROR aa edns\n{WWW}"));
    check(ZONE, "www.example. A +edns +tcp", &format!("NOERROR aa edns\n{WWW}"));
    check(ZONE, "no.example. A +edns", "NXDOMAIN aa edns\nauthority\nsoa example.");
    check(ZONE, "www.example. OPT +edns", "FORMERR edns");
}

/// RFC 3225 section 3: DO is copied. (Asserted for every case; here with both values.)
#[test]
fn do_is_copied() {
    check(ZONE, "www.example. A +do", &format!("NOERROR aa edns\n{WWW}"));
}

/// RFC 6891 section 6.1.3: another version is BADVERS, whatever else it says: its options may mean anything.
#[test]
fn unknown_versions_are_badvers() {
    check(ZONE, "www.example. A +version=1", "BADVERS edns");
    check(ZONE, "www.example. A +version=255 +do", "BADVERS edns");
    check(ZONE, "example.net. A +version=1 +cookie=abcd", "BADVERS edns");
    check(ZONE, "www.example. A +version=1 +tcp", "BADVERS edns");
}

/// RFC 6891 section 6.1.2: unknown options are ignored, and so is what known ones of other makes carry.
#[test]
fn unknown_options_are_ignored() {
    check(
        ZONE,
        "www.example. A +option=65001:0102 +option=8:0001180a +option=65535:",
        &format!("NOERROR aa edns\n{WWW}"),
    );
    // Client subnet (8), expire (9), padding (12), chain (13), EDE in a query (15).
    check(
        ZONE,
        "www.example. A +option=9: +option=12:0000 +option=13:00 +option=15:0000",
        &format!("NOERROR aa edns\n{WWW}"),
    );
}

/// RFC 6891 section 6.1.2: an option that is longer than the record is malformed.
#[test]
fn malformed_options_are_formerr() {
    for rdata in ["00", "0003", "000300", "0003 0001", "fde9 0002 00"] {
        let rdata = unhex(rdata);
        let mut packet = Ask::parse("www.example. A +edns").packet();
        let len_at = packet.len() - 2;
        packet[len_at..].copy_from_slice(&(rdata.len() as u16).to_be_bytes());
        packet.extend_from_slice(&rdata);
        for transport in [Udp, Tcp] {
            check_packet(ZONE, &packet, transport, "FORMERR edns");
        }
    }
}

/// RFC 6891 section 6.1.1: more than one OPT is FORMERR; an OPT comes back all the same.
#[test]
fn two_opts_are_formerr() {
    let mut packet = Ask::parse("www.example. A +edns").packet();
    packet.extend_from_slice(&unhex("00 0029 04d0 00000000 0000"));
    packet[11] = 2;
    check_packet(ZONE, &packet, Udp, "FORMERR edns");
}

/// RFC 6891 section 6.1.1: "MAY be placed anywhere within the additional data section".
#[test]
fn opt_before_other_records() {
    let mut packet = Ask::parse("www.example. A +edns").packet();
    packet.extend_from_slice(&unhex("c00c 0001 0001 0000012c 0004 c0000201"));
    packet[11] = 2;
    check_packet(ZONE, &packet, Udp, &format!("NOERROR aa edns\n{WWW}"));
}

/// RFC 6891 section 6.1.2: the owner is the root, and the section the additional one.
#[test]
fn opt_of_another_name_or_section_is_formerr() {
    let question = "4c0d 0000 0001 0000 0000 0001 03777777 076578616d706c65 00 0001 0001";
    check_packet(ZONE, &unhex(&format!("{question} 016100 0029 04d0 00000000 0000")), Udp, "FORMERR");
    check_packet(ZONE, &unhex(&format!("{question} c00c 0029 04d0 00000000 0000")), Udp, "FORMERR");
    let mut in_answer = Ask::parse("www.example. A +edns").packet();
    in_answer.swap(7, 11);
    check_packet(ZONE, &in_answer, Udp, "FORMERR");
}

/// RFC 6891 section 6.1.4: the reserved flags are ignored, and not copied.
#[test]
fn reserved_flags_are_not_copied() {
    let mut packet = Ask::parse("www.example. A +edns").packet();
    let flags = packet.len() - 4;
    packet[flags..flags + 2].copy_from_slice(&[0x7f, 0xff]);
    check_packet(ZONE, &packet, Udp, &format!("NOERROR aa edns\n{WWW}"));
    let response = crate::check::respond_to(&ZONE.into(), &packet, Udp, "192.0.2.9:53".parse().unwrap()).unwrap();
    assert_eq!(response[response.len() - 4..], [0, 0, 0, 0], "flags and RDLENGTH");
}

/// RFC 6891 section 6.1.3: the extended RCODE of a query means nothing.
#[test]
fn an_extended_rcode_in_a_query_is_ignored() {
    let mut packet = Ask::parse("www.example. A +edns").packet();
    let extended = packet.len() - 6;
    packet[extended] = 0xff;
    check_packet(ZONE, &packet, Udp, &format!("NOERROR aa edns\n{WWW}"));
}
