//! Each check of a zone's content by what it says: place, severity, message, remedy.

use catchment::wire::name::Name;
use catchment::zone::compile::compile;
use catchment::zone::diagnostic::{Diagnostic, Severity};
use catchment::zone::parse::{Options, parse_text};
use catchment::zone::spot;

/// A zone without fault, in four lines.
const HEAD: &str = "$TTL 1h\n@ SOA ns hostmaster 1 1h 15m 2w 1h\n@ NS ns\nns A 192.0.2.1\n";

/// `line:column+width severity: message | remedy` of each finding about the text.
fn findings_of(apex: &str, text: &str) -> Vec<String> {
    let apex: Name = apex.parse().unwrap();
    let parsed = parse_text("test.zone", text, &apex, &Options::default());
    let (image, findings) = compile(&apex, &parsed.records);
    let is_fatal = parsed.has_errors() || findings.iter().any(|finding| finding.fatal);
    assert_eq!(image.is_none(), is_fatal, "{text}");
    let mut diagnostics = parsed.diagnostics;
    diagnostics.extend(spot::place(findings, &parsed.sources));
    diagnostics.iter().map(line).collect()
}

pub(crate) fn line(found: &Diagnostic) -> String {
    let severity = match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let Diagnostic { line, column, width, message, remedy, .. } = found;
    format!("{line}:{column}+{width} {severity}: {message} | {remedy}")
}

/// The head of `example.com.` and these lines, from line 5 on, give exactly this.
#[track_caller]
fn check(lines: &str, expected: &[&str]) {
    assert_eq!(findings_of("example.com.", &format!("{HEAD}{lines}\n")), expected, "{lines}");
}

#[test]
fn a_good_zone_is_not_spoken_of() {
    check("", &[]);
    check(
        "@ MX 10 mail\nmail A 192.0.2.2\nwww CNAME mail\n@ MX 20 mx.example.net.\nnull MX 0 .\n_x._tcp SRV 0 0 0 .\n\
         sub NS ns.sub\nns.sub AAAA 2001:db8::1\nsub DS 1 8 2 0000000000000000000000000000000000000000000000000000000000000000\n\
         other NS ns.sub\nself NS self\nself A 192.0.2.3\n\
         *.w A 192.0.2.4\nw MX 10 a.w\na HTTPS 0 www\nb HTTPS 1 . alpn=h2\nb A 192.0.2.5\nc HTTPS 1 mail port=8443\nc HTTPS 2 mail\n\
         d MX 10 host.other\nold DNAME new\nnew TXT x",
        &[],
    );
}

#[test]
fn the_apex() {
    let of = |text: &str| findings_of("example.com.", text);
    assert_eq!(
        of("$TTL 1h\n@ NS ns\nns A 192.0.2.1\n"),
        ["2:0+0 error: example.com. has no SOA record | add one as the zone's first record"]
    );
    assert_eq!(
        of("$TTL 1h\n@ SOA ns h 1 1h 15m 2w 1h\nns A 192.0.2.1\n"),
        ["2:0+0 error: example.com. has no NS record | add the zone's name servers"]
    );
    check("@ SOA ns hostmaster 2 1h 15m 2w 1h", &["5:0+0 error: example.com. has more than one SOA record | keep one"]);
    check(
        "a.example.net. A 192.0.2.1",
        &[
            "5:0+0 error: a.example.net. is outside the zone example.com. | remove the record, or mend $ORIGIN or a missing or \
           superfluous final dot",
        ],
    );
}

#[test]
fn soa_timers_and_mailbox() {
    let of = |timers: &str| findings_of("example.com.", &HEAD.replace("hostmaster 1 1h 15m 2w 1h", timers));
    for (timers, expected) in [
        (
            "hostmaster 1 1h 1h 2w 1h",
            "2:26+2 warning: SOA retry 3600 is not below refresh 3600 | retry sooner than you refresh: a few minutes, say (RFC 1912 \
             section 2.2)",
        ),
        (
            "hostmaster 1 10000 1000 11000 1h",
            "2:34+5 warning: SOA expire 11000 is not above refresh 10000 and retry 1000 together | secondaries give the zone up \
             after one failure: take two to four weeks (RFC 1912 section 2.2)",
        ),
        (
            "hostmaster 1 1h 15m 604799 1h",
            "2:30+6 warning: SOA expire 604799 is less than a week | take two to four weeks (RFC 1912 section 2.2), so that \
             secondaries outlast a failure",
        ),
        (
            "hostmaster 1 1h 15m 2w 86401",
            "2:33+5 warning: SOA minimum 86401, the TTL of negative answers, is over a day | take one to three hours (RFC 2308 \
             section 5)",
        ),
        (
            "host\\@example.com. 1 1h 15m 2w 1h",
            "2:10+18 warning: the SOA's mailbox host\\@example.com. has an @ in it | write a dot instead: the mailbox of \
             hostmaster.example.com. is hostmaster@example.com",
        ),
    ] {
        assert_eq!(of(timers), [expected], "{timers}");
    }
    assert_eq!(of("hostmaster 1 1h 59m 604800 86400"), [""; 0]);
}

