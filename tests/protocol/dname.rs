//! DNAME (RFC 6672).

use crate::check::check;

const ZONE: &str = "example.
    d    120 DNAME target.example.
    d        TXT   own
    *.target A     192.0.2.1
    x.target A     192.0.2.2
    out      DNAME example.net.";

/// RFC 6672 section 3.1: the DNAME, a CNAME synthesized from it with its TTL, then what that leads to.
#[test]
fn a_cname_is_synthesized_with_the_dnames_ttl() {
    check(
        ZONE,
        "x.d.example. A",
        "NOERROR aa
         answer
         d.example. 120 IN DNAME target.example.
         x.d.example. 120 IN CNAME x.target.example.
         x.target.example. 300 IN A 192.0.2.2",
    );
    check(
        ZONE,
        "a.b.d.example. A",
        "NOERROR aa
         answer
         d.example. 120 IN DNAME target.example.
         a.b.d.example. 120 IN CNAME a.b.target.example.
         a.b.target.example. 300 IN A 192.0.2.1",
    );
}

/// RFC 6672 section 2.3: the owner itself is not redirected.
#[test]
fn the_owner_itself_is_not_rewritten() {
    check(ZONE, "d.example. TXT", "NOERROR aa\nanswer\nd.example. 300 IN TXT \"own\"");
    check(ZONE, "d.example. A", "NOERROR aa\nauthority\nsoa example.");
    check(ZONE, "d.example. DNAME", "NOERROR aa\nanswer\nd.example. 120 IN DNAME target.example.");
}

/// RFC 6672 section 2.3: names below it are, whatever is asked, DNAME and CNAME among them.
#[test]
fn questions_for_the_types_themselves() {
    check(
        ZONE,
        "x.d.example. CNAME",
        "NOERROR aa
         answer
         d.example. 120 IN DNAME target.example.
         x.d.example. 120 IN CNAME x.target.example.",
    );
    check(
        ZONE,
        "x.d.example. DNAME",
        "NOERROR aa
         answer
         d.example. 120 IN DNAME target.example.
         x.d.example. 120 IN CNAME x.target.example.
         authority
         soa example.",
    );
}

/// RFC 6672 section 3.1: out of the zones that are served.
#[test]
fn a_target_elsewhere() {
    check(
        ZONE,
        "www.out.example. A",
        "NOERROR aa
         answer
         out.example. 300 IN DNAME example.net.
         www.out.example. 300 IN CNAME www.example.net.",
    );
}

/// RFC 6672 section 2.4: what lies below a DNAME in the zone is not visible.
#[test]
fn what_lies_below_is_occluded() {
    let zone = "example.
        d     DNAME example.net.
        x.d   A     192.0.2.1
        y.d   NS    ns.example.net.
        z.y.d A     192.0.2.2";
    for name in ["x.d", "z.y.d", "y.d"] {
        let expected = format!(
            "NOERROR aa
             answer
             d.example. 300 IN DNAME example.net.
             {name}.example. 300 IN CNAME {}example.net.",
            name.strip_suffix('d').unwrap()
        );
        check(zone, &format!("{name}.example. A"), &expected);
    }
}

/// The same in additional sections: an occluded address is no address.
#[test]
fn what_lies_below_is_no_additional_data() {
    let zone = "example.
        d    DNAME example.net.
        mx.d A     192.0.2.1
        m    MX    10 mx.d
        sub  NS    mx.d";
    check(zone, "m.example. MX", "NOERROR aa\nanswer\nm.example. 300 IN MX 10 mx.d.example.");
    check(zone, "x.sub.example. A", "NOERROR\nauthority\nsub.example. 300 IN NS mx.d.example.");
}

/// RFC 6672 section 2.2: a name that grows too long is YXDOMAIN, with the DNAME.
#[test]
fn overflow_is_yxdomain() {
    let label = "a".repeat(63);
    let zone = format!("example.\nd DNAME {label}.{label}.example.net.\n");
    let qname = format!("{label}.{label}.d.example.");
    let expected = format!("YXDOMAIN aa\nanswer\nd.example. 300 IN DNAME {label}.{label}.example.net.");
    check(&zone[..], &format!("{qname} A"), &expected);
    // RFC 6672 section 2.2 table 1: exactly 255 octets are still a name. 2 * 64 + 13 (target) + 114.
    let (fits, over) = ("b".repeat(63) + "." + &"c".repeat(49), "b".repeat(63) + "." + &"c".repeat(50));
    check(
        &zone[..],
        &format!("{fits}.d.example. A +edns"),
        &format!(
            "NOERROR aa edns
             answer
             d.example. 300 IN DNAME {label}.{label}.example.net.
             {fits}.d.example. 300 IN CNAME {fits}.{label}.{label}.example.net."
        ),
    );
    check(&zone[..], &format!("{over}.d.example. A"), &expected);
}

