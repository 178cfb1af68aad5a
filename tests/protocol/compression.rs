//! Compression (RFC 1035 section 4.1.4, RFC 3597 section 4). That pointers lead backwards, and that no name in RDATA of newer
//! types has one, is asserted for every case.

use crate::check::{check, octets};
use crate::message::hex;

/// What follows header and question, in hex.
fn records(zone: &str, query: &str) -> String {
    let response = octets(zone, query);
    let question = 12 + response[12..].iter().position(|octet| *octet == 0).unwrap() + 5;
    hex(&response[question..])
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The owner points to the question.
#[test]
fn the_owner_points_to_the_question() {
    assert_eq!(records("example.\nwww A 192.0.2.1", "www.example. A"), spaced("c00c 0001 0001 0000012c 0004 c0000201"));
}

/// Names in RDATA of RFC 1035's types point to what they share with names before them.
#[test]
fn names_of_old_types_are_compressed() {
    let zone = "example.
        c CNAME www
        m MX    10 mx
        p PTR   host
        n NS    ns.n
        l MX    10 m.l";
    // `example.` stands at 0x0e of the message, behind the one letter asked.
    assert_eq!(records(zone, "c.example. CNAME"), spaced("c00c 0005 0001 0000012c 0006 03777777 c00e"));
    assert_eq!(records(zone, "m.example. MX"), spaced("c00c 000f 0001 0000012c 0007 000a 026d78 c00e"));
    assert_eq!(records(zone, "p.example. PTR"), spaced("c00c 000c 0001 0000012c 0007 04686f7374 c00e"));
    assert_eq!(records(zone, "n.example. NS"), spaced("c00c 0002 0001 0000012c 0005 026e73 c00c"));
    assert_eq!(records(zone, "l.example. MX"), spaced("c00c 000f 0001 0000012c 0006 000a 016d c00c"));
}

/// Among the names of one RRset as well.
#[test]
fn names_of_an_rrset_share_suffixes() {
    let zone = "example.
        m MX 1 a.mail.example.net.
        m MX 2 b.mail.example.net.
        m MX 3 a.mail.example.net.";
    assert_eq!(
        records(zone, "m.example. MX"),
        spaced(
            "c00c 000f 0001 0000012c 0016 0001 0161 046d61696c 076578616d706c65 036e6574 00
             c00c 000f 0001 0000012c 0006 0002 0162 c02b
             c00c 000f 0001 0000012c 0004 0003 c029"
        )
    );
}

/// RFC 3597 section 4: no compression in RDATA of newer types.
#[test]
fn names_of_newer_types_are_not_compressed() {
    let zone = "example.
        host A     192.0.2.1
        s    SRV   0 0 22 host
        v    SVCB  1 host
        h    HTTPS 1 host
        n    NAPTR 1 1 \"\" \"\" \"\" host
        d    DNAME host
        r    RP    a b.example.
        a    AFSDB 1 host
        k    KX    1 host";
    for (query, rdata) in [
        ("s.example. SRV", "0000 0000 0016 04686f7374 076578616d706c65 00"),
        ("v.example. SVCB", "0001 04686f7374 076578616d706c65 00"),
        ("h.example. HTTPS", "0001 04686f7374 076578616d706c65 00"),
        ("n.example. NAPTR", "0001 0001 00 00 00 04686f7374 076578616d706c65 00"),
        ("d.example. DNAME", "04686f7374 076578616d706c65 00"),
        ("r.example. RP", "0161 076578616d706c65 00 0162 076578616d706c65 00"),
        ("a.example. AFSDB", "0001 04686f7374 076578616d706c65 00"),
        ("k.example. KX", "0001 04686f7374 076578616d706c65 00"),
    ] {
        let (rdata, got) = (spaced(rdata), records(zone, query));
        assert!(got.contains(&format!("{:04x}{rdata}", rdata.len() / 2)), "{query}: {got}");
    }
}

/// The CNAME synthesized from a DNAME is an old type, its target may be anything: it reads back as it should.
#[test]
fn a_synthesized_cname_reads_back() {
    check(
        "example.\nd DNAME example.\nx A 192.0.2.1",
        "x.d.example. A",
        "NOERROR aa
         answer
         d.example. 300 IN DNAME example.
         x.d.example. 300 IN CNAME x.example.
         x.example. 300 IN A 192.0.2.1",
    );
}

/// A pointer would change letters: names that differ in case share nothing.
#[test]
fn names_in_other_letters_are_not_shared() {
    check(
        "Example.\nm MX 1 a.EXAMPLE.\nm MX 2 b.example.\nm MX 3 c.Example.",
        "m.eXample. MX",
        "NOERROR aa
         answer
         m.eXample. 300 IN MX 1 a.EXAMPLE.
         m.eXample. 300 IN MX 2 b.example.
         m.eXample. 300 IN MX 3 c.Example.",
    );
}

/// A name that happens to end in the octets of another, but not at a label.
#[test]
fn octets_inside_labels_are_no_names() {
    // Labels that end in the wire form of the label `example`, its length octet and all.
    let zone = "example.\nm MX 1 aaa\\007example\nm MX 2 b\\007example";
    check(
        zone,
        "m.example. MX",
        "NOERROR aa
         answer
         m.example. 300 IN MX 1 aaa\\007example.example.
         m.example. 300 IN MX 2 b\\007example.example.",
    );
}

/// RRsets of wildcards are written under many names: what their RDATA points to is never the asterisk's own.
#[test]
fn rdata_of_wildcards() {
    check(
        "example.\n*.v MX 1 mx.*.v",
        "host.v.example. MX",
        "NOERROR aa\nanswer\nhost.v.example. 300 IN MX 1 mx.*.v.example.",
    );
}

/// The root as owner takes one octet, no pointer.
#[test]
fn the_root_as_owner() {
    assert_eq!(records(".\n@ A 192.0.2.1", ". A"), spaced("00 0001 0001 0000012c 0004 c0000201"));
}
