//! DNS cookies: RFC 7873, in the form of RFC 9018. The clock and the client are those of RFC 9018 appendix A.1.

use crate::check::{Ask, World, check, check_packet, respond_to, unhex};
use crate::message::{Message, hex};
use catchment::answer::Transport::{Tcp, Udp};
use catchment::answer::cookie::Secrets;

const ZONE: &str = "example.\nwww A 192.0.2.1";
const WWW: &str = "answer\nwww.example. 300 IN A 192.0.2.1";
/// RFC 9018 appendix A.1: the client's part, and the whole cookie that the server makes of it.
const CLIENT: &str = "2464c4abcf10c957";
const WHOLE: &str = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
/// The same with another hash.
const FORGED: &str = "2464c4abcf10c957010000005cf79f111f8130c3eee29481";

fn requiring() -> World {
    World::from(ZONE).with(|settings| settings.require_cookie = true)
}

/// RFC 7873 section 5.2.3, RFC 9018 appendix A.1: a client cookie alone gets a server cookie.
#[test]
fn a_client_cookie_gets_a_server_cookie() {
    check(ZONE, &format!("www.example. A +cookie={CLIENT}"), &format!("NOERROR aa edns\n{WWW}\noption 10 {WHOLE}"));
}

/// RFC 7873 section 5.2.5: a right cookie is answered, with a cookie.
#[test]
fn a_right_cookie() {
    check(ZONE, &format!("www.example. A +cookie={WHOLE}"), &format!("NOERROR aa edns\n{WWW}\noption 10 {WHOLE}"));
}

/// RFC 7873 section 5.2.4 option 3: a bad cookie is answered normally, with a new one, unless cookies are required.
#[test]
fn a_bad_cookie_is_answered_normally() {
    let expected = format!("NOERROR aa edns\n{WWW}\noption 10 {WHOLE}");
    check(ZONE, &format!("www.example. A +cookie={FORGED}"), &expected);
    // Other servers' lengths: 8 and 32 octets of server cookie.
    for server in ["aa".repeat(8), "bb".repeat(32)] {
        check(ZONE, &format!("www.example. A +cookie={CLIENT}{server}"), &expected);
    }
}

/// RFC 7873 section 5.2.2: lengths that no cookie has are FORMERR.
#[test]
fn malformed_cookies_are_formerr() {
    for len in [0, 1, 7, 9, 15, 41, 64] {
        check(ZONE, &format!("www.example. A +cookie={}", "ab".repeat(len)), "FORMERR edns");
    }
    for len in [16, 24, 40] {
        let got = Ask::parse(&format!("www.example. A +cookie={}", "ab".repeat(len)));
        let response = respond_to(&World::from(ZONE), &got.packet(), Udp, "192.0.2.9:5353".parse().unwrap()).unwrap();
        assert_eq!(Message::read(&response).unwrap().rcode, 0);
    }
}

/// RFC 7873 section 5.2: of several COOKIE options only the first counts.
#[test]
fn the_first_of_several_cookies_counts() {
    for second in ["ab".repeat(8), "ab".repeat(3)] {
        check(
            ZONE,
            &format!("www.example. A +cookie={CLIENT} +cookie={second}"),
            &format!("NOERROR aa edns\n{WWW}\noption 10 {WHOLE}"),
        );
    }
}

/// RFC 7873 section 5.4: no question at all, to fetch or check a cookie.
#[test]
fn a_question_less_query_for_a_cookie() {
    let query = |cookie: &str| {
        let len = cookie.len() / 2;
        unhex(&format!("4c0d 0000 0000 0000 0000 0001 00 0029 04d0 00000000 {:04x} 000a {len:04x} {cookie}", 4 + len))
    };
    for transport in [Udp, Tcp] {
        check_packet(ZONE, &query(CLIENT), transport, &format!("NOERROR edns no-question\noption 10 {WHOLE}"));
        check_packet(ZONE, &query(WHOLE), transport, &format!("NOERROR edns no-question\noption 10 {WHOLE}"));
        check_packet(ZONE, &query(FORGED), transport, &format!("BADCOOKIE edns no-question\noption 10 {WHOLE}"));
    }
}