#[test]
fn names_that_stand_alone() {
    check(
        "a CNAME ns\na TXT x",
        &[
            "5:0+0 error: a.example.com. has a CNAME record and other data (TXT) | keep either the CNAME or the other records",
        ],
    );
    check("a CNAME ns\na CNAME b", &["5:0+0 error: a.example.com. has more than one CNAME record | keep one"]);
    check("a DNAME b\na DNAME c", &["6:0+0 error: a.example.com. has more than one DNAME record | keep one"]);
}

#[test]
fn ttls_and_duplicates() {
    check(
        "a 60 A 192.0.2.1\na 61 A 192.0.2.2",
        &[
            "6:0+0 warning: TTL 61 differs within a.example.com. A: the smallest, 60, is served | give all records of the RRset one TTL \
         (RFC 2181 5.2)",
        ],
    );
    check(
        "a A 192.0.2.1\nA A 192.0.2.1",
        &["6:0+0 warning: duplicate A record at A.example.com. | remove one of them"],
    );
}

#[test]
fn glue() {
    let remedy = "add its A and AAAA records as glue: nobody could find it (RFC 9471 section 3.1)";
    check(
        "sub NS ns.sub",
        &[&format!(
            "5:8+6 error: sub.example.com. is delegated to ns.sub.example.com., which lies in it and has no address here | {remedy}"
        )],
    );
    check(
        "sub NS sub",
        &[&format!(
            "5:8+3 error: sub.example.com. is delegated to sub.example.com., which lies in it and has no address here | {remedy}"
        )],
    );
    check(
        "sub NS ns.sub\nns.sub TXT x",
        &[
            &format!(
                "5:8+6 error: sub.example.com. is delegated to ns.sub.example.com., which lies in it and has no address here | {remedy}"
            ),
            "6:8+3 warning: ns.sub.example.com. TXT is below the delegation of sub.example.com. and never served | move it to the child \
         zone, or remove the delegation's NS records",
        ],
    );
    check(
        "sub NS ns\nx.sub A 192.0.2.1",
        &[
            "6:1+5 warning: x.sub.example.com. is delegated, and no NS record needs this address as glue | it is never served: move it to \
         the child zone, or remove it",
        ],
    );
    check(
        "sub NS ns\nsub AAAA 2001:db8::1",
        &[
            "6:1+3 warning: sub.example.com. is delegated, and no NS record needs this address as glue | it is never served: move it to \
         the child zone, or remove it",
        ],
    );
}

#[test]
fn targets() {
    let alias = "name what the alias stands for (RFC 2181 section 10.3)";
    for (lines, expected) in [
        ("@ NS nowhere", "5:6+7 warning: example.com. NS: nowhere.example.com. is not in the zone | add it, or mend the name".into()),
        ("sub NS a.b", "5:8+3 warning: sub.example.com. NS: a.b.example.com. is not in the zone | add it, or mend the name".into()),
        ("@ MX 10 nowhere", "5:9+7 warning: example.com. MX: nowhere.example.com. is not in the zone | add it, or mend the name".into()),
        (
            "_a._tcp SRV 1 1 1 nowhere",
            "5:19+7 warning: _a._tcp.example.com. SRV: nowhere.example.com. is not in the zone | add it, or mend the name".into(),
        ),
        ("a HTTPS 1 nowhere", "5:11+7 warning: a.example.com. HTTPS: nowhere.example.com. is not in the zone | add it, or mend the name".into()),
        ("@ MX 10 ns.ns", "5:9+5 warning: example.com. MX: ns.ns.example.com. is not in the zone | add it, or mend the name".into()),
        ("x MX 10 a\na CNAME ns", format!("5:9+1 warning: x.example.com. MX: a.example.com. is an alias | {alias}")),
        ("@ NS a\na CNAME ns", format!("5:6+1 warning: example.com. NS: a.example.com. is an alias | {alias}")),
        ("x SRV 1 1 1 a.w\n*.w CNAME ns", format!("5:13+3 warning: x.example.com. SRV: a.w.example.com. is an alias | {alias}")),
        ("x MX 10 a.d\nd DNAME @", format!("5:9+3 warning: x.example.com. MX: a.d.example.com. is an alias | {alias}")),
        ("x MX 10 t\nt TXT x", "5:9+1 warning: x.example.com. MX: t.example.com. has no address | add its A and AAAA records".into()),
        ("x MX 10 t\na.t TXT x", "5:9+1 warning: x.example.com. MX: t.example.com. has no address | add its A and AAAA records".into()),
        ("x MX 10 a.w\n*.w TXT x", "5:9+3 warning: x.example.com. MX: a.w.example.com. has no address | add its A and AAAA records".into()),
    ] {
        check(lines, &[&expected]);
    }
    // Another zone has to say; and aliases are what SVCB is for.
    check(
        "sub NS ns.example.net.\nx MX 10 mail.sub\nb NS ns.sub\ny HTTPS 1 al\nal CNAME ns\nz HTTPS 1 t\nt TXT x",
        &[],
    );
}

