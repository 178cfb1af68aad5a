//! Referrals and glue: RFC 1034 section 4.3.2 step 3b, RFC 9471.

use crate::check::check;

const ZONE: &str = "example.
    in        100 NS   ns1.in
    in        100 NS   ns2.in
    ns1.in    200 A    192.0.2.1
    ns1.in    200 AAAA 2001:db8::1
    ns2.in    200 A    192.0.2.2
    sib           NS   ns1.in
    out           NS   ns.example.net.
    auth          NS   www
    www           A    192.0.2.80
    bare          NS   ns.bare
    deep.ent      NS   ns.example.net.";

const IN: &str = "NOERROR
    authority
    in.example. 100 IN NS ns1.in.example.
    in.example. 100 IN NS ns2.in.example.
    additional
    ns1.in.example. 200 IN A 192.0.2.1
    ns1.in.example. 200 IN AAAA 2001:db8::1
    ns2.in.example. 200 IN A 192.0.2.2";

/// RFC 1034 section 4.3.2 step 3b: NS in the authority section, no AA, glue for servers below the cut.
#[test]
fn in_domain_glue() {
    check(ZONE, "www.in.example. A", IN);
    check(ZONE, "a.b.c.in.example. TXT", IN);
}

/// RFC 1034 section 4.2.1: the cut itself belongs to the child, so it is referred too, whatever type is asked.
#[test]
fn the_cut_itself_is_referred() {
    for qtype in ["A", "NS", "SOA", "ANY", "MX", "CNAME", "DNAME"] {
        check(ZONE, &format!("in.example. {qtype}"), IN);
    }
}

/// RFC 1034 section 4.2.1: glue is no answer: asked for, it is referred.
#[test]
fn glue_is_no_answer() {
    check(ZONE, "ns1.in.example. A", IN);
    check(ZONE, "ns1.in.example. TXT", IN);
}

/// RFC 9471 section 2.2 and 3.2: glue of a sibling domain goes along where there is room.
#[test]
fn sibling_glue() {
    check(
        ZONE,
        "www.sib.example. A",
        "NOERROR
         authority
         sib.example. 300 IN NS ns1.in.example.
         additional
         ns1.in.example. 200 IN A 192.0.2.1
         ns1.in.example. 200 IN AAAA 2001:db8::1",
    );
}

/// A server whose address is authoritative data of the zone.
#[test]
fn a_server_in_the_zone_itself() {
    check(
        ZONE,
        "www.auth.example. A",
        "NOERROR\nauthority\nauth.example. 300 IN NS www.example.\nadditional\nwww.example. 300 IN A 192.0.2.80",
    );
}

/// A server elsewhere needs no glue; one below the cut without any gets none.
#[test]
fn no_glue() {
    check(ZONE, "www.out.example. A", "NOERROR\nauthority\nout.example. 300 IN NS ns.example.net.");
    check(ZONE, "www.bare.example. A", "NOERROR\nauthority\nbare.example. 300 IN NS ns.bare.example.");
}

/// RFC 4592 section 2.2.2: what is above a cut may be an empty non-terminal.
#[test]
fn an_empty_non_terminal_above_a_cut() {
    check(ZONE, "ent.example. A", "NOERROR aa\nauthority\nsoa example.");
    check(ZONE, "x.ent.example. A", "NXDOMAIN aa\nauthority\nsoa example.");
    check(ZONE, "x.deep.ent.example. A", "NOERROR\nauthority\ndeep.ent.example. 300 IN NS ns.example.net.");
}

/// RFC 2181 section 6.1: of cuts below each other the highest counts; the lower one is not this zone's.
#[test]
fn a_cut_below_a_cut() {
    let zone = "example.
        a     NS ns.a
        ns.a  A  192.0.2.1
        b.a   NS ns.b.a
        ns.b.a A 192.0.2.2";
    let expected = "NOERROR
        authority
        a.example. 300 IN NS ns.a.example.
        additional
        ns.a.example. 300 IN A 192.0.2.1";
    check(zone, "www.b.a.example. A", expected);
    check(zone, "b.a.example. NS", expected);
    check(zone, "b.a.example. DS", expected);
}

/// RFC 1034 section 4.2.1: other data at a cut is occluded; so is a DNAME there (RFC 6672 section 2.3 wants none).
#[test]
fn other_data_at_a_cut_is_occluded() {
    let zone = "example.
        sub NS  ns.example.net.
        sub A   192.0.2.1
        sub TXT x";
    let expected = "NOERROR\nauthority\nsub.example. 300 IN NS ns.example.net.";
    check(zone, "sub.example. A", expected);
    check(zone, "sub.example. TXT", expected);
}

/// RFC 9471 section 2.1: a server's name may be the cut's own.
#[test]
fn a_server_named_as_the_cut() {
    let zone = "example.
        sub NS sub
        sub A  192.0.2.1";
    let expected = "NOERROR
        authority
        sub.example. 300 IN NS sub.example.
        additional
        sub.example. 300 IN A 192.0.2.1";
    check(zone, "www.sub.example. A", expected);
    check(zone, "sub.example. A", expected);
}

/// NS at the apex is an answer, with authority and the servers' addresses.
#[test]
fn ns_at_the_apex_is_an_answer() {
    let zone = "example.
        @   SOA ns.invalid. host.invalid. 1 7200 3600 1209600 60
        @   NS  ns
        @   NS  ns.example.net.
        ns  A   192.0.2.1";
    check(
        zone,
        "example. NS",
        "NOERROR aa
         answer
         example. 300 IN NS ns.example.
         example. 300 IN NS ns.example.net.
         additional
         ns.example. 300 IN A 192.0.2.1",
    );
}

/// The root zone refers top-level domains.
#[test]
fn from_the_root() {
    let zone = ".
        com.         NS a.gtld.net.
        net.         NS a.gtld.net.
        a.gtld.net.  A  192.0.2.1";
    check(
        zone,
        "www.example.com. A",
        "NOERROR\nauthority\ncom. 300 IN NS a.gtld.net.\nadditional\na.gtld.net. 300 IN A 192.0.2.1",
    );
    check(zone, "www.example.org. A", "NXDOMAIN aa\nauthority\nsoa .");
}

/// RFC 9471 section 3.1: in-domain glue comes first, so that it is not what is left out.
#[test]
fn in_domain_glue_comes_before_sibling_glue() {
    let zone = "example.
        a     NS ns.b
        a     NS ns.a
        ns.a  A  192.0.2.1
        b     NS ns.b
        ns.b  A  192.0.2.2";
    check(
        zone,
        "www.a.example. A",
        "NOERROR
         authority
         a.example. 300 IN NS ns.a.example.
         a.example. 300 IN NS ns.b.example.
         additional
         ns.a.example. 300 IN A 192.0.2.1
         ns.b.example. 300 IN A 192.0.2.2",
    );
}

/// The owner of the NS records is spelled as in the question.
#[test]
fn the_owner_is_spelled_as_asked() {
    check(ZONE, "WWW.ouT.example. A", "NOERROR\nauthority\nouT.example. 300 IN NS ns.example.net.");
}
