//! Denial by NSEC3: RFC 5155 section 7.2.

use crate::check::check;

/// In the order of their hashes: sub, the apex, a, sec, b.ent, alias, old, ent, *.w, w, x.w.
const ZONE: &str = "example. nsec3
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

/// The apex, opt, a, b.opt, sec; neither sub nor ent.
const OPT_OUT: &str = "example. opt-out
    a     A  192.0.2.1
    b.ent NS ns.example.net.
    b.opt A  192.0.2.2
    sec   NS ns.example.net.
    sec   DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    sub   NS ns.example.net.";

/// An NSEC3 record and its signature: owner, what its RDATA shows.
fn nsec3(owner: &str, data: &str) -> String {
    format!("#{owner} 300 IN NSEC3 {data}\n#{owner} 300 IN RRSIG NSEC3 of #{owner}\n")
}

fn apex() -> String {
    nsec3("example.", "#a.example. NS SOA RRSIG NSEC3PARAM")
}

fn a() -> String {
    nsec3("a.example.", "#sec.example. A RRSIG")
}

fn negative(rcode: &str, proof: &[String]) -> String {
    format!("{rcode} aa edns\nauthority\nsoa example. signed\n{}", proof.concat())
}

/// Section 7.2.2: the closest encloser, the next closer name, the wildcard.
#[test]
fn no_such_name() {
    let old = nsec3("old.example.", "#ent.example. DNAME RRSIG");
    check(ZONE, "no.example. A +do", &negative("NXDOMAIN", &[apex(), old.clone(), a()]));
    check(ZONE, "x.y.no.example. A +do", &negative("NXDOMAIN", &[apex(), old.clone(), a()]));
    let ent = nsec3("ent.example.", "#*.w.example.");
    let w = nsec3("w.example.", "#x.w.example.");
    check(ZONE, "y.ent.example. A +do", &negative("NXDOMAIN", &[ent, old, w]));
}

/// One record covers both.
#[test]
fn no_record_twice() {
    check(ZONE, "0.example. A +do", &negative("NXDOMAIN", &[apex(), a()]));
}

/// Section 7.2.3, also at an empty non-terminal.
#[test]
fn no_such_type() {
    check(ZONE, "a.example. MX +do", &negative("NOERROR", &[a()]));
    check(ZONE, "example. DS +do", &negative("NOERROR", &[apex()]));
    check(ZONE, "ent.example. A +do", &negative("NOERROR", &[nsec3("ent.example.", "#*.w.example.")]));
}

/// Section 7.2.6: the next closer name.
#[test]
fn wildcard_answer() {
    check(
        ZONE,
        "y.w.example. A +do",
        &format!(
            "NOERROR aa edns\nanswer\ny.w.example. 300 IN A 192.0.2.4\ny.w.example. 300 IN RRSIG A of *.w.example.\n\
             authority\n{}",
            a()
        ),
    );
}

/// Section 7.2.5: the closest encloser, the next closer name, the wildcard itself.
#[test]
fn wildcard_without_the_type() {
    let proof = [nsec3("w.example.", "#x.w.example."), a(), nsec3("*.w.example.", "#w.example. A RRSIG")];
    check(ZONE, "y.w.example. MX +do", &negative("NOERROR", &proof));
}

/// Section 7.2.7, and 7.2.3 for DS.
#[test]
fn referrals() {
    let (glue, sub) = ("additional\nns.sub.example. 300 IN A 192.0.2.3", nsec3("sub.example.", "#example. NS"));
    check(
        ZONE,
        "www.sub.example. A +do",
        &format!("NOERROR edns\nauthority\nsub.example. 300 IN NS ns.sub.example.\n{sub}{glue}"),
    );
    check(
        ZONE,
        "sec.example. A +do",
        &format!(
            "NOERROR edns\nauthority\nsec.example. 300 IN NS ns.sub.example.\n\
             sec.example. 300 IN DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n\
             sec.example. 300 IN RRSIG DS of sec.example.\n{glue}"
        ),
    );
    check(ZONE, "sub.example. DS +do", &negative("NOERROR", &[sub]));
}

