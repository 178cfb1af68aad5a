//! ANY: minimal answers (RFC 8482).

use crate::check::check;

/// RFC 8482 section 4.1: one RRset of the name's, whichever, over UDP and TCP alike.
#[test]
fn one_rrset_answers() {
    let zone = "example.
        www A    192.0.2.1
        www A    192.0.2.2
        www AAAA 2001:db8::1
        www TXT  x";
    let expected = "NOERROR aa\nanswer\nwww.example. 300 IN A 192.0.2.1\nwww.example. 300 IN A 192.0.2.2";
    check(zone, "www.example. ANY", expected);
    check(zone, "www.example. ANY +tcp", expected);
}

/// RFC 8482 section 4: a name that does not exist, or has nothing, is negative as for any type.
#[test]
fn negative_answers_stay() {
    let zone = "example.\na.b A 192.0.2.1";
    check(zone, "no.example. ANY", "NXDOMAIN aa\nauthority\nsoa example.");
    check(zone, "b.example. ANY", "NOERROR aa\nauthority\nsoa example.");
}

/// Wildcards and referrals as for any type.
#[test]
fn wildcards_and_referrals() {
    let zone = "example.\n*.w TXT x\nsub NS ns.example.net.";
    check(zone, "a.w.example. ANY", "NOERROR aa\nanswer\na.w.example. 300 IN TXT \"x\"");
    check(zone, "sub.example. ANY", "NOERROR\nauthority\nsub.example. 300 IN NS ns.example.net.");
}

/// RFC 6672 section 3.1: below a DNAME the answer is the DNAME and its CNAME.
#[test]
fn below_a_dname() {
    check(
        "example.\nd DNAME example.net.",
        "x.d.example. ANY",
        "NOERROR aa\nanswer\nd.example. 300 IN DNAME example.net.\nx.d.example. 300 IN CNAME x.example.net.",
    );
}
