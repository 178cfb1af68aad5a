//! Letters: compared without case (RFC 4343), kept as they are.

use crate::check::{check, octets};
use crate::message::hex;

/// RFC 4343 section 4.1, RFC 1035 section 4.1.2: the question comes back bit for bit, its octets beyond ASCII too.
#[test]
fn the_question_is_echoed_bit_for_bit() {
    let zone = "example.\nwww A 192.0.2.1";
    check(zone, "wWw.ExAmPlE. A", "NOERROR aa\nanswer\nwWw.ExAmPlE. 300 IN A 192.0.2.1");
    let response = octets(zone, "wWw.ExAmPlE. A");
    assert_eq!(hex(&response[12..29]), "03775777 07457841 6d506c45 00 0001 0001".replace(' ', ""));
}

/// RFC 4343 section 3: only ASCII letters have case: octets of UTF-8 do not, nor do `[` and `{`, 0x20 apart.
#[test]
fn only_ascii_letters_have_case() {
    let zone = "example.\n\\195\\164 A 192.0.2.1\n[ A 192.0.2.2";
    check(zone, "\\195\\132.example. A", "NXDOMAIN aa\nauthority\nsoa example.");
    check(zone, "{.example. A", "NXDOMAIN aa\nauthority\nsoa example.");
    check(zone, "[.example. A", "NOERROR aa\nanswer\n\\[.example. 300 IN A 192.0.2.2");
}

/// RFC 4343 section 4.2: names in RDATA keep the letters of the zone's text.
#[test]
fn rdata_keeps_its_letters() {
    check(
        "Example.\nWWW CNAME HoSt\nhOsT A 192.0.2.1\nmx MX 10 Host.EXAMPLE.",
        "www.example. A",
        "NOERROR aa
         answer
         www.example. 300 IN CNAME HoSt.Example.
         HoSt.Example. 300 IN A 192.0.2.1",
    );
    check(
        "example.\nhost A 192.0.2.1\nmx MX 10 Host.EXAMPLE.",
        "mx.example. MX",
        "NOERROR aa
         answer
         mx.example. 300 IN MX 10 Host.EXAMPLE.
         additional
         Host.EXAMPLE. 300 IN A 192.0.2.1",
    );
}