/// RFC 6672 section 3.2: YXDOMAIN is the RCODE of a chain that ends so, too (RFC 6604 section 3).
#[test]
fn overflow_at_the_end_of_a_chain() {
    let label = "a".repeat(63);
    let zone = format!("example.\nwww CNAME {label}.{label}.d\nd DNAME {label}.{label}.example.net.\n");
    check(
        &zone[..],
        "www.example. A",
        &format!(
            "YXDOMAIN aa
             answer
             www.example. 300 IN CNAME {label}.{label}.d.example.
             d.example. 300 IN DNAME {label}.{label}.example.net."
        ),
    );
}

/// RFC 6672 section 2.3: at the apex, it redirects all names below, and answers for the apex stay.
#[test]
fn at_the_apex() {
    let zone = "example.
        @ DNAME example.net.
        @ A     192.0.2.1";
    check(zone, "example. A", "NOERROR aa\nanswer\nexample. 300 IN A 192.0.2.1");
    check(
        zone,
        "a.b.example. A",
        "NOERROR aa\nanswer\nexample. 300 IN DNAME example.net.\na.b.example. 300 IN CNAME a.b.example.net.",
    );
}

/// RFC 6672 section 2.2: to the root.
#[test]
fn to_the_root() {
    check(
        "example.\nd DNAME .",
        "www.test.d.example. A",
        "NOERROR aa\nanswer\nd.example. 300 IN DNAME .\nwww.test.d.example. 300 IN CNAME www.test.",
    );
}

/// A DNAME that leads to another DNAME, and on to another zone that is served.
#[test]
fn chains_of_dnames() {
    let zones = [
        "example.
         d DNAME e.example.
         e DNAME test.",
        "test.
         www A 192.0.2.1",
    ];
    check(
        zones,
        "www.d.example. A",
        "NOERROR aa
         answer
         d.example. 300 IN DNAME e.example.
         www.d.example. 300 IN CNAME www.e.example.
         e.example. 300 IN DNAME test.
         www.e.example. 300 IN CNAME www.test.
         www.test. 300 IN A 192.0.2.1",
    );
    check(
        zones,
        "no.d.example. A",
        "NXDOMAIN aa
         answer
         d.example. 300 IN DNAME e.example.
         no.d.example. 300 IN CNAME no.e.example.
         e.example. 300 IN DNAME test.
         no.e.example. 300 IN CNAME no.test.
         authority
         soa test.",
    );
}

/// RFC 6672 section 2.2: a DNAME onto itself loops; the loop ends.
#[test]
fn a_dname_onto_itself() {
    check(
        "example.\nd DNAME d",
        "x.d.example. A",
        "NOERROR aa\nanswer\nd.example. 300 IN DNAME d.example.\nx.d.example. 300 IN CNAME x.d.example.",
    );
}

/// RFC 2181 section 5: a set has no record twice: a DNAME that a chain passes again is not said again.
#[test]
fn a_chain_passes_a_dname_twice() {
    let zone = "example.
        d   DNAME t
        x.t CNAME y.d
        y.t A     192.0.2.1";
    check(
        zone,
        "x.d.example. A",
        "NOERROR aa
         answer
         d.example. 300 IN DNAME t.example.
         x.d.example. 300 IN CNAME x.t.example.
         x.t.example. 300 IN CNAME y.d.example.
         y.d.example. 300 IN CNAME y.t.example.
         y.t.example. 300 IN A 192.0.2.1",
    );
}

/// A DNAME to below itself makes names longer and longer: bounded as every chain, and the DNAME is there once.
#[test]
fn a_dname_to_below_itself() {
    let mut expected = String::from("NOERROR aa\nanswer\nd.example. 300 IN DNAME a.d.example.\n");
    for n in 0..17 {
        let (from, to) = ("a.".repeat(n), "a.".repeat(n + 1));
        expected += &format!("x.{from}d.example. 300 IN CNAME x.{to}d.example.\n");
    }
    check("example.\nd DNAME a.d", "x.d.example. A +tcp", &expected);
}

/// The synthesized names keep the client's letters above the owner, and the zone's in the target.
#[test]
fn case_of_synthesized_names() {
    check(
        "example.\nd DNAME TarGet.Example.",
        "WwW.D.example. CNAME",
        "NOERROR aa
         answer
         D.example. 300 IN DNAME TarGet.Example.
         WwW.D.example. 300 IN CNAME WwW.TarGet.Example.",
    );
}

/// RFC 6672 section 3.3 and RFC 4592 section 4.4: a DNAME at a wildcard redirects below the literal asterisk only.
#[test]
fn at_a_wildcard() {
    let zone = "example.
        *.w DNAME example.net.";
    check(zone, "x.w.example. A", "NOERROR aa\nauthority\nsoa example.");
    check(zone, "x.w.example. DNAME", "NOERROR aa\nanswer\nx.w.example. 300 IN DNAME example.net.");
    check(
        zone,
        "x.*.w.example. A",
        "NOERROR aa\nanswer\n*.w.example. 300 IN DNAME example.net.\nx.*.w.example. 300 IN CNAME x.example.net.",
    );
}