#[test]
fn occlusion() {
    check(
        "old DNAME new\na.old A 192.0.2.1\nb.a.old TXT x",
        &[
            "6:1+5 error: a.old.example.com. is below the DNAME at old.example.com. | remove the record, or the DNAME: it redirects all \
         names below it (RFC 6672 section 2.4)",
            "7:1+7 error: b.a.old.example.com. is below the DNAME at old.example.com. | remove the record, or the DNAME: it redirects all \
         names below it (RFC 6672 section 2.4)",
        ],
    );
    check(
        "sub NS ns\nsub TXT x",
        &[
            "6:5+3 warning: sub.example.com. TXT is beside the delegation's NS records and never served | move it to the child zone, or \
         remove the NS records",
        ],
    );
    check(
        "sub NS ns\na.b.sub NS ns",
        &[
            "6:9+2 warning: a.b.sub.example.com. NS is below the delegation of sub.example.com. and never served | move it to the child \
         zone, or remove the delegation's NS records",
        ],
    );
}

#[test]
fn final_dots() {
    let remedy = "put a dot at its end if it is meant to be complete; else all is well";
    for (apex, lines, expected) in [
        (
            "example.com",
            "www.example.com A 192.0.2.1",
            "5:1+15 warning: www.example.com.example.com. has the zone's name in it twice",
        ),
        (
            "example.com",
            "@ MX 10 mail.example.com",
            "5:9+16 warning: example.com. MX: mail.example.com.example.com. has the zone's name in it twice",
        ),
        (
            "example.com",
            "a CNAME www.example.net",
            "5:9+15 warning: a.example.com. CNAME: www.example.net.example.com. is not in the zone, and looks complete without its \
             final dot",
        ),
        (
            "example.com",
            "a MX 1 mx.example.net",
            "5:8+14 warning: a.example.com. MX: mx.example.net.example.com. is not in the zone, and looks complete without its final \
             dot",
        ),
        (
            "2.0.192.in-addr.arpa",
            "7 PTR www.example.org",
            "5:7+15 warning: 7.2.0.192.in-addr.arpa. PTR: www.example.org.2.0.192.in-addr.arpa. is within the reverse zone itself",
        ),
    ] {
        assert_eq!(findings_of(apex, &format!("{HEAD}{lines}\n")), [format!("{expected} | {remedy}")], "{lines}");
    }
    // A registry may well have a second-level domain of its own name, and a reverse zone what only looks like it.
    assert_eq!(findings_of("com", &format!("{HEAD}com NS ns.example.net.\n")), [""; 0]);
    check("xexample.com A 192.0.2.1\na.net A 192.0.2.2\nb CNAME a.net", &[]);
}

#[test]
fn svcb() {
    let remedy = "keep either the alias (priority 0) or the others (RFC 9460 section 2.4.1)";
    check(
        "a HTTPS 1 .\na A 192.0.2.1\na HTTPS 0 ns",
        &[&format!(
            "7:9+1 warning: a.example.com. has HTTPS records of both modes: clients ignore those with a priority | {remedy}"
        )],
    );
    check(
        "a SVCB 0 ns\na SVCB 0 ns.example.net.",
        &[
            "6:8+1 warning: a.example.com. has more than one SVCB alias: each client takes one at random | keep one (RFC 9460 section \
         2.4.2)",
        ],
    );
    check(
        "a HTTPS 0 a",
        &["5:0+0 warning: a.example.com. is a HTTPS alias of itself | name another target, or remove it"],
    );
}
