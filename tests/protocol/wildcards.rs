//! Wildcards (RFC 4592). The zone and the answers of the first cases are those of its section 2.2.1.

use crate::check::check;

const ZONE: &str = r#"example.
    *               3600 TXT "this is a wildcard"
    *               3600 MX  10 host1.example.
    sub.*           3600 TXT "this is not a wildcard"
    host1           3600 A   192.0.2.1
    _ssh._tcp.host1 3600 SRV 0 0 22 host1
    _ssh._tcp.host2 3600 SRV 0 0 22 host2
    subdel          3600 NS  ns.example.com.
    subdel          3600 NS  ns.example.net."#;

/// RFC 4592 section 2.2.1: "QNAME=host3.example. QTYPE=MX": synthesized, the owner is the name asked.
#[test]
fn rfc_4592_host3_mx() {
    check(
        ZONE,
        "host3.example. MX",
        "NOERROR aa
         answer
         host3.example. 3600 IN MX 10 host1.example.
         additional
         host1.example. 3600 IN A 192.0.2.1",
    );
}

/// RFC 4592 section 2.2.1: "host3.example. A": there is no A at the wildcard: no data, not NXDOMAIN.
#[test]
fn rfc_4592_host3_a() {
    check(ZONE, "host3.example. A", "NOERROR aa\nauthority\nsoa example.");
}

/// RFC 4592 section 2.2.1: "foo.bar.example. TXT": a wildcard covers more than one label.
#[test]
fn rfc_4592_foo_bar_txt() {
    check(ZONE, "foo.bar.example. TXT", "NOERROR aa\nanswer\nfoo.bar.example. 3600 IN TXT \"this is a wildcard\"");
}

/// RFC 4592 section 2.2.1: "host1.example., MX": the name exists, so there is no synthesis.
#[test]
fn rfc_4592_host1_mx() {
    check(ZONE, "host1.example. MX", "NOERROR aa\nauthority\nsoa example.");
}

/// RFC 4592 section 2.2.1: "sub.*.example., MX": it exists; the asterisk inside means nothing.
#[test]
fn rfc_4592_sub_star_mx() {
    check(ZONE, "sub.*.example. MX", "NOERROR aa\nauthority\nsoa example.");
    check(ZONE, "sub.*.example. TXT", "NOERROR aa\nanswer\nsub.*.example. 3600 IN TXT \"this is not a wildcard\"");
}

/// RFC 4592 section 2.2.1: "_telnet._tcp.host1.example., SRV": `_tcp.host1.example.` is the closest encloser and has no `*`.
#[test]
fn rfc_4592_telnet_srv() {
    check(ZONE, "_telnet._tcp.host1.example. SRV", "NXDOMAIN aa\nauthority\nsoa example.");
}

/// RFC 4592 section 2.2.1: "host.subdel.example., A": a cut goes before the wildcard.
#[test]
fn rfc_4592_host_subdel_a() {
    check(
        ZONE,
        "host.subdel.example. A",
        "NOERROR
         authority
         subdel.example. 3600 IN NS ns.example.com.
         subdel.example. 3600 IN NS ns.example.net.",
    );
}

/// RFC 4592 section 2.2.1: "ghost.*.example., MX": `*.example.` is the closest encloser, and there is no `*.*.example.`
#[test]
fn rfc_4592_ghost_star_mx() {
    check(ZONE, "ghost.*.example. MX", "NXDOMAIN aa\nauthority\nsoa example.");
}

/// RFC 4592 section 2.2.2: an empty non-terminal exists: no data, and no synthesis for it.
#[test]
fn empty_non_terminals_are_no_data() {
    check(ZONE, "_tcp.host1.example. MX", "NOERROR aa\nauthority\nsoa example.");
    check(ZONE, "_tcp.host2.example. TXT", "NOERROR aa\nauthority\nsoa example.");
    check(ZONE, "host2.example. TXT", "NOERROR aa\nauthority\nsoa example.");
    check(ZONE, "host2.example. ANY", "NOERROR aa\nauthority\nsoa example.");
}

/// RFC 4592 section 3.3.1: an empty non-terminal as closest encloser blocks the wildcard further up.
#[test]
fn the_closest_encloser_blocks_a_wildcard() {
    check(ZONE, "other.host2.example. TXT", "NXDOMAIN aa\nauthority\nsoa example.");
    check(ZONE, "a.b._tcp.host2.example. TXT", "NXDOMAIN aa\nauthority\nsoa example.");
    check(ZONE, "www.host1.example. TXT", "NXDOMAIN aa\nauthority\nsoa example.");
}

/// RFC 4592 section 2.3: the asterisk label asked for literally is an ordinary name.
#[test]
fn a_wildcard_asked_for_literally() {
    check(ZONE, "*.example. TXT", "NOERROR aa\nanswer\n*.example. 3600 IN TXT \"this is a wildcard\"");
    check(ZONE, "*.example. A", "NOERROR aa\nauthority\nsoa example.");
}

