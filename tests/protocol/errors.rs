//! Extended errors (RFC 8914): where they help, and only with EDNS.

use crate::check::check;

const ZONES: [&str; 2] = ["example.\nwww A 192.0.2.1", "test.\nbroken"];

/// RFC 8914 section 4: 20 Not Authoritative, 24 Invalid Data, 18 Prohibited, 21 Not Supported.
#[test]
fn the_reason_goes_along() {
    check(ZONES, "example.net. A +edns", "REFUSED edns\noption 15 0014");
    check(ZONES, "www.test. A +edns", "SERVFAIL edns\noption 15 0018");
    check(ZONES, "example. AXFR +edns +tcp", "REFUSED edns\noption 15 0012");
    check(ZONES, "www.example. MAILB +edns", "NOTIMP edns\noption 15 0015");
}

/// RFC 8914 section 3: without an OPT in the query there is none; ordinary answers have no error.
#[test]
fn none_without_edns_or_without_error() {
    check(ZONES, "example.net. A", "REFUSED");
    check(ZONES, "www.test. A", "SERVFAIL");
    check(ZONES, "www.example. A +edns", "NOERROR aa edns\nanswer\nwww.example. 300 IN A 192.0.2.1");
    check(ZONES, "no.example. A +edns", "NXDOMAIN aa edns\nauthority\nsoa example.");
}
