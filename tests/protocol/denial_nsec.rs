//! Denial by NSEC: RFC 4035 section 3.1.3.

use crate::check::check;

const ZONE: &str = "example. nsec
    a      A     192.0.2.1
    alias  CNAME a
    b.ent  A     192.0.2.2
    old    DNAME new
    sec    NS    ns.sub
    sec    DS    12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    sub    NS    ns.sub
    ns.sub A     192.0.2.3
    *.w    A     192.0.2.4
    x.w    TXT   x";

/// An NSEC record and its signature: owner, next name and types.
fn nsec(owner: &str, next: &str, types: &str) -> String {
    format!("{owner} 300 IN NSEC {next} {types} RRSIG NSEC\n{owner} 300 IN RRSIG NSEC of {owner}\n")
}

fn apex() -> String {
    nsec("example.", "a.example.", "NS SOA")
}

fn negative(rcode: &str, proof: &[String]) -> String {
    format!("{rcode} aa edns\nauthority\nsoa example. signed\n{}", proof.concat())
}

/// What is before the name, and what is before the wildcard.
#[test]
fn no_such_name() {
    let ent = nsec("b.ent.example.", "old.example.", "A");
    check(ZONE, "no.example. A +do", &negative("NXDOMAIN", &[ent, apex()]));
    let last = nsec("x.w.example.", "example.", "TXT");
    check(ZONE, "zz.example. A +do", &negative("NXDOMAIN", &[last, apex()]));
    let a = nsec("a.example.", "alias.example.", "A");
    check(ZONE, "deep.er.a.example. A +do", &negative("NXDOMAIN", &[a]));
}

/// One record proves both.
#[test]
fn no_record_twice() {
    check(ZONE, "0.example. A +do", &negative("NXDOMAIN", &[apex()]));
    check(ZONE, "0.0.example. A +do", &negative("NXDOMAIN", &[apex()]));
}

/// Names that come before `*` lie between a name and its wildcard.
#[test]
fn a_label_before_the_star() {
    let zone = "example. nsec\n! A 192.0.2.1\na A 192.0.2.1";
    let a = nsec("a.example.", "example.", "A");
    // hickory-proto shows it with a backslash.
    let star = "\\!.example. 300 IN NSEC a.example. A RRSIG NSEC\n\\!.example. 300 IN RRSIG NSEC of !.example.".into();
    check(zone, "b.example. A +do", &negative("NXDOMAIN", &[a, star]));
}

/// Below an empty non-terminal there is no NSEC to start with.
#[test]
fn no_such_name_below_an_empty_non_terminal() {
    let (ent, alias) = (nsec("b.ent.example.", "old.example.", "A"), nsec("alias.example.", "b.ent.example.", "CNAME"));
    check(ZONE, "c.ent.example. A +do", &negative("NXDOMAIN", &[ent, alias]));
}

#[test]
fn no_such_type() {
    check(ZONE, "a.example. MX +do", &negative("NOERROR", &[nsec("a.example.", "alias.example.", "A")]));
    check(ZONE, "example. MX +do", &negative("NOERROR", &[apex()]));
    check(ZONE, "example. DS +do", &negative("NOERROR", &[apex()]));
}

/// RFC 4035 section 3.1.3.2 is silent about empty non-terminals: the record before the name shows that there are names below it.
#[test]
fn empty_non_terminal() {
    let alias = nsec("alias.example.", "b.ent.example.", "CNAME");
    check(ZONE, "ent.example. A +do", &negative("NOERROR", &[alias]));
    check(ZONE, "w.example. A +do", &negative("NOERROR", &[nsec("sub.example.", "*.w.example.", "NS")]));
}

/// Section 3.1.3.3: no closer match exists.
#[test]
fn wildcard_answer() {
    let proof = nsec("x.w.example.", "example.", "TXT");
    check(
        ZONE,
        "y.w.example. A +do",
        &format!(
            "NOERROR aa edns\nanswer\ny.w.example. 300 IN A 192.0.2.4\ny.w.example. 300 IN RRSIG A of *.w.example.\n\
             authority\n{proof}"
        ),
    );
    check(
        ZONE,
        "*.w.example. A +do",
        "NOERROR aa edns\nanswer\n*.w.example. 300 IN A 192.0.2.4\n*.w.example. 300 IN RRSIG A of *.w.example.",
    );
}

/// Section 3.1.3.4: the wildcard's own record, and no closer match.
#[test]
fn wildcard_without_the_type() {
    let star = nsec("*.w.example.", "x.w.example.", "A");
    let before = nsec("x.w.example.", "example.", "TXT");
    check(ZONE, "y.w.example. MX +do", &negative("NOERROR", &[star.clone(), before]));
    check(ZONE, "b.w.example. MX +do", &negative("NOERROR", &[star]));
}

/// A wildcard that is an empty non-terminal (RFC 4592 section 2.2.3).
#[test]
fn empty_wildcard() {
    let zone = "example. nsec\na A 192.0.2.1\nx.*.w A 192.0.2.1";
    let proof = [nsec("a.example.", "x.*.w.example.", "A"), nsec("x.*.w.example.", "example.", "A")];
    check(zone, "y.w.example. A +do", &negative("NOERROR", &proof));
}

const GLUE: &str = "additional\nns.sub.example. 300 IN A 192.0.2.3";

