//! Negative answers: RFC 2308.

use crate::check::check;

/// RFC 2308 sections 2.1 and 2.2: NXDOMAIN and NODATA, each with the SOA.
#[test]
fn nxdomain_and_no_data() {
    let zone = "example.\nwww A 192.0.2.1";
    check(zone, "no.example. A", "NXDOMAIN aa\nauthority\nsoa example.");
    check(zone, "www.example. AAAA", "NOERROR aa\nauthority\nsoa example.");
    check(zone, "example. TXT", "NOERROR aa\nauthority\nsoa example.");
    check(zone, "below.www.example. A", "NXDOMAIN aa\nauthority\nsoa example.");
}

/// RFC 2308 section 3: the SOA's TTL in negative answers is the smaller of its own and MINIMUM; in a positive one it is its own.
#[test]
fn the_negative_ttl() {
    let minimum_is_less = "example.
        @ 900 SOA ns.invalid. host.invalid. 1 7200 3600 1209600 60
        @     NS  ns.invalid.";
    check(
        minimum_is_less,
        "no.example. A",
        "NXDOMAIN aa\nauthority\nexample. 60 IN SOA ns.invalid. host.invalid. 1 7200 3600 1209600 60",
    );
    check(
        minimum_is_less,
        "example. SOA",
        "NOERROR aa\nanswer\nexample. 900 IN SOA ns.invalid. host.invalid. 1 7200 3600 1209600 60",
    );
    let ttl_is_less = "example.
        @ 30 SOA ns.invalid. host.invalid. 1 7200 3600 1209600 60
        @    NS  ns.invalid.";
    check(
        ttl_is_less,
        "example. A",
        "NOERROR aa\nauthority\nexample. 30 IN SOA ns.invalid. host.invalid. 1 7200 3600 1209600 60",
    );
    let zero = "example.
        @ 30 SOA ns.invalid. host.invalid. 1 7200 3600 1209600 0
        @    NS  ns.invalid.";
    check(
        zero,
        "example. A",
        "NOERROR aa\nauthority\nexample. 0 IN SOA ns.invalid. host.invalid. 1 7200 3600 1209600 0",
    );
}

/// Names that share a suffix with the zone's name, but no label, are not in it.
#[test]
fn a_longer_label_is_another_name() {
    let zone = "example.\nwww A 192.0.2.1";
    check(zone, "xwww.example. A", "NXDOMAIN aa\nauthority\nsoa example.");
    check(zone, "xexample. A", "REFUSED");
}

/// Types that no record can have, and numbers that nobody has assigned, are no data like any other.
#[test]
fn unknown_types_are_no_data() {
    let zone = "example.\nwww A 192.0.2.1";
    for qtype in ["TYPE0", "TYPE65280", "TYPE200", "TYPE65535", "NSEC", "RRSIG"] {
        check(zone, &format!("www.example. {qtype}"), "NOERROR aa\nauthority\nsoa example.");
    }
}

/// RFC 3597: records of unknown types are data.
#[test]
fn records_of_unknown_types() {
    let zone = "example.\nwww TYPE65280 \\# 4 0a000001";
    check(zone, "www.example. TYPE65280", "NOERROR aa\nanswer\nwww.example. 300 IN TYPE65280 \\# 4 0a000001");
}

/// Names of the greatest length and depth.
#[test]
fn the_longest_names() {
    let zone = "example.\nwww A 192.0.2.1";
    let deep = "a.".repeat(123);
    check(zone, &format!("{deep}example. A"), "NXDOMAIN aa\nauthority\nsoa example.");
    let label = "b".repeat(63);
    let long = format!("{label}.{label}.{label}.{}.example. A", "b".repeat(53));
    check(zone, &long, "NXDOMAIN aa\nauthority\nsoa example.");
    check(
        &format!("example.\n{deep}example. A 192.0.2.1")[..],
        &format!("{deep}example. A"),
        &format!("NOERROR aa\nanswer\n{deep}example. 300 IN A 192.0.2.1"),
    );
}

/// The apex of the root zone.
#[test]
fn in_the_root_zone() {
    let zone = ".\nwww. A 192.0.2.1\n@ TXT root";
    check(zone, ". A", "NOERROR aa\nauthority\nsoa .");
    check(zone, ". TXT", "NOERROR aa\nanswer\n. 300 IN TXT \"root\"");
    check(zone, ". SOA", "NOERROR aa\nanswer\n. 300 IN SOA ns.invalid. host.invalid. 1 7200 3600 1209600 60");
    check(zone, "www. A", "NOERROR aa\nanswer\nwww. 300 IN A 192.0.2.1");
    check(zone, "no. A", "NXDOMAIN aa\nauthority\nsoa .");
}

/// Octets other than letters, digits and hyphens are as good as any (RFC 2181 section 11), NUL and dots among them.
#[test]
fn any_octet_in_a_label() {
    let zone = "example.\na\\.b A 192.0.2.1\n\\000\\255 A 192.0.2.2";
    check(zone, "no\\.b.example. A", "NXDOMAIN aa\nauthority\nsoa example.");
    check(zone, "b.example. A", "NXDOMAIN aa\nauthority\nsoa example.");
    check(zone, "a\\.b.example. A", "NOERROR aa\nanswer\na\\.b.example. 300 IN A 192.0.2.1");
}
