//! A query that is signed with a key which nobody has (RFC 8945 section 5.2.1).

use crate::ask::{Answer, Ours, Theirs};
use crate::support;
use crate::support::peers::{Kind, Options, Peers};
use crate::support::process::TempDir;
use catchment::answer::Transport::Udp;
use catchment::wire::name::Name;

const ZONE: &str = "@ 300 SOA ns1 hostmaster 1 7200 3600 1209600 300\n@ 300 NS ns1\nns1 300 A 192.0.2.1\n";

/// `ns1.example. A`, with OPT and TSIG.
fn packet() -> Vec<u8> {
    let name = |text: &str| text.parse::<Name>().unwrap();
    let mut rdata = name("hmac-sha256.").as_wire().to_vec();
    // Time and fudge, a MAC of 32 octets, the original ID, no error, no other data.
    rdata.extend([0, 0, 0x5c, 0xf7, 0x9e, 0x91, 1, 0x2c, 0, 32]);
    rdata.extend([0xa5; 32]);
    rdata.extend([0x4c, 0x0d, 0, 0, 0, 0]);
    let mut packet = vec![0x4c, 0x0d, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2];
    packet.extend(name("ns1.example.").as_wire());
    packet.extend([0, 1, 0, 1]);
    packet.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    packet.extend(name("nobodys.key.").as_wire());
    packet.extend([0, 250, 0, 255, 0, 0, 0, 0, 0, rdata.len() as u8]);
    packet.extend(rdata);
    packet
}

/// RCODE, how many records there are, and of TSIG the key, class, TTL, algorithm, MAC, ID and error.
fn refusal(answer: &Answer) -> String {
    let message = &answer.message;
    let records = message.answer.len() + message.authority.len();
    let tsig = message.additional.iter().map(|record| {
        let fields: Vec<&str> = record.data.split(' ').collect();
        let [algorithm, _time, _fudge, mac, id, error, _other] = fields[..] else { return record.to_string() };
        format!("{} {} {} {algorithm} {mac:?} {id} {error}", record.owner, record.class, record.ttl_secs)
    });
    format!("{} {records} {} {:?}", message.rcode, message.opt.is_some(), tsig.collect::<Vec<_>>())
}

#[test]
fn an_unknown_key_is_told_as_peers_do() {
    let peers = match Peers::find() {
        Ok(peers) => peers,
        Err(why) => return support::skip(why),
    };
    let dir = TempDir::new("differential-tsig");
    let zone = dir.write("example.zone", ZONE);
    let ours = refusal(&Ours::new([("example.", ZONE)], 1232).ask(&packet(), Udp));
    assert_eq!(ours, "9 0 true [\"nobodys.key. ANY 0 hmac-sha256 \\\"\\\" 19469 17\"]");
    for kind in Kind::ALL {
        if !peers.has(kind) {
            support::skip(format_args!("{} is not here", kind.name()));
            continue;
        }
        let running =
            peers.start(kind, &[("example.", &zone)], &Options::default()).unwrap_or_else(|why| panic!("{why}"));
        let theirs = refusal(&Theirs::new(running.addr).ask(&packet(), Udp));
        assert_eq!(theirs, ours, "{}", kind.name());
    }
}
