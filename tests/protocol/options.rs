//! Options that are answered when asked: NSID (RFC 5001), keepalive (RFC 7828), ZONEVERSION (RFC 9660).

use crate::check::{World, check};

const ZONE: &str = "example.
    www A     192.0.2.1
    c   CNAME www.test.
    sub NS    ns.example.net.";
const TEST: &str = "test.
    @   SOA ns.invalid. host.invalid. 77 7200 3600 1209600 60
    @   NS  ns.invalid.
    www A   192.0.2.7";
const WWW: &str = "answer\nwww.example. 300 IN A 192.0.2.1";

/// RFC 5001 section 2: the name of the node, when asked, with every response. "ams1" is 616d7331.
#[test]
fn nsid_when_asked() {
    check(ZONE, "www.example. A +nsid", &format!("NOERROR aa edns\n{WWW}\noption 3 616d7331"));
    check(ZONE, "www.example. A +edns", &format!("NOERROR aa edns\n{WWW}"));
    check(ZONE, "example.net. A +nsid", "REFUSED edns\noption 3 616d7331\noption 15 0014");
    check(ZONE, "id.server. TXT CH +nsid", "NOERROR aa edns\nanswer\nid.server. 0 CH TXT \"ams1\"\noption 3 616d7331");
    // RFC 5001 section 2.1: what a query's option carries is ignored.
    check(ZONE, "www.example. A +option=3:6162", &format!("NOERROR aa edns\n{WWW}\noption 3 616d7331"));
}

/// RFC 5001 section 2.2: or not at all.
#[test]
fn nsid_turned_off() {
    let off = World::from(ZONE).with(|settings| settings.nsid = false);
    check(off, "www.example. A +nsid", &format!("NOERROR aa edns\n{WWW}"));
}

/// Without a name there is nothing to tell.
#[test]
fn nsid_of_a_nameless_node() {
    let nameless = World::from(ZONE).with(|settings| settings.node = None);
    check(nameless, "www.example. A +nsid", &format!("NOERROR aa edns\n{WWW}"));
}

/// RFC 7828 section 3.3.2: told over TCP, in units of 100 ms; section 3.2.1: ignored over UDP.
#[test]
fn keepalive_over_tcp_only() {
    check(ZONE, "www.example. A +keepalive +tcp", &format!("NOERROR aa edns\n{WWW}\noption 11 0064"));
    check(ZONE, "www.example. A +edns +tcp", &format!("NOERROR aa edns\n{WWW}"));
    check(ZONE, "www.example. A +keepalive", &format!("NOERROR aa edns\n{WWW}"));
}

/// RFC 9660 section 3.1: labels of the zone, type 0 (SOA-SERIAL), the serial.
#[test]
fn zoneversion_when_asked() {
    check(ZONE, "www.example. A +zoneversion", &format!("NOERROR aa edns\n{WWW}\noption 19 010000000001"));
    check(ZONE, "no.example. A +zoneversion", "NXDOMAIN aa edns\nauthority\nsoa example.\noption 19 010000000001");
    check(ZONE, "www.example. A +zoneversion +tcp", &format!("NOERROR aa edns\n{WWW}\noption 19 010000000001"));
    check(
        ZONE,
        "x.sub.example. A +zoneversion",
        "NOERROR edns\nauthority\nsub.example. 300 IN NS ns.example.net.\noption 19 010000000001",
    );
    check(
        ".\nwww. A 192.0.2.1",
        "www. A +zoneversion",
        "NOERROR aa edns\nanswer\nwww. 300 IN A 192.0.2.1\noption 19 000000000001",
    );
}

/// RFC 9660 section 3.2: the zone is that of the name asked, wherever aliases lead.
#[test]
fn zoneversion_is_of_the_zone_asked() {
    check(
        [ZONE, TEST],
        "c.example. A +zoneversion",
        "NOERROR aa edns
         answer
         c.example. 300 IN CNAME www.test.
         www.test. 300 IN A 192.0.2.7
         option 19 010000000001",
    );
    check(
        [ZONE, TEST],
        "www.test. A +zoneversion",
        "NOERROR aa edns\nanswer\nwww.test. 300 IN A 192.0.2.7\noption 19 01000000004d",
    );
}

/// RFC 9660 section 3.2: none where we have no authority.
#[test]
fn zoneversion_of_no_zone() {
    check(ZONE, "example.net. A +zoneversion", "REFUSED edns\noption 15 0014");
    check("example.\nbroken", "www.example. A +zoneversion", "SERVFAIL edns\noption 15 0018");
    check(ZONE, "id.server. TXT CH +zoneversion", "NOERROR aa edns\nanswer\nid.server. 0 CH TXT \"ams1\"");
}

/// RFC 9660 section 3.1: from a client it is empty.
#[test]
fn zoneversion_with_data_is_formerr() {
    check(ZONE, "www.example. A +option=19:00", "FORMERR edns");
}

/// All at once.
#[test]
fn all_options_together() {
    check(
        ZONE,
        "www.example. A +nsid +cookie=2464c4abcf10c957 +keepalive +zoneversion +tcp",
        &format!(
            "NOERROR aa edns\n{WWW}
             option 3 616d7331
             option 10 2464c4abcf10c957010000005cf79f111f8130c3eee29480
             option 11 0064
             option 19 010000000001"
        ),
    );
}
