//! Classes (RFC 1035 section 3.2.4).

use crate::check::check;

const ZONE: &str = "example.
    www A     192.0.2.1
    sub NS    ns.example.net.
    c   CNAME www
    d   DNAME www";

/// RFC 1035 section 6.2: "the response can never be authoritative" when the question's class is `*`.
#[test]
fn class_any_is_never_authoritative() {
    check(ZONE, "www.example. A ANY", "NOERROR\nanswer\nwww.example. 300 IN A 192.0.2.1");
    check(
        ZONE,
        "c.example. A ANY",
        "NOERROR\nanswer\nc.example. 300 IN CNAME www.example.\nwww.example. 300 IN A 192.0.2.1",
    );
    check(
        ZONE,
        "x.d.example. A ANY",
        "NXDOMAIN\nanswer\nd.example. 300 IN DNAME www.example.\nx.d.example. 300 IN CNAME x.www.example.\nauthority\nsoa example.",
    );
    check(ZONE, "www.example. TXT ANY", "NOERROR\nauthority\nsoa example.");
    check(ZONE, "no.example. A ANY", "NXDOMAIN\nauthority\nsoa example.");
    check(ZONE, "www.example. ANY ANY", "NOERROR\nanswer\nwww.example. 300 IN A 192.0.2.1");
    check(ZONE, "sub.example. A ANY", "NOERROR\nauthority\nsub.example. 300 IN NS ns.example.net.");
}

/// Classes that are not served.
#[test]
fn other_classes_are_refused() {
    for class in ["HS", "CLASS2", "CLASS254", "CLASS0", "CLASS65535"] {
        check(ZONE, &format!("www.example. A {class}"), "REFUSED");
        check(ZONE, &format!("id.server. TXT {class}"), "REFUSED");
    }
}
