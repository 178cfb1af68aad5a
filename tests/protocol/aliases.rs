//! CNAME chains: RFC 1034 section 3.6.2 and 4.3.2, RFC 6604.

use crate::check::check;

/// RFC 1034 section 4.3.2 step 3a: the alias, then the answer under the canonical name.
#[test]
fn a_cname_is_followed() {
    let zone = "example.
        www  60 CNAME host
        host 90 A     192.0.2.1
        host    A     192.0.2.2";
    check(
        zone,
        "www.example. A",
        "NOERROR aa
         answer
         www.example. 60 IN CNAME host.example.
         host.example. 90 IN A 192.0.2.1
         host.example. 90 IN A 192.0.2.2",
    );
}

/// RFC 1034 section 3.6.2: asked for the CNAME itself, nothing is followed.
#[test]
fn a_cname_that_was_asked_for_is_the_answer() {
    let zone = "example.
        www  CNAME host
        host A     192.0.2.1";
    check(zone, "www.example. CNAME", "NOERROR aa\nanswer\nwww.example. 300 IN CNAME host.example.");
}

/// RFC 6604 section 3: the RCODE is that of the last name; AA that of the first (RFC 1035 section 4.1.1).
#[test]
fn the_rcode_is_the_last_names() {
    let zone = "example.
        www  CNAME gone
        nil  CNAME host
        host A     192.0.2.1";
    check(
        zone,
        "www.example. A",
        "NXDOMAIN aa\nanswer\nwww.example. 300 IN CNAME gone.example.\nauthority\nsoa example.",
    );
    check(
        zone,
        "nil.example. AAAA",
        "NOERROR aa\nanswer\nnil.example. 300 IN CNAME host.example.\nauthority\nsoa example.",
    );
}

/// RFC 1034 section 4.3.2: "go back to step 1": the chain goes on in another zone that is served here.
#[test]
fn a_chain_goes_on_in_other_zones() {
    let zones = [
        "example.
         www CNAME a.b.test.",
        "test.
         a.b CNAME c.other.
         x   A     192.0.2.1",
        "other.
         c   A     192.0.2.7",
    ];
    check(
        zones,
        "www.example. A",
        "NOERROR aa
         answer
         www.example. 300 IN CNAME a.b.test.
         a.b.test. 300 IN CNAME c.other.
         c.other. 300 IN A 192.0.2.7",
    );
    check(
        zones,
        "www.example. TXT",
        "NOERROR aa
         answer
         www.example. 300 IN CNAME a.b.test.
         a.b.test. 300 IN CNAME c.other.
         authority
         soa other.",
    );
}

/// RFC 6604 section 3: a chain that ends in NXDOMAIN in another zone that is served here.
#[test]
fn nxdomain_in_another_zone() {
    let zones = ["example.\nwww CNAME gone.test.", "test.\nx A 192.0.2.1"];
    check(zones, "www.example. A", "NXDOMAIN aa\nanswer\nwww.example. 300 IN CNAME gone.test.\nauthority\nsoa test.");
}

/// A chain that leaves for a name outside all zones ends there: the client asks on.
#[test]
fn a_chain_out_of_all_zones() {
    check(
        "example.\nwww CNAME host.example.net.",
        "www.example. A",
        "NOERROR aa\nanswer\nwww.example. 300 IN CNAME host.example.net.",
    );
}

/// RFC 1034 section 4.3.2 step 3b: a chain that runs into a cut ends in a referral. AA stays: it is the first name's.
#[test]
fn a_chain_into_a_delegation() {
    let zone = "example.
        www    CNAME host.sub
        sub    NS    ns.sub
        ns.sub A     192.0.2.3";
    check(
        zone,
        "www.example. A",
        "NOERROR aa
         answer
         www.example. 300 IN CNAME host.sub.example.
         authority
         sub.example. 300 IN NS ns.sub.example.
         additional
         ns.sub.example. 300 IN A 192.0.2.3",
    );
}

