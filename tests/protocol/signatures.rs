//! RRSIG records go with what they cover: RFC 4035 section 3.1.1.

use crate::check::{check, octets};
use crate::message::{self, Message};

const ZONE: &str = "example. nsec
    a      A     192.0.2.1
    a      A     192.0.2.2
    a      TXT   x
    alias  CNAME a
    m      MX    10 a
    b.ent  A     192.0.2.3";

#[test]
fn with_do_alone() {
    check(
        ZONE,
        "a.example. A +do",
        "NOERROR aa edns
        answer
        a.example. 300 IN A 192.0.2.1
        a.example. 300 IN A 192.0.2.2
        a.example. 300 IN RRSIG A of a.example.",
    );
    check(ZONE, "a.example. TXT +edns", "NOERROR aa edns\nanswer\na.example. 300 IN TXT \"x\"");
    check(ZONE, "a.example. TXT", "NOERROR aa\nanswer\na.example. 300 IN TXT \"x\"");
    check(ZONE, "no.example. A", "NXDOMAIN aa\nauthority\nsoa example.");
    check(ZONE, "a.example. MX +edns", "NOERROR aa edns\nauthority\nsoa example.");
}

#[test]
fn aliases_have_theirs() {
    check(
        ZONE,
        "alias.example. TXT +do",
        "NOERROR aa edns
        answer
        alias.example. 300 IN CNAME a.example.
        alias.example. 300 IN RRSIG CNAME of alias.example.
        a.example. 300 IN TXT \"x\"
        a.example. 300 IN RRSIG TXT of a.example.",
    );
}

#[test]
fn additional_addresses_have_theirs() {
    check(
        ZONE,
        "m.example. MX +do",
        "NOERROR aa edns
        answer
        m.example. 300 IN MX 10 a.example.
        m.example. 300 IN RRSIG MX of m.example.
        additional
        a.example. 300 IN A 192.0.2.1
        a.example. 300 IN A 192.0.2.2
        a.example. 300 IN RRSIG A of a.example.",
    );
}

/// The SOA's TTL in its own answer is its own, and so is that of its signature; [`crate::denial_nsec`] has the negative one.
#[test]
fn ttls() {
    check(
        ZONE,
        "example. SOA +do",
        "NOERROR aa edns
        answer
        example. 300 IN SOA ns.invalid. host.invalid. 1 7200 3600 1209600 60
        example. 300 IN RRSIG SOA of example.",
    );
}

/// A zone of `count` addresses at `a`, asked within 512 octets.
fn asked(count: usize, query: &str) -> (bool, Vec<String>, Vec<String>) {
    let addresses: String = (0..count).map(|n| format!("\na A 192.0.2.{n}")).collect();
    let response = octets(&*format!("example. nsec\nm MX 10 a{addresses}"), query);
    assert!(response.len() <= 512);
    let message = Message::read(&response).unwrap();
    let types = |section: &[message::Rr]| section.iter().map(|record| record.rtype.clone()).collect();
    (message.flag(message::TC), types(&message.answer), types(&message.additional))
}

/// A signature that does not fit is a reason for TC (RFC 4035 section 3.1.1), ...
#[test]
fn an_answer_without_its_signature_is_truncated() {
    let seen: Vec<bool> = (1..60)
        .map(|count| {
            let (is_truncated, answer, _) = asked(count, "a.example. A +do +size=512");
            let whole = answer.len() == count + 1 && answer[count] == "RRSIG";
            assert_eq!(whole, !is_truncated, "{count}");
            assert!(whole || answer.is_empty(), "{count}");
            is_truncated
        })
        .collect();
    assert!(seen.contains(&true) && seen.contains(&false));
}

/// ... but not in the additional section: there the RRset goes with it.
#[test]
fn additional_data_goes_with_its_signature_or_not_at_all() {
    let seen: Vec<usize> = (1..60)
        .map(|count| {
            let (is_truncated, _, additional) = asked(count, "m.example. MX +do +size=512");
            assert!(!is_truncated);
            assert!(additional.is_empty() || additional.len() == count + 1 && additional[count] == "RRSIG", "{count}");
            additional.len()
        })
        .collect();
    assert!(seen.contains(&0) && seen.contains(&2));
}

/// Those of any one RRset will do (RFC 8482 section 7), whether DO is set or not.
#[test]
fn asked_for_themselves() {
    check(ZONE, "a.example. RRSIG", "NOERROR aa\nanswer\na.example. 300 IN RRSIG A of a.example.");
    check(ZONE, "a.example. RRSIG +do", "NOERROR aa edns\nanswer\na.example. 300 IN RRSIG A of a.example.");
    check(ZONE, "alias.example. RRSIG", "NOERROR aa\nanswer\nalias.example. 300 IN RRSIG CNAME of alias.example.");
    check(ZONE, "ent.example. RRSIG", "NOERROR aa\nauthority\nsoa example.");
    check("example.\na A 192.0.2.1", "a.example. RRSIG", "NOERROR aa\nauthority\nsoa example.");
}

#[test]
fn any_has_them() {
    check(
        ZONE,
        "b.ent.example. ANY +do",
        "NOERROR aa edns\nanswer\nb.ent.example. 300 IN A 192.0.2.3\nb.ent.example. 300 IN RRSIG A of b.ent.example.",
    );
}

/// The parent's side of a cut, and the child's, on one server.
#[test]
fn parent_and_child_both_here() {
    const DS: &str = "12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let parent = format!("example. nsec\nsub NS ns.sub\nsub DS {DS}\nplain NS ns.sub\nns.sub A 192.0.2.1");
    let zones = [&*parent, "sub.example. nsec3\nns A 192.0.2.1"];
    check(
        zones,
        "sub.example. DS +do",
        &format!("NOERROR aa edns\nanswer\nsub.example. 300 IN DS {DS}\nsub.example. 300 IN RRSIG DS of sub.example."),
    );
    check(
        zones,
        "plain.example. DS +do",
        "NOERROR aa edns
        authority
        soa example. signed
        plain.example. 300 IN NSEC sub.example. NS RRSIG NSEC
        plain.example. 300 IN RRSIG NSEC of plain.example.",
    );
    check(
        zones,
        "sub.example. A +do",
        "NOERROR aa edns
        authority
        soa sub.example. signed
        #sub.example. 300 IN NSEC3 #ns.sub.example. NS SOA RRSIG NSEC3PARAM
        #sub.example. 300 IN RRSIG NSEC3 of #sub.example.",
    );
    check(
        zones,
        "ns.sub.example. A +do",
        "NOERROR aa edns
        answer
        ns.sub.example. 300 IN A 192.0.2.1
        ns.sub.example. 300 IN RRSIG A of ns.sub.example.",
    );
}

/// A zone with signatures and no chain: what there is is served.
#[test]
fn without_a_chain() {
    let zone = "example. signatures\na A 192.0.2.1";
    check(zone, "no.example. A +do", "NXDOMAIN aa edns\nauthority\nsoa example. signed");
    check(
        zone,
        "a.example. A +do",
        "NOERROR aa edns\nanswer\na.example. 300 IN A 192.0.2.1\na.example. 300 IN RRSIG A of a.example.",
    );
}
