//! Sizes and TC: RFC 1035 section 4.2, RFC 2181 section 9, RFC 6891 section 6.2, RFC 9471. That no response exceeds its limit
//! is asserted for every case.

use crate::check::{World, check, octets};
use crate::message::{self, Message};

/// `big` has TXT records of `count` times 100 octets of RDATA.
fn zone(count: usize) -> String {
    let mut zone = String::from("example.\nc CNAME big\n");
    for n in 0..count {
        zone += &format!("big TXT {:0>99}\n", n);
    }
    zone
}

fn big(count: usize) -> String {
    let lines: Vec<_> = (0..count).map(|n| format!("big.example. 300 IN TXT \"{n:0>99}\"")).collect();
    format!("answer\n{}", lines.join("\n"))
}

/// RFC 1035 section 4.2.1: 512 octets without EDNS. 4 records take 12 + 17 + 4 * 112 = 477; a fifth does not fit.
#[test]
fn without_edns_512() {
    check(&zone(4)[..], "big.example. TXT", &format!("NOERROR aa\n{}", big(4)));
    check(&zone(5)[..], "big.example. TXT", "NOERROR aa tc");
    check(&zone(5)[..], "big.example. TXT +tcp", &format!("NOERROR aa\n{}", big(5)));
}

/// RFC 6891 section 6.2.3: sizes under 512 are read as 512. With OPT's 11 octets, 4 records take 488.
#[test]
fn sizes_under_512_are_512() {
    for size in [0, 1, 511, 512] {
        check(&zone(4)[..], &format!("big.example. TXT +size={size}"), &format!("NOERROR aa edns\n{}", big(4)));
        check(&zone(5)[..], &format!("big.example. TXT +size={size}"), "NOERROR aa tc edns");
    }
}

/// To the octet: 5 records take 12 + 17 + 5 * 112 + 11 = 600.
#[test]
fn to_the_octet() {
    check(&zone(5)[..], "big.example. TXT +size=600", &format!("NOERROR aa edns\n{}", big(5)));
    check(&zone(5)[..], "big.example. TXT +size=599", "NOERROR aa tc edns");
    assert_eq!(octets(&zone(5)[..], "big.example. TXT +size=600").len(), 600);
    // Options take room too.
    check(&zone(5)[..], "big.example. TXT +size=600 +nsid", "NOERROR aa tc edns\noption 3 616d7331");
    let expected = format!("NOERROR aa edns\n{}\noption 3 616d7331", big(5));
    check(&zone(5)[..], "big.example. TXT +size=608 +nsid", &expected);
}

/// Our own limit, 1232 by default, binds as well; 10 records take 1160.
#[test]
fn our_own_limit() {
    check(&zone(10)[..], "big.example. TXT +size=4096", &format!("NOERROR aa edns\n{}", big(10)));
    check(&zone(11)[..], "big.example. TXT +size=4096", "NOERROR aa tc edns");
    check(&zone(11)[..], "big.example. TXT +size=65535", "NOERROR aa tc edns");
    let larger = || World::from(&zone(11)[..]).with(|settings| settings.udp_size = 4096);
    check(larger(), "big.example. TXT +size=4096", &format!("NOERROR aa edns\n{}", big(11)));
    check(larger(), "big.example. TXT +size=1232", "NOERROR aa tc edns");
}

/// TCP takes 65,535 octets, whatever size EDNS names (RFC 6891 section 6.2.5 is about UDP).
#[test]
fn tcp_is_not_truncated() {
    check(&zone(500)[..], "big.example. TXT +size=512 +tcp", &format!("NOERROR aa edns\n{}", big(500)));
}

/// RFC 2181 section 9: an RRset is there as a whole or not at all; what was found before it stays.
#[test]
fn an_alias_fits_its_target_does_not() {
    check(&zone(9)[..], "c.example. TXT", "NOERROR aa tc\nanswer\nc.example. 300 IN CNAME big.example.");
    for size in (512..1232).step_by(13) {
        let response = octets(&zone(9)[..], &format!("big.example. TXT +size={size}"));
        let message = Message::read(&response).unwrap();
        assert!(matches!((message.answer.len(), message.flag(message::TC)), (9, false) | (0, true)), "{size}");
    }
}