/// A chain that leads into a child zone served here too is answered by the child.
#[test]
fn a_chain_into_a_child_zone() {
    let zones = [
        "example.
         www CNAME host.sub
         sub NS    ns.invalid.",
        "sub.example.
         host A 192.0.2.9",
    ];
    check(
        zones,
        "www.example. A",
        "NOERROR aa\nanswer\nwww.example. 300 IN CNAME host.sub.example.\nhost.sub.example. 300 IN A 192.0.2.9",
    );
}

/// RFC 1034 section 3.6.2: loops are to be caught. Each record stands there once.
#[test]
fn loops_end() {
    let zone = "example.
        self CNAME self
        a    CNAME b
        b    CNAME c
        c    CNAME a
        in   CNAME a";
    check(zone, "self.example. A", "NOERROR aa\nanswer\nself.example. 300 IN CNAME self.example.");
    check(
        zone,
        "a.example. A",
        "NOERROR aa
         answer
         a.example. 300 IN CNAME b.example.
         b.example. 300 IN CNAME c.example.
         c.example. 300 IN CNAME a.example.",
    );
    check(
        zone,
        "in.example. A",
        "NOERROR aa
         answer
         in.example. 300 IN CNAME a.example.
         a.example. 300 IN CNAME b.example.
         b.example. 300 IN CNAME c.example.
         c.example. 300 IN CNAME a.example.",
    );
}

/// The same across zones, and in other letters.
#[test]
fn loops_end_across_zones() {
    let zones = ["example.\na CNAME B.Test.", "test.\nb CNAME A.Example."];
    check(
        zones,
        "a.example. A",
        "NOERROR aa\nanswer\na.example. 300 IN CNAME B.Test.\nB.Test. 300 IN CNAME A.Example.",
    );
}

/// A chain of more than 16 aliases is cut there; the client asks on for the last name.
#[test]
fn long_chains_are_cut() {
    let mut zone = String::from("example.\n");
    for n in 0..40 {
        zone += &format!("c{n} CNAME c{}\n", n + 1);
    }
    zone += "c40 A 192.0.2.1\n";
    let chain = |from: usize| {
        let lines: Vec<_> =
            (from..(from + 17).min(40)).map(|n| format!("c{n}.example. 300 IN CNAME c{}.example.", n + 1)).collect();
        format!("NOERROR aa\nanswer\n{}", lines.join("\n"))
    };
    check(&zone[..], "c0.example. A +tcp", &chain(0));
    let whole = chain(24) + "\nc40.example. 300 IN A 192.0.2.1";
    check(&zone[..], "c24.example. A +tcp", &whole);
}

/// RFC 2181 section 10.1.1 names what may stand beside a CNAME; asked for by type, it answers for itself.
#[test]
fn any_at_an_alias() {
    let zone = "example.
        www  CNAME host
        host A     192.0.2.1";
    check(zone, "www.example. ANY", "NOERROR aa\nanswer\nwww.example. 300 IN CNAME host.example.");
}

/// A zone that could not be loaded ends the chain, and does not spoil what was found.
#[test]
fn a_chain_into_a_broken_zone() {
    check(
        ["example.\nwww CNAME x.test.", "test.\nbroken"],
        "www.example. A",
        "NOERROR aa\nanswer\nwww.example. 300 IN CNAME x.test.",
    );
}

/// RFC 1034 section 3.6.2: an alias answers for any type that it does not have, DS and SOA among them.
#[test]
fn every_type_follows_an_alias() {
    let zone = "example.
        www  CNAME host
        host A     192.0.2.1";
    for qtype in ["DS", "SOA", "NS", "MX", "TYPE65280", "DNAME"] {
        check(
            zone,
            &format!("www.example. {qtype}"),
            "NOERROR aa\nanswer\nwww.example. 300 IN CNAME host.example.\nauthority\nsoa example.",
        );
    }
}
