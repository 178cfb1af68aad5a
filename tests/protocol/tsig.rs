//! Signed queries (RFC 8945): this server holds no keys, so that each is unknown to it (section 5.2.1).

use crate::check::{CLIENT, World, respond_to, unhex};
use crate::message::{Message, hex};
use catchment::answer::Transport::{Tcp, Udp};

const ZONE: &str = "example.\nwww A 192.0.2.1";

/// `www.example. A IN`, the question alone.
const QUESTION: &str = "03777777 076578616d706c65 00 0001 0001";
/// `key.`
const KEY: &str = "036b6579 00";
/// TYPE TSIG, CLASS ANY, TTL 0.
const FIXED: &str = "00fa 00ff 00000000";
/// `hmac-sha256.`, then time and fudge.
const ALGORITHM: &str = "0b686d61632d736861323536 00 00005cf79e91 012c";
/// A MAC of four octets, the original ID, no error, and no other data.
const SIGNED: &str = "0004 deadbeef 4c0d 0000 0000";
/// No MAC, and BADKEY.
const BADKEY: &str = "0000 4c0d 0011 0000";
const OPT: &str = "00 0029 04d0 00000000 0000";

fn record(key: &str, fixed: &str, rdata: &str) -> String {
    format!("{key} {fixed} {:04x} {rdata}", unhex(rdata).len())
}

/// Asks over both transports, which say the same.
#[track_caller]
fn ask(packet: &str) -> Vec<u8> {
    let world = World::from(ZONE);
    let [udp, tcp] =
        [Udp, Tcp].map(|transport| respond_to(&world, &unhex(packet), transport, CLIENT.parse().unwrap()).unwrap());
    assert_eq!(hex(&udp), hex(&tcp));
    Message::read(&udp).unwrap_or_else(|error| panic!("{error}: {}", hex(&udp)));
    udp
}

#[track_caller]
fn check(packet: &str, expected: &str) {
    assert_eq!(hex(&ask(packet)), hex(&unhex(expected)), "{packet}");
}

#[test]
fn an_unknown_key_is_notauth_with_badkey_unsigned() {
    let signed = record(KEY, FIXED, &format!("{ALGORITHM} {SIGNED}"));
    let refused = record(KEY, FIXED, &format!("{ALGORITHM} {BADKEY}"));
    check(
        &format!("4c0d 0100 0001 0000 0000 0001 {QUESTION} {signed}"),
        &format!("4c0d 8109 0001 0000 0000 0001 {QUESTION} {refused}"),
    );
    // TSIG is the last record (section 5.1). Options don't matter any more.
    let cookie = "00 0029 04d0 00000000 000c 000a 0008 2464c4abcf10c957";
    check(
        &format!("4c0d 0000 0001 0000 0000 0002 {QUESTION} {cookie} {signed}"),
        &format!("4c0d 8009 0001 0000 0000 0002 {QUESTION} {OPT} {refused}"),
    );
    // NOTIFY and UPDATE, which without TSIG are REFUSED.
    for opcode in ["2000", "2800"] {
        let response = ask(&format!("4c0d {opcode} 0001 0000 0000 0001 {QUESTION} {signed}"));
        assert!(hex(&response).starts_with(&format!("4c0d{:04x}", 0x8009 | u16::from_str_radix(opcode, 16).unwrap())));
        assert!(hex(&response).ends_with(&hex(&unhex(&refused))));
    }
}

/// Where the key is called as the name asked, a client may compress it.
#[test]
fn a_compressed_key_name_is_written_in_full() {
    let signed = record("036b6579 c010", FIXED, &format!("{ALGORITHM} {SIGNED}"));
    let refused = record("036b6579 076578616d706c65 00", FIXED, &format!("{ALGORITHM} {BADKEY}"));
    check(
        &format!("4c0d 0000 0001 0000 0000 0001 {QUESTION} {signed}"),
        &format!("4c0d 8009 0001 0000 0000 0001 {QUESTION} {refused}"),
    );
}

/// A record that does not fit is left out.
#[test]
fn what_does_not_fit_is_left_out() {
    let long = "3f".to_owned() + &"61".repeat(63);
    let name = format!("{long} {long} {long} 00");
    let signed = record(&name, FIXED, &format!("{name} 00005cf79e91 012c {SIGNED}"));
    let packet = unhex(&format!("4c0d 0000 0001 0000 0000 0001 {name} 0001 0001 {signed}"));
    let world = World::from(ZONE);
    let answered = |transport| {
        let response = respond_to(&world, &packet, transport, CLIENT.parse().unwrap()).unwrap();
        let message = Message::read(&response).unwrap();
        (message.rcode, response[11])
    };
    assert_eq!((answered(Udp), answered(Tcp)), ((9, 0), (9, 1)));
}

/// More than one, another place, another class or TTL, RDATA that ends early or late (sections 4.2 and 5.2).
#[test]
fn malformed_ones_are_formerr() {
    let rdata = format!("{ALGORITHM} {SIGNED}");
    let good = record(KEY, FIXED, &rdata);
    for (counts, records) in [
        ("0000 0000 0002", format!("{good} {good}")),
        ("0000 0000 0002", format!("{good} {OPT}")),
        ("0001 0000 0000", good.clone()),
        ("0000 0001 0001", format!("{good} {OPT}")),
        ("0000 0000 0001", record(KEY, "00fa 0001 00000000", &rdata)),
        ("0000 0000 0001", record(KEY, "00fa 00ff 00000001", &rdata)),
        ("0000 0000 0001", record(KEY, FIXED, "")),
        ("0000 0000 0001", record(KEY, FIXED, ALGORITHM)),
        ("0000 0000 0001", record(KEY, FIXED, &format!("{ALGORITHM} 0005 deadbeef 4c0d 0000 0000"))),
        ("0000 0000 0001", record(KEY, FIXED, &format!("{ALGORITHM} 0004 deadbeef 4c0d 0000 0001"))),
        ("0000 0000 0001", record(KEY, FIXED, &format!("{rdata} 00"))),
        ("0000 0000 0001", record(KEY, FIXED, &format!("c00c 00005cf79e91 012c {SIGNED}"))),
        // A name that points to itself, forward, or into the header.
        ("0000 0000 0001", record("c01d", FIXED, &rdata)),
        ("0000 0000 0001", record("c01e", FIXED, &rdata)),
        ("0000 0000 0001", record("c004", FIXED, &rdata)),
    ] {
        let response = hex(&ask(&format!("4c0d 0000 0001 {counts} {QUESTION} {records}")));
        assert!(response.starts_with("4c0d8001"), "{records}: {response}");
        assert!(!response.contains("00fa00ff"), "{records}: {response}");
    }
}