/// Cookies go along with errors, and with answers over TCP, too (RFC 7873 section 5.2.3).
#[test]
fn with_every_response() {
    check(
        ZONE,
        &format!("no.example. A +cookie={CLIENT}"),
        &format!("NXDOMAIN aa edns\nauthority\nsoa example.\noption 10 {WHOLE}"),
    );
    check(ZONE, &format!("a.test. A +cookie={CLIENT}"), &format!("REFUSED edns\noption 10 {WHOLE}\noption 15 0014"));
    check(
        ZONE,
        &format!("www.example. A +cookie={CLIENT} +tcp"),
        &format!("NOERROR aa edns\n{WWW}\noption 10 {WHOLE}"),
    );
}

/// RFC 9018 section 4.4: the hash covers the client's address, IPv4 and IPv6, and the client's part.
#[test]
fn a_cookie_is_for_one_client() {
    let ask = Ask::parse(&format!("www.example. A +cookie={WHOLE}")).packet();
    let rcode = |peer: &str| {
        let response = respond_to(&requiring(), &ask, Udp, peer.parse().unwrap()).unwrap();
        Message::read(&response).unwrap().rcode
    };
    assert_eq!(rcode("198.51.100.100:1"), 0);
    // The same client as a socket bound to [::] sees it.
    assert_eq!(rcode("[::ffff:198.51.100.100]:1"), 0);
    assert_eq!(rcode("198.51.100.101:1"), 23);
    assert_eq!(rcode("[2001:db8::1]:1"), 23);
}

/// `require-cookie`: without a right cookie, UDP gets BADCOOKIE (RFC 7873 section 5.2.4) ...
#[test]
fn required_but_missing_or_bad() {
    for cookie in [CLIENT, FORGED] {
        check(requiring(), &format!("www.example. A +cookie={cookie}"), &format!("BADCOOKIE edns\noption 10 {WHOLE}"));
    }
    check(
        requiring(),
        &format!("www.example. A +cookie={WHOLE}"),
        &format!("NOERROR aa edns\n{WWW}\noption 10 {WHOLE}"),
    );
}

/// ... or, if the client knows nothing of cookies, TC: its way is TCP (section 5.2.1).
#[test]
fn required_of_a_client_without_cookies() {
    check(requiring(), "www.example. A", "NOERROR tc");
    check(requiring(), "www.example. A +edns", "NOERROR tc edns");
    check(requiring(), "www.example. A +tcp", &format!("NOERROR aa\n{WWW}"));
    check(
        requiring(),
        &format!("www.example. A +tcp +cookie={FORGED}"),
        &format!("NOERROR aa edns\n{WWW}\noption 10 {WHOLE}"),
    );
}

/// RFC 9018 section 5: a secret is rolled in three stages, and no client notices.
#[test]
fn a_roll_of_the_secret() {
    let (old, new) = ("e5e973e5a6b2a43f48e7dc849e37bfcf", "445536bcd2513298075a5d379663c962");
    let stages = [
        format!("generate {old}"),
        format!("generate {old}\nverify-only {new}"),
        format!("retire {old}\ngenerate {new}"),
        format!("generate {new}"),
    ];
    let at = |stage: &str| requiring().with(|settings| settings.cookies = Secrets::parse(stage).unwrap());
    let ask = |world: &World, cookie: &str| {
        let packet = Ask::parse(&format!("www.example. A +cookie={cookie}")).packet();
        let response = respond_to(world, &packet, Udp, "198.51.100.100:5353".parse().unwrap()).unwrap();
        let message = Message::read(&response).unwrap();
        (message.rcode, hex(&message.opt.unwrap().options[0].1))
    };
    for (before, after) in stages.iter().zip(&stages[1..]) {
        let (before, after) = (at(before), at(after));
        // During a roll the fleet has nodes of both stages: each takes the cookies of the other.
        let (_, cookie) = ask(&before, CLIENT);
        assert_eq!(ask(&after, &cookie).0, 0);
        let (_, cookie) = ask(&after, CLIENT);
        assert_eq!(ask(&before, &cookie).0, 0);
    }
    let (_, cookie) = ask(&at(&stages[0]), CLIENT);
    assert_eq!(ask(&at(&stages[3]), &cookie).0, 23, "the old secret is gone");
}
