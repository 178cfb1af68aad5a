//! Additional addresses: RFC 1035 sections 3.3.9 and 3.3.11, RFC 2782, RFC 3403 section 4, RFC 9460 section 4.1.

use crate::check::check;

const HOSTS: &str = "
    host   A    192.0.2.1
    host   AAAA 2001:db8::1
    other  A    192.0.2.2
    alias  CNAME host
    *.wild A    192.0.2.3
    del    NS   ns.del
    ns.del A    192.0.2.4";

fn zone(records: &str) -> String {
    format!("example.\n{records}{HOSTS}")
}

/// RFC 1035 section 3.3.9.
#[test]
fn mx() {
    check(
        &zone("m MX 10 host\nm MX 20 other\nm MX 30 mx.example.net.")[..],
        "m.example. MX",
        "NOERROR aa
         answer
         m.example. 300 IN MX 10 host.example.
         m.example. 300 IN MX 20 other.example.
         m.example. 300 IN MX 30 mx.example.net.
         additional
         host.example. 300 IN A 192.0.2.1
         host.example. 300 IN AAAA 2001:db8::1
         other.example. 300 IN A 192.0.2.2",
    );
}

/// RFC 2782 "Target".
#[test]
fn srv() {
    check(
        &zone("_sip._udp SRV 1 2 5060 other\nnone SRV 0 0 0 .")[..],
        "_sip._udp.example. SRV",
        "NOERROR aa
         answer
         _sip._udp.example. 300 IN SRV 1 2 5060 other.example.
         additional
         other.example. 300 IN A 192.0.2.2",
    );
    check(&zone("none SRV 0 0 0 .")[..], "none.example. SRV", "NOERROR aa\nanswer\nnone.example. 300 IN SRV 0 0 0 .");
}

/// RFC 3403 section 4.2: for NAPTR's replacement.
#[test]
fn naptr() {
    check(
        &zone("n NAPTR 1 1 \"a\" \"\" \"\" other\nn NAPTR 2 1 \"u\" \"E2U+sip\" \"!^.*$!sip:x@example.!\" .")[..],
        "n.example. NAPTR",
        "NOERROR aa
         answer
         n.example. 300 IN NAPTR 1 1 \"a\" \"\" \"\" other.example.
         n.example. 300 IN NAPTR 2 1 \"u\" \"E2U+sip\" \"!^.*$!sip:x@example.!\" .
         additional
         other.example. 300 IN A 192.0.2.2",
    );
}

/// RFC 9460 section 4.1: for the target; section 2.5.2: in ServiceMode `.` is the owner itself.
#[test]
fn svcb_and_https() {
    check(
        &zone("s SVCB 1 other port=53")[..],
        "s.example. SVCB",
        "NOERROR aa
         answer
         s.example. 300 IN SVCB 1 other.example. port=53
         additional
         other.example. 300 IN A 192.0.2.2",
    );
    check(
        &zone("host HTTPS 1 . port=8443")[..],
        "host.example. HTTPS",
        "NOERROR aa
         answer
         host.example. 300 IN HTTPS 1 . port=8443
         additional
         host.example. 300 IN A 192.0.2.1
         host.example. 300 IN AAAA 2001:db8::1",
    );
    // RFC 9460 section 2.5.1: in AliasMode `.` means that there is no service.
    check(&zone("host HTTPS 0 .")[..], "host.example. HTTPS", "NOERROR aa\nanswer\nhost.example. 300 IN HTTPS 0 .");
}

/// RFC 9460 section 2.5.2 at a wildcard: the owner is the name asked, and its addresses are synthesized from the same wildcard.
#[test]
fn https_at_a_wildcard() {
    check(
        "example.\n* HTTPS 1 . port=8443\n* A 192.0.2.1",
        "www.example. HTTPS",
        "NOERROR aa
         answer
         www.example. 300 IN HTTPS 1 . port=8443
         additional
         www.example. 300 IN A 192.0.2.1",
    );
}

/// Two records with one target: its addresses stand there once (RFC 2181 section 5).
#[test]
fn a_target_named_twice() {
    check(
        &zone("m MX 10 other\nm MX 20 OTHER")[..],
        "m.example. MX",
        "NOERROR aa
         answer
         m.example. 300 IN MX 10 other.example.
         m.example. 300 IN MX 20 OTHER.example.
         additional
         other.example. 300 IN A 192.0.2.2",
    );
}

/// Types without such a rule have none, and an alias as a target (RFC 2181 section 10.3 wants none) is not followed.
#[test]
fn nothing_additional() {
    check(&zone("p PTR host")[..], "p.example. PTR", "NOERROR aa\nanswer\np.example. 300 IN PTR host.example.");
    check(&zone("m MX 10 alias")[..], "m.example. MX", "NOERROR aa\nanswer\nm.example. 300 IN MX 10 alias.example.");
    check(
        &zone("c CNAME m\nm MX 10 host")[..],
        "c.example. MX",
        "NOERROR aa
         answer
         c.example. 300 IN CNAME m.example.
         m.example. 300 IN MX 10 host.example.
         additional
         host.example. 300 IN A 192.0.2.1
         host.example. 300 IN AAAA 2001:db8::1",
    );
}
