//! Which zone answers.

use crate::check::check;

/// The zone with the longest name that matches.
#[test]
fn the_closest_zone_answers() {
    let zones = [
        ".\nwww. TXT root\nexample. NS ns.invalid.",
        "example.\nwww TXT parent\nsub NS ns.invalid.",
        "sub.example.\nwww TXT child",
    ];
    check(zones, "www. TXT", "NOERROR aa\nanswer\nwww. 300 IN TXT \"root\"");
    check(zones, "www.example. TXT", "NOERROR aa\nanswer\nwww.example. 300 IN TXT \"parent\"");
    check(zones, "www.sub.example. TXT", "NOERROR aa\nanswer\nwww.sub.example. 300 IN TXT \"child\"");
    check(
        zones,
        "sub.example. SOA",
        "NOERROR aa\nanswer\nsub.example. 300 IN SOA ns.invalid. host.invalid. 1 7200 3600 1209600 60",
    );
    check(zones, "no.sub.example. TXT", "NXDOMAIN aa\nauthority\nsoa sub.example.");
    check(zones, "xsub.example. TXT", "NXDOMAIN aa\nauthority\nsoa example.");
    check(zones, "no. TXT", "NXDOMAIN aa\nauthority\nsoa .");
}

/// A child zone hides what the parent holds at and below its name, without a delegation too.
#[test]
fn a_child_hides_the_parents_data() {
    let zones = ["example.\nsub A 192.0.2.1\nwww.sub A 192.0.2.2", "sub.example.\nx A 192.0.2.3"];
    check(zones, "www.sub.example. A", "NXDOMAIN aa\nauthority\nsoa sub.example.");
    check(zones, "sub.example. A", "NOERROR aa\nauthority\nsoa sub.example.");
}

/// RFC 1035 section 4.1.1: names outside all zones are refused: no referral to the root.
#[test]
fn names_outside_all_zones_are_refused() {
    check("example.\nwww A 192.0.2.1", "www.example.net. A", "REFUSED");
    check("example.\nwww A 192.0.2.1", ". NS", "REFUSED");
    check("sub.example.\nwww A 192.0.2.1", "example. A", "REFUSED");
    check([], "example. A", "REFUSED");
}

/// The EDE says why (RFC 8914 section 4.21: Not Authoritative).
#[test]
fn refused_with_the_reason() {
    check("example.\nwww A 192.0.2.1", "www.example.net. A +edns", "REFUSED edns\noption 15 0014");
}

/// A zone that could not be loaded is SERVFAIL, and the others answer.
#[test]
fn a_broken_zone_is_servfail() {
    let zones = ["example.\nbroken", "test.\nwww A 192.0.2.1"];
    check(zones, "www.example. A", "SERVFAIL");
    check(zones, "www.example. A +edns", "SERVFAIL edns\noption 15 0018");
    check(zones, "www.test. A", "NOERROR aa\nanswer\nwww.test. 300 IN A 192.0.2.1");
}