/// RFC 4592 section 2.1.1: only a whole label of one asterisk makes a wildcard.
#[test]
fn other_labels_with_asterisks_are_plain() {
    let zone = "example.
        a* TXT x
        *a TXT y
        ** TXT z";
    check(zone, "ab.example. TXT", "NXDOMAIN aa\nauthority\nsoa example.");
    check(zone, "ba.example. TXT", "NXDOMAIN aa\nauthority\nsoa example.");
    check(zone, "**.example. TXT", "NOERROR aa\nanswer\n*\\*.example. 300 IN TXT \"z\"");
}

/// RFC 4592 sections 2.2.2 and 3.3.1: `*` as an empty non-terminal is the source of synthesis all the same: no data.
#[test]
fn a_wildcard_that_is_an_empty_non_terminal() {
    let zone = "example.
        a.*.w A 192.0.2.1";
    check(zone, "x.w.example. A", "NOERROR aa\nauthority\nsoa example.");
    check(zone, "x.y.w.example. A", "NOERROR aa\nauthority\nsoa example.");
    check(zone, "*.w.example. A", "NOERROR aa\nauthority\nsoa example.");
    check(zone, "w.example. A", "NOERROR aa\nauthority\nsoa example.");
    check(zone, "a.*.w.example. A", "NOERROR aa\nanswer\na.*.w.example. 300 IN A 192.0.2.1");
    // Below `*` itself it is no wildcard.
    check(zone, "b.*.w.example. A", "NXDOMAIN aa\nauthority\nsoa example.");
}

/// RFC 4592 section 2.1.2: asterisks further left; the leftmost counts.
#[test]
fn a_wildcard_below_a_wildcard() {
    let zone = "example.
        *   TXT one
        *.* TXT two";
    check(zone, "x.example. TXT", "NOERROR aa\nanswer\nx.example. 300 IN TXT \"one\"");
    check(zone, "x.y.example. TXT", "NOERROR aa\nanswer\nx.y.example. 300 IN TXT \"one\"");
    check(zone, "x.*.example. TXT", "NOERROR aa\nanswer\nx.*.example. 300 IN TXT \"two\"");
    check(zone, "x.y.*.example. TXT", "NOERROR aa\nanswer\nx.y.*.example. 300 IN TXT \"two\"");
}

/// RFC 4592 section 3.3.3: a CNAME at a wildcard is synthesized and followed.
#[test]
fn a_cname_at_a_wildcard() {
    let zone = "example.
        *    CNAME www
        www  A 192.0.2.1
        *.in CNAME deep.in";
    check(
        zone,
        "x.y.example. A",
        "NOERROR aa\nanswer\nx.y.example. 300 IN CNAME www.example.\nwww.example. 300 IN A 192.0.2.1",
    );
    check(zone, "x.example. CNAME", "NOERROR aa\nanswer\nx.example. 300 IN CNAME www.example.");
    // The target exists: no synthesis there, and a wildcard that leads to itself ends.
    check(
        zone,
        "x.in.example. A",
        "NOERROR aa\nanswer\nx.in.example. 300 IN CNAME deep.in.example.\ndeep.in.example. 300 IN CNAME deep.in.example.",
    );
}

/// RFC 4592 section 4.2: a wildcard with NS. What synthesis gives is left undefined; asked literally it is a cut.
#[test]
fn ns_at_a_wildcard_is_a_cut_when_asked_literally() {
    let zone = "example.
        *.d NS ns.example.net.";
    let expected = "NOERROR\nauthority\n*.d.example. 300 IN NS ns.example.net.";
    check(zone, "*.d.example. A", expected);
    check(zone, "x.*.d.example. A", expected);
}

/// RFC 4592 section 2.2.1: a name that only glue owns lies below a cut, and blocks nothing: the cut does.
#[test]
fn a_wildcard_does_not_reach_below_a_cut() {
    let zone = "example.
        *       A  192.0.2.1
        *.sub   A  192.0.2.2
        sub     NS ns.sub
        ns.sub  A  192.0.2.3";
    check(
        zone,
        "www.sub.example. A",
        "NOERROR
         authority
         sub.example. 300 IN NS ns.sub.example.
         additional
         ns.sub.example. 300 IN A 192.0.2.3",
    );
}

/// RFC 1034 section 4.3.3: a wildcard at the apex of the zone covers names in it, but not the apex itself.
#[test]
fn a_wildcard_does_not_match_its_own_parent() {
    let zone = "example.
        *.w A 192.0.2.1
        w   TXT here";
    check(zone, "w.example. A", "NOERROR aa\nauthority\nsoa example.");
    check("example.\n* A 192.0.2.1", "example. A", "NOERROR aa\nauthority\nsoa example.");
}

/// The synthesized owner is the name asked, in the client's letters.
#[test]
fn synthesis_keeps_the_case_of_the_question() {
    check("example.\n* A 192.0.2.1", "FoO.eXample. A", "NOERROR aa\nanswer\nFoO.eXample. 300 IN A 192.0.2.1");
}