/// Section 3.1.4: DS, or the record that shows that there is none.
#[test]
fn referrals() {
    let sub = nsec("sub.example.", "*.w.example.", "NS");
    let insecure = format!("NOERROR edns\nauthority\nsub.example. 300 IN NS ns.sub.example.\n{sub}{GLUE}");
    check(ZONE, "www.sub.example. A +do", &insecure);
    check(ZONE, "sub.example. NSEC +do", &insecure);
    check(
        ZONE,
        "www.sec.example. A +do",
        &format!(
            "NOERROR edns\nauthority\nsec.example. 300 IN NS ns.sub.example.\n\
             sec.example. 300 IN DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n\
             sec.example. 300 IN RRSIG DS of sec.example.\n{GLUE}"
        ),
    );
    check(ZONE, "sub.example. DS +do", &negative("NOERROR", &[sub]));
}

#[test]
fn no_such_name_behind_aliases() {
    check(
        ZONE,
        "x.old.example. A +do",
        &format!(
            "NXDOMAIN aa edns\nanswer\nold.example. 300 IN DNAME new.example.\nold.example. 300 IN RRSIG DNAME of old.example.\n\
             x.old.example. 300 IN CNAME x.new.example.\nauthority\nsoa example. signed\n{}{}",
            nsec("b.ent.example.", "old.example.", "A"),
            apex()
        ),
    );
}

/// Each wildcard on the way is proved, behind the whole answer.
#[test]
fn a_chain_through_wildcards() {
    let zone = "example. nsec\n*.one CNAME x.two\n*.two A 192.0.2.1\n*.tre CNAME x.four";
    let (one, tre, two) = (
        nsec("*.one.example.", "*.tre.example.", "CNAME"),
        nsec("*.tre.example.", "*.two.example.", "CNAME"),
        nsec("*.two.example.", "example.", "A"),
    );
    check(
        zone,
        "q.one.example. A +do",
        &format!(
            "NOERROR aa edns\nanswer\nq.one.example. 300 IN CNAME x.two.example.\n\
             q.one.example. 300 IN RRSIG CNAME of *.one.example.\nx.two.example. 300 IN A 192.0.2.1\n\
             x.two.example. 300 IN RRSIG A of *.two.example.\nauthority\n{one}{two}"
        ),
    );
    // The proof of the alias is part of the other's.
    check(
        zone,
        "q.tre.example. A +do",
        &format!(
            "NXDOMAIN aa edns\nanswer\nq.tre.example. 300 IN CNAME x.four.example.\n\
             q.tre.example. 300 IN RRSIG CNAME of *.tre.example.\nauthority\n{tre}soa example. signed\n{}",
            nsec("example.", "*.one.example.", "NS SOA")
        ),
    );
}

/// Two zones, each with its own denial.
#[test]
fn a_chain_across_zones() {
    let zones = ["one.test. nsec\n*.w CNAME x.two.test.", "two.test. nsec3\na A 192.0.2.1"];
    check(
        zones,
        "q.w.one.test. A +do",
        "NXDOMAIN aa edns
        answer
        q.w.one.test. 300 IN CNAME x.two.test.
        q.w.one.test. 300 IN RRSIG CNAME of *.w.one.test.
        authority
        *.w.one.test. 300 IN NSEC one.test. CNAME RRSIG NSEC
        *.w.one.test. 300 IN RRSIG NSEC of *.w.one.test.
        soa two.test. signed
        #two.test. 300 IN NSEC3 #a.two.test. NS SOA RRSIG NSEC3PARAM
        #two.test. 300 IN RRSIG NSEC3 of #two.test.",
    );
}

/// NSEC is a type like others for who asks for it.
#[test]
fn asked_for_itself() {
    check(
        ZONE,
        "a.example. NSEC +do",
        &format!("NOERROR aa edns\nanswer\n{}", nsec("a.example.", "alias.example.", "A")),
    );
    check(ZONE, "a.example. NSEC", "NOERROR aa\nanswer\na.example. 300 IN NSEC alias.example. A RRSIG NSEC");
    check(ZONE, "ent.example. NSEC", "NOERROR aa\nauthority\nsoa example.");
}

/// The root zone: its name is no suffix to point to.
#[test]
fn root_zone() {
    check(
        ". nsec\na A 192.0.2.1\nc A 192.0.2.1",
        "b. A +do",
        "NXDOMAIN aa edns
        authority
        soa . signed
        a. 300 IN NSEC c. A RRSIG NSEC
        a. 300 IN RRSIG NSEC of a.
        . 300 IN NSEC a. NS SOA RRSIG NSEC
        . 300 IN RRSIG NSEC of .",
    );
}

/// A zone that is not signed says nothing of what its children are.
#[test]
fn unsigned_ds() {
    let zone = "example.\nsec NS ns.example.net.\nsec DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    check(zone, "sec.example. A +do", "NOERROR edns\nauthority\nsec.example. 300 IN NS ns.example.net.");
}

/// NSEC records are denials only where the zone is signed; they break nothing.
#[test]
fn without_signatures() {
    let zone = "example.\na A 192.0.2.1\na TYPE47 \\# 14 0161076578616d706c6500000140";
    check(zone, "no.example. A +do", "NXDOMAIN aa edns\nauthority\nsoa example.");
    check(zone, "a.example. MX +do", "NOERROR aa edns\nauthority\nsoa example.");
}