/// Section 7.2.8: who asks for the owner of an NSEC3 record gets the answer for a name that does not exist.
#[test]
fn the_hashed_name_asked_for_itself() {
    let of_a = "6cd522290vma0nr8lqu1ivtcofj94rga.example.";
    check(ZONE, &format!("{of_a} A +do"), &negative("NXDOMAIN", &[apex(), a()]));
    check(ZONE, &format!("{of_a} NSEC3 +do"), &negative("NXDOMAIN", &[apex(), a()]));
    check(ZONE, &format!("{of_a} NSEC3"), "NXDOMAIN aa\nauthority\nsoa example.");
}

/// RFC 5155 section 7.2.4 and 7.2.7: the closest provable encloser, and that the next closer name lies in a span that is opted out.
#[test]
fn opt_out() {
    let apex = nsec3("example.", "opt-out #opt.example. NS SOA RRSIG NSEC3PARAM");
    let sec = nsec3("sec.example.", "opt-out #example. NS DS RRSIG");
    let b = nsec3("b.opt.example.", "opt-out #sec.example. A RRSIG");
    check(
        OPT_OUT,
        "www.sub.example. A +do",
        &format!("NOERROR edns\nauthority\nsub.example. 300 IN NS ns.example.net.\n{apex}{sec}"),
    );
    check(OPT_OUT, "sub.example. DS +do", &negative("NOERROR", &[apex.clone(), sec.clone()]));
    // An empty non-terminal above nothing but such a delegation.
    check(OPT_OUT, "ent.example. A +do", &negative("NOERROR", &[apex.clone(), sec.clone()]));
    check(OPT_OUT, "y.ent.example. A +do", &negative("NXDOMAIN", &[apex.clone(), sec.clone(), b.clone()]));
    check(OPT_OUT, "no.example. A +do", &negative("NXDOMAIN", &[apex, sec, b]));
}

#[test]
fn no_such_name_behind_an_alias() {
    check(
        ZONE,
        "x.old.example. A +do",
        &format!(
            "NXDOMAIN aa edns\nanswer\nold.example. 300 IN DNAME new.example.\nold.example. 300 IN RRSIG DNAME of old.example.\n\
             x.old.example. 300 IN CNAME x.new.example.\nauthority\nsoa example. signed\n{}{}",
            apex(),
            a()
        ),
    );
}

/// A chain through wildcards: one record for each, behind the whole answer.
#[test]
fn a_chain_through_wildcards() {
    check(
        "example. nsec3\n*.one CNAME x.two\n*.two A 192.0.2.1",
        "q.one.example. A +do",
        &format!(
            "NOERROR aa edns\nanswer\nq.one.example. 300 IN CNAME x.two.example.\n\
             q.one.example. 300 IN RRSIG CNAME of *.one.example.\nx.two.example. 300 IN A 192.0.2.1\n\
             x.two.example. 300 IN RRSIG A of *.two.example.\nauthority\n{}{}",
            nsec3("example.", "#one.example. NS SOA RRSIG NSEC3PARAM"),
            nsec3("two.example.", "#*.one.example.")
        ),
    );
}

/// Without DO nothing of it.
#[test]
fn without_do() {
    check(ZONE, "no.example. A +edns", "NXDOMAIN aa edns\nauthority\nsoa example.");
    check(ZONE, "y.w.example. A", "NOERROR aa\nanswer\ny.w.example. 300 IN A 192.0.2.4");
    check(
        ZONE,
        "www.sec.example. A",
        "NOERROR\nauthority\nsec.example. 300 IN NS ns.sub.example.\nadditional\nns.sub.example. 300 IN A 192.0.2.3",
    );
    check(ZONE, "example. NSEC3PARAM", "NOERROR aa\nanswer\nexample. 0 IN NSEC3PARAM \\# 5 0100000000");
}
