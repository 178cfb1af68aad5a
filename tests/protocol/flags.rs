//! The header (RFC 1035 section 4.1.1) and opcodes.

use crate::check::{check, check_packet, unhex};
use catchment::answer::Transport::{Tcp, Udp};

const ZONE: &str = "example.\nwww A 192.0.2.1";
const WWW: &str = "answer\nwww.example. 300 IN A 192.0.2.1";

/// RFC 1035 section 4.1.1: RD is copied.
#[test]
fn rd_is_copied() {
    check(ZONE, "www.example. A +rd", &format!("NOERROR aa rd\n{WWW}"));
    check(ZONE, "no.example. A +rd", "NXDOMAIN aa rd\nauthority\nsoa example.");
    check(ZONE, "example.net. A +rd", "REFUSED rd");
}

/// RFC 4035 section 3.1.6: CD is cleared by an authoritative server, and so are AD, RA, Z, and AA and TC of the query.
/// (What is never set is asserted for each response.)
#[test]
fn the_other_flags_of_a_query_are_ignored() {
    check(ZONE, "www.example. A +cd +ad +z +ra +aa +tc", &format!("NOERROR aa\n{WWW}"));
    check(ZONE, "example.net. A +cd +ad +z +ra +aa +tc", "REFUSED");
}

/// RFC 1996 and RFC 2136: not taken from anybody, for now.
#[test]
fn notify_and_update_are_refused() {
    check(ZONE, "example. SOA +opcode=4", "REFUSED");
    check(ZONE, "example. SOA +opcode=5", "REFUSED");
    check(ZONE, "example. SOA +opcode=4 +edns", "REFUSED edns\noption 15 0012");
    // An UPDATE (RFC 2136 section 2) with a prerequisite and an update: records where a query has none.
    let update = "4c0d 2800 0001 0001 0001 0000 076578616d706c6500 0006 0001 \
                  03777777c00c 00ff 00ff 00000000 0000 03777777c00c 0001 0001 0000012c 0004 c0000205";
    check_packet(ZONE, &unhex(update), Tcp, "REFUSED");
    // A NOTIFY (RFC 1996 section 3.7) with the new SOA in the answer section.
    let notify = "4c0d 2400 0001 0001 0000 0000 076578616d706c6500 0006 0001 \
                  c00c 0006 0001 0000012c 0018 0000 00000001 00000001 00000001 00000001 00000001 0000";
    check_packet(ZONE, &unhex(notify), Udp, "REFUSED");
}

/// RFC 9619 section 4: the opcode is judged before QDCOUNT: what it means depends on it. Unknown ones are NOTIMP.
#[test]
fn other_opcodes_are_notimp() {
    for opcode in [1u16, 2, 3, 6, 7, 15] {
        check(ZONE, &format!("www.example. A +opcode={opcode}"), "NOTIMP");
        check(ZONE, &format!("www.example. A +opcode={opcode} +edns"), "NOTIMP edns\noption 15 0015");
        let opcode = opcode as u8;
        // QDCOUNT 0, as DSO has it (RFC 8490 section 5.4), and 2.
        check_packet(ZONE, &[1, 2, opcode << 3, 0, 0, 0, 0, 0, 0, 0, 0, 0], Tcp, "NOTIMP no-question");
        let two = unhex("0102 0000 0002 0000 0000 0000 00 0001 0001 00 0002 0001");
        check_packet(ZONE, &[&[1, 2, opcode << 3], &two[3..]].concat(), Udp, "NOTIMP no-question");
    }
    // NOTIFY and UPDATE with no question: the opcode still decides.
    check_packet(ZONE, &unhex("0102 2000 0000 0000 0000 0000"), Udp, "REFUSED no-question");
    check_packet(ZONE, &unhex("0102 2800 0000 0000 0000 0000"), Udp, "REFUSED no-question");
}

/// RFC 5936 and RFC 1995: zone transfers are refused, for now; IXFR carries the client's SOA.
#[test]
fn transfers_are_refused() {
    check(ZONE, "example. AXFR +tcp", "REFUSED");
    check(ZONE, "example. AXFR", "REFUSED");
    check(ZONE, "example. IXFR +edns", "REFUSED edns\noption 15 0012");
    let ixfr = "4c0d 0000 0001 0000 0001 0000 076578616d706c6500 00fb 0001 \
                c00c 0006 0001 00000000 0016 00 00 00000001 00000001 00000001 00000001 00000001";
    check_packet(ZONE, &unhex(ixfr), Tcp, "REFUSED");
}

/// RFC 1035 section 3.2.3 (obsolete), and meta types that no question can have (RFC 6895 section 3.1).
#[test]
fn question_types_that_make_no_sense() {
    check(ZONE, "www.example. MAILA", "NOTIMP");
    check(ZONE, "www.example. MAILB", "NOTIMP");
    check(ZONE, "www.example. OPT", "FORMERR");
    check(ZONE, "www.example. TSIG", "FORMERR");
    check(ZONE, "www.example. TKEY", "FORMERR");
}