/// RFC 2181 section 9: TC only for what is required. Additional addresses of an MX are not: they are left out, by RRset.
#[test]
fn additional_addresses_are_left_out_without_tc() {
    let mut zone = String::from("example.\nm MX 1 many\nm MX 2 few\nfew A 192.0.2.250\n");
    for n in 0..40 {
        zone += &format!("many A 192.0.2.{n}\n");
    }
    check(
        &zone[..],
        "m.example. MX",
        "NOERROR aa
         answer
         m.example. 300 IN MX 1 many.example.
         m.example. 300 IN MX 2 few.example.
         additional
         few.example. 300 IN A 192.0.2.250",
    );
}

/// RFC 9471 section 3.1: glue for servers below the cut must be there, or TC is set.
#[test]
fn in_domain_glue_that_does_not_fit_is_tc() {
    let glue = |host: &str| (0..16).map(|n| format!("{host} AAAA 2001:db8::{n:x}\n")).collect::<String>();
    let zone = format!("example.\nsub NS ns.sub\nsub NS ns.sib\n{}sib NS ns.sib\nns.sib A 192.0.2.1\n", glue("ns.sub"));
    let response = octets(&zone[..], "www.sub.example. A");
    let message = Message::read(&response).unwrap();
    assert!(message.flag(message::TC));
    assert_eq!(message.authority.len(), 2);

    // The same of a sibling: left out, no TC (RFC 9471 section 3.2); what does fit is there.
    let zone = format!("example.\nsub NS ns.sub\nsub NS ns.sib\nns.sub A 192.0.2.1\nsib NS ns.sib\n{}", glue("ns.sib"));
    check(
        &zone[..],
        "www.sub.example. A",
        "NOERROR
         authority
         sub.example. 300 IN NS ns.sib.example.
         sub.example. 300 IN NS ns.sub.example.
         additional
         ns.sub.example. 300 IN A 192.0.2.1",
    );
}

/// RFC 9471 section 3.1 speaks of all of it: A fits and AAAA does not.
#[test]
fn a_part_of_the_glue_is_not_enough() {
    let glue: String = (0..16).map(|n| format!("ns.sub AAAA 2001:db8::{n:x}\n")).collect();
    let zone = format!("example.\nsub NS ns.sub\nns.sub A 192.0.2.1\n{glue}");
    check(
        &zone[..],
        "www.sub.example. A",
        "NOERROR tc
         authority
         sub.example. 300 IN NS ns.sub.example.
         additional
         ns.sub.example. 300 IN A 192.0.2.1",
    );
}

/// NS records that do not fit are TC: the referral is what was asked for.
#[test]
fn a_referral_that_does_not_fit_is_tc() {
    let servers: String = (0..12).map(|n| format!("sub NS {:a>40}{n}.example.net.\n", "")).collect();
    check(&format!("example.\n{servers}")[..], "www.sub.example. A", "NOERROR tc");
}

/// RFC 2308 section 3: a negative answer without its SOA can't be cached: TC.
#[test]
fn a_soa_that_does_not_fit_is_tc() {
    let long = |octet: &str| [octet.repeat(63), octet.repeat(63), octet.repeat(63), octet.repeat(50)].join(".");
    let zone = format!("example.\n@ SOA {}. {}. 1 7200 3600 1209600 60\n@ NS ns.invalid.\n", long("m"), long("r"));
    check(&zone[..], "no.example. A", "NXDOMAIN aa tc");
    let expected =
        format!("NXDOMAIN aa edns\nauthority\nexample. 60 IN SOA {}. {}. 1 7200 3600 1209600 60", long("m"), long("r"));
    check(&zone[..], "no.example. A +edns", &expected);
}

/// A node's name larger than the whole response: the OPT is there, its options are not.
#[test]
fn options_that_do_not_fit() {
    let world = World::from("example.\nwww A 192.0.2.1").with(|settings| settings.node = Some(vec![b'n'; 600].into()));
    check(world, "www.example. A +nsid +size=512", "NOERROR aa tc edns");
}

/// Answers over TCP with more than 16,383 octets: names there can't be pointed to (RFC 1035 section 4.1.4).
#[test]
fn names_beyond_the_reach_of_pointers() {
    let mut zone = String::from("example.\n");
    for n in 0..1500 {
        zone += &format!("m MX {n} host{n}.sub\nhost{n}.sub A 192.0.2.1\n");
    }
    let response = octets(&zone[..], "m.example. MX +tcp");
    let message = Message::read(&response).unwrap();
    assert!(response.len() > 0x4000);
    assert_eq!(message.answer.len(), 1500);
    assert!(!message.flag(message::TC));
    assert!(message.additional.len() >= 60 && message.additional.iter().all(|record| record.data == "192.0.2.1"));
}
